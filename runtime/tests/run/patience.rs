//! What is away for a while is waited for, and the waiting shows.

use crate::guests;
use crate::house::{House, step, table};
use crate::postgres::Server;
use crate::receiver::{Manner, Receiver};
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
    let port = crate::house::free_port();
    let mut house = House::new("customer_down")
        .customer_at("1", &format!("http://127.0.0.1:{port}/packages"), "")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    house.until("it was tried twice", || house.status()["lanes"][0]["attempts_total"].as_u64().is_some_and(|n| n >= 2));
    let lane = house.status()["lanes"][0].clone();
    let reason = lane["last_error"].as_str().unwrap_or_default();
    assert!(reason.contains("connect"), "{lane}");
    assert_eq!(lane["delivered_total"], 0);
    assert_eq!(house.get("/ready").0, 200, "a customer's trouble is not ours");
    let customer = Receiver::open_at(port, Manner::Says(204));
    customer.wait_for_accepted(1);
    house.until("it is counted", || house.status()["lanes"][0]["delivered_total"] == 1);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(customer.count(), 1, "once is enough");
    assert_eq!(house.stop(), 0, "{}", house.log());
}
