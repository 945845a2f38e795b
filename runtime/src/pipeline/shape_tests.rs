//! What routes of each kind make of an insert, an update, a change of the key and a delete.

use super::route::{Addressed, Road, Route, RouteSettings, Routed, Unroutable};
use super::shape::{Body, CacheForm, Shape};
use crate::change::{
    Act, Batch, CacheValue, Cell, Column, FrameBuf, Lsn, Op, Position, RowHead, RowMark, Schema, SchemaId, Tag,
    Template, pairs,
};
use crate::lane::{self, Ground, LaneSettings};
use crate::sink::format::ShownRow;
use crate::sink::format::debezium::{CloudEvents, Debezium, DebeziumOptions, Encoding, Form, Outbox, Unwrap};
use crate::sink::{Refusal, Sink};
use crate::store::{LaneName, MemoryStore};
use crate::telemetry::LaneStats;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Instant;

struct Nowhere;

impl Sink for Nowhere {
    fn deliver<'a>(&'a self, _: &'a crate::change::Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

type Image<'a> = Option<[Cell<'a>; 3]>;

/// One row of `shop.item(id, name, note)`.
fn batch(op: Op, new: Image<'_>, old: Image<'_>) -> Batch {
    let schema = Schema {
        id: SchemaId(1),
        source: "shop".into(),
        namespace: "public".into(),
        table: "item".into(),
        columns: vec![
            Column::new("id", "integer", Tag::Int, true),
            Column::new("name", "text", Tag::Text, false),
            Column::new("note", "text", Tag::Text, false),
        ],
        ..Schema::default()
    };
    let mut frame = FrameBuf::new();
    let count = |image: &Image<'_>| image.as_ref().map_or(0, |cells| cells.len() as u16);
    frame.rows.push(RowHead {
        schema: 1,
        op,
        old_is_key: false,
        first_cell: 0,
        new_cells: count(&new),
        old_cells: count(&old),
        committed_at: 0,
        position: 7,
    });
    for cell in [new, old].into_iter().flatten().flatten() {
        frame.push(cell);
    }
    Batch {
        source: "shop".into(),
        frame,
        marks: vec![RowMark { commit: 9, change: 7, sub: 0, transaction: 1 }],
        schemas: vec![Arc::new(schema)],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: Some(Position::Postgres(Lsn(9))),
        received_at: Instant::now(),
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

fn row<'a>(id: i64, name: &'a str) -> Image<'a> {
    Some([Cell::Int(id), Cell::Text(name), Cell::Null])
}

/// The messages that a route of this shape makes of the batch's row.
fn made(shape: Shape, batch: &Batch) -> Result<Vec<crate::change::Message>, Unroutable> {
    made_with_key(shape, None, batch)
}

fn made_with_key(shape: Shape, key: Option<&str>, batch: &Batch) -> Result<Vec<crate::change::Message>, Unroutable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let settings = LaneSettings::new(LaneName::new("p", "t", ""));
    let ground = Ground::alone(Arc::new(MemoryStore::default()), &settings.name).expect("a lane");
    let (lane, _task) = lane::spawn(settings, Arc::new(Nowhere), ground, Arc::new(LaneStats::default()));
    let route = Route::new(
        "p",
        RouteSettings {
            name: "r".into(),
            road: Arc::new(Road::new("t", [(String::new(), lane)])),
            tables: None,
            ops: None,
            only_named: false,
            messages: None,
            member: None,
            key: key.map(template),
            headers: Vec::new(),
            shape,
        },
    );
    let shown = ShownRow { schema: batch.schema_of(0), row: batch.row(0), edits: None };
    let mut out = Vec::new();
    route.messages(
        &Routed { batch, row: 0, shown, first: 0, again: false, transaction: None },
        None,
        &mut 0,
        &mut out,
    )?;
    Ok(out.into_iter().map(|Addressed { message, .. }| message).collect())
}

fn cache(value: CacheForm) -> Shape {
    Shape::Cache { key: template("{source}:item:{id}"), value }
}

fn record(topic: Option<&str>, flat: bool) -> Shape {
    let options = DebeziumOptions::parse(Encoding::Plain, &[]).expect("no options");
    let debezium = Box::new(Debezium::new(options, None));
    Shape::Record { topic: topic.map(template), tombstones: true, debezium, flat }
}

#[test]
fn cache_holds_the_row_under_its_key_and_nothing_after_a_delete() {
    let messages = made(cache(CacheForm::Json), &batch(Op::Insert, row(5, "lamp"), None)).expect("a message");
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].place.as_str(), &*messages[0].key), ("shop:item:5", &b"shop:item:5"[..]));
    assert_eq!(messages[0].act, Act::Put { value: CacheValue::Text });
    assert_eq!(&*messages[0].body, br#"{"id":5,"name":"lamp","note":null}"#);
    let gone = made(cache(CacheForm::Json), &batch(Op::Delete, None, row(5, "lamp"))).expect("a message");
    assert_eq!((gone[0].place.as_str(), &gone[0].act, gone[0].body.len()), ("shop:item:5", &Act::Remove, 0));
}

#[test]
fn cached_row_moves_with_its_key() {
    let moved = batch(Op::Update, row(6, "lamp"), row(5, "lamp"));
    let messages = made(cache(CacheForm::Json), &moved).expect("two messages");
    let seen: Vec<(&str, &Act)> = messages.iter().map(|m| (m.place.as_str(), &m.act)).collect();
    assert_eq!(seen, [("shop:item:5", &Act::Remove), ("shop:item:6", &Act::Put { value: CacheValue::Text })]);
    assert_ne!(messages[0].id, messages[1].id, "two messages of one row are two messages");
    assert!(messages[0].origin.version() < messages[1].origin.version());
    let stayed = batch(Op::Update, row(5, "desk"), row(5, "lamp"));
    assert_eq!(made(cache(CacheForm::Json), &stayed).expect("a message").len(), 1);
}

#[test]
fn value_that_the_log_does_not_hold_keeps_a_hash_field_and_is_refused_as_json() {
    let new = Some([Cell::Int(5), Cell::Text("lamp"), Cell::Unchanged]);
    let update = batch(Op::Update, new, None);
    let hash = made(cache(CacheForm::Hash), &update).expect("a message");
    let fields: Vec<&[u8]> = pairs(&hash[0].body).map(|(field, _)| field).collect();
    assert_eq!(fields, [&b"id"[..], b"name"]);
    let refused = made(cache(CacheForm::Json), &update).expect_err("half a row is no row").to_string();
    assert!(refused.contains("note"), "{refused}");
}

#[test]
fn truncated_table_is_refused_by_a_cache_with_the_reason() {
    let refused = made(cache(CacheForm::Json), &batch(Op::Truncate, None, None)).expect_err("no keys").to_string();
    assert!(refused.contains("does not say which keys"), "{refused}");
}

#[test]
fn record_has_the_primary_key_and_a_delete_its_tombstone() {
    let insert = made(record(Some("cdc.{table}"), true), &batch(Op::Insert, row(5, "lamp"), None)).expect("a message");
    assert_eq!(insert[0].place, "cdc.item");
    assert_eq!(insert[0].act, Act::Record { key: Some(b"{\"id\":5}"[..].into()), tombstone: false });
    let delete = made(record(None, true), &batch(Op::Delete, None, row(5, "lamp"))).expect("a message");
    assert_eq!(delete[0].place, "shop.public.item", "Debezium's naming unless a topic is set");
    assert_eq!(delete[0].act, Act::Record { key: Some(b"{\"id\":5}"[..].into()), tombstone: true });
    assert_ne!(insert[0].key, delete[0].key, "another topic is another order");
}

/// postgres/dml, `nopk_full`: Debezium buries rows without a key as well.
#[test]
fn delete_without_a_key_has_a_tombstone_in_debeziums_form_only() {
    let mut gone = batch(Op::Delete, None, row(5, "lamp"));
    let mut keyless = (*gone.schemas[0]).clone();
    keyless.columns.iter_mut().for_each(|column| column.key = false);
    gone.schemas = vec![Arc::new(keyless)];
    for (flat, tombstone) in [(true, false), (false, true)] {
        let messages = made(record(None, flat), &gone).expect("a message");
        assert_eq!(messages[0].act, Act::Record { key: None, tombstone }, "flat: {flat}");
    }
}

#[test]
fn record_whose_key_changed_is_gone_under_the_old_key() {
    for flat in [true, false] {
        let moved = batch(Op::Update, row(6, "lamp"), row(5, "lamp"));
        let messages = made(record(None, flat), &moved).expect("two messages");
        let acts: Vec<&Act> = messages.iter().map(|m| &m.act).collect();
        let old = Act::Record { key: Some(b"{\"id\":5}"[..].into()), tombstone: true };
        let new = Act::Record { key: Some(b"{\"id\":6}"[..].into()), tombstone: false };
        assert_eq!(acts, [&old, &new], "flat: {flat}");
        let body = String::from_utf8_lossy(&messages[0].body).into_owned();
        let gone = if flat { "\"__deleted\":\"true\"" } else { "\"op\":\"d\"" };
        assert!(body.contains(gone), "{body}");
    }
}

#[test]
fn entries_of_a_stream_are_ordered_by_the_stream() {
    let shape = Shape::Stream { stream: template("items"), max_len: Some(1000), body: Body::Flat };
    let messages = made(shape, &batch(Op::Insert, row(5, "lamp"), None)).expect("a message");
    assert_eq!((messages[0].place.as_str(), &*messages[0].key), ("items", &b"items"[..]));
}

/// An encoder of a form, its options as they are written in a route.
fn form(encoding: Encoding, form: Form) -> Box<Debezium> {
    Box::new(Debezium::new(DebeziumOptions::parse(encoding, &[]).expect("no options"), None).of_form(form))
}

fn options(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn event_of_an_outbox_goes_to_the_topic_in_its_row_unless_the_route_names_one() {
    let columns = [("table.field.event.key", "id"), ("table.field.event.payload", "note"), ("route.by.field", "name")];
    let outbox = || {
        let outbox = Outbox::parse(&options(&columns)).expect("options");
        form(Encoding::Plain, Form::Outbox(Box::new(outbox)))
    };
    let record = |topic: Option<&str>| Shape::Record {
        topic: topic.map(template),
        tombstones: true,
        debezium: outbox(),
        flat: false,
    };
    let insert = batch(Op::Insert, row(5, "Order Ü"), None);
    let own = made(record(None), &insert).expect("a message");
    assert_eq!(own[0].place, "outbox.event.Order Ü", "the sink says that this is no topic");
    assert_eq!(
        (&own[0].body[..], &own[0].act),
        (&b"null"[..], &Act::Record { key: Some("5".into()), tombstone: false })
    );
    assert_eq!(made(record(Some("all")), &insert).expect("a message")[0].place, "all");
    assert!(made(record(None), &batch(Op::Delete, None, row(5, "Order"))).expect("tidied").is_empty());
    let defaults = form(Encoding::Plain, Form::Outbox(Box::new(Outbox::parse(&[]).expect("options"))));
    let record = Shape::Record { topic: None, tombstones: true, debezium: defaults, flat: false };
    let refused = made(record, &insert).expect_err("no such column").to_string();
    assert!(refused.contains("no column aggregatetype") && refused.contains("route.by.field"), "{refused}");
}

#[test]
fn delete_that_is_a_tombstone_itself_goes_whether_or_not_one_is_wanted_behind_deletes() {
    let deleted = batch(Op::Delete, None, row(5, "lamp"));
    for wanted in [true, false] {
        let mode = options(&[("delete.tombstone.handling.mode", "delete-to-tombstone")]);
        let debezium = form(Encoding::Plain, Form::Unwrap(Unwrap::parse(&mode).expect("options")));
        let shape = Shape::Record { topic: None, tombstones: wanted, debezium, flat: false };
        let messages = made(shape, &deleted).expect("made");
        assert_eq!(messages.iter().map(|message| message.form.is_null).collect::<Vec<_>>(), [true], "{wanted}");
    }
}

#[test]
fn text_key_of_a_record_in_avro_has_a_schema_too() {
    let debezium = form(Encoding::Avro, Form::Envelope);
    let shape = Shape::Record { topic: None, tombstones: true, debezium, flat: false };
    let insert = batch(Op::Insert, row(5, "lamp"), None);
    let message = made_with_key(shape, Some("item-{id}"), &insert).expect("a message").remove(0);
    let Act::Record { key: Some(key), .. } = &message.act else { panic!("{:?}", message.act) };
    assert_eq!((&key[..], message.form.key_schema.as_deref()), (&b"\x0citem-5"[..], Some("\"string\"")));
    assert!(message.form.value_schema.is_some());
    assert_eq!(&*message.content_type, "avro/binary");
}

#[test]
fn event_goes_over_http_whole_or_with_its_attributes_as_headers() {
    let insert = batch(Op::Insert, row(5, "lamp"), None);
    let request = |mode: &str| {
        let events = CloudEvents::parse(&options(&[("mode", mode)])).expect("options");
        let body = Body::Debezium(form(Encoding::Plain, Form::CloudEvents(events)));
        made(Shape::Request { method: "POST".into(), path: None, body }, &insert).expect("a message").remove(0)
    };
    let whole = request("structured");
    assert_eq!((&*whole.content_type, whole.headers.len()), ("application/cloudevents+json", 0));
    let event: serde_json::Value = serde_json::from_slice(&whole.body).expect("JSON");
    assert_eq!((&event["specversion"], &event["data"]["after"]["name"]), (&"1.0".into(), &"lamp".into()));
    let binary = request("binary");
    assert_eq!(
        (&*binary.content_type, &binary.body[..]),
        ("application/json", &br#"{"before":null,"after":{"id":5,"name":"lamp","note":null}}"#[..])
    );
    let header =
        |name: &str| binary.headers.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.as_str());
    assert_eq!((header("ce-specversion"), header("ce-source")), (Some("1.0"), Some("/debezium/postgresql/shop")));
    assert!(header("ce-id").is_some_and(|id| id.starts_with("name:shop;lsn:7;")), "{:?}", header("ce-id"));
}

#[test]
fn attributes_of_an_event_that_is_a_record_are_headers_as_kafka_has_them() {
    let events = CloudEvents::parse(&options(&[("mode", "binary")])).expect("options");
    let debezium = form(Encoding::Plain, Form::CloudEvents(events).of_records());
    let shape = Shape::Record { topic: None, tombstones: true, debezium, flat: false };
    let record = made(shape, &batch(Op::Insert, row(5, "lamp"), None)).expect("a message").remove(0);
    let header =
        |name: &str| record.headers.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.as_str());
    assert_eq!((header("ce_specversion"), header("content-type")), (Some("1.0"), Some("application/json")));
    assert_eq!((header("ce_source"), header("ce-source")), (Some("/debezium/postgresql/shop"), None));
}
