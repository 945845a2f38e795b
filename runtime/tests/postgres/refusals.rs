//! What is missing is said in a sentence with the remedy; what would lose changes is refused.

use crate::reader::{Reader, lsn, settings, until};
use crate::support::Server;
use sluicegate::change::Lsn;
use sluicegate::fault::{Fault, Finding};
use sluicegate::source::Own;
use sluicegate::source::postgres::{PostgresSettings, check};

fn findings(settings: &PostgresSettings) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(check(settings, Own::Away))
}

fn bad(settings: &PostgresSettings) -> String {
    let found = findings(settings);
    found.iter().filter(|f| !f.ok).map(|f| f.text.clone()).collect::<Vec<_>>().join("\n")
}

/// The source refuses, and `check` says it too.
fn refused(settings: PostgresSettings, words: &[&str]) {
    let checked = bad(&settings);
    let error = Reader::start(settings).failed();
    assert_eq!((error.fault, error.loss), (Fault::Fatal, false), "{error}");
    for word in words {
        assert!(error.message.contains(word), "{word}: {error}");
        assert!(checked.contains(word), "{word}: {checked}");
    }
    assert!(!error.message.contains("geheim") && !checked.contains("geheim"));
}

#[test]
fn what_a_human_must_change_is_refused_with_the_remedy() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE plain LOGIN; CREATE ROLE cdc LOGIN REPLICATION");
    server.put(
        "pg_hba.conf",
        "local all all trust\nhost all postgres 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n\
         host replication all 127.0.0.1/32 trust\n",
    );
    sql.run("ALTER ROLE postgres PASSWORD 'right'; SELECT pg_reload_conf()");
    let at = |user: &str, database: &str| settings(&format!("postgres://{user}@127.0.0.1:{}/{database}", server.port));
    until("the new rules hold", || bad(&at("postgres:geheim", "postgres")).contains("password"));
    refused(at("postgres:geheim", "postgres"), &["refuses the password of user \"postgres\"", "URL"]);
    refused(at("postgres", "postgres"), &["asks user \"postgres\" for a password"]);
    refused(at("cdc", "nowhere"), &["has no database \"nowhere\""]);
    refused(settings("mysql://x"), &["must begin with postgres://"]);

    // Without rights: first to make the publication, then to replicate.
    let error = Reader::start(at("plain", "postgres")).failed();
    assert!(error.message.contains("run as the tables' owner or a superuser: CREATE PUBLICATION \"erp\""), "{error}");
    let sentence = error.message.split("superuser: ").nth(1).expect("the SQL");
    sql.run(sentence);
    assert!(bad(&at("plain", "postgres")).contains("ALTER ROLE \"plain\" REPLICATION"));
    let error = Reader::start(at("plain", "postgres")).failed();
    assert!(error.message.contains("ALTER ROLE \"plain\" REPLICATION"), "{error}");

    // A publication that somebody else made will do, without any right to it.
    sql.run("GRANT USAGE ON SCHEMA public TO cdc");
    let mut reader = Reader::start(at("cdc", "postgres")).streaming();
    sql.run("INSERT INTO t VALUES (1)");
    assert_eq!(reader.rows(1)[0].new["id"], "Int(1)");

    // The slot is in use: it is waited for, and the state says so.
    let second = Reader::start(at("cdc", "postgres"));
    until("the second reader waits", || second.stats.state.get().is_some_and(|s| s.contains("is in use")));
    let sentence = bad(&at("cdc", "postgres"));
    assert!(sentence.contains("(\"sluicegate\" of user \"cdc\", from 127.0.0.1) right now"), "{sentence}");
    assert!(sentence.contains("set another `slot`"), "{sentence}");
    reader.stop().expect("stops in order");
    second.wait_state("streaming");
    second.stop().expect("stops in order");

    let everything = findings(&at("cdc", "postgres"));
    assert!(everything.iter().all(|f| f.ok), "{everything:#?}");
}

#[test]
fn slot_that_would_lose_changes_is_refused_as_loss() {
    let server = Server::start(&["max_slot_wal_keep_size=32MB", "min_wal_size=32MB", "max_wal_size=64MB"]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE filler (v text)");
    let at = |known: Option<Lsn>| PostgresSettings { known, ..settings(&server.url("postgres")) };

    // Gone after having been known.
    let error = Reader::start(at(Some(Lsn(0x100)))).failed();
    assert!(error.loss && error.message.contains("is gone: changes from 0/100"), "{error}");
    assert!(bad(&at(Some(Lsn(0x100)))).contains("is gone"));

    // Gone after all was delivered: nothing is said to be lost that is not. The server may write of itself in between.
    let mut said = (0..5).map(|_| {
        let end = lsn(&sql.one("SELECT pg_current_wal_flush_lsn()"));
        Reader::start(at(Some(end))).failed().message
    });
    let said = said.find(|message| !message.contains(": changes from ")).expect("the log stood still once");
    assert!(
        said.contains("is gone: all that is in the server's log, up to ") && said.contains("sluicegate forget erp"),
        "{said}"
    );

    // Dropped while we are away for a moment.
    let reader = Reader::start(at(None)).streaming();
    sql.run(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots; \
         DO $$ BEGIN LOOP BEGIN PERFORM pg_drop_replication_slot('erp'); EXIT; EXCEPTION WHEN object_in_use THEN \
         PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots; PERFORM pg_sleep(0.01); END; END LOOP; END $$",
    );
    let error = reader.failed();
    assert!(error.loss && error.message.contains("is gone"), "{error}");

    // Moved on by somebody else.
    sql.run("SELECT pg_create_logical_replication_slot('erp', 'pgoutput')");
    let error = Reader::start(at(Some(Lsn(0x100)))).failed();
    assert!(error.loss && error.message.contains("moved on by somebody else"), "{error}");

    // An older copy of the database.
    let error = Reader::start(at(Some(Lsn(0xff00_0000_0000)))).failed();
    assert!(error.loss && error.message.contains("older copy"), "{error}");

    // For another plugin.
    sql.run("SELECT pg_drop_replication_slot('erp'); SELECT pg_create_physical_replication_slot('erp')");
    let error = Reader::start(at(None)).failed();
    assert!(!error.loss && error.message.contains("a physical slot"), "{error}");

    // Invalidated, because the log outgrew its limit.
    sql.run("SELECT pg_drop_replication_slot('erp'); SELECT pg_create_logical_replication_slot('erp', 'pgoutput')");
    until("the slot is lost", || {
        sql.run("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 20000); SELECT pg_switch_wal(); CHECKPOINT");
        sql.one("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'erp'") == "lost"
    });
    let error = Reader::start(at(None)).failed();
    assert!(error.loss && error.message.contains("max_slot_wal_keep_size"), "{error}");
    assert!(bad(&at(None)).contains("invalidated"));
}

#[test]
fn server_without_logical_log_is_refused() {
    let server = Server::start(&["wal_level=replica"]);
    server.sql("postgres").run("CREATE TABLE t (id int PRIMARY KEY)");
    refused(settings(&server.url("postgres")), &["wal_level of", "ALTER SYSTEM SET wal_level = 'logical'"]);
}

#[test]
fn check_changes_nothing_and_names_tables_without_identity() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE keyless (v text)");
    let sentence = bad(&settings(&server.url("postgres")));
    assert!(sentence.contains("ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY FULL"), "{sentence}");
    assert_eq!(sql.one("SELECT count(*) FROM pg_publication"), "0");
    assert_eq!(sql.one("SELECT count(*) FROM pg_replication_slots"), "0");
}
