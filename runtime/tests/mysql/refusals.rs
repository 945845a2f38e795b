//! What is missing is said in a sentence with the remedy, by the source and by `check` alike.

use crate::reader::{Reader, bad, findings, map, settings, settings_at};
use crate::server::{BOTH, Kind, Server};
use sluicegate::fault::Fault;
use sluicegate::source::mysql::{MysqlSettings, columns, sample};

/// The source refuses, and `check` says it too.
fn refused(settings: MysqlSettings, words: &[&str]) {
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
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("refused");
        sql.run(
            "CREATE TABLE t (id int PRIMARY KEY);
             DROP USER IF EXISTS plain@'%', cdc@'%'; CREATE USER plain@'%' IDENTIFIED BY 'pw'; CREATE USER cdc@'%' IDENTIFIED BY 'pw'",
        );
        let at = |login: &str| settings_at(&server.url_of(login), "refused");
        refused(at("cdc:geheim"), &["does not let user \"cdc\" in", "password in the URL"]);
        refused(settings_at("postgres://x:geheim@y", "refused"), &["must begin with mysql:// or mariadb://"]);

        // Without rights, and then with exactly those that the sentence names.
        let error = Reader::start(at("plain:pw")).failed();
        let sentence = error.message.split("administrator: ").nth(1).expect("the SQL");
        assert_eq!(sentence, "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'plain'@'%';");
        assert!(bad(&at("plain:pw")).contains(sentence));
        sql.run("GRANT REPLICATION CLIENT ON *.* TO plain@'%'");
        let error = Reader::start(at("plain:pw")).failed();
        assert!(error.message.contains(sentence) && error.message.contains("register as a replica"), "{error}");
        assert!(bad(&at("plain:pw")).contains(sentence));
        sql.run("GRANT REPLICATION SLAVE ON *.* TO plain@'%'");
        assert!(bad(&at("plain:pw")).contains("GRANT SELECT ON *.* TO 'plain'@'%'"), "the tables can not be seen yet");
        sql.run(sentence);
        let everything = findings(&at("plain:pw"));
        assert!(everything.iter().all(|f| f.ok), "{everything:#?}");
        let reader = Reader::start(at("plain:pw")).streaming();
        reader.stop().expect("stops in order");
    }
}

#[test]
fn server_id_of_somebody_else_is_refused() {
    for kind in BOTH {
        let server = Server::shared(kind);
        server.sql_in("same_id").run("CREATE TABLE t (id int PRIMARY KEY)");
        let ours = settings(&server, "same_id");
        refused(MysqlSettings { server_id: 1, ..ours.clone() }, &["server_id 1 is that of", "set another one"]);
        // The newer reader wins: the older one can only tell that somebody has come.
        let first = Reader::start(ours.clone()).streaming();
        let second = Reader::start(ours).streaming();
        match kind {
            Kind::Mysql => {
                let error = first.failed();
                assert!(error.message.contains("every replica needs its own: set another server_id"), "{error}");
                second.stop().expect("stops in order");
            }
            // MariaDB closes the older connection without a word.
            Kind::Mariadb => drop(first),
        }
    }
}

/// A change that is logged as a statement was lost, and with it, until the next start, what had come just before in the same packet.
#[test]
fn what_came_before_a_change_that_is_logged_as_a_statement_is_handed_over_first() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("by_statement");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let ours = settings(&server, "by_statement");
        let mut reader = Reader::start(ours.clone()).streaming();
        let known = reader.batch().confirms;
        reader.confirm(known);
        let known = Some(reader.stop_known());
        sql.run("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SET SESSION binlog_format = 'STATEMENT'; INSERT INTO t VALUES (3)");
        let mut reader = Reader::start(MysqlSettings { known, ..ours });
        let rows = reader.rows(2);
        assert_eq!(rows[1].new, map(&[("id", "Int(2)")]), "{kind:?}");
        let error = reader.failed();
        assert_eq!((error.fault, error.loss), (Fault::Fatal, true), "{error}");
        assert!(error.message.contains("by_statement.t as a statement, not as rows"), "{error}");
    }
}

#[test]
fn log_of_statements_is_refused_with_the_sql() {
    for kind in BOTH {
        let server = Server::start(kind, &["--binlog-format=STATEMENT"]);
        server.sql_in("statements").run("CREATE TABLE t (id int PRIMARY KEY)");
        refused(
            settings(&server, "statements"),
            &["is STATEMENT", "SET GLOBAL binlog_format = 'ROW';", "Sessions that are open keep what they have"],
        );
    }
}

#[test]
fn server_without_log_is_refused() {
    for kind in BOTH {
        // Both sides' options: the last one wins.
        let server = Server::start(kind, &["--skip-log-bin"]);
        server.sql_in("no_log").run("CREATE TABLE t (id int PRIMARY KEY)");
        refused(settings(&server, "no_log"), &["writes no binary log; add log_bin"]);
    }
}

#[test]
fn missing_metadata_and_left_out_databases_are_said() {
    for kind in BOTH {
        let least = if kind == Kind::Mysql { "MINIMAL" } else { "NO_LOG" };
        let metadata = format!("--binlog-row-metadata={least}");
        let server = Server::start(kind, &[&metadata, "--binlog-ignore-db=elsewhere"]);
        server.sql_in("said").run("CREATE TABLE t (id int PRIMARY KEY)");
        let sentences = bad(&settings(&server, "said"));
        assert!(sentences.contains(&format!("is {least}: names of columns come from")), "{sentences}");
        assert!(sentences.contains("SET GLOBAL binlog_row_metadata = 'FULL';"), "{sentences}");
        assert!(sentences.contains("binlog_ignore_db = elsewhere"), "{sentences}");
        // It goes on all the same.
        let reader = Reader::start(settings(&server, "said")).streaming();
        reader.stop().expect("stops in order");
    }
}

#[test]
fn check_names_a_rule_that_fits_no_table_and_columns_are_listed_in_their_order() {
    let server = Server::shared(Kind::Mysql);
    let sql = server.sql_in("listed");
    sql.run("CREATE TABLE t (z int PRIMARY KEY, a text, m int); CREATE VIEW v AS SELECT z FROM t");
    assert!(bad(&settings(&server, "nowhere")).contains("no table that is asked for can be seen"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = runtime.block_on(columns(&settings(&server, "listed"))).expect("the server can be asked");
    assert_eq!(found["listed.t"].names, ["z", "a", "m"]);
    assert!(!found.contains_key("listed.v") && !found.contains_key("mysql.user"));
}

#[test]
fn table_is_shown_with_its_types_its_key_and_a_few_rows() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("shown");
        sql.run("CREATE TABLE t (`a b` int unsigned PRIMARY KEY, at timestamp(3) NOT NULL, data blob)");
        sql.run("SET time_zone = '+02:00'; INSERT INTO t VALUES (7, '2026-01-31 14:00:00.5', 'xyz'), (8, '2026-01-31 14:00:00', NULL)");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let look =
            |table| runtime.block_on(sample(&settings(&server, "shown"), table, 1)).expect("the server can be asked");
        let found = look("shown.t").expect("the table is there");
        let columns: Vec<_> = found.columns.iter().map(|c| (c.name.as_str(), c.key, c.not_null)).collect();
        assert_eq!(columns, [("a b", true, true), ("at", false, true), ("data", false, false)]);
        assert!(found.columns[0].type_name.ends_with("unsigned"), "{}", found.columns[0].type_name);
        let row = ["7", "2026-01-31 12:00:00.500", "eHl6"].map(|text| Some(text.to_owned()));
        assert_eq!(found.rows, [row.to_vec()], "times are in UTC, bytes in base64");
        assert_eq!(look("shown.none"), None);
    }
}
