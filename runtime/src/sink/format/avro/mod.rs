//! Avro, made from what Kafka Connect's JSON says: a record that carries its schema is taken from JSON to Avro as Confluent's
//! `AvroConverter` would have taken it from Connect.
//!
//! ```text
//!   {"schema":{..},"payload":{..}} ─┬─ schema  ─▶ connect ─▶ Avro's schema, once for each version of a table
//!                                   └─ payload ─▶ datum   ─▶ Avro's bytes, a field of the schema after the other
//! ```
//!
//! Every shape of every value is made in one place, [`super::debezium`], and compared there with what Debezium wrote; a second
//! way from a cell to bytes would be a second chance to be wrong. The number by which a registry knows the schema is not known here:
//! whoever sends the bytes asks for it, and puts it in front.

mod connect;
mod datum;
mod read;
mod schema;

pub(super) use read::Reader;

use bytes::Bytes;
use connect::Schema;
use std::sync::{Arc, LazyLock};

/// What the body says the content is.
pub const CONTENT_TYPE: &str = "avro/binary";

/// Why a record can not be written in Avro. Names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AvroError {
    #[error(
        "{0:?} can be no name in Avro: letters, digits and _, no digit first; rename it, or let a guest take it out or give it another name"
    )]
    /// A name that was declared: what comes from a row has been adjusted before it is one, so that at most nothing is left of it.
    Name(String),
    #[error(
        "column {field} holds what its schema can not say: not {wanted}; its type has no null, so nothing could stand for it. Let a guest \
         set or remove it, or choose another handling mode"
    )]
    Value { field: String, wanted: &'static str },
    #[error("{0} does not read as one of Connect's")]
    Unread(&'static str),
}

impl AvroError {
    fn unread(what: &'static str) -> Self {
        Self::Unread(what)
    }

    /// The same, seen from outside the field.
    fn within(self, outer: &str) -> Self {
        match self {
            Self::Value { field, wanted } if field.is_empty() => Self::Value { field: outer.to_owned(), wanted },
            Self::Value { field, wanted } => Self::Value { field: format!("{outer}.{field}"), wanted },
            other => other,
        }
    }
}

/// Writes the values of one schema.
#[derive(Debug)]
pub struct Writer {
    schema: Schema,
    text: Arc<str>,
}

/// What a key that is plain text is to a registry.
pub static TEXT_SCHEMA: LazyLock<Arc<str>> = LazyLock::new(|| "\"string\"".into());

impl Writer {
    /// `schema` is Connect's, as JSON.
    ///
    /// # Errors
    /// If a name is none in Avro.
    pub fn new(schema: &str) -> Result<Self, AvroError> {
        let schema = Schema::read(schema)?;
        let text = schema::text(&schema)?.into();
        Ok(Self { schema, text })
    }

    /// Avro's schema.
    pub fn schema(&self) -> &Arc<str> {
        &self.text
    }

    /// The bytes of a value, which `payload` says in Connect's JSON.
    ///
    /// # Errors
    /// If the value is not one of the schema: a null where there is none.
    pub fn datum(&self, payload: &str) -> Result<Bytes, AvroError> {
        let mut out = super::scratch::Scratch::lend();
        let mut reader = Reader::new(payload);
        datum::put(&mut out, &self.schema, &mut reader)?;
        if !reader.is_at_end() {
            return Err(AvroError::unread("what stands behind the value"));
        }
        Ok(out.bytes())
    }
}

/// Text of [`TEXT_SCHEMA`].
pub fn text_datum(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 2);
    datum::put_bytes(&mut out, text.as_bytes());
    out.into()
}

#[cfg(test)]
mod tests;
