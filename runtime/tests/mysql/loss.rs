//! What would leave changes out is refused as loss, with what is lost and the way back.

use crate::reader::{Reader, bad, settings};
use crate::server::{BOTH, Kind, Server};
use sluicegate::change::BinlogPosition;
use sluicegate::fault::Fault;
use sluicegate::source::mysql::MysqlSettings;

/// The source refuses to go on behind `known`, and says why.
fn lost(settings: &MysqlSettings, known: &BinlogPosition, words: &[&str]) -> String {
    let settings = MysqlSettings { known: Some(known.clone()), ..settings.clone() };
    let error = Reader::start(settings).failed();
    assert_eq!((error.fault, error.loss), (Fault::Fatal, true), "{error}");
    for word in words.iter().chain(&["remove this source's checkpoint (sluicegate forget SOURCE)", "`epoch`"]) {
        assert!(error.message.contains(word), "{word}: {error}");
    }
    error.message
}

/// A table, two rows, and the checkpoint behind the first.
fn known_behind_first(server: &Server, settings: &MysqlSettings) -> BinlogPosition {
    let sql = server.sql_in("lost");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start(settings.clone()).streaming();
    sql.run("INSERT INTO t VALUES (1)");
    reader.rows(1);
    let known = reader.stop_known();
    sql.run("INSERT INTO t VALUES (2)");
    known
}

fn purge(server: &Server) {
    let sql = server.sql();
    sql.run("FLUSH BINARY LOGS");
    let word = if server.kind == Kind::Mysql { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let last = sql.one(word);
    // A server keeps what a connection still reads.
    crate::reader::until("the old logs are gone", || {
        sql.run(&format!("PURGE BINARY LOGS TO '{last}'"));
        sql.one("SHOW BINARY LOGS") == last
    });
}

#[test]
fn purged_log_is_loss_and_says_what_is_lost() {
    for kind in BOTH {
        let server = Server::start(kind, &[]);
        let settings = settings(&server, "lost");
        let known = known_behind_first(&server, &settings);
        purge(&server);
        let message = lost(&settings, &known, &["raise binlog_expire_logs_seconds"]);
        if kind == Kind::Mysql {
            let missing = server
                .sql()
                .one("SELECT GTID_SUBTRACT(@@gtid_purged, '{known}')".replace("{known}", &known.gtids).as_str());
            assert!(
                message.contains(&missing.replace('\n', "")) && message.contains("1 transaction"),
                "{missing}: {message}"
            );
            assert!(bad(&MysqlSettings { known: Some(known), ..settings }).contains("purged"));
        }
    }
}

#[test]
fn another_server_and_a_reset_log_are_loss() {
    for kind in BOTH {
        let (one, other) = (Server::start(kind, &[]), Server::start(kind, &[]));
        let settings = settings(&one, "lost");
        let known = known_behind_first(&one, &settings);
        let elsewhere = MysqlSettings { url: other.url(), ..settings.clone() };
        lost(&elsewhere, &known, &["delivered is up to"]);
        let word = if kind == Kind::Mysql { "RESET BINARY LOGS AND GTIDS" } else { "RESET MASTER" };
        one.sql().run(word);
        let message = lost(
            &settings,
            &known,
            &["its log was reset, or this is an older copy or"]
                .map(|w| if kind == Kind::Mysql { "Its log was reset, or this is an older copy or" } else { w }),
        );
        assert!(message.contains(&*known.gtids), "{message}");
        assert!(bad(&MysqlSettings { known: Some(known), ..settings }).contains("is lost"));
    }
}

#[test]
fn without_gtids_a_purged_file_and_a_shorter_one_are_loss() {
    let server = Server::start(Kind::Mysql, &["--gtid-mode=OFF"]);
    let settings = settings(&server, "lost");
    let known = known_behind_first(&server, &settings);
    assert!(known.gtids.is_empty() && known.ordinal > 0, "{known}");
    let ahead = BinlogPosition { offset: known.offset + (1 << 20), ..known.clone() };
    lost(&settings, &ahead, &["ends at", "older copy of the server"]);
    purge(&server);
    lost(&settings, &known, &["no longer has the binary log", &known.file]);
}
