//! `debezium` of a route: Debezium's own options by their own names, as far as they say how a record looks.

use super::DebeziumPlan;
use super::entry::Entry;
use super::mistake::{nearest, suggestion};
use super::section::Section;

/// What an option can be.
enum Values {
    OneOf(&'static [&'static str]),
    Flag,
    Text,
}

const SCHEMAS: &str = "schemas.enable";
const TOMBSTONES: &str = "tombstones.on.delete";
const OPTIONS: [(&str, Values); 14] = [
    (SCHEMAS, Values::Flag),
    (TOMBSTONES, Values::Flag),
    ("decimal.handling.mode", Values::OneOf(&["precise", "double", "string"])),
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
];
/// Options of Debezium that are something else's business here, and what to write instead.
const ELSEWHERE: [(&str, &str); 10] = [
    ("table.include.list", "write it as `tables` of the pipeline: tables = [\"/.*users/\"]"),
    ("table.exclude.list", "write what is wanted as `tables` of the pipeline"),
    ("column.include.list", "write it as `columns.include` of the pipeline"),
    ("column.exclude.list", "write it as `columns.exclude` of the pipeline"),
    ("skip.messages.without.change", "write skip_unchanged = true in the pipeline"),
    ("skipped.operations", "write the operations that are wanted as `ops` of the route"),
    ("message.key.columns", "write `key` of the route, a template"),
    ("topic.prefix", "write `prefix` of the target or the route"),
    ("plugin.name", "remove it; PostgreSQL's own pgoutput is read"),
    ("slot.name", "write `slot` of the source"),
];
const LATER: [&str; 1] = ["provide.transaction.metadata"];

/// What a `debezium` table says.
#[derive(Default)]
pub(super) struct ReadDebezium<'a> {
    pub plan: DebeziumPlan,
    /// `tombstones.on.delete`, which concerns the record behind the one that has a body.
    pub tombstones: Option<(bool, Entry<'a>)>,
}

pub(super) fn read_debezium<'a>(section: &Section<'a>) -> ReadDebezium<'a> {
    let mut read = ReadDebezium::default();
    for (name, entry) in section.dotted() {
        let Some((known, values)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            not_known(&name, &entry);
            continue;
        };
        let Some(value) = value_of(&entry, &name, values) else { continue };
        match *known {
            SCHEMAS => read.plan.schemas = value == "true",
            TOMBSTONES => read.tombstones = Some((value == "true", entry)),
            _ => read.plan.options.push((name, value)),
        }
    }
    read
}

fn not_known(name: &str, entry: &Entry<'_>) {
    let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == name);
    let (rule, remedy) = match elsewhere {
        Some((_, remedy)) => ("this is not said in a route".to_owned(), (*remedy).to_owned()),
        None if LATER.contains(&name) => (format!("`{name}` is not in this version"), "remove it".to_owned()),
        None => {
            let names = OPTIONS.iter().map(|(known, _)| *known);
            ("no option of Debezium that is known here has this name".to_owned(), suggestion(name, names, "there are"))
        }
    };
    entry.page.mistake(&entry.subject, entry.key_at.clone(), rule, remedy);
}

fn value_of(entry: &Entry<'_>, name: &str, values: &Values) -> Option<String> {
    let value = entry.scalar()?;
    let choices: &[&str] = match values {
        Values::Text => return Some(value),
        Values::Flag => &["true", "false"],
        Values::OneOf(choices) => choices,
    };
    if choices.contains(&value.as_str()) {
        return Some(value);
    }
    let guess =
        nearest(&value, choices.iter().copied()).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    let has = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
    entry.mistake(format!("this is no choice for `{name}`"), format!("{guess}it is one of {has}"));
    None
}
