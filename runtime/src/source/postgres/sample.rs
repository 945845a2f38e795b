//! A table as it stands, with a few of its rows: what `new` and `record` write guests and cases from. And the names of slots, so that
//! `new` takes none that is there.

use super::PostgresSettings;
use super::link::{Link, Purpose, QUERY_MAX};
use super::trouble::Trouble;
use crate::source::{SampledColumn, TableSample};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Asks the server for a table's columns, and for at most `rows_max` of its rows; `None` if there is no such table, or the user may
/// not see it.
///
/// # Errors
/// A sentence, if the server can not be asked.
pub async fn sample(settings: &PostgresSettings, table: &str, rows_max: u32) -> Result<Option<TableSample>, String> {
    let (settings, table) = (settings.clone(), table.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        ask(&settings, &table, rows_max).map_err(|trouble| settings.judge(trouble).message)
    });
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

/// The replication slots of the server, of all its databases.
///
/// # Errors
/// A sentence, if the server can not be asked.
pub async fn slots(settings: &PostgresSettings) -> Result<Vec<String>, String> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let stop = Arc::new(AtomicBool::new(false));
        let found = Link::open(&settings, Purpose::Sql, &stop).and_then(|mut link| {
            let rows = link.query("look for slots", "SELECT slot_name FROM pg_replication_slots", Some(QUERY_MAX))?;
            link.close(false);
            Ok(rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect())
        });
        found.map_err(|trouble| settings.judge(trouble).message)
    });
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

fn ask(settings: &PostgresSettings, table: &str, rows_max: u32) -> Result<Option<TableSample>, Trouble> {
    let (namespace, name) = table.split_once('.').unwrap_or(("public", table));
    // Rows hold what a domain stands for, and arrays of one its elements.
    let base = |of: &str, modifier: &str| {
        format!(
            "LATERAL (WITH RECURSIVE b (oid, modifier, depth) AS (SELECT {of}, {modifier}, 0 UNION ALL \
             SELECT d.typbasetype, CASE WHEN b.modifier < 0 THEN d.typtypmod ELSE b.modifier END, b.depth + 1 \
             FROM b JOIN pg_type d ON d.oid = b.oid AND d.typtype = 'd') \
             SELECT oid, modifier FROM b ORDER BY depth DESC LIMIT 1)"
        )
    };
    let (of_column, of_element) = (base("a.atttypid", "a.atttypmod"), base("t.typelem", "base.modifier"));
    let sql = format!(
        "SELECT a.attname, CASE WHEN e.typtype = 'd' THEN format_type(element.oid, element.modifier) || '[]' \
         ELSE format_type(base.oid, base.modifier) END, a.attnotnull OR declared.typtype = 'd' AND declared.typnotnull, \
         EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)), \
         COALESCE(t.typcategory = 'A', false), base.oid = 'bytea'::regtype, a.attgenerated <> '' \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_type declared ON declared.oid = a.atttypid JOIN {of_column} base ON true JOIN pg_type t ON t.oid = base.oid \
         LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' JOIN {of_element} element ON true \
         WHERE c.relkind IN ('r', 'p') AND n.nspname = {} AND c.relname = {} ORDER BY a.attnum",
        escape_literal(namespace),
        escape_literal(name)
    );
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, Purpose::Sql, &stop)?;
    let (mut columns, mut unsent, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for row in link.query("look at the table", &sql, Some(QUERY_MAX))? {
        let [Some(name), Some(type_name), not_null, key, array, bytes, generated] = row.as_slice() else { continue };
        let yes = |text: &Option<String>| text.as_deref() == Some("t");
        if yes(generated) {
            unsent.push(name.clone());
            continue;
        }
        let quoted = escape_identifier(name);
        values.push(match (yes(array), yes(bytes)) {
            (true, _) => format!("to_jsonb({quoted})"),
            (_, true) => format!("encode({quoted}, 'base64')"),
            _ => quoted,
        });
        let (name, type_name) = (name.clone(), type_name.clone());
        columns.push(SampledColumn { name, type_name, key: yes(key), not_null: yes(not_null) });
    }
    let rows = if columns.is_empty() || rows_max == 0 {
        Vec::new()
    } else {
        let (namespace, name) = (escape_identifier(namespace), escape_identifier(name));
        let sql = format!("SELECT {} FROM {namespace}.{name} LIMIT {rows_max}", values.join(", "));
        link.query("read rows", &sql, Some(QUERY_MAX))?
    };
    link.close(false);
    Ok((!columns.is_empty()).then_some(TableSample { columns, unsent, rows }))
}
