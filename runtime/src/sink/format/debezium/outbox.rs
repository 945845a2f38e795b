//! Rows of an outbox as the events that they hold, as Debezium's `EventRouter` makes them: the topic, the key, the value and the headers
//! stand in columns.

use super::expand::{Expanded, Nulls, expanded};
use super::form::{Options, listed, unknown};
use super::image::{Image, cell};
use super::options::{Encoding, YES_NO, choose};
use super::part::{Part, Written};
use super::patterns::expression;
use super::table::{Odd, Table};
use super::text::put_string;
use super::unwrap::header_text;
use super::{Change, Debezium, EncodeError, Record};
use crate::change::{Cell, Header, Op, RecordForm};
use crate::sink::format::scratch::Scratch;
use regex::Regex;

/// Where a further column goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    Header,
    Envelope,
}

/// A further column, by the name that it gets.
#[derive(Clone, Debug)]
struct Further {
    column: String,
    placement: Placement,
    name: String,
}

/// What an update of a row becomes: nobody updates an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnUpdate {
    Nothing,
    Refuse,
}

#[derive(Clone, Debug)]
pub struct Outbox {
    id: String,
    key: String,
    payload: String,
    route_by: String,
    topic_pattern: Regex,
    /// In the words of [`regex`].
    topic: String,
    further: Vec<Further>,
    further_must_be_there: bool,
    expand: bool,
    nulls: Nulls,
    empty_is_tombstone: bool,
    on_update: OnUpdate,
}

impl Outbox {
    /// Reads options by their names, without `transforms.outbox.` before them.
    ///
    /// # Errors
    /// A sentence that names the option and what it may be.
    pub fn parse(options: &Options) -> Result<Self, String> {
        let mut read = Self {
            id: "id".into(),
            key: "aggregateid".into(),
            payload: "payload".into(),
            route_by: "aggregatetype".into(),
            topic_pattern: expression("(?<routedByValue>.*)", false)?,
            topic: "outbox.event.${routedByValue}".into(),
            further: Vec::new(),
            further_must_be_there: true,
            expand: false,
            nulls: Nulls::default(),
            empty_is_tombstone: false,
            on_update: OnUpdate::Nothing,
        };
        for (name, value) in options {
            read.set(name, value)?;
        }
        Ok(read)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "table.field.event.id" => value.clone_into(&mut self.id),
            "table.field.event.key" => value.clone_into(&mut self.key),
            "table.field.event.payload" => value.clone_into(&mut self.payload),
            "route.by.field" => value.clone_into(&mut self.route_by),
            "route.topic.regex" => self.topic_pattern = expression(value, false)?,
            "route.topic.replacement" => self.topic = replacement(value),
            "table.fields.additional.placement" => {
                self.further = listed(value).map(Further::parse).collect::<Result<_, _>>()?;
            }
            "table.fields.additional.error.on.missing" => {
                self.further_must_be_there = choose(name, value, YES_NO)?;
            }
            "table.expand.json.payload" => self.expand = choose(name, value, YES_NO)?,
            "table.json.payload.null.behavior" => {
                let choices = [("ignore", Nulls::Ignore), ("optional_bytes", Nulls::OptionalBytes)];
                self.nulls = choose(name, value, &choices)?;
            }
            "route.tombstone.on.empty.payload" => self.empty_is_tombstone = choose(name, value, YES_NO)?,
            "table.op.invalid.behavior" => {
                let choices = [("warn", OnUpdate::Nothing), ("error", OnUpdate::Refuse), ("fatal", OnUpdate::Refuse)];
                self.on_update = choose(name, value, &choices)?;
            }
            _ => return Err(unknown(name, "the outbox body")),
        }
        Ok(())
    }

    fn has_envelope(&self) -> bool {
        self.further.iter().any(|further| further.placement == Placement::Envelope)
    }

    /// The topic of a value; one that the pattern does not match is the topic itself.
    fn topic(&self, value: &str) -> String {
        let Some(found) = self.topic_pattern.captures(value) else { return value.to_owned() };
        let mut topic = String::new();
        found.expand(&self.topic, &mut topic);
        topic
    }
}

impl Further {
    /// `type:header:eventType`, `version:envelope`.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':').map(str::trim);
        let (column, placement) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let alias = parts.next();
        let placement = match placement {
            "header" => Placement::Header,
            "envelope" => Placement::Envelope,
            "partition" => return Err(format!("{text:?}: the partition of a record follows from its key")),
            _ => {
                return Err(format!(
                    "{text:?} says no place; write COLUMN:header, COLUMN:envelope or COLUMN:header:NAME"
                ));
            }
        };
        if column.is_empty() || alias == Some("") || parts.next().is_some() {
            return Err(format!("{text:?} has too few or too many parts; write COLUMN:header:NAME"));
        }
        Ok(Self { column: column.to_owned(), placement, name: alias.unwrap_or(column).to_owned() })
    }
}

/// Java's `$1` ends with its digits, ours would go on with letters.
fn replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..at]);
        if digits > 0 {
            out.push_str(&format!("${{{}}}", &rest[at + 1..=at + digits]));
        } else {
            out.push('$');
        }
        rest = &rest[at + 1 + digits..];
    }
    out.push_str(rest);
    out
}

/// A column's value in JSON, and its schema but for the closing brace.
struct Told {
    value: Vec<u8>,
    schema: String,
}

impl Told {
    fn json(&self) -> &str {
        std::str::from_utf8(&self.value).expect("JSON that was written here is UTF-8")
    }
}

impl Debezium {
    /// The event in a row: none of a delete, which only tidies the table.
    pub(super) fn routed(
        &self,
        outbox: &Outbox,
        table: &Table,
        change: &Change<'_>,
    ) -> Result<Vec<Record>, EncodeError> {
        match change.shown.row.head.op {
            Op::Insert | Op::Read => {}
            Op::Update if outbox.on_update == OnUpdate::Refuse => return Err(EncodeError::OutboxUpdate),
            Op::Update | Op::Delete | Op::Truncate => return Ok(Vec::new()),
        }
        let column =
            |name: &str| self.column(table, change, name).ok_or_else(|| EncodeError::NoColumn(name.to_owned()));
        let (id, route, key) = (column(&outbox.id)?, column(&outbox.route_by)?, column(&outbox.key)?);
        let route = header_text(route.json()).ok_or_else(|| EncodeError::NullColumn(outbox.route_by.clone()))?;
        let mut headers: Vec<Header> = table.headers.to_vec();
        headers.extend(header_text(id.json()).map(|text| ("id".into(), text)));
        let mut envelope: Vec<(String, Told)> = Vec::new();
        for further in &outbox.further {
            let told = match column(&further.column) {
                Err(_) if !outbox.further_must_be_there => continue,
                told => told?,
            };
            match further.placement {
                Placement::Header => {
                    headers.extend(header_text(told.json()).map(|text| (further.name.as_str().into(), text)))
                }
                Placement::Envelope => envelope.push((further.name.clone(), told)),
            }
        }
        let payload = self.payload(outbox, column(&outbox.payload)?);
        let is_empty = header_text(payload.json()).is_none_or(|text| text.trim().is_empty());
        // Any text can stand in a row; in Avro all of them make a name, and none stands in an error.
        let routed = self.options.schema_names.within_schema(&route);
        let name = format!("{}.{}.Value", table.schema_name, super::shape::escaped(&routed));
        // Avro has no bytes for a null that is all there is.
        let is_nothing = payload.json() == "null" && self.options.encoding == Encoding::Avro;
        let value = match outbox.has_envelope() {
            _ if is_empty && outbox.empty_is_tombstone => None,
            false if is_nothing => None,
            false => Some(self.alone(&payload)?),
            true => Some(self.enveloped(&name, payload, &envelope)?),
        };
        let is_null = value.is_none();
        let is_unwritable = key.json() == "null" && self.options.encoding == Encoding::Avro;
        let key = if is_unwritable { None } else { Some(self.alone(&key)?) };
        let (key, key_schema) = key.map_or((None, None), |key| (Some(key.bytes), key.schema));
        let (value, value_schema) = value.map_or_else(Default::default, |value| (value.bytes, value.schema));
        Ok(vec![Record {
            topic: Some(outbox.topic(&route)),
            key,
            value,
            form: RecordForm { key_schema, value_schema, is_null },
            headers: headers.into(),
            tombstone: false,
        }])
    }

    fn payload(&self, outbox: &Outbox, told: Told) -> Told {
        let text = if outbox.expand { header_text(told.json()) } else { None };
        match text.and_then(|text| expanded(&text, &outbox.payload, outbox.nulls, self.options.field_names)) {
            Some(Expanded { value, schema }) => Told { value, schema },
            None => told,
        }
    }

    /// A column of the row, one that a guest added included; `None` if there is none of this name.
    fn column(&self, table: &Table, change: &Change<'_>, name: &str) -> Option<Told> {
        let shown = change.shown;
        let mut value = Vec::new();
        if let Some((_, added)) = shown.added().find(|(added, _)| *added == name) {
            let shape = super::shape::Shape::of_value(&added, &self.options);
            if super::value::put(&mut value, &shape.kind, &added).is_err() {
                value = b"null".to_vec();
            }
            return Some(Told { value, schema: shape.open(true, "", b"") });
        }
        let index = table.fields.iter().position(|field| shown.schema.columns[field.column].name == name)?;
        let field = &table.fields[index];
        let cell = &cell(shown, Image::Shown, field.column);
        if *cell == Cell::Absent {
            return None;
        }
        let mut odd = Odd::default();
        self.put_shown(&mut value, table, index, cell, &mut odd);
        value.drain(..field.label.len());
        let odd = odd.fields.pop().and_then(|(_, shape)| shape);
        Some(Told { value, schema: field.open_schema(odd.as_ref()) })
    }

    /// One value as all of a key or a value.
    fn alone(&self, told: &Told) -> Result<Written, EncodeError> {
        self.with_schema(&format!("{}}}", told.schema), &told.value)
    }

    fn enveloped(&self, name: &str, payload: Told, further: &[(String, Told)]) -> Result<Written, EncodeError> {
        let payload = ("payload".to_owned(), payload);
        let (mut schemas, mut value) = (Vec::new(), vec![b'{']);
        for (name, told) in std::iter::once(&payload).chain(further) {
            if value.len() > 1 {
                value.push(b',');
            }
            let at = value.len();
            put_string(&mut value, name);
            schemas.push(format!("{},\"field\":{}}}", told.schema, String::from_utf8_lossy(&value[at..])));
            value.push(b':');
            value.extend_from_slice(&told.value);
        }
        value.push(b'}');
        let schema = format!(
            "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":false,\"name\":\"{name}\"}}",
            schemas.join(",")
        );
        self.with_schema(&schema, &value)
    }

    fn with_schema(&self, schema: &str, value: &[u8]) -> Result<Written, EncodeError> {
        let mut out = Scratch::lend();
        out.extend_from_slice(value);
        let head = format!("{{\"schema\":{schema},\"payload\":").into_bytes();
        let odd_head = self.options.has_schemas().then_some(head);
        self.finish.of(&mut out, &Part::default(), odd_head).map_err(EncodeError::Avro)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Outbox, String> {
        let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Outbox::parse(&options)
    }

    #[test]
    fn topic_is_made_of_the_routed_value() {
        assert_eq!(parse(&[]).expect("defaults").topic("Order"), "outbox.event.Order");
        let own = parse(&[("route.topic.replacement", "events.${routedByValue}.v1")]).expect("known");
        assert_eq!(own.topic("a b"), "events.a b.v1");
        let numbered = [("route.topic.regex", "(\\w+)\\.(\\w+)"), ("route.topic.replacement", "$2_x.$1s")];
        let numbered = parse(&numbered).expect("known");
        assert_eq!((numbered.topic("a.b").as_str(), numbered.topic("a-b").as_str()), ("b_x.as", "a-b"));
    }

    #[test]
    fn wrong_options_say_what_would_be_right() {
        for (name, value, part) in [
            ("route.topic.regex", "(", "no regular expression"),
            ("table.fields.additional.placement", "type", "COLUMN:header"),
            ("table.fields.additional.placement", "type:body", "COLUMN:header"),
            ("table.fields.additional.placement", "p:partition", "follows from its key"),
            ("table.fields.additional.placement", "a:header:b:c", "too many"),
            ("table.expand.json.payload", "yes", "true, false"),
            ("table.field.event.type", "type", "no option of the outbox body"),
        ] {
            let told = parse(&[(name, value)]).expect_err(name);
            assert!(told.contains(part), "{told}");
        }
    }
}
