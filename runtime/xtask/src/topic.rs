//! What a consumer sees in a topic: Debezium's events, read back and shown.

use crate::servers::Record;
use anyhow::{Context, Result};
use serde_json::Value;

/// A value is broken into lines of so many signs, and cut behind the last.
const LINE_LEN: usize = 110;
const LINES_MAX: usize = 5;

/// One change as its consumer understands it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub key: Value,
    /// `None` for a tombstone: nothing is under this key any more.
    pub change: Option<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `c`, `u`, `d` or `r`, as Debezium writes it.
    pub op: String,
    /// Null where there was no row, or the log does not hold it.
    pub before: Value,
    /// Null after a delete.
    pub after: Value,
}

impl Event {
    /// Reads a record. An error when it is none of Debezium's.
    pub fn of(record: &Record) -> Result<Self> {
        let key = record.key.as_deref().context("a record without a key")?;
        let key = payload(serde_json::from_slice(key).context("a key that is no JSON")?);
        let change = record.value.as_deref().map(Change::of).transpose()?;
        Ok(Self { key, change })
    }

    /// The changes among `records`, in their order.
    pub fn of_all(records: &[Record]) -> Result<Vec<Self>> {
        records.iter().map(Self::of).collect()
    }

    /// The operation; `-` for a tombstone.
    pub fn op(&self) -> &str {
        self.change.as_ref().map_or("-", |change| &change.op)
    }

    /// The row that this is about, as it is or was.
    pub fn row(&self) -> &Value {
        match &self.change {
            Some(change) if change.after.is_null() => &change.before,
            Some(change) => &change.after,
            None => &Value::Null,
        }
    }
}

impl Change {
    /// Reads the value of a record.
    pub fn of(value: &[u8]) -> Result<Self> {
        let mut value = payload(serde_json::from_slice(value).context("a value that is no JSON")?);
        let op = value["op"].as_str().context("an event without `op`")?.to_owned();
        Ok(Self { op, before: value["before"].take(), after: value["after"].take() })
    }
}

/// With a schema beside it, the payload is what counts.
fn payload(mut value: Value) -> Value {
    match value.get_mut("payload") {
        Some(payload) => payload.take(),
        None => value,
    }
}

/// `2 c, 1 u, 1 d, 1 tombstone`
pub fn counts(events: &[Event]) -> String {
    let count = |op: &str| events.iter().filter(|event| event.op() == op).count();
    let names = [("c", "create"), ("r", "read"), ("u", "update"), ("d", "delete"), ("-", "tombstone")];
    let several = |n: usize, name: &str| format!("{n} {name}{}", if n == 1 { "" } else { "s" });
    let parts: Vec<String> =
        names.iter().filter(|(op, _)| count(op) > 0).map(|(op, name)| several(count(op), name)).collect();
    parts.join(", ")
}

/// Records as they lie in the topic: partition and offset, the key, and the value below it.
pub fn shown(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let place = format!("{}/{}", record.partition, record.offset);
        for (number, line) in lines(record.key.as_deref()).iter().enumerate() {
            text += &format!("    {:<6} {line}\n", if number == 0 { &place } else { "" });
        }
        for line in lines(record.value.as_deref()) {
            text += &format!("             {line}\n");
        }
    }
    text
}

fn lines(bytes: Option<&[u8]>) -> Vec<String> {
    let Some(bytes) = bytes else { return vec!["(tombstone)".to_owned()] };
    let signs: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
    let mut lines: Vec<String> = signs.chunks(LINE_LEN).take(LINES_MAX).map(|line| line.iter().collect()).collect();
    if signs.len() > LINE_LEN * LINES_MAX
        && let Some(last) = lines.last_mut()
    {
        last.push_str(" ...");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(key: Value, value: Option<Value>) -> Record {
        let bytes = |value: Value| value.to_string().into_bytes();
        let (key, value) = (Some(bytes(key)), value.map(bytes));
        Record { key, value, headers: Vec::new(), partition: 0, offset: 3, timestamp: None }
    }

    #[test]
    fn an_event_is_read_with_and_without_its_schema() {
        let plain = json!({ "op": "c", "before": null, "after": { "id": 7 } });
        let expected = Event::of(&record(json!({ "id": 7 }), Some(plain.clone()))).expect("an event");
        assert_eq!((expected.op(), expected.row()), ("c", &json!({ "id": 7 })));
        let wrapped = |payload: Value| json!({ "schema": {}, "payload": payload });
        let found = Event::of(&record(wrapped(json!({ "id": 7 })), Some(wrapped(plain)))).expect("an event");
        assert_eq!(found, expected);
    }

    #[test]
    fn a_tombstone_is_counted_as_one_and_shown_as_one() {
        let deleted = json!({ "op": "d", "before": { "id": 7 }, "after": null });
        let records = [record(json!({ "id": 7 }), Some(deleted)), record(json!({ "id": 7 }), None)];
        let events = Event::of_all(&records).expect("events");
        assert_eq!(counts(&events), "1 delete, 1 tombstone");
        assert_eq!(events[0].row(), &json!({ "id": 7 }));
        assert_eq!(shown(&records[1..]), "    0/3    {\"id\":7}\n             (tombstone)\n");
    }

    #[test]
    fn a_long_value_is_broken_and_at_last_cut() {
        let long = |len: usize| lines(Some("é".repeat(len).as_bytes()));
        assert_eq!(long(LINE_LEN + 1), ["é".repeat(LINE_LEN), "é".to_owned()]);
        assert_eq!(long(LINE_LEN * LINES_MAX).len(), LINES_MAX);
        let cut = long(LINE_LEN * LINES_MAX + 1);
        assert_eq!((cut.len(), cut[LINES_MAX - 1].ends_with("é ...")), (LINES_MAX, true));
    }

    #[test]
    fn what_is_none_of_debeziums_is_an_error_and_no_panic() {
        assert!(Event::of(&record(json!({ "id": 7 }), Some(json!([1])))).is_err());
        assert!(Event::of(&record(json!(7), Some(json!({ "after": {} })))).is_err());
        let keyless = Record { key: None, ..record(json!(1), None) };
        assert!(Event::of(&keyless).is_err());
    }
}
