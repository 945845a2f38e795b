//! Every type, as it was inserted and as it comes out of the log.

use crate::reader::{Reader, settings};
use crate::server::{Kind, Server};

/// Type, literal, cell. Times count microseconds, days and microseconds from 2000-01-01.
const BOTH: &[(&str, &str, &str)] = &[
    ("tinyint", "-128", "Int(-128)"),
    ("tinyint unsigned", "255", "UInt(255)"),
    ("boolean", "true", "Int(1)"),
    ("smallint", "-32768", "Int(-32768)"),
    ("smallint unsigned", "65535", "UInt(65535)"),
    ("mediumint", "-8388608", "Int(-8388608)"),
    ("mediumint unsigned", "16777215", "UInt(16777215)"),
    ("int", "-2147483648", "Int(-2147483648)"),
    ("int unsigned", "4294967295", "UInt(4294967295)"),
    ("int zerofill", "42", "UInt(42)"),
    ("bigint", "-9223372036854775808", "Int(-9223372036854775808)"),
    ("bigint unsigned", "18446744073709551615", "UInt(18446744073709551615)"),
    (
        "decimal(38,10)",
        "-1234567890123456789012345678.0123456789",
        "Decimal(\"-1234567890123456789012345678.0123456789\")",
    ),
    ("decimal(5,2)", "0.05", "Decimal(\"0.05\")"),
    (
        "decimal(65,30)",
        "99999999999999999999999999999999999.999999999999999999999999999999",
        "Decimal(\"99999999999999999999999999999999999.999999999999999999999999999999\")",
    ),
    ("decimal(10,0) unsigned", "7", "Decimal(\"7\")"),
    ("float", "-1.5", "Float32(-1.5)"),
    ("double", "2.2250738585072014e-308", "Float64(2.2250738585072014e-308)"),
    ("bit(1)", "b'1'", "Bits(\"1\")"),
    ("bit(10)", "b'1000000001'", "Bits(\"1000000001\")"),
    ("bit(64)", "0xFFFFFFFFFFFFFFFE", "Bits(\"1111111111111111111111111111111111111111111111111111111111111110\")"),
    ("year", "2024", "Int(2024)"),
    ("year", "0", "Int(0)"),
    ("date", "'2000-01-02'", "Date(1)"),
    ("date", "'1000-01-01'", "Date(-365242)"),
    ("date", "'9999-12-31'", "Date(2921939)"),
    ("date", "'0000-00-00'", "Other(\"0000-00-00\")"),
    ("date", "'2024-00-10'", "Other(\"2024-00-10\")"),
    ("datetime", "'2000-01-01 00:00:01'", "Timestamp(1000000)"),
    ("datetime(6)", "'1999-12-31 23:59:59.999999'", "Timestamp(-1)"),
    ("datetime(3)", "'2000-01-01 00:00:00.123'", "Timestamp(123000)"),
    ("datetime", "'0000-00-00 00:00:00'", "Other(\"0000-00-00 00:00:00\")"),
    ("timestamp", "'2000-01-01 00:00:02'", "TimestampTz(2000000)"),
    ("timestamp(6)", "'2000-01-01 00:00:00.000001'", "TimestampTz(1)"),
    ("timestamp", "'0000-00-00 00:00:00'", "Other(\"0000-00-00 00:00:00\")"),
    ("time", "'01:02:03'", "Time(3723000000)"),
    ("time(6)", "'-838:59:58.999999'", "Time(-3020398999999)"),
    ("time", "'838:59:59'", "Time(3020399000000)"),
    ("time(2)", "'-00:00:00.25'", "Time(-250000)"),
    ("char(5)", "'ab'", "Text(\"ab\")"),
    ("varchar(20)", "'höß 日本 😀'", "Text(\"höß 日本 😀\")"),
    ("varchar(20)", "''", "Text(\"\")"),
    ("varchar(300)", "REPEAT('z', 5)", "Text(\"zzzzz\")"),
    ("varchar(20) CHARACTER SET latin1", "'h\u{e9}\u{20ac}'", "Text(\"h\u{e9}\u{20ac}\")"),
    ("varchar(20) CHARACTER SET utf16", "'x😀'", "Text(\"x😀\")"),
    ("char(3) CHARACTER SET ucs2", "'äb'", "Text(\"äb\")"),
    ("varchar(20) CHARACTER SET cp1251", "'Привет'", "Text(\"Привет\")"),
    ("varchar(20) CHARACTER SET sjis", "'日本'", "Text(\"日本\")"),
    ("varchar(20) CHARACTER SET binary", "0x00FF", "Bytes([0, 255])"),
    ("tinytext", "'t'", "Text(\"t\")"),
    ("text", "'text'", "Text(\"text\")"),
    ("mediumtext", "'m'", "Text(\"m\")"),
    ("longtext", "'l'", "Text(\"l\")"),
    ("binary(4)", "0x0100", "Bytes([1, 0, 0, 0])"),
    ("varbinary(10)", "0x00FF00", "Bytes([0, 255, 0])"),
    ("tinyblob", "0x01", "Bytes([1])"),
    ("blob", "''", "Bytes([])"),
    ("mediumblob", "0x02", "Bytes([2])"),
    ("longblob", "0x03", "Bytes([3])"),
    ("enum('one','two')", "'two'", "Enum(\"two\")"),
    ("enum('ä','ö') CHARACTER SET latin1", "'ö'", "Enum(\"ö\")"),
    ("set('a','b','c')", "'a,c'", "Text(\"a,c\")"),
    ("set('a','b','c')", "''", "Text(\"\")"),
    ("int", "NULL", "Null"),
    ("longtext", "NULL", "Null"),
    ("timestamp NULL", "NULL", "Null"),
    ("bit(3)", "NULL", "Null"),
];

const OF_MYSQL: &[(&str, &str, &str)] = &[
    ("json", "'null'", "Json(\"null\")"),
    ("json", "'[1, -2.5, \"ä\", true, null, {}]'", "Json(\"[1, -2.5, \\\"ä\\\", true, null, {}]\")"),
    ("json", "NULL", "Null"),
    (
        "point",
        "ST_GeomFromText('POINT(1 2)')",
        "Bytes([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 64])",
    ),
    ("vector(2)", "STRING_TO_VECTOR('[1,2.5]')", "[Float32(1.0), Float32(2.5)]"),
];

const OF_MARIADB: &[(&str, &str, &str)] = &[
    ("json", "'{\"a\": 1}'", "Text(\"{\\\"a\\\": 1}\")"),
    (
        "point",
        "ST_GeomFromText('POINT(1 2)')",
        "Bytes([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 64])",
    ),
    (
        "uuid",
        "'123e4567-e89b-12d3-a456-426655440000'",
        "Uuid([18, 62, 69, 103, 232, 155, 18, 211, 164, 86, 66, 102, 85, 68, 0, 0])",
    ),
    ("inet6", "'2001:db8::1'", "Text(\"2001:db8::1\")"),
    ("inet4", "'192.0.2.1'", "Text(\"192.0.2.1\")"),
    ("varchar(3000) COMPRESSED", "REPEAT('c', 5)", "Text(\"ccccc\")"),
    ("text COMPRESSED", "REPEAT('k', 500)", "kkkkk"),
];

#[test]
fn every_type_comes_out_as_it_was_inserted() {
    for (kind, own) in [(Kind::Mysql, OF_MYSQL), (Kind::Mariadb, OF_MARIADB)] {
        let server = Server::shared(kind);
        let sql = server.sql_in("types");
        sql.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'");
        let cases: Vec<_> = BOTH.iter().chain(own).collect();
        let columns: Vec<String> = cases.iter().enumerate().map(|(n, case)| format!("c{n} {}", case.0)).collect();
        sql.run(&format!("CREATE TABLE t (id int PRIMARY KEY, {})", columns.join(", ")));
        let mut reader = Reader::start(settings(&server, "types")).streaming();
        let literals: Vec<&str> = cases.iter().map(|case| case.1).collect();
        let images = ["FULL", "MINIMAL", "NOBLOB"];
        for (id, image) in images.iter().enumerate() {
            sql.run(&format!("SET SESSION binlog_row_image = '{image}'"));
            sql.run(&format!("INSERT INTO t VALUES ({id}, {})", literals.join(", ")));
        }
        let mut wrong = Vec::new();
        let rows = reader.rows(images.len());
        for (row, image) in rows.iter().zip(images) {
            for (n, (name, literal, wanted)) in cases.iter().enumerate() {
                let found = &row.new[&format!("c{n}")];
                let is_right = if *name == "text COMPRESSED" { found.contains(wanted) } else { found == wanted };
                if !is_right {
                    wrong.push(format!("{image} {name} {literal}: {found}, not {wanted}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{kind:?}: {wrong:#?}");
        let decimal = cases.iter().position(|case| case.0 == "decimal(38,10)").expect("it is there");
        assert!(rows[0].types[&format!("c{decimal}")].starts_with("decimal"), "{:?}", rows[0].types);
        reader.stop().expect("stops in order");
    }
}
