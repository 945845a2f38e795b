//! Guests and cases that are written from a table, with every type and the strangest names.

use crate::bench::sluicegate;
use crate::postgres::Server;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const TABLE: &str = "CREATE TABLE odd (\"Customer ID\" integer NOT NULL, \"type\" text NOT NULL, price numeric(10,2), at timestamptz, \
    d date, t time, flag boolean NOT NULL, data bytea, doc jsonb, u uuid, tags text[], gap interval, f real, big bigint, \
    PRIMARY KEY (\"Customer ID\", \"type\"))";
const ROWS: &str = "INSERT INTO odd VALUES (1, 'a \"quoted\" one', 12.50, '2026-01-31 12:00:00.5+02', '2026-01-31', '08:05:30', true, \
    '\\x0001', '{\"a\": [1, null]}', '12345678-1234-1234-1234-123456789012', '{x,\"y z\"}', '1 day', 1.5, 9007199254740993), \
    (2, 'secret 7', NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

#[test]
fn guest_of_a_table_with_every_type_compiles_and_its_case_holds_the_rows() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(TABLE);
    sql.run(ROWS);
    let url = server.url("postgres");
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().display().to_string();
    let said =
        sluicegate(&["new", "odd", "--source", &url, "--table", "public.odd", "--mask", "type", "--root", &root]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(
        said.out.contains("left out of the first case, because a case can not hold them: gap (change 1)\n"),
        "{}",
        said.out
    );
    let case = fs::read_to_string(folder.path().join("pipelines/odd/cases/first.toml")).expect("the case");
    for words in ["12.50", "2026-01-31T10:00:00.5Z", "08:05:30", "AAE=", "\"y z\"", "9007199254740993", "xxxxxx 0"] {
        assert!(case.contains(words), "{words:?} is not in {case}");
    }
    assert!(!case.contains("secret") && !case.contains("quoted"), "{case}");

    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let manifest = folder.path().join("guests/odd/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tested = Command::new(cargo)
        .args(["test", "--quiet", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", target.canonicalize().unwrap_or(target))
        .env("RUSTFLAGS", "-D warnings")
        .output()
        .expect("cargo");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));

    let recording = ["record", "odd", "--source", &url, "--table", "public.odd", "--rows", "1"];
    let dir = folder.path().join("pipelines").display().to_string();
    let said = sluicegate(&[&recording[..], &["--dir", &dir]].concat());
    assert_eq!(said.code, 0, "{}", said.out);
    let again = sluicegate(&[&recording[..], &["--dir", &dir]].concat());
    assert!(again.code == 2 && again.out.contains("public-odd.toml is there already"), "{}", again.out);
}

/// PostgreSQL does not send what it computes: a guest that asked for it held its pipeline at the first row.
#[test]
fn generated_columns_are_left_out_of_the_guest_and_its_case_and_that_is_said() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE boxes (id int PRIMARY KEY, w int NOT NULL, area int GENERATED ALWAYS AS (w * w) STORED)");
    sql.run("INSERT INTO boxes (id, w) VALUES (1, 77)");
    let folder = TempDir::new().expect("a folder");
    let (url, root) = (server.url("postgres"), folder.path().display().to_string());
    let said = sluicegate(&["new", "boxes", "--source", &url, "--table", "public.boxes", "--root", &root]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("PostgreSQL does not send generated columns: area\n"), "{}", said.out);
    let guest = fs::read_to_string(folder.path().join("guests/boxes/src/lib.rs")).expect("the guest");
    assert!(guest.contains("columns = [\"id\", \"w\"],"), "{guest}");
    assert!(guest.contains("/// Left out, because PostgreSQL does not send generated columns: `area`."), "{guest}");
    let case = fs::read_to_string(folder.path().join("pipelines/boxes/cases/first.toml")).expect("the case");
    assert!(!case.contains("area") && !case.contains("5929"), "{case}");
}

/// Two folders made on one database would share a slot, and the second would never get it.
#[test]
fn slot_that_is_on_the_server_already_is_not_taken_again() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)");
    sql.run("SELECT pg_create_logical_replication_slot('sluicegate_db', 'pgoutput')");
    let folder = TempDir::new().expect("a folder");
    let (url, root) = (server.url("postgres"), folder.path().display().to_string());
    let said = sluicegate(&["new", "my-orders", "--source", &url, "--table", "public.orders", "--root", &root]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("this one reads sluicegate_db_my_orders."), "{}", said.out);
    let shared = fs::read_to_string(folder.path().join("pipelines/sluicegate.toml")).expect("the shared file");
    for line in ["slot = \"sluicegate_db_my_orders\"", "publication = \"sluicegate_db_my_orders\""] {
        assert!(shared.contains(line), "{shared}");
    }
    let checked = sluicegate(&["test", &format!("{root}/pipelines")]);
    assert!(!checked.out.contains("sluicegate.toml:"), "what was written is read: {}", checked.out);
}

#[test]
fn table_that_is_not_there_is_told_with_those_that_are() {
    let server = Server::start(&[]);
    server.sql("postgres").run("CREATE TABLE orders (id int PRIMARY KEY)");
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().display().to_string();
    let (url, table) = (server.url("postgres"), "public.order");
    let said = sluicegate(&["new", "orders", "--source", &url, "--table", table, "--root", &root]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.out.trim_end(),
        "there is no table \"public.order\"; did you mean \"public.orders\"? the database has: public.orders"
    );
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        0,
        "nothing is written before the table is seen"
    );
}
