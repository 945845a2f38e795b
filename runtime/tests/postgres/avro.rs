//! What a record says in Avro, read by another's library, beside what the same record says in JSON: for every table, type and
//! statement that Debezium was recorded with.

use crate::debezium::{Found, records};
use apache_avro::Schema;
use apache_avro::types::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sluicegate::sink::format::debezium::Record;

/// That library takes no default for a decimal, though bytes may have one.
fn decoded(schema: &str, datum: &[u8]) -> Value {
    let schema = Schema::parse_str(&schema.replace(",\"logicalType\":\"decimal\"", "")).expect("a schema");
    let mut rest = datum;
    let value = apache_avro::from_avro_datum(&schema, &mut rest, None).expect("a datum");
    assert!(rest.is_empty(), "bytes are left");
    value
}

fn is_same(avro: &Value, json: &Json) -> bool {
    match (avro, json) {
        (Value::Union(_, inner), json) => is_same(inner, json),
        (Value::Null, Json::Null) => true,
        (Value::Boolean(ours), Json::Bool(theirs)) => ours == theirs,
        (Value::Int(ours), json) => json.as_i64() == Some(i64::from(*ours)),
        (Value::Long(ours), json) => json.as_i64() == Some(*ours),
        (Value::Float(ours), json) => {
            number(json).is_some_and(|theirs| is_near((*ours).into(), f64::from(theirs as f32)))
        }
        (Value::Double(ours), json) => number(json).is_some_and(|theirs| is_near(*ours, theirs)),
        (Value::String(ours), Json::String(theirs)) => ours == theirs,
        (Value::Bytes(ours), Json::String(theirs)) => STANDARD.encode(ours) == *theirs,
        (Value::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        (Value::Map(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len() && ours.iter().all(|(name, ours)| is_same(ours, &theirs[name]))
        }
        (Value::Record(ours), Json::Object(theirs)) => {
            let adjusted = |name: &str| -> String {
                let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
                let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
                first.chars().chain(name.chars().map(legal)).collect()
            };
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| {
                    let found = theirs.iter().find(|(theirs, _)| adjusted(theirs) == *name);
                    found.is_some_and(|(_, theirs)| is_same(ours, theirs))
                })
        }
        _ => false,
    }
}

/// JSON has text for what is no number in it.
fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// The reader of JSON may be wrong in the last bit.
fn is_near(ours: f64, theirs: f64) -> bool {
    ours == theirs || ours.is_nan() && theirs.is_nan() || (ours / theirs - 1.0).abs() <= f64::EPSILON
}

pub fn check(topic: &str, plain: &Record, avro: &Record) {
    let json = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).expect("JSON");
    // A row that is null has no bytes in Avro.
    let is_null = |record: &Record| record.form.is_null || &*record.value == b"null";
    if !is_null(plain) {
        let schema = avro.form.value_schema.as_deref().expect("a schema");
        let value = decoded(schema, &avro.value);
        assert!(is_same(&value, &json(&plain.value)), "{topic}\n{value:?}\n{}", String::from_utf8_lossy(&plain.value));
    }
    if let (Some(ours), Some(theirs)) = (&avro.key, &plain.key) {
        let key = decoded(avro.form.key_schema.as_deref().expect("a schema"), ours);
        assert!(is_same(&key, &json(theirs)), "{topic}\n{key:?}\n{}", String::from_utf8_lossy(theirs));
    }
    let bare = |record: &Record| (record.key.is_some(), record.tombstone, is_null(record));
    assert_eq!(bare(avro), bare(plain));
    let keys = |record: &Record| -> Vec<String> {
        let of_keys = record.headers.iter().filter(|(name, _)| name.ends_with("key"));
        of_keys.map(|(_, key)| key.clone()).collect()
    };
    assert_eq!(keys(avro), keys(plain), "keys in headers are JSON");
}

fn compare(sql: &str) {
    let Found { by_topic, .. } = records(sql);
    let mut count = 0;
    for (topic, all) in &by_topic {
        for told in all {
            match &told.avro {
                Ok(avro) => check(topic, &told.plain, avro),
                // An untouched large value has a sign in its place, which not every type of Avro can say.
                Err(error) => assert!(error.to_string().contains("column after."), "{topic}: {error}"),
            }
            count += 1;
        }
    }
    assert!(count > 5, "{count} records");
}

#[test]
fn keys_identities_and_defaults_say_in_avro_what_they_say_in_json() {
    compare(include_str!("debezium/dml.sql"));
}

#[test]
fn every_type_says_in_avro_what_it_says_in_json() {
    compare(include_str!("debezium/types.sql"));
}
