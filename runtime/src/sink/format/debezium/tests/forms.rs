//! Forms of records where no recording reaches: other databases, guests, and what goes wrong.

use super::*;
use crate::sink::format::debezium::{CloudEvents, Form, Outbox, Unwrap};

fn options(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_form(encoding: Encoding, form: Form) -> Debezium {
    Debezium::new(DebeziumOptions::parse(encoding, &[]).expect("options"), None).of_form(form)
}

fn unwrap(own: &[(&str, &str)]) -> Debezium {
    with_form(Encoding::Plain, Form::Unwrap(Unwrap::parse(&options(own)).expect("options")))
}

fn outbox(encoding: Encoding, own: &[(&str, &str)]) -> Debezium {
    with_form(encoding, Form::Outbox(Box::new(Outbox::parse(&options(own)).expect("options"))))
}

fn items_of_mysql() -> Schema {
    let mut columns = vec![Column::new("id", "int", Tag::Int, true), Column::new("name", "varchar", Tag::Text, false)];
    columns[0].detail.not_null = true;
    schema(DatabaseKind::Mysql, "shop", "item", columns)
}

fn event() -> BinlogEvent {
    BinlogEvent {
        first_row: 0,
        skipped_rows: 0,
        file: "mysql-bin.000003".into(),
        offset: 484,
        server_id: 7,
        thread: 281,
        gtid: Gtid::None,
        query: None,
    }
}

/// The table of the recordings outbox and outbox_expand.
fn outbox_table() -> Schema {
    let text = |name| {
        let mut column = column(name, "character varying(255)", 1043, Tag::Text, false);
        column.detail.not_null = true;
        column
    };
    let columns = vec![
        column("id", "uuid", 2950, Tag::Uuid, true),
        text("aggregatetype"),
        text("aggregateid"),
        text("type"),
        column("payload", "jsonb", 3802, Tag::Json, false),
    ];
    schema(DatabaseKind::Postgres, "public", "outbox", columns)
}

fn order<'a>(payload: Cell<'a>) -> [Cell<'a>; 5] {
    [Cell::Uuid([0; 16]), Cell::Text("Order"), Cell::Text("1"), Cell::Text("OrderCreated"), payload]
}

#[test]
fn event_of_mysql_has_its_place_in_the_log() {
    let debezium = with_form(Encoding::Plain, Form::CloudEvents(CloudEvents::parse(&[]).expect("options")));
    let event = event();
    let row = Row { event: Some(&event), ..insert(&[Cell::Int(1), Cell::Text("lamp")]) };
    let told = text(&records(&debezium, &items_of_mysql(), &row)[0].value);
    for part in [
        r#"{"id":"name:app;file:mysql-bin.000003;pos:484","source":"/debezium/mysql/app","#,
        r#""type":"io.debezium.connector.mysql.DataChangeEvent","#,
        r#""iodebeziumserverid":"7","iodebeziumgtid":null,"iodebeziumfile":"mysql-bin.000003","iodebeziumpos":"484""#,
        r#""data":{"before":null,"after":{"id":1,"name":"lamp"}}}"#,
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let bare = CloudEvents::parse(&options(&[("extension.attributes.enable", "false")])).expect("options");
    let told = text(&records(&with_form(Encoding::Plain, Form::CloudEvents(bare)), &items_of_mysql(), &row)[0].value);
    assert!(!told.contains("iodebezium") && told.contains("\"specversion\":\"1.0\""), "{told}");
}

#[test]
fn field_that_the_database_does_not_have_is_an_error_with_its_name() {
    let debezium = unwrap(&[("add.fields", "lsn")]);
    let event = event();
    let row = Row { event: Some(&event), ..insert(&[Cell::Int(1), Cell::Text("lamp")]) };
    let error = try_records(&debezium, &items_of_mysql(), &row).expect_err("no lsn");
    assert_eq!(error, EncodeError::NoField("lsn".into()));
    assert!(error.to_string().contains("take it out"), "{error}");
}

#[test]
fn what_is_added_is_named_as_wanted_in_fields_and_headers() {
    let own = [
        ("add.fields", "op:kind,transaction.id"),
        ("add.fields.prefix", "meta_"),
        ("add.headers", "op,table,source.ts_ms,xmin"),
    ];
    let record = records(&unwrap(&own), &id_and_note(), &insert(&[Cell::Int(1), Cell::Text("x")])).remove(0);
    assert_eq!(text(&record.value), r#"{"id":1,"note":"x","meta_kind":"c","meta_transaction_id":null}"#);
    assert_eq!((header(&record, "__op"), header(&record, "__table")), (Some("c"), Some("t")));
    assert_eq!((header(&record, "__source_ts_ms"), header(&record, "__xmin")), (Some("1795242936823"), None));
    assert_eq!(header(&record, "__debezium.context.taskId"), Some("0"));
}

#[test]
fn delete_becomes_what_its_mode_says() {
    let deleted = |mode: &str| {
        let debezium = unwrap(&[("delete.tombstone.handling.mode", mode)]);
        let told = records(&debezium, &id_and_note(), &delete(&[Cell::Int(1), Cell::Absent]));
        told.into_iter().map(|r| (text(&r.value), r.form.is_null, r.tombstone)).collect::<Vec<_>>()
    };
    let gone = r#"{"id":1,"note":"","__deleted":"true"}"#.to_owned();
    assert_eq!(deleted("drop"), []);
    assert_eq!(deleted("tombstone"), [("null".to_owned(), false, false)]);
    assert_eq!(deleted("delete-to-tombstone"), [(String::new(), true, false)]);
    assert_eq!(deleted("rewrite"), [(gone.clone(), false, false)]);
    assert_eq!(deleted("rewrite-with-tombstone"), [(gone, false, true)]);
}

#[test]
fn guests_columns_are_in_a_row_alone_and_in_its_schema() {
    let edits = Edits { columns: vec![(1, None)], added: vec![("by".into(), Value::new(Cell::Bool(true)))] };
    let rewrite = options(&[("delete.tombstone.handling.mode", "rewrite")]);
    let debezium = with_form(Encoding::Schemas, Form::Unwrap(Unwrap::parse(&rewrite).expect("options")));
    let row = Row { edits: Some(&edits), ..insert(&[Cell::Int(1), Cell::Text("x")]) };
    let told = text(&records(&debezium, &id_and_note(), &row)[0].value);
    assert!(told.ends_with(r#""payload":{"id":1,"by":true,"__deleted":"false"}}"#), "{told}");
    assert!(
        told.contains(
            r#"{"type":"boolean","optional":true,"field":"by"},{"type":"string","optional":true,"field":"__deleted"}]"#
        ),
        "{told}"
    );
    assert!(!told.contains("note"), "{told}");
}

#[test]
fn updated_row_of_an_outbox_is_nothing_or_refused() {
    let cells = order(Cell::Json("{}"));
    let row = update(&cells, &[]);
    assert!(records(&outbox(Encoding::Plain, &[]), &outbox_table(), &row).is_empty());
    for strict in ["error", "fatal"] {
        let debezium = outbox(Encoding::Plain, &[("table.op.invalid.behavior", strict)]);
        assert_eq!(try_records(&debezium, &outbox_table(), &row), Err(EncodeError::OutboxUpdate));
    }
}

#[test]
fn event_without_payload_is_a_tombstone_where_that_is_wanted() {
    let told = |encoding, own: &[(&str, &str)], payload| {
        let record = records(&outbox(encoding, own), &outbox_table(), &insert(&order(payload))).remove(0);
        (text(&record.value), record.form.is_null, record.form.value_schema.is_some())
    };
    let wanted = [("route.tombstone.on.empty.payload", "true")];
    assert_eq!(told(Encoding::Plain, &[], Cell::Null), ("null".into(), false, false));
    assert_eq!(told(Encoding::Plain, &wanted, Cell::Null), (String::new(), true, false));
    assert_eq!(told(Encoding::Plain, &wanted, Cell::Json(" ")), (String::new(), true, false));
    assert_eq!(told(Encoding::Avro, &[], Cell::Null), (String::new(), true, false));
    assert!(told(Encoding::Avro, &[], Cell::Json("{}")).2);
}

#[test]
fn names_that_avro_does_not_know_are_adjusted_in_a_payload_and_refused_where_they_are_the_operators() {
    let own = [("table.expand.json.payload", "true")];
    let cells = order(Cell::Json(r#"{"total price": 1}"#));
    let avro = records(&outbox(Encoding::Avro, &own), &outbox_table(), &insert(&cells)).remove(0);
    let schema = avro.form.value_schema.as_deref().expect("a schema");
    assert!(schema.contains("\"name\":\"total_price\""), "{schema}");
    let placed = [("table.fields.additional.placement", "type:envelope:event type")];
    let error = try_records(&outbox(Encoding::Avro, &placed), &outbox_table(), &insert(&cells)).expect_err("no name");
    assert_eq!(error, EncodeError::Avro(AvroError::Name("event type".into())));
    let plain = records(&outbox(Encoding::Plain, &own), &outbox_table(), &insert(&cells)).remove(0);
    assert_eq!(text(&plain.value), r#"{"total price":1}"#);
}

/// What a row says is no name that anybody could change, and it is never shown.
#[test]
fn every_text_that_an_event_is_routed_by_makes_a_name_of_avro() {
    let placed = outbox(Encoding::Avro, &[("table.fields.additional.placement", "type:envelope")]);
    for (route, name) in [("Order", "Order"), ("order-line", "order_line"), ("Ü", "_"), ("", "_"), ("a..b", "a._.b")] {
        let mut cells = order(Cell::Json("{}"));
        cells[1] = Cell::Text(route);
        let record = records(&placed, &outbox_table(), &insert(&cells)).remove(0);
        let schema = record.form.value_schema.as_deref().expect("a schema");
        assert!(schema.contains(&format!(".outbox.{name}.Value\"")), "{route:?}: {schema}");
        assert_eq!(record.topic.as_deref(), Some(&*format!("outbox.event.{route}")));
    }
}

#[test]
fn column_that_is_missing_or_null_is_an_error_with_its_name() {
    let cells = order(Cell::Json("{}"));
    let told = |own: &[(&str, &str)], cells: &[Cell<'_>]| {
        try_records(&outbox(Encoding::Plain, own), &outbox_table(), &insert(cells))
    };
    let none = |name: &str| Err(EncodeError::NoColumn(name.into()));
    assert_eq!(told(&[("table.field.event.key", "nothing")], &cells), none("nothing"));
    let further = ("table.fields.additional.placement", "trace:header");
    assert_eq!(told(&[further], &cells), none("trace"));
    assert!(told(&[further, ("table.fields.additional.error.on.missing", "false")], &cells).is_ok());
    let mut nowhere = cells;
    nowhere[4] = Cell::Null;
    let by_payload = [("route.by.field", "payload")];
    assert_eq!(told(&by_payload, &nowhere), Err(EncodeError::NullColumn("payload".into())));
    // A guest can make what the table does not have.
    let edits = Edits { columns: vec![], added: vec![("trace".into(), Value::new(Cell::Text("00-ab")))] };
    let row = Row { edits: Some(&edits), ..insert(&cells) };
    let record = records(&outbox(Encoding::Plain, &[further]), &outbox_table(), &row).remove(0);
    assert_eq!(header(&record, "trace"), Some("00-ab"));
}
