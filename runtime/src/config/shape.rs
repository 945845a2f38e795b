//! What a route makes at its target: a request, a record, or one of the four things that Redis can do with a row.

use super::body::read_body;
use super::entry::Entry;
use super::kafka::{TOPIC_RULE, not_in_a_topic, read_prefix};
use super::section::Section;
use super::{BodyPlan, CacheForm, ShapePlan, TargetKind};
use crate::change::{Template, TemplatePart};

const METHODS: [(&str, &str); 4] = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

/// What a route's own keys say about its messages.
pub(super) struct ReadShape {
    pub shape: ShapePlan,
    pub body: BodyPlan,
    /// Within which order is kept, unless the shape says it itself.
    pub key: Option<Template>,
}

const OF_REDIS: [&str; 7] = ["as", "value", "text", "stream", "max_len", "channel", "list"];
/// Keys that only some routes have, and whose they are.
const KEYS: [(&[&str], &str); 9] = [
    (&["method", "path"], "is for routes to http targets"),
    (&["topic", "prefix", "tombstones", "encoding"], "is for routes to kafka targets"),
    (&["value", "text"], "is for routes with as = \"cache\""),
    (&["stream", "max_len"], "is for routes with as = \"stream\""),
    (&["channel"], "is for routes with as = \"publish\""),
    (&["list"], "is for routes with as = \"list\""),
    (&["headers"], "is for requests and records; Redis has no place for it"),
    (&["key"], "is not said here: order is kept within the stream, channel or list"),
    (
        &["body", "debezium", "unwrap", "outbox", "cloudevents"],
        "is not said of a cache: `value` says what stands under a key",
    ),
];

/// The shape for a target of this kind; `None`: nobody knows the kind, so nothing is said about keys that depend on it.
pub(super) fn read_shape(
    section: &Section<'_>,
    kind: Option<TargetKind>,
    prefix: Option<String>,
    only_named: bool,
) -> ReadShape {
    let read = match kind {
        Some(TargetKind::Http) => read_request(section),
        Some(TargetKind::Kafka) => read_record(section, prefix),
        Some(TargetKind::Redis) => read_redis(section, only_named),
        None => {
            let all = KEYS.iter().flat_map(|(keys, _)| *keys).chain(&OF_REDIS);
            all.for_each(|key| drop(section.entry(key)));
            let shape = ShapePlan::Request { method: String::new(), path: None };
            ReadShape { shape, body: BodyPlan::Flat, key: None }
        }
    };
    if kind != Some(TargetKind::Redis) {
        section.explain(&OF_REDIS, "is for routes to redis targets", "remove it");
    }
    for (keys, why) in KEYS {
        section.explain(keys, why, "remove it");
    }
    read
}

fn read_request(section: &Section<'_>) -> ReadShape {
    let method = section.entry("method").and_then(|e| e.choice(&METHODS, &[])).unwrap_or("POST").to_owned();
    let shape = ShapePlan::Request { method, path: read_path(section) };
    ReadShape { shape, body: read_body(section, TargetKind::Http, None), key: read_key(section) }
}

fn read_record(section: &Section<'_>, prefix: Option<String>) -> ReadShape {
    let topic = section.entry("topic").and_then(|entry| read_topic(&entry));
    let prefix = section.entry("prefix").and_then(|entry| read_prefix(&entry)).or(prefix);
    let mut tombstones = section.flag("tombstones");
    let body = read_body(section, TargetKind::Kafka, Some(&mut tombstones));
    let shape = ShapePlan::Record { topic, prefix, tombstones: tombstones.unwrap_or(true) };
    ReadShape { shape, body, key: read_key(section) }
}

#[derive(Clone, Copy)]
enum As {
    Cache,
    Stream,
    Publish,
    List,
}

fn read_redis(section: &Section<'_>, only_named: bool) -> ReadShape {
    const CHOICES: [(&str, As); 4] =
        [("cache", As::Cache), ("stream", As::Stream), ("publish", As::Publish), ("list", As::List)];
    let name = |key, example: &str| {
        let entry = section.required(key, format!("write {key} = \"{example}\""));
        entry.and_then(|entry| not_empty(&entry)).unwrap_or_default()
    };
    let body = || read_body(section, TargetKind::Redis, None);
    // A cache has one body, which its form says; the others carry any.
    let (shape, body) = match section.entry("as").and_then(|e| e.choice(&CHOICES, &[])).unwrap_or(As::Cache) {
        As::Cache => {
            let key = name("key", "{source}:item:{id}");
            (ShapePlan::Cache { key, value: read_form(section, only_named) }, BodyPlan::Flat)
        }
        As::Stream => {
            let stream = name("stream", "{source}:{table}");
            let max_len = section.integer("max_len", 1..=u32::MAX).map(u64::from);
            (ShapePlan::Stream { stream, max_len }, body())
        }
        As::Publish => (ShapePlan::Publish { channel: name("channel", "{source}:{table}") }, body()),
        As::List => (ShapePlan::List { list: name("list", "{source}:{table}") }, body()),
    };
    ReadShape { key: shape.place().cloned(), shape, body }
}

fn read_form(section: &Section<'_>, only_named: bool) -> CacheForm {
    #[derive(Clone, Copy, PartialEq)]
    enum Form {
        Json,
        Hash,
        Text,
    }
    const FORMS: [(&str, Form); 3] = [("json", Form::Json), ("hash", Form::Hash), ("text", Form::Text)];
    let value = section.entry("value");
    let form = value.as_ref().and_then(|entry| entry.choice(&FORMS, &[])).unwrap_or(Form::Json);
    let text = section.entry("text");
    match (form, &text) {
        (Form::Text, None) if !only_named => section.mistake(
            "nothing says what the text is",
            "add text = \"{name}: {price}\", or only_named = true if guests make it",
        ),
        (Form::Json | Form::Hash, Some(text)) => {
            text.mistake("`text` is for value = \"text\"", "add value = \"text\", or remove `text`");
        }
        _ => {}
    }
    match form {
        Form::Json => CacheForm::Json,
        Form::Hash => CacheForm::Hash,
        Form::Text => CacheForm::Text(text.and_then(|text| text.template())),
    }
}

fn read_key(section: &Section<'_>) -> Option<Template> {
    section.entry("key").and_then(|entry| entry.template())
}

fn read_path(section: &Section<'_>) -> Option<Template> {
    let entry = section.entry("path")?;
    let path = entry.template()?;
    let begins = matches!(path.parts().first(), Some(TemplatePart::Literal(text)) if text.starts_with('/'));
    if !begins {
        entry.mistake("a path begins with /", "write path = \"/{id}\"; it is put behind the path of the member's url");
    }
    Some(path)
}

fn read_topic(entry: &Entry<'_>) -> Option<Template> {
    let topic = not_empty(entry)?;
    let foreign = |part: &TemplatePart| matches!(part, TemplatePart::Literal(text) if text.contains(not_in_a_topic));
    if topic.parts().iter().any(foreign) {
        entry.mistake(TOPIC_RULE, "write it with these, as in topic = \"cdc.{schema}.{table}\"");
        return None;
    }
    Some(topic)
}

fn not_empty(entry: &Entry<'_>) -> Option<Template> {
    let template = entry.template()?;
    if template.parts().is_empty() {
        entry.mistake(format!("`{}` is empty", entry.key), "give it a value");
        return None;
    }
    Some(template)
}
