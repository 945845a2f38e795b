//! Rows of a running pipeline become changes of a case.

use super::left_out::LeftOut;
use super::value::ColumnType;
use super::written::{table_settings, written};
use crate::change::DatabaseKind;
use crate::pipeline::RecordedRow;
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
    pub fn document(&self) -> (DocumentMut, LeftOut) {
        let mut left_out = LeftOut::default();
        let mut document = DocumentMut::new();
        document.insert("about", value(self.about));
        document.insert("table", Item::Table(self.tables()));
        let rows = self.rows.iter().enumerate();
        let changes = rows.map(|(nth, row)| self.change(row, nth + 1, &mut left_out));
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

    fn change(&self, row: &RecordedRow, nth: usize, left_out: &mut LeftOut) -> Table {
        row.left_out.iter().for_each(|column| left_out.add(column, nth));
        let mut lacks = |column: &str| left_out.add(column, nth);
        let kind = (self.kind_of)(&row.source);
        let mut change = Table::new();
        change.insert(&row.op, value(&row.table));
        if self.says_source {
            change.insert("source", value(&row.source));
        }
        if row.op != "truncate" {
            change.insert("row", value(image(row, &row.row, kind, &mut lacks)));
        }
        if let Some(old) = &row.old {
            change.insert("old", value(image(row, old, kind, &mut lacks)));
        }
        if !row.unchanged.is_empty() {
            change.insert("unchanged", value(row.unchanged.iter().collect::<toml_edit::Array>()));
        }
        left_out.mark(&mut change, nth);
        change
    }
}

fn image(row: &RecordedRow, texts: &[Option<String>], kind: DatabaseKind, lacks: &mut dyn FnMut(&str)) -> InlineTable {
    let mut table = InlineTable::new();
    for (column, text) in row.columns.iter().zip(texts) {
        let Some(text) = text else { continue };
        match written(&ColumnType::named(&column.type_name, kind), text) {
            Some(written) => _ = table.insert(&column.name, written),
            None => lacks(&column.name),
        }
    }
    table
}
