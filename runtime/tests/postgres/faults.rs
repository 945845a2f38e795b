//! Cuts of every kind lose nothing: the walsender is killed, the server restarts, both in the middle of a stream.

use crate::reader::{Reader, settings, until};
use crate::support::Server;
use std::collections::BTreeSet;
use std::time::Duration;

const HUGE: usize = 200_000;

#[test]
fn huge_transaction_comes_in_bounded_batches_and_confirms_once() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let mut reader = Reader::start_with_room(settings(&server.url("postgres")), 4).streaming();
    let first = reader.batch();
    assert!(first.is_empty() && first.confirms.is_some(), "the checkpoint gets a position at once");
    sql.run(&format!("INSERT INTO t SELECT n, 'value ' || n FROM generate_series(1, {HUGE}) n"));
    let (mut rows, mut killed) = (0, false);
    let mut last_mark = None;
    while rows < HUGE {
        let batch = reader.batch();
        if batch.is_empty() {
            continue;
        }
        assert!(batch.len() <= 1024 && batch.frame.byte_len() < 2 << 20);
        for mark in &batch.marks {
            assert!(last_mark < Some((mark.change, mark.sub)), "order is kept, and nothing comes twice");
            last_mark = Some((mark.change, mark.sub));
        }
        rows += batch.len();
        assert_eq!(batch.confirms.is_some(), rows == HUGE, "only the end confirms");
        // A cut in the middle: the transaction comes again, without the rows that were handed over.
        if rows > HUGE / 2 && !killed {
            killed = true;
            sql.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'erp'");
        }
    }
    assert_eq!(rows, HUGE);
    reader.stop().expect("stops in order");
}

#[test]
fn killed_walsender_and_restarted_server_lose_nothing() {
    let mut server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id serial PRIMARY KEY, v int)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    let (mut wanted, mut found) = (0, BTreeSet::new());
    let mut sql = sql;
    for round in 0..6 {
        for _ in 0..20 {
            sql.run("INSERT INTO t (v) SELECT n FROM generate_series(1, 10) n");
        }
        wanted += 200;
        if round % 3 == 2 {
            drop(sql);
            server.restart();
            sql = server.sql("postgres");
        } else {
            let _ = sql.try_run(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'erp' AND active",
            );
        }
        while found.len() < wanted {
            let batch = reader.batch();
            for index in 0..batch.len() {
                found.insert(crate::reader::row(&batch, index).new["id"].clone());
            }
            reader.confirm(batch.confirms);
        }
    }
    assert_eq!(found.len(), wanted);
    assert!(reader.stats.reconnects_total.load(std::sync::atomic::Ordering::Relaxed) >= 2);
    reader.stop().expect("stops in order");
    let confirmed = sql.one("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'erp'");
    assert_ne!(confirmed, "");
}

#[test]
fn restarted_process_resumes_where_it_confirmed() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run("INSERT INTO t VALUES (1)");
    sql.run("INSERT INTO t VALUES (2)");
    reader.rows(2);
    let confirmed = reader.confirmed.borrow().clone();
    sql.run("INSERT INTO t VALUES (3)");
    let mut unconfirmed = reader.batch();
    while unconfirmed.is_empty() {
        unconfirmed = reader.batch();
    }
    reader.stop().expect("stops in order");
    let Some(sluicegate::change::Position::Postgres(known)) = confirmed else { panic!("two rows were confirmed") };
    let mut again = settings(&server.url("postgres"));
    again.known = Some(known);
    let mut reader = Reader::start(again).streaming();
    let rows = reader.rows(1);
    assert_eq!(rows[0].new["id"], "Int(3)", "what was not confirmed comes again, and nothing else");
    assert_eq!(rows[0].mark, unconfirmed.marks[0], "under the same mark");
}

#[test]
fn server_that_is_not_there_yet_is_waited_for() {
    let mut server = Server::start(&[]);
    server.sql("postgres").run("CREATE TABLE t (id int PRIMARY KEY)");
    server.halt();
    let mut reader = Reader::start(settings(&server.url("postgres")));
    until("the state says why", || {
        reader.stats.state.get().is_some_and(|s| s.contains("nothing listens at 127.0.0.1"))
    });
    std::thread::sleep(Duration::from_millis(300));
    server.go();
    reader.wait_state("streaming");
    server.sql("postgres").run("INSERT INTO t VALUES (1)");
    assert_eq!(reader.rows(1)[0].new["id"], "Int(1)");
}
