//! A schema of Kafka Connect, read from the JSON that stands in front of a record which carries its schema.

use super::AvroError;
use super::read::Reader;
use crate::sink::format::debezium::put_string;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What values are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Bytes,
    Array(Box<Schema>),
    /// From text, as all maps of Debezium are.
    Map(Box<Schema>),
    Struct(Vec<Field>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    /// `"name":`, as it stands in front of the value in JSON.
    pub(super) label: String,
    pub(super) schema: Schema,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schema {
    pub(super) kind: Type,
    pub(super) optional: bool,
    pub(super) name: Option<String>,
    pub(super) version: Option<i64>,
    pub(super) doc: Option<String>,
    /// In the order in which they are said.
    pub(super) parameters: Vec<(String, String)>,
    /// As JSON: of numbers, text and bytes, which is all that Debezium has; what Avro can not say is left out.
    pub(super) default: Option<String>,
}

impl Schema {
    pub(super) fn read(json: &str) -> Result<Self, AvroError> {
        let said: Said<'_> = serde_json::from_str(json).map_err(|_| AvroError::unread("the schema"))?;
        Self::of(said)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is the same but for what a field of it adds: that it may be null, and its default.
    pub(super) fn is_same_type(&self, other: &Self) -> bool {
        let bare = |schema: &Self| Self { optional: false, default: None, ..schema.clone() };
        bare(self) == bare(other)
    }

    fn of(said: Said<'_>) -> Result<Self, AvroError> {
        let inner = |schema: Option<Box<Said<'_>>>| {
            Self::of(*schema.ok_or_else(|| AvroError::unread("an array's or a map's schema"))?).map(Box::new)
        };
        let kind = match said.kind {
            "boolean" => Type::Boolean,
            "int8" => Type::Int8,
            "int16" => Type::Int16,
            "int32" => Type::Int32,
            "int64" => Type::Int64,
            "float" => Type::Float32,
            "double" => Type::Float64,
            "string" => Type::Text,
            "bytes" => Type::Bytes,
            "array" => Type::Array(inner(said.items)?),
            "map" => Type::Map(inner(said.values)?),
            "struct" => Type::Struct(said.fields.into_iter().map(Field::of).collect::<Result<_, _>>()?),
            _ => return Err(AvroError::unread("a type's name")),
        };
        let default = said.default.map(|json| json.get().to_owned()).filter(|json| is_sayable(&kind, json));
        Ok(Self {
            kind,
            optional: said.optional,
            name: said.name,
            version: said.version,
            doc: said.doc,
            parameters: said.parameters.map_or(Ok(Vec::new()), |json| pairs(json.get()))?,
            default,
        })
    }
}

impl Field {
    fn of(mut said: Said<'_>) -> Result<Self, AvroError> {
        let name = said.field.take().ok_or_else(|| AvroError::unread("a field's name"))?;
        let mut label = Vec::with_capacity(name.len() + 3);
        put_string(&mut label, &name);
        label.push(b':');
        let label = String::from_utf8(label).expect("made of text");
        Ok(Self { name, label, schema: Schema::of(said)? })
    }
}

/// Whether a default can stand in Avro's JSON: not null, no infinity, nothing that is put together.
fn is_sayable(kind: &Type, json: &str) -> bool {
    match kind {
        Type::Array(_) | Type::Map(_) | Type::Struct(_) => false,
        Type::Float32 | Type::Float64 => !json.starts_with('"') && json != "null",
        _ => json != "null",
    }
}

/// An object of strings, in its order.
fn pairs(json: &str) -> Result<Vec<(String, String)>, AvroError> {
    let mut reader = Reader::new(json);
    let mut all = Vec::new();
    while reader.takes(if all.is_empty() { "{" } else { "," }) {
        let name = reader.string().filter(|_| reader.takes(":"));
        match (name, reader.string()) {
            (Some(name), Some(value)) => all.push((name.into_owned(), value.into_owned())),
            _ => return Err(AvroError::unread("a schema's parameters")),
        }
    }
    Ok(all)
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    optional: bool,
    name: Option<String>,
    version: Option<i64>,
    doc: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    default: Option<&'a RawValue>,
    field: Option<String>,
    #[serde(borrow, default)]
    fields: Vec<Said<'a>>,
    #[serde(borrow)]
    items: Option<Box<Said<'a>>>,
    #[serde(borrow)]
    values: Option<Box<Said<'a>>>,
}
