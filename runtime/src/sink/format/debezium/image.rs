//! The columns of a row, as fields of a record.

use super::Debezium;
use super::columns::Change;
use super::options::BinaryMode;
use super::shape::{Kind, Shape};
use super::table::{Odd, Table};
use super::text::{put_int, put_string};
use super::value::{self, Misfit};
use crate::change::Cell;
use crate::sink::format::ShownRow;
use crate::sink::format::avro::Reader;

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
        out.push(b'{');
        let mut any = false;
        for (index, field) in table.fields.iter().enumerate() {
            if !field.is_shown {
                continue;
            }
            if is_left_out(shown, field.column) {
                odd.fields.push((index, None));
                continue;
            }
            if any {
                out.push(b',');
            }
            any = true;
            self.put_shown(out, table, index, &cell(shown, image, field.column), odd);
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

    /// A field as values have it: cut or masked, if options say so.
    #[inline]
    pub(super) fn put_shown(&self, out: &mut Vec<u8>, table: &Table, index: usize, cell: &Cell<'_>, odd: &mut Odd) {
        match &table.fields[index].change {
            None => self.put_field(out, table, index, cell, odd),
            Some(change) => self.put_changed(out, table, (index, change), cell, odd),
        }
    }

    /// A field as keys have it.
    #[inline]
    pub(super) fn put_field(&self, out: &mut Vec<u8>, table: &Table, index: usize, cell: &Cell<'_>, odd: &mut Odd) {
        let field = &table.fields[index];
        field.label.put(out);
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
                    // More than 64 bits of nanoseconds hold, and no null: the last that they do. The largest of all is infinity.
                    Misfit::Nothing if !field.optional && matches!(cell, Cell::Timestamp(_)) => {
                        let is_past = matches!(cell, Cell::Timestamp(micros) if *micros < 0);
                        return put_int(out, if is_past { i64::MIN + 1 } else { i64::MAX - 1 });
                    }
                    Misfit::Nothing if field.optional => b"null".as_slice(),
                    Misfit::Nothing if is_day => &field.zero,
                    _ => return self.put_instead(out, table, index, cell, odd),
                }
            }
        };
        out.extend_from_slice(instead);
    }

    /// A value that options cut or mask. The sign that a value is not in the log is not cut, or it would be taken for one.
    #[cold]
    fn put_changed(
        &self,
        out: &mut Vec<u8>,
        table: &Table,
        (index, change): (usize, &Change),
        cell: &Cell<'_>,
        odd: &mut Odd,
    ) {
        let field = &table.fields[index];
        match (change, &field.shape.kind, cell) {
            (Change::Mask(count), ..) => {
                field.label.put(out);
                put_string(out, &"*".repeat(*count));
            }
            (Change::Cut(max), Kind::Bytes { mode: BinaryMode::Bytes, len }, Cell::Bytes(bytes)) => {
                let mut bytes = bytes.to_vec();
                bytes.resize(bytes.len().max(*len), 0);
                bytes.truncate(*max);
                field.label.put(out);
                value::put_bytes(out, BinaryMode::Bytes, 0, &bytes);
            }
            (Change::Cut(_), _, Cell::Unchanged | Cell::Null) => self.put_field(out, table, index, cell, odd),
            (Change::Cut(_), _, Cell::Absent) if field.optional => self.put_field(out, table, index, cell, odd),
            (Change::Cut(max), ..) => {
                let (mut whole, odd_before) = (Vec::new(), odd.fields.len());
                self.put_field(&mut whole, table, index, cell, odd);
                let (label, value) = whole.split_at(field.label.len());
                out.extend_from_slice(label);
                match Reader::new(&String::from_utf8_lossy(value)).string() {
                    Some(text) if odd.fields.len() == odd_before => put_string(out, cut(&text, *max)),
                    // No text, or what a guest made of it, which may be bytes in disguise.
                    _ => out.extend_from_slice(value),
                }
            }
        }
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

/// So many characters in Java's count, of which those beyond the BMP are two each; none of them is cut in half.
fn cut(text: &str, max: usize) -> &str {
    let mut count = 0;
    let end = text.char_indices().find(|(_, c)| {
        count += c.len_utf16();
        count > max
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// Whether a guest left a column out, or added one of that name.
#[inline]
pub(super) fn is_left_out(shown: &ShownRow<'_>, column: usize) -> bool {
    let Some(edits) = shown.edits else { return false };
    let name = &shown.schema.columns[column].name;
    matches!(edits.of(column), Some(None)) || edits.added.iter().any(|(added, _)| added == name)
}

/// A column's value in an image; `Absent` if a guest left it out.
///
/// An old image never shows what a guest replaced in the new one: where the column was not changed it shows the same as the new
/// one, elsewhere nothing.
#[inline]
pub(super) fn cell<'a>(shown: &ShownRow<'a>, image: Image, column: usize) -> Cell<'a> {
    if image != Image::Old {
        return shown.cell(column);
    }
    let row = &shown.row;
    let old = row.old_raw(column).map_or(Cell::Absent, |cell| cell.resolve_own(row.heap()));
    match shown.edits.and_then(|edits| edits.of(column)) {
        None => old,
        Some(Some(edited)) if row.new_cell(column) == Ok(old) => edited.cell(),
        Some(_) => Cell::Absent,
    }
}
