//! Rows as a database writes them become changes of a case, with columns masked where somebody says so.

use super::bless::toml_of;
use super::value::ColumnType;
use crate::change::{DatabaseKind, Tag, masked};
use crate::source::{SampledColumn, TableSample};
use std::collections::BTreeSet;
use toml_edit::{ArrayOfTables, Datetime, DocumentMut, InlineTable, Item, Table, Value, value};

/// A text that is longer is left out of a case: nobody reads it.
const TEXT_LEN_MAX: usize = 2_000;

/// What a case is to hold of a table.
pub struct Recording<'a> {
    /// `schema.table`
    pub table: &'a str,
    pub kind: DatabaseKind,
    pub sample: &'a TableSample,
    /// Columns whose values stay in the database.
    pub masked: &'a [String],
    pub about: &'a str,
    /// What a row is to have happened to: `insert` or `read`.
    pub operation: &'a str,
}

impl Recording<'_> {
    /// The case, with nothing expected yet; and the columns that it can not hold.
    pub fn document(&self) -> (DocumentMut, BTreeSet<String>) {
        let mut left_out = BTreeSet::new();
        let mut document = DocumentMut::new();
        document.insert("about", value(self.about));
        document.insert("table", Item::Table(self.tables()));
        let mut changes = ArrayOfTables::new();
        for row in &self.sample.rows {
            let mut change = Table::new();
            change.insert(self.operation, value(self.table));
            change.insert("row", value(self.row(row, &mut left_out)));
            changes.push(change);
        }
        document.insert("change", Item::ArrayOfTables(changes));
        (document, left_out)
    }

    fn tables(&self) -> Table {
        let columns = self.sample.columns.iter().map(|c| (c.name.as_str(), c.type_name.as_str(), c.key));
        let mut tables = Table::new();
        tables.set_implicit(true);
        tables.insert(self.table, Item::Table(table_settings(columns)));
        tables
    }

    fn row(&self, row: &[Option<String>], left_out: &mut BTreeSet<String>) -> InlineTable {
        let mut table = InlineTable::new();
        for (column, text) in self.sample.columns.iter().zip(row) {
            let Some(text) = text else { continue };
            let of = ColumnType::named(&column.type_name, self.kind);
            let made = match self.masked.contains(&column.name) {
                true => masked(of.tag, text).and_then(|text| written(of.tag, &text)),
                false => written(of.tag, text),
            };
            match made {
                Some(made) => _ = table.insert(&column.name, made),
                None => _ = left_out.insert(column.name.clone()),
            }
        }
        table
    }
}

/// What rows do not say themselves: the key, and types that could be others. Columns by name, type, and whether they are the key's.
pub(super) fn table_settings<'c>(columns: impl Iterator<Item = (&'c str, &'c str, bool)>) -> Table {
    let (mut table, mut types) = (Table::new(), Table::new());
    let mut key = toml_edit::Array::new();
    for (name, type_name, is_key) in columns {
        types.insert(name, value(type_name));
        if is_key {
            key.push(name);
        }
    }
    table.insert("key", value(key));
    table.insert("types", Item::Table(types));
    table
}

/// What a column holds, for the SDK.
pub fn tag_of(column: &SampledColumn, kind: DatabaseKind) -> Tag {
    ColumnType::named(&column.type_name, kind).tag
}

/// A value as a case writes it; `None` if a case can not.
pub(super) fn written(tag: Tag, text: &str) -> Option<Value> {
    if text.len() > TEXT_LEN_MAX {
        return None;
    }
    Some(match tag {
        Tag::Bool => matches!(text, "t" | "true" | "1").into(),
        Tag::Int | Tag::UInt => text.parse::<i64>().ok()?.into(),
        Tag::Float32 | Tag::Float64 => text.parse::<f64>().ok()?.into(),
        Tag::Date | Tag::Time | Tag::Timestamp => moment(text)?.into(),
        Tag::TimestampTz => moment(&in_utc(text))?.into(),
        Tag::Array => toml_of(&serde_json::from_str(text).ok()?)?,
        Tag::Interval | Tag::TimeTz => return None,
        _ => text.into(),
    })
}

/// `2026-01-31 12:00:00.5`, with its zone if it has one.
fn moment(text: &str) -> Option<Datetime> {
    text.replacen(' ', "T", 1).parse().ok()
}

/// Sessions have UTC as their zone: PostgreSQL says so behind the time, and so do we; MySQL does not.
fn in_utc(text: &str) -> String {
    format!("{}Z", text.strip_suffix("+00").or(text.strip_suffix('Z')).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_case;

    fn column(name: &str, type_name: &str, key: bool) -> SampledColumn {
        SampledColumn { name: name.into(), type_name: type_name.into(), key, not_null: key }
    }

    fn sample() -> TableSample {
        let columns = vec![
            column("id", "bigint", true),
            column("name", "character varying(80)", false),
            column("price", "numeric(10,2)", false),
            column("at", "timestamp with time zone", false),
            column("tags", "text[]", false),
            column("gap", "interval", false),
        ];
        let row = ["7", "Ana B. 9", "12.50", "2026-01-31 12:00:00.5+00", "[\"a\"]", "P1D"];
        let rows = vec![row.map(|text| Some(text.to_owned())).to_vec(), vec![Some("8".into())]];
        TableSample { columns, rows, ..TableSample::default() }
    }

    fn recorded(masked: &[String]) -> (String, BTreeSet<String>) {
        let recording = Recording {
            table: "public.items",
            kind: DatabaseKind::Postgres,
            sample: &sample(),
            masked,
            about: "rows",
            operation: "insert",
        };
        let (document, left_out) = recording.document();
        (document.to_string(), left_out)
    }

    #[test]
    fn rows_of_a_table_are_a_case_that_can_be_read() {
        let (text, left_out) = recorded(&[]);
        assert_eq!(left_out.into_iter().collect::<Vec<_>>(), ["gap"]);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, &text).expect("written");
        let case = load_case(&path).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        assert_eq!((case.changes.len(), case.changes[0].row.len()), (2, 5), "{text}");
        assert_eq!(case.tables[0].key.as_deref(), Some(&["id".to_owned()][..]));
    }

    #[test]
    fn masked_values_stay_in_the_database() {
        let (text, _) = recorded(&["name".into(), "price".into(), "at".into()]);
        assert!(text.contains("\"xxx x. 0\"") && !text.contains("Ana") && !text.contains("12.50"), "{text}");
        assert!(!text.contains("2026"), "{text}");
    }
}
