//! The `debezium` body: each change as Debezium would have written it, so that whoever reads Debezium reads this.
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

mod decimal;
mod default;
mod float;
mod geometry;
mod list;
mod literal;
mod mysql;
mod options;
mod postgres;
mod shape;
mod source;
mod table;
mod text;
mod time;
mod value;

pub use options::DebeziumOptions;

use super::ShownRow;
use super::flat::op_code;
use super::scratch::Scratch;
use crate::change::{BinlogEvent, Cell, Headers, Lsn, Op, RowMark, Schema};
use bytes::Bytes;
use shape::{Kind, Shape};
use std::collections::HashMap;
use std::iter;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};
use table::{Odd, Table};
use text::{put_finer, put_int, put_string};
use value::Misfit;

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
    /// When the row is processed: nanoseconds since the Unix epoch.
    pub now_ns: i64,
}

/// One record, without its topic: that is the table's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// JSON; `None` for a table without key.
    pub key: Option<Bytes>,
    pub value: Bytes,
    pub headers: Headers,
    /// Whether a record of the same key and headers and without a value follows.
    pub tombstone: bool,
}

/// Why a change can not become a record. Names columns, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("key column {0} was left out by a guest; a record needs it: leave it in, or set it to something else")]
    KeyLeftOut(String),
    #[error("key column {0} is not in the log: the statement did not touch it (REPLICA IDENTITY FULL would log it)")]
    KeyUnchanged(String),
}

/// Makes records; one for each route.
pub struct Debezium {
    options: DebeziumOptions,
    /// `topic.prefix`; the source's name if there is none.
    prefix: Option<String>,
    run_id: String,
    tables: RwLock<HashMap<u32, Vec<Arc<Table>>>>,
}

/// Which image of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Image {
    None,
    /// What the receiver sees: the new image, or the old one after a delete.
    Shown,
    /// The old image of an update.
    Old,
}

const NEW_KEY: &str = "__debezium.newkey";
const OLD_KEY: &str = "__debezium.oldkey";

impl Debezium {
    /// `prefix` is Debezium's `topic.prefix`; without one it is the name of the source.
    pub fn new(options: DebeziumOptions, prefix: Option<String>) -> Self {
        Self { options, prefix, run_id: new_run_id(), tables: RwLock::default() }
    }

    fn prefix<'a>(&'a self, schema: &'a Schema) -> &'a str {
        self.prefix.as_deref().unwrap_or(&schema.source)
    }

    /// The topic that Debezium would use: `prefix.schema.table`, what no topic's name may hold as `_`.
    pub fn topic(&self, schema: &Schema) -> String {
        self.table(schema).topic.clone()
    }

    fn new_topic(&self, schema: &Schema) -> String {
        let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        format!("{}.{}.{}", self.prefix(schema), schema.namespace, schema.table).chars().map(legal).collect()
    }

    /// The records of one change, in order: one, or three where the key changed.
    ///
    /// # Errors
    /// If the key can not be told.
    pub fn records(&self, change: &Change<'_>) -> Result<Vec<Record>, EncodeError> {
        let table = self.table(change.shown.schema);
        let row = change.shown.row;
        match row.head.op {
            Op::Insert | Op::Read => Ok(vec![self.record(&table, change, Image::None, Image::Shown)?]),
            Op::Delete => Ok(vec![self.record(&table, change, Image::Shown, Image::None)?]),
            Op::Truncate => Ok(vec![Record {
                key: None,
                value: self.value(&table, change, "t", Image::None, Image::None),
                headers: table.headers.clone(),
                tombstone: false,
            }]),
            Op::Update if row.old_len() == 0 => Ok(vec![self.record(&table, change, Image::None, Image::Shown)?]),
            Op::Update => match self.old_key(&table, change)? {
                Some((old, new)) => Ok(self.split(&table, change, &old, &new)),
                None => Ok(vec![self.record(&table, change, Image::Old, Image::Shown)?]),
            },
        }
    }

    /// The key of a row's record as JSON; `None` for a table without key, and for a truncate. For bodies of any form.
    ///
    /// # Errors
    /// If the row does not hold a column of the key.
    pub fn record_key(&self, shown: &ShownRow<'_>) -> Result<Option<Bytes>, EncodeError> {
        if shown.row.head.op == Op::Truncate {
            return Ok(None);
        }
        Ok(self.key(&self.table(shown.schema), shown, Image::Shown)?.map(|key| key.whole))
    }

    fn table(&self, schema: &Schema) -> Arc<Table> {
        let find = |tables: &HashMap<u32, Vec<Arc<Table>>>| {
            tables.get(&schema.id.0)?.iter().find(|table| table.is_of(schema)).cloned()
        };
        if let Some(table) = find(&self.tables.read().unwrap_or_else(PoisonError::into_inner)) {
            return table;
        }
        let prefix = self.prefix(schema);
        let mut table = Table::new(schema, &self.options, prefix, self.new_topic(schema));
        if self.options.context_headers {
            let values = [prefix, "0", source::connector(schema.database.kind), &self.run_id];
            let names = ["connectorLogicalName", "taskId", "connectorName", "runId"];
            let header = |(name, value): (&str, &str)| (format!("__debezium.context.{name}").into(), value.to_owned());
            table.headers = names.into_iter().zip(values).map(header).collect();
        }
        let table = Arc::new(table);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.entry(schema.id.0).or_default().push(table.clone());
        table
    }

    fn record(&self, table: &Table, change: &Change<'_>, before: Image, after: Image) -> Result<Record, EncodeError> {
        let op = change.shown.row.head.op;
        Ok(Record {
            key: self.key(table, change.shown, Image::Shown)?.map(|key| key.whole),
            value: self.value(table, change, op_code(op), before, after),
            headers: table.headers.clone(),
            tombstone: op == Op::Delete && self.options.tombstones,
        })
    }

    /// An update of a key as Debezium tells it: the old row goes, a new one comes.
    fn split(&self, table: &Table, change: &Change<'_>, old: &Key, new: &Key) -> Vec<Record> {
        let headers =
            |name: &str, key: String| iter::once((name.into(), key)).chain(table.headers.iter().cloned()).collect();
        vec![
            Record {
                key: Some(old.whole.clone()),
                value: self.value(table, change, "d", Image::Old, Image::None),
                headers: headers(NEW_KEY, new.text()),
                tombstone: self.options.tombstones,
            },
            Record {
                key: Some(new.whole.clone()),
                value: self.value(table, change, "c", Image::None, Image::Shown),
                headers: headers(OLD_KEY, old.text()),
                tombstone: false,
            },
        ]
    }

    /// The keys before and after, if they differ. An old image that does not hold the key says that it did not.
    fn old_key(&self, table: &Table, change: &Change<'_>) -> Result<Option<(Key, Key)>, EncodeError> {
        let Some(new) = self.key(table, change.shown, Image::Shown)? else { return Ok(None) };
        let Ok(Some(old)) = self.key(table, change.shown, Image::Old) else { return Ok(None) };
        Ok((old.bare() != new.bare()).then_some((old, new)))
    }

    fn key(&self, table: &Table, shown: &ShownRow<'_>, image: Image) -> Result<Option<Key>, EncodeError> {
        if table.key.is_empty() {
            return Ok(None);
        }
        let mut out = Scratch::lend();
        out.extend_from_slice(&table.key_head);
        let mut odd = Odd::default();
        out.push(b'{');
        for (i, index) in table.key.iter().enumerate() {
            let field = &table.fields[*index];
            let name = || shown.schema.columns[field.column].name.clone();
            let cell = match cell(shown, image, field.column) {
                Some(Cell::Unchanged) => return Err(EncodeError::KeyUnchanged(name())),
                None | Some(Cell::Absent) => return Err(EncodeError::KeyLeftOut(name())),
                Some(cell) => cell,
            };
            if i > 0 {
                out.push(b',');
            }
            self.put_field(&mut out, table, *index, &cell, &mut odd);
        }
        out.push(b'}');
        let mut bare = table.key_head.len()..out.len();
        if self.options.schemas {
            if !odd.is_empty() {
                let head = table.key_schema(&odd);
                let head_len = head.len();
                out.splice(..table.key_head.len(), head);
                bare = head_len..out.len();
            }
            out.push(b'}');
        }
        Ok(Some(Key { whole: out.bytes(), bare }))
    }

    fn value(&self, table: &Table, change: &Change<'_>, op: &str, before: Image, after: Image) -> Bytes {
        let mut out = Scratch::lend();
        out.extend_from_slice(&table.value_head);
        let (mut odd_before, mut odd_after) = (Odd::default(), Odd::default());
        out.extend_from_slice(b"{\"before\":");
        self.put_image(&mut out, table, change.shown, before, &mut odd_before);
        out.extend_from_slice(b",\"after\":");
        self.put_image(&mut out, table, change.shown, after, &mut odd_after);
        out.extend_from_slice(b",\"source\":");
        table.source.put(&mut out, change);
        out.extend_from_slice(b",\"transaction\":null,\"op\":\"");
        out.extend_from_slice(op.as_bytes());
        out.extend_from_slice(b"\",\"ts_ms\":");
        let begin = out.len();
        put_int(&mut out, change.now_ns.div_euclid(1_000_000));
        let millis = begin..out.len();
        out.extend_from_slice(b",\"ts_us\":");
        let micros = put_finer(&mut out, millis, change.now_ns.div_euclid(1_000));
        out.extend_from_slice(b",\"ts_ns\":");
        put_finer(&mut out, micros, change.now_ns);
        out.push(b'}');
        if self.options.schemas {
            if !odd_before.is_empty() || !odd_after.is_empty() {
                let head = table.value_schema(&odd_before, &odd_after);
                out.splice(..table.value_head.len(), head);
            }
            out.push(b'}');
        }
        out.bytes()
    }

    fn put_image(&self, out: &mut Vec<u8>, table: &Table, shown: &ShownRow<'_>, image: Image, odd: &mut Odd) {
        if image == Image::None {
            return out.extend_from_slice(b"null");
        }
        let added = |name: &str| shown.edits.is_some_and(|edits| edits.added.iter().any(|(n, _)| n == name));
        out.push(b'{');
        let mut any = false;
        for (index, field) in table.fields.iter().enumerate() {
            let found = cell(shown, image, field.column);
            let Some(cell) = found.filter(|_| !added(&shown.schema.columns[field.column].name)) else {
                odd.fields.push((index, None));
                continue;
            };
            if any {
                out.push(b',');
            }
            any = true;
            self.put_field(out, table, index, &cell, odd);
        }
        for (name, cell) in shown.added().filter(|_| image == Image::Shown) {
            if any {
                out.push(b',');
            }
            any = true;
            let at = out.len();
            put_string(out, name);
            let name = out[at..].to_vec();
            out.push(b':');
            let shape = Shape::of_value(&cell, &self.options);
            if value::put(out, &shape.kind, &cell).is_err() {
                out.truncate(at + name.len() + 1);
                out.extend_from_slice(b"null");
            }
            odd.added.push(shape.field(&name, true, b""));
        }
        out.push(b'}');
    }

    #[inline]
    fn put_field(&self, out: &mut Vec<u8>, table: &Table, index: usize, cell: &Cell<'_>, odd: &mut Odd) {
        let field = &table.fields[index];
        out.extend_from_slice(&field.label);
        let instead = match cell {
            Cell::Null => &field.null,
            Cell::Absent => &field.absent,
            Cell::Unchanged => &field.unchanged,
            cell => {
                let at = out.len();
                let Err(misfit) = value::put(out, &field.shape.kind, cell) else { return };
                out.truncate(at);
                let is_day =
                    matches!(field.shape.kind, Kind::Date { .. } | Kind::Timestamp { .. } | Kind::Zoned { .. });
                match misfit {
                    Misfit::Nothing if field.optional => b"null".as_slice(),
                    Misfit::Nothing if is_day => &field.zero,
                    _ => return self.put_instead(out, table, index, cell, odd),
                }
            }
        };
        out.extend_from_slice(instead);
    }

    /// A value that its column's shape can not say, in a shape of its own.
    #[cold]
    fn put_instead(&self, out: &mut Vec<u8>, table: &Table, index: usize, cell: &Cell<'_>, odd: &mut Odd) {
        let shape = table.fields[index].shape.instead(cell, &self.options);
        let at = out.len();
        if value::put(out, &shape.kind, cell).is_err() {
            out.truncate(at);
            out.extend_from_slice(b"null");
        }
        odd.fields.push((index, Some(shape)));
    }
}

/// A key with what stands in front of it, and without.
struct Key {
    whole: Bytes,
    /// Where in `whole` the key itself stands.
    bare: Range<usize>,
}

impl Key {
    fn bare(&self) -> &[u8] {
        &self.whole[self.bare.clone()]
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.bare()).into_owned()
    }
}

/// A column's value in an image; `None` if a guest left it out.
///
/// An old image never shows what a guest replaced in the new one: where the column was not changed it shows the same as the new
/// one, elsewhere nothing.
#[inline]
fn cell<'a>(shown: &ShownRow<'a>, image: Image, column: usize) -> Option<Cell<'a>> {
    let edit = shown.edits.and_then(|edits| edits.of(column));
    if let Some(None) = edit {
        return None;
    }
    if image != Image::Old {
        return Some(shown.cell(column));
    }
    let old = shown.row.old_cell(column).unwrap_or(Cell::Absent);
    match edit {
        Some(Some(edited)) if shown.row.new_cell(column) == Ok(old) => Some(edited.cell()),
        Some(_) => Some(Cell::Absent),
        None => Some(old),
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
