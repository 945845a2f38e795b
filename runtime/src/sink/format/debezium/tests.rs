//! Rows in, records out; what is expected was recorded from Debezium, but for the fields that differ from run to run.

mod avro;
mod columns;
mod details;
mod forms;
mod own;

use super::*;
use crate::change::{
    Column, ColumnDetail, Database, DatabaseKind, Edits, FrameBuf, Gtid, RowHead, SchemaId, Tag, Value,
};

const NOW_NS: i64 = 1_795_242_937_171_549_871;
const COMMITTED_UNIX_US: i64 = 1_795_242_936_823_744;

fn column(name: &str, type_name: &str, type_id: u32, tag: Tag, key: bool) -> Column {
    let detail = ColumnDetail { type_id, not_null: key, ..ColumnDetail::default() };
    Column { detail, ..Column::new(name, type_name, tag, key) }
}

fn schema(kind: DatabaseKind, namespace: &str, table: &str, columns: Vec<Column>) -> Schema {
    Schema {
        id: SchemaId(1),
        source: "app".into(),
        database: Arc::new(Database { kind, name: "app".into(), epoch: 0 }),
        namespace: namespace.into(),
        table: table.into(),
        columns,
    }
}

/// The parcels of PostgreSQL.
fn parcels() -> Schema {
    let text = |name| column(name, "text", 25, Tag::Text, false);
    let int = |name| column(name, "integer", 23, Tag::Int, false);
    let mut columns = vec![
        column("id", "integer", 23, Tag::Int, true),
        int("package_id"),
        int("customer_id"),
        text("actual_address"),
        text("next_address"),
        text("status"),
        column("updated_at", "timestamp without time zone", 1114, Tag::Timestamp, false),
    ];
    columns[0].detail.default = Some("nextval('package_status_id_seq'::regclass)".into());
    columns[6].detail.default = Some("now()".into());
    schema(DatabaseKind::Postgres, "public", "package_status", columns)
}

fn frame(op: Op, new: &[Cell<'_>], old: &[Cell<'_>]) -> FrameBuf {
    let mut frame = FrameBuf::new();
    new.iter().chain(old).for_each(|cell| frame.push(*cell));
    frame.rows.push(RowHead {
        schema: 1,
        op,
        old_is_key: false,
        first_cell: 0,
        new_cells: new.len() as u16,
        old_cells: old.len() as u16,
        committed_at: COMMITTED_UNIX_US - sluicegate_frame::UNIX_EPOCH_TO_2000_US,
        position: 87_538_560,
    });
    frame
}

struct Row<'a> {
    op: Op,
    new: &'a [Cell<'a>],
    old: &'a [Cell<'a>],
    edits: Option<&'a Edits>,
    event: Option<&'a BinlogEvent>,
}

fn insert<'a>(new: &'a [Cell<'a>]) -> Row<'a> {
    Row { op: Op::Insert, new, old: &[], edits: None, event: None }
}

fn update<'a>(new: &'a [Cell<'a>], old: &'a [Cell<'a>]) -> Row<'a> {
    Row { op: Op::Update, old, ..insert(new) }
}

fn delete<'a>(old: &'a [Cell<'a>]) -> Row<'a> {
    Row { op: Op::Delete, old, ..insert(&[]) }
}

fn try_records(debezium: &Debezium, schema: &Schema, row: &Row<'_>) -> Result<Vec<Record>, EncodeError> {
    let frame = frame(row.op, row.new, row.old);
    let shown = ShownRow { schema, row: frame.row(0).expect("one row"), edits: row.edits };
    let mark = RowMark { commit: 87_539_232, change: 87_538_560, sub: 0, transaction: 1185 };
    let change = Change {
        shown: &shown,
        mark: &mark,
        previous_end: None,
        event: row.event,
        index: 0,
        transaction: None,
        now_ns: NOW_NS,
    };
    debezium.records(&change)
}

fn records(debezium: &Debezium, schema: &Schema, row: &Row<'_>) -> Vec<Record> {
    try_records(debezium, schema, row).expect("records")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn plain() -> Debezium {
    Debezium::new(DebeziumOptions::default(), None)
}

fn encoding(schemas: bool) -> Encoding {
    if schemas { Encoding::Schemas } else { Encoding::Plain }
}

fn with(schemas: bool, options: &[(&str, &str)]) -> Debezium {
    let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Debezium::new(DebeziumOptions::parse(encoding(schemas), &options).expect("options"), None)
}

/// One column's `after`, without its name.
fn after(debezium: &Debezium, column: Column, cell: Cell<'_>) -> String {
    let id = SchemaId(column.detail.type_id);
    let schema = Schema { id, ..schema(DatabaseKind::Postgres, "public", "t", vec![column]) };
    let value = text(&records(debezium, &schema, &insert(&[cell]))[0].value);
    let (_, rest) = value.split_once("\"after\":{").expect("an image");
    let (image, _) = rest.split_once("},\"source\":").expect("a source");
    image.split_once(':').map_or(String::new(), |(_, value)| value.to_owned())
}

/// postgres/parcels, first record, plain and with schema.
#[test]
fn insert_is_what_was_recorded() {
    let at = 1_772_352_000_000_000 - sluicegate_frame::UNIX_EPOCH_TO_2000_US;
    let cells = [
        Cell::Int(1),
        Cell::Int(1001),
        Cell::Int(501),
        Cell::Text("12 Harbour Rd, Leith"),
        Cell::Text("Hub Edinburgh"),
        Cell::Text("accepted"),
        Cell::Timestamp(at),
    ];
    let payload = r#"{"before":null,"after":{"id":1,"package_id":1001,"customer_id":501,"actual_address":"12 Harbour Rd, Leith","next_address":"Hub Edinburgh","status":"accepted","updated_at":1772352000000000},"source":{"version":"3.7.0.Final","connector":"postgresql","name":"app","ts_ms":1795242936823,"snapshot":"false","db":"app","sequence":"[null,\"87538560\"]","ts_us":1795242936823744,"ts_ns":1795242936823744000,"schema":"public","table":"package_status","txId":1185,"lsn":87538560,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":1795242937171,"ts_us":1795242937171549,"ts_ns":1795242937171549871}"#;
    let found = records(&plain(), &parcels(), &insert(&cells));
    assert_eq!(text(&found[0].value), payload);
    assert_eq!(found[0].key.as_deref(), Some(br#"{"id":1}"#.as_slice()));
    assert_eq!((found.len(), found[0].tombstone), (1, false));

    let found = records(&with(true, &[]), &parcels(), &insert(&cells));
    assert_eq!(
        text(found[0].key.as_deref().expect("a key")),
        r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"}],"optional":false,"name":"app.public.package_status.Key"},"payload":{"id":1}}"#
    );
    let image = r#"{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"},{"type":"int32","optional":true,"field":"package_id"},{"type":"int32","optional":true,"field":"customer_id"},{"type":"string","optional":true,"field":"actual_address"},{"type":"string","optional":true,"field":"next_address"},{"type":"string","optional":true,"field":"status"},{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"default":0,"field":"updated_at"}],"optional":true,"name":"app.public.package_status.Value","field":"#;
    let source = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"},{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"}"#;
    let rest = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}],"optional":false,"name":"app.public.package_status.Envelope","version":2}"#;
    let expected = format!(
        r#"{{"schema":{{"type":"struct","fields":[{image}"before"}},{image}"after"}},{source},{rest},"payload":{payload}}}"#
    );
    assert_eq!(text(&found[0].value), expected);
}

fn keyed(columns: Vec<Column>) -> Schema {
    schema(DatabaseKind::Postgres, "public", "t", columns)
}

fn id_and_note() -> Schema {
    let mut note = column("note", "text", 25, Tag::Text, false);
    note.detail.not_null = true;
    keyed(vec![column("id", "integer", 23, Tag::Int, true), note])
}

fn images(record: &Record) -> String {
    let value = text(&record.value);
    let (images, rest) = value.split_once(",\"source\":").expect("a source");
    let (_, op) = rest.split_once(",\"op\":\"").expect("an operation");
    format!("{} {}", &op[..1], &images["{\"before\":".len()..])
}

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.headers.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.as_str())
}

/// postgres/dml, ri_default.
#[test]
fn changed_key_becomes_delete_tombstone_and_create() {
    let old = [Cell::Int(1), Cell::Absent];
    let found = records(&plain(), &id_and_note(), &update(&[Cell::Int(3), Cell::Text("one")], &old));
    assert_eq!(found.len(), 2);
    assert_eq!(images(&found[0]), r#"d {"id":1,"note":""},"after":null"#);
    assert_eq!((found[0].key.as_deref(), found[0].tombstone), (Some(br#"{"id":1}"#.as_slice()), true));
    assert_eq!(found[0].headers[0], (NEW_KEY.into(), r#"{"id":3}"#.to_owned()));
    assert_eq!(images(&found[1]), r#"c null,"after":{"id":3,"note":"one"}"#);
    assert_eq!((found[1].key.as_deref(), found[1].tombstone), (Some(br#"{"id":3}"#.as_slice()), false));
    assert_eq!(header(&found[1], OLD_KEY), Some(r#"{"id":1}"#));
    let names: Vec<&str> = found[1].headers.iter().skip(1).map(|(n, _)| &n["__debezium.context.".len()..]).collect();
    assert_eq!(names, ["connectorLogicalName", "taskId", "connectorName", "runId"]);
    let found = records(&with(true, &[]), &id_and_note(), &update(&[Cell::Int(3), Cell::Text("one")], &old));
    assert_eq!(header(&found[0], NEW_KEY), Some(r#"{"id":3}"#), "bare with schemas too");
}

#[test]
fn key_has_the_order_of_its_index() {
    let mut columns = ["region", "num"].map(|name| column(name, "text", 25, Tag::Text, true));
    columns[0].detail.key_position = 2;
    columns[1].detail.key_position = 1;
    let found = records(&plain(), &keyed(columns.into()), &insert(&[Cell::Text("eu"), Cell::Text("1")]));
    assert_eq!(found[0].key.as_deref(), Some(br#"{"num":"1","region":"eu"}"#.as_slice()));
}

#[test]
fn table_without_key_has_no_key_and_a_truncate_neither() {
    let schema = keyed(vec![column("a", "integer", 23, Tag::Int, false)]);
    let found = records(&plain(), &schema, &delete(&[Cell::Int(2)]));
    assert_eq!((found[0].key.as_ref(), found[0].tombstone), (None, true));
    let truncate = Row { op: Op::Truncate, ..insert(&[]) };
    let found = records(&plain(), &id_and_note(), &truncate);
    assert_eq!(
        (found[0].key.as_ref(), found[0].tombstone, images(&found[0])),
        (None, false, r#"t null,"after":null"#.into())
    );
    assert_eq!(header(&found[0], "__debezium.context.taskId"), Some("0"));
}

#[test]
fn options_for_tombstones_and_headers_are_obeyed() {
    let debezium = with(false, &[("tombstones.on.delete", "false"), ("extended.headers.enabled", "false")]);
    let found = records(&debezium, &id_and_note(), &delete(&[Cell::Int(2), Cell::Text("x")]));
    assert_eq!((found[0].tombstone, found[0].headers.len()), (false, 0));
}

#[test]
fn null_is_written_as_the_default_unless_told_otherwise() {
    let mut i = column("i", "integer", 23, Tag::Int, false);
    i.detail.default = Some("7".into());
    assert_eq!(after(&plain(), i.clone(), Cell::Null), "7");
    assert_eq!(after(&with(false, &[("replace.null.with.default", "false")]), i.clone(), Cell::Null), "null");
    i.detail.default = Some("(1 + 2)".into());
    assert_eq!(after(&plain(), i, Cell::Null), "null");
}

#[test]
fn what_a_guest_hides_is_in_no_image() {
    let schema = keyed(vec![
        column("id", "integer", 23, Tag::Int, true),
        column("mail", "text", 25, Tag::Text, false),
        column("name", "text", 25, Tag::Text, false),
    ]);
    let new = [Cell::Int(1), Cell::Text("new@x"), Cell::Text("Ann")];
    let old = [Cell::Int(1), Cell::Text("old@x"), Cell::Text("Ann")];
    let edits = Edits {
        columns: vec![(1, Some(Value::new(Cell::Text("***")))), (2, Some(Value::new(Cell::Text("A."))))],
        added: vec![("by".into(), Value::new(Cell::Bool(true)))],
    };
    let row = Row { edits: Some(&edits), ..update(&new, &old) };
    let expected = r#"u {"id":1,"mail":null,"name":"A."},"after":{"id":1,"mail":"***","name":"A.","by":true}"#;
    assert_eq!(images(&records(&plain(), &schema, &row)[0]), expected);

    let edits = Edits { columns: vec![(1, None)], added: vec![] };
    let row = Row { edits: Some(&edits), ..update(&new, &old) };
    assert_eq!(
        images(&records(&plain(), &schema, &row)[0]),
        r#"u {"id":1,"name":"Ann"},"after":{"id":1,"name":"Ann"}"#
    );
    let full = text(&records(&with(true, &[]), &schema, &row)[0].value);
    assert!(!full.contains("mail"), "{full}");
}

#[test]
fn key_that_a_guest_left_out_is_refused_by_its_columns_name() {
    let edits = Edits { columns: vec![(0, None)], added: vec![] };
    let row = Row { edits: Some(&edits), ..insert(&[Cell::Int(1), Cell::Text("x")]) };
    assert_eq!(try_records(&plain(), &id_and_note(), &row), Err(EncodeError::KeyLeftOut("id".into())));
}

#[test]
fn guests_column_is_in_the_schema_of_its_record_and_of_no_other() {
    let edits = Edits {
        columns: vec![(1, Some(Value::new(Cell::Int(5))))],
        added: vec![("score".into(), Value::new(Cell::Float64(0.5)))],
    };
    let debezium = with(true, &[]);
    let cells = [Cell::Int(1), Cell::Text("x")];
    let edited = text(&records(&debezium, &id_and_note(), &Row { edits: Some(&edits), ..insert(&cells) })[0].value);
    assert!(edited.contains(r#"{"type":"int64","optional":false,"field":"note"},{"type":"double","optional":true,"field":"score"}],"optional":true,"name":"app.public.t.Value","field":"after"}"#), "{edited}");
    assert!(edited.contains(r#""after":{"id":1,"note":5,"score":0.5}"#), "{edited}");
    let other = text(&records(&debezium, &id_and_note(), &insert(&cells))[0].value);
    assert!(!other.contains("score") && other.contains(r#"{"type":"string","optional":false,"field":"note"}],"optional":true,"name":"app.public.t.Value","field":"after"}"#), "{other}");
    for body in [edited, other] {
        serde_json::from_str::<serde_json::Value>(&body).expect("JSON");
    }
}

#[test]
fn topics_names_have_only_what_a_topic_may_have() {
    let named = |namespace: &str, table: &str| {
        let schema = schema(DatabaseKind::Postgres, namespace, table, vec![]);
        (plain().topic(&schema), Debezium::new(DebeziumOptions::default(), Some("shop.cdc".into())).topic(&schema))
    };
    assert_eq!(named("public", "Mixed Case.Tbl").0, "app.public.Mixed_Case.Tbl");
    assert_eq!(named("public", "тaблица"), ("app.public._a_____".into(), "shop.cdc.public._a_____".into()));
}

#[test]
fn two_tables_of_two_sources_with_one_id_are_kept_apart() {
    let debezium = plain();
    let mut other = id_and_note();
    other.source = "other".into();
    records(&debezium, &id_and_note(), &insert(&[Cell::Int(1), Cell::Text("x")]));
    let found = records(&debezium, &other, &insert(&[Cell::Int(1), Cell::Text("x")]));
    assert_eq!(header(&found[0], "__debezium.context.connectorLogicalName"), Some("other"));
}

/// What the recordings of the handling modes say of PostgreSQL's types (types.modes1 to modes4).
#[test]
fn handling_modes_write_as_recorded() {
    let micros = 1_772_370_855_678_901 - sluicegate_frame::UNIX_EPOCH_TO_2000_US;
    let timestamp = || column("c", "timestamp without time zone", 1114, Tag::Timestamp, false);
    for (mode, expected) in [
        ("connect", "1772370855678"),
        ("isostring", "\"2026-03-01T13:14:15.678901Z\""),
        ("microseconds", "1772370855678901"),
        ("nanoseconds", "1772370855678901000"),
    ] {
        assert_eq!(
            after(&with(false, &[("time.precision.mode", mode)]), timestamp(), Cell::Timestamp(micros)),
            expected
        );
    }
    let numeric = || column("c", "numeric", 1700, Tag::Decimal, false);
    let money = || column("c", "money", 790, Tag::Other, false);
    for (mode, decimal, nan, cents) in [
        ("precise", r#"{"scale":2,"value":"BNI="}"#, "null", "\"BNI=\""),
        ("string", "\"12.340\"", "\"NAN\"", "\"12.34\""),
        ("double", "12.34", "\"NaN\"", "12.34"),
    ] {
        let debezium = with(false, &[("decimal.handling.mode", mode)]);
        assert_eq!(after(&debezium, numeric(), Cell::Decimal("12.340")), decimal);
        assert_eq!(after(&debezium, numeric(), Cell::Decimal("NaN")), nan);
        assert_eq!(after(&debezium, money(), Cell::Other("$12.34")), cents);
    }
    let bytea = || column("c", "bytea", 17, Tag::Bytes, false);
    for (mode, expected) in [("bytes", "AP8Q"), ("base64", "AP8Q"), ("base64-url-safe", "AP8Q"), ("hex", "00ff10")] {
        let debezium = with(false, &[("binary.handling.mode", mode)]);
        assert_eq!(after(&debezium, bytea(), Cell::Bytes(&[0, 255, 16])), format!("\"{expected}\""));
    }
    let unknown = column("c", "tsquery", 3615, Tag::Other, false);
    let debezium = with(false, &[("include.unknown.datatypes", "true"), ("binary.handling.mode", "hex")]);
    assert_eq!(after(&debezium, unknown.clone(), Cell::Other("123")), "\"313233\"");
    assert_eq!(after(&plain(), unknown, Cell::Other("123")), "", "left out");
    let dropped = column("c", "money[]", 791, Tag::Array, false);
    assert_eq!(after(&debezium, dropped, Cell::Null), "", "left out even then");
    let hstore = column("c", "hstore", 99_999, Tag::Other, false);
    assert_eq!(
        after(&with(false, &[("hstore.handling.mode", "map")]), hstore, Cell::Other(r#""a"=>"1""#)),
        r#"{"a":"1"}"#
    );
}

#[test]
fn value_that_its_schema_can_not_say_brings_its_own() {
    let mut nan = column("c", "numeric(5,2)", 1700, Tag::Decimal, false);
    nan.detail.modifiers = vec![5, 2];
    nan.detail.not_null = true;
    let schema = keyed(vec![nan]);
    let value = text(&records(&with(true, &[]), &schema, &insert(&[Cell::Decimal("NaN")]))[0].value);
    assert!(value.contains(r#"{"type":"string","optional":false,"field":"c"}],"optional":true,"name":"app.public.t.Value","field":"after"}"#), "{value}");
    assert!(value.contains(r#""after":{"c":"NaN"}"#), "{value}");
    let mut negative = column("c", "numeric(5,-2)", 1700, Tag::Decimal, false);
    negative.detail.modifiers = vec![5, -2];
    assert_eq!(after(&plain(), negative, Cell::Decimal("1200")), "\"DA==\"");
}

fn mysql_column(type_name: &str, tag: Tag) -> Column {
    Column::new("c", type_name, tag, false)
}

/// The value and its schema, of MySQL.
fn mysql(column: Column, cell: Cell<'_>) -> (String, String) {
    let schema = schema(DatabaseKind::Mysql, "shop", "t", vec![column]);
    let value = text(&records(&with(true, &[]), &schema, &insert(&[cell]))[0].value);
    let (_, rest) =
        value.split_once("\"field\":\"before\"},{\"type\":\"struct\",\"fields\":[").expect("an image's schema");
    let (schema, rest) = rest.split_once(",\"field\":\"c\"}]").expect("one field");
    let (_, rest) = rest.split_once("\"after\":{\"c\":").expect("an image");
    (rest.split_once("},\"source\":").expect("a source").0.to_owned(), schema.to_owned())
}

/// mysql/types.
#[test]
fn types_of_mysql_are_what_was_recorded() {
    let at = |text: &str| time::parse_moment(text).and_then(time::Moment::micros).expect("a moment");
    let days = |text: &str| at(text).div_euclid(86_400_000_000);
    let stored: Vec<u8> =
        [0u8, 0, 0, 0, 1, 1, 0, 0, 0].into_iter().chain(1f64.to_le_bytes()).chain(2f64.to_le_bytes()).collect();
    let decimal = |scale: u8, precision: u8| {
        format!(
            r#"{{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{{"scale":"{scale}","connect.decimal.precision":"{precision}"}}"#
        )
    };
    let named =
        |connect: &str, name: &str| format!(r#"{{"type":"{connect}","optional":true,"name":"{name}","version":1"#);
    let plain = |connect: &str| format!(r#"{{"type":"{connect}","optional":true"#);
    let bits = |n: u8| format!(r#"{},"parameters":{{"length":"{n}"}}"#, named("bytes", "io.debezium.data.Bits"));
    let cases: &[(&str, Cell<'_>, &str, String)] = &[
        ("tinyint(1)", Cell::Int(1), "1", plain("int16")),
        ("tinyint unsigned", Cell::UInt(255), "255", plain("int16")),
        ("smallint unsigned", Cell::UInt(65535), "65535", plain("int32")),
        ("int", Cell::Int(-2147483648), "-2147483648", plain("int32")),
        ("int unsigned", Cell::UInt(4294967295), "4294967295", plain("int64")),
        ("bigint unsigned", Cell::UInt(u64::MAX), "-1", plain("int64")),
        ("decimal(10,2)", Cell::Decimal("123.45"), "\"MDk=\"", decimal(2, 10)),
        ("decimal(65,30)", Cell::Decimal("-0.000000000000000000000000000001"), "\"/w==\"", decimal(30, 65)),
        ("decimal(10,0)", Cell::Decimal("9999999999"), "\"AlQL4/8=\"", decimal(0, 10)),
        ("float", Cell::Float32(f32::MIN_POSITIVE), "1.17549435E-38", plain("float")),
        ("float(7,3)", Cell::Float32(9999.999), "9999.9990234375", plain("double")),
        ("double", Cell::Float64(1e21), "1.0E21", plain("double")),
        ("bit(1)", Cell::Bits("1"), "true", plain("boolean")),
        ("bit(10)", Cell::Bits("0000000001"), "\"AQA=\"", bits(10)),
        ("year", Cell::Int(2155), "2155", named("int32", "io.debezium.time.Year")),
        ("varchar(20)", Cell::Text("東京🚢"), r#""東京\uD83D\uDEA2""#, plain("string")),
        ("binary(5)", Cell::Bytes(&[1]), "\"AQAAAAA=\"", plain("bytes")),
        ("varbinary(20)", Cell::Bytes(&[1, 0, 0]), "\"AQAA\"", plain("bytes")),
        ("date", Cell::Date(days("1582-10-10")), "-141432", named("int32", "io.debezium.time.Date")),
        ("date", Cell::Date(days("0001-01-01")), "11323", named("int32", "io.debezium.time.Date")),
        ("date", Cell::Text("0000-00-00"), "null", named("int32", "io.debezium.time.Date")),
        ("time(6)", Cell::Time(-3_020_398_999_999), "-3020398999999", named("int64", "io.debezium.time.MicroTime")),
        ("datetime", Cell::Timestamp(at("9999-12-31 23:59:59")), "253402300799000", named("int64", "io.debezium.time.Timestamp")),
        ("datetime(6)", Cell::Timestamp(at("0099-01-01")), "915148800000000", named("int64", "io.debezium.time.MicroTimestamp")),
        ("timestamp", Cell::TimestampTz(at("2026-03-29 01:30:00")), "\"2026-03-29T01:30:00Z\"", named("string", "io.debezium.time.ZonedTimestamp")),
        ("timestamp(5)", Cell::TimestampTz(at("2026-01-01 00:00:00.12")), "\"2026-01-01T00:00:00.12000Z\"", named("string", "io.debezium.time.ZonedTimestamp")),
        ("json", Cell::Json(r#"{"k": [1, "a b"]}"#), r#""{\"k\":[1,\"a b\"]}""#, named("string", "io.debezium.data.Json")),
        ("uuid", Cell::Uuid([0xff; 16]), "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"", named("string", "io.debezium.data.Uuid")),
        ("point", Cell::Bytes(&stored), r#"{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}"#, String::new()),
        ("geometry", Cell::Bytes(&stored), r#"{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}"#, String::new()),
        ("vector(1)", Cell::Bytes(&[0, 0, 0x20, 0x40]), "[2.5]", r#"{"type":"array","items":{"type":"float","optional":false},"optional":true,"name":"io.debezium.data.FloatVector","version":1"#.into()),
    ];
    for (type_name, cell, value, schema) in cases {
        let (found, declared) = mysql(mysql_column(type_name, cell.tag()), *cell);
        assert_eq!(found, *value, "{type_name}");
        assert!(schema.is_empty() || declared == *schema, "{type_name}: {declared}");
    }
}

/// mysql/types.modes1, modes2; mysql/parcels; mysql/dml, `dflt`; mariadb/dml, `commented`.
#[test]
fn modes_defaults_and_comments_of_mysql_are_what_was_recorded() {
    let column = |type_name: &str, tag, default: Option<&str>, not_null| {
        let detail = ColumnDetail { default: default.map(str::to_owned), not_null, ..ColumnDetail::default() };
        Column { detail, ..mysql_column(type_name, tag) }
    };
    let of = |kind, options: &[(&str, &str)], column: Column, cell| {
        let schema = schema(kind, "shop", "t", vec![column]);
        text(&records(&with(true, options), &schema, &insert(&[cell]))[0].value)
    };
    let of_mysql = |options: &[(&str, &str)], column, cell| of(DatabaseKind::Mysql, options, column, cell);
    let precise = [("bigint.unsigned.handling.mode", "precise"), ("decimal.handling.mode", "string")];
    let value = of_mysql(&precise, column("bigint unsigned", Tag::UInt, None, false), Cell::UInt(12));
    assert!(value.contains(r#""after":{"c":"DA=="}"#), "{value}");

    let default = |type_name, tag, default, not_null| {
        let value = of_mysql(&[], column(type_name, tag, Some(default), not_null), Cell::Null);
        let (_, rest) = value.split_once(r#"{"type":"struct","fields":[{"#).expect("an image's schema");
        let (field, _) = rest.split_once(r#","field":"c"}"#).expect("one field");
        field.split_once(r#""default":"#).map(|(_, default)| default.to_owned())
    };
    let now = "CURRENT_TIMESTAMP(6)";
    assert_eq!(default("timestamp(6)", Tag::TimestampTz, now, false), None);
    assert_eq!(default("timestamp", Tag::TimestampTz, now, true).as_deref(), Some("\"1970-01-01T00:00:00Z\""));
    assert_eq!(default("datetime", Tag::Timestamp, now, false).as_deref(), Some("0"));
    let max = "18446744073709551615";
    assert_eq!(default("bigint unsigned", Tag::UInt, max, false).as_deref(), Some("9223372036854775807"));

    for mode in ["connect", "isostring"] {
        let time = |micros| {
            of_mysql(&[("time.precision.mode", mode)], column("time", Tag::Time, None, false), Cell::Time(micros))
        };
        assert!(
            time(-1_000_000).contains(r#""after":{"c":null}"#)
                && time(90_000_000_000).contains(r#""after":{"c":null}"#)
        );
        assert!(!time(3_600_000_000).contains(r#""after":{"c":null}"#));
    }

    let mut commented = column("enum", Tag::Enum, None, false);
    (commented.detail.comment, commented.detail.labels) = ("quote \" and é".into(), vec!["a".into()]);
    let doc = r#""version":1,"doc":"quote \" and é","parameters":{"allowed":"a"},"field":"c"}"#;
    assert!(of(DatabaseKind::Mariadb, &[], commented.clone(), Cell::Enum("a")).contains(doc));
    assert!(!of(DatabaseKind::Mysql, &[], commented, Cell::Enum("a")).contains("doc\":\"quote"));
}

/// mysql/query.
#[test]
fn statement_is_shown_with_include_query_only() {
    let schema = schema(DatabaseKind::Mysql, "shop", "t", vec![mysql_column("int", Tag::Int)]);
    let event = BinlogEvent {
        first_row: 0,
        skipped_rows: 0,
        file: "mysql-bin.000001".into(),
        offset: 653,
        server_id: 1,
        thread: 0,
        gtid: Gtid::None,
        query: Some("INSERT INTO t VALUES (1)".into()),
    };
    let row = Row { event: Some(&event), ..insert(&[Cell::Int(1)]) };
    let value = |debezium: &Debezium| text(&records(debezium, &schema, &row)[0].value);
    assert!(value(&plain()).contains(r#""query":null}"#));
    let shown = value(&with(false, &[("include.query", "true")]));
    assert!(shown.contains(r#""query":"INSERT INTO t VALUES (1)"}"#), "{shown}");
}

#[test]
fn zero_dates_of_mysql_are_null_or_the_epoch() {
    for (type_name, epoch) in [("date", "0"), ("datetime(6)", "0"), ("timestamp(6)", "\"1970-01-01T00:00:00Z\"")] {
        let mut column = mysql_column(type_name, Tag::Timestamp);
        assert_eq!(mysql(column.clone(), Cell::Text("0000-00-00 00:00:00")).0, "null");
        column.detail.not_null = true;
        assert_eq!(mysql(column, Cell::Text("0000-00-00 00:00:00")).0, epoch);
    }
}

#[test]
fn default_of_bytes_is_its_bytes_padded() {
    let mut column = mysql_column("binary(3)", Tag::Bytes);
    for default in ["ab", "0x6162", "'ab'"] {
        column.detail.default = Some(default.into());
        assert_eq!(
            mysql(column.clone(), Cell::Null),
            ("\"YWIA\"".into(), r#"{"type":"bytes","optional":true,"default":"YWIA""#.into())
        );
    }
}

/// What PostgresDefaultValueConverter says; postgres/dml, `dflt` has some of it.
#[test]
fn functions_of_postgresql_are_zeros_and_domains_have_no_defaults() {
    let default = |type_name: &str, oid, tag, text: &str| {
        let mut column = column("c", type_name, oid, tag, false);
        column.detail.default = Some(text.to_owned());
        after(&plain(), column, Cell::Null)
    };
    assert_eq!(default("text", 25, Tag::Text, "md5((random())::text)"), "\"\"");
    assert_eq!(default("jsonb", 3802, Tag::Json, "jsonb_build_object()"), "\"{}\"");
    assert_eq!(default("boolean", 16, Tag::Bool, "f()"), "false");
    assert_eq!(default("double precision", 701, Tag::Float64, "random()"), "0.0");
    assert_eq!(
        default("timestamp(3) without time zone", 1114, Tag::Timestamp, "(now() AT TIME ZONE 'utc'::text)"),
        "0"
    );
    assert_eq!(default("character varying(9)", 1043, Tag::Text, "'a'::character varying"), "\"a\"");
    assert_eq!(default("shorttext", 1043, Tag::Text, "'a'::character varying"), "null", "a domain");
    assert_eq!(default("name", 19, Tag::Text, "'a'::name"), "null");
    assert_eq!(default("time with time zone", 1266, Tag::TimeTz, "'01:00+00'::time with time zone"), "null");
}

#[test]
fn default_of_bits_has_all_bits_of_its_column() {
    let mut column = mysql_column("bit(10)", Tag::Bits);
    column.detail.default = Some("b'1'".into());
    column.detail.modifiers = vec![10];
    assert_eq!(mysql(column, Cell::Null).0, "\"AQA=\"");
}

#[test]
fn labels_with_a_comma_are_themselves_and_escaped_where_they_are_listed() {
    let mut e = mysql_column("enum", Tag::Enum);
    e.detail.labels = ["a", "b,c", "it's", ""].map(String::from).into();
    let (value, schema) = mysql(e.clone(), Cell::Enum("b,c"));
    assert_eq!(value, "\"b,c\"");
    assert!(
        schema.ends_with(r#""io.debezium.data.Enum","version":1,"parameters":{"allowed":"a,b\\,c,it's,"}"#),
        "{schema}"
    );
    e.type_name = "set".into();
    let (value, schema) = mysql(e, Cell::Text("a,it's"));
    assert!(value == "\"a,it's\"" && schema.contains("io.debezium.data.EnumSet"), "{value} {schema}");
}

/// mysql/user_data and mariadb/parcels.
#[test]
fn source_blocks_of_binary_logs_are_what_was_recorded() {
    let mut event = BinlogEvent {
        first_row: 0,
        skipped_rows: 2,
        file: "mysql-bin.000001".into(),
        offset: 1042,
        server_id: 1,
        thread: 281,
        gtid: Gtid::Mysql {
            server: *b"\x34\xdf\xfb\xe9\xe5\x7e\x11\xf1\xb0\x87\x02\xfc\x00\x00\x00\x01",
            tag: Default::default(),
            number: 3,
        },
        query: Some("UPDATE t SET a = 1".into()),
    };
    let mut columns = vec![Column::new("id", "int", Tag::Int, true)];
    columns[0].detail.not_null = true;
    let mut table = schema(DatabaseKind::Mysql, "clients", "users", columns);
    let source = |table: &Schema, event: &BinlogEvent| {
        let row = Row { event: Some(event), ..insert(&[Cell::Int(1)]) };
        let value = text(&records(&with(false, &[("include.query", "true")]), table, &row)[0].value);
        value
            .split_once(",\"source\":")
            .and_then(|(_, rest)| rest.split_once(",\"transaction\""))
            .expect("a source")
            .0
            .to_owned()
    };
    assert_eq!(
        source(&table, &event),
        r#"{"version":"3.6.1.Final","connector":"mysql","name":"app","ts_ms":1795242936823,"snapshot":"false","db":"clients","sequence":null,"ts_us":1795242936823744,"ts_ns":1795242936823744000,"table":"users","server_id":1,"gtid":"34dffbe9-e57e-11f1-b087-02fc00000001:3","file":"mysql-bin.000001","pos":1042,"row":2,"thread":281,"query":"UPDATE t SET a = 1"}"#
    );
    event.gtid = Gtid::Mariadb { domain: 0, server: 223_344, sequence: 13 };
    event.query = None;
    table.database = Arc::new(Database { kind: DatabaseKind::Mariadb, ..Database::default() });
    let found = source(&table, &event);
    assert!(
        found.ends_with(
            r#""gtid":"0-223344-13","file":"mysql-bin.000001","pos":1042,"row":2,"thread":null,"query":null}"#
        ),
        "{found}"
    );
}

/// Prints how long a record takes: seven columns, as an insert and as an update with both images.
#[test]
#[ignore = "measures"]
fn record_of_seven_columns_takes_so_many_nanoseconds() {
    const ROUNDS: u32 = 2_000_000;
    let at = 1_772_352_000_000_000 - sluicegate_frame::UNIX_EPOCH_TO_2000_US;
    let cells = [
        Cell::Int(1),
        Cell::Int(1001),
        Cell::Int(501),
        Cell::Text("12 Harbour Rd, Leith"),
        Cell::Text("Hub Edinburgh"),
        Cell::Text("accepted"),
        Cell::Timestamp(at),
    ];
    let table = parcels();
    let avro = Debezium::new(DebeziumOptions::parse(Encoding::Avro, &[]).expect("options"), None);
    for (name, debezium) in [("plain", plain()), ("with schemas", with(true, &[])), ("avro", avro)] {
        for (op, frame) in [("insert", frame(Op::Insert, &cells, &[])), ("update", frame(Op::Update, &cells, &cells))] {
            let mark = RowMark { commit: 87_539_232, change: 87_538_560, sub: 0, transaction: 1185 };
            let start = std::time::Instant::now();
            let mut bytes = 0;
            for _ in 0..ROUNDS {
                let shown = ShownRow { schema: &table, row: frame.row(0).expect("one row"), edits: None };
                let previous_end = Some(Lsn(87_538_000));
                let change = Change {
                    shown: &shown,
                    mark: &mark,
                    previous_end,
                    event: None,
                    index: 0,
                    transaction: None,
                    now_ns: NOW_NS,
                };
                bytes += debezium.records(&change).expect("records")[0].value.len();
            }
            println!(
                "{name} {op}: {} ns, {} bytes",
                start.elapsed().as_nanos() / u128::from(ROUNDS),
                bytes / ROUNDS as usize
            );
        }
    }
}

/// mysql/user_data, the fourth record, and mysql/dml's way with a changed key.
#[test]
fn update_of_mysql_is_what_was_recorded() {
    let mut columns =
        vec![Column::new("id", "int", Tag::Int, true), Column::new("address", "varchar", Tag::Text, false)];
    columns[0].detail.not_null = true;
    let table = schema(DatabaseKind::Mysql, "clients", "users", columns);
    let event = BinlogEvent {
        first_row: 0,
        skipped_rows: 0,
        file: "mysql-bin.000001".into(),
        offset: 2597,
        server_id: 1,
        thread: 281,
        gtid: Gtid::Mysql {
            server: *b"\x34\xdf\xfb\xe9\xe5\x7e\x11\xf1\xb0\x87\x02\xfc\x00\x00\x00\x01",
            tag: Default::default(),
            number: 7,
        },
        query: None,
    };
    let debezium = Debezium::new(DebeziumOptions::default(), Some("clients.cdc".into()));
    let old = [Cell::Int(1), Cell::Text("12 Harbour Rd, Leith")];
    let new = [Cell::Int(1), Cell::Text("7 Rue de Lille, Paris")];
    let found = records(&debezium, &table, &Row { event: Some(&event), ..update(&new, &old) });
    assert_eq!(debezium.topic(&table), "clients.cdc.clients.users");
    assert_eq!(
        text(&found[0].value),
        r#"{"before":{"id":1,"address":"12 Harbour Rd, Leith"},"after":{"id":1,"address":"7 Rue de Lille, Paris"},"source":{"version":"3.6.1.Final","connector":"mysql","name":"clients.cdc","ts_ms":1795242936823,"snapshot":"false","db":"clients","sequence":null,"ts_us":1795242936823744,"ts_ns":1795242936823744000,"table":"users","server_id":1,"gtid":"34dffbe9-e57e-11f1-b087-02fc00000001:7","file":"mysql-bin.000001","pos":2597,"row":0,"thread":281,"query":null},"transaction":null,"op":"u","ts_ms":1795242937171,"ts_us":1795242937171549,"ts_ns":1795242937171549871}"#
    );
    assert_eq!(header(&found[0], "__debezium.context.connectorLogicalName"), Some("clients.cdc"));
    let moved = [Cell::Int(3), Cell::Text("12 Harbour Rd, Leith")];
    let found = records(&debezium, &table, &Row { event: Some(&event), ..update(&moved, &old) });
    assert_eq!(images(&found[0]), r#"d {"id":1,"address":"12 Harbour Rd, Leith"},"after":null"#);
    assert_eq!(images(&found[1]), r#"c null,"after":{"id":3,"address":"12 Harbour Rd, Leith"}"#);
}
