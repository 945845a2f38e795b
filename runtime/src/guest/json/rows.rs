//! Rows of a frame as a JSON array.

use super::{Column, Table, Translator};
use crate::change::digits::{put_int, put_uint};
use crate::change::{Cell, Op};
use crate::sink::format::json::{put_string, put_value};
use crate::sink::format::text::put_text;
use serde_json::value::RawValue;
use sluicegate_frame::{Frame, FrameError, RowView};

/// Whole numbers beyond it are rounded by whoever keeps them in 64 bits of floating point, as JavaScript does.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// What a row has no value for.
#[derive(Default)]
struct Missing<'t> {
    unchanged: Vec<&'t [u8]>,
    long: Vec<&'t [u8]>,
}

impl Translator {
    /// The rows of an encoded frame.
    ///
    /// # Errors
    /// If the bytes are no frame, or of tables that were not announced.
    pub(in crate::guest) fn rows(&self, frame: &[u8]) -> Result<String, FrameError> {
        let parsed = Frame::parse(frame)?;
        let mut out = Vec::with_capacity(frame.len() * 2);
        out.push(b'[');
        for index in 0..parsed.len() {
            let row = parsed.row(index)?;
            if index > 0 {
                out.push(b',');
            }
            put_row(&mut out, self.table(row.head.schema)?, &row)?;
        }
        out.push(b']');
        // Names and values are UTF-8, and the rest is ASCII.
        String::from_utf8(out).map_err(|_| FrameError::Utf8)
    }
}

fn put_row<'t>(out: &mut Vec<u8>, table: &'t Table, row: &RowView<'_>) -> Result<(), FrameError> {
    let head = row.head;
    out.extend_from_slice(b"{\"op\":\"");
    out.extend_from_slice(head.op.name().as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(&table.head);
    out.extend_from_slice(b",\"position\":");
    put_cell(out, &Cell::UInt(head.position));
    out.extend_from_slice(b",\"committed_at\":");
    put_cell(out, &Cell::TimestampTz(head.committed_at));
    out.extend_from_slice(b",\"row\":");
    let mut missing = Missing::default();
    let deleted = head.op == Op::Delete;
    let image = |index| if deleted { row.old_cell(index) } else { row.new_cell(index) };
    put_image(out, &table.columns, image, &mut missing)?;
    if !deleted && row.old_len() > 0 {
        out.extend_from_slice(b",\"old\":");
        // What an old image lacks is no news of this change.
        let mut unsaid: Missing<'t> = Missing::default();
        put_image(out, &table.columns, |index| row.old_cell(index), &mut unsaid)?;
    }
    put_names(out, b",\"unchanged\":[", &missing.unchanged);
    put_names(out, b",\"long\":[", &missing.long);
    out.push(b'}');
    Ok(())
}

fn put_image<'t, 'c>(
    out: &mut Vec<u8>,
    columns: &'t [Column],
    cell: impl Fn(usize) -> Result<Cell<'c>, FrameError>,
    missing: &mut Missing<'t>,
) -> Result<(), FrameError> {
    out.push(b'{');
    let mut first = true;
    for (index, column) in columns.iter().enumerate() {
        let cell = match cell(index)? {
            Cell::Absent => continue,
            Cell::Unchanged => {
                missing.unchanged.push(&column.key);
                continue;
            }
            Cell::Long(_) => {
                missing.long.push(&column.key);
                continue;
            }
            cell => cell,
        };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(&column.key);
        put_cell(out, &cell);
    }
    out.push(b'}');
    Ok(())
}

/// A list of names, each kept as a member's key; nothing if there is none.
fn put_names(out: &mut Vec<u8>, begin: &[u8], keys: &[&[u8]]) {
    if keys.is_empty() {
        return;
    }
    out.extend_from_slice(begin);
    for (nth, key) in keys.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key.strip_suffix(b":").unwrap_or(key));
    }
    out.push(b']');
}

fn put_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Int(v) if v.unsigned_abs() > EXACT_MAX => quoted(out, |out| put_int(out, *v)),
        Cell::UInt(v) if *v > EXACT_MAX => quoted(out, |out| put_uint(out, *v)),
        Cell::Json(_) | Cell::Array(_) => put_checked(out, cell),
        _ => put_value(out, cell),
    }
}

fn quoted(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    put(out);
    out.push(b'"');
}

/// A value that stands there as somebody wrote it: a guest before this one may have set JSON that is none, and one such value must not
/// make the whole batch unreadable.
fn put_checked(out: &mut Vec<u8>, cell: &Cell<'_>) {
    let from = out.len();
    put_value(out, cell);
    if serde_json::from_slice::<&RawValue>(&out[from..]).is_err() {
        out.truncate(from);
        let mut text = Vec::new();
        put_text(&mut text, cell);
        put_string(out, &String::from_utf8_lossy(&text));
    }
}
