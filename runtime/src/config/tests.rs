//! Mistakes as users see them, and the documented files as they are read.
//!
//! Each `tests/config/NAME.toml` is a folder in one file: a line `#: parcels/pipeline.toml` begins the file of that name.
//! `NAME.err` is what is to be printed. `SLUICEGATE_BLESS=1 cargo test -p sluicegate --lib config::` writes the `.err` files
//! anew; look at the difference before you commit it.

use super::*;
use crate::change::Op;
use proptest::prelude::*;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// What must never be printed.
const SECRETS: [&str; 4] = ["hunter2", "swordfish", "c2VzYW1l", "open-sesame"];

const SHARED: &str = "[source.erp]\nkind = \"postgres\"\nurl = \"${ERP_URL}\"\n";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "ERP_URL" => "postgres://cdc:hunter2@db.example:5432/erp",
        "SHOP_URL" => "postgres://cdc:hunter2@db.example:5432/shop?sslmode=verify-full",
        "BROKEN_URL" => "postgres://cdc:hunter2@db.example:x/erp",
        "CUSTOMERS_SECRET" => "whsec_c2VzYW1l",
        "SLUICEGATE_TOKEN" => "swordfish",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.into())
}

/// Writes the files that `#:` lines name; those before the first line are the pipeline's.
fn folder_of(case: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = vec![("parcels/pipeline.toml", String::new())];
    for line in case.split_inclusive('\n') {
        match line.strip_prefix("#: ") {
            Some(name) => files.push((name.trim_end(), String::new())),
            None => files.last_mut().expect("never empty").1.push_str(line),
        }
    }
    if files.len() > 1 {
        files.remove(0);
    } else {
        files.push((HOST_FILE, SHARED.into()));
    }
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

fn mistakes_of(folder: &Path) -> String {
    let shown = load(folder, &env).expect_err("a mistake").to_string();
    shown.replace(&folder.display().to_string(), "pipelines") + "\n"
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_mistake_is_told_as_recorded() {
    let cases = repository("tests/config");
    let mut paths: Vec<PathBuf> = fs::read_dir(&cases).expect("the cases").map(|e| e.expect("a case").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(paths.len() >= 30, "{} cases", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let folder = folder_of(&fs::read_to_string(&path).expect("readable"));
        let found = mistakes_of(folder.path());
        for secret in SECRETS {
            assert!(!found.contains(secret), "case {name} shows {secret}:\n{found}");
        }
        let expected_path = path.with_extension("err");
        if std::env::var_os("SLUICEGATE_BLESS").is_some() {
            fs::write(&expected_path, &found).expect("written");
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("case {name}\nexpected:\n{expected}\nfound:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
