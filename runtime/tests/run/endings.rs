//! How the program ends when it can not go on: the exit code for scripts, the sentence for people.

use crate::guests;
use crate::house::{House, free_port, log_end, step, table};
use crate::postgres::Server;
use crate::receiver::{Manner, Receiver};
use std::fs;
use std::net::TcpListener;

/// The customer of a house that never gets to deliver.
const NOBODY: &str = "http://127.0.0.1:9/";

#[test]
fn mistakes_in_the_folder_end_with_2_and_tell_no_secret() {
    let mut house = House::at("mistakes", free_port(), "nowhere").customer_at("1", NOBODY, "");
    house.write();
    let pipeline = house.path("parcels/pipeline.toml");
    let good = fs::read_to_string(&pipeline).expect("it was written");
    fs::write(&pipeline, good.replace("to = \"customers\"", "to = \"custmers\"")).expect("the folder can be written");
    house.run();
    assert_eq!(house.exit_code(), 2);
    let log = house.log();
    assert!(log.contains("did you mean \"customers\"?") && log.contains("pipeline.toml:"), "{log}");

    // A mistake beside a secret, and a variable that is not set.
    let host = "[host]\ntokn = \"${HOST_TOKEN}\"\n[source.erp]\nkind = \"postgres\"\nurl = \"${ERP_ADDRESS}\"\n";
    fs::write(&pipeline, good).expect("the folder can be written");
    fs::write(house.path("sluicegate.toml"), host).expect("the folder can be written");
    house.run();
    assert_eq!(house.exit_code(), 2);
    let log = house.log();
    assert!(log.contains("did you mean \"token\"?") && log.contains("ERP_ADDRESS"), "{log}");
    assert_eq!(house.verb(&["check"]).0, 2);
    assert_eq!(house.verb(&["status"]).0, 2);
}

#[test]
fn slot_that_is_gone_ends_with_3_and_says_what_is_lost() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("slot_gone").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    customer.wait_for(1);
    assert_eq!(house.stop(), 0, "{}", house.log());
    sql.run("SELECT pg_drop_replication_slot('slot_gone')");
    sql.run(&step(7, 1, 2));
    house.run();
    assert_eq!(house.exit_code(), 3, "{}", house.log());
    let log = house.log();
    let sentence = log.lines().find(|line| line.contains("is gone: changes from ")).expect("the sentence");
    let lost = sentence.split("changes from ").nth(1).expect("from where to where");
    let words: Vec<&str> = lost.split(' ').collect();
    assert!(words[0].contains('/') && words[1] == "to" && words[2].contains('/') && words[3] == "are", "{sentence}");
    assert_ne!(words[0], words[2], "{sentence}");
    assert!(sentence.contains("remove this source's checkpoint"), "{sentence}");

    assert!(sentence.contains(": sluicegate forget erp;"), "{sentence}");

    // It does not make the slot in silence the next time either.
    house.run();
    assert_eq!(house.exit_code(), 3, "{}", house.log());
    assert_eq!(sql.one("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'slot_gone'"), "0");
    assert_eq!(customer.count(), 1);

    // Somebody who knows that lets it go on: by the very command that the message has.
    let forget = |house: &House, source: &str| {
        let output = house.command().args(["forget", source]).arg(house.path("")).output().expect("it starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = forget(&house, "epr");
    assert!(code == Some(2) && said.contains("there is no source \"epr\""), "{said}");
    let (code, said) = forget(&house, "erp");
    assert!(
        code == Some(0) && said.contains("removed the checkpoint of source erp (slot_gone), which stood at "),
        "{said}"
    );
    let (code, said) = forget(&house, "erp");
    assert!(code == Some(0) && said.contains("has no checkpoint"), "{said}");
    house.run();
    house.ready();
    let (code, said) = forget(&house, "erp");
    assert!(code == Some(1) && said.contains("another sluicegate holds"), "{said}");
    sql.run(&step(7, 1, 3));
    customer.wait_for_accepted(2);
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn slot_that_is_dropped_while_running_ends_with_3() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("slot_dropped").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    let sql = house.sql();
    sql.run(&step(7, 1, 1));
    let end = log_end(&sql);
    customer.wait_for_accepted(1);
    house.until("it is confirmed", || house.confirmed(&sql, &end));
    sql.run(
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_drop_replication_slot('slot_dropped'); EXIT; EXCEPTION WHEN object_in_use \
         THEN PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'slot_dropped'; \
         PERFORM pg_sleep(0.01); END; END LOOP; END $$",
    );
    assert_eq!(house.exit_code(), 3, "{}", house.log());
    // All was delivered; whether the server has written anything of itself since then is its own business.
    let log = house.log();
    let is_said = ["changes from ", "all that is in the server's log"]
        .iter()
        .any(|what| log.contains(&format!("slot \"slot_dropped\" is gone: {what}")));
    assert!(is_said, "{log}");
}

#[test]
fn server_that_refuses_ends_with_1_and_the_remedy_and_check_says_the_same() {
    let server = Server::start(&["wal_level=replica"]);
    let sql = server.sql("postgres");
    sql.run(&table());
    sql.run("ALTER ROLE postgres PASSWORD 'another'");
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n\
                 host replication all 127.0.0.1/32 scram-sha-256\n";
    server.put("pg_hba.conf", rules);
    sql.run("SELECT pg_reload_conf()");
    let mut house =
        House::at("refused", server.port, "postgres").environment("RUST_LOG", "debug").customer_at("1", NOBODY, "");
    house.write();
    let refused = |house: &mut House, words: &[&str]| {
        house
            .until("the server refuses it", || words.iter().all(|w| house.verb(&["check", "--connect"]).1.contains(w)));
        assert_eq!(house.verb(&["check", "--connect"]).0, 2);
        house.run();
        assert_eq!(house.exit_code(), 1, "{}", house.log());
        let log = house.log();
        let last = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("no last word: {log}"));
        assert!(words.iter().all(|word| last.contains(word)), "{last}");
    };
    refused(&mut house, &["refuses the password of user \"postgres\"", "correct it in the URL"]);
    sql.run(&format!("ALTER ROLE postgres PASSWORD '{}'", crate::house::PASSWORD));
    refused(&mut house, &["wal_level of 127.0.0.1", "ALTER SYSTEM SET wal_level = 'logical'", "restart the server"]);
}

#[test]
fn second_program_on_the_same_state_is_turned_away_and_the_first_goes_on() {
    let mut house = House::at("owned", free_port(), "nowhere").customer_at("1", NOBODY, "").start();
    house.until("it answers", || house.try_get("/live", None).is_some());
    let (code, _, err) = house.verb(&["run"]);
    assert_eq!(code, 1);
    assert!(err.contains("another sluicegate holds"), "{err}");
    assert_eq!(house.get("/live").0, 200);
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn admin_address_that_is_taken_is_named_with_the_remedy() {
    let house = House::at("taken", free_port(), "nowhere").customer_at("1", NOBODY, "");
    house.write();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let file = house.path("sluicegate.toml");
    let host = fs::read_to_string(&file).expect("it was written");
    let host: String = host
        .lines()
        .map(|line| if line.starts_with("admin") { format!("admin = \"{address}\"\n") } else { format!("{line}\n") })
        .collect();
    fs::write(&file, host).expect("the folder can be written");
    let (code, _, err) = house.verb(&["run"]);
    assert_eq!(code, 1);
    assert!(err.contains(&address) && err.contains("set host.admin to a free one"), "{err}");
}
