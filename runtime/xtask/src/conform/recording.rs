//! A recording: one record of a topic per line, key and value in base64.

use super::json::Document;
use super::order::Position;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A record, Debezium's or ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    /// `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Where ours stands in the log.
    pub at: Position,
}

/// Records of one run by topic, each topic in the order of its offsets.
pub type Topics = BTreeMap<String, Vec<Record>>;

#[derive(Deserialize)]
struct Line {
    topic: String,
    #[serde(default)]
    partition: i32,
    offset: i64,
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<String>)>,
}

/// Reads a file of records.
///
/// # Errors
/// With the number of the line that can not be read.
pub fn read(path: &Path) -> Result<Topics> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| format!("read {}", path.display()))
}

fn parse(text: &str) -> Result<Topics> {
    let mut placed: BTreeMap<String, Vec<(i32, i64, Record)>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (topic, place) = one(line).with_context(|| format!("line {}", number + 1))?;
        placed.entry(topic).or_default().push(place);
    }
    let ordered = |mut records: Vec<(i32, i64, Record)>| {
        records.sort_by_key(|(partition, offset, _)| (*partition, *offset));
        records.into_iter().map(|(_, _, record)| record).collect()
    };
    Ok(placed.into_iter().map(|(topic, records)| (topic, ordered(records))).collect())
}

fn one(line: &str) -> Result<(String, (i32, i64, Record))> {
    let line: Line = serde_json::from_str(line).context("a record as JSON")?;
    let bytes = |text: Option<String>| text.map(|text| BASE64_STANDARD.decode(text)).transpose().context("base64");
    let header = |(name, value)| Ok((name, bytes(value)?));
    let headers = line.headers.into_iter().map(header).collect::<Result<_>>()?;
    let record = Record { key: bytes(line.key)?, value: bytes(line.value)?, headers, at: Position::default() };
    Ok((line.topic, (line.partition, line.offset, record)))
}

/// Bytes as JSON.
pub fn document(bytes: &[u8]) -> Option<Document> {
    Document::read(String::from_utf8(bytes.to_vec()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_in_the_order_of_their_offsets() {
        let line = |offset: i64, key: &str| {
            format!(
                r#"{{"topic":"t","partition":0,"offset":{offset},"key":{key},"value":null,"headers":[["h","YXBw"]]}}"#
            )
        };
        let topics = parse(&format!("{}\n{}\n", line(1, "\"MQ==\""), line(0, "null"))).expect("records");
        let records = &topics["t"];
        assert_eq!((records[0].key.as_deref(), records[1].key.as_deref()), (None, Some(b"1".as_slice())));
        assert_eq!(records[0].headers, [("h".to_owned(), Some(b"app".to_vec()))]);
    }

    #[test]
    fn a_line_that_can_not_be_read_is_named() {
        let error = parse("\n{\"topic\":\"t\"}\n").expect_err("no record");
        assert!(format!("{error:#}").starts_with("line 2: "), "{error:#}");
    }
}
