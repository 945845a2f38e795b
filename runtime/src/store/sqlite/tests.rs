//! What the port promises, on files of its own.

use super::*;
use crate::change::{
    Act, CacheValue, Column, Content, Database, DatabaseKind, Message, MessageId, Op, Origin, Place, RecordForm,
    RowMark, Schema, Tag, Trim,
};
use crate::store::{Buried, Carried};
use bytes::Bytes;
use std::sync::Arc;

pub(super) const ALL: Window = Window { messages: usize::MAX, bytes: usize::MAX };

pub(super) fn schema(table: &str) -> Arc<Schema> {
    let database = Database { kind: DatabaseKind::Mariadb, name: "app".into(), epoch: 3 };
    let mut name = Column::new("name", "varchar(20)", Tag::Text, false);
    name.detail.labels = vec!["a".into(), "b".into()];
    name.detail.modifiers = vec![20, -1];
    name.detail.default = Some("'x'".into());
    Arc::new(Schema {
        id: crate::change::SchemaId(7),
        source: "erp".into(),
        database: Arc::new(database),
        namespace: "shop".into(),
        table: table.into(),
        columns: vec![Column::new("id", "int(11)", Tag::Int, true), name],
    })
}

pub(super) fn origin(commit: u64) -> Origin {
    let mark = RowMark { commit, change: u64::MAX - commit, sub: 5, transaction: 99 };
    Origin { schema: schema("item"), op: Some(Op::Update), mark, index: 2, nth: 4, again: false }
}

pub(super) fn message(id: &str, key: &str, commit: u64) -> Message {
    let id = MessageId(id.into());
    let content =
        Content { body: Bytes::from(vec![b'x'; 100]), ..Content::new(id, key.to_owned().into(), origin(commit)) };
    content.into()
}

pub(super) fn carried(message: Message) -> Carried {
    Carried { message, attempts: 3, arrived_us: 1_700_000_000_000_000 }
}

pub(super) fn park(ids: &[&str]) -> Park {
    Park { messages: ids.iter().map(|id| carried(message(id, "k", 1))).collect(), marks: Vec::new() }
}

pub(super) fn name(member: &str) -> LaneName {
    LaneName { pipeline: "orders".into(), target: "shops".into(), member: member.into() }
}

pub(super) fn letter(message: Message, member: &str) -> DeadLetter {
    let LaneName { pipeline, target, member } = name(member);
    DeadLetter {
        pipeline,
        target,
        member,
        buried: Buried::Message(message),
        reason: "it answered 400".into(),
        attempts: 4,
        last_answer: Some("no".into()),
        guest: None,
        generation: Some("ab12".into()),
        backtrace: None,
        arrived_us: 5,
        died_us: 6,
    }
}

pub(super) fn place(commit: u64) -> Place {
    Place { epoch: 1, commit, change: 2, sub: 3, nth: 4 }
}

pub(super) fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(folder.path()).expect("open")
}

pub(super) fn ids(loaded: &[Loaded]) -> Vec<&str> {
    loaded.iter().map(|loaded| &*loaded.carried.message.id.0).collect()
}

pub(super) fn checkpoint(position: &str) -> Checkpoint {
    Checkpoint { source: "erp".into(), stream: "slot".into(), position: position.into() }
}

#[tokio::test]
async fn checkpoint_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    assert_eq!(store.checkpoint("erp", "slot").expect("read"), None);
    store.save(checkpoint("0/10")).await.expect("save");
    store.save(checkpoint("0/20")).await.expect("save");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.checkpoint("erp", "slot").expect("read"), Some(checkpoint("0/20")));
    assert_eq!(store.checkpoint("erp", "other slot").expect("read"), None);
}

#[tokio::test]
async fn parked_messages_come_back_whole_and_in_order() {
    let acts = [
        Act::Request { method: "PUT".into() },
        Act::Record { key: None, tombstone: false },
        Act::Record { key: Some(Bytes::from_static(b"k\xff")), tombstone: true },
        Act::Record { key: Some(Bytes::from_static(b"\x00\xfe")), tombstone: false },
        Act::Put { value: CacheValue::Text },
        Act::Put { value: CacheValue::Hash },
        Act::Remove,
        Act::Append { trim: None },
        Act::Append { trim: Some(Trim::Length(9)) },
        Act::Append { trim: Some(Trim::Age(u64::MAX)) },
        Act::Publish,
        Act::Push,
    ];
    let schema: Arc<str> = "{\"type\":\"record\"}".into();
    let forms = [
        RecordForm::default(),
        RecordForm { key_schema: Some("\"string\"".into()), value_schema: Some(schema), is_null: false },
        RecordForm { key_schema: None, value_schema: None, is_null: true },
    ];
    let sent: Vec<Message> = acts
        .into_iter()
        .enumerate()
        .map(|(n, act)| {
            let content = Content {
                body: Bytes::from(vec![n as u8, 0, 0xff]),
                content_type: "application/json".into(),
                headers: vec![("x-\"quoted\"".into(), "ünïcode\n".into())].into(),
                place: "a/b {c}".into(),
                act,
                committed_at_us: -5,
                form: forms[n % 3].clone(),
                ..Content::new(
                    MessageId(format!("m{n}").into()),
                    Bytes::from_static(b"k\xff"),
                    // Some were made of no row.
                    Origin { op: (n % 2 == 0).then_some(Op::Delete), ..origin(u64::MAX - 1) },
                )
            };
            content.into()
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let parked = Park { messages: sent.iter().cloned().map(carried).collect(), marks: Vec::new() };
    assert_eq!(store.park(lane, parked).await.expect("parked"), Seq(1));
    drop(store);
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane");
    assert_eq!((lane.parked, lane.last), (12, Seq(12)));
    assert_eq!(lane.parked_bytes, sent.iter().map(|m| m.byte_len() as u64).sum::<u64>());
    let loaded = store.load(lane.id, Seq(0), ALL).await.expect("loaded");
    assert_eq!(loaded.len(), sent.len());
    for (n, (loaded, sent)) in loaded.iter().zip(&sent).enumerate() {
        assert_eq!(loaded.seq, Seq(n as i64 + 1));
        assert_eq!((loaded.carried.attempts, loaded.carried.arrived_us), (3, 1_700_000_000_000_000));
        let (back, first) = (&loaded.carried.message, &loaded.carried.message.origin.schema);
        let Origin { schema, op, mark, index, nth, .. } = &sent.origin;
        assert_eq!((&back.origin.op, &back.origin.mark, &back.origin.index, &back.origin.nth), (op, mark, index, nth));
        assert_eq!((&first.source, &first.namespace, &first.table), (&schema.source, &schema.namespace, &schema.table));
        assert_eq!(first.database, schema.database);
        assert_eq!((&back.id, &back.key, &back.body, &back.act), (&sent.id, &sent.key, &sent.body, &sent.act));
        assert_eq!((&back.content_type, &back.headers, &back.place), (&sent.content_type, &sent.headers, &sent.place));
        assert_eq!(back.committed_at_us, sent.committed_at_us);
        if let Act::Record { .. } = back.act {
            assert_eq!(back.form, sent.form);
        }
    }
    assert!(Arc::ptr_eq(&loaded[0].carried.message.origin.schema, &loaded[11].carried.message.origin.schema));
}

#[tokio::test]
async fn lanes_keep_apart_what_waits_and_windows_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let [a, b] = ["a", "b"].map(|member| store.lane(&name(member)).expect("a lane").id);
    store.park(a, park(&["a1", "a2"])).await.expect("parked");
    store.park(b, park(&["b1"])).await.expect("parked");
    assert_eq!(store.park(a, park(&["a3"])).await.expect("parked"), Seq(4));
    let all = store.load(a, Seq(0), ALL).await.expect("loaded");
    assert_eq!(ids(&all), ["a1", "a2", "a3"]);
    assert_eq!(ids(&store.load(a, Seq(1), ALL).await.expect("loaded")), ["a2", "a3"]);
    let two = Window { messages: 2, bytes: usize::MAX };
    assert_eq!(ids(&store.load(a, Seq(0), two).await.expect("loaded")), ["a1", "a2"]);
    let small = Window { messages: 9, bytes: 1 };
    assert_eq!(ids(&store.load(a, Seq(0), small).await.expect("loaded")), ["a1"], "one always fits");
    let len = all[0].carried.message.byte_len();
    let exact = Window { messages: 9, bytes: 2 * len };
    assert_eq!(ids(&store.load(a, Seq(0), exact).await.expect("loaded")), ["a1", "a2"]);
}

#[tokio::test]
async fn settling_twice_is_settling_once_and_numbers_are_not_given_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let [a, b] = ["a", "b"].map(|member| store.lane(&name(member)).expect("a lane").id);
    store.park(a, park(&["a1", "a2", "a3"])).await.expect("parked");
    let over = |seqs: &[i64]| Settlement { over: seqs.iter().map(|seq| Seq(*seq)).collect(), ..Settlement::default() };
    store.settle(a, over(&[2, 2, 77])).await.expect("settled");
    store.settle(a, over(&[2])).await.expect("settled");
    store.settle(b, over(&[1])).await.expect("another lane's message stays");
    assert_eq!(ids(&store.load(a, Seq(0), ALL).await.expect("loaded")), ["a1", "a3"]);
    store.settle(a, over(&[3, 1])).await.expect("settled");
    drop(store);
    let store = open(&folder);
    let record = store.lane(&name("a")).expect("a lane");
    assert_eq!((record.id, record.parked, record.parked_bytes, record.last), (a, 0, 0, Seq(0)));
    assert_eq!(store.park(a, park(&["a4"])).await.expect("parked"), Seq(4));
}

#[tokio::test]
async fn marks_grow_beyond_63_bits_and_never_go_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let at = |source: &str, commit| Park { marks: vec![(source.into(), place(commit))], ..Park::default() };
    for commit in [5, u64::MAX, i64::MAX as u64, 0] {
        store.park(lane, at("erp", commit)).await.expect("parked");
    }
    store.park(lane, at("hr", 1)).await.expect("parked");
    drop(store);
    let store = open(&folder);
    let marks = store.lane(&name("a")).expect("a lane").marks;
    assert_eq!(marks, [("erp".into(), place(u64::MAX)), ("hr".into(), place(1))]);
    store.forget_marks("erp").expect("forgotten");
    assert_eq!(store.lanes().expect("lanes")[0].1.marks, [("hr".into(), place(1))]);
}

#[tokio::test]
async fn what_a_lane_asks_is_done_in_order_without_waiting_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let first = store.park(lane, park(&["a1", "a2"]));
    let settled = store.settle(lane, Settlement { over: vec![Seq(1)], ..Settlement::default() });
    let second = store.park(lane, park(&["a3"]));
    let loaded = store.load(lane, Seq(0), ALL).await.expect("loaded");
    assert_eq!(ids(&loaded), ["a2", "a3"], "a load sees what was asked before it");
    drop(first);
    settled.await.expect("settled");
    assert_eq!(second.await.expect("parked"), Seq(3));
}

#[tokio::test]
async fn one_that_fails_does_not_fail_its_neighbours() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let good = store.park(lane, park(&["a1"]));
    let bad = store.park(LaneId(99), park(&["x1", "x2"]));
    let after = store.park(lane, park(&["a2"]));
    good.await.expect("parked");
    let reason = bad.await.expect_err("no such lane").to_string();
    assert!(reason.contains("lane 99 is not in it"), "{reason}");
    after.await.expect("parked");
    assert_eq!(ids(&store.load(lane, Seq(0), ALL).await.expect("loaded")), ["a1", "a2"]);
    drop(store);
    let store = open(&folder);
    assert_eq!(store.lane(&name("a")).expect("a lane").parked, 2);
}
