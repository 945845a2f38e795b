//! How fast rows go all the way: PostgreSQL to a real Redis, as a guarded cache, and to a real Kafka. Beside it stand what the
//! source can give at all, as PostgreSQL's own client reads and discards the same rows, and what librdkafka's own producer does with
//! the same keys and values when it does nothing else.
//!
//! The rows lie in the log before the program starts, so that the writing is not measured. The rate is taken between the first
//! and the last message that were seen delivered: what starts is not what is measured.

use super::capture::{Unread, read_bare};
use super::{Bench, Figure, median};
use crate::host::Host;
use crate::servers::{Kafka, KafkaOptions, Postgres, PostgresOptions, Redis, RedisOptions, free_port};
use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROWS: u64 = 400_000;
/// One transaction of the load.
const ROWS_EACH: u64 = 100;
const ROUNDS: usize = 3;
/// Guarded writes per second.
const GOAL_REDIS: f64 = 100_000.0;
/// Of what PostgreSQL's own client reads.
const GOAL_KAFKA: f64 = 0.8;
/// All rows of one round.
const ROUND_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

pub(super) const TABLE: &str = "CREATE TABLE parcel (
    id bigint PRIMARY KEY, customer_id integer NOT NULL, status text, address text, weight_kg numeric(10, 3), insured boolean,
    updated_at timestamptz NOT NULL DEFAULT now()
)";

/// A slot of the same log for who only reads.
const BARE_SLOT: &str = "bare";
/// As the program names it.
const PUBLICATION: &str = "sluicegate_erp";

/// Rows per second, one for each round.
#[derive(Default)]
struct Rates {
    ours: Vec<f64>,
    bare: Vec<f64>,
    bare_is: &'static str,
}

/// Where the rows go: the rest of a `pipeline.toml`.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) target: String,
    pub(super) route: String,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = vec![to_redis(bench).await?];
    figures.extend(to_kafka(bench).await?);
    Ok(figures)
}

async fn to_redis(bench: &Bench) -> Result<Figure> {
    let redis = Redis::start(RedisOptions::default()).await?;
    let case = Case {
        name: "postgres to redis, guarded cache",
        target: format!("kind = \"redis\"\nurl = \"{}\"", redis.url()),
        route: "as = \"cache\"\nkey = \"{source}:parcel:{id}\"".to_owned(),
    };
    let mut rates = Rates::default();
    for _ in 0..ROUNDS {
        rates.add_round(bench, &case).await?;
    }
    let client = redis::Client::open(redis.url()).context("read the address of Redis")?;
    let mut connection = client.get_multiplexed_async_connection().await.context("connect to Redis")?;
    // Each row lies there with its version.
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.context("count the keys")?;
    ensure!(keys == ROWS * 2, "Redis holds {keys} keys for {ROWS} rows");
    let figure = Figure::at_least("deliver", case.name, "rows/s", median(rates.ours), GOAL_REDIS);
    Ok(figure.beside(rates.bare_is, median(rates.bare)))
}

async fn to_kafka(bench: &Bench) -> Result<Vec<Figure>> {
    let kafka = Kafka::start(KafkaOptions::default()).await?;
    let mut figures = Vec::new();
    for (name, body) in [("postgres to kafka, flat", "flat"), ("postgres to kafka, debezium", "debezium")] {
        let mut rates = Rates::default();
        let mut alone = Vec::new();
        let mut bytes = 0;
        for round in 0..ROUNDS {
            let topic = format!("{body}_{round}");
            let case = Case {
                name,
                target: format!("kind = \"kafka\"\nbrokers = \"{}\"\nheaders = false", kafka.brokers()),
                route: format!("topic = \"{topic}\"\nbody = \"{body}\""),
            };
            rates.add_round(bench, &case).await?;
            let records = kafka.read_all(&topic).await?;
            ensure!(records.len() as u64 == ROWS, "the topic holds {} records of {ROWS} rows", records.len());
            let pairs: Vec<(Vec<u8>, Vec<u8>)> =
                records.into_iter().map(|r| (r.key.unwrap_or_default(), r.value.unwrap_or_default())).collect();
            bytes = pairs.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
            let brokers = kafka.brokers();
            let seconds =
                tokio::task::spawn_blocking(move || produce_alone(&brokers, &format!("{topic}_alone"), &pairs));
            alone.push(ROWS as f64 / seconds.await??);
        }
        let (ours, bare, alone) = (median(rates.ours), median(rates.bare), median(alone));
        let mb = |rate: f64| rate * bytes as f64 / ROWS as f64 / 1e6;
        eprintln!("  {name}: {:.1} MB/s, librdkafka alone {:.1} MB/s", mb(ours), mb(alone));
        let figure = || Figure::shown("deliver", name, "rows/s", ours);
        figures.push(figure().times(rates.bare_is, bare, GOAL_KAFKA));
        figures.push(figure().beside("librdkafka alone", alone));
    }
    Ok(figures)
}

impl Rates {
    /// One round over a fresh log: ours first, then who only reads.
    async fn add_round(&mut self, bench: &Bench, case: &Case) -> Result<()> {
        let conf =
            ["max_wal_size = '8GB'", "checkpoint_timeout = '1h'", "synchronous_commit = off", "autovacuum = off"];
        let conf = conf.map(str::to_owned).to_vec();
        let mut postgres = Postgres::start(PostgresOptions { version: None, fsync: true, conf }).await?;
        let client = postgres.connect().await?;
        client.batch_execute(TABLE).await.context("create the table")?;
        let folder = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir().context("make a folder")?;
        let admin = write_folder(&folder, &postgres.url(), case)?;
        let log = folder.path().join("log");
        let mut host = start(bench.binary(), &folder, &admin, &log).await?;
        // The slot exists now, and what is written from here on lies behind it.
        host.stop().await;
        drop(host);
        let slot = format!("SELECT pg_create_logical_replication_slot('{BARE_SLOT}', 'pgoutput')");
        client.batch_execute(&slot).await.context("create a slot for who only reads")?;
        client.batch_execute(&load()).await.context("write the rows")?;
        client.batch_execute("CHECKPOINT").await.context("flush")?;
        let mut host = Host::start(bench.binary(), &folder.path().join("pipelines"), &admin, &log)?;
        let rate = watch(&mut host).await;
        host.stop().await;
        self.ours.push(rate?);
        let end: String = client.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?.get(0);
        // A client that is told to read up to a position waits for something beyond it.
        client.batch_execute("INSERT INTO parcel (id, customer_id) VALUES (-1, 1)").await.context("write beyond")?;
        let unread = Unread { slot: BARE_SLOT, publication: PUBLICATION, rows: ROWS, end: &end };
        let (seconds, name) = read_bare(bench, &postgres, &unread).await?;
        self.bare.push(ROWS as f64 / seconds);
        self.bare_is = name;
        postgres.stop().await;
        Ok(())
    }
}

pub(super) async fn start(binary: &Path, folder: &TempDir, admin: &str, log: &Path) -> Result<Host> {
    let mut host = Host::start(binary, &folder.path().join("pipelines"), admin, log)?;
    host.ready().await?;
    Ok(host)
}

pub(super) fn write_folder(folder: &TempDir, url: &str, case: &Case) -> Result<String> {
    let admin = format!("127.0.0.1:{}", free_port()?);
    let pipeline = folder.path().join("pipelines/parcels");
    std::fs::create_dir_all(&pipeline).context("make the pipeline's folder")?;
    let Case { target, route, .. } = case;
    let host = format!(
        "[host]\nadmin = \"{admin}\"\nstate = \"state\"\n\n[source.erp]\nkind = \"postgres\"\nurl = \"{url}\"\n"
    );
    std::fs::write(folder.path().join("pipelines/sluicegate.toml"), host).context("write sluicegate.toml")?;
    let text = format!(
        "sources = [\"erp\"]\ntables = [\"public.parcel\"]\n\n[target.out]\n{target}\n\n[[route]]\nname = \"all\"\nto = \"out\"\n{route}\n"
    );
    std::fs::write(pipeline.join("pipeline.toml"), text).context("write pipeline.toml")?;
    Ok(admin)
}

fn load() -> String {
    let transactions = ROWS / ROWS_EACH;
    format!(
        "DO $$ BEGIN FOR t IN 0..{transactions} - 1 LOOP
            INSERT INTO parcel SELECT t * {ROWS_EACH} + r, r % 3 + 1, 'In Transit', 'Avenida da Liberdade 110, Porto', r * 0.125, r % 2 = 0
            FROM generate_series(1, {ROWS_EACH}) r;
            COMMIT;
        END LOOP; END $$"
    )
}

/// Samples what is delivered until all is.
async fn watch(host: &mut Host) -> Result<f64> {
    let deadline = Instant::now() + ROUND_LIMIT;
    let mut first: Option<(Instant, u64)> = None;
    let (mut used_before_s, mut resident) = (0.0, 0);
    loop {
        host.check_alive()?;
        if Instant::now() > deadline {
            bail!("not all rows were delivered within {} s:\n{}", ROUND_LIMIT.as_secs(), host.last_log_lines());
        }
        resident = resident.max(host.resident_bytes().unwrap_or_default());
        // The door opens a moment after the start.
        let delivered = host.door().status().await.map_or(0, |s| s.lanes.iter().map(|l| l.delivered_total).sum());
        let now = Instant::now();
        match first {
            None if delivered > 0 => {
                first = Some((now, delivered));
                used_before_s = host.processor_s().unwrap_or_default();
            }
            Some((began, before)) if delivered >= ROWS => {
                ensure!(before < ROWS, "all rows were delivered between two looks; more rows are needed");
                let rows = (delivered - before) as f64;
                // The same on a busy machine as on an idle one, unlike the rate.
                let used_us = (host.processor_s().unwrap_or_default() - used_before_s) * 1e6 / rows;
                eprintln!("  {used_us:.1} us of our processor time per row, at most {} MB resident", resident >> 20);
                return Ok(rows / (now - began).as_secs_f64());
            }
            _ => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// librdkafka by itself, with the settings that ours has.
pub(super) fn producer_alone(brokers: &str) -> ClientConfig {
    let settings = [
        ("bootstrap.servers", brokers),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("compression.type", "lz4"),
        ("linger.ms", "1"),
        ("queue.buffering.max.kbytes", "65536"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
}

/// Seconds that librdkafka needs by itself for the same records.
fn produce_alone(brokers: &str, topic: &str, records: &[(Vec<u8>, Vec<u8>)]) -> Result<f64> {
    let producer: BaseProducer = producer_alone(brokers).create().context("make a producer")?;
    // The topic is made before the clock runs, as ours is.
    producer.send(BaseRecord::<[u8], [u8]>::to(topic).payload(b"{}")).map_err(|(error, _)| error).context("send")?;
    producer.flush(ROUND_LIMIT).context("send the first record")?;
    let begun = Instant::now();
    for (key, value) in records {
        let mut record = BaseRecord::to(topic).key(key.as_slice()).payload(value.as_slice());
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            ensure!(error == full, "send: {error}");
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(ROUND_LIMIT).context("send the rest")?;
    Ok(begun.elapsed().as_secs_f64())
}
