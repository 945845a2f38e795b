//! Text that is JSON, as values with a schema: what the outbox does with a payload when it is asked to. The schema is made of the value, the
//! way Debezium's `JsonSchemaData` does it.

use super::float::put_double;
use super::names::Adjust;
use super::text::{put_int, put_string};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Deeper values are left as text.
const DEPTH_MAX: usize = 64;
/// Neither the value nor its schema is longer than so many times the text,
const GROWTH_MAX: usize = 16;
/// and so many bytes: in a list each object has the fields of all, and each object in the schema has the names of those around it, so both
/// can grow with the square of the text.
const GROWTH_FREE: usize = 64 * 1024;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Array(Vec<Node>),
    Object(Named<Node>),
}

/// What it is to Connect. A struct's name is where it stands.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Plain(&'static str),
    /// `is_required`: the objects in it were made alike, and the schema says that none is null.
    Array {
        item: Box<Kind>,
        is_required: bool,
    },
    Struct(Named<Kind>),
}

/// Things by their names, in the order in which these came.
#[derive(Clone, Debug, PartialEq)]
struct Named<T> {
    list: Vec<(String, T)>,
    /// Indexes in the list.
    places: HashMap<String, usize>,
}

impl<T> Named<T> {
    fn with_capacity(count: usize) -> Self {
        Self { list: Vec::with_capacity(count), places: HashMap::with_capacity(count) }
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.places.get(name).map(|place| &self.list[*place].1)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let place = *self.places.get(name)?;
        Some(&mut self.list[place].1)
    }

    /// The last of a name is the one that counts, at the place of the first.
    fn set(&mut self, name: String, value: T) {
        match self.get_mut(&name) {
            Some(known) => *known = value,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, value));
            }
        }
    }
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
/// nothing holds; nor for what would be much longer than its text. `name` is the payload's, `adjust` what becomes of its fields' names.
pub(super) fn expanded(text: &str, name: &str, nulls: Nulls, adjust: Adjust) -> Option<Expanded> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let node = read(text, adjust, 0)?;
    let kind = kind_of(&node, nulls).ok()??;
    let len_max = text.len().saturating_mul(GROWTH_MAX).saturating_add(GROWTH_FREE);
    let mut value = Vec::with_capacity(text.len());
    put(&mut value, &node, &kind, len_max)?;
    let mut schema = Vec::new();
    put_schema(&mut schema, &kind, true, &mut name.to_owned(), len_max)?;
    Some(Expanded { value, schema: String::from_utf8(schema).expect("JSON that was written here is UTF-8") })
}

fn read(text: &str, adjust: Adjust, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    let text = text.trim();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Fields(fields) = serde_json::from_str(text).ok()?;
            let mut read_fields = Named::with_capacity(fields.len());
            for (name, value) in fields {
                read_fields.set(adjust.field(&name), read(value.get(), adjust, depth + 1)?);
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
fn kind_of(node: &Node, nulls: Nulls) -> Result<Option<Kind>, Unlike> {
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
            let mut all: Option<Kind> = None;
            let mut is_required = false;
            for item in items.iter().filter(|item| **item != Node::Null) {
                let Some(kind) = kind_of(item, nulls)? else { continue };
                match &mut all {
                    Some(all) => {
                        is_required |= *all != kind;
                        merge(all, kind)?;
                    }
                    None => all = Some(kind),
                }
            }
            Kind::Array { item: Box::new(all.ok_or(Unlike)?), is_required }
        }
        Node::Object(fields) => {
            let mut kinds = Named::with_capacity(fields.list.len());
            for (field, value) in &fields.list {
                if let Some(kind) = kind_of(value, nulls)? {
                    kinds.set(field.clone(), kind);
                }
            }
            Kind::Struct(kinds)
        }
    }))
}

/// Makes `all` what both are: objects of a list have the fields of all of them.
fn merge(all: &mut Kind, other: Kind) -> Result<(), Unlike> {
    match (all, other) {
        (Kind::Struct(fields), Kind::Struct(others)) => {
            for (field, kind) in others.list {
                match fields.get_mut(&field) {
                    Some(known) => merge(known, kind)?,
                    None => fields.set(field, kind),
                }
            }
            Ok(())
        }
        (Kind::Array { item: all, is_required }, Kind::Array { item: other, is_required: is_other_required }) => {
            *is_required |= is_other_required || **all != *other;
            merge(all, *other)
        }
        (Kind::Plain(one), Kind::Plain(other)) if *one == other => Ok(()),
        // Nothing but nulls so far.
        (all @ Kind::Plain("bytes"), other) => {
            *all = other;
            Ok(())
        }
        (_, Kind::Plain("bytes")) => Ok(()),
        _ => Err(Unlike),
    }
}

/// `None` as soon as it is longer than `len_max`.
fn put(out: &mut Vec<u8>, node: &Node, kind: &Kind, len_max: usize) -> Option<()> {
    match (node, kind) {
        (Node::Bool(value), _) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        (Node::Int(number), _) => put_int(out, *number),
        (Node::Double(number), _) => put_double(out, *number),
        (Node::Text(text), _) => put_string(out, text),
        (Node::Array(items), Kind::Array { item, .. }) => {
            out.push(b'[');
            for (i, node) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put(out, node, item, len_max)?;
            }
            out.push(b']');
        }
        (Node::Object(values), Kind::Struct(fields)) => {
            out.push(b'{');
            for (i, (name, kind)) in fields.list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put_string(out, name);
                out.push(b':');
                put(out, values.get(name).unwrap_or(&Node::Null), kind, len_max)?;
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
    (out.len() <= len_max).then_some(())
}

/// The schema but for its closing brace, so that the name of a field can follow. `path` is the name of what stands here; `None` as soon as it
/// is longer than `len_max`.
fn put_schema(out: &mut Vec<u8>, kind: &Kind, optional: bool, path: &mut String, len_max: usize) -> Option<()> {
    match kind {
        Kind::Plain(word) => out.extend_from_slice(format!("{{\"type\":\"{word}\",\"optional\":{optional}").as_bytes()),
        Kind::Array { item, is_required } => {
            out.extend_from_slice(b"{\"type\":\"array\",\"items\":");
            put_schema(out, item, !is_required, path, len_max)?;
            out.extend_from_slice(format!("}},\"optional\":{optional}").as_bytes());
        }
        Kind::Struct(fields) => {
            out.extend_from_slice(b"{\"type\":\"struct\",\"fields\":[");
            for (i, (name, kind)) in fields.list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let outer = path.len();
                path.push('.');
                path.push_str(name);
                put_schema(out, kind, true, path, len_max)?;
                path.truncate(outer);
                out.extend_from_slice(b",\"field\":");
                put_string(out, name);
                out.push(b'}');
            }
            out.extend_from_slice(format!("],\"optional\":{optional},\"name\":").as_bytes());
            put_string(out, path);
        }
    }
    (out.len() <= len_max).then_some(())
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
            r#"{"z": {"b": [1, 2], "a": null}, "big": 3000000000, "e": [], "t": "x\"", "z": {"c": true}}"#,
            Nulls::Ignore,
        )
        .expect("an object");
        assert_eq!(value, r#"{"z":{"c":true},"big":3000000000,"t":"x\""}"#);
        assert!(schema.contains(r#""name":"payload.z","field":"z"}"#), "{schema}");
        let (value, _) = told(r#"{"a": null, "b": 1e10}"#, Nulls::OptionalBytes).expect("an object");
        assert_eq!(value, r#"{"a":null,"b":1.0E10}"#);
    }

    /// As recorded: Debezium looks at the first sign.
    #[test]
    fn text_that_begins_with_a_blank_stays_text() {
        assert_eq!(told(r#" {"a": 1}"#, Nulls::Ignore), None);
    }

    #[test]
    fn objects_of_a_list_have_the_fields_of_all() {
        let (value, schema) = told(r#"[{"a": 1}, null, {"b": "x"}]"#, Nulls::Ignore).expect("a list");
        assert_eq!(value, r#"[{"a":1,"b":null},null,{"a":null,"b":"x"}]"#);
        assert!(schema.starts_with(r#"{"type":"array","items":{"type":"struct","#), "{schema}");
        let is_required = |text: &str| {
            let (_, schema) = told(text, Nulls::OptionalBytes).expect("a list");
            schema.contains(r#"],"optional":false,"name":"payload"},"optional":true"#)
        };
        assert!(is_required(r#"[{"a": 1}, {"b": 2}]"#) && !is_required(r#"[{"a": 1}, {"a": 2}]"#));
        let (value, schema) = told(r#"[{"a": null}, {"a": 2}]"#, Nulls::OptionalBytes).expect("a list");
        assert_eq!(value, r#"[{"a":null},{"a":2}]"#);
        assert!(schema.contains(r#""type":"int32""#), "{schema}");
    }

    /// 130 KB would become gigabytes: each of the objects would have all the names.
    #[test]
    fn list_of_objects_that_share_no_field_stays_text_instead_of_growing_with_its_square() {
        let list = |count: usize, name: &dyn Fn(usize) -> String| {
            let items: Vec<String> = (0..count).map(|i| format!("{{\"{}\":1}}", name(i))).collect();
            format!("[{}]", items.join(","))
        };
        assert_eq!(told(&list(10_000, &|i| format!("f{i}")), Nulls::Ignore), None);
        // As many that have the same fields are no longer than their text.
        let (value, _) = told(&list(10_000, &|_| "f".to_owned()), Nulls::Ignore).expect("a list");
        assert_eq!(value, list(10_000, &|_| "f".to_owned()));
        // A few that differ are what lists look like.
        assert!(told(&list(20, &|i| format!("f{i}")), Nulls::Ignore).is_some());
    }

    /// The name of each object in the schema begins with those around it.
    #[test]
    fn many_objects_in_one_with_a_long_name_stay_text() {
        let fields: Vec<String> = (0..10_000).map(|i| format!("\"f{i}\":{{}}")).collect();
        let text = |name: &str| format!("{{\"{name}\":{{{}}}}}", fields.join(","));
        assert_eq!(told(&text(&"n".repeat(60_000)), Nulls::Ignore), None);
        assert!(told(&text("n"), Nulls::Ignore).is_some());
    }

    #[test]
    fn object_of_many_fields_is_expanded_and_the_last_of_a_name_counts() {
        let fields: Vec<String> = (0..20_000).map(|i| format!("\"f{i}\":{i}")).collect();
        let (value, _) = told(&format!("{{\"f7\":0,{}}}", fields.join(",")), Nulls::Ignore).expect("an object");
        assert!(value.starts_with(r#"{"f7":7,"f0":0,"#) && value.ends_with(r#""f19999":19999}"#));
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
