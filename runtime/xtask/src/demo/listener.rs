//! With `--kafka`: a broker beside the customers, and somebody who listens at the topic of story 1.
//!
//! The topic is a pipeline of its own, `pipelines/parcels-topic`: one folder more, and the log is still read once.

use super::cast::BASELINE_PARCELS;
use super::scene::copy_pipeline;
use crate::customers::micros_of;
use crate::ring::Ring;
use crate::servers::{Kafka, KafkaOptions, Postgres};
use crate::topic::{self, Event};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

const TOPIC: &str = "package_moviment_topic";
/// From the last commit to the last record.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
const SHOWN: usize = 2;

/// A broker with the topic in it.
pub struct Listener {
    kafka: Kafka,
}

impl Listener {
    /// Starts a broker, puts the pipeline of the topic beside the customers', and starts the process on both.
    pub async fn join(ring: &mut Ring) -> Result<Self> {
        eprintln!("starting Kafka ...");
        let kafka = Kafka::start(KafkaOptions::default()).await?;
        let folder = ring.folder.path().to_owned();
        copy_pipeline("parcels-topic", &folder)?;
        ring.extend(&format!("[target.events]\nkind = \"kafka\"\nbrokers = \"{}\"\n", kafka.brokers())).await?;
        Ok(Self { kafka })
    }

    /// Shows the first records. An error when the topic, taken together, is not what the table is.
    pub async fn hear(&self, postgres: &Postgres) -> Result<()> {
        let client = postgres.connect().await?;
        let rows = client.query("SELECT id, status FROM package_status", &[]).await.context("read the table")?;
        let table: BTreeMap<i64, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let begun = Instant::now();
        loop {
            let records = self.kafka.read_all(TOPIC).await?;
            let events = Event::of_all(&records)?;
            let told = last_status(&events)?;
            if told == table || begun.elapsed() > ARRIVAL_LIMIT {
                let is_warm_up = |event: &Event| event.row()["package_id"].as_i64() >= Some(BASELINE_PARCELS.into());
                let from = events.iter().take_while(|event| is_warm_up(event)).count();
                println!("{TOPIC}: {}, warm-up included; as a consumer sees them\n", topic::counts(&events));
                print!("{}", topic::shown(&records[from..records.len().min(from + SHOWN)]));
                ensure!(told == table, "the topic does not end at what the table holds");
                println!("\nThe last event of each of its {} rows says what the table says.\n", table.len());
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The last status of every row. An error when a step came after a later one of its row.
fn last_status(events: &[Event]) -> Result<BTreeMap<i64, String>> {
    let mut last = BTreeMap::new();
    let mut newest: HashMap<i64, i64> = HashMap::new();
    for event in events {
        let row = event.row();
        let (Some(id), Some(status)) = (row["id"].as_i64(), row["status"].as_str()) else { continue };
        let at = row["updated_at"].as_str().and_then(micros_of).context("an event without `updated_at`")?;
        if let Some(before) = newest.insert(id, at) {
            ensure!(before < at, "a step of row {id} came after a later one");
        }
        last.insert(id, status.to_owned());
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Change;
    use serde_json::{Value, json};

    fn step(id: i64, status: &str, seconds: u32) -> Event {
        let at = format!("2026-01-31T08:15:{seconds:02}.25Z");
        let after = json!({ "id": id, "status": status, "updated_at": at });
        Event { key: json!({ "id": id }), change: Some(Change { op: "u".to_owned(), before: Value::Null, after }) }
    }

    #[test]
    fn the_last_step_of_each_row_counts() {
        let told = last_status(&[step(1, "Package Posted", 1), step(2, "Package Posted", 2), step(1, "In Transit", 3)]);
        let expected = [(1, "In Transit".to_owned()), (2, "Package Posted".to_owned())].into();
        assert_eq!(told.expect("in order"), expected);
    }

    #[test]
    fn a_step_that_was_overtaken_is_an_error() {
        assert!(last_status(&[step(1, "In Transit", 3), step(1, "Package Posted", 1)]).is_err());
    }
}
