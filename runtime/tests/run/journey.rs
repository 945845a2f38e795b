//! The main way: what is committed arrives, signed, in order, once; the program stops in order and goes on where it was.

use crate::guests;
use crate::house::{ADDRESS, House, SIGNING_KEY, step};
use crate::receiver::{Arrival, Manner, Receiver};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As a receiver checks it, by the specification of Standard Webhooks.
fn assert_signed(arrival: &Arrival) {
    let timestamp = arrival.header("webhook-timestamp");
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_KEY).expect("HMAC takes keys of any length");
    for part in [arrival.id().as_bytes(), b".", timestamp.as_bytes(), b".", &arrival.body] {
        mac.update(part);
    }
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(arrival.header("webhook-signature"), expected);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let age = now.abs_diff(timestamp.parse().expect("seconds"));
    assert!(age < 120, "signed {age} s ago");
}

fn ids(arrivals: &[Arrival]) -> Vec<String> {
    arrivals.iter().map(|a| a.id().to_owned()).collect()
}

#[test]
fn committed_changes_arrive_signed_and_in_order_and_a_restart_doubles_none() {
    let (first, second) = (Receiver::open(Manner::Says(204)), Receiver::open(Manner::Says(200)));
    let mut house = House::new("journey")
        .environment("RUST_LOG", "debug")
        .customer("1", &first)
        .customer("2", &second)
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    sql.run("UPDATE package_status SET status = 'Package Delivered', next_address = '2' WHERE package_id = 7");
    sql.run("DELETE FROM package_status WHERE package_id = 7");
    let arrivals = first.wait_for(3);
    for (arrival, (op, deleted, status)) in arrivals.iter().zip([
        ("c", "false", "In Transit"),
        ("u", "false", "Package Delivered"),
        ("d", "true", "Package Delivered"),
    ]) {
        assert_eq!(arrival.method, "POST");
        assert!(arrival.target.starts_with("/packages?"), "{}", arrival.target);
        assert_eq!(arrival.header("content-type"), "application/json");
        assert_signed(arrival);
        let row = arrival.row();
        assert_eq!((row["__op"].as_str(), row["__deleted"].as_str()), (Some(op), Some(deleted)), "{row}");
        assert_eq!((row["package_id"].as_i64(), row["customer_id"].as_i64()), (Some(7), Some(1)), "{row}");
        assert_eq!((row["actual_address"].as_str(), row["status"].as_str()), (Some(ADDRESS), Some(status)), "{row}");
        assert_eq!(row["__table"], "package_status");
    }
    assert_eq!(arrivals[1].header("x-parcel-status"), "Package Delivered", "the guest's own header");

    // Four parcels of one customer, thirty steps each, in few transactions.
    for round in 0..10 {
        let steps: Vec<String> = (0..12).map(|n| step(20 + n % 4, 2, round * 12 + n)).collect();
        sql.run(&format!("BEGIN; {}; COMMIT", steps.join(";")));
    }
    let arrivals = second.wait_for(120);
    let mut parcels: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for arrival in &arrivals {
        let number = arrival.row()["next_address"].as_str().and_then(|n| n.parse().ok()).expect("its number");
        parcels.entry(arrival.number("package_id")).or_default().push(number);
    }
    assert_eq!(parcels.len(), 4);
    assert!(parcels.values().all(|numbers| numbers.is_sorted() && numbers.len() == 30), "{parcels:?}");

    // Stopped in order, it goes on where it was: neither what it delivered comes again, nor is lost what came meanwhile.
    assert_eq!(house.stop(), 0, "{}", house.log());
    sql.run(&step(7, 1, 4));
    sql.run(&step(20, 2, 120));
    house.run();
    let (firsts, seconds) = (ids(&first.wait_for(4)), ids(&second.wait_for(121)));
    house.ready();
    assert_eq!((firsts.len(), seconds.len()), (4, 121), "nothing comes twice");
    let different: BTreeSet<&String> = firsts.iter().chain(&seconds).collect();
    assert_eq!(different.len(), 125, "every change has its own id");
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(house.log().contains("DEBUG"), "the log that is searched for secrets holds all there is");
}

#[test]
fn message_keeps_its_id_over_attempts_and_restarts() {
    let customer = Receiver::open(Manner::Says(500));
    let mut house =
        House::new("same_id").host("drain = \"1s\"").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    customer.wait_for(3);
    house.until("status names the refusal", || {
        house.status()["lanes"][0]["last_error"].as_str().is_some_and(|e| e.contains("500"))
    });
    // It could not be delivered in the time of the drain: that is no failure, for it waits on disk.
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(!house.log().contains("they will be read again"), "{}", house.log());
    customer.set(Manner::Says(204));
    house.run();
    let accepted = customer.wait_for_accepted(1);
    let different: BTreeSet<String> = ids(&customer.arrivals()).into_iter().collect();
    assert_eq!((accepted.len(), different.len()), (1, 1), "{different:?}");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn what_is_under_way_at_a_signal_is_answered_first_and_does_not_come_again() {
    let customer = Receiver::open(Manner::After(Duration::from_millis(1200)));
    let mut house = House::new("drains").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    customer.wait_for(1);
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(customer.arrivals()[0].accepted, "it was not waited for");
    customer.set(Manner::Says(204));
    house.run();
    sql.run(&step(7, 1, 2));
    let arrivals = customer.wait_for(2);
    let numbers: Vec<_> = arrivals.iter().map(|a| a.row()["next_address"].clone()).collect();
    assert_eq!(numbers, ["1", "2"]);

    customer.set(Manner::After(Duration::from_millis(1200)));
    sql.run(&step(7, 1, 3));
    customer.wait_for(3);
    assert_eq!(house.interrupt(), 0, "{}", house.log());
    assert!(customer.arrivals()[2].accepted, "Ctrl-C is no different");
}
