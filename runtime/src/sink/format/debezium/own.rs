//! Records that belong to no table: their topics, and their bytes in each encoding.

use super::part::Part;
use super::{Debezium, EncodeError, Record};
use crate::change::{Headers, RecordForm, Schema};

impl Debezium {
    /// `prefix.name`, what no topic's name may hold as `_`.
    pub(super) fn own_topic(&self, schema: &Schema, name: &str) -> String {
        legal_topic(&format!("{}.{name}", self.prefix(schema)))
    }

    /// A record of a key and a value, each with what stands in front of it where records carry their schemas. Debezium gives these no
    /// headers.
    pub(super) fn own_record(
        &self,
        topic: String,
        key: (&str, Vec<u8>),
        value: (&str, Vec<u8>),
    ) -> Result<Record, EncodeError> {
        let finished = |(head, mut payload): (&str, Vec<u8>)| {
            let head = self.options.has_schemas().then(|| head.as_bytes().to_vec());
            self.finish.of(&mut payload, &Part::default(), head).map_err(EncodeError::Avro)
        };
        let (key, value) = (finished(key)?, finished(value)?);
        Ok(Record {
            topic: Some(topic),
            key: Some(key.bytes),
            value: value.bytes,
            form: RecordForm { key_schema: key.schema, value_schema: value.schema, is_null: false },
            headers: Headers::default(),
            tombstone: false,
        })
    }
}

/// A name with `_` for what no topic's name may hold.
pub(super) fn legal_topic(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    name.chars().map(legal).collect()
}
