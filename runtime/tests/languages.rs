//! The example guests in other languages, built as their authors would build them and played through the program. Whether that can be done
//! is found out here: a machine without the language, or without its registry, skips it and says why, which a test function could not.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use tempfile::TempDir;
use xtask::languages::{Builder, Language};

const SHARED: &str = "[source.erp]\nkind = \"postgres\"\nurl = \"${ERP_URL}\"\n";
const PIPELINE: &str = "sources = [\"erp\"]\ntables = [\"public.orders\"]\n\
    [target.customers]\nkind = \"http\"\nmember.7 = { url = \"http://127.0.0.1:1/\" }\nmember.8 = { url = \"http://127.0.0.1:2/\" }\n\
    [[route]]\nname = \"out\"\nto = \"customers\"\nmember = \"{customer_id}\"\n";
const ENVIRONMENT: [(&str, &str); 2] = [("NO_COLOR", "1"), ("ERP_URL", "postgres://cdc@127.0.0.1:1/erp")];
/// One for all: they do the same.
const CASE: &str = include_str!("languages/orders.toml");
/// Rows of the second case: many calls, each with mistakes of which the other rows know nothing.
const THOUSAND: usize = 1_000;

enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        Language::ALL.iter().for_each(|language| println!("{}: test", language.name()));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted =
        |language: &Language| filters.is_empty() || filters.iter().any(|f| language.name().contains(f.as_str()));
    let began = Instant::now();
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for language in Language::ALL.into_iter().filter(wanted) {
        let name = language.name();
        match tried(language) {
            Outcome::Passed => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Outcome::Skipped(reason) => {
                ignored += 1;
                println!("test {name} ... ignored, {}", reason.replace('\n', " "));
            }
            Outcome::Failed(reason) => {
                failed += 1;
                println!("test {name} ... FAILED\n{reason}");
            }
        }
    }
    let all = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = Language::ALL.len() - passed - failed - ignored;
    let took = began.elapsed().as_secs_f64();
    println!(
        "\ntest result: {all}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {filtered} filtered out; \
         finished in {took:.2}s\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tried(language: Language) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let builder = match runtime.block_on(language.obtain()) {
        Ok(builder) => builder,
        Err(reason) => return Outcome::Skipped(format!("{reason:#}")),
    };
    match runtime.block_on(Desk::new(language, &builder)).and_then(|desk| desk.holds()) {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason),
    }
}

/// A pipelines folder with the built guest in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    async fn new(language: Language, builder: &Builder) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().map_err(|e| e.to_string())?;
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        let desk = Self { folder };
        desk.put("sluicegate.toml", SHARED);
        desk.put("orders/pipeline.toml", PIPELINE);
        let built = builder.build(&root.join("wit/sluicegate.wit"), &root.join(language.example()), &desk.wasm()).await;
        built.map_err(|reason| format!("{reason:#}"))?;
        Ok(desk)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    fn wasm(&self) -> PathBuf {
        self.folder.path().join("orders/orders.wasm")
    }

    /// Runs the program on the folder: whether it succeeded, and what it said.
    fn say(&self, verb: &str) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        let output = command.arg(verb).arg(self.folder.path()).envs(ENVIRONMENT).output().expect("the program starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    fn holds(&self) -> Result<(), String> {
        let expect = |good: bool, what: &str, said: String| if good { Ok(()) } else { Err(format!("{what}:\n{said}")) };
        self.put("orders/cases/orders.toml", CASE);
        let (good, said) = self.say("test");
        expect(good && said.contains("1 case held, 0 failed"), "its case holds", said)?;

        // Compiled once, which is most of what this takes; from here on the code comes out of the state folder.
        let (good, said) = self.say("check");
        expect(good && said.contains("wants public.orders, names out"), "it is what it says", said)?;

        self.put("orders/cases/many.toml", &many());
        let (good, said) = self.say("test");
        expect(good && said.contains("2 cases held, 0 failed"), "many rows are as one", said)?;

        self.put("orders/pipeline.toml", &format!("{PIPELINE}[guest.orders]\nconfig = {{ large = \"many\" }}\n"));
        let (good, said) = self.say("test");
        expect(!good && said.contains("its init refuses the configuration: "), "its init may refuse", said)
    }
}

/// Rows of which one in ten is wrong.
fn many() -> String {
    let mut case =
        "[table.\"public.orders\"]\ntypes = { customer_id = \"bigint\", note = \"text\", total = \"numeric\" }\n"
            .to_owned();
    for id in 0..THOUSAND {
        let (customer, verdict) = if id % 10 == 7 { ("", "reject") } else { ("customer_id = 7, ", "pass") };
        let row = format!("{{ id = {id}, {customer}status = \"paid\", total = \"1\" }}");
        write!(case, "[[change]]\ninsert = \"public.orders\"\nrow = {row}\nverdict = \"{verdict}\"\n")
            .expect("a string");
    }
    case
}
