//! The topic of schema changes: what Debezium reads out of statements is asked of the catalog here.

use super::{BINLOG, Case, Place, Record, Rule, Seen, Topics, document, has_word, payload, unquoted};
use crate::conform::mask::{Masked, Part};
use serde_json::Value;

/// What Debezium told of one statement.
pub struct Told {
    topic: String,
    /// In small letters.
    statement: String,
    changes: Value,
}

/// The records of statements, without those of a snapshot.
pub(super) fn told(recorded: &Topics) -> Vec<Told> {
    let of = |topic: &String, record: &Record| {
        let document = document(record.value.as_deref()?)?;
        let payload = payload(&document.root);
        let text = |raw: &str| unquoted(raw).map(|text| text.to_lowercase());
        let statement = text(document.raw(payload.get("ddl")?))?;
        let snapshot = document.raw(payload.get("source")?.get("snapshot")?);
        let changes = serde_json::from_str(document.raw(payload.get("tableChanges")?)).ok()?;
        matches!(snapshot, "\"false\"" | "null").then(|| Told { topic: topic.clone(), statement, changes })
    };
    recorded.iter().flat_map(|(topic, records)| records.iter().filter_map(move |record| of(topic, record))).collect()
}

const fn rule(name: &'static str, holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours: BINLOG, reshapes: false, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("my-ddl-row", |seen| seen.is_of_statement(&["source", "row"]) && seen.ours() == "0"),
    rule("my-ddl-width", |seen| {
        let is_length = seen.difference.path.last().is_some_and(|last| last == "length");
        let is_number = seen.defined().is_some_and(|column| is_whole_number(&column["typeName"]));
        is_length && is_number && seen.theirs() == "null" && seen.ours().parse::<u32>().is_ok()
    }),
    rule("my-ddl-default", |seen| {
        let bare = |raw: &str| {
            let text = raw.trim_matches('"');
            let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
            short.trim_start_matches('0').to_owned()
        };
        let is_of_bytes = seen.ours().starts_with("\"0x");
        let number = |raw: &str| raw.trim_matches('"').parse::<f64>().ok();
        let is_number = number(seen.theirs()).is_some() && number(seen.theirs()) == number(seen.ours());
        let is_word = matches!((seen.theirs(), seen.ours()), ("\"TRUE\"", "\"1\"") | ("\"FALSE\"", "\"0\""));
        // `_utf8mb4'text'`
        let is_introduced = seen.theirs().starts_with("\"_") && seen.theirs().contains(seen.ours().trim_matches('"'));
        seen.is_default_of_statement()
            && (is_of_bytes || is_number || is_word || is_introduced || bare(seen.theirs()) == bare(seen.ours()))
    }),
    rule("my-ddl-quotes", |seen| {
        seen.is_of_statement(&["ddl"]) && without_quotes(seen.theirs()) == without_quotes(seen.ours())
    }),
    rule("my-ddl-type", |seen| {
        let last = seen.difference.path.last().map(String::as_str).unwrap_or_default();
        let is_synonym = |told: &Told| {
            ["int1", "int5", " binary", "integer", "json", " dec"].iter().any(|word| told.statement.contains(word))
        };
        let is_of_type = matches!(last, "typeName" | "typeExpression" | "jdbcType")
            || matches!(last, "charsetName" | "length") && seen.told().is_some_and(is_synonym);
        seen.defined().is_some() && is_of_type
    }),
    rule("my-ddl-charset", |seen| {
        let is_charset =
            seen.difference.path.last().is_some_and(|last| last == "defaultCharsetName" || last == "charsetName");
        let is_altered = |told: &Told| [" character set ", "ascii"].iter().any(|word| told.statement.contains(word));
        is_charset && seen.all_told().take(seen.record + 1).any(is_altered)
    }),
    rule("my-ddl-exists", |seen| {
        let is_asked = seen.told().is_some_and(|told| told.statement.contains("create table if not exists"));
        let is_table = seen.is_of_statement(&["source", "table"]) && seen.theirs() == "\"\"";
        is_asked && (is_table || seen.is_of_statement(&["tableChanges"]) && seen.theirs() == "[]")
    }),
    rule("my-ddl-later", |seen| {
        let is_of_change =
            seen.difference.place == Place::Value && seen.difference.path.first().is_some_and(|p| p == "tableChanges");
        is_of_change && is_later(seen)
    }),
];

impl<'a> Seen<'a> {
    fn all_told(&self) -> impl Iterator<Item = &'a Told> {
        let topic = self.topic;
        self.case.told.iter().filter(move |told| told.topic == topic)
    }

    /// What Debezium says in this record, if it is about a statement.
    fn told(&self) -> Option<&'a Told> {
        self.all_told().nth(self.record)
    }

    fn is_of_statement(&self, path: &[&str]) -> bool {
        self.difference.place == Place::Value && self.difference.path == path && self.told().is_some()
    }

    /// Whether it is a column's default in a record of a statement.
    pub(super) fn is_default_of_statement(&self) -> bool {
        self.defined().is_some() && self.difference.path.last().is_some_and(|last| last == "defaultValueExpression")
    }

    /// The column of a table that the difference is within, as Debezium tells it.
    fn defined(&self) -> Option<&'a Value> {
        match self.difference.path.as_slice() {
            [changes, change, table, columns, column, ..]
                if changes == "tableChanges" && table == "table" && columns == "columns" =>
            {
                let change = self.told()?.changes.get(change.parse::<usize>().ok()?)?;
                change["table"]["columns"].get(column.parse::<usize>().ok()?)
            }
            _ => None,
        }
    }

    pub(super) fn defined_column(&self) -> Option<&'a str> {
        self.defined()?["name"].as_str()
    }
}

/// A statement in JSON in which all quotes are the same one, none doubled. What has no double quote within is as it was.
pub fn without_quotes(raw: &str) -> String {
    if raw.contains(['\'', '\\']) { raw.replace("\\\"", "'").replace("''", "'") } else { raw.to_owned() }
}

/// Ours is what Debezium tells of the same table later, or it is not there because the table goes or gets another name later.
fn is_later(seen: &Seen<'_>) -> bool {
    let Some(Value::Array(changes)) = seen.told().map(|told| &told.changes) else { return false };
    let Some(change) = changes.first() else { return false };
    let (Ok(ours), id) = (serde_json::from_str::<Value>(seen.ours()), &change["id"]) else { return false };
    let pointer: String = seen.difference.path[1..].iter().map(|name| format!("/{name}")).collect();
    let mut later = seen.all_told().skip(seen.record + 1);
    if ours == Value::Array(Vec::new()) {
        let name = id.as_str().and_then(|id| id.rsplit('"').nth(1)).unwrap_or_default().to_lowercase();
        let goes = |told: &Told| {
            told.statement.starts_with("drop database")
                || told.statement.contains("rename")
                || told.statement.starts_with("drop ")
        };
        return later.any(|told| {
            goes(told) && (has_word(&told.statement, &name) || told.statement.starts_with("drop database"))
        });
    }
    let ours = without_widths(ours);
    let column = pointer.strip_suffix("/length");
    later.any(|told| {
        let is_same_table = told.changes.pointer("/0/id") == Some(id);
        let is_width =
            column.and_then(|column| told.changes.pointer(column)).is_some_and(|c| is_whole_number(&c["typeName"]));
        if is_same_table && is_width {
            return true;
        }
        let theirs = if pointer.is_empty() { Some(&told.changes) } else { told.changes.pointer(&pointer) };
        is_same_table && theirs.is_some_and(|theirs| without_widths(theirs.clone()) == ours)
    })
}

/// The same with no widths of whole numbers, nor what was done.
fn without_widths(mut value: Value) -> Value {
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_widths(item.take())),
        Value::Object(fields) => {
            if fields.get("typeName").is_some_and(is_whole_number) {
                fields.insert("length".to_owned(), Value::Null);
            }
            if fields.contains_key("id") {
                fields.remove("type");
            }
            fields.values_mut().for_each(|field| *field = without_widths(field.take()));
        }
        _ => {}
    }
    value
}

/// A type whose width says how it is shown, and not what it holds.
fn is_whole_number(type_name: &Value) -> bool {
    let word = type_name.as_str().and_then(|name| name.split(' ').next()).unwrap_or_default();
    matches!(word, "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR")
}

/// Whether a record is about tables of which nobody asked for one.
pub(super) fn is_elsewhere(case: &Case<'_>, masked: &Masked) -> bool {
    let Some(Part::Json(document)) = &masked.value else { return false };
    let payload = payload(&document.root);
    let (Some(_), Some(changes)) = (payload.get("ddl"), payload.get("tableChanges")) else { return false };
    let Ok(Value::Array(changes)) = serde_json::from_str(document.raw(changes)) else { return false };
    let asked = case.scenario.script.database.as_deref().unwrap_or("shop");
    let is_other = |change: &Value| change["id"].as_str().is_some_and(|id| !id.starts_with(&format!("\"{asked}\".")));
    !changes.is_empty() && changes.iter().all(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn widths_are_no_difference_between_two_states_of_a_table_and_lengths_are() {
        let table = |length: Value, type_name: &str| json!([{"id": "x", "type": "ALTER", "table": {"columns": [{"typeName": type_name, "length": length}]}}]);
        assert_eq!(without_widths(table(json!(11), "INT")), without_widths(table(Value::Null, "INT")));
        assert_eq!(
            without_widths(table(json!(20), "BIGINT UNSIGNED")),
            without_widths(table(Value::Null, "BIGINT UNSIGNED"))
        );
        assert_ne!(without_widths(table(json!(20), "VARCHAR")), without_widths(table(Value::Null, "VARCHAR")));
    }
}
