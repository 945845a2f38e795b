//! A key or a value on its way out: JSON as it is, JSON behind its schema, or Avro, whose schema goes beside it.

use super::options::{DebeziumOptions, Encoding};
use crate::sink::format::avro::{AvroError, Writer};
use bytes::Bytes;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

/// Rows that differ from their table mostly differ alike. More ways than so many, of one route, are forgotten together.
const ODD_WRITERS_MAX: usize = 256;

/// What is the same for all keys, or all values, of a table.
#[derive(Default)]
pub(super) struct Part {
    /// Stands in front of what is written: `{"schema":{..},"payload":`, or nothing.
    head: Vec<u8>,
    /// Of Avro only.
    writer: Option<Result<Arc<Writer>, AvroError>>,
}

/// What stands in front of the payload, and around the schema.
const SCHEMA_BEGIN: &str = "{\"schema\":";
const SCHEMA_END: &str = ",\"payload\":";

impl Part {
    pub(super) fn new(head: Vec<u8>, options: &DebeziumOptions) -> Self {
        let writer = (options.encoding == Encoding::Avro).then(|| writer(&head));
        Self { head, writer }
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.head
    }
}

fn writer(head: &[u8]) -> Result<Arc<Writer>, AvroError> {
    let head = std::str::from_utf8(head).expect("JSON that was written here is UTF-8");
    let schema = head.strip_prefix(SCHEMA_BEGIN).and_then(|rest| rest.strip_suffix(SCHEMA_END));
    Writer::new(schema.expect("a head has this form")).map(Arc::new)
}

/// What goes out, and the schema that a registry has to know it by.
pub(super) struct Written {
    pub(super) bytes: Bytes,
    pub(super) schema: Option<Arc<str>>,
}

/// Ends what is written.
pub(super) struct Finish {
    encoding: Encoding,
    odd: RwLock<HashMap<Vec<u8>, Arc<Writer>>>,
}

impl Finish {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, odd: RwLock::default() }
    }

    /// `out` is the part's head and a payload behind it; `odd_head` takes the head's place.
    pub(super) fn of(&self, out: &mut Vec<u8>, part: &Part, odd_head: Option<Vec<u8>>) -> Result<Written, AvroError> {
        match self.encoding {
            Encoding::Plain => {}
            Encoding::Schemas => {
                if let Some(head) = odd_head {
                    out.splice(..part.len(), head);
                }
                out.push(b'}');
            }
            Encoding::Avro => {
                let writer = match (odd_head, &part.writer) {
                    (Some(head), _) => self.odd_writer(head)?,
                    (None, Some(writer)) => writer.clone()?,
                    (None, None) => writer(part)?,
                };
                let payload = std::str::from_utf8(&out[part.len()..]).expect("JSON that was written here is UTF-8");
                return Ok(Written { bytes: writer.datum(payload)?, schema: Some(writer.schema().clone()) });
            }
        }
        Ok(Written { bytes: Bytes::copy_from_slice(out), schema: None })
    }

    fn odd_writer(&self, head: Vec<u8>) -> Result<Arc<Writer>, AvroError> {
        if let Some(known) = self.odd.read().unwrap_or_else(PoisonError::into_inner).get(&head) {
            return Ok(known.clone());
        }
        let new = writer(&head)?;
        let mut odd = self.odd.write().unwrap_or_else(PoisonError::into_inner);
        if odd.len() >= ODD_WRITERS_MAX {
            odd.clear();
        }
        Ok(odd.entry(head).or_insert(new).clone())
    }
}
