//! What is away for a while is waited for, and the waiting shows.

use crate::guests;
use crate::house::{House, log_end, step, table};
use crate::postgres::Server;
use crate::receiver::{Manner, Receiver, url_at};
use serde_json::Value;
use std::time::Duration;

#[test]
fn database_is_waited_for_at_the_start_and_through_a_restart() {
    let mut server = Server::start(&[]);
    server.sql("postgres").run(&table());
    server.halt();
    let customer = Receiver::open(Manner::Says(204));
    let mut house =
        House::at("waits", server.port, "postgres").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.not_ready("source erp is connecting: nothing listens at 127.0.0.1");
    assert_eq!(house.get("/live"), (200, "live\n".into()));
    server.go();
    house.ready();
    server.sql("postgres").run(&step(7, 1, 1));
    customer.wait_for(1);

    server.restart();
    let sql = server.sql("postgres");
    sql.run(&step(7, 1, 2));
    let numbers: Vec<_> = customer.wait_for(2).iter().map(|a| a.row()["next_address"].clone()).collect();
    assert_eq!(numbers, ["1", "2"]);
    house.ready();
    assert!(house.status()["sources"][0]["reconnects_total"].as_u64().is_some_and(|n| n > 0));
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn customer_that_is_down_is_tried_again_until_it_is_up() {
    let address = crate::house::own_address();
    let mut house =
        House::new("customer_down").customer_at("1", &url_at(address), "").guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    house.until("it was tried twice", || house.status()["lanes"][0]["attempts_total"].as_u64().is_some_and(|n| n >= 2));
    let lane = house.status()["lanes"][0].clone();
    let reason = lane["last_error"].as_str().unwrap_or_default();
    assert!(reason.contains("connect"), "{lane}");
    assert_eq!(lane["delivered_total"], 0);
    assert_eq!(house.get("/ready").0, 200, "a customer's trouble is not ours");
    let customer = Receiver::open_at(address, Manner::Says(204));
    customer.wait_for_accepted(1);
    house.until("it is counted", || house.status()["lanes"][0]["delivered_total"] == 1);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(customer.count(), 1, "once is enough");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn message_that_is_refused_for_good_is_counted_and_logged_with_its_id_and_holds_nobody() {
    let customer = Receiver::open(Manner::Says(400));
    let mut house = House::new("refused_for_good")
        .argument("--log")
        .argument("json")
        .customer("1", &customer)
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    house.until("it is counted", || house.status()["lanes"][0]["dead_total"] == 1);
    customer.set(Manner::Says(204));
    sql.run(&step(7, 1, 2));
    let end = log_end(&sql);
    let arrivals = customer.wait_for(2);
    house.until("both are confirmed", || house.confirmed(&sql, &end));
    assert_eq!(customer.count(), 2, "the first is not tried again");
    assert_eq!(house.stop(), 0, "{}", house.log());
    let lines: Vec<Value> =
        house.log().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let told = lines
        .iter()
        .find(|l| l["fields"]["message"] == "message is refused for good and set aside")
        .expect("a line for it");
    assert_eq!((&told["level"], &told["fields"]["member"]), (&"WARN".into(), &"1".into()));
    assert_eq!(told["fields"]["id"], arrivals[0].id());
    assert_eq!(told["fields"]["reason"], "answered 400 Bad Request");
}

#[test]
fn customer_that_is_gone_for_good_halts_its_own_lane_only() {
    let (gone, other) = (Receiver::open(Manner::Says(410)), Receiver::open(Manner::Says(204)));
    let mut house = House::new("gone")
        .host("drain = \"500ms\"")
        .customer("1", &gone)
        .customer("2", &other)
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    let end = log_end(&sql);
    house.until("its lane is halted", || house.status()["lanes"][0]["state"] == "halted");
    for number in 0..10 {
        sql.run(&step(7, 1, number));
        sql.run(&step(8, 2, number));
    }
    other.wait_for_accepted(10);
    std::thread::sleep(Duration::from_millis(600));
    let lanes = house.status()["lanes"].clone();
    assert_eq!((gone.count(), &lanes[1]["state"]), (1, &"flowing".into()), "a halted lane does not knock on: {lanes}");
    assert!(lanes[0]["last_error"].as_str().is_some_and(|e| e.contains("wants no more; remove the member")), "{lanes}");
    assert!(house.log().contains("lane is halted"), "{}", house.log());
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(house.confirmed(&sql, &end), "its messages are on disk, and the log is free");
    let parked = std::fs::metadata(house.path("state/state.db")).map(|file| file.len()).unwrap_or_default();
    assert!(parked > 0, "they are in the state");
}
