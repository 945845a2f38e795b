//! Every type of a stock server arrives with its tag and its exact value; none is lost, none becomes null.

use crate::reader::{Reader, settings};
use crate::support::Server;

const SETUP: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s, odd');
CREATE TYPE addr AS (street text, num int, tags text[]);
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN posint2 AS posint;
CREATE DOMAIN price AS numeric(8,3);
CREATE DOMAIN dmood AS mood;
CREATE DOMAIN dints AS int[];
"#;

/// Type, literal, and the cell that it must become. Dates and times count from 2000-01-01.
const CASES: &[(&str, &str, &str)] = &[
    ("boolean", "true", "Bool(true)"),
    ("smallint", "-32768", "Int(-32768)"),
    ("int", "2147483647", "Int(2147483647)"),
    ("bigint", "'-9223372036854775808'", "Int(-9223372036854775808)"),
    ("oid", "4294967295", "UInt(4294967295)"),
    ("real", "3.4028235e38", "Float32(3.4028235e38)"),
    ("real", "'1e-45'", "Float32(1e-45)"),
    ("double precision", "'-0'", "Float64(-0.0)"),
    ("double precision", "'NaN'", "Float64(NaN)"),
    ("double precision", "5e-324", "Float64(5e-324)"),
    ("double precision", "0.1", "Float64(0.1)"),
    ("numeric", "12.340", "Decimal(\"12.340\")"),
    ("numeric", "'-0.000000000000000000000000000001'", "Decimal(\"-0.000000000000000000000000000001\")"),
    ("numeric", "'Infinity'", "Decimal(\"Infinity\")"),
    ("numeric", "'NaN'", "Decimal(\"NaN\")"),
    ("numeric", "1e40", "Decimal(\"10000000000000000000000000000000000000000\")"),
    ("numeric(38,10)", "1234567890.0123456789", "Decimal(\"1234567890.0123456789\")"),
    ("money", "'12.34'", "Other(\"$12.34\")"),
    ("text", "E'quote \" back \\\\ tab \\t é 東🚢'", "Text(\"quote \\\" back \\\\ tab \\t é 東🚢\")"),
    ("varchar(7)", "'short'", "Text(\"short\")"),
    ("char(5)", "'ab'", "Text(\"ab   \")"),
    ("name", "'aname'", "Text(\"aname\")"),
    ("\"char\"", "'q'", "Text(\"q\")"),
    ("bytea", "'\\x00ff10'", "Bytes([0, 255, 16])"),
    ("bytea", "''", "Bytes([])"),
    ("date", "'2026-03-01'", "Date(9556)"),
    ("date", "'0044-03-15 BC'", "Date(-746117)"),
    ("date", "'5874897-12-31'", "Date(2145031948)"),
    ("date", "'infinity'", "Date(9223372036854775807)"),
    ("time", "'24:00:00'", "Time(86400000000)"),
    ("time(3)", "'13:14:15.678'", "Time(47655678000)"),
    ("timetz", "'13:14:15.678901+05:30'", "TimeTz { micros: 47655678901, offset_seconds: 19800 }"),
    ("timestamp", "'2026-03-01 13:14:15.678901'", "Timestamp(825686055678901)"),
    ("timestamp", "'294276-12-31 23:59:59.999999'", "Timestamp(9223371331199999999)"),
    ("timestamp", "'-infinity'", "Timestamp(-9223372036854775808)"),
    ("timestamptz", "'2026-03-01 13:14:15.678901+02'", "TimestampTz(825678855678901)"),
    ("timestamptz", "'4714-11-24 00:00:00+00 BC'", "TimestampTz(-211813488000000000)"),
    ("interval", "'1 year 2 mons -3 days 04:05:06.789'", "Interval { months: 14, days: -3, micros: 14706789000 }"),
    ("interval", "'-178000000 years'", "Interval { months: -2136000000, days: 0, micros: 0 }"),
    ("interval", "'-00:00:00.000001'", "Interval { months: 0, days: 0, micros: -1 }"),
    (
        "uuid",
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
        "Uuid([160, 238, 188, 153, 156, 11, 78, 248, 187, 109, 107, 185, 189, 56, 10, 17])",
    ),
    ("json", "'{\"b\": 1,  \"a\":[1,2.50, null]}'", "Json(\"{\\\"b\\\": 1,  \\\"a\\\":[1,2.50, null]}\")"),
    ("jsonb", "'{\"b\": 1,  \"a\":2.50}'", "Json(\"{\\\"a\\\": 2.50, \\\"b\\\": 1}\")"),
    ("bit(3)", "B'101'", "Bits(\"101\")"),
    ("varbit", "B''", "Bits(\"\")"),
    ("mood", "'it''s, odd'", "Enum(\"it's, odd\")"),
    ("dmood", "'sad'", "Enum(\"sad\")"),
    ("posint2", "8", "Int(8)"),
    ("price", "12345.678", "Decimal(\"12345.678\")"),
    ("dints", "'{1,2}'", "[2@1] [Int(1), Int(2)]"),
    ("addr", "ROW('Main \"St\"', 5, '{a,b}')", "Other(\"(\\\"Main \\\"\\\"St\\\"\\\"\\\",5,\\\"{a,b}\\\")\")"),
    ("int4range", "'[1,10]'", "Other(\"[1,11)\")"),
    ("int4multirange", "'{[1,3),[5,8)}'", "Other(\"{[1,3),[5,8)}\")"),
    ("inet", "'192.168.1.5/24'", "Other(\"192.168.1.5/24\")"),
    ("macaddr", "'08:00:2b:01:02:03'", "Other(\"08:00:2b:01:02:03\")"),
    ("point", "'(1.5,NaN)'", "Other(\"(1.5,NaN)\")"),
    ("xml", "'<a b=\"1\">t</a>'", "Other(\"<a b=\\\"1\\\">t</a>\")"),
    ("tsvector", "'a:1 b'", "Other(\"'a':1 'b'\")"),
    ("pg_lsn", "'16/B374D848'", "Other(\"16/B374D848\")"),
    ("int2vector", "'1 2 3'", "Other(\"1 2 3\")"),
    ("regclass", "'pg_class'", "Other(\"pg_class\")"),
    ("int[]", "'{1,NULL,3}'", "[3@1] [Int(1), Null, Int(3)]"),
    ("int[]", "'{}'", "[] []"),
    ("int[]", "'{{1,2},{3,4}}'", "[2@1x2@1] [Int(1), Int(2), Int(3), Int(4)]"),
    ("int[]", "'[0:2]={7,8,9}'", "[3@0] [Int(7), Int(8), Int(9)]"),
    ("boolean[]", "'{t,f}'", "[2@1] [Bool(true), Bool(false)]"),
    (
        "text[]",
        "'{a,\"b c\",\"d,e\",\"f\\\"g\",\"h\\\\i\",\"\",NULL,\"NULL\"}'",
        "[8@1] [Text(\"a\"), Text(\"b c\"), Text(\"d,e\"), Text(\"f\\\"g\"), Text(\"h\\\\i\"), Text(\"\"), Null, Text(\"NULL\")]",
    ),
    ("bytea[]", "'{\"\\\\x00ff\",\"\\\\x\"}'", "[2@1] [Bytes([0, 255]), Bytes([])]"),
    ("numeric[]", "'{NaN,0.10}'", "[2@1] [Decimal(\"NaN\"), Decimal(\"0.10\")]"),
    (
        "timestamp[]",
        "'{infinity,\"2000-01-01 00:00:01\"}'",
        "[2@1] [Timestamp(9223372036854775807), Timestamp(1000000)]",
    ),
    ("timetz[]", "'{00:00:01-02}'", "[1@1] [TimeTz { micros: 1000000, offset_seconds: -7200 }]"),
    ("jsonb[]", "ARRAY['{\"a\": 1}'::jsonb]", "[1@1] [Json(\"{\\\"a\\\": 1}\")]"),
    ("mood[]", "'{NULL,sad}'", "[2@1] [Null, Enum(\"sad\")]"),
    ("posint[]", "'{1,2}'", "[2@1] [Int(1), Int(2)]"),
    ("box[]", "'{(1,1),(0,0);(2,2),(1,1)}'", "[2@1] [Other(\"(1,1),(0,0)\"), Other(\"(2,2),(1,1)\")]"),
    ("addr[]", "ARRAY[ROW('s',1,'{x}')::addr]", "[1@1] [Other(\"(s,1,{x})\")]"),
    ("varbit[]", "'{101,1}'", "[2@1] [Bits(\"101\"), Bits(\"1\")]"),
    ("interval[]", "'{1 day}'", "[1@1] [Interval { months: 0, days: 1, micros: 0 }]"),
    ("int", "NULL", "Null"),
];

#[test]
fn every_type_arrives_with_its_tag_and_its_exact_value() {
    let server =
        Server::start(&["timezone=America/New_York", "lc_monetary=C", "datestyle=SQL,DMY", "bytea_output=escape"]);
    let sql = server.sql("postgres");
    sql.run(SETUP);
    let columns: Vec<_> = CASES.iter().enumerate().map(|(n, (kind, _, _))| format!("c{n} {kind}")).collect();
    sql.run(&format!("CREATE TABLE t (id int PRIMARY KEY, {})", columns.join(", ")));
    // The literals are read as UTC, whatever the server's own zone.
    sql.run("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'");
    let mut reader = Reader::start(settings(&server.url("postgres"))).streaming();
    let values: Vec<_> = CASES.iter().map(|(_, literal, _)| *literal).collect();
    sql.run(&format!("INSERT INTO t VALUES (1, {})", values.join(", ")));
    let row = reader.rows(1).remove(0);
    let mut wrong = Vec::new();
    for (n, (kind, literal, wanted)) in CASES.iter().enumerate() {
        let found = &row.new[&format!("c{n}")];
        if found != wanted && !(*kind == "money" && found.contains("12.34")) {
            wrong.push(format!("{kind} {literal}: {found}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let numeric = CASES.iter().position(|c| c.0 == "numeric(38,10)").expect("it is there");
    assert_eq!(row.types[&format!("c{numeric}")], "numeric(38,10)");
    let mood = CASES.iter().position(|c| c.0 == "mood").expect("it is there");
    assert_eq!(row.types[&format!("c{mood}")], "public.mood");
    reader.stop().expect("stops in order");
}

#[test]
fn text_of_a_database_without_encoding_becomes_bytes() {
    let server = Server::start(&[]);
    server.sql("postgres").run("CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0");
    let sql = server.sql("raw");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let mut reader = Reader::start(settings(&server.url("raw"))).streaming();
    sql.run(r"INSERT INTO t VALUES (1, E'a\xff'), (2, 'plain')");
    let rows = reader.rows(2);
    assert_eq!(rows[0].new["v"], "Bytes([97, 255])");
    assert_eq!(rows[1].new["v"], "Text(\"plain\")");
}
