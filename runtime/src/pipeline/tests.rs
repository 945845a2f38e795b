//! The corridor with guests and receivers made for the occasion.

use super::*;
use crate::change::{
    Cell, Column, Edits, FrameBuf, Lsn, Message, Op, Position, RowHead, RowMark, SchemaId, Tag, Template, Value,
};
use crate::guest::{Emission, Emitted, Generation, Judged, Judgement, OfferedRow, Rejection};
use crate::lane::{self, Ground, LaneSettings};
use crate::ledger::Ledger;
use crate::sink::{Refusal, Sink};
use crate::store::{Buried, DeadFilter, LaneName, MemoryStore};
use crate::telemetry::LaneStats;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Mutex;

/// Takes everything and remembers it.
#[derive(Clone, Default)]
pub(super) struct Receiver(pub(super) Arc<Mutex<Vec<Message>>>);

impl Sink for Receiver {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        self.0.lock().expect("no panic here").push(message.clone());
        async { Ok(()) }.boxed()
    }
}

impl Receiver {
    fn bodies(&self) -> Vec<String> {
        let messages = self.0.lock().expect("no panic here");
        messages.iter().map(|m| String::from_utf8_lossy(&m.body).into_owned()).collect()
    }
}

/// A guest whose judgement is a function of the row's `id`.
struct Guest<F>(&'static str, F);

impl<F: Fn(i64, &OfferedRow) -> Judgement + Send + Sync + 'static> Transform for Guest<F> {
    fn name(&self) -> &str {
        self.0
    }

    fn wants(&self, _: &Schema, op: Op) -> bool {
        op != Op::Truncate
    }

    fn judge(&self, batch: Arc<Batch>, rows: Vec<OfferedRow>) -> BoxFuture<'_, Judged> {
        let judge = |row: &OfferedRow| match batch.row(row.row as usize).new_cell(0) {
            Ok(Cell::Int(id)) => (self.1)(id, row),
            other => panic!("{other:?}"),
        };
        let judgements = rows.iter().map(judge).collect();
        async move { Judged { generation: Generation("g1".into()), judgements } }.boxed()
    }
}

pub(super) fn batch(ids: &[i64]) -> Batch {
    let column = |name: &str, tag, key| Column::new(name, "", tag, key);
    let schema = Schema {
        id: SchemaId(1),
        source: "erp".into(),
        database: Default::default(),
        namespace: "public".into(),
        table: "t".into(),
        columns: vec![column("id", Tag::Int, true), column("customer", Tag::Int, false)],
    };
    let mut frame = FrameBuf::new();
    let mut marks = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        frame.rows.push(RowHead {
            schema: 1,
            op: Op::Insert,
            old_is_key: false,
            first_cell: frame.cells.len() as u32,
            new_cells: 2,
            old_cells: 0,
            committed_at: 0,
            position: n as u64,
        });
        frame.push(Cell::Int(*id));
        frame.push(if *id == 13 { Cell::Null } else { Cell::Int(id % 2) });
        marks.push(RowMark { commit: 100, change: n as u64, sub: 0, transaction: 1 });
    }
    let confirms = Some(Position::Postgres(Lsn(100)));
    Batch {
        source: "erp".into(),
        frame,
        marks,
        schemas: vec![Arc::new(schema)],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms,
        received_at: std::time::Instant::now(),
    }
}

struct House {
    settings: PipelineSettings,
    receivers: HashMap<String, Receiver>,
    stats: Arc<PipelineStats>,
    store: Arc<MemoryStore>,
}

/// A pipeline with one target of two members, `0` and `1`, by the column `customer`.
fn house(guests: Vec<Arc<dyn Transform>>, on_error: OnError) -> House {
    let mut receivers = HashMap::new();
    let mut lanes = HashMap::new();
    for member in ["0", "1"] {
        let receiver = Receiver::default();
        let settings = LaneSettings { concurrency: 4, ..LaneSettings::new(LaneName::new("p", "t", member)) };
        let ground = Ground::alone(Arc::new(MemoryStore::default()), &settings.name).expect("a lane");
        let sink = Arc::new(receiver.clone());
        let (lane, _task) = lane::spawn(settings, sink, ground, Arc::new(LaneStats::default()));
        lanes.insert(member.to_owned(), lane);
        receivers.insert(member.to_owned(), receiver);
    }
    let settings = RouteSettings {
        name: "customer".into(),
        road: Arc::new(Road::new("customers", lanes)),
        tables: None,
        ops: None,
        only_named: false,
        messages: None,
        member: Some(Template::parse("{customer}").expect("a template")),
        key: None,
        headers: Vec::new(),
        shape: Shape::Request { method: "POST".into(), path: None, body: Body::Flat },
    };
    let stats = Arc::new(PipelineStats::default());
    let store = Arc::new(MemoryStore::default());
    let settings = PipelineSettings {
        name: "p".into(),
        tables: Arc::new(|_, table| table == "public.t"),
        on_error,
        routes: vec![Route::new("p", settings)],
        sources: Vec::new(),
        guests: Arc::new(move || guests.clone()),
        store: store.clone(),
        stats: stats.clone(),
    };
    House { settings, receivers, stats, store }
}

/// Sends one batch through and waits until it is paid.
async fn paid(house: House, batch: Batch) -> (HashMap<String, Receiver>, Arc<PipelineStats>) {
    let ledger = Ledger::new();
    let mut confirmed = ledger.confirmed();
    let ticket = ledger.open(batch.confirms.clone(), 1);
    let (inbox, batches) = mpsc::channel(1);
    let (_nothing, revived) = mpsc::channel(1);
    let corridor = tokio::spawn(Corridor::new(house.settings).run(batches, revived));
    inbox.send((Arc::new(batch), ticket)).await.expect("the corridor lives");
    let all_paid = confirmed.wait_for(Option::is_some);
    tokio::time::timeout(Duration::from_secs(60), all_paid).await.expect("paid in time").expect("the ledger lives");
    drop(inbox);
    corridor.await.expect("no panic");
    (house.receivers, house.stats)
}

fn reject() -> Judgement {
    Judgement::Reject(Box::new(Rejection { code: "bad".into(), message: "as told".into(), backtrace: None }))
}

#[tokio::test(start_paused = true)]
async fn passed_rows_reach_the_member_that_the_template_names() {
    let (receivers, stats) = paid(house(Vec::new(), OnError::DeadLetter), batch(&[1, 2, 3])).await;
    assert_eq!(receivers["1"].bodies().len(), 2);
    assert_eq!(receivers["0"].bodies().len(), 1);
    assert_eq!(stats.messages_total.load(Relaxed), 3);
    assert!(receivers["0"].bodies()[0].starts_with(r#"{"id":2,"customer":0,"#));
}

#[tokio::test(start_paused = true)]
async fn row_without_a_receiver_is_set_aside_whole_and_does_not_hold_the_rest() {
    let house = house(Vec::new(), OnError::DeadLetter);
    let store = house.store.clone();
    let (receivers, stats) = paid(house, batch(&[13, 2])).await;
    assert_eq!(stats.unroutable_total.load(Relaxed), 1, "row 13 has no customer");
    assert_eq!(receivers["0"].bodies().len(), 1);
    let dead = store.dead(DeadFilter::default()).await.expect("memory can be read");
    let [summary] = dead.as_slice() else { panic!("one dead letter: {dead:?}") };
    assert!(summary.is_row && summary.reason.contains("member"), "{summary:?}");
    let letter = store.dead_letter(summary.id).await.expect("memory can be read").expect("it is there");
    let Buried::Row(row) = &letter.buried else { panic!("a row") };
    let again = revived(row).expect("what was written can be read");
    assert_eq!((again.marks[0], again.len()), (row.mark, 1));
    assert_eq!(again.row(0).new_cell(0), Ok(Cell::Int(13)), "the row as it came");
}

#[tokio::test(start_paused = true)]
async fn guests_see_what_earlier_guests_passed_with_their_edits() {
    let first = Guest("a", |id, row: &OfferedRow| {
        assert!(row.edits.is_none());
        match id {
            1 => Judgement::Drop,
            _ => Judgement::Edit(Box::new(Edits {
                columns: vec![(0, Some(Value::new(Cell::Int(id * 10))))],
                added: vec![],
            })),
        }
    });
    let second = Guest("b", |id, row: &OfferedRow| {
        assert_ne!(id, 1, "dropped rows are not offered");
        let edits = row.edits.as_ref().expect("the first guest edited");
        assert_eq!(edits.of(0).flatten().map(Value::cell), Some(Cell::Int(id * 10)));
        Judgement::Edit(Box::new(Edits { columns: vec![], added: vec![("by".into(), Value::new(Cell::Text("b")))] }))
    });
    let (receivers, _) =
        paid(house(vec![Arc::new(first), Arc::new(second)], OnError::DeadLetter), batch(&[1, 2])).await;
    assert!(receivers["1"].bodies().is_empty());
    assert!(
        receivers["0"].bodies()[0].starts_with(r#"{"id":20,"customer":0,"by":"b","#),
        "{:?}",
        receivers["0"].bodies()
    );
}

#[tokio::test(start_paused = true)]
async fn emitted_messages_go_where_the_guest_says_and_have_ids_of_their_own() {
    let guest = Guest("a", |_, _: &OfferedRow| {
        let to = |route: &str, body: &str| Emitted {
            route: route.into(),
            member: Some("1".into()),
            key: Some("k".into()),
            headers: vec![("x-a".into(), "b".into())],
            body: Some(("text/plain".into(), bytes::Bytes::copy_from_slice(body.as_bytes()))),
        };
        let messages = vec![to("customer", "one"), to("customer", "two"), to("nowhere", "three")];
        Judgement::Emit(Box::new(Emission { edits: Edits::default(), messages }))
    });
    let (receivers, stats) = paid(house(vec![Arc::new(guest)], OnError::DeadLetter), batch(&[2])).await;
    assert_eq!(receivers["1"].bodies(), ["one", "two"]);
    assert_eq!(stats.unroutable_total.load(Relaxed), 1, "there is no route \"nowhere\"");
    let messages = receivers["1"].0.lock().expect("no panic here").clone();
    assert_ne!(messages[0].id, messages[1].id);
    assert_eq!((&*messages[0].content_type, &messages[0].key[..]), ("text/plain", &b"k"[..]));
}

#[tokio::test(start_paused = true)]
async fn refused_row_is_set_aside_and_the_others_go_on() {
    let guest = Guest("a", |id, _: &OfferedRow| if id == 2 { reject() } else { Judgement::Pass });
    let (receivers, stats) = paid(house(vec![Arc::new(guest)], OnError::DeadLetter), batch(&[1, 2, 4])).await;
    assert_eq!(stats.dead_total.load(Relaxed), 1);
    assert_eq!((receivers["0"].bodies().len(), receivers["1"].bodies().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn halted_pipeline_confirms_nothing_until_the_guest_is_mended() {
    let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_mended = mended.clone();
    let guest = Guest("a", move |_, _: &OfferedRow| if is_mended.load(Relaxed) { Judgement::Pass } else { reject() });
    let house = house(vec![Arc::new(guest)], OnError::Halt);
    let stats = house.stats.clone();
    let walking = tokio::spawn(paid(house, batch(&[2])));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(stats.halted.get().is_some());
    assert!(!walking.is_finished());
    mended.store(true, Relaxed);
    let (receivers, stats) = walking.await.expect("no panic");
    assert_eq!(receivers["0"].bodies().len(), 1);
    assert_eq!(stats.halted.get(), None);
}

#[tokio::test(start_paused = true)]
async fn rows_of_foreign_tables_pay_and_pass_by() {
    let mut foreign = batch(&[1]);
    let schema = Schema { table: "other".into(), ..(*foreign.schemas[0]).clone() };
    foreign.schemas = vec![Arc::new(schema)];
    let (receivers, stats) = paid(house(Vec::new(), OnError::DeadLetter), foreign).await;
    assert!(receivers.values().all(|r| r.bodies().is_empty()));
    assert_eq!(stats.rows_total.load(Relaxed), 0);
}
