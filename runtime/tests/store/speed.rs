//! How many messages a second survive a loss of power, and how many go all the way: parked, loaded, settled. Only when asked for:
//! `cargo test --release -p sluicegate --test store -- --ignored --nocapture speed`.

use crate::history::lane_name;
use bytes::Bytes;
use futures_util::future::join_all;
use sluicegate::change::{Content, Database, Message, MessageId, Origin, RowMark, Schema};
use sluicegate::store::{Carried, LaneId, Park, Seq, Settlement, SqliteStore, Store, Window};
use std::sync::Arc;
use std::time::Instant;

const MESSAGES: usize = 256_000;
const BODY_BYTES: usize = 1_024;

struct Load {
    lanes: usize,
    /// Messages that a lane parks at once.
    parks: usize,
    window: Window,
}

fn message(n: u64, schema: &Arc<Schema>, body: &Bytes) -> Message {
    let mark = RowMark { commit: n, change: n, sub: 0, transaction: 1 };
    let origin = Origin { schema: schema.clone(), mark, ..Origin::default() };
    let id = MessageId(format!("erp-{n:x}-0").into());
    let content_type = "application/json".into();
    Content { body: body.clone(), content_type, ..Content::new(id, n.to_string().into(), origin) }.into()
}

async fn park_all(store: &SqliteStore, lane: LaneId, load: &Load, messages: &[Message]) {
    // Two at a time: one is written while the other one is made.
    let mut before = None;
    for chunk in messages.chunks(load.parks) {
        let carried = |message: &Message| Carried { message: message.clone(), attempts: 1, arrived_us: 7 };
        let next = store.park(lane, Park { messages: chunk.iter().map(carried).collect(), marks: Vec::new() });
        if let Some(before) = before.replace(next) {
            before.await.expect("parked");
        }
    }
    if let Some(last) = before {
        last.await.expect("parked");
    }
}

async fn catch_up(store: &SqliteStore, lane: LaneId, window: Window) -> usize {
    let (mut after, mut count) = (Seq(0), 0);
    let mut before = None;
    loop {
        let loaded = store.load(lane, after, window).await.expect("loaded");
        let Some(last) = loaded.last() else { break };
        after = last.seq;
        count += loaded.len();
        let over = loaded.iter().map(|loaded| loaded.seq).collect();
        let next = store.settle(lane, Settlement { over, ..Settlement::default() });
        if let Some(before) = before.replace(next) {
            before.await.expect("settled");
        }
    }
    if let Some(last) = before {
        last.await.expect("settled");
    }
    count
}

async fn measure(load: Load) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk");
    let store = SqliteStore::open(folder.path()).expect("open");
    let database = Arc::new(Database { name: "app".into(), ..Database::default() });
    let (source, namespace, table) = ("erp".into(), "public".into(), "item".into());
    let schema = Arc::new(Schema { source, database, namespace, table, ..Schema::default() });
    let body = Bytes::from(vec![b'x'; BODY_BYTES]);
    let messages: Vec<Message> = (0..MESSAGES as u64).map(|n| message(n, &schema, &body)).collect();
    let lanes: Vec<LaneId> = (0..load.lanes).map(|n| store.lane(&lane_name(n)).expect("a lane").id).collect();
    let own = messages.chunks(MESSAGES / load.lanes);
    let begun = Instant::now();
    join_all(lanes.iter().zip(own).map(|(lane, own)| park_all(&store, *lane, &load, own))).await;
    let parked = begun.elapsed();
    let bytes = store.disk_bytes();
    let counts = join_all(lanes.iter().map(|lane| catch_up(&store, *lane, load.window))).await;
    let whole = begun.elapsed();
    assert_eq!(counts.iter().sum::<usize>(), MESSAGES);
    let rate = |time: std::time::Duration| (MESSAGES as f64 / time.as_secs_f64()) as u64;
    println!(
        "{} lanes: {} messages/s parked, {} messages/s loaded and settled, {} messages/s all the way; {} MiB on disk",
        load.lanes,
        rate(parked),
        rate(whole - parked),
        rate(whole),
        bytes >> 20
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long and measures; see the first line"]
async fn speed_of_parking_and_catching_up() {
    measure(Load { lanes: 1, parks: 512, window: Window { messages: 512, bytes: 1 << 20 } }).await;
    measure(Load { lanes: 1_000, parks: 16, window: Window { messages: 64, bytes: 1 << 20 } }).await;
}
