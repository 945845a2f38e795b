//! Messages as routes make them, and a sink that is used as a lane uses it.

use super::server::Server;
use bytes::Bytes;
use sluicegate::change::{
    Act, CacheValue, Content, Database, Message, MessageId, Op, Origin, RowMark, Schema, put_pair,
};
use sluicegate::fault::Fault;
use sluicegate::lane::{Ground, Lane, LaneSettings, Parcel, RetrySettings};
use sluicegate::ledger::Ledger;
use sluicegate::sink::redis::{BATCH_MAX, FLIGHTS, RedisSettings, RedisSink};
use sluicegate::sink::{Refusal, Sink};
use sluicegate::store::{LaneName, MemoryStore, Store};
use sluicegate::telemetry::LaneStats;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const TEXT: Act = Act::Put { value: CacheValue::Text };
pub const HASH: Act = Act::Put { value: CacheValue::Hash };

pub fn settings(server: &Server) -> RedisSettings {
    settings_to(server.url())
}

pub fn settings_to(url: String) -> RedisSettings {
    RedisSettings {
        url,
        nodes: Vec::new(),
        cluster: false,
        sentinel: None,
        timeout: Duration::from_secs(2),
        ca: None,
        identity: None,
        guard: Some(DAY),
    }
}

pub fn sink(server: &Server) -> RedisSink {
    RedisSink::new(settings(server)).expect("good settings")
}

/// What happened to a row at a place in the log.
#[derive(Clone, Copy, Debug)]
pub struct At(pub u64, pub Op);

pub fn message(at: At, act: Act, place: &str, body: &[u8]) -> Message {
    let At(commit, op) = at;
    let database = Arc::new(Database { name: "shop".into(), ..Database::default() });
    let schema = Schema {
        source: "erp".into(),
        database,
        namespace: "public".into(),
        table: "item".into(),
        ..Schema::default()
    };
    let change = commit.saturating_sub(1);
    let mark = RowMark { commit, change, sub: 0, transaction: 7 };
    // Of one row a route each makes a value, a hash and an entry.
    let nth = match act {
        Act::Put { value: CacheValue::Text } | Act::Remove => 0,
        Act::Put { value: CacheValue::Hash } => 1,
        _ => 2,
    };
    let origin = Origin { schema: Arc::new(schema), op: Some(op), mark, index: 0, nth, again: false };
    let id = MessageId(format!("erp-{commit:x}-{change:x}.0-8f3a11c2.0").into());
    let mut message = Content::new(id, Bytes::copy_from_slice(place.as_bytes()), origin);
    message.body = Bytes::copy_from_slice(body);
    message.content_type = "application/json".into();
    message.place = place.to_owned();
    message.act = act;
    message.into()
}

/// The body of a hash; a field without a value is null.
pub fn fields(fields: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in fields {
        match value {
            Some(value) => put_pair(&mut body, field.as_bytes(), value.as_bytes()),
            None => put_pair(&mut body, format!("\0{field}").as_bytes(), b""),
        }
    }
    body
}

pub async fn all(sink: &RedisSink, messages: &[Message]) {
    for (message, outcome) in messages.iter().zip(sink.deliver_all(messages).await) {
        outcome.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", message.place));
    }
}

pub async fn refusal(sink: &RedisSink, message: Message) -> Refusal {
    sink.deliver(&message).await.expect_err("a refusal")
}

pub async fn refused(sink: &RedisSink, message: Message, fault: Fault, sentence: &str) {
    let refusal = refusal(sink, message).await;
    assert_eq!(refusal.fault, fault, "{refusal:?}");
    assert!(refusal.reason.contains(sentence), "{refusal:?}");
}

/// A real lane before the sink.
pub struct Road {
    pub lane: Lane,
    _task: JoinHandle<()>,
    pub stats: Arc<LaneStats>,
    pub ledger: Ledger,
    store: Arc<MemoryStore>,
}

impl Road {
    pub fn new(settings: RedisSettings) -> Self {
        let lane = LaneSettings {
            concurrency: FLIGHTS,
            batch_max: BATCH_MAX,
            memory_bytes: 64 << 20,
            messages_max: 65_536,
            retry: RetrySettings {
                first: Duration::from_millis(50),
                max: Duration::from_millis(500),
                give_up_after: Duration::from_secs(600),
            },
            ..LaneSettings::new(LaneName::new("cache", "redis", "redis"))
        };
        let store = Arc::new(MemoryStore::default());
        let ground = Ground::alone(store.clone(), &lane.name).expect("a lane");
        let stats = Arc::new(LaneStats::default());
        let sink = Arc::new(RedisSink::new(settings).expect("good settings"));
        let (lane, task) = sluicegate::lane::spawn(lane, sink, ground, stats.clone());
        Self { lane, _task: task, stats, ledger: Ledger::new(), store }
    }

    pub async fn push(&self, message: Message) {
        let ticket = self.ledger.open(None, 1);
        assert!(self.lane.push(Parcel { message, ticket }).await.is_ok());
    }

    /// Until everything that was pushed is delivered, what waited on disk too.
    pub async fn done(&self) {
        let waits = || self.store.lanes().expect("memory can be read").iter().any(|(_, record)| record.parked > 0);
        let all = async {
            while self.lane.held().messages > 0 || waits() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let why = || self.stats.last_error.get();
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap_or_else(|_| panic!("not done: {:?}", why()));
    }
}
