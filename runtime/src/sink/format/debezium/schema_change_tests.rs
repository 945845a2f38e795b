//! Statements in, records out; what is expected was recorded from Debezium, but for its clock.

use super::*;
use crate::change::{BinlogEvent, ColumnDetail, Database, Gtid, NoticeKind, RowMark, Schema, Tag};
use crate::sink::format::debezium::Encoding;
use serde_json::{Value, json};
use std::sync::Arc;

const RECORDED_UNIX_US: i64 = 1_795_243_561_000_000;

fn event() -> BinlogEvent {
    BinlogEvent {
        first_row: 0,
        skipped_rows: 0,
        file: "mysql-bin.000001".into(),
        offset: 6708,
        server_id: 223_344,
        thread: 9,
        gtid: Gtid::Mariadb { domain: 0, server: 223_344, sequence: 28 },
        query: Some("never shown".into()),
    }
}

fn notice(kind: DatabaseKind) -> Notice {
    let database = Arc::new(Database { kind, ..Database::default() });
    Notice {
        before_row: 0,
        mark: RowMark { commit: 1, change: 0, sub: 1, transaction: 0 },
        committed_at: RECORDED_UNIX_US + 17 - sluicegate_frame::UNIX_EPOCH_TO_2000_US,
        schema: Arc::new(Schema { source: "erp".into(), database, ..Schema::default() }),
        kind: NoticeKind::SchemaChange(Arc::new(commented())),
    }
}

const NOW_NS: i64 = RECORDED_UNIX_US * 1000 + 904_000_000;

fn written(encoding: Encoding, change: &SchemaChange, database: DatabaseKind) -> Record {
    let options = DebeziumOptions { encoding, ..DebeziumOptions::default() };
    Debezium::new(options, Some("app".into()))
        .schema_change_record(&notice(database), change, NOW_NS)
        .expect("a record")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// A column as the catalog declares it: `name type`, with labels between quotes.
fn column(name: &str, declared: &str) -> DefinedColumn {
    let (bare, inside) = match declared.split_once('(') {
        Some((bare, rest)) => {
            let (inside, behind) = rest.rsplit_once(')').expect("closed");
            (format!("{bare}{behind}"), inside)
        }
        None => (declared.to_owned(), ""),
    };
    let detail = match inside.starts_with('\'') {
        true => ColumnDetail {
            labels: inside.split(',').map(|l| l.trim_matches('\'').into()).collect(),
            ..ColumnDetail::default()
        },
        false => ColumnDetail {
            modifiers: inside.split(',').filter_map(|n| n.parse().ok()).collect(),
            ..ColumnDetail::default()
        },
    };
    let column = Column { detail, ..Column::new(name, bare, Tag::Text, false) };
    DefinedColumn { column, is_auto_increment: false, is_update_time: false }
}

fn of(mut defined: DefinedColumn, change: impl FnOnce(&mut DefinedColumn)) -> DefinedColumn {
    change(&mut defined);
    defined
}

fn key(position: u32, defined: DefinedColumn) -> DefinedColumn {
    of(defined, |defined| {
        defined.column.key = true;
        defined.column.detail.not_null = true;
        defined.column.detail.key_position = position;
    })
}

fn commented() -> SchemaChange {
    let latin1 = |defined| of(defined, |defined| defined.column.detail.charset = "latin1".into());
    let columns = vec![
        key(2, column("d", "int")),
        key(1, column("id", "int(11)")),
        column("a", "bigint unsigned"),
        of(latin1(column("renamed2", "varchar(40)")), |c| c.column.detail.comment = "changed".into()),
        of(column("n", "decimal(10,2)"), |c| c.column.detail.default = Some("9.75".into())),
        latin1(column("e", "enum('new','mid','old')")),
    ];
    let definition = TableDefinition { charset: "latin1".into(), comment: "now commented".into(), columns };
    SchemaChange {
        database: "shop".into(),
        about: SchemaChangeAbout::Tables { names: vec!["evolve".into()], own: Vec::new() },
        statement: "ALTER TABLE evolve COMMENT = 'now commented'".into(),
        change: Some(TableChange {
            kind: TableChangeKind::Alter,
            database: "shop".into(),
            table: "evolve".into(),
            definition: Some(definition),
        }),
        event: event(),
    }
}

/// mariadb/ddl 23, with its columns in another order and without one of them.
const ALTERED: &str = r#"{"source":{"version":"3.6.1.Final","connector":"mariadb","name":"app","ts_ms":1795243561000,"snapshot":"false","db":"shop","sequence":null,"ts_us":1795243561000000,"ts_ns":1795243561000000000,"table":"evolve","server_id":223344,"gtid":"0-223344-28","file":"mysql-bin.000001","pos":6708,"row":0,"thread":null,"query":null},"ts_ms":1795243561904,"databaseName":"shop","schemaName":null,"ddl":"ALTER TABLE evolve COMMENT = 'now commented'","tableChanges":[{"type":"ALTER","id":"\"shop\".\"evolve\"","table":{"defaultCharsetName":"latin1","primaryKeyColumnNames":["id","d"],"columns":[{"name":"d","jdbcType":4,"nativeType":null,"typeName":"INT","typeExpression":"INT","charsetName":null,"length":null,"scale":null,"position":1,"optional":false,"autoIncremented":false,"generated":false,"comment":null,"defaultValueExpression":null,"enumValues":null},{"name":"id","jdbcType":4,"nativeType":null,"typeName":"INT","typeExpression":"INT","charsetName":null,"length":11,"scale":null,"position":2,"optional":false,"autoIncremented":false,"generated":false,"comment":null,"defaultValueExpression":null,"enumValues":null},{"name":"a","jdbcType":-5,"nativeType":null,"typeName":"BIGINT UNSIGNED","typeExpression":"BIGINT UNSIGNED","charsetName":null,"length":null,"scale":null,"position":3,"optional":true,"autoIncremented":false,"generated":false,"comment":null,"defaultValueExpression":null,"enumValues":null},{"name":"renamed2","jdbcType":12,"nativeType":null,"typeName":"VARCHAR","typeExpression":"VARCHAR","charsetName":"latin1","length":40,"scale":null,"position":4,"optional":true,"autoIncremented":false,"generated":false,"comment":"changed","defaultValueExpression":null,"enumValues":null},{"name":"n","jdbcType":3,"nativeType":null,"typeName":"DECIMAL","typeExpression":"DECIMAL","charsetName":null,"length":10,"scale":2,"position":5,"optional":true,"autoIncremented":false,"generated":false,"comment":null,"defaultValueExpression":"9.75","enumValues":null},{"name":"e","jdbcType":1,"nativeType":null,"typeName":"ENUM","typeExpression":"ENUM","charsetName":"latin1","length":1,"scale":null,"position":6,"optional":true,"autoIncremented":false,"generated":false,"comment":null,"defaultValueExpression":null,"enumValues":["'new'","'mid'","'old'"]}],"comment":"now commented"}}]}"#;

#[test]
fn a_statement_on_a_table_is_written_as_recorded() {
    let record = written(Encoding::Plain, &commented(), DatabaseKind::Mariadb);
    assert_eq!(record.topic.as_deref(), Some("app"));
    assert_eq!(text(record.key.as_deref().expect("a key")), r#"{"databaseName":"shop"}"#);
    assert_eq!(text(&record.value), ALTERED);
    let names: Vec<&str> =
        record.headers.iter().map(|(name, _)| name.strip_prefix("__debezium.context.").expect("ours")).collect();
    assert_eq!(names, ["connectorLogicalName", "taskId", "connectorName", "runId"]);
    assert!(!record.tombstone && !record.form.is_null);
}

/// mysql/ddl 17, 34 and 55.
#[test]
fn what_is_about_no_table_or_about_one_that_is_gone_says_so() {
    let value = |about, change| {
        let change = SchemaChange { about, change, ..commented() };
        let record = written(Encoding::Plain, &change, DatabaseKind::Mysql);
        serde_json::from_slice::<Value>(&record.value).expect("JSON")
    };
    let untold = value(SchemaChangeAbout::Untold, None);
    assert_eq!((&untold["source"]["table"], &untold["tableChanges"]), (&json!(""), &json!([])));
    let database = value(SchemaChangeAbout::Database, None);
    assert_eq!((&database["source"]["table"], &database["source"]["thread"]), (&Value::Null, &json!(9)));
    let names = SchemaChangeAbout::Tables { names: vec!["made_like".into(), "nothing_here".into()], own: Vec::new() };
    let (database, table) = ("shop".to_owned(), "made\"like".to_owned());
    let dropped = value(names, Some(TableChange { kind: TableChangeKind::Drop, database, table, definition: None }));
    assert_eq!(dropped["source"]["table"], json!("made_like,nothing_here"));
    assert_eq!(dropped["tableChanges"], json!([{"type": "DROP", "id": "\"shop\".\"made\"\"like\"", "table": null}]));
}

/// mysql/ddl.schemas.
const KEY_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"databaseName"}],"optional":false,"name":"io.debezium.connector.mysql.SchemaChangeKey","version":1},"payload":{"databaseName":"shop"}}"#;
const CHANGE_SCHEMA: &str = r#"],"optional":false,"name":"io.debezium.connector.mysql.Source","version":1,"field":"source"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"field":"databaseName"},{"type":"string","optional":true,"field":"schemaName"},{"type":"string","optional":true,"field":"ddl"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"type"},{"type":"string","optional":false,"field":"id"},{"type":"struct","fields":[{"type":"string","optional":true,"field":"defaultCharsetName"},{"type":"array","items":{"type":"string","optional":false},"optional":true,"field":"primaryKeyColumnNames"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"name"},{"type":"int32","optional":false,"field":"jdbcType"},{"type":"int32","optional":true,"field":"nativeType"},{"type":"string","optional":false,"field":"typeName"},{"type":"string","optional":true,"field":"typeExpression"},{"type":"string","optional":true,"field":"charsetName"},{"type":"int32","optional":true,"field":"length"},{"type":"int32","optional":true,"field":"scale"},{"type":"int32","optional":false,"field":"position"},{"type":"boolean","optional":true,"field":"optional"},{"type":"boolean","optional":true,"field":"autoIncremented"},{"type":"boolean","optional":true,"field":"generated"},{"type":"string","optional":true,"field":"comment"},{"type":"string","optional":true,"field":"defaultValueExpression"},{"type":"array","items":{"type":"string","optional":false},"optional":true,"field":"enumValues"}],"optional":false,"name":"io.debezium.connector.schema.Column","version":1},"optional":false,"field":"columns"},{"type":"string","optional":true,"field":"comment"}],"optional":true,"name":"io.debezium.connector.schema.Table","version":1,"field":"table"}],"optional":false,"name":"io.debezium.connector.schema.Change","version":1},"optional":false,"field":"tableChanges"}],"optional":false,"name":"io.debezium.connector.mysql.SchemaChangeValue","version":1},"payload":{"source":{"#;

#[test]
fn schemas_stand_in_front_as_recorded() {
    let record = written(Encoding::Schemas, &commented(), DatabaseKind::Mysql);
    assert_eq!(text(record.key.as_deref().expect("a key")), KEY_SCHEMA);
    let value = text(&record.value);
    assert!(value.starts_with(r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":[{"#), "{value}");
    assert!(value.contains(CHANGE_SCHEMA), "{value}");
    assert!(serde_json::from_str::<Value>(value).is_ok());
}

#[test]
fn avro_takes_the_same_record() {
    let change = SchemaChange { change: None, ..commented() };
    for change in [commented(), change] {
        let record = written(Encoding::Avro, &change, DatabaseKind::Mariadb);
        let schema = record.form.value_schema.expect("a schema");
        assert!(schema.contains("SchemaChangeValue") && schema.contains("\"name\":\"Column\""), "{schema}");
        assert!(record.form.key_schema.expect("a schema").contains("SchemaChangeKey"));
    }
}

#[test]
fn without_a_prefix_the_topic_is_the_source() {
    let body = Debezium::new(DebeziumOptions::default(), None);
    let record = body.schema_change_record(&notice(DatabaseKind::Mysql), &commented(), NOW_NS).expect("a record");
    assert_eq!(record.topic.as_deref(), Some("erp"));
}

/// mysql/types, mysql/dml and their likes of MariaDB, where their tables are made: type number, name, length, scale.
#[test]
fn types_have_the_numbers_and_lengths_that_were_recorded() {
    let null = Value::Null;
    for (declared, number, name, length, scale) in [
        ("int", 4, "INT", null.clone(), null.clone()),
        ("int(10) unsigned zerofill", 4, "INT UNSIGNED ZEROFILL", json!(10), null.clone()),
        ("mediumint", 4, "MEDIUMINT", null.clone(), null.clone()),
        ("tinyint(1)", 5, "TINYINT", json!(1), null.clone()),
        ("smallint(5) unsigned", 5, "SMALLINT UNSIGNED", json!(5), null.clone()),
        ("bigint unsigned", -5, "BIGINT UNSIGNED", null.clone(), null.clone()),
        ("decimal(5,0) unsigned", 3, "DECIMAL UNSIGNED", json!(5), json!(0)),
        ("decimal(65,30)", 3, "DECIMAL", json!(65), json!(30)),
        ("float(7,3)", 6, "FLOAT", json!(7), json!(3)),
        ("double", 8, "DOUBLE", null.clone(), null.clone()),
        ("bit(10)", -7, "BIT", json!(10), null.clone()),
        ("char(5)", 1, "CHAR", json!(5), null.clone()),
        ("varchar(300)", 12, "VARCHAR", json!(300), null.clone()),
        ("longtext", 12, "LONGTEXT", null.clone(), null.clone()),
        ("text /*M!100301 COMPRESSED*/", 12, "TEXT", null.clone(), null.clone()),
        ("binary(3)", -2, "BINARY", json!(3), null.clone()),
        ("varbinary(8)", -3, "VARBINARY", json!(8), null.clone()),
        ("mediumblob", 2004, "MEDIUMBLOB", null.clone(), null.clone()),
        ("date", 91, "DATE", null.clone(), null.clone()),
        ("time(3)", 92, "TIME", json!(3), null.clone()),
        ("datetime(6)", 93, "DATETIME", json!(6), null.clone()),
        ("timestamp", 2014, "TIMESTAMP", null.clone(), null.clone()),
        ("year(4)", 4, "YEAR", json!(4), null.clone()),
        ("json", 1111, "JSON", null.clone(), null.clone()),
        ("geomcollection", 1111, "GEOMCOLLECTION", null.clone(), null.clone()),
        ("vector(2048)", 1111, "VECTOR", json!(2048), null.clone()),
        ("uuid", 1111, "UUID", null.clone(), null.clone()),
        ("enum('red','green')", 1, "ENUM", json!(1), null.clone()),
        ("set('a','b','c','d e','é')", 1, "SET", json!(9), null.clone()),
    ] {
        let column = as_json(&column("c", declared), DatabaseKind::Mysql);
        let found = (&column["jdbcType"], &column["typeName"], &column["length"], &column["scale"]);
        assert_eq!(found, (&json!(number), &json!(name), &length, &scale), "{declared}");
    }
}

#[test]
fn defaults_are_values_or_the_epoch() {
    for (declared, default, database, wanted) in [
        ("int", "-7", DatabaseKind::Mysql, json!("-7")),
        ("varchar(20)", "", DatabaseKind::Mysql, json!("")),
        ("varchar(20)", "'x'", DatabaseKind::Mariadb, json!("x")),
        ("varchar(20)", "NULL", DatabaseKind::Mariadb, Value::Null),
        ("int(11)", "(1 + 2)", DatabaseKind::Mariadb, Value::Null),
        ("decimal(6,2)", "0.50", DatabaseKind::Mysql, json!("0.50")),
        ("bit(4)", "b'1010'", DatabaseKind::Mysql, json!("1010")),
        ("timestamp(3)", "CURRENT_TIMESTAMP(3)", DatabaseKind::Mysql, json!(EPOCH)),
        ("datetime", "current_timestamp()", DatabaseKind::Mariadb, json!(EPOCH)),
        ("datetime(6)", "2020-01-01 10:11:12.123456", DatabaseKind::Mysql, json!("2020-01-01 10:11:12.123456")),
        (
            "uuid",
            "'11111111-2222-3333-4444-555555555555'",
            DatabaseKind::Mariadb,
            json!("11111111-2222-3333-4444-555555555555"),
        ),
    ] {
        let column = of(column("c", declared), |c| c.column.detail.default = Some(default.into()));
        assert_eq!(as_json(&column, database)["defaultValueExpression"], wanted, "{declared} {default}");
    }
}

#[test]
fn what_the_server_numbers_is_told_from_what_it_dates() {
    for (database, is_auto_increment, is_update_time, wanted) in [
        (DatabaseKind::Mysql, true, false, true),
        (DatabaseKind::Mysql, false, true, true),
        (DatabaseKind::Mariadb, false, true, false),
        (DatabaseKind::Mariadb, true, false, true),
    ] {
        let defined = of(column("c", "timestamp"), |c| {
            (c.is_auto_increment, c.is_update_time) = (is_auto_increment, is_update_time);
            c.column.detail.comment = "said".into();
        });
        let written = as_json(&defined, database);
        assert_eq!((&written["autoIncremented"], &written["generated"]), (&json!(wanted), &json!(wanted)));
        let comment = if database == DatabaseKind::Mysql { Value::Null } else { json!("said") };
        assert_eq!(written["comment"], comment);
    }
}

fn as_json(column: &DefinedColumn, database: DatabaseKind) -> Value {
    let mut out = Vec::new();
    put_column(&mut out, column, 0, Told { database, comments: database == DatabaseKind::Mariadb });
    serde_json::from_slice(&out).expect("JSON")
}
