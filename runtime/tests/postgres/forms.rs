//! What Debezium's transformations and its converter for CloudEvents wrote for these statements, and what we write.
//!
//! `NAME.txt` holds a record per line: topic, key, value, then headers but for those of the context; `-` is Kafka's null. `NAME.schemas.txt`
//! holds the first record of each schema, as it is with it. All of it was recorded from Debezium 3.7.0; what differs from run to run
//! (positions, times) is a capital letter.

use crate::avro::check;
use crate::debezium::{encoded, run};
use regex::Regex;
use sluicegate::sink::format::debezium::{
    CloudEvents, Debezium, DebeziumOptions, Encoding, Form, Outbox, Record, Unwrap,
};
use std::collections::BTreeMap;

const MASKS: [(&str, &str); 5] = [
    (r#""__lsn":\d+"#, r#""__lsn":L"#),
    (r#""__source_ts_ms":\d+"#, r#""__source_ts_ms":T"#),
    (r"lsn:\d+;txId:\d+;sequence:\[[^\]]*\]", "lsn:L;txId:X;sequence:S"),
    (r#""time":"[^"]*""#, r#""time":T"#),
    (r#""(iodebezium(?:tsms|tsus|tsns|txId|lsn|sequence))":"(?:[^"\\]|\\.)*""#, r#""$1":M"#),
];

fn masked(text: &str) -> String {
    MASKS.iter().fold(text.to_owned(), |text, (pattern, mask)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *mask).into_owned()
    })
}

type Options<'a> = &'a [(&'a str, &'a str)];

fn owned(options: Options<'_>) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The records of all statements, by topic, in each encoding.
fn records(sql: &str, form: &Form) -> [BTreeMap<String, Vec<Record>>; 3] {
    let with = |encoding| {
        let options = DebeziumOptions::parse(encoding, &[]).expect("no options");
        Debezium::new(options, Some("app".into())).of_form(form.clone())
    };
    let encoders = [Encoding::Plain, Encoding::Schemas, Encoding::Avro].map(with);
    let mut found: [BTreeMap<String, Vec<Record>>; 3] = Default::default();
    run(sql, |batch, index| {
        for (encoder, found) in encoders.iter().zip(&mut found) {
            for record in encoded(encoder, batch, index).expect("records") {
                let topic = record.topic.clone().unwrap_or_else(|| encoder.topic(batch.schema_of(index)));
                found.entry(topic).or_default().push(record);
            }
        }
    });
    found
}

/// A record and its tombstone as lines of `NAME.txt`.
fn lines(topic: &str, record: &Record) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let key = record.key.as_deref().map_or_else(|| "-".to_owned(), text);
    let headers = record.headers.iter().filter(|(name, _)| !name.starts_with("__debezium.context."));
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("{}={value}", name.replace("__debezium.", ""))).collect();
    let line = |value: &str| format!("{topic}\t{key}\t{value}\t{}", headers.join(" ")).trim_end().to_owned();
    let value = if record.form.is_null { "-".to_owned() } else { masked(&text(&record.value)) };
    let mut all = vec![line(&value)];
    if record.tombstone {
        all.push(line("-"));
    }
    all
}

fn compare(sql: &str, [plain, schemas]: [&str; 2], form: &Form) {
    let [found, full, avro] = records(sql, form);
    let lines: Vec<String> =
        found.iter().flat_map(|(topic, all)| all.iter().flat_map(|record| lines(topic, record))).collect();
    let wanted: Vec<&str> = plain.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line, wanted.get(i).unwrap_or(&"no more"), "line {i}");
    }
    assert_eq!(lines.len(), wanted.len());
    let full: Vec<String> =
        full.iter().flat_map(|(topic, all)| all.iter().flat_map(|record| self::lines(topic, record))).collect();
    for wanted in schemas.lines() {
        let (topic, _) = wanted.split_once('\t').expect("a topic");
        let ours: Vec<&String> = full.iter().filter(|line| line.starts_with(topic)).collect();
        assert!(ours.iter().any(|line| *line == wanted), "recorded {wanted}\nours {ours:#?}");
    }
    if matches!(form, Form::CloudEvents(_)) {
        return;
    }
    for (topic, all) in &found {
        for (plain, avro) in all.iter().zip(&avro[topic]) {
            check(topic, plain, avro);
        }
    }
}

#[test]
fn rows_alone_are_what_extract_new_record_state_wrote() {
    let options: Options<'_> =
        &[("add.fields", "op,table,lsn,source.ts_ms"), ("delete.tombstone.handling.mode", "rewrite")];
    compare(
        include_str!("debezium/flat.sql"),
        [include_str!("debezium/flat.txt"), include_str!("debezium/flat.schemas.txt")],
        &Form::Unwrap(Unwrap::parse(&owned(options)).expect("options")),
    );
}

#[test]
fn deletes_are_the_tombstones_that_extract_new_record_state_wrote() {
    compare(
        include_str!("debezium/flat_default.sql"),
        [include_str!("debezium/flat_default.txt"), include_str!("debezium/flat_default.schemas.txt")],
        &Form::Unwrap(Unwrap::parse(&[]).expect("options")),
    );
}

#[test]
fn rows_of_an_outbox_are_the_events_that_the_router_wrote() {
    compare(
        include_str!("debezium/outbox.sql"),
        [include_str!("debezium/outbox.txt"), include_str!("debezium/outbox.schemas.txt")],
        &Form::Outbox(Box::new(Outbox::parse(&[]).expect("options"))),
    );
}

#[test]
fn expanded_payloads_and_further_columns_are_where_the_router_wrote_them() {
    let options: Options<'_> = &[
        ("table.expand.json.payload", "true"),
        ("table.fields.additional.placement", "type:header:eventType,aggregatetype:envelope"),
    ];
    compare(
        include_str!("debezium/outbox_expand.sql"),
        [include_str!("debezium/outbox_expand.txt"), include_str!("debezium/outbox_expand.schemas.txt")],
        &Form::Outbox(Box::new(Outbox::parse(&owned(options)).expect("options"))),
    );
}

#[test]
fn events_are_what_the_cloud_events_converter_wrote() {
    compare(
        include_str!("debezium/cloudevents.sql"),
        [include_str!("debezium/cloudevents.txt"), include_str!("debezium/cloudevents.schemas.txt")],
        &Form::CloudEvents(CloudEvents::parse(&[]).expect("options")),
    );
}
