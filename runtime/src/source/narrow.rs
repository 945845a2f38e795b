//! What one pipeline may see of a source that several pipelines read.
//!
//! A source captures what any of its pipelines asks for, once. Before a batch goes to one of them, what only the others asked for is
//! taken away: rows of their tables, columns with every byte of their values, and notices, so that they are not even in this
//! pipeline's memory.
//!
//! ```text
//!   source ══ Arc<Batch> ══▶ Narrow of pipeline a ══▶ the same Arc, or a smaller batch under the same position
//!                       └──▶ Narrow of pipeline b ══▶ ...
//! ```

use super::{ColumnRule, NoticeRule, TableRule};
use crate::change::{
    Batch, BinlogEvent, Column, FrameBuf, Lsn, Notice, Op, RawCell, RowHead, RowView, Schema, SchemaId, Tag,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Versions of tables that are remembered; beyond it all are looked at anew.
const VIEWS_LEN_MAX: usize = 4096;

/// The part of one source that belongs to one pipeline.
pub struct Narrow {
    columns: ColumnRule,
    tables: TableRule,
    notices: NoticeRule,
    skip_unchanged: bool,
    views: HashMap<SchemaId, View>,
}

/// A version of a table as the pipeline sees it.
#[derive(Clone)]
struct View {
    /// As it comes from the source.
    whole: Arc<Schema>,
    /// As the pipeline sees it; `None`: not at all.
    seen: Option<Arc<Schema>>,
    /// Indexes in `whole` of the columns that are left.
    kept: Vec<usize>,
}

impl View {
    fn is_whole(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &self.whole))
    }
}

impl Narrow {
    /// The rules are the pipeline's for this source. With `skip_unchanged`, an update leaves nothing if it is certain that it
    /// touched no column that the pipeline sees. It is certain if the log says what the columns held before, or that it did not
    /// touch them; PostgreSQL does so for all of them only with `REPLICA IDENTITY FULL`, so without it most updates stay.
    pub fn new(columns: ColumnRule, tables: TableRule, skip_unchanged: bool) -> Self {
        Self { columns, tables, notices: NoticeRule::default(), skip_unchanged, views: HashMap::new() }
    }

    /// The same, for a pipeline that asks for these notices; without it there are none.
    pub fn with_notices(self, notices: NoticeRule) -> Self {
        Self { notices, ..self }
    }

    /// The batch as this pipeline may see it; the same one when nothing is to be taken away. A batch that becomes empty still
    /// says what can be confirmed.
    pub fn batch(&mut self, batch: &Arc<Batch>) -> Arc<Batch> {
        let views: Vec<View> = batch.schemas.iter().map(|schema| self.view(schema)).collect();
        let is_whole = views.iter().all(View::is_whole) && batch.notices.iter().all(|n| self.notices.wants(&n.kind));
        if is_whole && !self.skip_unchanged {
            return batch.clone();
        }
        let stays = self.rows_that_stay(batch, &views);
        if is_whole && stays.len() == batch.len() {
            return batch.clone();
        }
        let notices = self.cut_notices(&batch.notices, &stays);
        Arc::new(Batch { notices, ..cut(batch, &views, &stays) })
    }

    fn view(&mut self, schema: &Arc<Schema>) -> View {
        if let Some(view) = self.views.get(&schema.id).filter(|view| Arc::ptr_eq(&view.whole, schema)) {
            return view.clone();
        }
        if self.views.len() >= VIEWS_LEN_MAX {
            self.views.clear();
        }
        let view = self.look_at(schema);
        self.views.insert(schema.id, view.clone());
        view
    }

    fn look_at(&self, schema: &Arc<Schema>) -> View {
        if !(self.tables)(&schema.full_name()) {
            return View { whole: schema.clone(), seen: None, kept: Vec::new() };
        }
        let take = |column: &Column| (self.columns)(&schema.namespace, &schema.table, &column.name).of(column.key);
        let (mut kept, mut columns) = (Vec::new(), Vec::new());
        for (index, column) in schema.columns.iter().enumerate() {
            let Some(key_only) = take(column) else { continue };
            kept.push(index);
            let mut column = column.clone();
            column.detail.key_only = key_only;
            columns.push(column);
        }
        let is_whole = columns == schema.columns;
        let seen = if is_whole { schema.clone() } else { Arc::new(Schema { columns, ..Schema::clone(schema) }) };
        View { whole: schema.clone(), seen: Some(seen), kept }
    }

    /// Those that the pipeline asks for, before the rows that they stood before.
    fn cut_notices(&self, notices: &[Notice], stays: &[(usize, usize)]) -> Vec<Notice> {
        let wanted = notices.iter().filter(|notice| self.notices.wants(&notice.kind));
        let moved = wanted.map(|notice| {
            let before_row = stays.partition_point(|&(row, _)| row < notice.before_row as usize) as u32;
            Notice { before_row, ..notice.clone() }
        });
        moved.collect()
    }

    /// Rows with the index of their view, in order.
    fn rows_that_stay(&self, batch: &Batch, views: &[View]) -> Vec<(usize, usize)> {
        let mut stays = Vec::with_capacity(batch.len());
        // Rows of one table mostly follow each other.
        let mut at = 0;
        for (row, head) in batch.frame.rows.iter().enumerate() {
            if views.get(at).is_none_or(|view| view.whole.id.0 != head.schema) {
                at = views
                    .iter()
                    .position(|view| view.whole.id.0 == head.schema)
                    .expect("a batch carries the schemas of its rows");
            }
            let view = &views[at];
            let skipped = || self.skip_unchanged && head.op == Op::Update && is_unchanged(&batch.row(row), &view.kept);
            if view.seen.is_some() && !skipped() {
                stays.push((row, at));
            }
        }
        stays
    }
}

/// Whether the row certainly says nothing new in these columns.
fn is_unchanged(row: &RowView<'_>, columns: &[usize]) -> bool {
    let unchanged = |&column: &usize| {
        let new = row.new_raw(column).unwrap_or(RawCell::ABSENT);
        if says_nothing(&new) {
            return true;
        }
        let old = row.old_raw(column).unwrap_or(RawCell::ABSENT);
        !says_nothing(&old) && is_same(&new, &old, row.heap())
    };
    columns.iter().all(unchanged)
}

/// Whether the log leaves the column out: the statement did not touch it, or its image has no place for it.
fn says_nothing(cell: &RawCell) -> bool {
    matches!(cell.tag(), Ok(Tag::Unchanged | Tag::Absent))
}

fn is_same(one: &RawCell, other: &RawCell, heap: &[u8]) -> bool {
    match (one.tag(), other.tag()) {
        (Ok(a), Ok(b)) if a == b && a.is_inline() => one == other,
        (Ok(a), Ok(b)) if a == b => one.heap_bytes(heap).is_ok_and(|bytes| other.heap_bytes(heap) == Ok(bytes)),
        _ => false,
    }
}

/// A batch of these rows and columns alone.
fn cut(batch: &Batch, views: &[View], stays: &[(usize, usize)]) -> Batch {
    let mut frame = FrameBuf::new();
    frame.rows.reserve(stays.len());
    for &(row, view) in stays {
        copy_row(&mut frame, &batch.row(row), &views[view].kept);
    }
    let is_used = |view: &usize| stays.iter().any(|(_, used)| used == view);
    let schemas = (0..views.len()).filter(is_used).filter_map(|view| views[view].seen.clone());
    Batch {
        source: batch.source.clone(),
        marks: stays.iter().map(|&(row, _)| batch.marks[row]).collect(),
        schemas: schemas.collect(),
        events: cut_events(&batch.events, stays),
        previous_ends: cut_ends(&batch.previous_ends, stays),
        notices: Vec::new(),
        confirms: batch.confirms.clone(),
        received_at: batch.received_at,
        frame,
    }
}

/// Where the transactions before those of the rows that stay ended.
fn cut_ends(ends: &[(u32, Lsn)], stays: &[(usize, usize)]) -> Vec<(u32, Lsn)> {
    let mut cut: Vec<(u32, Lsn)> = Vec::new();
    for &(first_row, end) in ends {
        let from = stays.partition_point(|&(row, _)| row < first_row as usize) as u32;
        // Of ends before the same row only the last one counts.
        cut.pop_if(|(before, _)| *before == from);
        cut.push((from, end));
    }
    cut
}

fn copy_row(frame: &mut FrameBuf, row: &RowView<'_>, kept: &[usize]) {
    let first_cell = u32::try_from(frame.cells.len()).expect("fewer cells than the batch it is cut from");
    let mut copy = |image: &dyn Fn(usize) -> Option<RawCell>| {
        let before = frame.cells.len();
        for cell in kept.iter().filter_map(|&column| image(column)) {
            frame.push_from(cell, row.heap()).expect("the decoder writes cells within their frame");
        }
        u16::try_from(frame.cells.len() - before).expect("fewer cells than the row it is copied from")
    };
    let new_cells = copy(&|column| row.new_raw(column));
    let old_cells = copy(&|column| row.old_raw(column));
    frame.rows.push(RowHead { first_cell, new_cells, old_cells, ..row.head });
}

/// Every run of rows that stayed together is an event of its own, so that a row's number within the event remains what it was.
fn cut_events(events: &[BinlogEvent], stays: &[(usize, usize)]) -> Vec<BinlogEvent> {
    let mut cut: Vec<BinlogEvent> = Vec::new();
    let mut before: Option<(usize, usize)> = None;
    for (place, &(row, _)) in stays.iter().enumerate() {
        let after = events.partition_point(|event| event.first_row as usize <= row);
        let Some(at) = after.checked_sub(1) else { continue };
        // A gap ends the run, and so does the next event.
        if before.is_none_or(|(event, previous)| event != at || previous + 1 != row) {
            let event = &events[at];
            let left_out = u32::try_from(row).expect("a row's index is a u32") - event.first_row;
            let first_row = u32::try_from(place).expect("a row's index is a u32");
            cut.push(BinlogEvent { first_row, skipped_rows: event.skipped_rows + left_out, ..event.clone() });
        }
        before = Some((at, row));
    }
    cut
}

#[cfg(test)]
mod tests;
