//! The batch that is being filled.

use super::bytes::Reader;
use super::rows::{BadRow, Images, Rows};
use super::tables::Table;
use crate::change::{
    Batch, BinlogEvent, BinlogPosition, FrameBuf, NoticeKind, Op, Position, RawCell, RowHead, RowMark, Schema,
    TransactionId,
};
use crate::source::notices::Notices;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A batch is cut here, even inside a transaction, but not inside an event: large enough that a call into a guest costs nothing
/// per row, small enough to stay in a cache.
pub(super) const BATCH_ROWS_MAX: usize = 1024;
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

pub(super) struct Assembly {
    source: Arc<str>,
    frame: FrameBuf,
    marks: Vec<RowMark>,
    schemas: Vec<Arc<Schema>>,
    events: Vec<BinlogEvent>,
    notices: Notices,
    /// Batches that became full within one event, when a prepared transaction was committed.
    full: VecDeque<Batch>,
    /// Whether a transaction ended that no batch has confirmed.
    is_end_open: bool,
}

/// How much there was when something began that may be taken back.
#[derive(Clone, Copy, Default)]
pub(super) struct Level {
    rows: usize,
    cells: usize,
    heap: usize,
    events: usize,
    notices: usize,
}

/// What all rows of an event share.
pub(super) struct RowOrigin {
    pub(super) op: Op,
    pub(super) old_is_key: bool,
    pub(super) committed_at: i64,
}

impl Assembly {
    pub(super) fn new(source: Arc<str>, notices: Notices) -> Self {
        Self {
            notices,
            source,
            frame: FrameBuf::new(),
            marks: Vec::new(),
            schemas: Vec::new(),
            events: Vec::new(),
            full: VecDeque::new(),
            is_end_open: false,
        }
    }

    pub(super) fn level(&self) -> Level {
        let FrameBuf { rows, cells, heap } = &self.frame;
        Level {
            rows: rows.len(),
            cells: cells.len(),
            heap: heap.len(),
            events: self.events.len(),
            notices: self.notices.len(),
        }
    }

    /// Number of rows that came since.
    pub(super) fn written_since(&self, level: Level) -> u64 {
        (self.frame.rows.len() - level.rows) as u64
    }

    /// Takes back what came since.
    pub(super) fn lower(&mut self, level: Level) {
        self.frame.rows.truncate(level.rows);
        self.frame.cells.truncate(level.cells);
        self.frame.heap.truncate(level.heap);
        self.marks.truncate(level.rows);
        self.events.truncate(level.events);
        self.notices.truncate(level.notices);
    }

    /// Takes everything back.
    pub(super) fn clear(&mut self) {
        self.lower(Level::default());
        self.schemas.clear();
        self.full.clear();
        self.is_end_open = false;
    }

    pub(super) fn wants_transactions(&self) -> bool {
        self.notices.rule().transactions
    }

    /// Appends what is no row.
    pub(super) fn notice(&mut self, mark: RowMark, committed_at: i64, kind: NoticeKind) {
        self.notices.push(self.marks.len(), mark, committed_at, kind);
    }

    /// What has just begun is no transaction to those who ask for them.
    pub(super) fn leave_out_begin(&mut self) {
        self.notices.leave_out_begin(self.marks.len());
    }

    /// Says where a transaction ends that has something for its readers.
    pub(super) fn end_transaction(&mut self, mark: RowMark, committed_at: i64, id: TransactionId) {
        self.notices.end(self.marks.len(), mark, committed_at, id);
    }

    /// A transaction ended; what the next batch confirms.
    pub(super) fn end(&mut self) {
        self.is_end_open = true;
    }

    pub(super) fn begin_event(&mut self, event: BinlogEvent) {
        self.events.push(BinlogEvent { first_row: self.frame.rows.len() as u32, ..event });
    }

    /// Appends a row whose images `write` appends to the frame's cells and counts.
    #[inline]
    pub(super) fn row(
        &mut self,
        images: &Images<'_>,
        table: &Table,
        schema: &Arc<Schema>,
        r: &mut Reader<'_>,
        mark: RowMark,
        origin: &RowOrigin,
    ) -> Result<(), BadRow> {
        let first_cell = self.frame.cells.len() as u32;
        let (new_cells, old_cells) = images.write(&mut self.frame, table, r)?;
        self.push(
            schema,
            mark,
            RowHead {
                schema: schema.id.0,
                op: origin.op,
                old_is_key: origin.old_is_key,
                first_cell,
                new_cells,
                old_cells,
                committed_at: origin.committed_at,
                position: mark.commit,
            },
        );
        Ok(())
    }

    /// Appends a row without images.
    pub(super) fn truncate(&mut self, schema: &Arc<Schema>, mark: RowMark, committed_at: i64) {
        self.push(
            schema,
            mark,
            RowHead {
                schema: schema.id.0,
                op: Op::Truncate,
                old_is_key: false,
                first_cell: self.frame.cells.len() as u32,
                new_cells: 0,
                old_cells: 0,
                committed_at,
                position: mark.commit,
            },
        );
    }

    #[inline]
    fn push(&mut self, schema: &Arc<Schema>, mark: RowMark, head: RowHead) {
        if !self.schemas.iter().rev().any(|known| known.id == schema.id) {
            self.schemas.push(schema.clone());
        }
        self.frame.rows.push(head);
        self.marks.push(mark);
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        !self.full.is_empty() || self.is_current_full()
    }

    #[inline]
    pub(super) fn is_current_full(&self) -> bool {
        self.marks.len() >= BATCH_ROWS_MAX
            || self.frame.heap.len() + self.frame.cells.len() * RawCell::SIZE + self.notices.bytes() >= BATCH_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.marks.is_empty() && self.notices.is_empty(0)
    }

    /// Puts the batch aside; the transaction goes on in the next one.
    pub(super) fn cut(&mut self) {
        let batch = self.current(None, Instant::now());
        self.full.push_back(batch);
    }

    /// The oldest batch that was put aside, or else the current one. `position` is asked only if a transaction has ended.
    pub(super) fn take(&mut self, received_at: Instant, position: impl FnOnce() -> Arc<BinlogPosition>) -> Batch {
        if let Some(batch) = self.full.pop_front() {
            return Batch { received_at, ..batch };
        }
        let confirms = std::mem::take(&mut self.is_end_open).then(|| Position::Binlog(position()));
        self.current(confirms, received_at)
    }

    /// The rows so far. The next batch gets as much memory as this one took.
    fn current(&mut self, confirms: Option<Position>, received_at: Instant) -> Batch {
        let (rows, cells, heap) = (self.frame.rows.len(), self.frame.cells.len(), self.frame.heap.len());
        let next = FrameBuf {
            rows: Vec::with_capacity(rows),
            cells: Vec::with_capacity(cells),
            heap: Vec::with_capacity(heap.min(BATCH_BYTES_MAX)),
        };
        Batch {
            source: self.source.clone(),
            frame: std::mem::replace(&mut self.frame, next),
            marks: std::mem::replace(&mut self.marks, Vec::with_capacity(rows)),
            schemas: std::mem::take(&mut self.schemas),
            events: std::mem::take(&mut self.events),
            previous_ends: Vec::new(),
            notices: self.notices.take(rows),
            confirms,
            received_at,
        }
    }
}

/// Writes the rows of one event.
pub(super) struct Writer<'a> {
    pub(super) assembly: &'a mut Assembly,
    /// Until its first row is written.
    pub(super) event: Option<BinlogEvent>,
    /// Rows up to this number were taken before.
    pub(super) repeats: u64,
}

impl Writer<'_> {
    #[inline]
    pub(super) fn row(
        &mut self,
        rows: &Rows<'_>,
        table: &Table,
        schema: &Arc<Schema>,
        r: &mut Reader<'_>,
        mark: RowMark,
        origin: &RowOrigin,
    ) -> Result<(), BadRow> {
        if mark.change <= self.repeats {
            if let Some(event) = &mut self.event {
                event.skipped_rows += 1;
            }
            return rows.images.skip(table, r);
        }
        if let Some(event) = self.event.take() {
            self.assembly.begin_event(event);
        }
        self.assembly.row(&rows.images, table, schema, r, mark, origin)
    }
}
