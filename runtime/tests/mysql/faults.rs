//! Cuts of every kind lose nothing and repeat nothing: the dump thread is killed, the server restarts or is killed, the log rotates.

use crate::reader::{Reader, settings, until};
use crate::server::{BOTH, Kind, Server};
use sluicegate::source::mysql::MysqlSettings;

const HUGE: usize = 60_000;

/// Counts to `HUGE` in both dialects.
fn fill(table: &str) -> String {
    format!(
        "INSERT INTO {table} (id, v) WITH RECURSIVE d (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n < 9) \
         SELECT a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n, CONCAT('value ', a.n) \
         FROM d a, d b, d c, d e, d f WHERE f.n < {}",
        HUGE / 10_000
    )
}

#[test]
fn huge_transaction_comes_in_bounded_batches_and_confirms_once() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("huge");
        sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(40))");
        let mut reader = Reader::start_with_room(settings(&server, "huge"), 4).streaming();
        let first = reader.batch();
        assert!(first.is_empty() && first.confirms.is_some(), "the checkpoint gets a position at once");
        sql.run(&fill("t"));
        let (mut rows, mut is_killed) = (0, false);
        let mut last_mark = None;
        while rows < HUGE {
            let batch = reader.batch_of_rows();
            assert!(batch.len() <= 4096 && batch.frame.byte_len() < 4 << 20, "{} rows", batch.len());
            for mark in &batch.marks {
                let place = Some((mark.commit, mark.change, mark.sub));
                assert!(last_mark < place, "order is kept, and nothing comes twice");
                last_mark = place;
            }
            rows += batch.len();
            // Other tests write to the same log: what ended before this transaction may be confirmed within it.
            let end = batch.marks.last().expect("it has rows").commit;
            let is_confirmed = batch.confirms.is_some_and(|position| position.ordinal() >= end);
            assert_eq!(is_confirmed, rows == HUGE, "only the end confirms");
            // A cut in the middle: the transaction comes again, without the rows that were handed over.
            if rows > HUGE / 2 && !is_killed {
                is_killed = true;
                sql.kill_dumps();
            }
        }
        assert_eq!(rows, HUGE);
        reader.stop().expect("stops in order");
    }
}

#[test]
fn killed_thread_restarted_server_and_rotated_log_lose_and_repeat_nothing() {
    for kind in BOTH {
        let mut server = Server::start(kind, &[]);
        let mut sql = server.sql_in("cuts");
        sql.run("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v int)");
        let mut reader = Reader::start(settings(&server, "cuts")).streaming();
        let mut next = 1;
        for round in 0..8 {
            for _ in 0..10 {
                sql.run("INSERT INTO t (v) VALUES (1), (2), (3)");
            }
            match round % 4 {
                0 => sql.kill_dumps(),
                1 => sql.run("FLUSH BINARY LOGS"),
                2 => {
                    drop(sql);
                    server.restart();
                    sql = server.sql();
                    sql.run("USE cuts");
                }
                _ => {
                    drop(sql);
                    server.kill9();
                    server.restart();
                    sql = server.sql();
                    sql.run("USE cuts");
                }
            }
            sql.run("INSERT INTO t (v) VALUES (4)");
            // In their order, each once.
            let mut ids = Vec::new();
            while ids.len() < 31 {
                let batch = reader.batch();
                ids.extend((0..batch.len()).map(|index| crate::reader::row(&batch, index).new["id"].clone()));
                reader.confirm(batch.confirms);
            }
            let wanted: Vec<String> = (next..next + 31).map(|id| format!("Int({id})")).collect();
            let stored =
                sql.one("SELECT GROUP_CONCAT(id ORDER BY id) FROM (SELECT id FROM t ORDER BY id DESC LIMIT 31) l");
            let stored: Vec<String> = stored.split(',').map(|id| format!("Int({id})")).collect();
            assert_eq!(ids, stored, "{kind:?}, round {round}");
            // A killed server may skip numbers that it had reserved.
            assert!(wanted == ids || round % 4 == 3, "{ids:?}");
            next = sql.one("SELECT MAX(id) + 1 FROM t").parse().expect("a number");
        }
        assert!(reader.reconnects() >= 6, "{}", reader.reconnects());
        assert_eq!(sql.dump_threads().len(), 1, "one reader, one thread");
        reader.stop().expect("stops in order");
    }
}

#[test]
fn restarted_process_resumes_where_it_confirmed() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("resumed");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let ours = settings(&server, "resumed");
        let mut reader = Reader::start(ours.clone()).streaming();
        sql.run("INSERT INTO t VALUES (1)");
        sql.run("INSERT INTO t VALUES (2)");
        reader.rows(2);
        let known = reader.known();
        sql.run("INSERT INTO t VALUES (3), (4)");
        let unconfirmed = reader.batch_of_rows();
        reader.stop().expect("stops in order");
        sql.run("INSERT INTO t VALUES (5)");
        sql.run("FLUSH BINARY LOGS");
        sql.run("INSERT INTO t VALUES (6)");
        let mut reader = Reader::start(MysqlSettings { known, ..ours }).streaming();
        let rows = reader.rows(4);
        let ids: Vec<_> = rows.iter().map(|row| row.new["id"].as_str()).collect();
        assert_eq!(
            ids,
            ["Int(3)", "Int(4)", "Int(5)", "Int(6)"],
            "what was not confirmed comes again, and nothing else"
        );
        assert_eq!(rows[0].mark, unconfirmed.marks[0], "under the same mark");
        reader.stop().expect("stops in order");
    }
}

#[test]
fn without_gtids_file_and_offset_do() {
    let mut server = Server::start(Kind::Mysql, &["--gtid-mode=OFF"]);
    let mut sql = server.sql_in("files");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let ours = settings(&server, "files");
    let mut reader = Reader::start(ours.clone()).streaming();
    let mut id = 0;
    let mut insert = |sql: &crate::server::Sql| {
        id += 1;
        sql.run(&format!("INSERT INTO t VALUES ({id})"));
        format!("Int({id})")
    };
    let mut ordinals = Vec::new();
    for round in 0..4 {
        let wanted = insert(&sql);
        let row = reader.rows(1).remove(0);
        assert_eq!(row.new["id"], wanted);
        ordinals.push(row.mark.commit);
        match round {
            0 => sql.run("FLUSH BINARY LOGS"),
            1 => sql.kill_dumps(),
            _ => {
                drop(sql);
                server.restart();
                sql = server.sql();
                sql.run("USE files");
            }
        }
    }
    assert!(ordinals.is_sorted(), "{ordinals:?}");
    let known = reader.stop_known();
    assert!(known.gtids.is_empty() && known.ordinal > *ordinals.last().expect("four"), "{known}");
    let wanted = insert(&sql);
    let mut reader = Reader::start(MysqlSettings { known: Some(known), ..ours }).streaming();
    assert_eq!(reader.rows(1)[0].new["id"], wanted);
    reader.stop().expect("stops in order");
}

#[test]
fn server_that_is_not_there_yet_is_waited_for() {
    let mut server = Server::start(Kind::Mariadb, &[]);
    server.sql_in("later").run("CREATE TABLE t (id int PRIMARY KEY)");
    let ours = settings(&server, "later");
    server.stop();
    let mut reader = Reader::start(ours);
    until("the state says why", || {
        reader.stats.state.get().is_some_and(|s| s.contains("nothing listens at 127.0.0.1"))
    });
    server.restart();
    reader.wait_state("streaming");
    server.sql().run("INSERT INTO later.t VALUES (1)");
    assert_eq!(reader.rows(1)[0].new["id"], "Int(1)");
}
