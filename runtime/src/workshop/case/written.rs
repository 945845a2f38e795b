//! Rows as a database writes them become changes of a case, with columns masked where somebody says so.

use super::bless::toml_of;
use super::left_out::LeftOut;
use super::value::ColumnType;
use crate::change::{DatabaseKind, Tag, masked};
use crate::config::CaseValue;
use crate::source::{SampledColumn, TableSample};
use serde_json::Value as Json;
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
    pub fn document(&self) -> (DocumentMut, LeftOut) {
        let mut left_out = LeftOut::default();
        let mut document = DocumentMut::new();
        document.insert("about", value(self.about));
        document.insert("table", Item::Table(self.tables()));
        let mut changes = ArrayOfTables::new();
        for (nth, row) in self.sample.rows.iter().enumerate() {
            let mut change = Table::new();
            change.insert(self.operation, value(self.table));
            change.insert("row", value(self.row(row, nth + 1, &mut left_out)));
            left_out.mark(&mut change, nth + 1);
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

    fn row(&self, row: &[Option<String>], nth: usize, left_out: &mut LeftOut) -> InlineTable {
        let mut table = InlineTable::new();
        for (column, text) in self.sample.columns.iter().zip(row) {
            let Some(text) = text else { continue };
            let of = ColumnType::named(&column.type_name, self.kind);
            let made = match self.masked.contains(&column.name) {
                true => masked(of.tag, text).and_then(|text| written(&of, &text)),
                false => written(&of, text),
            };
            match made {
                Some(made) => _ = table.insert(&column.name, made),
                None => left_out.add(&column.name, nth),
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

/// A value of this kind that nobody's table has; `None` if a case can hold none.
pub fn made_up(tag: Tag) -> Option<&'static str> {
    Some(match tag {
        Tag::Bool => "true",
        Tag::Int | Tag::UInt => "1",
        Tag::Float32 | Tag::Float64 => "1.5",
        Tag::Decimal => "1.50",
        Tag::Bytes => "AAE=",
        Tag::Date => "2026-01-31",
        Tag::Time => "08:05:30",
        Tag::Timestamp => "2026-01-31 08:05:30",
        Tag::TimestampTz => "2026-01-31 08:05:30+00",
        Tag::Uuid => "00000000-0000-4000-8000-000000000001",
        Tag::Json => "{}",
        Tag::Array => "[]",
        Tag::Bits => "1",
        Tag::Interval | Tag::TimeTz => return None,
        _ => "made up",
    })
}

/// A value as a case writes it; `None` if a case can not.
pub(super) fn written(of: &ColumnType, text: &str) -> Option<Value> {
    if text.len() > TEXT_LEN_MAX {
        return None;
    }
    Some(match of.tag {
        Tag::Bool => matches!(text, "t" | "true" | "1").into(),
        Tag::Int | Tag::UInt => text.parse::<i64>().ok()?.into(),
        Tag::Float32 | Tag::Float64 => text.parse::<f64>().ok()?.into(),
        // Databases break base64 into lines.
        Tag::Bytes => text.replace('\n', "").into(),
        Tag::Date | Tag::Time | Tag::Timestamp => moment(text)?.into(),
        Tag::TimestampTz => moment(&in_utc(text))?.into(),
        Tag::Array => {
            let list: Json = serde_json::from_str(text).ok()?;
            if !of.takes(&case_value(&list)?) {
                return None;
            }
            toml_of(&list)?
        }
        Tag::Interval | Tag::TimeTz => return None,
        _ => text.into(),
    })
}

/// As it would be read from a case; `None` for null, which a case can not write, and for lists in lists.
fn case_value(json: &Json) -> Option<CaseValue> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(v) => CaseValue::Bool(*v),
        Json::Number(v) => v.as_i64().map(CaseValue::Int).or_else(|| v.as_f64().map(CaseValue::Float))?,
        Json::String(v) => CaseValue::Text(v.clone()),
        Json::Array(items) if !items.iter().any(Json::is_array) => {
            CaseValue::List(items.iter().map(case_value).collect::<Option<_>>()?)
        }
        Json::Array(_) => return None,
        Json::Object(_) => CaseValue::Json(json.clone()),
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

    fn recorded(masked: &[String]) -> (String, LeftOut) {
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
        assert_eq!(left_out.to_string(), "gap (change 1)");
        assert!(text.contains("\n# not null in the table, but a case can not hold it: gap\n[[change]]"), "{text}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, &text).expect("written");
        let case = load_case(&path).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        assert_eq!((case.changes.len(), case.changes[0].row.len()), (2, 5), "{text}");
        assert_eq!(case.tables[0].key.as_deref(), Some(&["id".to_owned()][..]));
    }

    #[test]
    fn what_a_case_would_not_read_again_is_left_out() {
        let of = |name: &str, text: &str| {
            written(&ColumnType::named(name, DatabaseKind::Postgres), text).map(|value| value.to_string())
        };
        assert_eq!(of("double precision", "-0").as_deref(), Some("-0.0"));
        assert_eq!(of("bytea", "AAAA\nAAE=").as_deref(), Some("\"AAAAAAE=\""));
        assert_eq!(of("integer[]", "[1, 2]").as_deref(), Some("[1, 2]"));
        for (name, text) in [
            ("integer[]", "[[1], [2]]"),
            ("integer[]", "[1, null]"),
            ("bytea[]", "[\"\\\\x01\"]"),
            ("interval[]", "[\"P1D\"]"),
            ("date", "infinity"),
        ] {
            assert_eq!(of(name, text), None, "{name} {text}");
        }
    }

    #[test]
    fn masked_values_stay_in_the_database() {
        let (text, _) = recorded(&["name".into(), "price".into(), "at".into()]);
        assert!(text.contains("\"xxx x. 0\"") && !text.contains("Ana") && !text.contains("12.50"), "{text}");
        assert!(!text.contains("2026"), "{text}");
    }
}
