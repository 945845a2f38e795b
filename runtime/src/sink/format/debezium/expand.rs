//! Text that is JSON, as values with a schema: what the outbox does with a payload when it is asked to. The schema is made of the value, the
//! way Debezium's `JsonSchemaData` does it.

use super::float::put_double;
use super::names::Adjust;
use super::text::{put_int, put_string};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Deeper values are left as text.
const DEPTH_MAX: usize = 64;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// What it is to Connect.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Plain(&'static str),
    Array(Box<Kind>),
    Struct { name: String, fields: Vec<(String, Kind)> },
}

/// Value and schema of a payload, both as JSON: the schema without what a field adds.
pub(super) struct Expanded {
    pub(super) value: Vec<u8>,
    pub(super) schema: String,
}

/// What a null in an object becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Nulls {
    /// It is left out.
    #[default]
    Ignore,
    /// A null of bytes.
    OptionalBytes,
}

/// Expands an object or an array; `None` for everything else, and for what no schema can say: a list of unlike things, a number that
/// nothing holds. `name` is the payload's, `adjust` what becomes of its fields' names.
pub(super) fn expanded(text: &str, name: &str, nulls: Nulls, adjust: Adjust) -> Option<Expanded> {
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let node = read(text, adjust, 0)?;
    let kind = kind_of(&node, name, nulls).ok()??;
    let mut value = Vec::with_capacity(text.len());
    put(&mut value, &node, &kind);
    Some(Expanded { value, schema: schema(&kind) })
}

fn read(text: &str, adjust: Adjust, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    let text = text.trim();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Fields(fields) = serde_json::from_str(text).ok()?;
            let mut read_fields: Vec<(String, Node)> = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                let (name, value) = (adjust.field(&name), read(value.get(), adjust, depth + 1)?);
                // The last of a name is the one that counts, at the place of the first.
                match read_fields.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => read_fields.push((name, value)),
                }
            }
            Node::Object(read_fields)
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Node::Array(items.into_iter().map(|item| read(item.get(), adjust, depth + 1)).collect::<Option<_>>()?)
        }
        b'"' => Node::Text(serde_json::from_str(text).ok()?),
        b'n' => Node::Null,
        b't' => Node::Bool(true),
        b'f' => Node::Bool(false),
        // A whole number that 64 bits do not hold is none of Connect's.
        _ if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Node::Int(text.parse().ok()?),
        _ => Node::Double(text.parse().ok().filter(|number: &f64| number.is_finite())?),
    })
}

/// An object's fields in their order.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Things in a list differ, so nothing says what they are.
struct Unlike;

/// `None`: it is left out.
fn kind_of(node: &Node, name: &str, nulls: Nulls) -> Result<Option<Kind>, Unlike> {
    Ok(Some(match node {
        Node::Null if nulls == Nulls::OptionalBytes => Kind::Plain("bytes"),
        Node::Null => return Ok(None),
        Node::Bool(_) => Kind::Plain("boolean"),
        Node::Int(number) if i32::try_from(*number).is_ok() => Kind::Plain("int32"),
        Node::Int(_) => Kind::Plain("int64"),
        Node::Double(_) => Kind::Plain("double"),
        Node::Text(_) => Kind::Plain("string"),
        Node::Array(items) if items.is_empty() => return Ok(None),
        Node::Array(items) => {
            let mut all = None;
            for item in items.iter().filter(|item| **item != Node::Null) {
                let kind = kind_of(item, name, nulls)?;
                all = match (all, kind) {
                    (None, kind) | (kind, None) => kind,
                    (Some(all), Some(kind)) => Some(merged(all, kind)?),
                };
            }
            Kind::Array(Box::new(all.ok_or(Unlike)?))
        }
        Node::Object(fields) => {
            let mut kinds = Vec::with_capacity(fields.len());
            for (field, value) in fields {
                if let Some(kind) = kind_of(value, &format!("{name}.{field}"), nulls)? {
                    kinds.push((field.clone(), kind));
                }
            }
            Kind::Struct { name: name.to_owned(), fields: kinds }
        }
    }))
}

/// What both are: objects of a list have the fields of all of them.
fn merged(one: Kind, other: Kind) -> Result<Kind, Unlike> {
    match (one, other) {
        (Kind::Struct { name, mut fields }, Kind::Struct { fields: others, .. }) => {
            for (field, kind) in others {
                match fields.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, known)) => *known = merged(known.clone(), kind)?,
                    None => fields.push((field, kind)),
                }
            }
            Ok(Kind::Struct { name, fields })
        }
        (Kind::Array(one), Kind::Array(other)) => Ok(Kind::Array(Box::new(merged(*one, *other)?))),
        (one, other) if one == other => Ok(one),
        _ => Err(Unlike),
    }
}

fn put(out: &mut Vec<u8>, node: &Node, kind: &Kind) {
    match (node, kind) {
        (Node::Bool(value), _) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        (Node::Int(number), _) => put_int(out, *number),
        (Node::Double(number), _) => put_double(out, *number),
        (Node::Text(text), _) => put_string(out, text),
        (Node::Array(items), Kind::Array(item)) => {
            out.push(b'[');
            for (i, node) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put(out, node, item);
            }
            out.push(b']');
        }
        (Node::Object(values), Kind::Struct { fields, .. }) => {
            out.push(b'{');
            for (i, (name, kind)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put_string(out, name);
                out.push(b':');
                let value = values.iter().find(|(known, _)| known == name).map_or(&Node::Null, |(_, value)| value);
                put(out, value, kind);
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

/// The schema but for its closing brace, so that the name of a field can follow.
fn schema(kind: &Kind) -> String {
    match kind {
        Kind::Plain(word) => format!("{{\"type\":\"{word}\",\"optional\":true"),
        Kind::Array(item) => format!("{{\"type\":\"array\",\"items\":{}}},\"optional\":true", schema(item)),
        Kind::Struct { name, fields } => {
            let string = |text: &str| {
                let mut out = Vec::new();
                put_string(&mut out, text);
                String::from_utf8_lossy(&out).into_owned()
            };
            let fields: Vec<String> =
                fields.iter().map(|(name, kind)| format!("{},\"field\":{}}}", schema(kind), string(name))).collect();
            format!(
                "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":true,\"name\":{}",
                fields.join(","),
                string(name)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, nulls: Nulls) -> Option<(String, String)> {
        let expanded = expanded(text, "payload", nulls, Adjust::No)?;
        let schema = format!("{}}}", expanded.schema);
        serde_json::from_str::<serde_json::Value>(&schema).expect("JSON");
        Some((String::from_utf8(expanded.value).expect("UTF-8"), schema))
    }

    /// postgres/outbox_expand, first record.
    #[test]
    fn object_is_expanded_as_recorded() {
        let (value, schema) = told(r#"{"id": 1, "total": 12.5}"#, Nulls::Ignore).expect("an object");
        assert_eq!(value, r#"{"id":1,"total":12.5}"#);
        assert_eq!(
            schema,
            r#"{"type":"struct","fields":[{"type":"int32","optional":true,"field":"id"},{"type":"double","optional":true,"field":"total"}],"optional":true,"name":"payload"}"#
        );
    }

    #[test]
    fn nested_values_keep_their_order_and_names() {
        let (value, schema) = told(
            r#" {"z": {"b": [1, 2], "a": null}, "big": 3000000000, "e": [], "t": "x\"", "z": {"c": true}}"#,
            Nulls::Ignore,
        )
        .expect("an object");
        assert_eq!(value, r#"{"z":{"c":true},"big":3000000000,"t":"x\""}"#);
        assert!(schema.contains(r#""name":"payload.z","field":"z"}"#), "{schema}");
        let (value, _) = told(r#"{"a": null, "b": 1e10}"#, Nulls::OptionalBytes).expect("an object");
        assert_eq!(value, r#"{"a":null,"b":1.0E10}"#);
    }

    #[test]
    fn objects_of_a_list_have_the_fields_of_all() {
        let (value, schema) = told(r#"[{"a": 1}, null, {"b": "x"}]"#, Nulls::Ignore).expect("a list");
        assert_eq!(value, r#"[{"a":1,"b":null},null,{"a":null,"b":"x"}]"#);
        assert!(schema.starts_with(r#"{"type":"array","items":{"type":"struct","#), "{schema}");
    }

    #[test]
    fn what_no_schema_can_say_stays_text() {
        for text in [
            "\"text\"",
            "7",
            "",
            "{",
            "[1,\"a\"]",
            "[1,3000000000]",
            "{\"a\":99999999999999999999}",
            "{\"a\":1e999}",
            "[null]",
        ] {
            assert_eq!(told(text, Nulls::Ignore), None, "{text}");
        }
        assert_eq!(told(&"[".repeat(100_000), Nulls::Ignore), None);
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(told(&deep, Nulls::Ignore), None);
    }
}
