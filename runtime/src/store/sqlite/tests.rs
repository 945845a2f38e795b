//! What the port promises, on files of its own.

use super::*;
use crate::change::{
    Act, CacheValue, Column, Content, Database, DatabaseKind, Message, MessageId, Op, Origin, Place, RowMark, Schema,
    Tag, Trim,
};
use crate::store::{Buried, Carried, DeadRow, KeyHash};
use bytes::Bytes;
use rusqlite::Connection;
use std::sync::Arc;

const ALL: Window = Window { messages: usize::MAX, bytes: usize::MAX };

fn schema(table: &str) -> Arc<Schema> {
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

fn origin(commit: u64) -> Origin {
    let mark = RowMark { commit, change: u64::MAX - commit, sub: 5, transaction: 99 };
    Origin { schema: schema("item"), op: Op::Update, mark, index: 2, nth: 4 }
}

fn message(id: &str, key: &str, commit: u64) -> Message {
    let id = MessageId(id.into());
    let content =
        Content { body: Bytes::from(vec![b'x'; 100]), ..Content::new(id, key.to_owned().into(), origin(commit)) };
    content.into()
}

fn carried(message: Message) -> Carried {
    Carried { message, attempts: 3, arrived_us: 1_700_000_000_000_000 }
}

fn park(ids: &[&str]) -> Park {
    Park { messages: ids.iter().map(|id| carried(message(id, "k", 1))).collect(), marks: Vec::new() }
}

fn name(member: &str) -> LaneName {
    LaneName { pipeline: "orders".into(), target: "shops".into(), member: member.into() }
}

fn letter(message: Message, member: &str) -> DeadLetter {
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

fn place(commit: u64) -> Place {
    Place { epoch: 1, commit, change: 2, sub: 3, nth: 4 }
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(folder.path()).expect("open")
}

fn ids(loaded: &[Loaded]) -> Vec<&str> {
    loaded.iter().map(|loaded| &*loaded.carried.message.id.0).collect()
}

fn checkpoint(position: &str) -> Checkpoint {
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

#[test]
fn state_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(&folder);
    let second = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(second.contains("another sluicegate holds"), "{second}");
    drop(first);
    open(&folder);
}

#[test]
fn damaged_and_newer_files_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("state.db"), b"this is no database, it is a letter").expect("write");
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("is damaged") && refused.contains("sluicegate salvage"), "{refused}");

    let folder = tempfile::tempdir().expect("a folder");
    let newer = Connection::open(folder.path().join("state.db")).expect("create");
    newer.execute_batch("PRAGMA user_version = 99;").expect("set");
    drop(newer);
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("newer version (format 99"), "{refused}");
}

/// As the version before wrote it.
#[tokio::test]
async fn file_of_format_1_keeps_its_checkpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let older = Connection::open(folder.path().join("state.db")).expect("create");
    let format_1 = "PRAGMA journal_mode=WAL;
        CREATE TABLE checkpoint (source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL,
            written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (source, stream));
        PRAGMA user_version = 1;
        INSERT INTO checkpoint (source, stream, position) VALUES ('erp', 'slot', '0/10'), ('hr', 'binlog', '7 b.1 4');";
    older.execute_batch(format_1).expect("write");
    drop(older);
    let store = open(&folder);
    store.save(checkpoint("0/20")).await.expect("save");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.checkpoint("erp", "slot").expect("read"), Some(checkpoint("0/20")));
    let hr = store.checkpoint("hr", "binlog").expect("read").expect("kept");
    assert_eq!(hr.position, "7 b.1 4");
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
    let sent: Vec<Message> = acts
        .into_iter()
        .enumerate()
        .map(|(n, act)| {
            let content = Content {
                body: Bytes::from(vec![n as u8, 0, 0xff]),
                content_type: "application/json".into(),
                headers: vec![("x-\"quoted\"".into(), "ünïcode\n".into())],
                place: "a/b {c}".into(),
                act,
                committed_at_us: -5,
                ..Content::new(MessageId(format!("m{n}").into()), Bytes::from_static(b"k\xff"), origin(u64::MAX - 1))
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
        let Origin { schema, op, mark, index, nth } = &sent.origin;
        assert_eq!((&back.origin.op, &back.origin.mark, &back.origin.index, &back.origin.nth), (op, mark, index, nth));
        assert_eq!((&first.source, &first.namespace, &first.table), (&schema.source, &schema.namespace, &schema.table));
        assert_eq!(first.database, schema.database);
        assert_eq!((&back.id, &back.key, &back.body, &back.act), (&sent.id, &sent.key, &sent.body, &sent.act));
        assert_eq!((&back.content_type, &back.headers, &back.place), (&sent.content_type, &sent.headers, &sent.place));
        assert_eq!(back.committed_at_us, sent.committed_at_us);
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

#[tokio::test]
async fn dead_letters_are_found_told_apart_and_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    store.park(lane, park(&["a1", "a2"])).await.expect("parked");
    let dead = vec![letter(message("a1", "k", 1), "a")];
    store.settle(lane, Settlement { over: vec![Seq(1)], dead, ..Settlement::default() }).await.expect("settled");
    let row = DeadRow {
        id: "erp-1-2.3".into(),
        schema: schema("item"),
        mark: RowMark { commit: u64::MAX, change: 2, sub: 3, transaction: 4 },
        frame: Bytes::from_static(b"\x00frame"),
        json: Bytes::from_static(b"{\"id\":1}"),
    };
    let of_row = DeadLetter {
        buried: Buried::Row(Arc::new(row.clone())),
        target: "".into(),
        member: "".into(),
        died_us: 60,
        backtrace: Some("at line 1".into()),
        ..letter(message("x", "", 1), "")
    };
    store.bury(vec![of_row]).await.expect("buried");
    drop(store);
    let store = open(&folder);
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(
        all.iter().map(|d| (d.id.0, &*d.name, d.is_row)).collect::<Vec<_>>(),
        [(2, "erp-1-2.3", true), (1, "a1", false)]
    );
    assert_eq!((all[1].table.as_str(), all[1].attempts, all[1].generation.as_deref()), ("shop.item", 4, Some("ab12")));
    let only = |filter: DeadFilter| async { store.dead(filter).await.expect("dead").len() };
    assert_eq!(only(DeadFilter { target: Some("shops".into()), ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { table: Some("shop.item".into()), ..DeadFilter::default() }).await, 2);
    assert_eq!(only(DeadFilter { since_us: Some(7), ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { reason: Some("answered 4".into()), limit: 1, ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { before: Some(DeadId(1)), ..DeadFilter::default() }).await, 0);

    let whole = store.dead_letter(DeadId(2)).await.expect("read").expect("there");
    let Buried::Row(back) = &whole.buried else { panic!("a row") };
    assert_eq!((&back.id, &back.mark, &back.frame, &back.json), (&row.id, &row.mark, &row.frame, &row.json));
    assert_eq!(back.schema, row.schema);
    assert_eq!(whole.backtrace.as_deref(), Some("at line 1"));
    assert!(store.dead_letter(DeadId(3)).await.expect("read").is_none());
    assert_eq!(store.lane(&name("a")).expect("a lane").dead, 1);
    assert_eq!(store.drop_dead(vec![DeadId(2), DeadId(2), DeadId(9)]).await.expect("dropped"), 1);
}

#[tokio::test]
async fn what_dies_again_replaces_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    for attempts in [1, 2] {
        let letter = DeadLetter { attempts, ..letter(message("a1", "k", 1), "a") };
        store.bury(vec![letter]).await.expect("buried");
    }
    store.bury(vec![letter(message("a1", "k", 1), "b")]).await.expect("another lane's");
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(all.iter().map(|d| (d.id.0, d.attempts)).collect::<Vec<_>>(), [(2, 4), (1, 2)]);
    drop(store);
    open(&folder);
}

#[tokio::test]
async fn only_older_letters_of_the_same_key_and_lane_are_superseded() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let dead = [("old", "k", 5, "a"), ("new", "k", 9, "a"), ("other key", "l", 5, "a"), ("other lane", "k", 5, "b")];
    let dead = dead.map(|(id, key, commit, member)| letter(message(id, key, commit), member));
    store.bury(dead.to_vec()).await.expect("buried");
    let keys = store.lane(&name("a")).expect("a lane").dead_keys;
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&KeyHash::of(b"k")) && keys.contains(&KeyHash::of(b"l")));
    let superseded = vec![message("delivered", "k", 7)];
    store.settle(lane, Settlement { superseded, ..Settlement::default() }).await.expect("settled");
    drop(store);
    let store = open(&folder);
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    let marked: Vec<&str> = all.iter().filter(|d| d.is_superseded).map(|d| &*d.name).collect();
    assert_eq!(marked, ["old"]);
    assert!(store.dead_letter(DeadId(1)).await.expect("whole still").is_some());
    assert_eq!(store.lane(&name("a")).expect("a lane").dead_keys.len(), 2, "one of its key is not superseded");
}

#[tokio::test]
async fn revived_message_waits_behind_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    store.bury(vec![letter(message("dead", "k", 1), "a"), letter(message("gone", "k", 1), "z")]).await.expect("buried");
    store.park(lane, park(&["a1"])).await.expect("parked");
    assert_eq!(store.revive(DeadId(1)).await.expect("revived"), Some((lane, Seq(2))));
    assert_eq!(store.revive(DeadId(1)).await.expect("asked"), None);
    let loaded = store.load(lane, Seq(0), ALL).await.expect("loaded");
    assert_eq!(ids(&loaded), ["a1", "dead"]);
    assert_eq!(loaded[1].carried.attempts, 0);
    let (made, _) = store.revive(DeadId(2)).await.expect("revived").expect("a message");
    assert_ne!(made, lane, "its lane is made if it is not there");
    drop(store);
    assert_eq!(open(&folder).lanes().expect("lanes").len(), 2);
}

#[tokio::test]
async fn cleared_lane_is_dead_or_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let [a, b] = ["a", "b"].map(|member| store.lane(&name(member)).expect("a lane").id);
    let many: Vec<String> = (0..1_200).map(|n| format!("a{n}")).collect();
    store.park(a, park(&many.iter().map(String::as_str).collect::<Vec<_>>())).await.expect("parked");
    store.park(b, park(&["b1", "b2"])).await.expect("parked");
    assert_eq!(store.clear_lane(a, Some("the member is gone".into())).await.expect("cleared"), 1_200);
    assert_eq!(store.clear_lane(b, None).await.expect("cleared"), 2);
    drop(store);
    let store = open(&folder);
    let lanes = store.lanes().expect("lanes");
    assert!(lanes.iter().all(|(_, lane)| (lane.parked, lane.parked_bytes) == (0, 0)), "{lanes:?}");
    let dead = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(dead.len(), 1_200);
    assert_eq!((dead[0].name.as_str(), dead[0].table.as_str()), ("a1199", "shop.item"));
}

/// With the page limit that SQLite has for it: it says the same as on a full disk.
#[tokio::test]
async fn full_disk_takes_nothing_half_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let limit = |pages: i64| {
        let wish = Wish::new(Outlives::Process, 0);
        store
            .write_now(&wish, move |desk| {
                desk.connection.pragma_update(None, "max_page_count", pages)?;
                Ok(())
            })
            .expect("limited");
    };
    limit(60);
    let many: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut parked = 0;
    let refused = loop {
        // Two in one group: the small one has room still, or has not, but it is never taken for the large one.
        let (large, small) = (store.park(lane, park(&many)), store.park(lane, park(&["small"])));
        let (large, small) = (large.await, small.await);
        parked += if large.is_ok() { 40 } else { 0 } + u64::from(small.is_ok());
        assert!(parked < 10_000, "no limit was met");
        if let Err(refused) = large {
            break refused;
        }
    };
    let said = refused.to_string();
    assert!(
        matches!(refused, StoreError::Full { .. }) && said.contains("full") && said.contains("make room"),
        "{said}"
    );
    assert_eq!(store.lane(&name("a")).expect("a lane").parked, parked);
    assert_eq!(store.load(lane, Seq(0), ALL).await.expect("loaded").len() as u64, parked);
    store.settle(lane, Settlement { over: vec![Seq(1)], ..Settlement::default() }).await.expect("room is made");
    limit(1 << 30);
    store.park(lane, park(&many)).await.expect("there is room again");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.lane(&name("a")).expect("a lane").parked, parked - 1 + 40);
}

/// The first page of a new file can stand in for that of any other.
#[test]
fn tables_lie_in_every_file_where_they_lie_in_a_new_one() {
    let places = |connection: &Connection| {
        let mut select = connection.prepare("SELECT name, rootpage FROM sqlite_schema ORDER BY name").expect("tables");
        let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("tables");
        found.collect::<Result<Vec<(String, i64)>, _>>().expect("tables")
    };
    let file = |folder: &tempfile::TempDir| Connection::open(folder.path().join("state.db")).expect("open");
    let new = tempfile::tempdir().expect("a folder");
    drop(open(&new));
    let older = tempfile::tempdir().expect("a folder");
    let format_1 = "CREATE TABLE checkpoint (source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (source, stream)); PRAGMA user_version = 1;";
    file(&older).execute_batch(format_1).expect("write");
    drop(open(&older));
    assert_eq!(places(&file(&new)), places(&file(&older)));
    file(&new).execute_batch("INSERT INTO tally VALUES ('x', 0, 0, 0, 0); VACUUM").expect("vacuumed");
    assert_eq!(places(&file(&new)), places(&file(&older)));
}
