//! The `flat` body: the row's columns as one JSON object, and a few fields about the change, named with two underscores.
//!
//! ```json
//! {"id":7,"status":"In Transit","__op":"u","__table":"package_status","__source_ts_ms":1772352000000,"__deleted":"false"}
//! ```
//!
//! A large value that the statement did not touch, and that the log does not hold, is left out and named in `__unchanged`:
//! never a null that was not there.

use super::ShownRow;
use super::json::{put_string, put_value};
use crate::change::digits::put_int;
use crate::change::{Cell, LogicalMessage, Op};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;

/// What the body says the content is.
pub const CONTENT_TYPE: &str = "application/json";

/// Appends the row as a JSON object.
pub fn put_row(out: &mut Vec<u8>, shown: &ShownRow<'_>) {
    let head = shown.row.head;
    let mut unchanged = Vec::new();
    out.push(b'{');
    for (index, column) in shown.schema.shown() {
        match &shown.cell(index) {
            Cell::Absent => {}
            Cell::Unchanged => unchanged.push(column.name.as_str()),
            cell => put_field(out, &column.name, cell),
        }
    }
    for (name, cell) in shown.added() {
        put_field(out, name, &cell);
    }
    out.extend_from_slice(b"\"__op\":\"");
    out.extend_from_slice(op_code(head.op).as_bytes());
    out.extend_from_slice(b"\",\"__table\":");
    put_string(out, &shown.schema.table);
    out.extend_from_slice(b",\"__source_ts_ms\":");
    put_int(out, millis(head.committed_at));
    out.extend_from_slice(if head.op == Op::Delete { b",\"__deleted\":\"true\"" } else { b",\"__deleted\":\"false\"" });
    for (i, name) in unchanged.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b",\"__unchanged\":[" } else { b"," });
        put_string(out, name);
    }
    out.extend_from_slice(if unchanged.is_empty() { b"}" } else { b"]}" });
}

fn put_field(out: &mut Vec<u8>, name: &str, cell: &Cell<'_>) {
    put_string(out, name);
    out.push(b':');
    put_value(out, cell);
    out.push(b',');
}

/// Appends a message of a program as a JSON object. What it holds stands in `content` if it is text, and otherwise in base64 in
/// `content_base64`.
pub fn put_message(out: &mut Vec<u8>, message: &LogicalMessage, committed_at: i64) {
    out.extend_from_slice(b"{\"prefix\":");
    put_string(out, &message.prefix);
    match std::str::from_utf8(&message.content) {
        Ok(text) => {
            out.extend_from_slice(b",\"content\":");
            put_string(out, text);
        }
        Err(_) => {
            out.extend_from_slice(b",\"content_base64\":");
            put_value(out, &Cell::Bytes(&message.content));
        }
    }
    out.extend_from_slice(b",\"__op\":\"m\",\"__source_ts_ms\":");
    put_int(out, millis(committed_at));
    out.push(b'}');
}

/// Microseconds since 2000 as milliseconds since the Unix epoch.
fn millis(committed_at: i64) -> i64 {
    committed_at.saturating_add(UNIX_EPOCH_TO_2000_US).div_euclid(1000)
}

/// The letter that consumers in this field know.
pub fn op_code(op: Op) -> &'static str {
    match op {
        Op::Insert => "c",
        Op::Update => "u",
        Op::Delete => "d",
        Op::Truncate => "t",
        Op::Read => "r",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Column, Edits, FrameBuf, RowHead, Schema, SchemaId, Tag, Value};

    fn schema() -> Schema {
        let column = |name: &str, tag, key| Column::new(name, "", tag, key);
        Schema {
            id: SchemaId(1),
            source: "erp".into(),
            database: Default::default(),
            namespace: "public".into(),
            table: "t".into(),
            columns: vec![
                column("id", Tag::Int, true),
                column("note", Tag::Text, false),
                column("big", Tag::Text, false),
            ],
        }
    }

    fn frame(op: Op, new: &[Cell<'_>], old: &[Cell<'_>]) -> FrameBuf {
        let mut frame = FrameBuf::new();
        new.iter().chain(old).for_each(|c| frame.push(*c));
        frame.rows.push(RowHead {
            schema: 1,
            op,
            old_is_key: false,
            first_cell: 0,
            new_cells: new.len() as u16,
            old_cells: old.len() as u16,
            committed_at: 0,
            position: 9,
        });
        frame
    }

    fn flat(frame: &FrameBuf, edits: Option<&Edits>) -> String {
        let schema = schema();
        let mut out = Vec::new();
        put_row(&mut out, &ShownRow { schema: &schema, row: frame.row(0).expect("one row"), edits });
        let text = String::from_utf8(out).expect("UTF-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("the body is JSON");
        text
    }

    const TAIL: &str = r#""__table":"t","__source_ts_ms":946684800000,"__deleted":"#;

    #[test]
    fn unchanged_value_is_named_and_never_null() {
        let frame = frame(Op::Update, &[Cell::Int(1), Cell::Null, Cell::Unchanged], &[]);
        let expected = format!(r#"{{"id":1,"note":null,"__op":"u",{TAIL}"false","__unchanged":["big"]}}"#);
        assert_eq!(flat(&frame, None), expected);
    }

    #[test]
    fn unchanged_value_is_taken_from_the_old_row_where_that_has_it() {
        let new = [Cell::Int(1), Cell::Text("x"), Cell::Unchanged];
        let frame = frame(Op::Update, &new, &[Cell::Int(1), Cell::Text("w"), Cell::Text("long")]);
        assert_eq!(flat(&frame, None), format!(r#"{{"id":1,"note":"x","big":"long","__op":"u",{TAIL}"false"}}"#));
    }

    #[test]
    fn delete_shows_what_the_old_row_holds() {
        let frame = frame(Op::Delete, &[], &[Cell::Int(7), Cell::Absent, Cell::Absent]);
        assert_eq!(flat(&frame, None), format!(r#"{{"id":7,"__op":"d",{TAIL}"true"}}"#));
    }

    #[test]
    fn edits_replace_remove_and_add() {
        let frame = frame(Op::Insert, &[Cell::Int(7), Cell::Text("secret"), Cell::Text("b")], &[]);
        let edits = Edits {
            columns: vec![(1, Some(Value::new(Cell::Text("***")))), (2, None)],
            added: vec![("by".into(), Value::new(Cell::Bool(true)))],
        };
        assert_eq!(
            flat(&frame, Some(&edits)),
            format!(r#"{{"id":7,"note":"***","by":true,"__op":"c",{TAIL}"false"}}"#)
        );
    }
}
