//! What guests changed of a row. The row itself stays as it was captured; edits are laid over it by the encoders.

use sluicegate_frame::{Cell, FrameBuf};

/// A value that a guest made, kept apart from the frame it came in.
#[derive(Clone, Debug, Default)]
pub struct Value(FrameBuf);

impl Value {
    pub fn new(cell: Cell<'_>) -> Self {
        let mut frame = FrameBuf::new();
        frame.push(cell);
        Self(frame)
    }

    pub fn cell(&self) -> Cell<'_> {
        match self.0.cells.first() {
            Some(raw) => raw.resolve(&self.0.heap).unwrap_or(Cell::Null),
            None => Cell::Null,
        }
    }
}

/// The edits of one row, later ones winning over earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// By index in the table's schema: another value, or `None` to leave the column out.
    pub columns: Vec<(usize, Option<Value>)>,
    /// Columns that the table does not have.
    pub added: Vec<(String, Value)>,
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.added.is_empty()
    }

    /// The edit of a column: `None` untouched, `Some(None)` left out, `Some(Some(value))` replaced.
    pub fn of(&self, column: usize) -> Option<Option<&Value>> {
        self.columns.iter().rev().find(|(c, _)| *c == column).map(|(_, v)| v.as_ref())
    }

    /// Lays later edits over these.
    pub fn merge(&mut self, later: Edits) {
        self.columns.extend(later.columns);
        for (name, value) in later.added {
            self.added.retain(|(n, _)| *n != name);
            self.added.push((name, value));
        }
    }
}
