//! What tables and columns a database has, for `check --connect`: names in templates and guests are held against it.

use super::PostgresSettings;
use super::link::{Link, Purpose, QUERY_MAX};
use super::trouble::Trouble;
use crate::source::TableColumns;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const SQL: &str = "SELECT n.nspname || '.' || c.relname, a.attname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY 1, a.attnum";

/// Asks the server for all tables that are not its own.
///
/// # Errors
/// A sentence, if the server can not be asked; [`super::check`] says more about why.
pub async fn columns(settings: &PostgresSettings) -> Result<TableColumns, String> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&settings).map_err(|trouble| settings.judge(trouble).message));
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

fn ask(settings: &PostgresSettings) -> Result<TableColumns, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, Purpose::Sql, &stop)?;
    let rows = link.query("ask for the columns", SQL, Some(QUERY_MAX))?;
    link.close(false);
    let mut tables = TableColumns::new();
    for row in rows {
        if let [Some(table), Some(column)] = row.as_slice() {
            tables.entry(table.to_string()).or_default().push(column.to_string());
        }
    }
    Ok(tables)
}
