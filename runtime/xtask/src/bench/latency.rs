//! How long a change takes from its commit to a consumer of Kafka, with the defaults: PostgreSQL, one row a transaction, a steady thousand
//! of them a second. The commit's time is the one that the log has, and all clocks are this machine's. Beside it stands what librdkafka
//! takes from `send` to the same consumer, with records of the same size at the same pace.

use super::deliver::{Case, TABLE, producer_alone, start, write_folder};
use super::{Bench, Figure};
use crate::audit::quantile;
use crate::servers::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::{Interval, MissedTickBehavior};

const NAME: &str = "commit to consumer";
const TOPIC: &str = "latency";
const TOPIC_ALONE: &str = "latency_alone";
const EVERY: Duration = Duration::from_millis(1);
/// Not counted. A broker that has just started compiles its code for a quarter of a minute, on the cores that we measure on.
const ROWS_BROKER: usize = 15_000;
/// Not counted either: connections are made, and code is read for the first time.
const ROWS_BEFORE: usize = 3_000;
const ROWS: usize = 15_000;
/// Of a record of ours.
const RECORD_LEN: usize = 700;
/// All rows, from the first to the last.
const LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);
const GOAL_P50_MS: f64 = 5.0;
const GOAL_P99_MS: f64 = 10.0;

/// What a consumer got, and when: microseconds since the Unix epoch.
type Seen = (i64, Vec<u8>);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let kafka = Kafka::start(KafkaOptions::default()).await?;
    let alone = alone(&kafka).await?;
    let ours = ours(bench, &kafka).await?;
    let figure = |label: &str, share, goal| -> Result<Figure> {
        let ms = |took: &[Duration]| {
            Ok::<f64, anyhow::Error>(quantile(took, share).context("no record came")?.as_secs_f64() * 1e3)
        };
        let figure = Figure::at_most("latency", format!("{NAME}, {label}"), "ms", ms(&ours)?, goal);
        Ok(figure.beside("librdkafka alone", ms(&alone)?))
    };
    Ok(vec![figure("p50", 0.50, GOAL_P50_MS)?, figure("p99", 0.99, GOAL_P99_MS)?])
}

/// Sorted, from the commit to the consumer.
async fn ours(bench: &Bench, kafka: &Kafka) -> Result<Vec<Duration>> {
    kafka.create_topic(TOPIC, 1, &[]).await?;
    // A commit is in the log at once, and no disk is measured.
    let mut postgres = Postgres::start(PostgresOptions { version: None, fsync: false, conf: Vec::new() }).await?;
    let client = postgres.connect().await?;
    client.batch_execute(TABLE).await.context("create the table")?;
    let case = Case {
        name: NAME,
        target: format!("kind = \"kafka\"\nbrokers = \"{}\"", kafka.brokers()),
        route: format!("topic = \"{TOPIC}\"\nbody = \"debezium\""),
    };
    let folder = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir().context("make a folder")?;
    let admin = write_folder(&folder, &postgres.url(), &case)?;
    let mut host = start(bench.binary(), &folder, &admin, &folder.path().join("log")).await?;
    let brokers = kafka.brokers();
    let consumer = tokio::task::spawn_blocking(move || consume(&brokers, TOPIC, ROWS_BEFORE + ROWS));
    let insert = "INSERT INTO parcel (id, customer_id, status, address, weight_kg, insured) \
                  VALUES ($1, 1, 'In Transit', 'Avenida da Liberdade 110, Porto', 1.125, true)";
    let insert = client.prepare(insert).await.context("prepare the statement")?;
    let mut pace = pace();
    for id in 0..(ROWS_BEFORE + ROWS) as i64 {
        pace.tick().await;
        client.execute(&insert, &[&id]).await.context("write a row")?;
    }
    let seen = consumer.await.context("read the topic")?;
    host.stop().await;
    postgres.stop().await;
    let committed_us = |value: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(value).context("read a record")?;
        value["source"]["ts_us"].as_i64().context("a record without source.ts_us")
    };
    ages(&seen?[ROWS_BEFORE..], committed_us)
}

/// Sorted, from `send` to the consumer. The broker is warm after it.
async fn alone(kafka: &Kafka) -> Result<Vec<Duration>> {
    kafka.create_topic(TOPIC_ALONE, 1, &[]).await?;
    let brokers = kafka.brokers();
    let producer: ThreadedProducer<DefaultProducerContext> =
        producer_alone(&brokers).create().context("make a producer")?;
    let consumer = tokio::task::spawn_blocking(move || consume(&brokers, TOPIC_ALONE, ROWS_BROKER + ROWS));
    let mut pace = pace();
    for id in 0..ROWS_BROKER + ROWS {
        pace.tick().await;
        let (key, mut value) = (id.to_be_bytes(), now_us()?.to_be_bytes().to_vec());
        value.resize(RECORD_LEN, b'x');
        let record = BaseRecord::to(TOPIC_ALONE).key(key.as_slice()).payload(&value);
        producer.send(record).map_err(|(error, _)| error).context("send a record")?;
    }
    let seen = consumer.await.context("read the topic")??;
    let sent_us = |value: &[u8]| {
        let first = value.first_chunk().context("a record without its time")?;
        Ok(i64::from_be_bytes(*first))
    };
    ages(&seen[ROWS_BROKER..], sent_us)
}

/// Late ones are caught up with at once.
fn pace() -> Interval {
    let mut pace = tokio::time::interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}

fn consume(brokers: &str, topic: &str, rows: usize) -> Result<Vec<Seen>> {
    let config = ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", topic).clone();
    let consumer: BaseConsumer = config.create().context("make a consumer")?;
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, 0, Offset::Beginning).context("name the beginning")?;
    consumer.assign(&places).context("read from the beginning")?;
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::with_capacity(rows);
    while seen.len() < rows {
        if Instant::now() > deadline {
            bail!("{} of {rows} records came within {} s", seen.len(), LIMIT.as_secs());
        }
        let Some(record) = consumer.poll(POLL) else { continue };
        let record = record.context("read a record")?;
        seen.push((now_us()?, record.payload().unwrap_or_default().to_vec()));
    }
    Ok(seen)
}

fn now_us() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    Ok(now.as_micros() as i64)
}

fn ages(seen: &[Seen], began_us: impl Fn(&[u8]) -> Result<i64>) -> Result<Vec<Duration>> {
    let age = |(seen_us, value): &Seen| {
        let us = seen_us.saturating_sub(began_us(value)?);
        Ok(Duration::from_micros(us.max(0) as u64))
    };
    let mut took = seen.iter().map(age).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    Ok(took)
}
