//! `body` of a route, what it is made of, and the options of each.

use super::debezium::{ReadDebezium, read_debezium};
use super::entry::Entry;
use super::forms::{FORMS, FormRule, read_form};
use super::section::Section;
use super::{BodyPlan, Encoding, FormPlan, TargetKind};

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Flat,
    Debezium,
    Form(FormPlan),
}

const BODIES: [(&str, Body); 5] = [
    ("flat", Body::Flat),
    ("debezium", Body::Debezium),
    ("unwrap", Body::Form(FormPlan::Unwrap)),
    ("outbox", Body::Form(FormPlan::Outbox)),
    ("cloudevents", Body::Form(FormPlan::CloudEvents)),
];
const ENCODINGS: [(&str, Encoding); 2] = [("json", Encoding::Json), ("avro", Encoding::Avro)];

/// What a row's bytes are. `tombstones`, for records, can be said in Debezium's way as well.
pub(super) fn read_body(
    section: &Section<'_>,
    kind: TargetKind,
    mut tombstones: Option<&mut Option<bool>>,
) -> BodyPlan {
    let entry = section.entry("body");
    let body = entry.as_ref().and_then(|entry| entry.choice(&BODIES, &[])).unwrap_or(Body::Flat);
    // Only records have a place beside them for a schema.
    let encoding = tombstones.as_ref().and_then(|_| section.entry("encoding"));
    let encoding = encoding.and_then(|entry| Some((entry.choice(&ENCODINGS, &[])?, entry)));
    let options = section.section("debezium");
    let mut read = options.as_ref().map(read_debezium).unwrap_or_default();
    match (read.tombstones.take(), &mut tombstones) {
        (Some((_, entry)), Some(Some(_))) => {
            entry.mistake("`tombstones` of the route says it already", "remove one of the two")
        }
        (Some((flag, _)), Some(unsaid)) => **unsaid = Some(flag),
        (Some((_, entry)), None) => entry.mistake("only Kafka knows tombstones", "remove it"),
        (None, _) => {}
    }
    if let (Some(entry), None) = (&read.heartbeat, &tombstones) {
        entry.mistake("only Kafka has a topic for heartbeats", "remove it");
    }
    if let Some(entry) = &read.keys {
        if tombstones.is_none() {
            entry.mistake("only records of Kafka have a key", "write `key` of the route, a template, or remove it");
        } else if matches!(body, Body::Form(FormPlan::Outbox)) {
            entry.mistake("the key of an outbox's record stands in its rows", "write outbox.\"table.field.event.key\"");
        } else if section.entry("key").is_some() {
            entry.mistake("`key` of the route says already what the key is", "remove one of the two");
        }
    }
    if let Some((Encoding::Avro, entry)) = encoding {
        read.plan.encoding = Encoding::Avro;
        check_avro(body, &entry, &read);
    }
    for rule in &FORMS {
        let own = section.section(rule.key);
        match (body, own) {
            (Body::Form(form), own) if form == rule.form => {
                read.plan.form = form;
                read.plan.form_options = own.as_ref().map(|own| read_form(own, rule)).unwrap_or_default();
                if let (None, Some(entry)) = (&tombstones, &entry) {
                    check_place(rule, entry, &read.plan.form_options);
                }
                if let (TargetKind::Redis, Some(entry)) = (kind, &entry) {
                    check_headers(rule, entry, &read.plan.form_options);
                }
            }
            (_, Some(own)) => {
                let remedy = format!("add body = \"{}\", or remove them", rule.key);
                own.mistake(format!("these are for a body of their own, `{}`", rule.key), remedy);
            }
            (_, None) => {}
        }
    }
    match body {
        Body::Debezium | Body::Form(_) => BodyPlan::Debezium(read.plan),
        Body::Flat => {
            if let Some(options) = options {
                options.mistake(
                    "these are for bodies as Debezium writes them",
                    "add body = \"debezium\", \"unwrap\", \"outbox\" or \"cloudevents\", or remove them",
                );
            }
            BodyPlan::Flat
        }
    }
}

fn check_avro(body: Body, entry: &Entry<'_>, read: &ReadDebezium<'_>) {
    match body {
        Body::Flat => {
            entry.mistake(
                "a flat body is JSON: it has no schema",
                "add body = \"unwrap\" or \"debezium\", or remove `encoding`",
            );
        }
        Body::Form(FormPlan::CloudEvents) => entry.mistake("an event of CloudEvents is JSON here", "remove `encoding`"),
        Body::Debezium | Body::Form(_) => {}
    }
    for (entry, rule) in &read.of_json {
        entry.mistake(*rule, "remove it");
    }
    for entry in &read.names {
        entry.mistake(
            "Avro knows letters, digits and _ in names, and nothing else",
            "write \"avro\" or \"avro_unicode\"",
        );
    }
}

/// Whether a body can go elsewhere than to Kafka.
fn check_place(rule: &FormRule, entry: &Entry<'_>, options: &[(String, String)]) {
    match rule.form {
        FormPlan::Outbox => entry.mistake(
            "an outbox makes records: their topics and keys stand in its rows",
            "route it to a kafka target, or write `path` and `key` of the route with its columns and another body",
        ),
        FormPlan::Unwrap => {
            let said = options.iter().find(|(name, _)| name == "delete.tombstone.handling.mode");
            if !matches!(said.map(|(_, value)| value.as_str()), Some("drop" | "rewrite")) {
                entry.mistake(
                    "deletes become tombstones, and only Kafka knows them",
                    "write unwrap.delete.tombstone.handling.mode = \"rewrite\", or \"drop\"",
                );
            }
        }
        FormPlan::CloudEvents | FormPlan::Envelope => {}
    }
}

/// Whether a body would lose what it has in headers: Redis has no place for them.
fn check_headers(rule: &FormRule, entry: &Entry<'_>, options: &[(String, String)]) {
    let said = |option: &str| options.iter().find(|(name, _)| name == option).map_or("", |(_, value)| value.trim());
    match rule.form {
        FormPlan::CloudEvents if said("mode") == "binary" => entry.mistake(
            "the attributes of a binary event are headers; Redis has no place for them",
            "write cloudevents.mode = \"structured\"",
        ),
        FormPlan::Unwrap if !said("add.headers").is_empty() => entry.mistake(
            "`add.headers` is for requests and records; Redis has no place for headers",
            "write unwrap.add.fields instead",
        ),
        FormPlan::CloudEvents | FormPlan::Unwrap | FormPlan::Outbox | FormPlan::Envelope => {}
    }
}
