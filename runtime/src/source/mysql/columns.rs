//! What tables and columns a server has, for `check --connect`: names in templates and guests are held against it.

use super::MysqlSettings;
use super::link::Link;
use super::trouble::Trouble;
use crate::source::TableColumns;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const SQL: &str = "SELECT CONCAT(c.TABLE_SCHEMA, '.', c.TABLE_NAME), c.COLUMN_NAME
    FROM information_schema.COLUMNS c
    JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
    WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
      AND c.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
    ORDER BY 1, c.ORDINAL_POSITION";

/// Asks the server for all tables that are not its own, and that the user may see.
///
/// # Errors
/// A sentence, if the server can not be asked; [`super::check`] says more about why.
pub async fn columns(settings: &MysqlSettings) -> Result<TableColumns, String> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let stop = Arc::new(AtomicBool::new(false));
        let found = Link::open(&settings, &stop).and_then(|mut link| {
            let tables = ask(&mut link)?;
            link.close();
            Ok(tables)
        });
        found.map_err(|trouble| settings.judge(trouble).message)
    });
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

pub(super) fn ask(link: &mut Link) -> Result<TableColumns, Trouble> {
    let mut tables = TableColumns::new();
    for row in link.query("ask for the columns", SQL)? {
        if let [Some(table), Some(column)] = row.as_slice() {
            tables.entry(table.clone()).or_default().names.push(column.clone());
        }
    }
    Ok(tables)
}
