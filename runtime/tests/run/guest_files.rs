//! Guests come, go and are replaced under the running program; rows that a guest or a route can not use stop nobody.

use crate::guests;
use crate::house::{House, log_end, step};
use crate::receiver::{Arrival, Manner, Receiver};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// What is written while a guest is replaced, at most.
const ROWS_MAX: u32 = 10_000;

/// In the order in which they were committed: their number, and whether the second version of the guest made them.
fn made_by(arrivals: &[Arrival]) -> Vec<(u32, bool)> {
    let read = |arrival: &Arrival| {
        let row = arrival.row();
        let number = row["next_address"].as_str().and_then(|n| n.parse().ok()).expect("its number");
        (number, row["handled_by"] == "parcels v2")
    };
    let mut made: Vec<(u32, bool)> = arrivals.iter().map(read).collect();
    made.sort_unstable();
    made
}

fn assert_each_once(made: &[(u32, bool)]) {
    let numbers: Vec<u32> = made.iter().map(|(number, _)| *number).collect();
    let expected: Vec<u32> = (0..made.len() as u32).collect();
    assert_eq!(numbers, expected, "each row once");
}

#[test]
fn new_code_takes_over_between_two_rows_and_damaged_code_does_not() {
    let customer = Receiver::open(Manner::Says(204));
    let house = House::new("hot_swap").customer("1", &customer).guest(&guests::module("parcels"));
    let second = fs::read(guests::module_with("parcels", "v2")).expect("the module");
    let mut house = house.start();
    house.ready();
    let old = house.status()["guests"][0]["generation"].clone();
    let enough = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let (sql, enough) = (house.sql(), &enough);
        let writer = scope.spawn(move || {
            let mut number = 0;
            while !enough.load(Relaxed) && number < ROWS_MAX {
                sql.run(&step(number % 8, 1, number));
                number += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            number
        });
        house.until("some rows went the old way", || customer.count() >= 100);
        house.put_guest(&second);
        house.until("the new code runs", || {
            let guest = &house.status()["guests"][0];
            guest["generation"] != old && guest["reloads_total"] == 1
        });
        let before = customer.count();
        house.until("some rows went the new way", || customer.count() >= before + 100);
        enough.store(true, Relaxed);
        writer.join().expect("the writer does not panic")
    });
    assert!(written < ROWS_MAX, "the rows ran out before the new code came");
    let made = made_by(&customer.wait_for(written as usize));
    assert_eq!(made.len(), written as usize, "none twice");
    assert_each_once(&made);
    let first_new = made.iter().position(|(_, new)| *new).expect("the new code made some");
    assert!(first_new >= 100 && made[first_new..].iter().all(|(_, new)| *new), "old code after new: {made:?}");

    // A damaged file changes nothing but what status says.
    let new = house.status()["guests"][0]["generation"].clone();
    house.put_guest(&second[..second.len() / 2]);
    house.until("status says why", || {
        let guest = &house.status()["guests"][0];
        guest["state"] == "refused" && guest["last_error"].as_str().is_some_and(|e| e.contains("not copied completely"))
    });
    assert_eq!(house.status()["guests"][0]["generation"], new);
    assert_eq!(house.get("/ready").0, 200, "the old code does its work");
    house.sql().run(&step(1, 1, written));
    let made = made_by(&customer.wait_for(written as usize + 1));
    assert_each_once(&made);
    assert!(made.last().is_some_and(|(_, new)| *new), "still by the second version");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn rows_wait_in_the_database_until_the_guest_is_there() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("no_guest")
        .pipeline("tables = [\"public.package_status\"]\nguests = [\"parcels\"]")
        .customer("1", &customer)
        .start();
    house.not_ready("guest parcels.wasm of parcels is not loaded");
    house.until("the source streams", || house.status()["sources"][0]["state"] == "streaming");
    let sql = house.sql();
    sql.run(&step(7, 1, 0));
    let end = log_end(&sql);
    house.until("the row is read", || house.status()["sources"][0]["rows_total"] == 1);
    // Long enough for an idle position to be confirmed, if one were.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(customer.count(), 0);
    assert!(!house.confirmed(&sql, &end), "nothing may be confirmed that no guest has seen");

    house.put_guest(&fs::read(guests::module("parcels")).expect("the module"));
    assert_eq!(made_by(&customer.wait_for(1)), [(0, false)]);
    house.ready();
    house.until("it is confirmed", || house.confirmed(&sql, &end));
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn rows_without_receiver_and_refused_rows_are_counted_and_stop_nobody() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("set_aside").customer("1", &customer).guest(&guests::module("parcels")).start();
    let sql = house.sql();
    sql.run("ALTER TABLE package_status ALTER customer_id DROP NOT NULL");
    house.ready();
    sql.run(&step(7, 1, 0));
    sql.run(&step(7, 99, 100));
    sql.run(&step(7, 1, 1).replace("(7, 1,", "(7, NULL,"));
    sql.run(&step(7, 1, 1));
    let end = log_end(&sql);
    assert_eq!(made_by(&customer.wait_for(2)), [(0, false), (1, false)]);
    house.until("everything is confirmed", || house.confirmed(&sql, &end));
    let status = house.status();
    let pipeline = &status["pipelines"][0];
    assert_eq!((&pipeline["unroutable_total"], &pipeline["dead_total"]), (&1.into(), &1.into()), "{pipeline}");
    assert_eq!(status["guests"][0]["rejected_total"], 1);
    assert_eq!(pipeline["messages_total"], 2);
    assert_eq!(house.get("/ready").0, 200);
    let log = house.log();
    assert!(log.contains("target customers has no member \"99\""), "{log}");
    assert!(log.contains("row refused by the guest") && log.contains("null-value"), "{log}");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn refused_row_halts_the_pipeline_if_it_says_so_until_a_mended_guest_comes() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("halts")
        .pipeline("tables = [\"public.package_status\"]\non_error = \"halt\"")
        .customer("1", &customer)
        .guest(&guests::module("parcels"))
        .start();
    let sql = house.sql();
    sql.run("ALTER TABLE package_status ALTER customer_id DROP NOT NULL");
    house.ready();
    sql.run(&step(7, 1, 0).replace("(7, 1,", "(7, NULL,"));
    sql.run(&step(7, 1, 0));
    let end = log_end(&sql);
    house.not_ready("pipeline parcels is halted: 1 rows were refused");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(customer.count(), 0, "what comes behind it waits");
    assert!(!house.confirmed(&sql, &end), "nothing is confirmed past it");

    // This one passes every row on; the one without customer then has no receiver, which is no reason to halt.
    house.put_guest(&fs::read(guests::module("filter")).expect("the module"));
    assert_eq!(made_by(&customer.wait_for(1)), [(0, false)]);
    house.ready();
    house.until("it is confirmed", || house.confirmed(&sql, &end));
    assert_eq!(house.status()["pipelines"][0]["unroutable_total"], 1);
    assert_eq!(house.stop(), 0, "{}", house.log());
}
