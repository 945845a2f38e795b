//! Guests of the world `json`: frames become JSON on the way in, and verdicts in JSON become those of a frame on the way out. Nobody
//! else in this room knows that such guests exist.
//!
//! ```text
//!   frame ── rows ─▶ JSON ─▶ [judge] ─▶ JSON ── verdicts ─▶ the bytes that a guest of the other world would have given
//! ```
//!
//! `wit/JSON.md` is the specification. What comes out of a guest is anything: nothing here panics on it, and what is said about it
//! never repeats a value.

mod manifest;
mod moment;
mod rows;
mod said;
#[cfg(test)]
mod tests;
mod value;
mod verdicts;

pub(super) use manifest::manifest;

use super::instance::TableSchema;
use crate::change::Tag;
use crate::sink::format::json::put_string;
use sluicegate_frame::FrameError;
use std::collections::BTreeMap;

/// What a guest was told about its tables, and what both directions are read with.
#[derive(Default)]
pub(super) struct Translator {
    /// By the number under which a table was announced.
    tables: BTreeMap<u32, Table>,
}

/// A version of a table as the guest sees it.
struct Table {
    /// `"source":"erp","table":"public.orders"`, which every row of it says.
    head: Vec<u8>,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// `"name":`
    key: Vec<u8>,
    tag: Tag,
}

/// Why an answer can not be read. For the guest's author; without any value of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl From<FrameError> for Unreadable {
    fn from(error: FrameError) -> Self {
        Self(error.to_string())
    }
}

impl Translator {
    /// Remembers a table before its first row comes.
    pub(super) fn learn(&mut self, schema: &TableSchema) {
        let quoted = |text: &str| {
            let mut out = Vec::new();
            put_string(&mut out, text);
            out
        };
        let full_name = format!("{}.{}", schema.namespace, schema.table);
        let head = [b"\"source\":", &quoted(&schema.source)[..], b",\"table\":", &quoted(&full_name)].concat();
        let column = |column: &super::instance::WireColumn| Column {
            name: column.name.clone(),
            key: [&quoted(&column.name)[..], b":"].concat(),
            // It was made of a tag by this very process.
            tag: Tag::from_byte(column.tag).unwrap_or(Tag::Other),
        };
        self.tables.insert(schema.id, Table { head, columns: schema.columns.iter().map(column).collect() });
    }

    fn table(&self, id: u32) -> Result<&Table, FrameError> {
        self.tables.get(&id).ok_or(FrameError::Truncated("what was announced"))
    }
}

/// The keys and values of a configuration as a JSON object.
pub(super) fn config(pairs: &[(String, String)]) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    serde_json::Value::Object(object).to_string()
}
