//! A change as an event of CloudEvents 1.0, as Debezium's `CloudEventsConverter` writes it: what it knows of the change as attributes, both
//! images as data. Structured, all in one JSON document; or binary, the attributes as headers and the data as the body.

use super::form::{Options, unknown};
use super::options::{YES_NO, choose};
use super::part::Written;
use super::source;
use super::table::{Odd, Table};
use super::text::put_string;
use super::unwrap::{fields_of, source_block};
use super::{Change, Debezium, EncodeError, Told};
use crate::change::{DatabaseKind, Header};
use crate::sink::format::avro::Reader;
use crate::sink::format::civil;
use crate::sink::format::scratch::Scratch;
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;

/// What a structured event says that it is.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// Where the attributes stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventMode {
    #[default]
    Structured,
    Binary,
}

/// Whose headers the attributes of a binary event are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Binding {
    #[default]
    Http,
    Kafka,
}

#[derive(Clone, Debug)]
pub struct CloudEvents {
    mode: EventMode,
    binding: Binding,
    /// Whether there are attributes of Debezium's own.
    extensions: bool,
}

/// What begins Debezium's own attributes.
const EXTENSION: &str = "iodebezium";

impl CloudEvents {
    /// Reads options by the names of the converter, and `mode`, which is ours.
    ///
    /// # Errors
    /// A sentence that names the option and what it may be.
    pub fn parse(options: &Options) -> Result<Self, String> {
        let mut read = Self { mode: EventMode::default(), binding: Binding::default(), extensions: true };
        for (name, value) in options {
            match name.as_str() {
                "mode" => {
                    let choices = [("structured", EventMode::Structured), ("binary", EventMode::Binary)];
                    read.mode = choose(name, value, &choices)?;
                }
                "extension.attributes.enable" => read.extensions = choose(name, value, YES_NO)?,
                "serializer.type" | "data.serializer.type" => choose(name, value, &[("json", ())])?,
                _ => return Err(unknown(name, "the cloudevents body")),
            }
        }
        Ok(read)
    }

    /// The same as records of Kafka rather than as requests.
    pub fn of_records(self) -> Self {
        Self { binding: Binding::Kafka, ..self }
    }

    /// What stands around the data where it carries its schema.
    fn schema(&self, table: &Table, before: &Odd, after: &Odd) -> String {
        let connector = source::connector(table.database);
        let [before, after] = [("before", before), ("after", after)].map(|(name, odd)| table.image_schema(odd, name));
        format!(
            "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{before},{after}],\"optional\":false,\
             \"name\":\"io.debezium.connector.{connector}.Data\"}},\"payload\":"
        )
    }
}

/// Name and value of each attribute, values as JSON.
type Attributes = Vec<(String, String)>;

impl Debezium {
    /// The value, and in binary mode the attributes as headers.
    pub(super) fn event(
        &self,
        events: &CloudEvents,
        table: &Table,
        change: &Change<'_>,
        told: &Told,
    ) -> Result<(Written, Vec<Header>), EncodeError> {
        let block = source_block(table, change);
        let attributes = attributes(events, table, (&block, change), told);
        let mut out = Scratch::lend();
        if events.mode == EventMode::Structured {
            out.push(b'{');
            for (name, value) in &attributes {
                put_string(&mut out, name);
                out.push(b':');
                out.extend_from_slice(value.as_bytes());
                out.push(b',');
            }
            out.extend_from_slice(b"\"data\":");
        }
        let at = out.len();
        out.push(b'{');
        let (before, after) = self.put_images(&mut out, table, change, told);
        out.push(b'}');
        if self.options.has_schemas() {
            let head = events.schema(table, &before, &after);
            out.splice(at..at, head.bytes());
            out.push(b'}');
        }
        if events.mode == EventMode::Structured {
            out.push(b'}');
            return Ok((Written { bytes: out.bytes(), schema: None }, Vec::new()));
        }
        Ok((Written { bytes: out.bytes(), schema: None }, headers(&attributes, events.binding)))
    }

    /// What the content of an event is called.
    pub(super) fn event_content_type(events: &CloudEvents) -> &'static str {
        match events.mode {
            EventMode::Structured => CONTENT_TYPE,
            EventMode::Binary => super::CONTENT_TYPE,
        }
    }
}

fn attributes(events: &CloudEvents, table: &Table, (block, change): (&str, &Change<'_>), told: &Told) -> Attributes {
    let text = |text: &str| {
        let mut out = Vec::new();
        put_string(&mut out, text);
        String::from_utf8_lossy(&out).into_owned()
    };
    let bare = |field: &str| super::unwrap::field_of(block, field).map(bare).unwrap_or_default();
    let connector = source::connector(table.database);
    let id = match table.database {
        DatabaseKind::Postgres => {
            format!("name:{};lsn:{};txId:{};sequence:{}", bare("name"), bare("lsn"), bare("txId"), bare("sequence"))
        }
        DatabaseKind::Mysql | DatabaseKind::Mariadb => {
            format!("name:{};file:{};pos:{}", bare("name"), bare("file"), bare("pos"))
        }
    };
    let mut all: Attributes = vec![
        ("id".into(), text(&id)),
        ("source".into(), text(&format!("/debezium/{connector}/{}", bare("name")))),
        ("specversion".into(), text("1.0")),
        ("type".into(), text(&format!("io.debezium.connector.{connector}.DataChangeEvent"))),
        ("time".into(), text(&time_of(change.shown.row.head.committed_at))),
        ("datacontenttype".into(), text(super::CONTENT_TYPE)),
    ];
    if events.extensions {
        all.push((format!("{EXTENSION}op"), text(told.op)));
        for (name, value) in fields_of(block) {
            let value = if value == "null" { value.to_owned() } else { text(&self::bare(value)) };
            all.push((format!("{EXTENSION}{}", name.replace('_', "")), value));
        }
        for (name, field) in
            [("txid", "id"), ("txtotalorder", "total_order"), ("txdatacollectionorder", "data_collection_order")]
        {
            let value = change.transaction.map_or("null".into(), |place| text(&self::bare(&place.field(field))));
            all.push((format!("{EXTENSION}{name}"), value));
        }
    }
    all
}

/// A value of JSON as text.
fn bare(json: &str) -> String {
    Reader::new(json).string().map_or_else(|| json.to_owned(), std::borrow::Cow::into_owned)
}

/// RFC 3339 with three digits behind the second.
fn time_of(committed_at: i64) -> String {
    let millis = committed_at.saturating_add(UNIX_EPOCH_TO_2000_US).div_euclid(1_000);
    let micros = millis.saturating_mul(1_000).saturating_sub(UNIX_EPOCH_TO_2000_US);
    let rest = micros.rem_euclid(1_000_000);
    let mut out = Vec::with_capacity(24);
    civil::put_timestamp(&mut out, micros - rest, "");
    out.extend_from_slice(format!(".{:03}Z", rest / 1_000).as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// The attributes as the protocol bindings have them (CloudEvents 1.0.2). HTTP, 3.1.3: `ce-` before the name, and what a header can not hold
/// percent-encoded; the content's type is the body's own. Kafka, 3.2: `ce_` before the name, the value as it is; the content's type is a
/// header, whether or not records carry our own. What is null is not there.
fn headers(attributes: &Attributes, binding: Binding) -> Vec<Header> {
    let set = attributes.iter().filter(|(_, value)| value != "null");
    let header = |(name, value): &(String, String)| -> Option<Header> {
        let (name, value) = (name.to_ascii_lowercase(), bare(value));
        match (binding, name == "datacontenttype") {
            (Binding::Http, true) => None,
            (Binding::Http, false) => Some((format!("ce-{name}").into(), percent_encoded(&value))),
            (Binding::Kafka, true) => Some(("content-type".into(), value)),
            (Binding::Kafka, false) => Some((format!("ce_{name}").into(), value)),
        }
    };
    set.filter_map(header).collect()
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '!'..='~') && !matches!(c, '"' | '%') {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_three_digits_behind_the_second() {
        let at = |unix_us: i64| time_of(unix_us - UNIX_EPOCH_TO_2000_US);
        assert_eq!(at(1_795_243_222_467_640), "2026-11-21T06:40:22.467Z");
        assert_eq!(at(1_795_243_222_000_000), "2026-11-21T06:40:22.000Z");
        assert_eq!(at(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn headers_hold_visible_ascii_and_nothing_that_is_null() {
        let attributes = vec![
            ("id".to_owned(), "\"a \\\"ü\\\" 10%\"".to_owned()),
            ("datacontenttype".to_owned(), "\"application/json\"".to_owned()),
            ("iodebeziumxmin".to_owned(), "null".to_owned()),
            ("iodebeziumtxId".to_owned(), "\"7\"".to_owned()),
        ];
        let expected = [("ce-id", "a%20%22%C3%BC%22%2010%25"), ("ce-iodebeziumtxid", "7")];
        assert_eq!(headers(&attributes, Binding::Http), expected.map(|(name, value)| (name.into(), value.to_owned())));
        // Kafka's headers hold any text, and nothing else says what a record's content is.
        let expected = [("ce_id", "a \"ü\" 10%"), ("content-type", "application/json"), ("ce_iodebeziumtxid", "7")];
        assert_eq!(headers(&attributes, Binding::Kafka), expected.map(|(name, value)| (name.into(), value.to_owned())));
    }
}
