//! What authors get wrong, and the sentence that each mistake is answered with. Read the files in `said` as an author would.
//!
//! | mistake | held by |
//! |---|---|
//! | a guest that does not compile | the compiler's own words, `not_built` |
//! | a route, a column that is not there; another type than the guest thinks | `route`, `column`, `type` |
//! | a panic on the third row | `panic` |
//! | another contract, the wrong target, no names for backtraces | `contract`, `target`, `names` |
//! | a slip in a case | `slips`, `value` |
//! | two guests of one name | `twice`, `new_twice` |
//! | a file half copied | `half`; and while it runs, `guest/quiet.rs` |
//! | a folder on a network disk | `guest/watch.rs` in the source, `guest/quiet.rs` |
//! | in JSON: an answer, a manifest that is none | `json_answer`, `json_manifest` |

use crate::bench::{Bench, held, sluicegate};
use crate::guests;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROW: &str = "[[change]]\ninsert = \"public.package_status\"\n\
                   row = { id = 1, package_id = 7, customer_id = 2, status = \"In Transit\" }\n";

fn first_contract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/first.wasm")
}

#[test]
fn guest_that_does_not_compile_is_told_in_the_compilers_words() {
    let bench = Bench::new();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/sdk").canonicalize().expect("the guest crate");
    let manifest = fs::read_to_string(sdk.join("../parcels/Cargo.toml")).expect("a manifest");
    bench
        .put("crate/Cargo.toml", manifest.replace("../sdk", &sdk.display().to_string()))
        .put("crate/src/lib.rs", "use sluicegate_guest::prelude::*;\nfn f() -> u8 { \"text\" }\n")
        .pipeline("[guest.parcels]\ncrate = \"../crate\"\n");
    let said = bench.run("build", &[]);
    assert_eq!(said.code, 1, "{}", said.out);
    for words in ["error[E0308]: mismatched types", "src/lib.rs:2:16", "parcels/parcels.wasm: it does not compile"] {
        assert!(said.out.contains(words), "{words} is not in {}", said.out);
    }
    assert!(!bench.path("parcels/parcels.wasm").exists());
    held("not_built", &bench.case(ROW).run("test", &[]));
}

#[test]
fn crate_that_is_not_there_or_makes_no_module_is_named() {
    let bench = Bench::new();
    bench.pipeline("[guest.parcels]\ncrate = \"../crate\"\n");
    held("crate_missing", &bench.run("build", &[]));
    bench
        .put("crate/Cargo.toml", "[package]\nname = \"parcels\"\nversion = \"1.0.0\"\n[workspace]\n")
        .put("crate/src/lib.rs", "");
    held("crate_without_cdylib", &bench.run("build", &[]));
}

#[test]
fn machine_without_rust_is_told_what_to_install() {
    let bench = Bench::new();
    bench
        .pipeline("[guest.parcels]\ncrate = \"../crate\"\n")
        .put("crate/Cargo.toml", "[package]\nname = \"parcels\"\n");
    let said = bench.run_without_rust("build");
    let words = "cargo can not be started: No such file or directory (os error 2); install Rust from https://rustup.rs";
    assert!(said.code == 1 && said.out.contains(words), "{}", said.out);
}

#[test]
fn guest_that_names_a_route_that_is_not_there_is_refused() {
    let bench = Bench::new();
    let pipeline = fs::read_to_string(bench.path("parcels/pipeline.toml")).expect("it was written");
    bench.put("parcels/pipeline.toml", pipeline.replace("name = \"customer\"", "name = \"custmer\""));
    held("route", &bench.guest(&first_contract()).case(ROW).run("test", &[]));
}

#[test]
fn guest_that_asks_for_a_column_that_is_not_there_holds_its_pipeline() {
    let bench = Bench::new();
    let case = "[[change]]\ninsert = \"public.package_status\"\nrow = { id = 1, package = 7, customer = 2 }\n";
    held("column", &bench.guest(&first_contract()).case(case).run("test", &[]));
}

#[test]
fn misspelt_names_in_a_case_are_guessed() {
    let bench = Bench::new();
    bench.guest(&first_contract());
    held("column_slip", &bench.case(&ROW.replace("status =", "statuss =")).run("test", &[]));
    let case = format!("{}verdict = \"emit\"\n", ROW.replace("public.package_status", "public.package_state"));
    held("table_slip", &bench.case(&case).run("test", &[]));
}

#[test]
fn what_nobody_would_ever_hear_of_is_said() {
    let bench = Bench::new();
    bench.pipeline("[guest.parcels]\ncrate = \"../nowhere\"\n").put("orders/orders.wasm", "x");
    bench.put("sluicegate.toml", "[source.erp]\nkind = \"postgres\"\nurl = \"postgres://me@127.0.0.1:1/db\"\n");
    held("check", &bench.run("check", &[]));
    let said = bench.say(&["bench", "/nowhere/a.wasm"]);
    assert_eq!((said.code, said.out.trim_end()), (1, "/nowhere/a.wasm does not exist"));
}

/// `sluicegate test | head` is no reason to fall over.
#[test]
fn pipe_that_is_closed_ends_every_verb_quietly() {
    let bench = Bench::new();
    bench.guest(&first_contract()).case(ROW);
    for verb in ["test", "check", "build", "dev"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        let folder = bench.path("");
        let child = command.arg(verb).arg(folder).env("NOT_SET_ANYWHERE", "postgres://me@127.0.0.1:1/db");
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(141) && said.is_empty(), "{verb}: {:?} {said}", output.status);
    }
}

#[test]
fn column_of_another_type_than_the_guest_thinks_is_a_rejection_with_its_remedy() {
    let bench = Bench::new();
    let case = ROW.replace("customer_id = 2", "customer_id = \"two\"");
    held("type", &bench.guest(&first_contract()).case(&case).run("test", &[]));
}

#[test]
fn panic_on_the_third_row_is_that_rows_and_the_others_pass() {
    let bench = Bench::new();
    bench.pipeline("[guest.parcels]\nconfig = { mode = \"panic\" }\n").guest(&guests::module("hostile"));
    let row = |id: u32, poison: bool| {
        format!(
            "[[change]]\ninsert = \"public.package_status\"\nrow = {{ id = {id}, package_id = 7, customer_id = 2, poison = {poison} }}\nverdict = \"pass\"\n"
        )
    };
    let said = bench.case(&(1..=4).map(|id| row(id, id == 3)).collect::<String>()).run("test", &[]);
    let backtrace = said.out.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).count();
    assert!(backtrace > 2 && said.out.contains("hostile"), "the backtrace has names: {}", said.out);
    let rest: Vec<&str> = said.out.lines().take_while(|line| !line.contains("wasm backtrace")).collect();
    held("panic", &crate::bench::Said { code: said.code, out: rest.join("\n") });
}

#[test]
fn guest_of_another_version_of_the_contract_is_refused() {
    let bench = Bench::new();
    let bytes = fs::read(first_contract()).expect("the module");
    let (from, to) = (b"sluicegate:guest/host@1.0.0", b"sluicegate:guest/host@2.0.0");
    let mut other = bytes.clone();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            other[at..at + to.len()].copy_from_slice(to);
        }
    }
    bench.put("parcels/parcels.wasm", other);
    held("contract", &bench.say(&["inspect", &bench.path("parcels/parcels.wasm").display().to_string()]));
}

#[test]
fn module_for_the_wrong_target_is_refused_with_the_right_one() {
    let bench = Bench::new();
    let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0".to_vec();
    let (from, name) = (b"wasi_snapshot_preview1", b"fd_write");
    let import = [&[1, from.len() as u8][..], from, &[name.len() as u8], name, &[0, 0]].concat();
    module.extend([2, import.len() as u8]);
    module.extend(import);
    bench.put("parcels/parcels.wasm", module);
    held("target", &bench.say(&["inspect", &bench.path("parcels/parcels.wasm").display().to_string()]));
}

#[test]
fn guest_without_names_is_told_how_to_keep_them() {
    let bench = Bench::new();
    bench.put("parcels/parcels.wasm", without_names(&fs::read(first_contract()).expect("the module")));
    let said = bench.say(&["inspect", &bench.path("parcels/parcels.wasm").display().to_string()]);
    assert_eq!(said.code, 0, "{}", said.out);
    let names: Vec<&str> = said.out.lines().filter(|line| line.contains("names ")).collect();
    held("names", &crate::bench::Said { code: said.code, out: names.join("\n") });
}

/// The same module without its section of names.
fn without_names(module: &[u8]) -> Vec<u8> {
    let mut kept = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let (mut len, mut shift, mut head) = (0_usize, 0, at + 1);
        loop {
            len |= usize::from(module[head] & 0x7f) << shift;
            (shift, head) = (shift + 7, head + 1);
            if module[head - 1] & 0x80 == 0 {
                break;
            }
        }
        let is_names = module[at] == 0 && module[head..].starts_with(b"\x04name");
        if !is_names {
            kept.extend(&module[at..head + len]);
        }
        at = head + len;
    }
    kept
}

#[test]
fn file_that_was_half_copied_says_so() {
    let bench = Bench::new();
    let bytes = fs::read(first_contract()).expect("the module");
    bench.put("parcels/parcels.wasm", &bytes[..bytes.len() / 2]);
    held("half", &bench.case(ROW).run("test", &[]));
}

#[test]
fn guest_in_json_whose_answer_is_none_is_told_what_one_looks_like() {
    let bench = Bench::new();
    bench.pipeline("[guest.parcels]\nconfig = { answer = '[{\"sett\":{}}]' }\n").guest(&guests::module("hostile-json"));
    let case = ROW.replace("id = 1,", "id = 1, poison = true,");
    held("json_answer", &bench.case(&case).run("test", &[]));
    bench.guest(&guests::module_with("hostile-json", "slip"));
    let said = bench.say(&["inspect", &bench.path("parcels/parcels.wasm").display().to_string()]);
    // Its size and its hash are the compiler's.
    let verdict: Vec<&str> = said.out.lines().filter(|line| line.contains("verdict ")).collect();
    held("json_manifest", &crate::bench::Said { code: said.code, out: verdict.join("\n") });
}

#[test]
fn slips_in_a_case_are_all_told_at_their_places() {
    let bench = Bench::new();
    bench.guest(&first_contract()).case(
        "abuot = \"x\"\n[[change]]\ninsrt = \"public.package_status\"\nrow = { id = 1 }\n\
         [[change]]\ninsert = \"package_status\"\nrow = { id = 1 }\nverdict = \"dropp\"\n\
         [[change]]\ndelete = \"public.package_status\"\nrow = { id = 1 }\nverdict = \"drop\"\n[[change.message]]\nroute = \"customer\"\n",
    );
    held("slips", &bench.run("test", &[]));
    bench.case("[table.\"public.package_status\"]\ntypes = { id = \"integer\" }\n[[change]]\ninsert = \"public.package_status\"\nrow = { id = \"one\" }\n");
    held("value", &bench.run("test", &[]));
}

#[test]
fn two_guests_of_one_name_are_one_too_many() {
    let bench = Bench::new();
    bench.pipeline("[guest.parcels]\ncrate = \"../a\"\n[guest.parcels]\ncrate = \"../b\"\n");
    held("twice", &bench.run("build", &[]));
    let root = bench.path("root").display().to_string();
    assert_eq!(sluicegate(&["new", "orders", "--root", &root]).code, 0);
    held("new_twice", &bench.say(&["new", "orders", "--root", &root]));
    held("new_space", &bench.say(&["new", "He llo", "--root", &root]));
    held("new_name", &bench.say(&["new", "My-Orders", "--root", &root]));
}
