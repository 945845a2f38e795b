//! A table as it stands, with a few of its rows: what `new` and `record` write guests and cases from.

use super::MysqlSettings;
use super::link::Link;
use super::trouble::Trouble;
use crate::source::{SampledColumn, TableSample};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Asks the server for a table's columns, and for at most `rows_max` of its rows; `None` if there is no such table, or the user may
/// not see it.
///
/// # Errors
/// A sentence, if the server can not be asked.
pub async fn sample(settings: &MysqlSettings, table: &str, rows_max: u32) -> Result<Option<TableSample>, String> {
    let (settings, table) = (settings.clone(), table.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        ask(&settings, &table, rows_max).map_err(|trouble| settings.judge(trouble).message)
    });
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

fn ask(settings: &MysqlSettings, table: &str, rows_max: u32) -> Result<Option<TableSample>, Trouble> {
    let Some((database, name)) = table.split_once('.') else { return Ok(None) };
    let sql = format!(
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_KEY, DATA_TYPE FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        text(database),
        text(name)
    );
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, &stop)?;
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for row in link.query("look at the table", &sql)? {
        let [Some(name), Some(type_name), nullable, key, Some(data_type)] = row.as_slice() else { continue };
        let quoted = quoted(name);
        values.push(selected(&quoted, type_name, data_type));
        columns.push(SampledColumn {
            name: name.clone(),
            type_name: type_name.clone(),
            key: key.as_deref() == Some("PRI"),
            not_null: nullable.as_deref() == Some("NO"),
        });
    }
    let rows = if columns.is_empty() || rows_max == 0 {
        Vec::new()
    } else {
        link.query("read times in UTC", "SET time_zone = '+00:00'")?;
        let (database, name) = (quoted(database), quoted(name));
        link.query("read rows", &format!("SELECT {} FROM {database}.{name} LIMIT {rows_max}", values.join(", ")))?
    };
    link.close();
    Ok((!columns.is_empty()).then_some(TableSample { columns, rows, ..TableSample::default() }))
}

/// How a value is asked for, so that it comes as a text.
fn selected(quoted: &str, type_name: &str, data_type: &str) -> String {
    match data_type {
        "bit" => {
            let digits: String = type_name.chars().filter(char::is_ascii_digit).collect();
            format!("LPAD(BIN({quoted}), {}, '0')", digits.parse::<u8>().unwrap_or(1))
        }
        bytes if bytes.ends_with("blob") || bytes.ends_with("binary") => format!("TO_BASE64({quoted})"),
        // A shape is no string for every server; its digits are.
        shape
            if ["point", "string", "polygon", "geometry", "collection", "vector"]
                .iter()
                .any(|end| shape.ends_with(end)) =>
        {
            format!("TO_BASE64(UNHEX(HEX({quoted})))")
        }
        _ => quoted.to_owned(),
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string of SQL that no character can end, whatever the server's sql_mode.
fn text(name: &str) -> String {
    let digits: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    format!("CONVERT(X'{digits}' USING utf8mb4)")
}
