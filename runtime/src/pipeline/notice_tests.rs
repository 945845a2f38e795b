//! What is no row, on its way through the corridor.

use super::tests::{Receiver, batch};
use super::*;
use crate::change::{
    Act, BinlogEvent, Gtid, LogicalMessage, Lsn, Message, Notice, NoticeKind, Op, Place, Position, RowMark,
    SchemaChange, SchemaChangeAbout, TransactionId,
};
use crate::lane::{self, Ground, LaneSettings};
use crate::ledger::Ledger;
use crate::sink::format::debezium::{Debezium, DebeziumOptions, Encoding};
use crate::sink::{Refusal, Sink};
use crate::store::{LaneName, MemoryStore};
use crate::telemetry::{LaneStats, SourceStats};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::atomic::AtomicBool;

/// A corridor with one route of records, which tells of transactions and takes messages whose prefix is `audit`.
struct House {
    inbox: mpsc::Sender<(Arc<Batch>, Ticket)>,
    again: mpsc::Sender<(Arc<Batch>, Ticket)>,
    receiver: Receiver,
    ledger: Ledger,
}

fn house(ops: Option<Vec<Op>>) -> House {
    let receiver = Receiver::default();
    house_of(ops, ("provide.transaction.metadata", "true"), (receiver.clone(), Arc::new(receiver)), Vec::new())
}

fn house_of(
    ops: Option<Vec<Op>>,
    (name, value): (&str, &str),
    (receiver, sink): (Receiver, Arc<dyn Sink>),
    sources: Vec<PipelineSource>,
) -> House {
    let settings = LaneSettings::new(LaneName::new("p", "t", ""));
    let ground = Ground::alone(Arc::new(MemoryStore::default()), &settings.name).expect("a lane");
    let (lane, _task) = lane::spawn(settings, sink, ground, Arc::new(LaneStats::default()));
    let option = (name.to_owned(), value.to_owned());
    let options = DebeziumOptions::parse(Encoding::Plain, &[option]).expect("an option");
    let debezium = Box::new(Debezium::new(options, Some("app".into())));
    let settings = RouteSettings {
        name: "records".into(),
        road: Arc::new(Road::new("events", [(String::new(), lane)])),
        tables: None,
        ops,
        only_named: false,
        messages: Some(Arc::new(|prefix| prefix == "audit")),
        member: None,
        key: None,
        headers: Vec::new(),
        shape: Shape::Record { topic: None, tombstones: true, debezium, flat: false },
    };
    let settings = PipelineSettings {
        name: "p".into(),
        tables: Arc::new(|_, table| table == "public.t"),
        on_error: OnError::DeadLetter,
        routes: vec![Route::new("p", settings)],
        sources,
        guests: Arc::new(Vec::new),
        store: Arc::new(MemoryStore::default()),
        stats: Arc::new(PipelineStats::default()),
    };
    let (inbox, batches) = mpsc::channel(1);
    let (again, revived) = mpsc::channel(1);
    tokio::spawn(Corridor::new(settings).run(batches, revived));
    House { inbox, again, receiver, ledger: Ledger::new() }
}

impl House {
    /// Sends a batch through, and gives what came of it when it is paid.
    async fn told(&self, batch: Batch) -> Vec<Message> {
        let ticket = self.ledger.open(batch.confirms.clone(), 1);
        self.inbox.send((Arc::new(batch), ticket)).await.expect("the corridor lives");
        self.delivered().await
    }

    async fn delivered(&self) -> Vec<Message> {
        while self.ledger.unpaid() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        std::mem::take(&mut *self.receiver.0.lock().expect("no panic here"))
    }
}

fn notice(before_row: u32, change: u64, kind: NoticeKind) -> Notice {
    let mark = RowMark { commit: 100, change, sub: 0, transaction: 7 };
    Notice { before_row, mark, committed_at: 0, schema: Arc::default(), kind }
}

fn id(lsn: u64) -> TransactionId {
    TransactionId::Postgres { xid: 7, lsn }
}

fn begin() -> Notice {
    notice(0, 0, NoticeKind::Begin { id: id(1) })
}

fn commit(before_row: u32) -> Notice {
    notice(before_row, 100, NoticeKind::Commit { id: id(101) })
}

fn message(before_row: u32, change: u64, prefix: &str) -> Notice {
    let message = LogicalMessage {
        prefix: prefix.into(),
        content: "x".into(),
        transactional: true,
        lsn: change,
        previous_end: None,
    };
    notice(before_row, change, NoticeKind::Message(Arc::new(message)))
}

/// Rows whose changes stand at 10, 11, ...
fn rows(ids: &[i64], notices: Vec<Notice>) -> Batch {
    let mut batch = batch(ids);
    batch.marks.iter_mut().for_each(|mark| mark.change += 10);
    Batch { notices, ..batch }
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.body).expect("JSON")
}

/// Topic, and the part that says where in its transaction it stands.
fn shown(messages: &[Message]) -> Vec<(String, Value)> {
    let part = |body: &Value| match body.get("status") {
        Some(_) => json!([body["status"], body["id"], body["event_count"], body["data_collections"]]),
        None => match &body["transaction"] {
            Value::Null => Value::Null,
            place => json!([place["id"], place["total_order"], place["data_collection_order"]]),
        },
    };
    messages.iter().map(|message| (message.place.clone(), part(&body(message)))).collect()
}

#[tokio::test(start_paused = true)]
async fn transaction_over_two_batches_is_counted_over_both() {
    let house = house(None);
    let first = house.told(rows(&[1, 2], vec![begin(), message(1, 5, "audit"), message(1, 6, "noise")])).await;
    let second = house.told(rows(&[3], vec![commit(1)])).await;
    let all = [first, second].concat();
    let (own, row) = ("app.transaction".to_owned(), "app.public.t".to_owned());
    assert_eq!(
        shown(&all),
        [
            (own.clone(), json!(["BEGIN", "7:1", null, null])),
            (row.clone(), json!(["7:10", 1, 1])),
            ("app.message".into(), json!(["7:5", 2, 1])),
            (row.clone(), json!(["7:11", 3, 2])),
            (row, json!(["7:10", 4, 3])),
            (
                own,
                json!(["END", "7:101", 4, [
                    { "data_collection": "public.t", "event_count": 3 },
                    { "data_collection": "message", "event_count": 1 },
                ]])
            ),
        ]
    );
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|message| &*message.id.0).collect();
    assert_eq!(ids.len(), all.len() - 1, "the third row has the mark of the first here, and nothing else has");
    assert!(all.iter().all(|message| matches!(message.act, Act::Record { .. })));
}

#[tokio::test(start_paused = true)]
async fn transaction_that_begins_again_is_told_again_with_the_same_ids() {
    let told = async || house(None).told(rows(&[1], vec![begin(), message(0, 5, "audit"), commit(1)])).await;
    let ids = |messages: Vec<Message>| messages.iter().map(|message| message.id.clone()).collect::<Vec<_>>();
    let (once, again) = (told().await, told().await);
    let places: Vec<Place> = once.iter().map(|message| message.origin.place()).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "in the order of the log: {places:?}");
    assert_eq!(ids(once), ids(again));
}

#[tokio::test(start_paused = true)]
async fn transaction_of_which_nothing_is_captured_is_not_told() {
    let house = house(None);
    let mut foreign = rows(&[1], vec![begin(), commit(1)]);
    let schema = Schema { table: "other".into(), ..(*foreign.schemas[0]).clone() };
    foreign.schemas = vec![Arc::new(schema)];
    assert!(house.told(foreign).await.is_empty());
    assert!(house.told(rows(&[], vec![begin(), message(0, 5, "noise"), commit(0)])).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn row_that_the_route_leaves_out_is_told_of_and_not_counted() {
    let told = house(Some(vec![Op::Delete])).told(rows(&[1], vec![begin(), commit(1)])).await;
    let statuses: Vec<Value> = told.iter().map(body).map(|body| body["event_count"].clone()).collect();
    assert_eq!(statuses, [Value::Null, json!(0)]);
}

#[tokio::test(start_paused = true)]
async fn row_that_is_tried_again_does_not_count_twice() {
    let house = house(None);
    house.told(rows(&[1], vec![begin()])).await;
    let again = rows(&[1], Vec::new());
    let ticket = house.ledger.open(None, 1);
    house.again.send((Arc::new(again), ticket)).await.expect("the corridor lives");
    assert_eq!(shown(&house.delivered().await), [("app.public.t".to_owned(), Value::Null)]);
    let rest = shown(&house.told(rows(&[2], vec![commit(1)])).await);
    assert_eq!(rest[0].1, json!(["7:10", 2, 2]));
}

/// Away, until somebody says that it is back.
struct Away(Receiver, Arc<AtomicBool>);

impl Sink for Away {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        match self.1.load(Relaxed) {
            true => self.0.deliver(message),
            false => async { Err(Refusal::passing("away")) }.boxed(),
        }
    }
}

fn source(state: &str) -> PipelineSource {
    let stats = Arc::new(SourceStats::default());
    stats.state.set(state);
    PipelineSource { name: "erp".into(), stats }
}

const EVERY_10_S: (&str, &str) = ("heartbeat.interval.ms", "10000");

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_their_interval_while_the_source_is_read() {
    let (receiver, erp) = (Receiver::default(), source("streaming"));
    let house = house_of(None, EVERY_10_S, (receiver.clone(), Arc::new(receiver)), vec![erp.clone()]);
    tokio::time::sleep(Duration::from_secs(35)).await;
    let beats = house.delivered().await;
    assert_eq!(beats.len(), 3);
    assert_eq!(beats[0].place, "__debezium-heartbeat.app");
    let Act::Record { key: Some(key), .. } = &beats[0].act else { panic!("a record with a key") };
    assert_eq!(&key[..], br#"{"serverName":"app"}"#);
    assert!(body(&beats[0])["ts_ms"].is_u64() && beats[0].headers.is_empty());
    erp.stats.state.set("waiting: nothing listens there");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(house.delivered().await.is_empty(), "nobody is told that a source lives that is away");
    erp.stats.state.set("held");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(house.delivered().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn receiver_that_is_away_for_hours_finds_one_heartbeat_and_holds_no_position() {
    let (receiver, is_back) = (Receiver::default(), Arc::new(AtomicBool::new(false)));
    let away = Arc::new(Away(receiver.clone(), is_back.clone()));
    let house = house_of(None, EVERY_10_S, (receiver, away), vec![source("streaming")]);
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(house.ledger.unpaid(), 0);
    // What the log has goes behind it, and is free of its source as soon as it is on disk.
    assert!(house.told(rows(&[1], Vec::new())).await.is_empty());
    assert_eq!(*house.ledger.confirmed().borrow(), Some(Position::Postgres(Lsn(100))));
    is_back.store(true, Relaxed);
    tokio::time::sleep(Duration::from_secs(125)).await;
    let places: Vec<String> = house.delivered().await.iter().map(|message| message.place.clone()).collect();
    assert_eq!(places[..2], ["__debezium-heartbeat.app", "app.public.t"], "{places:?}");
    assert!(places.len() < 15, "one for the hours, and one each ten seconds since: {places:?}");
}

#[test]
fn message_goes_to_every_kind_of_target_and_says_what_it_holds() {
    let template = |text: &str| Template::parse(text).expect("a template");
    let debezium = || Box::new(Debezium::new(DebeziumOptions::default(), Some("app".into())));
    let said = |shape: &Shape, content: &'static [u8]| {
        let message = LogicalMessage {
            prefix: "audit".into(),
            content: content.into(),
            transactional: true,
            lsn: 5,
            previous_end: None,
        };
        let said = super::notices::Said::Message(&message, None);
        let draft = shape.said(&message_of(&message), &said).expect("written").expect("a place for it");
        (draft.key, draft.place, String::from_utf8_lossy(&draft.body).into_owned())
    };
    let request = Shape::Request { method: "POST".into(), path: Some(template("/log")), body: Body::Flat };
    let text = r#"{"prefix":"audit","content":"who","__op":"m","__source_ts_ms":946684800000}"#;
    assert_eq!(said(&request, b"who"), ("audit".into(), "/log".to_owned(), text.to_owned()));
    let bytes = r#"{"prefix":"audit","content_base64":"/wA=","__op":"m","__source_ts_ms":946684800000}"#;
    assert_eq!(said(&request, b"\xff\0").2, bytes);
    let stream = Shape::Stream { stream: template("log"), max_len: None, body: Body::Debezium(debezium()) };
    let (key, place, body) = said(&stream, b"who");
    assert_eq!((&key[..], place.as_str()), (&b"log"[..], "log"), "a stream is in order as a whole");
    assert!(
        body.starts_with(r#"{"op":"m","ts_ms":"#) && body.ends_with(r#"{"prefix":"audit","content":"d2hv"}}"#),
        "{body}"
    );
    let flat = Shape::Record { topic: Some(template("log")), tombstones: true, debezium: debezium(), flat: true };
    let (key, place, body) = said(&flat, b"who");
    assert_eq!((&key[..], place.as_str(), body.as_str()), (&b"log\0{\"prefix\":\"audit\"}"[..], "log", text));
}

/// It was called JSON whatever it was.
#[test]
fn content_of_what_is_no_row_is_called_what_it_is() {
    for (encoding, name) in [(Encoding::Avro, "avro/binary"), (Encoding::Schemas, "application/json")] {
        let options = DebeziumOptions::parse(encoding, &[]).expect("no options");
        let debezium = Debezium::new(options, Some("app".into()));
        let beat = super::said::own_record(debezium.heartbeat_record("erp", 5).expect("a heartbeat"));
        assert_eq!(&*beat.content_type, name);
    }
}

fn message_of(message: &LogicalMessage) -> Notice {
    notice(0, 5, NoticeKind::Message(Arc::new(message.clone())))
}

fn schema_change(nth: u32, table: &str) -> Notice {
    let event = BinlogEvent {
        first_row: 0,
        skipped_rows: 0,
        file: "binlog.000001".into(),
        offset: 4,
        server_id: 1,
        thread: 0,
        gtid: Gtid::None,
        query: None,
    };
    let own = vec![format!("public.{table}")];
    let change = SchemaChange {
        database: "public".into(),
        about: SchemaChangeAbout::Tables { names: vec![table.into()], own },
        statement: format!("DROP TABLE `public`.`{table}`"),
        change: None,
        event,
    };
    let notice = notice(1, 10, NoticeKind::SchemaChange(Arc::new(change)));
    Notice { mark: RowMark { sub: nth, ..notice.mark }, ..notice }
}

#[tokio::test(start_paused = true)]
async fn schema_changes_go_to_the_topic_of_the_prefix_behind_the_rows_before_them() {
    let told = async |option| {
        let receiver = Receiver::default();
        let house = house_of(None, option, (receiver.clone(), Arc::new(receiver)), Vec::new());
        house.told(rows(&[1], vec![schema_change(1, "t"), schema_change(2, "u")])).await
    };
    let messages = told(("include.schema.changes", "true")).await;
    let shown: Vec<(&str, Value)> =
        messages.iter().map(|message| (message.place.as_str(), body(message)["ddl"].clone())).collect();
    let wanted = [
        ("app.public.t", Value::Null),
        ("app", json!("DROP TABLE `public`.`t`")),
        ("app", json!("DROP TABLE `public`.`u`")),
    ];
    assert_eq!(shown, wanted);
    let places: Vec<Place> = messages.iter().map(|message| message.origin.place()).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "in the order of the log: {places:?}");
    assert!(messages[1].headers.iter().any(|(name, _)| &**name == "__debezium.context.connectorName"));
    let Act::Record { key: Some(key), tombstone: false } = &messages[1].act else { panic!("a record with a key") };
    assert_eq!(&key[..], br#"{"databaseName":"public"}"#);
    assert_eq!(told(("include.schema.changes", "false")).await.len(), 1);
}
