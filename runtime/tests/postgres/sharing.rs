//! Two programs that were given one slot and one publication, as two folders made by `new` on one database are.
//!
//! Seen by a new user: the second one, before it had the slot, took the tables of the first out of the publication. The first went on
//! "streaming, lag 0", and its rows never came.

use crate::reader::{Reader, settings, until};
use crate::support::{Server, Sql};
use sluicegate::source::postgres::PostgresSettings;
use std::sync::Arc;
use std::time::Duration;

const TABLES: &str = "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY)";

/// A reader's settings, for one table.
fn of(server: &Server, table: &'static str) -> PostgresSettings {
    PostgresSettings { tables: Arc::new(move |name| name == table), ..settings(&server.url("postgres")) }
}

fn published(sql: &Sql) -> String {
    sql.one("SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'erp'")
}

#[test]
fn who_does_not_have_the_slot_touches_nothing_and_its_reader_loses_nothing() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(TABLES);
    let mut first = Reader::start(of(&server, "public.orders")).streaming();
    sql.run("INSERT INTO orders VALUES (1)");
    let second = Reader::start(of(&server, "public.items"));
    until("the second waits, and knows for whom", || {
        second.stats.state.get().is_some_and(|s| s.contains("is in use by process ") && s.contains("\"sluicegate\""))
    });
    // It tries again and again.
    until("it has tried five times", || second.stats.reconnects_total.load(std::sync::atomic::Ordering::Relaxed) >= 5);
    assert_eq!(published(&sql), "orders");
    sql.run("INSERT INTO orders VALUES (2)");
    let ids: Vec<String> = first.rows(2).iter().map(|row| row.new["id"].clone()).collect();
    assert_eq!(ids, ["Int(1)", "Int(2)"]);
    assert_eq!(first.stats.lost.get(), None);

    // With the slot comes the right to the publication.
    first.stop().expect("stops in order");
    let mut second = second.streaming();
    assert_eq!(published(&sql), "items");
    sql.run("INSERT INTO items VALUES (7)");
    assert_eq!(second.rows(1)[0].table, "public.items");
    second.stop().expect("stops in order");
}

#[test]
fn of_two_that_start_at_once_the_one_that_streams_gets_all_its_rows() {
    for _ in 0..3 {
        let server = Server::start(&[]);
        let sql = server.sql("postgres");
        sql.run(TABLES);
        let mut readers = ["public.orders", "public.items"].map(|table| Reader::start(of(&server, table)));
        let streams = |reader: &Reader| reader.stats.state.get().is_some_and(|s| s == "streaming");
        until("one streams", || readers.iter().any(streams));
        for id in 0..50 {
            sql.run(&format!("INSERT INTO orders VALUES ({id}); INSERT INTO items VALUES ({id})"));
        }
        let one = usize::from(!streams(&readers[0]));
        assert!(!streams(&readers[1 - one]), "one slot has one reader");
        assert_eq!(published(&sql), ["orders", "items"][one]);
        assert_eq!(readers[one].rows(50).len(), 50);
    }
}

/// Whatever somebody else does, a table that is needed and not published is missed, put back and said.
#[test]
fn table_that_is_taken_out_while_streaming_is_put_back_and_what_is_lost_is_said() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(TABLES);
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run("INSERT INTO orders VALUES (1)");
    reader.rows(1);
    sql.run("ALTER PUBLICATION erp DROP TABLE orders");
    let from = sql.one("SELECT pg_current_wal_insert_lsn()");
    sql.run("INSERT INTO orders VALUES (2)");
    until("it is said", || reader.stats.lost.get().is_some());
    let said = reader.stats.lost.get().expect("it is said");
    assert!(said.contains("took tables out of publication \"erp\": public.orders;"), "{said}");
    let span = said.split(" between ").nth(1).expect("from where to where");
    let (begin, rest) = span.split_once(" and ").expect("two positions");
    let end = rest.split([' ', ',']).next().expect("a position");
    let holds = sql.one(&format!("SELECT '{begin}'::pg_lsn <= '{from}' AND '{end}'::pg_lsn > '{from}'"));
    assert_eq!(holds, "t", "{said} {from}");
    assert_eq!(published(&sql), "items orders");
    sql.run("INSERT INTO orders VALUES (3)");
    assert_eq!(reader.rows(1)[0].new["id"], "Int(3)");
    reader.stop().expect("stops in order");
}

#[test]
fn table_that_is_taken_out_while_the_connection_is_cut_is_missed_at_the_next() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(TABLES);
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run(
        "ALTER PUBLICATION erp DROP TABLE items; DROP TABLE orders; CREATE TABLE orders (id int PRIMARY KEY); \
         SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots",
    );
    until("it is said", || reader.stats.lost.get().is_some());
    let said = reader.stats.lost.get().expect("it is said");
    // A table that was made again is another one.
    assert!(said.contains("public.items") && !said.contains("public.orders"), "{said}");
    std::thread::sleep(Duration::from_millis(100));
    reader.wait_state("streaming");
    sql.run("INSERT INTO items VALUES (1)");
    assert_eq!(reader.rows(1)[0].table, "public.items");
    reader.stop().expect("stops in order");
}
