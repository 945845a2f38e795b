//! A schema of Connect as Avro's, the way Confluent's converter says it: what Avro has no word for stands beside the type as
//! `connect.name`, `connect.version` and so on, so that a reader gets the same schema back. Also the order of all that is the
//! converter's: a registry knows a schema by its text.

use super::AvroError;
use super::connect::{Field, Schema, Type};
use crate::sink::format::debezium::put_string;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// What the converter says of decimals whose precision nobody knows.
const PRECISION_DEFAULT: &str = "64";
/// Where records without a name of their own live.
const UNNAMED: &str = "io.confluent.connect.avro.ConnectDefault";

/// The schema's text.
pub(super) fn text(schema: &Schema) -> Result<String, AvroError> {
    let mut writer = Writer { out: Vec::new(), named: Vec::new() };
    writer.put(schema, None)?;
    Ok(String::from_utf8(writer.out).expect("made of text"))
}

struct Writer<'a> {
    out: Vec<u8>,
    /// Records that were written, by the names under which they were.
    named: Vec<(String, &'a Schema)>,
}

impl<'a> Writer<'a> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A name and, behind it, a text: `,"name":"text"`.
    fn pair(&mut self, name: &str, text: &str) {
        self.text(",\"");
        self.text(name);
        self.text("\":");
        put_string(&mut self.out, text);
    }

    /// `space` is the namespace of the record around it.
    fn put(&mut self, schema: &'a Schema, space: Option<&str>) -> Result<(), AvroError> {
        if !schema.optional {
            return self.put_type(schema, space);
        }
        // A default is one of the first type.
        match schema.default {
            None => {
                self.text("[\"null\",");
                self.put_type(schema, space)?;
                self.text("]");
            }
            Some(_) => {
                self.text("[");
                self.put_type(schema, space)?;
                self.text(",\"null\"]");
            }
        }
        Ok(())
    }

    fn put_type(&mut self, schema: &'a Schema, space: Option<&str>) -> Result<(), AvroError> {
        let word = match &schema.kind {
            Type::Boolean => "boolean",
            Type::Int8 | Type::Int16 | Type::Int32 => "int",
            Type::Int64 => "long",
            Type::Float32 => "float",
            Type::Float64 => "double",
            Type::Text => "string",
            Type::Bytes => "bytes",
            Type::Array(item) => {
                self.text("{\"type\":\"array\",\"items\":");
                self.put(item, space)?;
                return self.end(schema);
            }
            Type::Map(value) => {
                self.text("{\"type\":\"map\",\"values\":");
                self.put(value, space)?;
                return self.end(schema);
            }
            Type::Struct(fields) => return self.put_record(schema, fields, space),
        };
        if is_bare(schema) {
            self.text("\"");
            self.text(word);
            self.text("\"");
            return Ok(());
        }
        self.text("{\"type\":\"");
        self.text(word);
        self.text("\"");
        if schema.name.as_deref() == Some(DECIMAL) {
            self.put_decimal(schema)?;
        }
        self.end(schema)
    }

    fn put_decimal(&mut self, schema: &Schema) -> Result<(), AvroError> {
        let precision = schema.parameter("connect.decimal.precision").unwrap_or(PRECISION_DEFAULT);
        for (name, number) in [("scale", schema.parameter("scale").unwrap_or("0")), ("precision", precision)] {
            let number: i32 = number.parse().map_err(|_| AvroError::unread("a decimal's scale"))?;
            self.text(&format!(",\"{name}\":{number}"));
        }
        Ok(())
    }

    /// What Connect says beside the type, and the end of the type.
    fn end(&mut self, schema: &Schema) -> Result<(), AvroError> {
        if let Some(doc) = &schema.doc {
            self.pair("connect.doc", doc);
        }
        if let Some(version) = schema.version {
            self.text(&format!(",\"connect.version\":{version}"));
        }
        for (i, (name, value)) in schema.parameters.iter().enumerate() {
            self.text(if i == 0 { ",\"connect.parameters\":{" } else { "," });
            put_string(&mut self.out, name);
            self.text(":");
            put_string(&mut self.out, value);
        }
        if !schema.parameters.is_empty() {
            self.text("}");
        }
        if let Some(default) = &schema.default {
            self.text(",\"connect.default\":");
            self.put_default(schema, default)?;
        }
        if let Some(name) = &schema.name {
            self.pair("connect.name", name);
        }
        match schema.kind {
            Type::Int8 => self.pair("connect.type", "int8"),
            Type::Int16 => self.pair("connect.type", "int16"),
            _ => {}
        }
        if let Some(logical) = schema.name.as_deref().and_then(logical_type) {
            self.pair("logicalType", logical);
        }
        self.text("}");
        Ok(())
    }

    /// A value as Avro's JSON has it: bytes are text there, a character for each.
    fn put_default(&mut self, schema: &Schema, json: &str) -> Result<(), AvroError> {
        if schema.kind != Type::Bytes {
            self.text(json);
            return Ok(());
        }
        let bytes = STANDARD.decode(json.trim_matches('"')).map_err(|_| AvroError::unread("a default"))?;
        let text: String = bytes.into_iter().map(char::from).collect();
        put_string(&mut self.out, &text);
        Ok(())
    }

    fn put_record(&mut self, schema: &'a Schema, fields: &'a [Field], space: Option<&str>) -> Result<(), AvroError> {
        let full = schema.name.as_deref().unwrap_or(UNNAMED);
        if let Some((_, _)) = self.named.iter().find(|(name, known)| name == full && known.is_same_type(schema)) {
            let (own_space, name) = split(full);
            put_string(&mut self.out, if own_space == space { name } else { full });
            return Ok(());
        }
        // A name says one thing: what is otherwise, because a guest or a value made it so, has another.
        let same_name = self.named.iter().filter(|(_, known)| known.name == schema.name).count();
        let full = if same_name == 0 { full.to_owned() } else { format!("{full}_{}", same_name + 1) };
        let (own_space, name) = split(&full);
        check(name)?;
        own_space.into_iter().flat_map(|space| space.split('.')).try_for_each(check_space)?;
        self.named.push((full.clone(), schema));
        self.text("{\"type\":\"record\"");
        self.pair("name", name);
        if own_space != space {
            self.pair("namespace", own_space.unwrap_or_default());
        }
        self.text(",\"fields\":[");
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.text(",");
            }
            self.put_field(field, own_space)?;
        }
        self.text("]");
        self.end(schema)
    }

    fn put_field(&mut self, field: &'a Field, space: Option<&str>) -> Result<(), AvroError> {
        check(&field.name)?;
        self.text("{\"name\":\"");
        self.text(&field.name);
        self.text("\",\"type\":");
        self.put(&field.schema, space)?;
        match &field.schema.default {
            Some(default) => {
                self.text(",\"default\":");
                self.put_default(&field.schema, default)?;
            }
            None if field.schema.optional => self.text(",\"default\":null"),
            None => {}
        }
        self.text("}");
        Ok(())
    }
}

/// Whether the type's word says everything.
fn is_bare(schema: &Schema) -> bool {
    let is_exact = !matches!(schema.kind, Type::Int8 | Type::Int16);
    let says_more = schema.name.is_some() || schema.version.is_some() || schema.doc.is_some();
    is_exact && !says_more && schema.parameters.is_empty() && schema.default.is_none()
}

fn logical_type(name: &str) -> Option<&'static str> {
    Some(match name {
        DECIMAL => "decimal",
        "org.apache.kafka.connect.data.Date" => "date",
        "org.apache.kafka.connect.data.Time" => "time-millis",
        "org.apache.kafka.connect.data.Timestamp" => "timestamp-millis",
        _ => return None,
    })
}

/// Namespace and name.
fn split(full: &str) -> (Option<&str>, &str) {
    full.rsplit_once('.').map_or((None, full), |(space, name)| (Some(space), name))
}

/// Names of records and fields begin with a letter or `_`, and go on with these and digits.
fn check(name: &str) -> Result<(), AvroError> {
    let is_legal = |(i, b): (usize, u8)| b.is_ascii_alphabetic() || b == b'_' || i > 0 && b.is_ascii_digit();
    if name.is_empty() || !name.bytes().enumerate().all(is_legal) {
        return Err(AvroError::Name(name.to_owned()));
    }
    Ok(())
}

/// Of a part of a namespace no reader asks what it begins with, and Debezium does not change it.
fn check_space(part: &str) -> Result<(), AvroError> {
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(AvroError::Name(part.to_owned()));
    }
    Ok(())
}
