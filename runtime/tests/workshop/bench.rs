//! A folder to work in, the program on it, and what it said held against what is recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A pipelines folder with one pipeline, `parcels`.
pub struct Bench(TempDir);

/// What a verb said: its exit code, and both outputs after each other.
pub struct Said {
    pub code: i32,
    pub out: String,
}

const SHARED: &str = "[source.erp]\nkind = \"postgres\"\nurl = \"${NOT_SET_ANYWHERE}\"\n";
const PIPELINE: &str = "sources = [\"erp\"]\ntables = [\"public.package_status\"]\n\
    [target.customers]\nkind = \"http\"\nmember.1 = { url = \"http://127.0.0.1:1/\" }\nmember.2 = { url = \"http://127.0.0.1:2/\" }\n\
    [[route]]\nname = \"customer\"\nto = \"customers\"\nmember = \"{customer_id}\"\nkey = \"{package_id}\"\n";

impl Bench {
    pub fn new() -> Self {
        let bench = Self(TempDir::new().expect("a folder"));
        bench.put("sluicegate.toml", SHARED).put("parcels/pipeline.toml", PIPELINE);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
        self
    }

    pub fn guest(&self, module: &Path) -> &Self {
        self.put("parcels/parcels.wasm", fs::read(module).expect("the module"))
    }

    pub fn case(&self, text: &str) -> &Self {
        self.put("parcels/cases/case.toml", text)
    }

    /// Adds to `pipeline.toml`.
    pub fn pipeline(&self, more: &str) -> &Self {
        self.put("parcels/pipeline.toml", format!("{PIPELINE}{more}"))
    }

    pub fn run(&self, verb: &str, more: &[&str]) -> Said {
        let folder = self.0.path().display().to_string();
        let mut arguments = vec![verb, folder.as_str()];
        arguments.extend(more);
        self.say(&arguments)
    }

    /// The same on a machine that has no Rust.
    pub fn run_without_rust(&self, verb: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        let bare = command.arg(verb).arg(self.0.path()).env("PATH", "/nowhere");
        let output = bare.env_remove("CARGO").env_remove("RUSTC").output().expect("the program starts");
        Said { code: output.status.code().unwrap_or(-1), out: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Any arguments; the folder is replaced by `pipelines` in what is said, and times by `N ms`.
    pub fn say(&self, arguments: &[&str]) -> Said {
        let said = sluicegate(arguments);
        let out = said.out.replace(&self.0.path().display().to_string(), "pipelines");
        Said { code: said.code, out: without_times(&out) }
    }
}

pub fn sluicegate(arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let output = command.args(arguments).env("NO_COLOR", "1").output().expect("the program starts");
    let out = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Said { code: output.status.code().unwrap_or(-1), out }
}

/// `104 ms` and `1.2 s` are another each time.
fn without_times(text: &str) -> String {
    let mut words = Vec::new();
    for line in text.split('\n') {
        let mut line: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 1..line.len() {
            let unit = line[at].trim_end_matches([',', ')', ';']).to_owned();
            let number = line[at - 1].trim_start_matches('(').to_owned();
            if matches!(unit.as_str(), "ms" | "s" | "µs") && number.parse::<f64>().is_ok() {
                line[at - 1] = line[at - 1].replace(&number, "N");
                line[at] = line[at].replace(&unit, "ms");
            }
        }
        words.push(line.join(" "));
    }
    words.join("\n")
}

/// Holds what was said against `said/NAME.txt`; `SLUICEGATE_BLESS=1` writes it anew.
pub fn held(name: &str, said: &Said) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workshop/said").join(format!("{name}.txt"));
    let found = format!("{}\nexit code {}\n", said.out.trim_end(), said.code);
    if std::env::var_os("SLUICEGATE_BLESS").is_some() {
        fs::write(&path, &found).expect("written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} is what was said before", path.display());
}
