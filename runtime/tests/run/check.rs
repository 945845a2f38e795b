//! `check`: everything that can be known before the first change.

use crate::guests;
use crate::house::{House, free_port, own_address};
use crate::receiver::{Manner, Receiver, url_at};
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
        .customer_at("1", &url_at(own_address()), "");
    house.sql().run("CREATE TABLE packages (id int PRIMARY KEY); CREATE ROLE check_bad LOGIN");
    house.connect_as("check_bad", crate::house::shared_server().port, "check_bad");
    house.write();
    let pipeline = house.path("parcels/pipeline.toml");
    let written = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, written.replace("{package_id}", "{package_idd}")).expect("the folder can be written");
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
    assert_eq!(lines.len(), 5, "{out}");
    let words = [
        ["parcels/parcels.wasm: ", "not copied completely"],
        ["ALTER ROLE \"check_bad\" REPLICATION", "source erp"],
        ["\"public.pakages\"", "did you mean \"public.packages\"?"],
        ["\"package_idd\"", "did you mean \"package_id\"?"],
        ["customers/1", "does not take connections"],
    ];
    for [what, remedy] in words {
        assert!(lines.iter().any(|line| line.contains(what) && line.contains(remedy)), "{what}: {out}");
    }
    assert!(out.contains("5 of "), "{out}");
}

/// Without the look every row would end as a dead letter.
#[test]
fn route_that_needs_a_column_which_is_left_out_is_named() {
    let customer = Receiver::open(Manner::Says(204));
    let house = House::new("check_left_out")
        .pipeline("tables = [\"public.package_status\"]\ncolumns.exclude = [\"public.package_status.package_id\"]")
        .customer("1", &customer);
    house.write();
    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    let said = "asks for column \"package_id\" of public.package_status, which the pipeline's `columns` leaves out";
    assert!(wrong(&out).iter().any(|line| line.contains(said)), "{out}");
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

#[test]
fn guest_that_was_not_built_is_named_with_the_way_to_build_it() {
    let house = House::new("check_not_built")
        .pipeline("tables = [\"public.package_status\"]\n[guest.parcels]\ncrate = \"guest\"")
        .customer_at("1", &url_at(own_address()), "");
    house.write();
    let (code, out, _) = house.verb(&["check"]);
    assert_eq!(code, 2, "{out}");
    let lines = wrong(&out);
    assert!(lines.len() == 2 && lines[1].contains("guest parcels: there is no crate in "), "{out}");
    std::fs::create_dir_all(house.path("parcels/guest")).expect("a folder");
    std::fs::write(house.path("parcels/guest/Cargo.toml"), "").expect("a crate");
    let (_, out, _) = house.verb(&["check"]);
    let lines = wrong(&out);
    assert!(lines.len() == 1 && lines[0].contains("parcels.wasm is not there; make it: sluicegate build "), "{out}");
}

/// Without the look the first row would hold the pipeline: a route that takes what never comes, or a guest that asks for it.
#[test]
fn generated_column_which_is_never_sent_is_named_where_it_is_asked_for() {
    let customer = Receiver::open(Manner::Says(204));
    let house = House::new("check_generated")
        .pipeline("tables = [\"public.package_status\"]")
        .customer("1", &customer)
        .guest(&guests::module("parcels"));
    let sql = house.sql();
    sql.run("ALTER TABLE package_status DROP status, ADD status text GENERATED ALWAYS AS ('In Transit') STORED");
    house.write();
    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    let said = "wants column \"status\" of public.package_status, which PostgreSQL computes and does not send along";
    assert!(
        wrong(&out).iter().any(|line| line.starts_with("WRONG pipeline parcels: guest ") && line.contains(said)),
        "{out}"
    );

    fs::remove_file(house.path("parcels/parcels.wasm")).expect("it is there");
    sql.run("ALTER TABLE package_status ADD shelf int GENERATED ALWAYS AS (package_id % 10) STORED");
    let pipeline = house.path("parcels/pipeline.toml");
    let written = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, written.replace("{package_id}", "{shelf}")).expect("the folder can be written");
    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    let said = "asks for column \"shelf\" of public.package_status, which PostgreSQL computes and does not send along";
    assert!(wrong(&out).iter().any(|line| line.contains(said)), "{out}");

    // Version 18 can send it, if the publication says so.
    let is_18 = sql.one("SELECT current_setting('server_version_num')::int >= 180000") == "t";
    sql.run("CREATE PUBLICATION check_generated FOR TABLE package_status");
    assert_eq!(house.verb(&["check", "--connect"]).0, 2);
    if is_18 {
        sql.run("ALTER PUBLICATION check_generated SET (publish_generated_columns = stored)");
        let (code, out, _) = house.verb(&["check", "--connect"]);
        assert_eq!(code, 0, "{out}");
    }
}

/// Without the look every row would end as a dead letter.
#[test]
fn table_that_is_no_outbox_is_named_with_the_columns_that_it_lacks() {
    let customer = Receiver::open(Manner::Says(204));
    let events = "[target.events]\nkind = \"kafka\"\nbrokers = \"127.0.0.1:9\"\ntimeout = \"1s\"\n\n\
                  [[route]]\nname = \"events\"\nto = \"events\"\nbody = \"outbox\"\noutbox.\"route.by.field\" = \"status\"\n";
    let house = House::new("check_outbox").pipeline("tables = [\"public.package_status\"]").customer("1", &customer);
    house.write();
    let pipeline = house.path("parcels/pipeline.toml");
    let written = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, format!("{written}\n{events}")).expect("the folder can be written");
    let (code, out, _) = house.verb(&["check", "--connect"]);
    assert_eq!(code, 2, "{out}");
    for column in ["aggregateid", "payload"] {
        let said = format!("route \"events\" asks for column \"{column}\", which public.package_status does not have");
        assert!(wrong(&out).iter().any(|line| line.contains(&said)), "{out}");
    }
    assert!(!out.contains("\"aggregatetype\""), "{out}");
}
