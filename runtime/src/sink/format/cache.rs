//! What a cache holds under a row's key: the columns and nothing about the change, as a JSON object or as a hash.

use super::ShownRow;
use super::json::{put_string, put_value};
use super::text::put_text;
use crate::change::{Cell, put_pair};
use std::convert::Infallible;

/// In front of a hash's field that is to go away, because its column is null.
pub const GONE: u8 = 0;

/// Appends the row as a JSON object: the columns that are there, those of guests behind.
///
/// # Errors
/// The name of a column that the log does not hold because the statement did not touch it; the object would lose it.
pub fn put_object(out: &mut Vec<u8>, shown: &ShownRow<'_>) -> Result<(), String> {
    out.push(b'{');
    let mut any = false;
    each_column(shown, |name, cell| {
        match cell {
            Cell::Absent => return Ok(()),
            Cell::Unchanged => return Err(name.to_owned()),
            _ => {}
        }
        if any {
            out.push(b',');
        }
        any = true;
        put_string(out, name);
        out.push(b':');
        put_value(out, cell);
        Ok(())
    })?;
    out.push(b'}');
    Ok(())
}

/// Appends the row as [`put_pair`] writes a hash's fields: a column's text form under its name, or, if it is null, its name
/// behind [`GONE`] and nothing. What the log does not hold stays as it is in the cache: it is left out.
pub fn put_hash(out: &mut Vec<u8>, shown: &ShownRow<'_>) {
    let mut value = Vec::new();
    let put = |name: &str, cell: &Cell<'_>| -> Result<(), Infallible> {
        value.clear();
        match cell {
            Cell::Absent | Cell::Unchanged => {}
            Cell::Null => {
                let gone: Vec<u8> = [GONE].into_iter().chain(name.bytes()).collect();
                put_pair(out, &gone, b"");
            }
            cell => {
                put_text(&mut value, cell);
                put_pair(out, name.as_bytes(), &value);
            }
        }
        Ok(())
    };
    let Ok(()) = each_column(shown, put);
}

/// The table's columns, then those that guests added; one that has a column's name stands in its place.
#[inline]
fn each_column<E>(shown: &ShownRow<'_>, mut put: impl FnMut(&str, &Cell<'_>) -> Result<(), E>) -> Result<(), E> {
    let is_replaced = |name: &str| shown.edits.is_some_and(|e| e.added.iter().any(|(n, _)| n == name));
    for (index, column) in shown.schema.shown() {
        if !is_replaced(&column.name) {
            put(&column.name, &shown.cell(index))?;
        }
    }
    shown.added().try_for_each(|(name, cell)| put(name, &cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Column, Edits, FrameBuf, Op, RowHead, Schema, Tag, Value, pairs};

    fn schema() -> Schema {
        let columns = ["id", "name", "big"].map(|name| Column::new(name, "text", Tag::Text, name == "id"));
        Schema { table: "item".into(), columns: columns.into(), ..Schema::default() }
    }

    fn frame(cells: &[Cell<'_>]) -> FrameBuf {
        let mut frame = FrameBuf::new();
        cells.iter().for_each(|cell| frame.push(*cell));
        frame.rows.push(RowHead {
            schema: 0,
            op: Op::Update,
            old_is_key: false,
            first_cell: 0,
            new_cells: cells.len() as u16,
            old_cells: 0,
            committed_at: 0,
            position: 0,
        });
        frame
    }

    fn object(cells: &[Cell<'_>], edits: Option<&Edits>) -> Result<String, String> {
        let (schema, frame) = (schema(), frame(cells));
        let shown = ShownRow { schema: &schema, row: frame.row(0).expect("one row"), edits };
        let mut out = Vec::new();
        put_object(&mut out, &shown).map(|()| String::from_utf8(out).expect("UTF-8"))
    }

    fn hash(cells: &[Cell<'_>]) -> Vec<(String, String)> {
        let (schema, frame) = (schema(), frame(cells));
        let shown = ShownRow { schema: &schema, row: frame.row(0).expect("one row"), edits: None };
        let mut out = Vec::new();
        put_hash(&mut out, &shown);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs(&out).map(|(field, value)| (text(field), text(value))).collect()
    }

    #[test]
    fn object_holds_exactly_the_columns() {
        let cells = [Cell::Int(1), Cell::Null, Cell::Text("a\"b")];
        assert_eq!(object(&cells, None).expect("whole"), r#"{"id":1,"name":null,"big":"a\"b"}"#);
        let edits = Edits {
            columns: vec![(1, None)],
            added: vec![("big".into(), Value::new(Cell::Int(2))), ("new".into(), Value::new(Cell::Bool(true)))],
        };
        assert_eq!(object(&cells, Some(&edits)).expect("whole"), r#"{"id":1,"big":2,"new":true}"#);
    }

    #[test]
    fn object_that_would_lose_a_column_is_refused_by_the_columns_name() {
        assert_eq!(object(&[Cell::Int(1), Cell::Null, Cell::Unchanged], None), Err("big".into()));
    }

    #[test]
    fn hash_deletes_what_is_null_and_leaves_what_was_not_touched() {
        let fields = hash(&[Cell::Int(1), Cell::Null, Cell::Unchanged]);
        assert_eq!(fields, [("id".into(), "1".into()), ("\0name".into(), String::new())]);
        assert_eq!(
            hash(&[Cell::Text(""), Cell::Bool(true), Cell::Absent]),
            [("id".into(), String::new()), ("name".into(), "true".into())]
        );
    }
}
