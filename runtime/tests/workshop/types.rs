//! Every type of the databases, with a value: the getters that `new` writes, its first case, and the rows that come from the log.

use crate::guide::{Stranger, free_port};
use crate::postgres::Server;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use xtask::servers::{Mariadb, MysqlOptions};

/// A column's name, its type, and a value of it that is not null.
type Sample = (&'static str, &'static str, &'static str);

const POSTGRES_TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN whole AS integer CHECK (VALUE > 0); \
    CREATE DOMAIN deep AS whole; CREATE DOMAIN price AS numeric(6,2); CREATE TYPE pair AS (a int, b text)";

const POSTGRES: &[Sample] = &[
    ("yes", "boolean", "true"),
    ("i2", "smallint NOT NULL", "-2"),
    ("i4", "integer", "4"),
    ("i8", "bigint", "9007199254740993"),
    ("o", "oid", "7"),
    ("f4", "real", "1.5"),
    ("f8", "double precision", "'-0'"),
    ("n2", "numeric(10,2)", "12.50"),
    ("n", "numeric", "1e20"),
    ("m", "money", "12.5"),
    ("t", "text NOT NULL", "'x'"),
    ("vc", "varchar(9)", "'x'"),
    ("c", "char(3)", "'x'"),
    ("c1", "\"char\"", "'x'"),
    ("nm", "name", "'x'"),
    ("data", "bytea", "decode(repeat('00ff', 90), 'hex')"),
    ("d", "date", "'2026-01-31'"),
    ("inf", "date", "'infinity'"),
    ("tm", "time", "'08:05:30'"),
    ("tm3", "time(3)", "'08:05:30.5'"),
    ("tmz", "timetz", "'08:05:30+02'"),
    ("tmz3", "time(3) with time zone", "'08:05:30+02'"),
    ("ts", "timestamp", "'2026-01-31 08:05:30'"),
    ("ts3", "timestamp(3)", "'2026-01-31 08:05:30'"),
    ("tz", "timestamptz", "'2026-01-31 08:05:30+02'"),
    ("tz3", "timestamptz(3)", "'2026-01-31 08:05:30+02'"),
    ("iv", "interval", "'1 day'"),
    ("ivs", "interval day to second(3)", "'1 day'"),
    ("u", "uuid", "'12345678-1234-1234-1234-123456789012'"),
    ("j", "json", "'{\"a\": 1}'"),
    ("jb", "jsonb", "'{\"a\": 1}'"),
    ("bt", "bit(3)", "B'101'"),
    ("vb", "bit varying(5)", "B'101'"),
    ("ip", "inet", "'10.0.0.1'"),
    ("net", "cidr", "'10.0.0.0/8'"),
    ("mac", "macaddr", "'08:00:2b:01:02:03'"),
    ("pt", "point", "'(1,2)'"),
    ("r", "int4range", "'[1,5)'"),
    ("words", "tsvector", "'a b'"),
    ("e", "mood", "'happy'"),
    ("dm", "whole", "5"),
    ("dd", "deep", "6"),
    ("dp", "price NOT NULL", "12.5"),
    ("duo", "pair", "ROW(1, 'x')"),
    ("ai", "integer[]", "'{1,2}'"),
    ("at", "text[]", "'{x,\"y z\"}'"),
    ("am", "integer[]", "'{{1,2},{3,4}}'"),
    ("an", "integer[]", "'{1,NULL}'"),
    ("ad", "whole[]", "'{1,2}'"),
    ("ae", "mood[]", "'{happy}'"),
    ("ab", "bytea[]", "'{\"\\\\x01\"}'"),
    ("aiv", "interval[]", "'{1 day}'"),
    ("atz", "timestamptz[]", "'{2026-01-31 10:00:00+00}'"),
    ("ade", "numeric[]", "'{12.50}'"),
    ("\"Größe\"", "integer", "3"),
];

const MARIADB: &[Sample] = &[
    ("ti", "tinyint", "-1"),
    ("tiu", "tinyint unsigned NOT NULL", "1"),
    ("b1", "tinyint(1)", "1"),
    ("si", "smallint", "2"),
    ("mi", "mediumint unsigned", "3"),
    ("i", "int", "4"),
    ("iz", "int zerofill", "4"),
    ("bi", "bigint", "9007199254740993"),
    ("biu", "bigint unsigned", "18446744073709551615"),
    ("f", "float", "1.5"),
    ("fu", "float unsigned", "1.5"),
    ("d", "double", "1.5"),
    ("du", "double unsigned", "1.5"),
    ("de", "decimal(10,2)", "12.50"),
    ("deu", "decimal(10,2) unsigned", "12.50"),
    ("y", "year", "2026"),
    ("bt", "bit(3)", "b'001'"),
    ("c", "char(3)", "'x'"),
    ("vc", "varchar(9) NOT NULL", "'x'"),
    ("tt", "tinytext", "'x'"),
    ("tx", "text", "'x'"),
    ("mt", "mediumtext", "'x'"),
    ("lt", "longtext", "'x'"),
    ("bn", "binary(3)", "'x'"),
    ("vb", "varbinary(9)", "'x'"),
    ("tb", "tinyblob", "'x'"),
    ("bl", "blob", "'x'"),
    ("mb", "mediumblob", "'x'"),
    ("lb", "longblob", "REPEAT('x', 200)"),
    ("dt", "date", "'2026-01-31'"),
    ("t", "time", "'08:05:30'"),
    ("t3", "time(3)", "'08:05:30.5'"),
    ("dtm", "datetime", "'2026-01-31 08:05:30'"),
    ("dtm6", "datetime(6)", "'2026-01-31 08:05:30.5'"),
    ("ts", "timestamp NULL", "'2026-01-31 08:05:30'"),
    ("e", "enum('unsigned','b')", "'unsigned'"),
    ("s", "set('a','b')", "'a,b'"),
    ("j", "json", "'{\"a\": 1}'"),
    ("u", "uuid", "'12345678-1234-1234-1234-123456789012'"),
    ("i4", "inet4", "'10.0.0.1'"),
    ("i6", "inet6", "'::1'"),
    ("p", "point", "ST_GeomFromText('POINT(1 2)')"),
    ("g", "geometry", "ST_GeomFromText('LINESTRING(1 2,3 4)')"),
];

fn table(name: &str, columns: &[Sample]) -> String {
    let declared: Vec<String> = columns.iter().map(|(name, of, _)| format!("{name} {of}")).collect();
    format!("CREATE TABLE {name} (id bigint PRIMARY KEY, {})", declared.join(", "))
}

fn row(table: &str, id: usize, columns: &[Sample]) -> String {
    let values: Vec<&str> = columns.iter().map(|(_, _, value)| *value).collect();
    format!("INSERT INTO {table} VALUES ({id}, {})", values.join(", "))
}

/// Has a guest made that reads every column with the getter that was written for it, plays its case, and gives it rows of the log.
fn every_getter_reads(stranger: &Stranger, name: &str, table: &str, insert: &mut dyn FnMut(usize)) {
    insert(1);
    let said = stranger.done(&["new", name, "--source", &stranger.database_url, "--table", table]);
    println!("{said}");
    stranger.edit(&format!("guests/{name}/src/lib.rs"), |text| {
        let functions = text.lines().filter_map(|line| line.trim().strip_prefix("pub fn ")?.split(['<', '(']).next());
        let calls: Vec<String> =
            functions.filter(|function| *function != name).map(|f| format!("let _ = columns::{f}(row)?;")).collect();
        assert!(calls.len() > 40, "{text}");
        text.replace("let _ = (row, cx);", &format!("let _ = cx;\n{}", calls.join("\n")))
    });
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let mut build = stranger.command(env!("CARGO_BIN_EXE_sluicegate"), &["build"]);
    let built = build.env("CARGO_TARGET_DIR", target.canonicalize().unwrap_or(target)).env("RUSTFLAGS", "-D warnings");
    let built = built.output().expect("the program starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    stranger.done(&["test"]);

    let (listening, admin) = (free_port(), free_port());
    stranger.edit(&format!("pipelines/{name}/pipeline.toml"), |text| text.replace(":8099/", &format!(":{listening}/")));
    stranger.edit("pipelines/sluicegate.toml", |text| text.replace("127.0.0.1:8900", &format!("127.0.0.1:{admin}")));
    let (_listening, delivered) = stranger.terminal(&["listen", &listening.to_string()]);
    delivered.recv_timeout(Duration::from_secs(60)).expect("it says where it listens");
    let (_running, _) = stranger.terminal(&["run"]);
    for id in 2..60 {
        insert(id);
        if let Ok(line) = delivered.recv_timeout(Duration::from_secs(2)) {
            assert!(line.contains("\"id\":"), "{line}");
            return;
        }
    }
    panic!("no row was delivered: {}", stranger.sluicegate(&["dead", "list"]).1);
}

#[test]
fn getters_of_every_type_of_postgresql_read_what_the_log_holds() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    POSTGRES_TYPES.split(';').for_each(|statement| sql.run(statement));
    sql.run(&table("every", POSTGRES));
    let stranger = Stranger { folder: TempDir::new().expect("a folder"), database_url: server.url("postgres") };
    every_getter_reads(&stranger, "pgtypes", "public.every", &mut |id| sql.run(&row("every", id, POSTGRES)));
}

#[test]
fn getters_of_every_type_of_mariadb_read_what_the_log_holds() {
    use mysql_async::prelude::Queryable;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut server = runtime.block_on(Mariadb::start(MysqlOptions::default())).expect("a MariaDB");
    let mut link = runtime.block_on(server.connect()).expect("it answers");
    let mut run = |sql: String| runtime.block_on(link.query_drop(sql)).expect("SQL");
    run("CREATE DATABASE shop".into());
    run(table("shop.every", MARIADB));
    let stranger = Stranger { folder: TempDir::new().expect("a folder"), database_url: server.url() };
    every_getter_reads(&stranger, "mytypes", "shop.every", &mut |id| run(row("shop.every", id, MARIADB)));
    drop(link);
    runtime.block_on(server.stop());
}
