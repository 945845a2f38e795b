//! The bodies of Debezium: each change as Debezium would have written it, so that whoever reads Debezium reads this. As its connectors write
//! it, or as its transformations and converters make it: `unwrap`, `outbox`, `cloudevents`.
//!
//! ```text
//!   Change ─▶ table   (once per version: shapes, defaults, the schema part)
//!          ─▶ records ─▶ before, after ─▶ value ─▶ JSON
//!                     ─▶ source
//!                     ─▶ key, headers
//! ```
//!
//! Where Debezium loses or corrupts a value, ours is right in the schema that Debezium would use for a right value;
//! `docs/debezium.md` lists each such place.

mod cloud;
mod columns;
mod decimal;
mod default;
mod envelope;
mod expand;
mod float;
mod form;
mod geometry;
mod heartbeat;
mod image;
mod key;
mod list;
mod literal;
mod message;
mod mysql;
mod names;
mod options;
mod outbox;
mod own;
mod part;
mod patterns;
mod postgres;
mod schema_change;
mod shape;
mod source;
mod source_type;
mod table;
mod text;
mod time;
mod transaction;
mod unwrap;
mod value;

pub use cloud::{CONTENT_TYPE as CLOUD_CONTENT_TYPE, CloudEvents};
pub use form::Form;
pub use message::MESSAGE_COLLECTION;
pub use options::{DebeziumOptions, Encoding, check_option};
pub use outbox::Outbox;
pub(super) use text::put_string;
pub use transaction::{TransactionCounts, TransactionPlace};
pub use unwrap::Unwrap;

use super::ShownRow;
use super::avro::{self, AvroError};
use super::flat::op_code;
use crate::change::{BinlogEvent, Cell, DatabaseKind, Header, Headers, Lsn, Op, RecordForm, RowMark, Schema};
use bytes::Bytes;
use foldhash::fast::RandomState;
use image::Image;
use key::Key;
use part::Finish;
use std::collections::HashMap;
use std::iter;
use std::sync::{Arc, PoisonError, RwLock};
use table::Table;

/// What the body says the content is.
pub const CONTENT_TYPE: &str = "application/json";

/// One row with what a record says about it.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub shown: &'a ShownRow<'a>,
    pub mark: &'a RowMark,
    /// Where the transaction before ended, as far as this run knows; see [`crate::change::Batch::previous_end`].
    pub previous_end: Option<Lsn>,
    /// Of a binary log.
    pub event: Option<&'a BinlogEvent>,
    /// The row's index in its batch.
    pub index: usize,
    /// If transactions are told of.
    pub transaction: Option<&'a TransactionPlace>,
    /// When the row is processed: nanoseconds since the Unix epoch.
    pub now_ns: i64,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `None`: the table's.
    pub topic: Option<String>,
    /// `None` for a table without key.
    pub key: Option<Bytes>,
    pub value: Bytes,
    pub form: RecordForm,
    pub headers: Headers,
    /// Whether a record of the same key and headers and without a value follows.
    pub tombstone: bool,
}

/// A key as it goes out, and the schema that a registry has to know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordKey {
    pub bytes: Bytes,
    pub schema: Option<Arc<str>>,
}

/// Why a change can not become a record. Names columns, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("key column {0} was left out by a guest; a record needs it: leave it in, or set it to something else")]
    KeyLeftOut(String),
    #[error("key column {0} is not in the log: the statement did not touch it (REPLICA IDENTITY FULL would log it)")]
    KeyUnchanged(String),
    #[error(
        "key column {0} of `message.key.columns` is not in the log, which has what identifies a row that is gone; let the database log all of it: ALTER TABLE ... REPLICA IDENTITY FULL, or binlog_row_image = FULL"
    )]
    KeyNotLogged(String),
    #[error(transparent)]
    Avro(AvroError),
    #[error(
        "`add.fields` or `add.headers` asks for source.{0}, which changes of this database do not have; take it out"
    )]
    NoField(String),
    #[error(
        "table has no column {0}, or a guest left it out; say which one it is with the outbox's options table.field.event.id, .key, .payload, \
         route.by.field, table.fields.additional.placement"
    )]
    NoColumn(String),
    #[error("column {0} is null, and it says to which topic the event goes")]
    NullColumn(String),
    #[error("a row of an outbox was updated, which makes no event (table.op.invalid.behavior)")]
    OutboxUpdate,
}

/// Makes records; one for each route.
pub struct Debezium {
    options: DebeziumOptions,
    form: Form,
    /// `topic.prefix`; the source's name if there is none.
    prefix: Option<String>,
    run_id: String,
    finish: Finish,
    tables: RwLock<Tables>,
}

/// By the schema's id, which each source gives for itself.
type Tables = HashMap<u32, Vec<Arc<Table>>, RandomState>;

/// What a record tells.
struct Told {
    op: &'static str,
    before: Image,
    after: Image,
}

const NEW_KEY: &str = "__debezium.newkey";
const OLD_KEY: &str = "__debezium.oldkey";

impl Debezium {
    /// `prefix` is Debezium's `topic.prefix`; without one it is the name of the source.
    pub fn new(options: DebeziumOptions, prefix: Option<String>) -> Self {
        let finish = Finish::new(options.encoding);
        Self { options, form: Form::default(), prefix, run_id: new_run_id(), finish, tables: RwLock::default() }
    }

    /// With values of another form than the envelope.
    pub fn of_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// What the content of a value is called.
    pub fn content_type(&self) -> &'static str {
        match &self.form {
            Form::CloudEvents(events) => Self::event_content_type(events),
            _ if self.options.encoding == Encoding::Avro => avro::CONTENT_TYPE,
            _ => CONTENT_TYPE,
        }
    }

    fn prefix<'a>(&'a self, schema: &'a Schema) -> &'a str {
        self.prefix.as_deref().unwrap_or(&schema.source)
    }

    /// The topic that Debezium would use: `prefix.schema.table`, what no topic's name may hold as `_`.
    pub fn topic(&self, schema: &Schema) -> String {
        self.table(schema).topic.clone()
    }

    fn new_topic(&self, schema: &Schema) -> String {
        own::legal_topic(&format!("{}.{}.{}", self.prefix(schema), schema.namespace, schema.table))
    }

    /// The records of one change, in order: one, or three where the key changed.
    ///
    /// # Errors
    /// If the key can not be told, or a value not be written.
    pub fn records(&self, change: &Change<'_>) -> Result<Vec<Record>, EncodeError> {
        let table = self.table(change.shown.schema);
        if let Form::Outbox(outbox) = &self.form {
            return self.routed(outbox, &table, change);
        }
        let row = change.shown.row;
        let op = op_code(row.head.op);
        let (before, after) = match row.head.op {
            Op::Insert | Op::Read => (Image::None, Image::Shown),
            Op::Delete => (Image::Shown, Image::None),
            Op::Truncate => (Image::None, Image::None),
            Op::Update if row.old_len() == 0 => (Image::None, Image::Shown),
            Op::Update => match self.old_key(&table, change.shown)? {
                Some((old, new)) => return self.split(&table, change, old, new),
                None => (Image::Old, Image::Shown),
            },
        };
        let key = match row.head.op {
            Op::Truncate => None,
            _ => self.key(&table, change.shown, Image::Shown)?,
        };
        let mut records = Vec::with_capacity(1);
        self.record(&table, change, &Told { op, before, after }, (key, table.headers.clone()), &mut records)?;
        Ok(records)
    }

    /// The key of a row's record and the schema that a registry knows it by; `None` for a table without key, and for a truncate.
    /// For bodies of any form.
    ///
    /// # Errors
    /// If the row does not hold a column of the key.
    pub fn record_key(&self, shown: &ShownRow<'_>) -> Result<Option<RecordKey>, EncodeError> {
        if shown.row.head.op == Op::Truncate {
            return Ok(None);
        }
        let key = self.key(&self.table(shown.schema), shown, Image::Shown)?;
        Ok(key.map(|key| RecordKey { bytes: key.whole, schema: key.schema }))
    }

    /// How many changes this row is to Debezium: two where the key changed, which is a delete and an insert.
    pub fn events(&self, shown: &ShownRow<'_>) -> u64 {
        let row = shown.row;
        if row.head.op != Op::Update || row.old_len() == 0 {
            return 1;
        }
        // A key that can not be told makes no record either.
        let moved = self.old_key(&self.table(shown.schema), shown);
        if matches!(moved, Ok(Some(_))) { 2 } else { 1 }
    }

    /// A key that a route or a guest made of text, as this encoding has it.
    pub fn text_key(&self, text: String) -> RecordKey {
        match self.options.encoding {
            Encoding::Avro => RecordKey { bytes: avro::text_datum(&text), schema: Some(avro::TEXT_SCHEMA.clone()) },
            Encoding::Plain | Encoding::Schemas => RecordKey { bytes: text.into(), schema: None },
        }
    }

    fn table(&self, schema: &Schema) -> Arc<Table> {
        let find = |tables: &Tables| tables.get(&schema.id.0)?.iter().find(|table| table.is_of(schema)).cloned();
        if let Some(table) = find(&self.tables.read().unwrap_or_else(PoisonError::into_inner)) {
            return table;
        }
        let prefix = self.prefix(schema);
        let mut table = Table::new(schema, &self.options, &self.form, [prefix, &self.new_topic(schema)]);
        table.headers = self.context_headers(prefix, schema.database.kind);
        let table = Arc::new(table);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.entry(schema.id.0).or_default().push(table.clone());
        table
    }

    fn context_headers(&self, prefix: &str, database: DatabaseKind) -> Headers {
        if !self.options.context_headers {
            return Headers::default();
        }
        let values = [prefix, "0", source::connector(database), &self.run_id];
        let names = ["connectorLogicalName", "taskId", "connectorName", "runId"];
        let header = |(name, value): (&str, &str)| (format!("__debezium.context.{name}").into(), value.to_owned());
        names.into_iter().zip(values).map(header).collect()
    }

    /// Appends the record of a change, if its form has one.
    fn record(
        &self,
        table: &Table,
        change: &Change<'_>,
        told: &Told,
        (key, mut headers): (Option<Key>, Headers),
        records: &mut Vec<Record>,
    ) -> Result<(), EncodeError> {
        let mut tombstone = told.op == "d" && self.options.tombstones;
        let mut further = |more: Vec<Header>| {
            if !more.is_empty() {
                headers = headers.iter().cloned().chain(more).collect();
            }
        };
        let value = match &self.form {
            Form::Envelope | Form::Outbox(_) => Some(self.envelope(table, change, told)?),
            Form::Unwrap(unwrap) => {
                let Some(unwrapped) = self.unwrapped(unwrap, table, change, told)? else { return Ok(()) };
                tombstone &= unwrapped.tombstone;
                further(unwrapped.headers);
                unwrapped.value
            }
            Form::CloudEvents(events) => {
                let (written, attributes) = self.event(events, table, change, told)?;
                further(attributes);
                Some(written)
            }
        };
        let (key, key_schema) = key.map_or((None, None), |key| (Some(key.whole), key.schema));
        let is_null = value.is_none();
        let (value, value_schema) = value.map_or_else(Default::default, |value| (value.bytes, value.schema));
        let form = RecordForm { key_schema, value_schema, is_null };
        records.push(Record { topic: None, key, value, form, headers, tombstone });
        Ok(())
    }

    /// An update of a key as Debezium tells it: the old row goes, a new one comes.
    fn split(&self, table: &Table, change: &Change<'_>, old: Key, new: Key) -> Result<Vec<Record>, EncodeError> {
        let headers =
            |name: &str, key: String| iter::once((name.into(), key)).chain(table.headers.iter().cloned()).collect();
        let goes = Told { op: "d", before: Image::Old, after: Image::None };
        let comes = Told { op: "c", before: Image::None, after: Image::Shown };
        let new_key = headers(NEW_KEY, self.key_header(table, change.shown, Image::Shown));
        let old_key = headers(OLD_KEY, self.key_header(table, change.shown, Image::Old));
        let mut records = Vec::with_capacity(2);
        self.record(table, change, &goes, (Some(old), new_key), &mut records)?;
        let next = change.transaction.map(TransactionPlace::next);
        let second = Change { transaction: next.as_ref(), ..*change };
        self.record(table, &second, &comes, (Some(new), old_key), &mut records)?;
        Ok(records)
    }
}

/// A UUID of version 7, as Debezium draws one at each start.
fn new_run_id() -> String {
    let millis =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64);
    let mut id: [u8; 16] = rand::random();
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    id[6] = id[6] & 0x0f | 0x70;
    id[8] = id[8] & 0x3f | 0x80;
    let mut out = Vec::with_capacity(36);
    super::text::put_text(&mut out, &Cell::Uuid(id));
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
