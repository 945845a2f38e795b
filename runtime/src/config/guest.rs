//! `[guest.STEM]`: what a guest is given, and what it may use.

use super::entry::{Entry, Node};
use super::section::Section;
use super::{GuestPlan, LimitsPlan};
use serde_json::{Map, Number, Value as Json};
use std::time::Duration;
use toml_edit::Value;

const MS: Duration = Duration::from_millis(1);

pub(super) fn read_guest(section: &Section<'_>, stem: &str) -> GuestPlan {
    // Whether the folder is there is not looked at: sources do not travel with a pipeline.
    let crate_folder = section.text("crate").map(|path| section.page.folder().join(path));
    let config = section.section("config").map(|config| read_config(&config)).unwrap_or_default();
    let limits = section.section("limits").map(|limits| read_limits(&limits)).unwrap_or_default();
    section.finish();
    GuestPlan { stem: stem.to_owned(), crate_folder, config, limits }
}

fn read_limits(section: &Section<'_>) -> LimitsPlan {
    let default = LimitsPlan::default();
    let limits = LimitsPlan {
        memory: section.size("memory", 1 << 20..=4 << 30).unwrap_or(default.memory),
        row: section.duration("row", MS..=60_000 * MS).unwrap_or(default.row),
        batch: section.duration("batch", MS..=600_000 * MS).unwrap_or(default.batch),
        output: section.size("output", 4 << 10..=1 << 30).unwrap_or(default.output),
        cell: section.size("cell", 1 << 10..=1 << 30).unwrap_or(default.cell),
    };
    section.finish();
    if limits.batch < limits.row {
        section.mistake("a batch gets less time than a row", "make `batch` at least `row`");
    }
    limits
}

fn read_config(section: &Section<'_>) -> Vec<(String, String)> {
    section.entries().iter().filter_map(|entry| Some((entry.key.to_owned(), text_of(entry)?))).collect()
}

fn text_of(entry: &Entry<'_>) -> Option<String> {
    match entry.node {
        Node::Value(Value::Datetime(time)) => Some(time.value().to_string()),
        _ => match json_of(entry)? {
            Json::String(text) => Some(text),
            json => Some(json.to_string()),
        },
    }
}

pub(super) fn json_of(entry: &Entry<'_>) -> Option<Json> {
    Some(match entry.node {
        Node::Value(Value::String(_)) => Json::String(entry.text()?),
        Node::Value(Value::Integer(integer)) => Json::from(*integer.value()),
        Node::Value(Value::Float(float)) => match Number::from_f64(*float.value()) {
            Some(number) => Json::Number(number),
            None => {
                entry.mistake("JSON knows no such number", "write it as text");
                return None;
            }
        },
        Node::Value(Value::Boolean(flag)) => Json::Bool(*flag.value()),
        Node::Value(Value::Datetime(time)) => Json::String(time.value().to_string()),
        Node::Value(_) => Json::Array(entry.elements()?.iter().filter_map(json_of).collect()),
        Node::Table(_) => object_of(&entry.section(entry.subject.clone())?),
        Node::Tables(_) => Json::Array(entry.sections("config").iter().map(object_of).collect()),
    })
}

fn object_of(section: &Section<'_>) -> Json {
    let pairs = section.entries().into_iter().filter_map(|entry| Some((entry.key.to_owned(), json_of(&entry)?)));
    Json::Object(pairs.collect::<Map<_, _>>())
}
