//! What a consumer sees in a topic: Debezium's events, read back and shown.

use crate::servers::Record;
use anyhow::{Context, Result};
use serde_json::Value;

/// Longer keys and values are cut on the screen.
const SHOWN_LEN_MAX: usize = 118;

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
        let Some(value) = record.value.as_deref() else { return Ok(Self { key, change: None }) };
        let mut value = payload(serde_json::from_slice(value).context("a value that is no JSON")?);
        let op = value["op"].as_str().context("an event without `op`")?.to_owned();
        Ok(Self { key, change: Some(Change { op, before: value["before"].take(), after: value["after"].take() }) })
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

/// The first records as they lie in the topic, one line for each key and value.
pub fn first(records: &[Record], how_many: usize) -> String {
    let mut text = String::new();
    for record in records.iter().take(how_many) {
        text += &format!("    {:>2}/{:<3} {}\n", record.partition, record.offset, shown(record.key.as_deref()));
        text += &format!("           {}\n", shown(record.value.as_deref()));
    }
    text
}

fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "(tombstone)".to_owned() };
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN_LEN_MAX) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.into_owned(),
    }
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
        assert!(first(&records, 5).ends_with("0/3   {\"id\":7}\n           (tombstone)\n"), "{}", first(&records, 5));
    }

    #[test]
    fn what_is_none_of_debeziums_is_an_error_and_no_panic() {
        assert!(Event::of(&record(json!({ "id": 7 }), Some(json!([1])))).is_err());
        assert!(Event::of(&record(json!(7), Some(json!({ "after": {} })))).is_err());
        let keyless = Record { key: None, ..record(json!(1), None) };
        assert!(Event::of(&keyless).is_err());
    }
}
