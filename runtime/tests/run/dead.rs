//! Dead letters, and a damaged state: what a person on call does about them.

use crate::guests;
use crate::house::{House, step};
use crate::receiver::{Arrival, Manner, Receiver};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// `sluicegate dead …` on the folder of the house: exit code, standard output and error.
pub fn dead(house: &House, arguments: &[&str]) -> (i32, String, String) {
    let mut command = house.command();
    command.arg("dead").args(arguments).arg("--dir").arg(house.path(""));
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    (output.status.code().unwrap_or(-1), out, err)
}

/// The same, for what has to work.
pub fn done(house: &House, arguments: &[&str]) -> String {
    let (code, out, err) = dead(house, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}\n{}", house.log());
    out
}

pub fn letters(house: &House, filter: &[&str]) -> Vec<Value> {
    let listed = done(house, &[&["list", "--json"], filter].concat());
    let page: Value = serde_json::from_str(&listed).expect("list --json is JSON");
    page["letters"].as_array().unwrap_or_else(|| panic!("no page: {page}")).clone()
}

/// As it is written on the command line.
fn id_of(letter: &Value) -> String {
    letter["id"].to_string()
}

pub fn numbers(arrivals: &[Arrival]) -> Vec<String> {
    arrivals.iter().map(|a| a.row()["next_address"].as_str().expect("its number").to_owned()).collect()
}

#[test]
fn refused_message_is_found_read_and_sent_again_with_the_same_id_once_its_customer_is_mended() {
    let (strict, other) = (Receiver::open(Manner::Says(422)), Receiver::open(Manner::Says(204)));
    let mut house = House::new("dead_message")
        .customer("1", &strict)
        .customer("2", &other)
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    sql.run(&step(8, 2, 2));
    other.wait_for_accepted(1);
    house.until("there is a dead letter", || house.status()["dead_letters"] == 1);
    assert_eq!(house.get("/ready").0, 200, "a customer who refuses is no reason");

    let found = letters(&house, &["--target", "customers", "--member", "1", "--since", "1h"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(letters(&house, &["--member", "2"]).len(), 0);
    let id = id_of(&found[0]);
    let refused = strict.arrivals();
    assert_eq!((&found[0]["name"], refused.len()), (&Value::from(refused[0].id()), 1), "{found:?}");
    let table = done(&house, &["list"]);
    assert!(table.contains("parcels/customers/1") && table.contains("answered 422"), "{table}");
    let shown = done(&house, &["show", &id]);
    for words in ["422 Unprocessable", "public.package_status", "body, application/json", "\"package_id\":7"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // Not mended yet: it dies again, under a new number.
    done(&house, &["replay", &id]);
    strict.wait_for(2);
    house.until("it is dead again", || letters(&house, &[]).first().is_some_and(|letter| id_of(letter) != id));
    let id = id_of(&letters(&house, &[])[0]);
    strict.set(Manner::Says(204));
    let said = done(&house, &["replay", &id]);
    assert!(said.contains("1 queued for another delivery"), "{said}");
    let accepted = strict.wait_for_accepted(1);
    assert_eq!((accepted[0].id(), &accepted[0].body), (refused[0].id(), &refused[0].body), "the same, byte for byte");
    house.until("it is gone", || house.status()["dead_letters"] == 0);
    let (code, _, err) = dead(&house, &["show", &id]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no dead letter"), "{err}");
    assert_eq!((strict.count(), other.count()), (3, 1), "nobody gets anything twice");
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn older_letter_is_left_out_when_a_newer_change_of_its_key_was_delivered() {
    let customer = Receiver::open(Manner::Says(422));
    let mut house = House::new("dead_older").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    sql.run(&step(8, 1, 2));
    house.until("both are dead", || house.status()["dead_letters"] == 2);
    customer.set(Manner::Says(204));
    sql.run(&step(7, 1, 3));
    customer.wait_for_accepted(1);
    house.until("the first one is superseded", || letters(&house, &[]).iter().any(|l| l["superseded"] == true));
    let said = done(&house, &["replay", "--all", "--member", "1"]);
    assert!(said.contains("1 queued for another delivery") && said.contains("1 left out"), "{said}");
    assert_eq!(numbers(&customer.wait_for_accepted(2)), ["3", "2"]);
    // Without --all a filter alone is refused, and what is meant is dropped.
    assert_eq!(dead(&house, &["drop", "--member", "1"]).0, 2);
    let (code, _, err) = dead(&house, &["drop", "--all", "--since", "yesterday"]);
    assert!(code == 2 && err.contains("write a whole number and one of s, m, h, d"), "{code}: {err}");
    assert!(done(&house, &["drop", "--all", "--member", "1"]).contains("1 dropped"));
    assert_eq!(house.status()["dead_letters"], 0);
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn replay_of_many_keeps_its_rate_and_is_stopped_by_ctrl_c() {
    const LETTERS: u64 = 30;
    let customer = Receiver::open(Manner::Says(422));
    let mut house = House::new("dead_many").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&format!(
        "INSERT INTO package_status (package_id, customer_id, next_address, status) \
         SELECT n, 1, n, 'In Transit' FROM generate_series(1, {LETTERS}) n"
    ));
    house.until("all are dead", || house.status()["dead_letters"] == LETTERS);
    customer.set(Manner::Says(204));
    let mut command = house.command();
    command.args(["dead", "replay", "--all", "--rate", "2", "--dir"]).arg(house.path(""));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    customer.wait_for_accepted(2);
    let (code, _, err) = dead(&house, &["replay", "--all"]);
    assert!(code == 1 && err.contains("are being sent again already"), "{code}: {err}");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && out.contains("stopped; "), "{output:?}");
    let left = house.status()["dead_letters"].as_u64().expect("a number");
    assert!((15..LETTERS).contains(&left), "{left} are left: {out}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(house.status()["dead_letters"], left, "nobody sends any more");
    let (_, metrics) = house.get("/metrics");
    assert!(metrics.contains(&format!("sluicegate_dead_letters{{}} {left}.0")), "{metrics}");
    done(&house, &["replay", "--all", "--rate", "1000"]);
    let mut got = numbers(&customer.wait_for_accepted(LETTERS as usize));
    got.sort_by_key(|number| number.parse::<u64>().ok());
    assert_eq!(got, (1..=LETTERS).map(|n| n.to_string()).collect::<Vec<_>>(), "each once");
    house.until("none is left", || house.status()["dead_letters"] == 0);
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn source_that_is_stalled_is_named_within_ten_seconds_and_no_more_when_it_goes_on() {
    let customer = Receiver::open(Manner::Silent);
    let mut house = House::new("dead_stalled")
        .host("drain = \"500ms\"")
        .customer_at("1", &customer.url(), ", timeout = \"60s\", hold = \"1h\"")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let begun = Instant::now();
    house.sql().run(&step(7, 1, 1));
    customer.wait_for(1);
    house.not_ready("source erp is stalled: its oldest change has been neither delivered nor parked for 10 s");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(house.status()["sources"][0]["state"], "streaming", "it still reads");
    let (_, metrics) = house.get("/metrics");
    let age =
        metrics.lines().find_map(|line| line.strip_prefix("sluicegate_source_oldest_unpaid_seconds{source=\"erp\"} "));
    assert!(age.and_then(|age| age.parse::<f64>().ok()).is_some_and(|age| age >= 10.0), "{metrics}");
    customer.set(Manner::Says(204));
    house.ready();
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn rejected_row_is_shown_and_delivered_by_a_mended_guest_and_without_the_program_it_can_be_dropped() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("dead_row").customer("1", &customer).guest(&guests::module("parcels"));
    let sql = house.sql();
    sql.run("ALTER TABLE package_status ALTER customer_id DROP NOT NULL");
    // What passes without a word from the guest goes to customer 1.
    house.write();
    let pipeline = house.path("parcels/pipeline.toml");
    let written = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, written.replace("member = \"{customer_id}\"", "member = \"1\"")).expect("writable");
    house.run();
    house.ready();
    sql.run(&step(7, 1, 1).replace("(7, 1,", "(7, NULL,"));
    sql.run(&step(8, 1, 2).replace("(8, 1,", "(8, NULL,"));
    house.until("both rows are dead", || house.status()["dead_letters"] == 2);
    let found = letters(&house, &["--reason", "null-value", "--table", "public.package_status"]);
    assert_eq!((found.len(), &found[0]["kind"]), (2, &"row".into()), "{found:?}");
    let (newer, older) = (id_of(&found[0]), id_of(&found[1]));
    let shown = done(&house, &["show", &older]);
    for words in ["guest       parcels", "generation", "null-value", "\"package_id\":7", "a row of parcels"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // The second version of the guest does no better: the row is dead again.
    house.put_guest(&fs::read(guests::module_with("parcels", "v2")).expect("the module"));
    house.until("the new code is there", || house.status()["guests"][0]["reloads_total"].as_u64() > Some(0));
    done(&house, &["replay", &older]);
    house.until("it was refused again", || house.status()["guests"][0]["rejected_total"] == 3);
    assert_eq!(letters(&house, &[]).len(), 2);

    // This one passes every row.
    house.put_guest(&fs::read(guests::module("filter")).expect("the module"));
    house.until("the mended code is there", || house.status()["guests"][0]["reloads_total"].as_u64() > Some(1));
    let older = id_of(letters(&house, &[]).iter().find(|l| id_of(l) != newer).expect("it is there"));
    done(&house, &["replay", &older]);
    assert_eq!(numbers(&customer.wait_for_accepted(1)), ["1"]);
    assert_eq!(letters(&house, &[]).len(), 1);

    // Without the program: the state itself is asked, and nothing can be sent.
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert_eq!(id_of(&letters(&house, &[])[0]), newer);
    assert!(done(&house, &["show", &newer]).contains("\"package_id\":8"));
    let (code, _, err) = dead(&house, &["replay", &newer]);
    assert!(code == 1 && err.contains("start `sluicegate run"), "{code}: {err}");
    assert!(done(&house, &["drop", &newer]).contains("1 dropped"));
    assert_eq!(dead(&house, &["drop", &newer]).0, 1);
    assert!(done(&house, &["list"]).contains("no dead letters"));
    house.run();
    house.ready();
    assert_eq!((house.status()["dead_letters"].clone(), customer.count()), (0.into(), 1));
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn damaged_state_ends_with_1_and_what_is_wrong_and_is_salvaged() {
    let customer = Receiver::open(Manner::Says(422));
    let mut house = House::new("dead_damage").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    house.until("there is a dead letter", || house.status()["dead_letters"] == 1);
    let (code, _, err) = house.verb(&["salvage"]);
    assert!(code == 1 && err.contains("another sluicegate holds"), "{err}");
    assert_eq!(house.stop(), 0, "{}", house.log());
    let (code, out, _) = house.verb(&["salvage"]);
    assert!(code == 0 && out.contains("the state is whole"), "{out}");

    // A byte of the letter's reason is another one.
    let file = house.path("state/state.db");
    let mut bytes = fs::read(&file).expect("the state");
    let at = bytes.windows(12).position(|window| window == b"answered 422").expect("the reason");
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("writable");
    house.run();
    assert_eq!(house.exit_code(), 1, "{}", house.log());
    let log = house.log();
    assert!(log.contains("is damaged: ") && log.contains("let `sluicegate salvage` move"), "{log}");
    let (code, _, err) = dead(&house, &["list"]);
    assert!(code == 1 && err.contains("sluicegate salvage"), "{err}");

    let (code, out, err) = house.verb(&["salvage"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("0 dead letters") && out.contains("the damaged files are in"), "{out}");
    assert!(house.path("state/damaged-1/state.db").exists());
    customer.set(Manner::Says(204));
    house.run();
    house.ready();
    sql.run(&step(7, 1, 2));
    assert_eq!(numbers(&customer.wait_for_accepted(1)), ["2"]);
    assert_eq!(house.stop(), 0, "{}", house.log());
}
