//! Rows built by hand.

use super::outcome::Value;
use crate::calendar::{Date, Time, Timestamp, Uuid};
use crate::schema::{Column, Schema};
use crate::value::{AsCell, Decimal, Json};
use sluicegate_frame::{Cell, FrameBuf, Op, RowHead, Tag};

/// A row for a test; its columns stand in the order in which they are first named.
///
/// After a delete the values are the old image, which is all that a log holds of it.
#[derive(Clone, Debug)]
pub struct TestRow {
    op: Op,
    table: String,
    committed_at: i64,
    position: u64,
    columns: Vec<Given>,
}

#[derive(Clone, Debug)]
struct Given {
    name: String,
    key: bool,
    value: Option<Value>,
    was: Option<Value>,
}

/// What the host announces before the first row of this form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    table: String,
    columns: Vec<(String, Option<Tag>, bool)>,
}

impl TestRow {
    /// `table` with its schema: `public.package_status`.
    pub fn insert(table: &str) -> Self {
        Self::new(Op::Insert, table)
    }

    pub fn update(table: &str) -> Self {
        Self::new(Op::Update, table)
    }

    pub fn delete(table: &str) -> Self {
        Self::new(Op::Delete, table)
    }

    pub fn truncate(table: &str) -> Self {
        Self::new(Op::Truncate, table)
    }

    /// A row that a snapshot reads.
    pub fn read(table: &str) -> Self {
        Self::new(Op::Read, table)
    }

    fn new(op: Op, table: &str) -> Self {
        assert!(table.contains('.'), "`{table}` is to be written with its schema, such as public.{table}");
        Self { op, table: table.to_owned(), committed_at: 0, position: 0, columns: Vec::new() }
    }

    /// Any value that a column can hold; `None::<i64>` and the like for null.
    pub fn set(mut self, column: &str, value: impl AsCell) -> Self {
        self.given(column).value = Some(Value::new(value.as_cell()));
        self
    }

    /// The value before an update. Columns of which none is given are absent from the old image.
    pub fn was(mut self, column: &str, value: impl AsCell) -> Self {
        self.given(column).was = Some(Value::new(value.as_cell()));
        self
    }

    /// Makes a column part of the key.
    pub fn key(mut self, column: &str) -> Self {
        self.given(column).key = true;
        self
    }

    pub fn committed_at(mut self, at: Timestamp) -> Self {
        self.committed_at = at.micros_since_2000();
        self
    }

    pub fn position(mut self, position: u64) -> Self {
        self.position = position;
        self
    }

    pub fn null(self, column: &str) -> Self {
        self.set(column, Cell::Null)
    }

    /// A large value that the statement did not touch, so that the log does not hold it.
    pub fn unchanged(self, column: &str) -> Self {
        self.set(column, Cell::Unchanged)
    }

    /// A value of this many bytes, longer than the guest's limit for a cell.
    pub fn long(self, column: &str, bytes: u64) -> Self {
        self.set(column, Cell::Long(bytes))
    }

    pub fn int(self, column: &str, value: i64) -> Self {
        self.set(column, value)
    }

    pub fn uint(self, column: &str, value: u64) -> Self {
        self.set(column, value)
    }

    pub fn float(self, column: &str, value: f64) -> Self {
        self.set(column, value)
    }

    pub fn bool(self, column: &str, value: bool) -> Self {
        self.set(column, value)
    }

    pub fn text(self, column: &str, value: &str) -> Self {
        self.set(column, value)
    }

    pub fn bytes(self, column: &str, value: &[u8]) -> Self {
        self.set(column, value)
    }

    pub fn decimal(self, column: &str, value: &str) -> Self {
        self.set(column, Decimal(value))
    }

    pub fn date(self, column: &str, value: Date) -> Self {
        self.set(column, value)
    }

    pub fn time(self, column: &str, value: Time) -> Self {
        self.set(column, value)
    }

    pub fn timestamp(self, column: &str, value: Timestamp) -> Self {
        self.set(column, value)
    }

    pub fn uuid(self, column: &str, value: Uuid) -> Self {
        self.set(column, value)
    }

    pub fn json(self, column: &str, value: &str) -> Self {
        self.set(column, Json(value))
    }

    fn given(&mut self, column: &str) -> &mut Given {
        let at = self.columns.iter().position(|c| c.name == column).unwrap_or_else(|| {
            self.columns.push(Given { name: column.to_owned(), key: false, value: None, was: None });
            self.columns.len() - 1
        });
        &mut self.columns[at]
    }

    pub(super) fn op(&self) -> Op {
        self.op
    }

    pub(super) fn full_name(&self) -> &str {
        &self.table
    }

    /// The columns that cross, in the order of the subscription; all of them if it names none.
    fn crossing<'a>(&'a self, wanted: &'a [&str]) -> Vec<&'a Given> {
        if wanted.is_empty() {
            return self.columns.iter().collect();
        }
        wanted.iter().filter_map(|name| self.columns.iter().find(|c| c.name == *name)).collect()
    }

    pub(super) fn shape(&self, wanted: &[&str]) -> Shape {
        let tag = |c: &Given| {
            let tag = c.value.as_ref().or(c.was.as_ref())?.cell().tag();
            (!matches!(tag, Tag::Null | Tag::Unchanged | Tag::Absent | Tag::Long)).then_some(tag)
        };
        let columns = self.crossing(wanted).into_iter().map(|c| (c.name.clone(), tag(c), c.key)).collect();
        Shape { table: self.table.clone(), columns }
    }

    pub(super) fn write(&self, frame: &mut FrameBuf, schema: usize, wanted: &[&str], old: bool) {
        let crossing = self.crossing(wanted);
        let (new, old) = match self.op {
            Op::Insert | Op::Read => (true, false),
            Op::Update => (true, old && crossing.iter().any(|c| c.was.is_some())),
            Op::Delete => (false, true),
            Op::Truncate => (false, false),
        };
        let first_cell = frame.cells.len() as u32;
        let cell = |value: &Option<Value>| -> FrameBuf {
            let mut one = FrameBuf::new();
            one.push(value.as_ref().map_or(Cell::Absent, Value::cell));
            one
        };
        let mut put =
            |one: FrameBuf| frame.push_from(one.cells[0], &one.heap).expect("a cell that lies on its own heap");
        if new {
            crossing.iter().for_each(|c| put(cell(&c.value)));
        }
        if old {
            crossing.iter().for_each(|c| put(cell(if self.op == Op::Delete { &c.value } else { &c.was })));
        }
        let count = crossing.len() as u16;
        frame.rows.push(RowHead {
            schema: schema as u32,
            op: self.op,
            old_is_key: old && crossing.iter().all(|c| c.key || c.was.is_none()),
            first_cell,
            new_cells: if new { count } else { 0 },
            old_cells: if old { count } else { 0 },
            committed_at: self.committed_at,
            position: self.position,
        });
    }
}

impl Shape {
    pub(super) fn schema(&self, id: usize) -> Schema {
        let (namespace, table) = self.table.split_once('.').unwrap_or(("", &self.table));
        let columns = self.columns.iter().map(|(name, tag, key)| Column {
            name: name.clone(),
            type_name: tag.map_or_else(String::new, |tag| format!("{tag:?}").to_lowercase()),
            tag: *tag,
            key: *key,
        });
        Schema::new(id as u32, "test".to_owned(), namespace.to_owned(), table.to_owned(), columns.collect())
    }

    pub(super) fn column(&self, index: u16) -> Option<&str> {
        self.columns.get(usize::from(index)).map(|(name, ..)| name.as_str())
    }
}
