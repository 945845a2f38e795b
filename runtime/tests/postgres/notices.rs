//! What is in the log and is no row: bounds of transactions, and messages of programs.

use crate::reader::{Reader, settings};
use crate::support::Server;
use sluicegate::change::{Batch, LogicalMessage, NoticeKind, Position, RowMark};
use sluicegate::source::NoticeRule;
use sluicegate::source::postgres::PostgresSettings;
use std::collections::BTreeSet;
use std::sync::Arc;

fn asking(url: &str) -> PostgresSettings {
    let messages: sluicegate::source::PrefixRule = Arc::new(|prefix| prefix != "noise");
    PostgresSettings {
        notices: NoticeRule { transactions: true, messages: Some(messages), schema_changes: None },
        ..settings(url)
    }
}

/// Everything of a batch in its order: what it is, and where it stands.
fn told(batch: &Batch) -> Vec<(String, RowMark)> {
    let mut notices = batch.notices.iter().peekable();
    let mut all = Vec::new();
    for row in 0..=batch.len() {
        while let Some(notice) = notices.next_if(|notice| notice.before_row as usize <= row) {
            let what = match &notice.kind {
                NoticeKind::Begin { .. } => "begin".to_owned(),
                NoticeKind::Commit { .. } => "commit".to_owned(),
                NoticeKind::Message(message) => shown(message),
                NoticeKind::SchemaChange(_) => panic!("PostgreSQL's log has none"),
            };
            all.push((what, notice.mark));
        }
        all.extend(batch.marks.get(row).map(|mark| ("row".to_owned(), *mark)));
    }
    all
}

fn shown(message: &LogicalMessage) -> String {
    format!("{} {} {}", message.prefix, message.transactional, String::from_utf8_lossy(&message.content))
}

fn words(told: &[(String, RowMark)]) -> Vec<&str> {
    told.iter().map(|(what, _)| what.as_str()).collect()
}

fn grows(told: &[(String, RowMark)]) -> bool {
    let place = |(_, mark): &(String, RowMark)| (mark.commit, mark.change, mark.sub);
    told.is_sorted_by(|a, b| place(a) < place(b))
}

/// Until so many things have come; batches are confirmed if `confirm`.
fn read(reader: &mut Reader, count: usize, confirm: bool) -> Vec<(String, RowMark)> {
    let mut all = Vec::new();
    while all.len() < count {
        let batch = reader.batch();
        all.extend(told(&batch));
        if confirm {
            reader.confirm(batch.confirms);
        }
    }
    all
}

#[test]
fn messages_and_bounds_come_in_the_order_of_the_log_and_again_under_the_same_marks() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    sql.run("CREATE SCHEMA other; CREATE TABLE other.unasked (id int)");
    let mut reader = Reader::start(asking(&server.url("postgres"))).streaming();
    sql.run("SELECT pg_logical_emit_message(false, 'alone', 'first')");
    sql.run(
        "BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'audit', 'who'); \
         INSERT INTO t VALUES (2); SELECT pg_logical_emit_message(false, 'alone', 'before'); COMMIT",
    );
    sql.run("INSERT INTO other.unasked VALUES (1)");
    sql.run("BEGIN; SELECT pg_logical_emit_message(true, 'noise', ''); COMMIT");
    sql.run(
        "BEGIN; INSERT INTO t VALUES (3); SELECT pg_logical_emit_message(true, 'audit', 'undone'); \
         SELECT pg_logical_emit_message(false, 'alone', 'kept'); ROLLBACK",
    );
    sql.run("BEGIN; SELECT pg_logical_emit_message(true, 'audit', 'only'); COMMIT");
    let expected = [
        "alone false first",
        "alone false before",
        "begin",
        "row",
        "audit true who",
        "row",
        "commit",
        "alone false kept",
        "begin",
        "audit true only",
        "commit",
    ];
    let first = read(&mut reader, expected.len(), false);
    assert_eq!(words(&first), expected);
    assert!(grows(&first), "{first:?}");
    reader.stop().expect("stops in order");
    // Nothing was confirmed, so a new process reads all of it again.
    let mut reader = Reader::start(asking(&server.url("postgres"))).streaming();
    assert_eq!(read(&mut reader, expected.len(), true), first);
    let confirmed = reader.confirmed.borrow().clone();
    reader.stop().expect("stops in order");
    let Some(Position::Postgres(known)) = confirmed else { panic!("all of it was confirmed") };
    // And of what was confirmed nothing comes again, the message at its very end neither.
    sql.run("SELECT pg_logical_emit_message(false, 'alone', 'last')");
    let mut reader =
        Reader::start(PostgresSettings { known: Some(known), ..asking(&server.url("postgres")) }).streaming();
    assert_eq!(words(&read(&mut reader, 1, true)), ["alone false last"]);
}

#[test]
fn transaction_over_many_batches_begins_and_ends_once_though_the_stream_is_cut() {
    const ROWS: usize = 50_000;
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start_with_room(asking(&server.url("postgres")), 4).streaming();
    sql.run(&format!(
        "BEGIN; INSERT INTO t SELECT generate_series(1, {ROWS}); SELECT pg_logical_emit_message(true, 'audit', 'half'); \
         INSERT INTO t SELECT generate_series({ROWS} + 1, 2 * {ROWS}); COMMIT"
    ));
    let (mut all, mut is_cut) = (Vec::new(), false);
    while all.last().is_none_or(|(what, _): &(String, RowMark)| what != "commit") {
        let batch = reader.batch();
        assert_eq!(batch.is_empty(), batch.len() + batch.notices.len() == 0);
        all.extend(told(&batch));
        if all.len() > ROWS + ROWS / 2 && !is_cut {
            is_cut = true;
            sql.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'erp'");
        }
    }
    assert!(is_cut && grows(&all));
    let count = |word: &str| words(&all).iter().filter(|what| **what == word).count();
    assert_eq!((count("begin"), count("row"), count("audit true half"), count("commit")), (1, 2 * ROWS, 1, 1));
    assert_eq!(all[ROWS + 1].0, "audit true half");
    reader.stop().expect("stops in order");
    // A process that begins anew reads the transaction whole.
    let mut reader = Reader::start_with_room(asking(&server.url("postgres")), 4).streaming();
    let again = read(&mut reader, all.len(), false);
    let (all, again): (BTreeSet<_>, BTreeSet<_>) = (places(&all), places(&again));
    assert_eq!(all, again);
}

fn places(told: &[(String, RowMark)]) -> BTreeSet<(u64, u64, u32)> {
    told.iter().map(|(_, mark)| (mark.commit, mark.change, mark.sub)).collect()
}

#[test]
fn source_that_nobody_asks_is_sent_no_messages() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run("BEGIN; SELECT pg_logical_emit_message(true, 'audit', 'who'); INSERT INTO t VALUES (1); COMMIT");
    let batch = loop {
        let batch = reader.batch();
        if !batch.is_empty() {
            break batch;
        }
    };
    assert_eq!((batch.len(), batch.notices.len()), (1, 0));
}
