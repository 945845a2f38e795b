//! Rows in, records out; what is expected was recorded from Debezium, but for the fields that differ from run to run.

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
    let change = Change { shown: &shown, mark: &mark, previous_end: None, event: row.event, index: 0, now_ns: NOW_NS };
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

fn with(schemas: bool, options: &[(&str, &str)]) -> Debezium {
    let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Debezium::new(DebeziumOptions::parse(schemas, &options).expect("options"), None)
}

/// One column's `after`, without its name.
fn after(debezium: &Debezium, column: Column, cell: Cell<'_>) -> String {
    let schema = schema(DatabaseKind::Postgres, "public", "t", vec![column]);
    let value = text(&records(debezium, &schema, &insert(&[cell]))[0].value);
    let (_, rest) = value.split_once("\"after\":{").expect("an image");
    let (image, _) = rest.split_once("},\"source\":").expect("a source");
    image.split_once(':').map_or(String::new(), |(_, value)| value.to_owned())
}

/// postgres/parcels, first record, plain and with schema.
#[test]
fn insert_is_what_was_recorded() {
    let at = (1_772_352_000_000_000 - sluicegate_frame::UNIX_EPOCH_TO_2000_US) as i64;
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
