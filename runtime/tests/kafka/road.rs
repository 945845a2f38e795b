//! A broker, a sink, a lane before it, and numbered messages.

use bytes::Bytes;
use sluicegate::change::{Act, Content, Message, MessageId, Op, Origin, RowMark, Schema};
use sluicegate::lane::{self, Ground, Lane, LaneSettings, Parcel, RetrySettings};
use sluicegate::ledger::{Ledger, Ticket};
use sluicegate::sink::Sink;
use sluicegate::sink::kafka::{BATCH_MAX, FLIGHTS, KafkaSettings, KafkaSink, TopicSettings};
use sluicegate::store::{LaneName, MemoryStore, Store};
use sluicegate::telemetry::LaneStats;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use xtask::servers::{Kafka, KafkaOptions, Record};

pub const PATIENCE: Duration = Duration::from_secs(60);

static TURN: Mutex<()> = Mutex::const_new(());

/// A broker, for as long as it is this test's turn.
pub struct Broker {
    pub kafka: Kafka,
    _turn: MutexGuard<'static, ()>,
}

pub async fn broker(properties: &[(&str, &str)]) -> Broker {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    broker_with(KafkaOptions { properties, door: None }).await
}

pub async fn broker_with(options: KafkaOptions) -> Broker {
    let turn = TURN.lock().await;
    Broker { kafka: Kafka::start(options).await.expect("a broker"), _turn: turn }
}

pub fn settings(kafka: &Kafka) -> KafkaSettings {
    KafkaSettings {
        brokers: kafka.brokers(),
        options: Vec::new(),
        timeout: Duration::from_secs(5),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    }
}

pub struct Road {
    pub lane: Lane,
    pub sink: Arc<KafkaSink>,
    pub stats: Arc<LaneStats>,
    pub ledger: Ledger,
    store: Arc<MemoryStore>,
    pushed: AtomicU64,
}

fn lane_settings() -> LaneSettings {
    let retry = RetrySettings {
        first: Duration::from_millis(100),
        max: Duration::from_secs(1),
        give_up_after: Duration::from_secs(3600),
    };
    LaneSettings {
        concurrency: FLIGHTS,
        batch_max: BATCH_MAX,
        memory_bytes: 64 << 20,
        messages_max: lane::MESSAGES_MAX,
        retry,
        ..LaneSettings::new(LaneName::new("p", "events", ""))
    }
}

pub fn road(settings: KafkaSettings) -> Road {
    road_of(KafkaSink::new(settings).expect("good settings"))
}

pub fn road_of(sink: KafkaSink) -> Road {
    let sink = Arc::new(sink);
    let stats = Arc::new(LaneStats::default());
    let settings = lane_settings();
    let store = Arc::new(MemoryStore::default());
    let ground = Ground::alone(store.clone(), &settings.name).expect("a lane");
    let (lane, _task) = lane::spawn(settings, sink.clone(), ground, stats.clone());
    Road { lane, sink, stats, ledger: Ledger::new(), store, pushed: AtomicU64::new(0) }
}

impl Road {
    /// A ticket for what is pushed now; it is paid when all of that is settled.
    pub fn ticket(&self) -> Ticket {
        self.ledger.open(None, 1)
    }

    /// What is pushed later comes later in the log.
    pub async fn push(&self, ticket: &Ticket, mut message: Message) {
        ticket.owe(1);
        message.origin.mark.commit = self.pushed.fetch_add(1, Relaxed) + 1;
        assert!(self.lane.push(Parcel { message, ticket: ticket.clone() }).await.is_ok());
    }

    /// Goes on with other settings, as after an edit of the configuration.
    pub fn renew(&self, settings: KafkaSettings) {
        self.lane.renew(lane_settings(), Arc::new(KafkaSink::new(settings).expect("good settings")));
    }

    /// Until the source is free of everything, and nothing waits on disk either.
    pub async fn paid(&self) {
        let began = Instant::now();
        let waits = || self.store.lanes().expect("memory can be read").iter().any(|(_, record)| record.parked > 0);
        while self.ledger.unpaid() > 0 || waits() {
            let why = || format!("{:?}, {:?}", self.stats.last_error.get(), self.sink.complaint());
            assert!(began.elapsed() < PATIENCE, "unpaid after {PATIENCE:?}: {}", why());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn delivered(&self) -> u64 {
        self.stats.delivered_total.load(Relaxed)
    }

    /// Until more than `count` messages have arrived.
    pub async fn until_delivered(&self, count: u64) {
        let began = Instant::now();
        while self.delivered() <= count {
            assert!(began.elapsed() < PATIENCE, "{} arrived: {:?}", self.delivered(), self.stats.last_error.get());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn dead(&self) -> u64 {
        self.stats.dead_total.load(Relaxed)
    }

    pub async fn until_halted(&self) -> String {
        let began = Instant::now();
        while self.stats.state.get().as_deref() != Some("halted") {
            assert!(began.elapsed() < PATIENCE, "the lane is not halted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stats.last_error.get().unwrap_or_default()
    }
}

/// What a row of an item would become: `number` in the body, `key` as the record's key.
pub fn message(topic: &str, key: u32, number: u32, body_len: usize) -> Message {
    let schema = Schema { source: "erp".into(), namespace: "public".into(), table: "item".into(), ..Schema::default() };
    let mark = RowMark { commit: u64::from(number), change: u64::from(number), sub: 0, transaction: 1 };
    let origin = Origin { schema: Arc::new(schema), op: Some(Op::Update), mark, index: 0, nth: 0, again: false };
    let key = Bytes::from(key.to_string());
    let mut message = Content::new(MessageId(format!("erp-{number}").into()), key.clone(), origin);
    message.act = Act::Record { key: Some(key), tombstone: false };
    message.place = topic.into();
    message.body = Bytes::from(format!("{number:0body_len$}"));
    message.content_type = "application/json".into();
    message.committed_at_us = 1_700_000_000_000_000;
    message.into()
}

pub fn number(record: &Record) -> u32 {
    let text = String::from_utf8_lossy(record.value.as_deref().expect("no tombstone"));
    text.parse().expect("a number")
}

/// How a topic differs from numbers 0 to `count`, each once, growing within each key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    pub lost: usize,
    pub doubled: usize,
    /// Numbers that came for the first time behind a newer one of their key.
    pub out_of_order: usize,
    /// Keys whose last record is not their newest.
    pub stale: usize,
}

pub fn flaws(records: &[Record], count: u32) -> Flaws {
    let mut seen = vec![0usize; count as usize];
    // The newest and the last number of each key.
    let mut keys: HashMap<&[u8], (u32, u32)> = HashMap::new();
    let mut flaws = Flaws::default();
    for record in records {
        let number = number(record);
        let (newest, last) = keys.entry(record.key.as_deref().unwrap_or_default()).or_insert((number, number));
        if number < *newest && seen[number as usize] == 0 {
            flaws.out_of_order += 1;
        }
        seen[number as usize] += 1;
        *newest = number.max(*newest);
        *last = number;
    }
    flaws.lost = seen.iter().filter(|times| **times == 0).count();
    flaws.doubled = seen.iter().map(|times| times.saturating_sub(1)).sum();
    flaws.stale = keys.values().filter(|(newest, last)| newest != last).count();
    flaws
}
