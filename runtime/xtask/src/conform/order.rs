//! Our records in the order of the log, as Debezium writes them; and whether each key's were in that order already.
//!
//! Order is promised for each key alone: records of several keys come side by side. Where a record stands in the log, its header
//! `sluicegate.id` says; our own headers are taken away here.

use super::recording::{Record, Topics};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;

const ID: &str = "sluicegate.id";
const OWN: [&str; 2] = ["sluicegate.", "content-type"];

/// Transaction, change within it, count, and record of that change.
pub type Position = [u64; 4];

/// # Errors
/// If a record does not say where it stands, or one overtook another of its key.
pub fn as_in_the_log(topics: Topics) -> Result<Topics> {
    topics.into_iter().map(|(topic, records)| Ok((topic.clone(), sorted(&topic, records)?))).collect()
}

fn sorted(topic: &str, records: Vec<Record>) -> Result<Vec<Record>> {
    let mut placed: Vec<Record> = Vec::with_capacity(records.len());
    let mut newest: HashMap<Vec<u8>, Position> = HashMap::new();
    for mut record in records {
        let at = position(&record).with_context(|| format!("a record of {topic} does not say where it stands"))?;
        if let Some(key) = &record.key
            && newest.insert(key.clone(), at).is_some_and(|before| before > at)
        {
            bail!("a record of {topic} overtook another one of its key");
        }
        record.headers.retain(|(name, _)| !OWN.iter().any(|own| name.starts_with(own)));
        record.at = at;
        placed.push(record);
    }
    placed.sort_by_key(|record| record.at);
    Ok(placed)
}

/// From `db-16b3748-16b3700.0-8f3a11c2.1`.
fn position(record: &Record) -> Option<Position> {
    let (_, id) = record.headers.iter().find(|(name, _)| name == ID)?;
    let id = String::from_utf8(id.clone()?).ok()?;
    let mut parts = id.rsplitn(4, '-');
    let (_, nth) = parts.next()?.split_once('.')?;
    let (change, sub) = parts.next()?.split_once('.')?;
    let commit = parts.next()?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    Some([hex(commit)?, hex(change)?, sub.parse().ok()?, nth.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, id: &str) -> Record {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        let headers = vec![header(ID, id), header("content-type", "application/json"), header("kept", "1")];
        Record { key: Some(key.into()), value: None, headers, at: Position::default() }
    }

    #[test]
    fn keys_come_side_by_side_and_stand_in_the_order_of_the_log() {
        let records = vec![
            record("b", "db-1-a.0-8f3a11c2.0"),
            record("a", "db-1-9.0-8f3a11c2.0"),
            record("b", "db-10-1.0-8f3a11c2.0"),
        ];
        let sorted = sorted("t", records).expect("in order");
        let keys: Vec<&[u8]> = sorted.iter().filter_map(|record| record.key.as_deref()).collect();
        assert_eq!(keys, [b"a", b"b", b"b"]);
        assert_eq!(sorted[0].headers, [("kept".to_owned(), Some(b"1".to_vec()))]);
    }

    #[test]
    fn a_record_that_overtook_another_of_its_key_is_an_error() {
        let records = vec![record("a", "db-2-1.0-8f3a11c2.0"), record("a", "db-1-9.0-8f3a11c2.0")];
        assert!(sorted("t", records).is_err());
        assert!(sorted("t", vec![record("a", "nonsense")]).is_err());
    }
}
