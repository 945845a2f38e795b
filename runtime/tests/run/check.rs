//! `check`: everything that can be known before the first change.

use crate::guests;
use crate::house::{House, free_port};
use crate::receiver::{Manner, Receiver};
use std::fs;

/// The lines that say what is wrong.
fn wrong(out: &str) -> Vec<&str> {
    out.lines().filter(|line| line.starts_with("WRONG")).collect()
}

#[test]
fn good_folder_passes_and_nothing_is_changed() {
    let customer = Receiver::open(Manner::Says(204));
    let house = House::new("check_good")
        .pipeline("tables = [\"public.package_*\"]\nguests = [\"parcels\"]")
        .customer("1", &customer)
        .guest(&guests::module("parcels"));
    house.write();
    for arguments in [&["check"][..], &["check", "--connect"]] {
        let (code, out, err) = house.verb(arguments);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("parcels.wasm: ") && out.contains("nothing wrong was found"), "{out}");
    }
    let sql = house.sql();
    assert_eq!(sql.one("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'check_good'"), "0");
    assert_eq!(sql.one("SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(customer.count(), 0, "a connection is no delivery");
}

#[test]
fn every_wrong_thing_is_named_at_once_with_its_remedy() {
    let mut house = House::new("check_bad")
        .pipeline("tables = [\"public.package_status\", \"public.pakages\"]")
        .customer_at("1", &format!("http://127.0.0.1:{}/", free_port()), "");
    house.sql().run("CREATE TABLE packages (id int PRIMARY KEY); CREATE ROLE check_bad LOGIN");
    house.connect_as("check_bad", crate::house::shared_server().port, "check_bad");
    house.write();
    let whole = fs::read(guests::module("parcels")).expect("the module");
    house.put_guest(&whole[..whole.len() / 2]);

    let (code, out, _) = house.verb(&["check"]);
    assert_eq!(code, 2, "{out}");
    let lines = wrong(&out);
    assert_eq!(lines.len(), 1, "{out}");
    assert!(lines[0].contains("parcels/parcels.wasm: ") && lines[0].contains("not copied completely"), "{out}");

    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    let lines = wrong(&out);
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[1].contains("ALTER ROLE \"check_bad\" REPLICATION"), "{out}");
    assert!(lines[2].contains("no table of erp is \"public.pakages\""), "{out}");
    assert!(lines[2].contains("did you mean \"public.packages\"?"), "{out}");
    assert!(lines[3].contains("customers/1") && lines[3].contains("does not take connections"), "{out}");
    assert!(out.contains("4 of "), "{out}");
}

#[test]
fn guest_that_is_listed_but_not_there_is_named() {
    let house = House::at("check_missing", free_port(), "nowhere")
        .pipeline("tables = [\"public.package_status\"]\nguests = [\"parcels\"]")
        .customer_at("1", "http://127.0.0.1:9/", "");
    house.write();
    let (code, out, _) = house.verb(&["check"]);
    assert_eq!(code, 2, "{out}");
    assert!(wrong(&out).iter().any(|line| line.contains("parcels.wasm can not be read")), "{out}");
}

#[test]
fn database_that_is_not_there_is_named_and_not_waited_for() {
    let house = House::at("check_nowhere", free_port(), "nowhere").customer_at("1", "http://127.0.0.1:9/", "");
    house.write();
    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("source erp: nothing listens at 127.0.0.1") && out.contains("start PostgreSQL"), "{out}");
}
