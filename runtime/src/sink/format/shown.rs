//! The row that a receiver sees: the new image (the old one after a delete), what the log left out taken from the old image
//! where that has it, and the guests' edits over both.

use crate::change::{Cell, Edits, Op, RowView, Schema};

/// One row, ready to be read by an encoder.
#[derive(Clone, Copy)]
pub struct ShownRow<'a> {
    pub schema: &'a Schema,
    pub row: RowView<'a>,
    pub edits: Option<&'a Edits>,
}

impl<'a> ShownRow<'a> {
    /// The value of a column. `Absent` when it is not there or a guest left it out; `Unchanged` when the log does not hold it.
    #[inline]
    pub fn cell(&self, column: usize) -> Cell<'a> {
        if let Some(edited) = self.edits.and_then(|edits| edits.of(column)) {
            return edited.map_or(Cell::Absent, |value| value.cell());
        }
        let row = &self.row;
        let captured = if row.head.op == Op::Delete { row.old_raw(column) } else { row.new_raw(column) };
        match captured {
            Some(cell) if cell.is_unchanged() => self.untouched(column),
            // The decoder wrote these cells; one that can not be read would be a bug of ours, shown as a missing column.
            Some(cell) => cell.resolve_own(row.heap()),
            None => Cell::Absent,
        }
    }

    /// What the new image leaves out, as the old one has it.
    #[cold]
    fn untouched(&self, column: usize) -> Cell<'a> {
        match self.row.old_cell(column) {
            Ok(Cell::Absent) | Err(_) => Cell::Unchanged,
            Ok(known) => known,
        }
    }

    /// The value of a column by name, columns that guests added included.
    pub fn cell_named(&self, name: &str) -> Option<Cell<'a>> {
        if let Some(column) = self.schema.column(name) {
            return Some(self.cell(column));
        }
        self.added().find(|(n, _)| *n == name).map(|(_, cell)| cell)
    }

    /// Columns that guests added.
    pub fn added(&self) -> impl Iterator<Item = (&'a str, Cell<'a>)> {
        self.edits.into_iter().flat_map(|e| e.added.iter().map(|(name, value)| (name.as_str(), value.cell())))
    }
}
