//! Customers who are away for long, and members that are taken out while messages wait for them.

use crate::dead::{dead, done, letters, numbers};
use crate::guests;
use crate::house::{House, log_end, step};
use crate::receiver::{Manner, Receiver, url_at};
use serde_json::Value;
use std::fs;
use std::time::Duration;

fn lane(house: &House, member: &str) -> Value {
    let status = house.status();
    let lanes = status["lanes"].as_array().expect("lanes");
    lanes.iter().find(|lane| lane["member"] == member).cloned().unwrap_or(Value::Null)
}

/// Takes the line of a member out of the pipeline's file, and gives what the file was.
fn take_out(house: &House, member: &str) -> String {
    let pipeline = house.path("parcels/pipeline.toml");
    let written = fs::read_to_string(&pipeline).expect("it was written");
    let line = format!("member.{member} = ");
    let without: Vec<&str> = written.lines().filter(|l| !l.starts_with(&line)).collect();
    fs::write(&pipeline, without.join("\n")).expect("writable");
    written
}

#[test]
fn member_that_is_taken_out_keeps_its_messages_until_somebody_decides_and_others_are_not_touched() {
    let (other, away) = (Receiver::open(Manner::Says(204)), crate::house::own_address());
    let mut house = House::new("dead_member")
        .customer("1", &other)
        .customer_at("2", &url_at(away), "")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(8, 1, 0));
    for number in 1..=3 {
        sql.run(&step(7, 2, number));
    }
    house.until("they are parked", || lane(&house, "2")["parked"] == 3);
    let before = house.log().matches("started").count();
    let written = take_out(&house, "2");
    house.until("it is named", || lane(&house, "2")["state"] == "removed");
    assert_eq!(lane(&house, "2")["parked"], 3);
    let (code, picture, _) = house.verb(&["status"]);
    assert!(code == 0 && picture.contains("removed") && picture.contains("3 on disk"), "{picture}");
    let (_, metrics) = house.get("/metrics");
    for (name, value) in [("removed", 1), ("parked_messages", 3)] {
        let line =
            format!("sluicegate_lane_{name}{{pipeline=\"parcels\",target=\"customers\",member=\"2\"}} {value}.0");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let named = done(&house, &["lanes"]);
    assert!(named.contains("parcels/customers/2") && named.contains("put the member back"), "{named}");
    let (code, _, err) = dead(&house, &["take", "parcels/customers/1"]);
    assert!(code == 1 && err.contains("is in the configuration"), "{err}");

    // The others go on as they were; who is put back gets everything, in order.
    sql.run(&step(8, 1, 9));
    assert_eq!(numbers(&other.wait_for_accepted(2)), ["0", "9"]);
    let back = Receiver::open_at(away, Manner::Says(204));
    fs::write(house.path("parcels/pipeline.toml"), &written).expect("writable");
    assert_eq!(numbers(&back.wait_for_accepted(3)), ["1", "2", "3"]);
    house.until("nothing is gone any more", || lane(&house, "2")["state"] == "flowing");
    assert!(done(&house, &["lanes"]).contains("nothing waits"), "{}", house.log());

    // Taken out again, with messages that somebody decides to take.
    back.set(Manner::Says(503));
    sql.run(&step(7, 2, 4));
    sql.run(&step(7, 2, 5));
    house.until("they are parked", || lane(&house, "2")["parked"] == 2);
    let written = take_out(&house, "2");
    house.until("it is named", || lane(&house, "2")["state"] == "removed");
    let said = done(&house, &["take", "parcels/customers/2"]);
    assert!(said.contains("2 messages of parcels/customers/2 are dead letters now"), "{said}");
    assert_eq!((lane(&house, "2"), letters(&house, &["--member", "2"]).len()), (Value::Null, 2));
    let (code, out, _) = dead(&house, &["replay", "--all"]);
    assert!(code == 1 && out.contains("put it back"), "{out}");

    // Without the program the state itself is asked.
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(done(&house, &["lanes"]).contains("nothing waits"));
    fs::write(house.path("parcels/pipeline.toml"), &written).expect("writable");
    back.set(Manner::Says(204));
    house.run();
    house.ready();
    assert!(done(&house, &["replay", "--all"]).contains("2 queued for another delivery"));
    assert_eq!(numbers(&back.wait_for_accepted(5)), ["1", "2", "3", "4", "5"]);
    house.until("all of them are over", || house.status()["dead_letters"] == 0);
    assert_eq!(house.log().matches("started").count(), before + 1, "members came and went without a new start");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn lane_of_a_member_that_is_gone_is_decided_about_also_when_nothing_runs() {
    let away = url_at(crate::house::own_address());
    let mut house = House::new("dead_offline")
        .customer_at("1", &away, "")
        .customer_at("2", &away, "")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    sql.run(&step(8, 2, 2));
    sql.run(&step(8, 2, 3));
    house.until("they are parked", || lane(&house, "1")["parked"] == 1 && lane(&house, "2")["parked"] == 2);
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(done(&house, &["lanes"]).contains("nothing waits"), "both are in the configuration");
    take_out(&house, "2");
    let named: Value = serde_json::from_str(&done(&house, &["lanes", "--json"])).expect("JSON");
    assert_eq!((&named[0]["member"], &named[0]["parked"], &named[1]), (&"2".into(), &2.into(), &Value::Null));
    let (code, _, err) = dead(&house, &["take", "parcels/customers/1"]);
    assert!(code == 1 && err.contains("no lane that waits for a member that is gone"), "{err}");
    assert_eq!(dead(&house, &["take", "parcels"]).0, 2);
    assert!(done(&house, &["take", "parcels/customers/2"]).contains("2 messages"));
    let found = letters(&house, &["--member", "2"]);
    assert!(found.len() == 2 && found[0]["reason"] == "taken from a lane whose member is not in the configuration");
    house.run();
    house.ready();
    assert_eq!(house.status()["dead_letters"], 2);
    assert_eq!((&lane(&house, "1")["parked"], &lane(&house, "2")), (&1.into(), &Value::Null));
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn customer_who_is_away_holds_nobody_and_gets_everything_in_order_when_he_is_back() {
    const ROWS: u32 = 300;
    let (other, away) = (Receiver::open(Manner::Says(204)), crate::house::own_address());
    let mut house = House::new("dead_customer")
        .customer("1", &other)
        .customer_at("2", &url_at(away), "")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    let write = |from: u32, to: u32| {
        sql.run(&format!(
            "INSERT INTO package_status (package_id, customer_id, next_address, status) \
             SELECT n % 5, 1 + n % 2, n, 'In Transit' FROM generate_series({from}, {to}) n"
        ));
        log_end(&sql)
    };
    let end = write(0, ROWS - 1);
    house.until("the database may forget it", || house.confirmed(&sql, &end));
    assert_eq!(house.get("/ready").0, 200, "what waits for him is safe");
    assert_eq!(lane(&house, "2")["parked"], ROWS / 2);
    // Others write to the same server's log, so that a moment's distance says nothing; a log that is held stays behind.
    house.until("the source is not behind", || {
        house.status()["sources"][0]["lag_bytes"].as_u64().is_some_and(|bytes| bytes < 1 << 20)
    });

    assert_eq!(house.stop(), 0, "{}", house.log());
    house.run();
    house.ready();
    let end = write(ROWS, 2 * ROWS - 1);
    house.until("the database may forget it", || house.confirmed(&sql, &end));
    assert_eq!(lane(&house, "2")["parked"], ROWS);

    let back = Receiver::open_at(away, Manner::Says(204));
    let arrivals = back.wait_for_accepted(ROWS as usize);
    for parcel in 0..5 {
        let of_it = arrivals.iter().filter(|a| a.number("package_id") == parcel);
        let order: Vec<u32> =
            of_it.map(|a| a.row()["next_address"].as_str().and_then(|n| n.parse().ok()).expect("its number")).collect();
        let expected: Vec<u32> = (0..2 * ROWS).filter(|n| n % 2 == 1 && i64::from(n % 5) == parcel).collect();
        assert_eq!(order, expected, "parcel {parcel}");
    }
    house.until("nothing waits any more", || lane(&house, "2")["parked"] == 0);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((back.count(), other.count()), (ROWS as usize, ROWS as usize), "each once");
    assert_eq!(house.stop(), 0, "{}", house.log());
}
