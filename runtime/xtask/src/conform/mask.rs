//! What differs from run to run is made the same: times, positions, numbers of transactions, names of runs. Nothing else.
//!
//! A mask keeps what it can: null stays null, a number becomes `0` and a text `"*"`, so that a field that is missing or of
//! another type is seen.

use super::folder::Flavour;
use super::json::{Document, Node, unquoted};
use super::recording::{Record, document};
use std::ops::Range;

const ENVELOPE: [&str; 3] = ["ts_ms", "ts_us", "ts_ns"];
const SOURCE_POSTGRES: [&str; 4] = ["txId", "lsn", "xmin", "sequence"];
const SOURCE_BINLOG: [&str; 4] = ["pos", "gtid", "file", "thread"];
const FLAT: [&str; 2] = ["__lsn", "__source_ts_ms"];
const CLOUD_EVENT: [&str; 9] = [
    "id",
    "time",
    "iodebeziumtsms",
    "iodebeziumtsus",
    "iodebeziumtsns",
    "iodebeziumlsn",
    "iodebeziumtxId",
    "iodebeziumtxid",
    "iodebeziumsequence",
];
/// The header with the name of a run.
const RUN: &str = "__debezium.context.runId";
/// In front of the address of a Java object.
const ADDRESSES: [&str; 2] = ["[Ljava.lang.String;@", "LogicalDecodingMessageId@"];

/// A record with its masks on.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked {
    pub key: Option<Part>,
    pub value: Option<Part>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Bytes, and what they say if they are JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Json(Document),
    Bytes(Vec<u8>),
}

impl Masked {
    pub fn of(record: &Record, topic: &str, flavour: Flavour) -> Self {
        let part = |bytes: &Option<Vec<u8>>, is_key| bytes.as_ref().map(|bytes| part(bytes, topic, flavour, is_key));
        let header = |(name, value): &(String, Option<Vec<u8>>)| {
            let value = if name == RUN { value.as_ref().map(|_| b"*".to_vec()) } else { value.clone() };
            (name.clone(), value)
        };
        Self {
            key: part(&record.key, true),
            value: part(&record.value, false),
            headers: record.headers.iter().map(header).collect(),
        }
    }
}

impl Masked {
    /// Whether it says that it came before the stream, with the connector's initial snapshot.
    pub fn is_of_snapshot(&self) -> bool {
        let Some(Part::Json(document)) = &self.value else { return false };
        let snapshot = payload(&document.root).get("source").and_then(|source| source.get("snapshot"));
        // Of what streams it is the field's default, which is a null where nulls stay nulls.
        snapshot.is_some_and(|node| !matches!(document.raw(node), "\"false\"" | "null"))
    }
}

impl Part {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Json(document) => document.text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn part(bytes: &[u8], topic: &str, flavour: Flavour, is_key: bool) -> Part {
    let Some(read) = document(bytes) else { return Part::Bytes(bytes.to_vec()) };
    let mut masks = Masks { document: &read, all: Vec::new() };
    let payload = payload(&read.root);
    if topic.ends_with(".transaction") {
        masks.fields(payload, &["id"]);
        masks.fields(payload, if is_key { &[] } else { &["ts_ms"] });
        masks.counts(payload);
    } else if !is_key {
        masks.value(payload, flavour);
    }
    masks.addresses(&read.root);
    let text = read.with(masks.all);
    // What was read once, is read again with numbers for numbers and texts for texts.
    Document::read(text).map_or_else(|| Part::Bytes(bytes.to_vec()), Part::Json)
}

/// What stands beside a schema, or all of it.
pub fn payload(root: &Node) -> &Node {
    match root.members() {
        [(schema, _), (payload, node)] if schema == "schema" && payload == "payload" => node,
        _ => root,
    }
}

struct Masks<'a> {
    document: &'a Document,
    all: Vec<(Range<usize>, String)>,
}

impl Masks<'_> {
    fn value(&mut self, payload: &Node, flavour: Flavour) {
        if payload.get("specversion").is_some() {
            return self.fields(payload, &CLOUD_EVENT);
        }
        let Some(source) = payload.get("source").filter(|source| source.get("connector").is_some()) else {
            return self.fields(payload, &FLAT);
        };
        self.fields(payload, &ENVELOPE);
        self.fields(source, &ENVELOPE);
        self.fields(source, if flavour == Flavour::Postgres { &SOURCE_POSTGRES } else { &SOURCE_BINLOG });
        if payload.get("ddl").is_some() {
            self.names(source.get("table"));
        }
        if let Some(transaction) = payload.get("transaction") {
            self.fields(transaction, &["id"]);
        }
    }

    fn fields(&mut self, node: &Node, names: &[&str]) {
        for (_, node) in node.members().iter().filter(|(name, _)| names.contains(&name.as_str())) {
            let raw = self.document.raw(node);
            let mask = match raw.as_bytes().first() {
                Some(b'"') => text_mask(raw),
                Some(b'0'..=b'9' | b'-') => "0".to_owned(),
                _ => continue,
            };
            self.all.push((node.span.clone(), mask));
        }
    }

    /// The tables of a statement, between commas: Debezium has them in the order of a hash.
    fn names(&mut self, tables: Option<&Node>) {
        let Some((span, text)) = tables.and_then(|node| Some((node.span.clone(), unquoted(self.document.raw(node))?)))
        else {
            return;
        };
        let mut names: Vec<&str> = text.split(',').collect();
        if names.len() > 1 {
            names.sort_unstable();
            self.all.push((span, serde_json::Value::from(names.join(",")).to_string()));
        }
    }

    /// What happened to each table: said in the order of a hash.
    fn counts(&mut self, payload: &Node) {
        let Some(counts) = payload.get("data_collections").filter(|node| !node.items().is_empty()) else { return };
        let mut items: Vec<String> =
            counts.items().iter().map(|item| masked_address(self.document.raw(item))).collect();
        items.sort_unstable();
        self.all.push((counts.span.clone(), format!("[{}]", items.join(","))));
    }

    fn addresses(&mut self, node: &Node) {
        for item in node.items() {
            self.addresses(item);
        }
        for (_, member) in node.members() {
            self.addresses(member);
        }
        let raw = self.document.raw(node);
        let is_masked = self.all.iter().any(|(span, _)| span.start <= node.span.start && node.span.end <= span.end);
        if is_masked || !raw.starts_with('"') {
            return;
        }
        if let Some(address) = address(raw) {
            let begin = node.span.start;
            self.all.push((begin + address.start..begin + address.end, "*".to_owned()));
        }
    }
}

/// Where the digits of a Java object's address stand.
fn address(raw: &str) -> Option<Range<usize>> {
    let at = ADDRESSES.iter().find_map(|name| raw.find(name).map(|at| at + name.len()))?;
    Some(at..at + raw[at..].bytes().take_while(u8::is_ascii_hexdigit).count())
}

fn masked_address(raw: &str) -> String {
    address(raw).map_or_else(|| raw.to_owned(), |at| format!("{}*{}", &raw[..at.start], &raw[at.end..]))
}

/// A text keeps its shape where it has one: `["1","2"]` of a sequence, `uuid:1` and `uuid:tag:1` of a GTID.
fn text_mask(raw: &str) -> String {
    let text = unquoted(raw).unwrap_or_default();
    if let Some(Ok(items)) = text.starts_with('[').then(|| serde_json::from_str::<Vec<Option<String>>>(&text)) {
        let items: Vec<Option<&str>> = items.iter().map(|item| item.as_ref().map(|_| "*")).collect();
        let sequence = serde_json::to_string(&items).unwrap_or_default();
        return serde_json::Value::from(sequence).to_string();
    }
    let tag = match text.split(':').collect::<Vec<_>>()[..] {
        [uuid, tag, _] if uuid.len() == 36 => format!("*:{tag}:*"),
        _ => "*".to_owned(),
    };
    serde_json::Value::from(tag).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(value: &str, topic: &str, flavour: Flavour) -> String {
        match part(value.as_bytes(), topic, flavour, false) {
            Part::Json(document) => document.text,
            Part::Bytes(bytes) => String::from_utf8(bytes).expect("text"),
        }
    }

    #[test]
    fn exactly_what_varies_is_masked_and_a_column_of_that_name_is_not() {
        let value = r#"{"before":null,"after":{"ts_ms":1,"lsn":2,"id":"x","pos":7},"source":{"version":"3","connector":"postgresql","ts_ms":3,"sequence":"[null,\"5\"]","txId":6,"lsn":7,"xmin":null},"transaction":{"id":"1:2","total_order":1},"op":"c","ts_ms":8,"ts_us":9,"ts_ns":10}"#;
        let expected = r#"{"before":null,"after":{"ts_ms":1,"lsn":2,"id":"x","pos":7},"source":{"version":"3","connector":"postgresql","ts_ms":0,"sequence":"[null,\"*\"]","txId":0,"lsn":0,"xmin":null},"transaction":{"id":"*","total_order":1},"op":"c","ts_ms":0,"ts_us":0,"ts_ns":0}"#;
        assert_eq!(masked(value, "t", Flavour::Postgres), expected);
        let with_schema = |payload: &str| format!(r#"{{"schema":{{"version":1}},"payload":{payload}}}"#);
        assert_eq!(masked(&with_schema(value), "t", Flavour::Postgres), with_schema(expected));
    }

    #[test]
    fn a_binary_logs_place_is_masked_but_for_its_shape() {
        let value = r#"{"source":{"connector":"mysql","gtid":"34dffbe9-e57e-11f1-b087-02fc00000001:blue:2","file":"a","pos":5,"row":1,"thread":null,"server_id":1}}"#;
        let expected = r#"{"source":{"connector":"mysql","gtid":"*:blue:*","file":"*","pos":0,"row":1,"thread":null,"server_id":1}}"#;
        assert_eq!(masked(value, "t", Flavour::Mysql), expected);
    }

    #[test]
    fn the_transaction_topic_is_masked_and_counts_are_in_order() {
        let value = r#"{"status":"END","id":"0-1-7","event_count":3,"data_collections":[{"data_collection":"b"},{"data_collection":"a"}],"ts_ms":5}"#;
        let expected = r#"{"status":"END","id":"*","event_count":3,"data_collections":[{"data_collection":"a"},{"data_collection":"b"}],"ts_ms":0}"#;
        assert_eq!(masked(value, "app.transaction", Flavour::Mariadb), expected);
    }

    #[test]
    fn tables_of_a_statement_are_in_order_and_a_column_of_that_name_is_not() {
        let value = r#"{"source":{"connector":"mysql","table":"sw2,sw3,sw1"},"ddl":"RENAME TABLE sw1 TO sw3"}"#;
        assert!(masked(value, "app", Flavour::Mysql).contains(r#""table":"sw1,sw2,sw3""#));
        let value = r#"{"source":{"connector":"mysql","table":"b,a"},"op":"c"}"#;
        assert!(masked(value, "app", Flavour::Mysql).contains(r#""table":"b,a""#));
    }

    #[test]
    fn addresses_of_java_are_masked_and_what_is_no_json_stays() {
        assert_eq!(
            masked(r#"{"a":["[Ljava.lang.String;@1b2c3d"]}"#, "t", Flavour::Postgres),
            r#"{"a":["[Ljava.lang.String;@*"]}"#
        );
        assert_eq!(masked("no json", "t", Flavour::Postgres), "no json");
        let flat = r#"{"id":1,"__op":"c","__lsn":5,"__source_ts_ms":6}"#;
        assert_eq!(masked(flat, "t", Flavour::Postgres), r#"{"id":1,"__op":"c","__lsn":0,"__source_ts_ms":0}"#);
    }

    #[test]
    fn the_name_of_a_run_is_masked_among_headers() {
        let header = |name: &str| (name.to_owned(), Some(b"v".to_vec()));
        let record =
            Record { key: None, value: None, headers: vec![header(RUN), header("id")], at: Default::default() };
        let masked = Masked::of(&record, "t", Flavour::Mysql);
        assert_eq!(masked.headers[0].1.as_deref(), Some(b"*".as_slice()));
        assert_eq!(masked.headers[1].1.as_deref(), Some(b"v".as_slice()));
    }
}
