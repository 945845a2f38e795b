//! `debezium` of a route: Debezium's own options by their own names, as far as they say how a record looks.

use super::DebeziumPlan;
use super::entry::Entry;
use super::mistake::{nearest, suggestion};
use super::section::Section;
use std::ops::RangeInclusive;

/// What an option can be.
pub(super) enum Values {
    OneOf(&'static [&'static str]),
    Flag,
    Text,
    /// Milliseconds, or 0 for never.
    Interval,
    /// Text about which somebody else knows more; `${...}` in it is its own.
    Asked,
    /// Text in which `${...}` is its own: the parts of a regular expression have names like those of the environment.
    AsWritten,
}

const SCHEMAS: &str = "schemas.enable";
const DECIMAL_FORMAT: &str = "decimal.format";
const TOMBSTONES: &str = "tombstones.on.delete";
const SCHEMA_NAMES: &str = "schema.name.adjustment.mode";
const KEYS: &str = "message.key.columns";
pub(super) const HEARTBEAT: &str = "heartbeat.interval.ms";
const FIELD_NAMES: &str = "field.name.adjustment.mode";
const OPTIONS: [(&str, Values); 27] = [
    (SCHEMAS, Values::Flag),
    (TOMBSTONES, Values::Flag),
    ("decimal.handling.mode", Values::OneOf(&["precise", "double", "string"])),
    (DECIMAL_FORMAT, Values::OneOf(&["BASE64", "NUMERIC", "base64", "numeric"])),
    ("money.fraction.digits", Values::OneOf(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])),
    ("binary.handling.mode", Values::OneOf(&["bytes", "base64", "base64-url-safe", "hex"])),
    (
        "time.precision.mode",
        Values::OneOf(&[
            "adaptive",
            "adaptive_time_microseconds",
            "connect",
            "isostring",
            "microseconds",
            "nanoseconds",
        ]),
    ),
    ("bigint.unsigned.handling.mode", Values::OneOf(&["long", "precise"])),
    ("interval.handling.mode", Values::OneOf(&["numeric", "string"])),
    ("hstore.handling.mode", Values::OneOf(&["json", "map"])),
    ("unavailable.value.placeholder", Values::Text),
    ("include.unknown.datatypes", Values::Flag),
    ("include.query", Values::Flag),
    ("replace.null.with.default", Values::Flag),
    ("enable.time.adjuster", Values::Flag),
    ("extended.headers.enabled", Values::Flag),
    ("provide.transaction.metadata", Values::Flag),
    ("include.schema.changes", Values::Flag),
    ("topic.transaction", Values::Text),
    (HEARTBEAT, Values::Interval),
    ("topic.heartbeat.prefix", Values::Text),
    ("include.schema.comments", Values::Flag),
    (KEYS, Values::Asked),
    ("column.propagate.source.type", Values::Asked),
    ("datatype.propagate.source.type", Values::Asked),
    (SCHEMA_NAMES, Values::OneOf(&["none", "avro", "avro_unicode"])),
    (FIELD_NAMES, Values::OneOf(&["none", "avro", "avro_unicode"])),
];
/// Options with a number in their names.
const COUNTED: [(&str, Values); 2] =
    [("column.mask.with.N.chars", Values::Asked), ("column.truncate.to.N.chars", Values::Asked)];
/// Options of Debezium that are something else's business here, and what to write instead.
const ELSEWHERE: [(&str, &str); 22] = [
    ("table.include.list", "write it as `tables` of the pipeline: tables = [\"/.*users/\"]"),
    ("table.exclude.list", "write what is wanted as `tables` of the pipeline"),
    ("column.include.list", "write it as `columns.include` of the pipeline"),
    ("column.exclude.list", "write it as `columns.exclude` of the pipeline"),
    ("skip.messages.without.change", "write skip_unchanged = true in the pipeline"),
    ("skipped.operations", "write the operations that are wanted as `ops` of the route"),
    ("message.prefix.include.list", "write it as `messages` of the route, and \"message\" in its `ops`"),
    ("message.prefix.exclude.list", "write the prefixes that are wanted as `messages` of the route"),
    ("heartbeat.action.query", "remove it; what was read of an idle database is confirmed without a table of its own"),
    ("heartbeat.topics.prefix", "write \"topic.heartbeat.prefix\""),
    ("column.mask.hash.", "let a guest hash the column: a salt in the name of an option stands in clear"),
    ("topic.prefix", "write `prefix` of the target or the route"),
    ("plugin.name", "remove it; PostgreSQL's own pgoutput is read"),
    ("slot.name", "write `slot` of the source"),
    ("key.converter", CONVERTER),
    ("value.converter", CONVERTER),
    ("key.converter.schemas.enable", "write \"schemas.enable\", which is for both"),
    ("value.converter.schemas.enable", "write \"schemas.enable\", which is for both"),
    ("key.converter.decimal.format", "write \"decimal.format\", which is for both"),
    ("value.converter.decimal.format", "write \"decimal.format\", which is for both"),
    ("key.converter.schema.registry.url", REGISTRY),
    ("value.converter.schema.registry.url", REGISTRY),
];
const CONVERTER: &str = "write `encoding` of the route, \"json\" or \"avro\", which is for both";
const REGISTRY: &str = "write `registry` of the target, which is for both";

/// Each heartbeat is a record.
const INTERVAL_MS: RangeInclusive<u64> = 100..=86_400_000;

/// What a `debezium` table says.
#[derive(Default)]
pub(super) struct ReadDebezium<'a> {
    pub plan: DebeziumPlan,
    /// `tombstones.on.delete`, which concerns the record behind the one that has a body.
    pub tombstones: Option<(bool, Entry<'a>)>,
    /// What only JSON has, and why Avro has it not.
    pub of_json: Vec<(Entry<'a>, &'static str)>,
    /// `heartbeat.interval.ms` where it is on: only Kafka has a topic for them.
    pub heartbeat: Option<Entry<'a>>,
    /// `message.key.columns`.
    pub keys: Option<Entry<'a>>,
    /// Where names are to stay as they are, which only JSON lets them.
    pub names: Vec<Entry<'a>>,
}

pub(super) fn read_debezium<'a>(section: &Section<'a>) -> ReadDebezium<'a> {
    let mut read = ReadDebezium::default();
    for (name, entry) in section.dotted() {
        let found = OPTIONS.iter().chain(&COUNTED).find(|(known, _)| *known == name || is_counted(known, &name));
        let Some((known, values)) = found else {
            not_known(&name, &entry);
            continue;
        };
        let Some(value) = value_of(&entry, &name, values) else { continue };
        match *known {
            SCHEMAS => {
                read.plan.schemas = value == "true";
                let rule = "records in Avro never carry their schema: it is in the registry";
                read.of_json.extend(read.plan.schemas.then_some((entry, rule)));
            }
            TOMBSTONES => read.tombstones = Some((value == "true", entry)),
            _ => {
                if *known == HEARTBEAT && value != "0" {
                    read.heartbeat = Some(entry.clone());
                }
                if *known == KEYS {
                    read.keys = Some(entry.clone());
                }
                if *known == DECIMAL_FORMAT && value.eq_ignore_ascii_case("numeric") {
                    read.of_json.push((entry.clone(), "decimals in Avro are always bytes, under a type of their own"));
                }
                if value == "none" && matches!(*known, SCHEMA_NAMES | FIELD_NAMES) {
                    read.names.push(entry);
                }
                read.plan.options.push((name, value));
            }
        }
    }
    read
}

/// Whether a name has something, right or wrong, where this one has its `N`.
fn is_counted(known: &str, name: &str) -> bool {
    let parts = known.split_once(".N.").filter(|_| known != name);
    parts.is_some_and(|(first, last)| name.starts_with(first) && name.ends_with(last))
}

fn not_known(name: &str, entry: &Entry<'_>) {
    let elsewhere =
        ELSEWHERE.iter().find(|(known, _)| *known == name || known.ends_with('.') && name.starts_with(known));
    let (rule, remedy) = match elsewhere {
        Some((_, remedy)) => ("this is not said in a route".to_owned(), (*remedy).to_owned()),
        None => {
            let names = OPTIONS.iter().chain(&COUNTED).map(|(known, _)| *known);
            ("no option of Debezium that is known here has this name".to_owned(), suggestion(name, names, "there are"))
        }
    };
    entry.page.mistake(&entry.subject, entry.key_at.clone(), rule, remedy);
}

pub(super) fn value_of(entry: &Entry<'_>, name: &str, values: &Values) -> Option<String> {
    if let Values::AsWritten = values {
        return entry.raw_text().map(str::to_owned);
    }
    if let Values::Asked = values {
        let value = entry.raw_text()?;
        if let Err(reason) = (entry.page.reading.experts.debezium)(name, value) {
            entry.mistake(format!("`{name}` can not be this"), reason);
            return None;
        }
        return Some(value.to_owned());
    }
    let value = entry.scalar()?;
    let choices: &[&str] = match values {
        Values::Text | Values::Asked | Values::AsWritten => return Some(value),
        Values::Interval => {
            if value == "0" || value.parse().is_ok_and(|millis| INTERVAL_MS.contains(&millis)) {
                return Some(value);
            }
            let rule =
                format!("`{name}` is a number of milliseconds, 0 or {} to {}", INTERVAL_MS.start(), INTERVAL_MS.end());
            entry.mistake(rule, "write 10000 for one in ten seconds, 0 for none");
            return None;
        }
        Values::Flag => &["true", "false"],
        Values::OneOf(choices) => choices,
    };
    if choices.contains(&value.as_str()) {
        return Some(value);
    }
    // A number is near every other.
    let near = nearest(&value, choices.iter().copied()).filter(|_| value.contains(char::is_alphabetic));
    let guess = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    let has = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
    entry.mistake(format!("this is no choice for `{name}`"), format!("{guess}it is one of {has}"));
    None
}
