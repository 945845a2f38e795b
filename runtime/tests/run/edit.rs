//! The folder is edited while the program runs.

use crate::guests;
use crate::house::{House, step};
use crate::receiver::{Manner, Receiver};
use std::fs;

fn numbers(customer: &Receiver, count: usize) -> Vec<String> {
    let number = |row: serde_json::Value| row["next_address"].as_str().expect("its number").to_owned();
    customer.wait_for(count).iter().map(|arrival| number(arrival.row())).collect()
}

#[test]
fn good_edit_takes_over_without_loss_or_repeat_and_a_bad_one_changes_nothing() {
    let (first, second) = (Receiver::open(Manner::Says(204)), Receiver::open(Manner::Says(204)));
    let house = House::new("edited").customer("1", &first).guest(&guests::module("parcels")).start();
    house.ready();
    let (sql, pid) = (house.sql(), house.pid());
    sql.run(&step(7, 1, 1));
    assert_eq!(numbers(&first, 1), ["1"]);

    // A slip: the old plan goes on and says why.
    let pipeline = house.path("parcels/pipeline.toml");
    let good = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, good.replace("to = \"customers\"", "to = \"custmers\"")).expect("the folder can be written");
    let complaint = || house.status()["config_error"].as_str().unwrap_or_default().to_owned();
    house.until("status names the slip", || complaint().contains("did you mean \"customers\"?"));
    assert!(house.log().contains("the edited configuration is not taken"), "{}", house.log());
    assert_eq!(house.get("/ready").0, 200);
    sql.run(&step(7, 1, 2));
    assert_eq!(numbers(&first, 2), ["1", "2"]);

    // What can not change while it runs is not taken in part either.
    let host_file = house.path("sluicegate.toml");
    let host = fs::read_to_string(&host_file).expect("it was written");
    fs::write(&pipeline, good).expect("the folder can be written");
    fs::write(&host_file, host.replace("state = \"state\"", "state = \"other\"")).expect("the folder can be written");
    house.until("status says that it takes a start", || complaint().contains("next start"));

    // A customer more.
    let mut house = house.customer("2", &second);
    house.write();
    house.until("there are two lanes", || house.status()["lanes"].as_array().is_some_and(|lanes| lanes.len() == 2));
    // Written while the new plan is starting: it waits in the database.
    sql.run(&step(7, 1, 3));
    sql.run(&step(8, 2, 4));
    assert_eq!(numbers(&second, 1), ["4"]);
    assert_eq!(numbers(&first, 3), ["1", "2", "3"], "nothing comes twice");
    house.ready();
    assert_eq!(house.status()["config_error"], serde_json::Value::Null);
    assert_eq!(house.pid(), pid);
    assert_eq!(house.stop(), 0, "{}", house.log());
}
