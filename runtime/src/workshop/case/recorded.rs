//! Rows of a running pipeline become changes of a case.

use super::value::ColumnType;
use super::written::{table_settings, written};
use crate::change::DatabaseKind;
use crate::pipeline::RecordedRow;
use std::collections::BTreeSet;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

/// What a running pipeline gave.
pub struct RunningRecord<'a> {
    pub about: &'a str,
    /// At least one.
    pub rows: &'a [RecordedRow],
    /// Of which kind a source is.
    pub kind_of: &'a dyn Fn(&str) -> DatabaseKind,
    /// Whether the changes must say their source: the pipeline has several.
    pub says_source: bool,
}

impl RunningRecord<'_> {
    /// The case, with nothing expected yet; and the columns that it can not hold.
    pub fn document(&self) -> (DocumentMut, BTreeSet<String>) {
        let mut left_out = BTreeSet::new();
        let mut document = DocumentMut::new();
        document.insert("about", value(self.about));
        document.insert("table", Item::Table(self.tables()));
        let changes = self.rows.iter().map(|row| self.change(row, &mut left_out));
        document.insert("change", Item::ArrayOfTables(changes.collect::<ArrayOfTables>()));
        (document, left_out)
    }

    /// Each table as its last row had it.
    fn tables(&self) -> Table {
        let mut tables = Table::new();
        tables.set_implicit(true);
        for row in self.rows {
            let columns = row.columns.iter().map(|c| (c.name.as_str(), c.type_name.as_str(), c.key));
            tables.insert(&row.table, Item::Table(table_settings(columns)));
        }
        tables
    }

    fn change(&self, row: &RecordedRow, left_out: &mut BTreeSet<String>) -> Table {
        left_out.extend(row.left_out.iter().cloned());
        let kind = (self.kind_of)(&row.source);
        let mut change = Table::new();
        change.insert(&row.op, value(&row.table));
        if self.says_source {
            change.insert("source", value(&row.source));
        }
        if row.op != "truncate" {
            change.insert("row", value(image(row, &row.row, kind, left_out)));
        }
        if let Some(old) = &row.old {
            change.insert("old", value(image(row, old, kind, left_out)));
        }
        if !row.unchanged.is_empty() {
            change.insert("unchanged", value(row.unchanged.iter().collect::<toml_edit::Array>()));
        }
        change
    }
}

fn image(
    row: &RecordedRow,
    texts: &[Option<String>],
    kind: DatabaseKind,
    left_out: &mut BTreeSet<String>,
) -> InlineTable {
    let mut table = InlineTable::new();
    for (column, text) in row.columns.iter().zip(texts) {
        let Some(text) = text else { continue };
        match written(ColumnType::named(&column.type_name, kind).tag, text) {
            Some(written) => _ = table.insert(&column.name, written),
            None => _ = left_out.insert(column.name.clone()),
        }
    }
    table
}
