//! From a batch to the bytes that cross: only the subscribed columns, with earlier guests' edits laid over them.
//!
//! ```text
//!   Batch + Edits ──▶ Encoder: FrameBuf (subscribed cells) ──▶ bytes
//! ```

use super::GuestError;
use super::OfferedRow;
use super::instance::{TableSchema, WireColumn};
use super::subscription::Subscription;
use crate::change::{Batch, Edits, FrameBuf, Op, RawCell, RowHead, Schema, Tag};
use sluicegate_frame::FrameError;
use std::sync::Arc;

/// What of one version of a table crosses under one subscription.
#[derive(Debug)]
pub(super) struct Projection {
    /// The number by which rows refer to it; never reused within a generation.
    pub(super) id: u32,
    pub(super) schema: Arc<Schema>,
    /// Indexes in the table's schema, in the order of the guest's cells.
    pub(super) columns: Vec<usize>,
    old: bool,
    /// Which line of the manifest asked for it.
    subscription: usize,
}

impl Projection {
    /// # Errors
    /// If the subscription names a column that the table does not have.
    pub(super) fn new(
        id: u32,
        schema: Arc<Schema>,
        (index, subscription): (usize, &Subscription),
    ) -> Result<Self, GuestError> {
        let mut missing = Vec::new();
        let columns = if subscription.columns.is_empty() {
            (0..schema.columns.len()).collect()
        } else {
            let found = subscription.columns.iter().map(|name| (name, schema.column(name)));
            found
                .filter_map(|(name, index)| {
                    index.or_else(|| {
                        missing.push(name.as_str());
                        None
                    })
                })
                .collect()
        };
        if missing.is_empty() {
            return Ok(Self { id, schema, columns, old: subscription.old, subscription: index });
        }
        Err(GuestError::Columns {
            table: schema.full_name(),
            missing: missing.join(", "),
            available: schema.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Whether it is what the line `subscription` of the manifest makes of this very version of the table.
    pub(super) fn is_of(&self, schema: &Schema, subscription: usize) -> bool {
        self.subscription == subscription && self.schema.id == schema.id && self.schema.source == schema.source
    }

    /// As `on-schema` tells it. `extra` says which line of the manifest asked.
    pub(super) fn announcement(&self) -> TableSchema {
        let column = |&index: &usize| {
            let column = &self.schema.columns[index];
            WireColumn {
                name: column.name.clone(),
                type_name: column.type_name.clone(),
                tag: column.tag as u8,
                key: column.key,
            }
        };
        TableSchema {
            id: self.id,
            source: self.schema.source.clone(),
            namespace: self.schema.namespace.clone(),
            table: self.schema.table.clone(),
            columns: self.columns.iter().map(column).collect(),
            extra: vec![("subscription".into(), self.subscription.to_string())],
        }
    }
}

/// Collects the rows of one call. Its memory is kept from call to call.
pub(super) struct Encoder {
    frame: FrameBuf,
    bytes: Vec<u8>,
    cell_bytes_max: usize,
}

/// Beyond this a buffer is given back after the call: one huge row must not stay in memory for ever.
const KEPT_BYTES_MAX: usize = 4 << 20;

impl Encoder {
    pub(super) fn new(cell_bytes_max: usize) -> Self {
        Self { frame: FrameBuf::new(), bytes: Vec::new(), cell_bytes_max }
    }

    pub(super) fn clear(&mut self) {
        self.frame.clear();
        self.bytes.clear();
        if self.frame.heap.capacity() > KEPT_BYTES_MAX || self.bytes.capacity() > KEPT_BYTES_MAX {
            self.frame.heap.shrink_to(KEPT_BYTES_MAX);
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Bytes so far, as they will be encoded.
    #[inline]
    pub(super) fn byte_len(&self) -> usize {
        self.frame.byte_len()
    }

    /// Appends one row of the batch.
    ///
    /// # Errors
    /// If a cell lies outside the batch's heap; the decoder never writes such.
    #[inline]
    pub(super) fn push(
        &mut self,
        batch: &Batch,
        offered: &OfferedRow,
        projection: &Projection,
    ) -> Result<(), FrameError> {
        let head = batch.frame.rows[offered.row as usize];
        let first = head.first_cell as usize;
        let new_end = first + usize::from(head.new_cells);
        let cells = &batch.frame.cells;
        let new = cells.get(first..new_end).ok_or(FrameError::Truncated("the cells"))?;
        let old =
            cells.get(new_end..new_end + usize::from(head.old_cells)).ok_or(FrameError::Truncated("the cells"))?;
        let deleted = head.op == Op::Delete;
        let edits = offered.edits.as_deref().filter(|e| !e.columns.is_empty());
        let first_cell = self.frame.cells.len() as u32;
        let new_cells = self.image(new, &batch.frame.heap, projection, edits.filter(|_| !deleted))?;
        // A deleted row is its old image: without it there would be nothing to judge.
        let old_cells = if projection.old || deleted {
            self.image(old, &batch.frame.heap, projection, edits.filter(|_| deleted))?
        } else {
            0
        };
        self.frame.rows.push(RowHead { schema: projection.id, first_cell, new_cells, old_cells, ..head });
        Ok(())
    }

    #[inline]
    fn image(
        &mut self,
        cells: &[RawCell],
        heap: &[u8],
        projection: &Projection,
        edits: Option<&Edits>,
    ) -> Result<u16, FrameError> {
        if cells.is_empty() {
            return Ok(0);
        }
        for &column in &projection.columns {
            let cell = cells.get(column).copied().unwrap_or(RawCell::ABSENT);
            match edits.and_then(|e| e.of(column)) {
                None => self.cell(cell, heap)?,
                Some(None) => self.frame.cells.push(RawCell::ABSENT),
                Some(Some(value)) => self.frame.push(value.cell()),
            }
        }
        Ok(projection.columns.len() as u16)
    }

    #[inline]
    fn cell(&mut self, cell: RawCell, heap: &[u8]) -> Result<(), FrameError> {
        let len = cell.heap_len();
        if len as usize > self.cell_bytes_max {
            self.frame.cells.push(RawCell::inline(Tag::Long, u64::from(len)));
            return Ok(());
        }
        self.frame.push_from(cell, heap)
    }

    /// The collected rows as bytes.
    pub(super) fn encoded(&mut self) -> &[u8] {
        self.bytes.clear();
        self.frame.write_to(&mut self.bytes);
        &self.bytes
    }
}
