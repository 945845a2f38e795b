//! How long a change takes from its commit to a consumer of Kafka, with the defaults: PostgreSQL, one row a transaction, a steady thousand
//! of them a second. The commit's time is the one that the log has, and all clocks are this machine's.

use super::deliver::{Case, TABLE, start, write_folder};
use super::{Bench, Figure};
use crate::audit::quantile;
use crate::servers::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::MissedTickBehavior;

const TOPIC: &str = "latency";
const EVERY: Duration = Duration::from_millis(1);
/// Not counted: connections are made, and code is read for the first time.
const ROWS_BEFORE: usize = 3_000;
const ROWS: usize = 10_000;
/// All rows, from the first to the last.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const GOAL_P50_MS: f64 = 5.0;
const GOAL_P99_MS: f64 = 10.0;

/// What a consumer got, and when: microseconds since the Unix epoch.
type Seen = (i64, Vec<u8>);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let kafka = Kafka::start(KafkaOptions::default()).await?;
    kafka.create_topic(TOPIC, 1, &[]).await?;
    // A commit is in the log at once, and no disk is measured.
    let mut postgres = Postgres::start(PostgresOptions { version: None, fsync: false, conf: Vec::new() }).await?;
    let client = postgres.connect().await?;
    client.batch_execute(TABLE).await.context("create the table")?;
    let case = Case {
        name: "commit to consumer",
        target: format!("kind = \"kafka\"\nbrokers = \"{}\"", kafka.brokers()),
        route: format!("topic = \"{TOPIC}\"\nbody = \"debezium\""),
    };
    let folder = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir().context("make a folder")?;
    let admin = write_folder(&folder, &postgres.url(), &case)?;
    let mut host = start(bench.binary(), &folder, &admin, &folder.path().join("log")).await?;
    let brokers = kafka.brokers();
    let consumer = tokio::task::spawn_blocking(move || consume(&brokers));
    let insert = "INSERT INTO parcel (id, customer_id, status, address, weight_kg, insured) \
                  VALUES ($1, 1, 'In Transit', 'Avenida da Liberdade 110, Porto', 1.125, true)";
    let insert = client.prepare(insert).await.context("prepare the statement")?;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for id in 0..(ROWS_BEFORE + ROWS) as i64 {
        tick.tick().await;
        client.execute(&insert, &[&id]).await.context("write a row")?;
    }
    let seen = consumer.await.context("read the topic")?;
    host.stop().await;
    postgres.stop().await;
    let mut took: Vec<Duration> = seen?.iter().skip(ROWS_BEFORE).map(age).collect::<Result<_>>()?;
    took.sort_unstable();
    let figure = |label: &str, share, goal| -> Result<Figure> {
        let ms = quantile(&took, share).context("no record came")?.as_secs_f64() * 1e3;
        Ok(Figure::at_most("latency", format!("{}, {label}", case.name), "ms", ms, goal))
    };
    Ok(vec![figure("p50", 0.50, GOAL_P50_MS)?, figure("p99", 0.99, GOAL_P99_MS)?])
}

fn consume(brokers: &str) -> Result<Vec<Seen>> {
    let config = ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", TOPIC).clone();
    let consumer: BaseConsumer = config.create().context("make a consumer")?;
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(TOPIC, 0, Offset::Beginning).context("name the beginning")?;
    consumer.assign(&places).context("read from the beginning")?;
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::with_capacity(ROWS_BEFORE + ROWS);
    while seen.len() < ROWS_BEFORE + ROWS {
        if Instant::now() > deadline {
            bail!("{} of {} records came within {} s", seen.len(), ROWS_BEFORE + ROWS, LIMIT.as_secs());
        }
        let Some(record) = consumer.poll(POLL) else { continue };
        let record = record.context("read a record")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        seen.push((now.as_micros() as i64, record.payload().unwrap_or_default().to_vec()));
    }
    Ok(seen)
}

/// From the commit, as the record says it.
fn age((seen_us, value): &Seen) -> Result<Duration> {
    let value: serde_json::Value = serde_json::from_slice(value).context("read a record")?;
    let committed_us = value["source"]["ts_us"].as_i64().context("a record without source.ts_us")?;
    Ok(Duration::from_micros(seen_us.saturating_sub(committed_us).max(0) as u64))
}
