//! Two folders on one database that were given one slot, as `new` once gave them; and a table that somebody took out of the publication.

use crate::guests;
use crate::house::{House, shared_server, step};
use crate::receiver::{Manner, Receiver};
use std::time::Duration;

#[test]
fn second_folder_on_a_slot_waits_says_so_once_and_takes_nothing_from_the_first() {
    let customer = Receiver::open(Manner::Says(204));
    let mut first = House::new("shared_slot").customer("1", &customer).guest(&guests::module("parcels")).start();
    first.ready();
    let sql = first.sql();
    sql.run("CREATE TABLE elsewhere (v text)");
    let mut second = House::at("shared_slot", shared_server().port, "shared_slot")
        .pipeline("tables = [\"public.elsewhere\"]")
        .customer_at("1", "http://127.0.0.1:9/", "")
        .start();
    second.not_ready("slot \"shared_slot\" is in use by process ");
    second.until("it has tried five times", || second.status()["sources"][0]["reconnects_total"].as_u64() >= Some(5));
    sql.run(&step(7, 1, 1));
    customer.wait_for_accepted(1);
    assert_eq!(second.log().matches("is in use by process ").count(), 1, "{}", second.log());
    assert!(!second.log().contains("replica identity"), "what it will do is not said before it may: {}", second.log());
    assert!(!second.log().contains("publication changed"), "{}", second.log());
    let (code, out, _) = second.verb(&["check", "--connect"]);
    assert!(code == 2 && out.contains("and `sluicegate status` says whether that is it"), "{out}");
    assert_eq!(second.stop(), 0, "{}", second.log());
    let (code, out, _) = second.verb(&["check", "--connect"]);
    let line = out.lines().find(|line| line.contains("right now")).unwrap_or_else(|| panic!("{out}"));
    assert!(code == 2 && line.starts_with("WRONG") && line.contains("(\"sluicegate\" of user \"postgres\""), "{line}");
    first.ready();
    assert_eq!(first.stop(), 0, "{}", first.log());
}

#[test]
fn table_that_was_taken_out_while_the_program_was_away_is_named_at_the_start() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("taken_out").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    customer.wait_for_accepted(1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(!house.log().contains("was not published"), "{}", house.log());
    sql.run("ALTER PUBLICATION taken_out DROP TABLE package_status");
    house.run();
    house.ready();
    let log = house.log();
    let said = log.lines().find(|line| line.contains("table was not published")).unwrap_or_else(|| panic!("{log}"));
    assert!(said.contains("WARN") && said.contains("public.package_status"), "{said}");
    sql.run(&step(7, 1, 2));
    customer.wait_for_accepted(2);
    assert_eq!(house.stop(), 0, "{}", house.log());
}
