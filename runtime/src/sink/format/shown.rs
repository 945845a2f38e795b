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
        match self.edits.and_then(|e| e.of(column)) {
            Some(Some(value)) => return value.cell(),
            Some(None) => return Cell::Absent,
            None => {}
        }
        self.captured(column)
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

    #[inline]
    fn captured(&self, column: usize) -> Cell<'a> {
        // The decoder wrote these cells; a cell that can not be read would be a bug of ours, shown as a missing column.
        let old = || self.row.old_cell(column).unwrap_or(Cell::Absent);
        if self.row.head.op == Op::Delete {
            return old();
        }
        match self.row.new_cell(column).unwrap_or(Cell::Absent) {
            Cell::Unchanged => match old() {
                Cell::Absent => Cell::Unchanged,
                known => known,
            },
            cell => cell,
        }
    }
}
