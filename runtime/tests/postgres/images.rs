//! What a row's images hold: replica identities, changed keys, untouched large values, emptied tables, altered tables.

use crate::reader::{Reader, map, settings};
use crate::support::Server;
use sluicegate::change::Op;
use sluicegate::source::Take;
use std::sync::Arc;

#[test]
fn images_hold_what_the_log_holds() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(
        "CREATE TABLE by_key (id int PRIMARY KEY, v text, big text);
         ALTER TABLE by_key ALTER big SET STORAGE EXTERNAL;
         CREATE TABLE by_all (id int PRIMARY KEY, v text, big text);
         ALTER TABLE by_all ALTER big SET STORAGE EXTERNAL;
         ALTER TABLE by_all REPLICA IDENTITY FULL;
         CREATE TABLE by_index (a int, b int NOT NULL, v text);
         CREATE UNIQUE INDEX by_b ON by_index (b);
         ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_b;
         CREATE TABLE whole (v text, w int);
         ALTER TABLE whole REPLICA IDENTITY FULL;
         CREATE TABLE keyless (v text);",
    );
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();

    // An untouched large value is not in the log; with the whole old row it is, and both images have it.
    sql.run("INSERT INTO by_key VALUES (1, 'a', repeat('x', 10000)); UPDATE by_key SET v = 'b'; UPDATE by_key SET id = 2; DELETE FROM by_key");
    let rows = reader.rows(4);
    assert_eq!(rows[0].keys, ["id"]);
    assert_eq!(rows[1].new, map(&[("id", "Int(1)"), ("v", "Text(\"b\")"), ("big", "Unchanged")]));
    assert!(rows[1].old.is_empty());
    assert_eq!(rows[2].old, map(&[("id", "Int(1)"), ("v", "Absent"), ("big", "Absent")]));
    assert!(rows[2].old_is_key);
    assert_eq!(rows[2].new["id"], "Int(2)");
    assert_eq!((rows[3].op, &rows[3].old["id"], rows[3].new.len()), (Op::Delete, &"Int(2)".to_owned(), 0));

    sql.run("INSERT INTO by_all VALUES (1, NULL, repeat('y', 10000)); UPDATE by_all SET v = 'b'; DELETE FROM by_all");
    let rows = reader.rows(3);
    assert_eq!(rows[0].keys, ["id"], "the primary key, though every column is part of the identity");
    assert_eq!(rows[1].new["big"], rows[1].old["big"]);
    assert_eq!(rows[1].new["big"].len(), 10000 + "Text(\"\")".len());
    assert_eq!((rows[1].old["v"].as_str(), rows[1].old_is_key), ("Null", false));
    assert_eq!((rows[2].op, rows[2].old["v"].as_str()), (Op::Delete, "Text(\"b\")"));

    sql.run("INSERT INTO by_index VALUES (1, 10, 'a'); UPDATE by_index SET b = 11; DELETE FROM by_index");
    let rows = reader.rows(3);
    assert_eq!(rows[0].keys, ["b"]);
    assert_eq!(rows[1].old, map(&[("a", "Absent"), ("b", "Int(10)"), ("v", "Absent")]));

    sql.run("INSERT INTO whole VALUES ('a', 1); UPDATE whole SET w = 2");
    let rows = reader.rows(2);
    assert!(rows[0].keys.is_empty());
    assert_eq!(rows[1].old, map(&[("v", "Text(\"a\")"), ("w", "Int(1)")]));

    // A table without key is read as far as it can be, and whoever writes to it is not refused anything.
    sql.run("INSERT INTO keyless VALUES ('a'); UPDATE keyless SET v = 'b'; DELETE FROM keyless; INSERT INTO keyless VALUES ('c')");
    let rows = reader.rows(2);
    assert_eq!(
        rows.iter().map(|r| (r.op, r.new["v"].as_str())).collect::<Vec<_>>(),
        [(Op::Insert, "Text(\"a\")"), (Op::Insert, "Text(\"c\")")]
    );

    sql.run("TRUNCATE by_key, by_all");
    let rows = reader.rows(2);
    assert!(rows.iter().all(|r| r.op == Op::Truncate && r.new.is_empty() && r.old.is_empty()));
    assert_eq!((rows[0].mark.change, rows[0].mark.sub, rows[1].mark.sub), (rows[1].mark.change, 0, 1));
    reader.stop().expect("stops in order");
}

#[test]
fn altered_table_gets_a_new_schema_in_mid_stream() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    sql.run("INSERT INTO t VALUES (1, 'a')");
    sql.run("ALTER TABLE t ADD COLUMN n numeric(5,2) DEFAULT 1.5");
    sql.run("INSERT INTO t VALUES (2, 'b', 2)");
    sql.run("ALTER TABLE t DROP COLUMN v; ALTER TABLE t RENAME n TO m");
    sql.run(
        "BEGIN; INSERT INTO t VALUES (3, 3); ALTER TABLE t ALTER m TYPE text; INSERT INTO t VALUES (4, 'four'); COMMIT",
    );
    sql.run("ANALYZE t; INSERT INTO t VALUES (5, 'five')");
    let rows = reader.rows(5);
    assert_eq!(rows[0].new, map(&[("id", "Int(1)"), ("v", "Text(\"a\")")]));
    assert_eq!(rows[1].new, map(&[("id", "Int(2)"), ("v", "Text(\"b\")"), ("n", "Decimal(\"2.00\")")]));
    assert_eq!(rows[2].new, map(&[("id", "Int(3)"), ("m", "Decimal(\"3.00\")")]));
    assert_eq!(rows[3].new, map(&[("id", "Int(4)"), ("m", "Text(\"four\")")]));
    let ids: Vec<_> = rows.iter().map(|r| r.schema).collect();
    assert!(ids[0] < ids[1] && ids[1] < ids[2] && ids[2] < ids[3], "{ids:?}");
    assert_eq!(ids[3], ids[4], "an ANALYZE changes no column");
}

/// A publication of all tables has a partitioned one by its partitions, and takes no table by name.
#[test]
fn publication_of_all_tables_is_taken_as_it_is_with_partitions_in_it() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(
        "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE ROLE capture REPLICATION LOGIN; CREATE PUBLICATION erp FOR ALL TABLES;",
    );
    let mut settings = settings(&format!("postgres://capture@127.0.0.1:{}/postgres", server.port));
    settings.tables = Arc::new(|_| true);
    let mut reader = Reader::start(settings).streaming();
    sql.run("INSERT INTO parts VALUES (1)");
    assert_eq!(reader.rows(1)[0].table, "public.parts_1", "this user may not have it shown by its root");
    reader.stop().expect("stops in order");
}

#[test]
fn columns_and_tables_that_are_left_out_never_enter_a_frame() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(
        "CREATE TABLE t (id int PRIMARY KEY, secret text, v text); CREATE TABLE other (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL;
         CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);",
    );
    let mut settings = settings(&server.url("postgres"));
    settings.tables = Arc::new(|name| name == "public.t" || name.starts_with("public.parts"));
    settings.columns = Arc::new(|_, table, column| match (table, column) {
        ("t", "secret") => Take::Never,
        _ => Take::Whole,
    });
    let mut reader = Reader::start(settings).streaming();
    assert_eq!(
        sql.one(
            "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'erp'"
        ),
        "parts t",
        "a root stands for its partitions"
    );
    sql.run("INSERT INTO other VALUES (1); INSERT INTO t VALUES (1, 'hidden', 'seen'); UPDATE t SET secret = 'deep'; INSERT INTO parts VALUES (11, 'p')");
    let rows = reader.rows(3);
    assert_eq!(rows[0].new, map(&[("id", "Int(1)"), ("v", "Text(\"seen\")")]));
    assert_eq!(rows[1].old, rows[0].new);
    assert_eq!((rows[2].table.as_str(), rows[2].new["v"].as_str()), ("public.parts", "Text(\"p\")"));
}
