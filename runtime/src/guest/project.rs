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
    /// Whether that is every column, in the table's own order.
    whole: bool,
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
        let columns: Vec<usize> = if subscription.columns.is_empty() {
            schema.shown().map(|(index, _)| index).collect()
        } else {
            let index = |name: &str| schema.shown().find(|(_, column)| column.name == name).map(|(index, _)| index);
            let found = subscription.columns.iter().map(|name| (name, index(name)));
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
            let whole = columns.iter().copied().eq(0..schema.columns.len());
            return Ok(Self { id, schema, columns, whole, old: subscription.old, subscription: index });
        }
        Err(GuestError::Columns {
            table: schema.full_name(),
            missing: missing.join(", "),
            available: schema.shown().map(|(_, c)| c.name.as_str()).collect::<Vec<_>>().join(", "),
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
        // Cells go from slice to slice: taken apart on the way, sixteen bytes cost as much as the whole rest of a row.
        let Some(edits) = edits else {
            if projection.whole && cells.len() == projection.columns.len() && self.whole_row(cells, heap)? {
                return Ok(cells.len() as u16);
            }
            for &column in &projection.columns {
                self.cell(cells.get(column).unwrap_or(&RawCell::ABSENT), heap)?;
            }
            return Ok(projection.columns.len() as u16);
        };
        for &column in &projection.columns {
            match edits.of(column) {
                None => self.cell(cells.get(column).unwrap_or(&RawCell::ABSENT), heap)?,
                Some(None) => self.frame.cells.push(RawCell::ABSENT),
                Some(Some(value)) => self.frame.push(value.cell()),
            }
        }
        Ok(projection.columns.len() as u16)
    }

    /// A row of which every column crosses: its bytes stand side by side on the batch's heap, as the decoder wrote them, and
    /// are copied at once. Whether that was so; nothing is changed if not.
    #[inline]
    fn whole_row(&mut self, cells: &[RawCell], heap: &[u8]) -> Result<bool, FrameError> {
        let (first, base) = (self.frame.cells.len(), self.frame.heap.len() as u64);
        let mut span: Option<(u64, u64)> = None;
        for cell in cells {
            let Some((offset, len)) = cell.heap_place()? else {
                self.frame.cells.push(*cell);
                continue;
            };
            let (start, end) = span.unwrap_or((offset, offset));
            if offset != end || len as usize > self.cell_bytes_max {
                self.frame.cells.truncate(first);
                return Ok(false);
            }
            span = Some((start, end + u64::from(len)));
            self.frame.cells.push(cell.at(base + offset - start));
        }
        if let Some((start, end)) = span {
            let bytes = heap.get(start as usize..end as usize).ok_or(FrameError::Truncated("the heap"))?;
            self.frame.heap.extend_from_slice(bytes);
        }
        Ok(true)
    }

    #[inline(always)]
    fn cell(&mut self, cell: &RawCell, heap: &[u8]) -> Result<(), FrameError> {
        let tag = cell.tag()?;
        if tag.is_inline() {
            self.frame.cells.push(*cell);
            return Ok(());
        }
        let bytes = cell.heap_bytes(heap)?;
        if bytes.len() > self.cell_bytes_max {
            self.frame.cells.push(RawCell::inline(Tag::Long, bytes.len() as u64));
        } else {
            self.frame.push_heap(tag, bytes);
        }
        Ok(())
    }

    /// The collected rows as bytes.
    pub(super) fn encoded(&mut self) -> &[u8] {
        self.bytes.clear();
        self.frame.write_to(&mut self.bytes);
        &self.bytes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::change::{Cell, Column, RowMark, SchemaId, Value};
    use crate::guest::instance::{Manifest, WireSubscription};
    use crate::guest::subscription::Subscriptions;
    use sluicegate_frame::Frame;
    use std::time::Instant;

    /// Columns `a`, `b`, `c`; the guest asks for `names`.
    pub(in crate::guest) fn projection(names: &[&str], old: bool) -> Result<Projection, GuestError> {
        let column = |name: &str| Column::new(name, "text", Tag::Text, name == "a");
        let schema = Arc::new(Schema {
            id: SchemaId(7),
            source: "s".into(),
            database: Default::default(),
            namespace: "public".into(),
            table: "t".into(),
            columns: ["a", "b", "c"].map(column).into(),
        });
        let columns = names.iter().map(ToString::to_string).collect();
        let line = WireSubscription { table: "public.t".into(), operations: Vec::new(), columns, old };
        let manifest = Manifest {
            name: "g".into(),
            version: "1".into(),
            frame: sluicegate_frame::VERSION,
            subscriptions: vec![line],
            routes: Vec::new(),
            stateful: false,
            extra: Vec::new(),
        };
        let all = Subscriptions::new(&manifest, &[]).expect("a good manifest");
        let line = all.of(&schema, Op::Insert).expect("subscribed");
        Projection::new(42, schema.clone(), line)
    }

    fn batch(op: Op, new: &[Cell<'_>], old: &[Cell<'_>]) -> Batch {
        let mut frame = FrameBuf::new();
        new.iter().chain(old).for_each(|cell| frame.push(*cell));
        frame.rows.push(RowHead {
            schema: 7,
            op,
            old_is_key: false,
            first_cell: 0,
            new_cells: new.len() as u16,
            old_cells: old.len() as u16,
            committed_at: 1,
            position: 2,
        });
        let marks = vec![RowMark { commit: 1, change: 1, sub: 0, transaction: 0 }];
        Batch {
            source: "s".into(),
            frame,
            marks,
            schemas: Vec::new(),
            events: Vec::new(),
            previous_ends: Vec::new(),
            notices: Vec::new(),
            confirms: None,
            received_at: Instant::now(),
        }
    }

    /// What the guest sees: its new cells, then its old ones.
    fn crossed(batch: &Batch, projection: &Projection, edits: Option<Edits>) -> (Vec<String>, Vec<String>) {
        let mut encoder = Encoder::new(8);
        let offered = OfferedRow { row: 0, edits: edits.map(Arc::new) };
        encoder.push(batch, &offered, projection).expect("a good batch");
        let bytes = encoder.encoded().to_vec();
        let frame = Frame::parse(&bytes).expect("a frame");
        let row = frame.row(0).expect("a row");
        assert_eq!(row.head.schema, 42, "rows refer to what was announced");
        let text = |cell: Result<Cell<'_>, FrameError>| format!("{:?}", cell.expect("a cell"));
        let new = (0..row.new_len()).map(|i| text(row.new_cell(i))).collect();
        (new, (0..row.old_len()).map(|i| text(row.old_cell(i))).collect())
    }

    #[test]
    fn only_subscribed_columns_cross_in_the_order_of_the_subscription() {
        let batch = batch(
            Op::Update,
            &[Cell::Int(1), Cell::Text("b"), Cell::Null],
            &[Cell::Int(1), Cell::Absent, Cell::Absent],
        );
        let (new, old) = crossed(&batch, &projection(&["c", "a"], false).expect("columns"), None);
        assert_eq!((new, old.len()), (vec!["Null".into(), "Int(1)".into()], 0), "the old image was not asked for");
        let (_, old) = crossed(&batch, &projection(&["b", "a"], true).expect("columns"), None);
        assert_eq!(old, ["Absent", "Int(1)"]);
    }

    #[test]
    fn edits_of_earlier_guests_lie_over_the_row() {
        let batch = batch(Op::Insert, &[Cell::Int(1), Cell::Text("b"), Cell::Text("c")], &[]);
        let edits = Edits {
            columns: vec![(1, Some(Value::new(Cell::Text("B")))), (2, None)],
            added: vec![("d".into(), Value::new(Cell::Int(9)))],
        };
        let (new, _) = crossed(&batch, &projection(&[], false).expect("columns"), Some(edits));
        assert_eq!(new, ["Int(1)", "Text(\"B\")", "Absent"], "and added columns stay with the host");
    }

    #[test]
    fn deleted_row_crosses_as_its_old_image_with_the_edits() {
        let batch = batch(Op::Delete, &[], &[Cell::Int(1), Cell::Text("b"), Cell::Null]);
        let edits = Edits { columns: vec![(1, Some(Value::new(Cell::Text("B"))))], added: Vec::new() };
        let (new, old) = crossed(&batch, &projection(&["b"], false).expect("columns"), Some(edits));
        assert_eq!((new.len(), old), (0, vec!["Text(\"B\")".to_owned()]));
    }

    #[test]
    fn long_cell_crosses_as_its_length() {
        let batch = batch(Op::Insert, &[Cell::Text("12345678"), Cell::Text("123456789"), Cell::Unchanged], &[]);
        let (new, _) = crossed(&batch, &projection(&[], false).expect("columns"), None);
        assert_eq!(new, ["Text(\"12345678\")", "Long(9)", "Unchanged"]);
    }

    #[test]
    fn missing_columns_are_named_with_those_that_exist() {
        let text = projection(&["a", "custmer"], false).expect_err("no such column").to_string();
        assert!(text.contains("custmer of public.t, which has: a, b, c"), "{text}");
    }
}
