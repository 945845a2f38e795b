//! A row as somebody who asked for it gets it: text forms, without what is masked.

use crate::change::{Batch, Cell, Op, Schema, masked};
use crate::sink::format::text::put_text;
use crate::telemetry::{RecordedColumn, RecordedRow};

/// A text that is longer is left out: nobody reads it, and a case is for reading.
const TEXT_LEN_MAX: usize = 2_000;

/// The columns of a row that have no text, by the reason.
#[derive(Default)]
struct Without {
    unchanged: Vec<String>,
    left_out: Vec<String>,
}

/// The row as it was captured, before any guest.
pub(super) fn recorded(batch: &Batch, row: usize, masked: &[String]) -> RecordedRow {
    let (schema, view) = (batch.schema_of(row), batch.row(row));
    let is_delete = view.head.op == Op::Delete;
    let mut without = Without::default();
    let cell = |index| if is_delete { view.old_cell(index) } else { view.new_cell(index) };
    let image = texts(schema, |index| cell(index).unwrap_or(Cell::Absent), masked, &mut without);
    let old = (!is_delete && view.old_len() > 0).then(|| {
        let mut of_old = Without::default();
        let old = texts(schema, |index| view.old_cell(index).unwrap_or(Cell::Absent), masked, &mut of_old);
        without.left_out.extend(of_old.left_out);
        old
    });
    without.left_out.sort();
    without.left_out.dedup();
    let column = |column: &crate::change::Column| RecordedColumn {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        key: column.key,
    };
    RecordedRow {
        source: batch.source.to_string(),
        table: schema.full_name(),
        op: view.head.op.name().into(),
        columns: schema.shown().map(|(_, shown)| column(shown)).collect(),
        row: image,
        old,
        unchanged: without.unchanged,
        left_out: without.left_out,
    }
}

fn texts<'c>(
    schema: &Schema,
    cell: impl Fn(usize) -> Cell<'c>,
    hidden: &[String],
    without: &mut Without,
) -> Vec<Option<String>> {
    let text = |(index, column): (usize, &crate::change::Column)| {
        let cell = cell(index);
        match cell {
            Cell::Null | Cell::Absent => return None,
            Cell::Unchanged => {
                without.unchanged.push(column.name.clone());
                return None;
            }
            _ => {}
        }
        let mut bytes = Vec::new();
        put_text(&mut bytes, &cell);
        let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= TEXT_LEN_MAX);
        // However the asker spells it: what is to stay here stays.
        let text = match hidden.iter().any(|name| name.eq_ignore_ascii_case(&column.name)) {
            true => text.and_then(|text| masked(cell.tag(), &text)),
            false => text,
        };
        if text.is_none() {
            without.left_out.push(column.name.clone());
        }
        text
    };
    schema.shown().map(text).collect()
}
