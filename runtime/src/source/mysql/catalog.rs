//! What the log does not say about a table, from `information_schema`, over a connection that is opened when it is needed.

use super::MysqlSettings;
use super::link::{Link, SqlRow};
use super::rules::{Catalog, CatalogColumn, CatalogOptions, CatalogTable};
use super::trouble::Trouble;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A definition that somebody else's lock keeps from being looked at is looked at all the same after so many seconds.
const LOCK_WAIT_S: u32 = 2;

/// The catalog of a running server.
pub(super) struct ServerCatalog {
    settings: Arc<MysqlSettings>,
    stop: Arc<AtomicBool>,
    link: Option<Link>,
}

impl ServerCatalog {
    pub(super) fn new(settings: Arc<MysqlSettings>, stop: Arc<AtomicBool>) -> Self {
        Self { settings, stop, link: None }
    }

    /// Asks, over a new connection if the old one is gone: it may have been idle for longer than the server allows.
    fn ask(&mut self, sql: &str) -> Result<Vec<SqlRow>, Trouble> {
        const DOING: &str = "look up a table";
        if let Some(mut link) = self.link.take() {
            match link.query(DOING, sql) {
                Ok(rows) => {
                    self.link = Some(link);
                    return Ok(rows);
                }
                Err(Trouble::Stopped) => return Err(Trouble::Stopped),
                Err(trouble) => tracing::debug!(?trouble, "catalog connection is opened again"),
            }
        }
        let mut link = self.open()?;
        let answer = link.query(DOING, sql);
        if let Ok(_) | Err(Trouble::Server { .. }) = answer {
            self.link = Some(link);
        }
        answer
    }

    fn open(&self) -> Result<Link, Trouble> {
        let mut link = Link::open(&self.settings, &self.stop)?;
        link.query("look up a table", &format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_S}"))?;
        Ok(link)
    }
}

impl Catalog for ServerCatalog {
    /// MySQL sends a statement to its replicas before its dictionary has what came of it. Until then it holds a lock that this waits for.
    fn await_definition(&mut self, database: &str, table: &str) -> Result<bool, String> {
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(database), quoted(table));
        match self.ask(&sql) {
            Ok(_) => Ok(true),
            // It is gone again, or it is not for us, or somebody holds it for long: the catalog says what there is.
            Err(Trouble::Server { .. }) => Ok(false),
            Err(trouble) => Err(self.settings.judge(trouble).message),
        }
    }

    fn table(&mut self, database: &str, table: &str) -> Result<CatalogTable, String> {
        // Hexadecimal, so that no name has to be escaped under whatever sql_mode the server has. A name that the log writes with other
        // capitals than the catalog (lower_case_table_names) is found all the same, by the catalog's own collation.
        let sql = format!(
            "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME, COLUMN_KEY, EXTRA, COLUMN_COMMENT, \
             (SELECT SEQ_IN_INDEX FROM information_schema.STATISTICS k WHERE k.TABLE_SCHEMA = c.TABLE_SCHEMA \
              AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME AND k.INDEX_NAME = 'PRIMARY') \
             FROM information_schema.COLUMNS c WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
            text(database),
            text(table)
        );
        let rows = self.ask(&sql).map_err(|trouble| self.settings.judge(trouble).message)?;
        Ok(CatalogTable { columns: rows.into_iter().filter_map(column).collect() })
    }

    fn options(&mut self, database: &str, table: &str) -> Result<Option<CatalogOptions>, String> {
        let sql = format!(
            "SELECT TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            text(database),
            text(table)
        );
        let rows = self.ask(&sql).map_err(|trouble| self.settings.judge(trouble).message)?;
        let row = rows.into_iter().next().and_then(|row| <[_; 2]>::try_from(row).ok());
        let Some([collation, comment]) = row else { return Ok(None) };
        // Of a table that is being altered MariaDB knows no collation, and the comment says why.
        let Some(collation) = collation else { return Ok(Some(CatalogOptions::default())) };
        // A collation's name begins with its charset's.
        let charset = collation.split('_').next().unwrap_or_default().to_owned();
        Ok(Some(CatalogOptions { charset, comment: comment.unwrap_or_default() }))
    }
}

/// A string of SQL that no character can end.
fn text(name: &str) -> String {
    let digits: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    format!("CONVERT(X'{digits}' USING utf8mb4)")
}

fn column(row: SqlRow) -> Option<CatalogColumn> {
    let [name, data_type, column_type, nullable, default, charset, key, extra, comment, position] =
        <[_; 10]>::try_from(row).ok()?;
    // MySQL says an expression's text and a value alike, and here which of them it is; the current time is called one as well.
    let extra = extra.unwrap_or_default().to_lowercase();
    let is_expression = extra.contains("default_generated");
    let is_time = |text: &String| text.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP");
    Some(CatalogColumn {
        name: name?,
        data_type: data_type?.to_lowercase(),
        column_type: column_type?,
        not_null: nullable.as_deref() == Some("NO"),
        default: default.filter(|text| !is_expression || is_time(text)),
        charset: charset.unwrap_or_default(),
        primary_key: key.as_deref() == Some("PRI"),
        key_position: position.and_then(|text| text.parse().ok()).unwrap_or(0),
        comment: comment.unwrap_or_default(),
        extra,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_can_not_leave_its_string() {
        assert_eq!(text("a'b"), "CONVERT(X'612762' USING utf8mb4)");
    }
}
