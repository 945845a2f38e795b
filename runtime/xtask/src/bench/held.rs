//! Whether targets hold the source: every target is dead, in each of the ways of being dead, while rows come at a steady rate. The
//! confirmed position has to stay with the log's end. Then all of them come back, and everything has to arrive, in order.

use super::behind::{Behind, Worst};
use super::receiver::{KEYS, Mood, Receiver};
use super::rig::Rig;
use super::{Bench, Figure};
use crate::servers::{Kafka, KafkaOptions, Record, Redis, RedisOptions};
use anyhow::{Context, Result, ensure};
use redis::AsyncCommands;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const ROWS_PER_S: u64 = 2_000;
/// Of one transaction.
const ROWS_EACH: u64 = 20;
const PAYLOAD_LEN: usize = 100;
const GOAL_SECONDS: f64 = 1.0;
const GOAL_MIB: f64 = 16.0;
/// What a target needs to be found again, and how many rows a second arrive at the least.
const FOUND_LIMIT: Duration = Duration::from_secs(120);
const ARRIVALS_PER_S: u64 = 500;
const LOOK: Duration = Duration::from_millis(500);
const TOPIC: &str = "load";

/// Everything that can be dead.
struct Targets {
    silent: Receiver,
    away: Receiver,
    redis: Redis,
    kafka: Kafka,
}

/// What was seen while all were dead.
struct Held {
    worst: Worst,
    resident: u64,
    state: u64,
    rows_per_s: f64,
}

pub(super) async fn run(bench: &Bench, seconds: u64) -> Result<Vec<Figure>> {
    let mut targets = Targets {
        silent: Receiver::open(Mood::Silent)?,
        away: Receiver::open(Mood::Away)?,
        redis: Redis::start(RedisOptions::default()).await?,
        kafka: Kafka::start(KafkaOptions::default()).await?,
    };
    let mut rig = Rig::start(bench, &targets.pipeline()).await?;
    targets.redis.kill9();
    targets.kafka.kill9();
    let held = write(&mut rig, seconds).await?;
    eprintln!("  {:.0} rows/s for {seconds} s, {} looks; all targets come back", held.rows_per_s, held.worst.looks);
    let took = targets.revive(&mut rig).await?;
    let rows = rig.rows();
    rig.stop().await;
    let case = |name: &str| format!("{name}, every target dead");
    let (seconds, mib) = (held.worst.seconds.max(held.worst.said_seconds), held.worst.bytes as f64 / 1_048_576.0);
    Ok(vec![
        Figure::at_most("held", case("confirmed behind"), "s", seconds, GOAL_SECONDS),
        Figure::at_most("held", case("confirmed behind"), "MiB", mib, GOAL_MIB),
        Figure::shown("held", case("messages on disk"), "messages", held.worst.parked as f64),
        Figure::shown("held", case("resident memory"), "MB", held.resident as f64 / 1e6),
        Figure::shown("held", case("state on disk"), "MB", held.state as f64 / 1e6),
        Figure::shown("held", format!("{rows} rows to all four, when they are back"), "s", took.as_secs_f64()),
    ])
}

async fn write(rig: &mut Rig, seconds: u64) -> Result<Held> {
    let behind = Behind::watch(rig.postgres.connect().await?, rig.host.door().clone());
    let (begun, mut resident) = (Instant::now(), 0);
    let transactions = seconds * ROWS_PER_S / ROWS_EACH;
    for number in 0..transactions {
        let due = begun + Duration::from_micros(number * ROWS_EACH * 1_000_000 / ROWS_PER_S);
        tokio::time::sleep_until(due.into()).await;
        rig.write(ROWS_EACH, PAYLOAD_LEN).await?;
        if number % 100 == 0 {
            rig.host.check_alive()?;
            resident = rig.host.resident_bytes().unwrap_or(0).max(resident);
        }
    }
    let rows_per_s = rig.rows() as f64 / begun.elapsed().as_secs_f64();
    Ok(Held { worst: behind.worst().await?, resident, state: rig.state_bytes(), rows_per_s })
}

impl Targets {
    fn pipeline(&self) -> String {
        let customers =
            "kind = \"http\"\ntimeout = \"2s\"\nretry = { first = \"1s\", max = \"5s\" }\nallow = [\"127.0.0.1\"]";
        let (silent, away) = (self.silent.url(), self.away.url());
        let (redis, kafka) = (self.redis.url(), self.kafka.brokers());
        format!(
            "[target.customers]\n{customers}\nmember.silent = {{ url = \"{silent}\" }}\nmember.away = {{ url = \"{away}\" }}\n\n\
             [target.cache]\nkind = \"redis\"\nurl = \"{redis}\"\n\n[target.events]\nkind = \"kafka\"\nbrokers = \"{kafka}\"\n\n\
             [[route]]\nname = \"silent\"\nto = \"customers\"\nmember = \"silent\"\nkey = \"{{parcel}}\"\n\n\
             [[route]]\nname = \"away\"\nto = \"customers\"\nmember = \"away\"\nkey = \"{{parcel}}\"\n\n\
             [[route]]\nname = \"cache\"\nto = \"cache\"\nkey = \"{{source}}:load:{{parcel}}\"\nvalue = \"json\"\n\n\
             [[route]]\nname = \"events\"\nto = \"events\"\ntopic = \"{TOPIC}\"\nkey = \"{{parcel}}\"\nbody = \"flat\"\n"
        )
    }

    /// Brings all of them back and waits until they have everything; how long that took. An error when something is missing
    /// or out of order.
    async fn revive(&mut self, rig: &mut Rig) -> Result<Duration> {
        let (begun, rows) = (Instant::now(), rig.rows());
        self.silent.set_mood(Mood::Well);
        self.away.set_mood(Mood::Well);
        self.redis.restart().await?;
        self.kafka.restart().await?;
        let deadline = Instant::now() + FOUND_LIMIT + Duration::from_secs(rows / ARRIVALS_PER_S);
        loop {
            rig.host.check_alive()?;
            let status = rig.host.door().status().await?;
            let unsent: u64 = status.lanes.iter().map(|lane| lane.parked + lane.waiting).sum();
            let arrived = self.silent.distinct().min(self.away.distinct());
            if unsent == 0 && arrived == rows {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "{unsent} messages are still waiting, and {arrived} of {rows} rows are at the customers:\n{}",
                rig.host.last_log_lines()
            );
            tokio::time::sleep(LOOK).await;
        }
        let took = begun.elapsed();
        for (name, receiver) in [("silent", &self.silent), ("away", &self.away)] {
            let seen = receiver.take();
            let wrong = (seen.out_of_order, seen.strange);
            eprintln!("  customer that was {name}: {} rows, {} doubled", seen.distinct, seen.doubled);
            ensure!(wrong == (0, 0), "at the customer that was {name}: out of order and strange: {wrong:?}");
        }
        self.judge_cache(rows).await?;
        judge_topic(&self.kafka.read_all(TOPIC).await?, rows)?;
        Ok(took)
    }

    async fn judge_cache(&self, rows: u64) -> Result<()> {
        let mut cache = self.redis.connect().await?;
        for key in 0..KEYS.min(rows) {
            let value: Option<String> = cache.get(format!("erp:load:{key}")).await.context("read Redis")?;
            let id = value.as_deref().and_then(|value| id_of(value.as_bytes()));
            let last = (0..=rows).rev().find(|id| id % KEYS == key).filter(|id| *id > 0);
            ensure!(id == last, "the cache holds {id:?} where {last:?} was written last");
        }
        Ok(())
    }
}

/// Everything once at least, and each key's first comings in order.
fn judge_topic(records: &[Record], rows: u64) -> Result<()> {
    let mut newest: HashMap<u64, u64> = HashMap::new();
    let mut distinct = 0;
    for record in records {
        let id = record.value.as_deref().and_then(id_of).context("a record that is none of ours")?;
        let newest = newest.entry(id % KEYS).or_default();
        // Between an id and the next of its key lie exactly so many.
        ensure!(id <= *newest + KEYS, "row {id} came to the topic before an earlier one of its key");
        distinct += u64::from(id > *newest);
        *newest = id.max(*newest);
    }
    ensure!(distinct == rows, "the topic has {distinct} of {rows} rows");
    Ok(())
}

fn id_of(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(body).ok()?["id"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64) -> Record {
        let value = Some(format!("{{\"id\":{id}}}").into_bytes());
        Record { key: None, value, headers: Vec::new(), partition: 0, offset: 0, timestamp: None }
    }

    #[test]
    fn a_topic_with_repeats_is_good_and_one_with_a_gap_is_not() {
        let topic = |ids: &[u64]| ids.iter().map(|id| record(*id)).collect::<Vec<_>>();
        assert!(judge_topic(&topic(&[1, 2, 1 + KEYS, 1, 2]), 3).is_ok());
        assert!(judge_topic(&topic(&[1, 1 + 2 * KEYS]), 2).is_err());
        assert!(judge_topic(&topic(&[1, 2]), 3).is_err());
    }
}
