//! What Debezium's options say about single columns: which make a record's key, which are cut or masked, and which say in their
//! schema what they are in the database.

use super::patterns::Patterns;
use super::source_type::{self, SourceType};
use crate::change::{Column, Schema};

/// The rules. Of one kind the first that was said about a column counts.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnRules {
    /// `message.key.columns`, column by column.
    keys: Vec<Patterns>,
    /// `column.truncate.to.N.chars`.
    cut: Vec<(usize, Patterns)>,
    /// `column.mask.with.N.chars`.
    masked: Vec<(usize, Patterns)>,
    /// `column.propagate.source.type`.
    told: Patterns,
    /// `datatype.propagate.source.type`.
    told_types: Patterns,
}

/// What is said about one column.
#[derive(Default)]
pub(super) struct Said {
    /// What its schema says of it beside what a value is.
    pub(super) parameters: Vec<(&'static str, String)>,
    pub(super) change: Option<Change>,
}

/// What becomes of a column's values, but in a key.
pub(super) enum Change {
    /// They have so many characters, in Java's count, or bytes at most.
    Cut(usize),
    /// So many stars stand for each, also for a null.
    Mask(usize),
}

/// What is longer is no mask, and a value need not be cut there.
const CHARS_MAX: usize = 65_535;

impl ColumnRules {
    /// Reads `message.key.columns`: `TABLE:COLUMN,COLUMN;TABLE:COLUMN`, tables as regular expressions over `schema.table`.
    ///
    /// # Errors
    /// A sentence that says which part is wrong.
    pub(super) fn set_keys(&mut self, text: &str) -> Result<(), String> {
        self.keys.clear();
        for part in text.split(';') {
            let parts: Vec<&str> = part.split(':').collect();
            let &[table, columns] = parts.as_slice() else { return Err(key_form(part)) };
            let table = table.trim();
            if table.is_empty() || table.contains(',') || columns.split(',').any(|column| column.trim().is_empty()) {
                return Err(key_form(part));
            }
            for column in columns.split(',') {
                self.keys.push(Patterns::parse(&format!("{table}.{}", column.trim()))?);
            }
        }
        Ok(())
    }

    /// Reads `column.truncate.to.N.chars` and `column.mask.with.N.chars`, columns by `schema.table.column`; false if it is another option.
    ///
    /// # Errors
    /// If N is no such number, or as [`Patterns::parse`].
    pub(super) fn set_counted(&mut self, name: &str, patterns: &str) -> Result<bool, String> {
        let counted = |first| name.strip_prefix(first).and_then(|rest| rest.strip_suffix(".chars"));
        let (rules, count) = match (counted("column.truncate.to."), counted("column.mask.with.")) {
            (Some(count), _) => (&mut self.cut, count),
            (None, Some(count)) => (&mut self.masked, count),
            (None, None) => return Ok(false),
        };
        let count = count.parse().ok().filter(|count| *count <= CHARS_MAX);
        let count = count
            .ok_or_else(|| format!("the number of characters is 0 to {CHARS_MAX}: column.truncate.to.20.chars"))?;
        rules.push((count, Patterns::parse(patterns)?));
        Ok(true)
    }

    /// Columns whose schema says their type, by `schema.table.column`.
    ///
    /// # Errors
    /// As [`Patterns::parse`].
    pub(super) fn tell_types_of_columns(&mut self, patterns: &str) -> Result<(), String> {
        self.told = Patterns::parse(patterns)?;
        Ok(())
    }

    /// The same by `schema.table.type`.
    ///
    /// # Errors
    /// As [`Patterns::parse`].
    pub(super) fn tell_types(&mut self, patterns: &str) -> Result<(), String> {
        self.told_types = Patterns::parse(patterns)?;
        Ok(())
    }

    /// The columns that make the key of a table's records, in the key's order; its primary key unless it is said otherwise.
    pub(super) fn key(&self, schema: &Schema) -> Vec<usize> {
        let table = schema.full_name();
        let mut said: Vec<usize> = Vec::new();
        for patterns in &self.keys {
            for (index, column) in schema.columns.iter().enumerate() {
                let is_taken = !column.detail.key_only && !said.contains(&index);
                if is_taken && patterns.is_match(&format!("{table}.{}", column.name)) {
                    said.push(index);
                }
            }
        }
        if said.is_empty() {
            said = schema.key().collect();
            said.sort_by_key(|i| schema.columns[*i].detail.key_position);
        }
        said
    }

    /// What becomes of a column: a mask goes before a cut, so that nothing is seen by mistake, a cut before a type that is told. Whether
    /// its comment is told, `comments` says.
    pub(super) fn of(&self, schema: &Schema, column: &Column, comments: bool) -> Said {
        if self.cut.is_empty() && self.masked.is_empty() && self.told.is_empty() && self.told_types.is_empty() {
            return Said::default();
        }
        let table = schema.full_name();
        let full_name = format!("{table}.{}", column.name);
        let find = |rules: &[(usize, Patterns)]| {
            rules.iter().find(|(_, patterns)| patterns.is_match(&full_name)).map(|(count, _)| *count)
        };
        if let Some(count) = find(&self.masked) {
            return Said { parameters: vec![("masked", "true".into())], change: Some(Change::Mask(count)) };
        }
        let declared = source_type::of(column, schema.database.kind);
        if let Some(count) = find(&self.cut) {
            // What is never longer stays what it is.
            if declared.length.is_some_and(|length| length <= count as i64) {
                return Said::default();
            }
            return Said { parameters: vec![("truncateLength", count.to_string())], change: Some(Change::Cut(count)) };
        }
        let is_told = self.told.is_match(&full_name) || self.told_types.is_match(&format!("{table}.{}", declared.name));
        let parameters = if is_told { told(column, declared, comments) } else { Vec::new() };
        Said { parameters, change: None }
    }
}

fn told(column: &Column, declared: SourceType, comments: bool) -> Vec<(&'static str, String)> {
    let comment = Some(column.detail.comment.clone()).filter(|comment| comments && !comment.is_empty());
    let all = [
        ("__debezium.source.column.type", Some(declared.name.to_uppercase())),
        ("__debezium.source.column.length", declared.length.map(|length| length.to_string())),
        ("__debezium.source.column.scale", declared.scale.map(|scale| scale.to_string())),
        ("__debezium.source.column.comment", comment),
        ("__debezium.source.column.name", Some(column.name.clone())),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

fn key_form(part: &str) -> String {
    format!("{part:?} is not TABLE:COLUMN,COLUMN; write \"public.item:sku;public.(.*)_line:order_no,line_no\"")
}
