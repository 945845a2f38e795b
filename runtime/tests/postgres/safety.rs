//! The database stays safe: its log does not grow for idle tables, and its walsender is answered while every sink hangs.

use crate::reader::{Reader, lsn, settings, until};
use crate::support::Server;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

#[test]
fn position_moves_while_only_other_tables_are_written() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE idle (id int PRIMARY KEY); CREATE TABLE busy (id int, v text)");
    let mut settings = settings(&server.url("postgres"));
    settings.tables = Arc::new(|name| name == "public.idle");
    let mut reader = Reader::start(settings).streaming();
    let slot = |what: &str| lsn(&sql.one(&format!("SELECT {what} FROM pg_replication_slots WHERE slot_name = 'erp'")));
    let (confirmed, restart) = (slot("confirmed_flush_lsn"), slot("restart_lsn"));
    let began = Instant::now();
    let mut signs = 0;
    until("slot follows the log", || {
        // Written all the while, as on a busy server.
        sql.run("INSERT INTO busy SELECT n, repeat('x', 100) FROM generate_series(1, 500) n; CHECKPOINT");
        while let Ok(batch) = reader.batches.try_recv() {
            assert!(batch.is_empty(), "nobody wrote to our table");
            signs += 1;
            reader.confirm(batch.confirms);
        }
        slot("confirmed_flush_lsn").0 > confirmed.0 + 1_000_000 && slot("restart_lsn") > restart
    });
    let seconds = began.elapsed().as_secs() + 2;
    assert!(signs <= seconds, "{signs} signs of life in {seconds} s");
    // And at rest it reaches the end.
    let end = lsn(&sql.one("SELECT pg_current_wal_flush_lsn()"));
    until("slot reaches the end", || {
        while let Ok(batch) = reader.batches.try_recv() {
            reader.confirm(batch.confirms);
        }
        slot("confirmed_flush_lsn") >= end
    });
    reader.stop().expect("stops in order");
}

#[test]
fn position_stays_while_anything_is_unpaid() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.o (v text)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    let first = reader.batch();
    reader.confirm(first.confirms);
    sql.run("INSERT INTO t VALUES (1)");
    let mut owed = reader.batch();
    while owed.is_empty() {
        owed = reader.batch();
    }
    let owed_at = owed.confirms.expect("its transaction is complete");
    sql.run("INSERT INTO elsewhere.o SELECT repeat('x', 100) FROM generate_series(1, 1000)");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(reader.batches.try_recv().is_err(), "no sign of life may overtake what is owed");
    let slot = lsn(&sql.one("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'erp'"));
    assert!(sluicegate::change::Position::Postgres(slot) < owed_at);
    // Once it is paid, the server hears of it promptly.
    reader.confirm(Some(owed_at.clone()));
    let began = Instant::now();
    until("server hears of it", || {
        let slot = lsn(&sql.one("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'erp'"));
        sluicegate::change::Position::Postgres(slot) >= owed_at
    });
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn walsender_lives_while_the_intake_is_full() {
    let server = Server::start(&["wal_sender_timeout=2s"]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let mut reader = Reader::start_with_room(settings(&server.url("postgres")), 1).streaming();
    sql.run("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 100000) n");
    reader.wait_state("held");
    let pid = || sql.one("SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'erp'");
    let before = pid();
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(pid(), before, "the walsender is the same: {}", server.log());
    assert_eq!(reader.stats.reconnects_total.load(Relaxed), 0);
    assert_eq!(reader.stats.state.get().as_deref(), Some("held"));
    assert_eq!(reader.rows(100_000).len(), 100_000);
    assert!(!server.log().contains("replication timeout"));
    reader.stop().expect("stops in order");
}

#[test]
fn held_source_stops_when_it_is_told() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let reader = Reader::start_with_room(settings(&server.url("postgres")), 1).streaming();
    sql.run("INSERT INTO t SELECT generate_series(1, 20000)");
    reader.wait_state("held");
    let began = Instant::now();
    reader.stop().expect("stops in order");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn new_table_is_found_while_running() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run("CREATE TABLE late (id int PRIMARY KEY)");
    until("the new table is published", || {
        sql.one("SELECT count(*) FROM pg_publication_tables WHERE pubname = 'erp' AND tablename = 'late'") == "1"
    });
    sql.run("INSERT INTO late VALUES (7)");
    assert_eq!(reader.rows(1)[0].table, "public.late");
    assert_eq!(reader.stats.reconnects_total.load(Relaxed), 0);
}

/// Seen while testing: PostgreSQL's fast shutdown waits until every walsender's reader has confirmed everything, and a reader
/// that only says that it lives makes it wait for ever.
#[test]
fn shutdown_of_the_server_does_not_wait_for_our_sinks() {
    for room in [64, 1] {
        let mut server = Server::start(&[]);
        let sql = server.sql("postgres");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let mut reader = Reader::start_with_room(settings(&server.url("postgres")), room).streaming();
        // Nothing is confirmed, as if every sink hung.
        sql.run("INSERT INTO t SELECT generate_series(1, 20000)");
        if room == 1 {
            reader.wait_state("held");
        }
        drop(sql);
        let began = Instant::now();
        server.halt();
        assert!(began.elapsed() < Duration::from_secs(12), "room {room}: {:?}", began.elapsed());
        server.go();
        let mut rows = 0;
        while rows < 20_000 {
            rows += reader.batch().len();
        }
        assert_eq!(rows, 20_000, "nothing is lost, nothing comes twice");
        reader.stop().expect("stops in order");
    }
}
