//! What a row's images hold: full, minimal and noblob images, JSON that changed in part, compressed events and transactions, altered and
//! emptied tables, what is left out.

use crate::reader::{Reader, Row, map, settings};
use crate::server::{BOTH, Kind, Server};
use sluicegate::change::Op;
use sluicegate::source::Take;
use std::sync::Arc;

/// Inserts, updates, moves to another key and deletes one row, under this row image.
fn life_of_a_row(server: &Server, image: &str) -> Vec<Row> {
    let database = format!("images_{}", image.to_lowercase());
    let sql = server.sql_in(&database);
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int DEFAULT 5, big longtext)");
    let mut reader = Reader::start(settings(server, &database)).streaming();
    sql.run(&format!("SET SESSION binlog_row_image = '{image}'"));
    sql.run("INSERT INTO t (id, v, big) VALUES (1, 'a', REPEAT('x', 3000))");
    sql.run("UPDATE t SET v = 'b'");
    sql.run("UPDATE t SET id = 2");
    sql.run("DELETE FROM t");
    let rows = reader.rows(4);
    reader.stop().expect("stops in order");
    assert!(rows.iter().all(|row| row.keys == ["id"] && row.table == format!("{database}.t")));
    assert_eq!(rows.iter().map(|row| row.op).collect::<Vec<_>>(), [Op::Insert, Op::Update, Op::Update, Op::Delete]);
    rows
}

#[test]
fn full_images_hold_everything() {
    for kind in BOTH {
        let rows = life_of_a_row(&Server::shared(kind), "FULL");
        let big = format!("Text({:?})", "x".repeat(3000));
        let image = |id: &str, v: &str| map(&[("id", id), ("v", v), ("n", "Int(5)"), ("big", &big)]);
        assert_eq!(rows[0].new, image("Int(1)", "Text(\"a\")"));
        assert!(rows[0].old.is_empty() && rows[3].new.is_empty());
        assert_eq!((&rows[1].old, &rows[1].new), (&image("Int(1)", "Text(\"a\")"), &image("Int(1)", "Text(\"b\")")));
        assert_eq!((&rows[2].old, &rows[2].new), (&image("Int(1)", "Text(\"b\")"), &image("Int(2)", "Text(\"b\")")));
        assert_eq!(rows[3].old, image("Int(2)", "Text(\"b\")"));
    }
}

#[test]
fn minimal_images_hold_the_key_and_what_changed() {
    for kind in BOTH {
        let rows = life_of_a_row(&Server::shared(kind), "MINIMAL");
        assert_eq!((rows[0].new["id"].as_str(), rows[0].new["v"].as_str()), ("Int(1)", "Text(\"a\")"));
        assert_eq!(rows[1].old, map(&[("id", "Int(1)"), ("v", "Absent"), ("n", "Absent"), ("big", "Absent")]));
        assert_eq!((rows[1].new["v"].as_str(), rows[1].new["big"].as_str()), ("Text(\"b\")", "Unchanged"));
        assert_eq!((rows[2].old["id"].as_str(), rows[2].new["id"].as_str()), ("Int(1)", "Int(2)"));
        assert_eq!(rows[3].old["id"], "Int(2)");
        assert_eq!(rows[3].old["big"], "Absent");
    }
}

#[test]
fn noblob_images_leave_out_large_values_that_did_not_change() {
    for kind in BOTH {
        let rows = life_of_a_row(&Server::shared(kind), "NOBLOB");
        assert_eq!(rows[0].new["big"].len(), 3000 + "Text(\"\")".len());
        assert_eq!((rows[1].new["v"].as_str(), rows[1].new["big"].as_str()), ("Text(\"b\")", "Unchanged"));
        assert_eq!((rows[1].old["v"].as_str(), rows[1].old["big"].as_str()), ("Text(\"a\")", "Absent"));
        assert_eq!(rows[3].old["n"], "Int(5)");
    }
}

#[test]
fn json_that_changed_in_part_is_put_together() {
    let server = Server::shared(Kind::Mysql);
    let sql = server.sql_in("parts");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, doc json)");
    let mut reader = Reader::start(settings(&server, "parts")).streaming();
    sql.run("SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_row_image = FULL");
    sql.run(r#"INSERT INTO t VALUES (1, '{"a": 1, "b": ["x", "y", "z"], "long": "................................................................"}')"#);
    sql.run("UPDATE t SET doc = JSON_SET(doc, '$.a', 2)");
    sql.run("UPDATE t SET doc = JSON_REMOVE(doc, '$.b[1]')");
    let rows = reader.rows(3);
    for (row, parts) in
        rows.iter().zip([&["1", "[\\\"x\\\", \\\"y\\\", \\\"z\\\"]"], &["2", "\\\"z\\\"]"], &["2", "\\\"z\\\"]"]])
    {
        let doc = row.new["doc"].replace(", ", ",").replace(": ", ":");
        let parts = parts.map(|p| p.replace(", ", ","));
        assert!(
            doc.starts_with("Json") && doc.contains(&format!("\\\"a\\\":{}", parts[0])) && doc.contains(&parts[1]),
            "{doc}"
        );
    }
    assert!(!rows[2].new["doc"].contains("\\\"y\\\""));
    reader.stop().expect("stops in order");
}

#[test]
fn altered_table_gets_a_new_schema_between_two_rows() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("altered");
        sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(10))");
        let mut reader = Reader::start(settings(&server, "altered")).streaming();
        sql.run("INSERT INTO t VALUES (1, 'a')");
        sql.run("ALTER TABLE t ADD COLUMN n decimal(5,2) DEFAULT 1.5 FIRST");
        sql.run("INSERT INTO t VALUES (2, 2, 'b')");
        sql.run("ALTER TABLE t DROP COLUMN v, CHANGE n m varchar(9)");
        sql.run("INSERT INTO t VALUES ('three', 3)");
        sql.run("FLUSH TABLES");
        sql.run("INSERT INTO t VALUES ('four', 4)");
        let rows = reader.rows(4);
        assert_eq!(rows[0].new, map(&[("id", "Int(1)"), ("v", "Text(\"a\")")]));
        assert_eq!(rows[1].new, map(&[("n", "Decimal(\"2.00\")"), ("id", "Int(2)"), ("v", "Text(\"b\")")]));
        assert_eq!(rows[2].new, map(&[("m", "Text(\"three\")"), ("id", "Int(3)")]));
        let ids: Vec<_> = rows.iter().map(|r| r.schema).collect();
        assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
        assert_eq!(ids[2], ids[3], "a flush changes no column");
        sql.run("TRUNCATE TABLE t");
        let rows = reader.rows(1);
        assert!(rows[0].op == Op::Truncate && rows[0].new.is_empty() && rows[0].old.is_empty());
        reader.stop().expect("stops in order");
    }
}

#[test]
fn columns_and_tables_that_are_left_out_never_enter_a_frame() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("left_out");
        sql.run("CREATE TABLE t (id int PRIMARY KEY, secret varchar(40), v varchar(40)); CREATE TABLE other (id int PRIMARY KEY, v varchar(40))");
        let mut ours = settings(&server, "left_out");
        ours.tables = Arc::new(|name| name == "left_out.t");
        ours.columns = Arc::new(|database, table, column| match (database, table, column) {
            ("left_out", "t", "secret") => Take::Never,
            _ => Take::Whole,
        });
        let mut reader = Reader::start(ours).streaming();
        if kind == Kind::Mysql {
            // The statement goes along, but not one that names what is left out.
            sql.run("SET SESSION binlog_rows_query_log_events = ON");
        }
        sql.run("INSERT INTO other VALUES (1, 'geheim'); INSERT INTO t VALUES (1, 'geheim', 'seen')");
        sql.run("UPDATE t SET secret = 'geheimer', v = 'more'; DELETE FROM t");
        let mut rows = Vec::new();
        while rows.len() < 3 {
            let batch = reader.batch();
            let hidden = b"geheim";
            assert!(!batch.frame.heap.windows(hidden.len()).any(|bytes| bytes == hidden), "not in the frame");
            assert!(
                batch.events.iter().all(|e| e.query.as_deref().is_none_or(|q| !q.contains("geheim"))),
                "nor in a statement"
            );
            rows.extend((0..batch.len()).map(|index| crate::reader::row(&batch, index)));
        }
        assert_eq!(rows[0].new, map(&[("id", "Int(1)"), ("v", "Text(\"seen\")")]));
        assert_eq!((&rows[1].old, &rows[1].new["v"]), (&rows[0].new, &"Text(\"more\")".to_owned()));
        reader.stop().expect("stops in order");
    }
}

#[test]
fn statement_goes_along_where_the_server_logs_it_and_nothing_is_left_out() {
    let server = Server::shared(Kind::Mysql);
    let sql = server.sql_in("statement");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = Reader::start(settings(&server, "statement")).streaming();
    sql.run("SET SESSION binlog_rows_query_log_events = ON");
    sql.run("INSERT INTO t VALUES (1), (2)");
    let batch = reader.batch_of_rows();
    assert_eq!(batch.events[0].query.as_deref(), Some("INSERT INTO t VALUES (1), (2)"));
    reader.stop().expect("stops in order");
}

const FILL: &str = "WITH RECURSIVE d (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 900) \
                    SELECT n, CONCAT('value ', n, REPEAT('.', 200)) FROM d";

fn compressed(server: &Server, before: &str) {
    let sql = server.sql_in("packed");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(300))");
    let mut reader = Reader::start(settings(server, "packed")).streaming();
    sql.run(before);
    sql.run(&format!("INSERT INTO t {FILL}"));
    sql.run("UPDATE t SET v = REPEAT('u', 250) WHERE id <= 10");
    sql.run("DELETE FROM t WHERE id <= 5");
    let rows = reader.rows(915);
    for (index, row) in rows.iter().take(900).enumerate() {
        let id = index + 1;
        let wanted = format!("Text(\"value {id}{}\")", ".".repeat(200));
        assert_eq!((row.op, &row.new["id"], &row.new["v"]), (Op::Insert, &format!("Int({id})"), &wanted));
    }
    assert!(
        rows[900..910]
            .iter()
            .all(|row| row.op == Op::Update && row.new["v"].contains("uuu") && row.old["v"].contains("value"))
    );
    assert!(rows[910..].iter().all(|row| row.op == Op::Delete && row.old["v"].contains("uuu")));
    reader.stop().expect("stops in order");
}

#[test]
fn compressed_events_of_mariadb_are_read() {
    let server = Server::start(Kind::Mariadb, &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]);
    compressed(&server, "DO 1");
}

#[test]
fn compressed_transactions_of_mysql_are_read() {
    let server = Server::shared(Kind::Mysql);
    compressed(&server, "SET SESSION binlog_transaction_compression = ON");
    let events = server.sql().one(
        "SELECT COUNT(*) FROM performance_schema.binary_log_transaction_compression_stats WHERE COMPRESSION_TYPE = 'ZSTD'",
    );
    assert_ne!(events, "0", "the server has compressed them");
}

#[test]
fn without_metadata_names_come_from_the_catalog() {
    for kind in BOTH {
        let least = if kind == Kind::Mysql { "MINIMAL" } else { "NO_LOG" };
        let server = Server::start(kind, &[&format!("--binlog-row-metadata={least}")]);
        let sql = server.sql_in("names");
        sql.run("CREATE TABLE t (a bigint unsigned PRIMARY KEY, b enum('x','y'), c varchar(9) CHARACTER SET latin1, d set('p','q'))");
        let mut reader = Reader::start(settings(&server, "names")).streaming();
        sql.run("INSERT INTO t VALUES (18446744073709551615, 'y', 'é', 'p,q')");
        let row = reader.rows(1).remove(0);
        let wanted =
            [("a", "UInt(18446744073709551615)"), ("b", "Enum(\"y\")"), ("c", "Text(\"é\")"), ("d", "Text(\"p,q\")")];
        assert_eq!((row.new, row.keys), (map(&wanted), vec!["a".to_owned()]));
        reader.stop().expect("stops in order");
    }
}

#[test]
fn transactions_with_tags_are_resumed() {
    let server = Server::shared(Kind::Mysql);
    let sql = server.sql_in("tags");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let ours = settings(&server, "tags");
    let mut reader = Reader::start(ours.clone()).streaming();
    sql.run("SET gtid_next = 'AUTOMATIC:blue'; INSERT INTO t VALUES (1)");
    reader.rows(1);
    let known = reader.stop_known();
    assert!(known.gtids.contains(":blue:"), "{known}");
    sql.run("INSERT INTO t VALUES (2); SET gtid_next = 'AUTOMATIC'; INSERT INTO t VALUES (3)");
    let mut reader = Reader::start(sluicegate::source::mysql::MysqlSettings { known: Some(known), ..ours }).streaming();
    let rows = reader.rows(2);
    assert_eq!((rows[0].new["id"].as_str(), rows[1].new["id"].as_str()), ("Int(2)", "Int(3)"));
    reader.stop().expect("stops in order");
}
