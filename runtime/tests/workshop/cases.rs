//! Cases that hold, that do not, that are blessed, and that are many.

use crate::bench::{Bench, held};
use crate::guests;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const CASE: &str = "# mine\n[[change]]\ninsert = \"public.package_status\"\n\
    row = { id = 1, package_id = 7, customer_id = 2, status = \"In Transit\" }\nverdict = \"emit\"\n\
    [[change.message]]\nroute = \"customer\"\nto = \"customers/1\"\nkey = \"8\"\nbody = { status = \"Delivered\" }\n";

#[test]
fn guest_built_against_the_first_contract_runs() {
    let bench = Bench::new();
    bench.guest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/first.wasm"));
    let case = CASE.replace("customers/1", "customers/2").replace("key = \"8\"", "key = \"7\"");
    let said = bench.case(&case.replace("\"Delivered\"", "\"In Transit\"")).run("test", &[]);
    assert_eq!((said.code, said.out.lines().last()), (0, Some("1 case held, 0 failed")), "{}", said.out);
}

#[test]
fn what_differs_is_shown_field_by_field_and_can_be_blessed() {
    let bench = Bench::new();
    bench.guest(&guests::module("parcels")).case(CASE);
    held("differs", &bench.run("test", &[]));
    assert_eq!(bench.run("test", &["--bless"]).code, 0);
    let blessed = fs::read_to_string(bench.path("parcels/cases/case.toml")).expect("the case");
    assert!(blessed.starts_with("# mine\n") && blessed.contains("customers/2"), "{blessed}");
    assert_eq!(bench.run("test", &[]).code, 0, "{blessed}");
}

#[test]
fn another_guest_is_held_beside_the_one_in_the_folder() {
    let bench = Bench::new();
    bench.guest(&guests::module("parcels")).case(CASE);
    let other = guests::module_with("parcels", "v2").display().to_string();
    let case = bench.path("parcels/cases/case.toml").display().to_string();
    let said = bench.say(&["replay", &case, &other]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(
        said.out.contains("\"handled_by\":\"parcels v2\"") && said.out.ends_with("1 of 1 change come out otherwise\n"),
        "{}",
        said.out
    );
    let same = bench.say(&["replay", &case, &bench.path("parcels/parcels.wasm").display().to_string()]);
    assert!(same.out.ends_with("nothing comes out otherwise\n"), "{}", same.out);
}

#[test]
fn thousand_rows_are_tested_in_under_a_second() {
    let bench = Bench::new();
    let mut case = String::new();
    for id in 0..1000 {
        let row =
            format!("{{ id = {id}, package_id = {}, customer_id = {}, status = \"In Transit\" }}", id / 8, id % 2 + 1);
        write!(case, "[[change]]\ninsert = \"public.package_status\"\nrow = {row}\nverdict = \"emit\"\n")
            .expect("a string");
    }
    bench.guest(&guests::module("parcels")).case(&case);
    // Compiled once, as it is after the first run.
    assert_eq!(bench.run("test", &[]).code, 0);
    let began = Instant::now();
    let said = bench.run("test", &[]);
    let took = began.elapsed();
    assert_eq!(said.code, 0, "{}", said.out);
    // The program that people use is optimised.
    let limit = if cfg!(debug_assertions) { Duration::from_secs(3) } else { Duration::from_secs(1) };
    assert!(took < limit, "it took {took:?}");
    println!("1,000 rows were tested in {took:?}");
}

#[test]
fn cost_of_a_guest_is_told_by_size_of_batch() {
    let bench = Bench::new();
    bench.guest(&guests::module("parcels")).case(CASE);
    let wasm = bench.path("parcels/parcels.wasm").display().to_string();
    let said = bench.say(&["bench", &wasm]);
    assert_eq!(said.code, 0, "{}", said.out);
    for size in ["\n  1  ", "\n  16  ", "\n  64  ", "\n  256 in 4 calls "] {
        assert!(said.out.contains(size), "{size:?} is not in {}", said.out);
    }
    let json = bench.put("parcels/json.wasm", fs::read(guests::module("hostile-json")).expect("the module"));
    let said = json.say(&["bench", &bench.path("parcels/json.wasm").display().to_string()]);
    assert!(said.code == 0 && said.out.contains("\n  256 in 4 calls "), "a guest in JSON is weighed too: {}", said.out);
    let lost = bench.put("alone.wasm", fs::read(&wasm).expect("the module")).path("alone.wasm").display().to_string();
    held("bench_without_rows", &bench.say(&["bench", &lost]));
}

#[test]
fn cases_of_this_repositorys_pipelines_are_readable_without_a_database() {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let plan = sluicegate::workshop::plan(&pipelines).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for pipeline in &plan.pipelines {
        let files = sluicegate::workshop::case::files(pipeline).expect("a folder");
        assert!(!files.is_empty(), "pipeline {} has no case", pipeline.name);
        for file in files {
            let case = sluicegate::config::load_case(&file).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            assert!(
                case.changes.iter().all(|change| !change.expected.is_empty()),
                "{} expects nothing",
                file.display()
            );
        }
    }
}
