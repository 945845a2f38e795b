//! A customer that never answers: neither the others nor the database notice, and memory stays bounded.

use crate::guests;
use crate::house::{House, log_end, step};
use crate::receiver::{Manner, Receiver};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure for its memory");
    let kilobytes = line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number");
    kilobytes << 10
}

fn assert_bounded(house: &House, before: u64, growth_bytes_max: u64) {
    let growth = resident(house.pid()).saturating_sub(before);
    println!("{} MB at rest, {} MB more under strain", before >> 20, growth >> 20);
    assert!(growth < growth_bytes_max, "{} MB more than at rest", growth >> 20);
}

#[test]
fn silent_customer_holds_neither_the_others_nor_memory_nor_the_log() {
    const ROWS: u32 = 3_000;
    /// 3,000 rows of some 400 bytes twice, once waiting and once passing by, and what the allocator keeps.
    const GROWTH_BYTES_MAX: u64 = 24 << 20;
    let (quick, silent) = (Receiver::open(Manner::Says(204)), Receiver::open(Manner::Silent));
    let mut house = House::new("silent")
        .host("drain = \"500ms\"")
        .customer("1", &quick)
        .customer_at("2", &silent.url(), ", timeout = \"60s\"")
        .guest(&guests::module("parcels"))
        .start();
    house.ready();
    let sql = house.sql();
    let before = resident(house.pid());
    sql.run(&step(1, 2, 0));
    silent.wait_for(1);
    for chunk in 0..30 {
        let rows = ROWS / 30;
        sql.run(&format!(
            "INSERT INTO package_status (package_id, customer_id, next_address, status) \
             SELECT n % 50, 1 + n % 2, {chunk} * {rows} + n, 'In Transit' FROM generate_series(1, {rows}) n"
        ));
    }
    let began = Instant::now();
    let arrivals = quick.wait_for_accepted(ROWS as usize / 2);
    let different: BTreeSet<&str> = arrivals.iter().map(|a| a.id()).collect();
    assert_eq!(different.len(), ROWS as usize / 2, "each row of customer 1 once, in {:?}", began.elapsed());
    assert_bounded(&house, before, GROWTH_BYTES_MAX);
    assert_eq!(house.status()["sources"][0]["state"], "streaming", "nobody is held");
    let end = log_end(&sql);
    house.until("the database is free of all that customer 2 has not taken", || house.confirmed(&sql, &end));
    house.until("all of customer 2 is on disk", || {
        let lane = &house.status()["lanes"][1];
        assert_eq!((&lane["member"], &lane["delivered_total"]), (&"2".into(), &0.into()), "{lane}");
        lane["parked"] == ROWS / 2 + 1 && lane["state"] == "parked"
    });
    house.ready();
    // Sixteen are in their attempts and will not end; that keeps nobody from stopping.
    let began = Instant::now();
    assert_eq!(house.stop(), 0, "{}", house.log());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Days later, so to speak.
    silent.set(Manner::Says(204));
    let seen = silent.count();
    house.run();
    house.ready();
    let arrivals = silent.wait_for_accepted(ROWS as usize / 2 + 1);
    let different: BTreeSet<&str> = arrivals.iter().map(|a| a.id()).collect();
    assert_eq!(different.len(), ROWS as usize / 2 + 1, "each row of customer 2, {seen} tried before");
    house.until("nothing waits any more", || house.status()["lanes"][1]["parked"] == 0);
    assert_eq!(house.stop(), 0, "{}", house.log());
}

#[test]
fn lane_without_room_on_disk_holds_the_source_but_not_its_connection_and_goes_on_when_the_customer_answers() {
    const ROWS: usize = 1_500;
    const ROW_BYTES: usize = 48 << 10;
    /// Of 72 MB that were written, what is on its way: two batches of about a megabyte, four in the corridor, the lane.
    const GROWTH_BYTES_MAX: u64 = 40 << 20;
    let customer = Receiver::open(Manner::Silent);
    let mut house = House::new("held")
        .customer_at(
            "1",
            &customer.url(),
            ", timeout = \"60s\", memory = \"64 KiB\", disk = \"1 MiB\", concurrency = 8",
        )
        .guest(&guests::module("parcels"));
    let sql = house.sql();
    // The server's patience with a reader that says nothing.
    sql.run("ALTER DATABASE held SET wal_sender_timeout = '2s'");
    house.write();
    house.run();
    house.ready();
    let walsender = || sql.one("SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'held'");
    let (before, pid) = (resident(house.pid()), walsender());
    sql.run(&format!(
        "INSERT INTO package_status (package_id, customer_id, next_address, status) \
         SELECT n, 1, repeat('x', {ROW_BYTES}), 'In Transit' FROM generate_series(1, {ROWS}) n"
    ));
    let end = log_end(&sql);
    house.until("the source is held", || house.status()["sources"][0]["state"] == "held");
    house.not_ready("source erp is held");
    std::thread::sleep(Duration::from_secs(4));
    let status = house.status();
    assert_eq!((&status["sources"][0]["state"], &status["lanes"][0]["state"]), (&"held".into(), &"full".into()));
    assert_eq!((walsender(), &status["sources"][0]["reconnects_total"]), (pid, &0.into()), "the connection lives");
    assert_bounded(&house, before, GROWTH_BYTES_MAX);
    assert!(!house.confirmed(&sql, &end));

    customer.set(Manner::Says(204));
    let arrivals = customer.wait_for_accepted(ROWS);
    let parcels: BTreeSet<i64> = arrivals.iter().map(|a| a.number("package_id")).collect();
    assert_eq!((arrivals.len(), parcels.len()), (ROWS, ROWS), "each row once");
    house.until("everything is confirmed", || house.confirmed(&sql, &end));
    house.ready();
    assert_bounded(&house, before, GROWTH_BYTES_MAX);
    assert_eq!(house.stop(), 0, "{}", house.log());
}
