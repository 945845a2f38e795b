//! What the decoder is told: which tables and columns are asked for, and what the server's catalog knows of them.

use crate::change::Database;
use crate::source::{ColumnRule, NoticeRule, TableRule};
use std::sync::Arc;

/// The rules that say what enters a frame, and whom to ask about tables.
pub(super) struct Rules {
    pub(super) source: Arc<str>,
    pub(super) database: Arc<Database>,
    pub(super) tables: TableRule,
    pub(super) columns: ColumnRule,
    pub(super) notices: NoticeRule,
    /// Asked for what the log never says (not null, default, the type's text), and for names, charsets and signs where the
    /// log leaves them out (`binlog_row_metadata=MINIMAL`, old servers).
    pub(super) catalog: Box<dyn Catalog>,
}

/// What the server knows about a table, from `information_schema`.
pub(super) trait Catalog: Send {
    /// The table as it is now; without columns if it does not exist.
    ///
    /// # Errors
    /// A sentence, if the server can not be asked now.
    fn table(&mut self, database: &str, table: &str) -> Result<CatalogTable, String>;

    /// Waits until what a statement did to the table, which was read already, is in the catalog. Says whether the table is there, and ours
    /// to look at.
    ///
    /// # Errors
    /// A sentence, if the server can not be asked now.
    fn await_definition(&mut self, database: &str, table: &str) -> Result<bool, String>;

    /// What is said of the table beside its columns; `None` if it does not exist.
    ///
    /// # Errors
    /// A sentence, if the server can not be asked now.
    fn options(&mut self, database: &str, table: &str) -> Result<Option<CatalogOptions>, String>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogOptions {
    /// The charset of columns that name none.
    pub(super) charset: String,
    /// `TABLE_COMMENT`.
    pub(super) comment: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogTable {
    /// In ordinal order.
    pub(super) columns: Vec<CatalogColumn>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogColumn {
    pub(super) name: String,
    /// `bigint`, `enum`, `uuid`: `DATA_TYPE`, lowercase.
    pub(super) data_type: String,
    /// `bigint unsigned`, `enum('a','b')`: `COLUMN_TYPE`.
    pub(super) column_type: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// `CHARACTER_SET_NAME`; empty where there is none.
    pub(super) charset: String,
    pub(super) primary_key: bool,
    /// Where it stands in the primary key, from 1.
    pub(super) key_position: u32,
    /// `COLUMN_COMMENT`.
    pub(super) comment: String,
    /// `EXTRA`: `auto_increment`, `on update current_timestamp()`; lowercase.
    pub(super) extra: String,
}
