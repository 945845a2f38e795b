//! The columns of a row, as fields of a record.

use super::Debezium;
use super::shape::{Kind, Shape};
use super::table::{Odd, Table};
use super::text::put_string;
use super::value::{self, Misfit};
use crate::change::Cell;
use crate::sink::format::ShownRow;

/// Which image of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Image {
    None,
    /// What the receiver sees: the new image, or the old one after a delete.
    Shown,
    /// The old image of an update.
    Old,
}

impl Debezium {
    pub(super) fn put_image(
        &self,
        out: &mut Vec<u8>,
        table: &Table,
        shown: &ShownRow<'_>,
        image: Image,
        odd: &mut Odd,
    ) {
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
    pub(super) fn put_field(&self, out: &mut Vec<u8>, table: &Table, index: usize, cell: &Cell<'_>, odd: &mut Odd) {
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

/// A column's value in an image; `None` if a guest left it out.
///
/// An old image never shows what a guest replaced in the new one: where the column was not changed it shows the same as the new
/// one, elsewhere nothing.
#[inline]
pub(super) fn cell<'a>(shown: &ShownRow<'a>, image: Image, column: usize) -> Option<Cell<'a>> {
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
