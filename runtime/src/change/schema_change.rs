//! A statement that changed what tables are, as far as it is known.

use super::{BinlogEvent, Column};

/// One statement, or the part of one that is about one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// The database that it is about, or in which it was executed; empty for none.
    pub database: String,
    pub about: SchemaChangeAbout,
    /// As it was written, from its first word to its last one.
    pub statement: String,
    /// `None` where no table is another one by it, where the catalog has the table no more, or where it can not be told.
    pub change: Option<TableChange>,
    /// Where it stands in the log.
    pub event: BinlogEvent,
}

/// What the whole statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaChangeAbout {
    /// A whole database that comes or goes.
    Database,
    Tables {
        /// Those of `database` that it leaves or makes, by their new names.
        names: Vec<String>,
        /// The one that this part is about, `database.table`: by its name, and by its old name where it was renamed.
        own: Vec<String>,
    },
    /// Something else, or what could not be told.
    Untold,
}

/// What happened to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChange {
    pub kind: TableChangeKind,
    pub database: String,
    pub table: String,
    /// `None` for a table that was dropped.
    pub definition: Option<TableDefinition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableChangeKind {
    Create,
    Alter,
    Drop,
}

/// A table as the server's catalog has it when the statement is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDefinition {
    /// The character set of columns that name none; empty if it is not known.
    pub charset: String,
    pub comment: String,
    pub columns: Vec<DefinedColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinedColumn {
    pub column: Column,
    /// The server numbers the rows.
    pub is_auto_increment: bool,
    /// The server writes the time of each update into it.
    pub is_update_time: bool,
}

impl SchemaChange {
    /// Whether it is about a table of which the rule holds. What is about a whole database, or can not be told, may be.
    pub fn may_be_about(&self, rule: impl FnMut(&String) -> bool) -> bool {
        match &self.about {
            SchemaChangeAbout::Tables { own, .. } => own.iter().any(rule),
            SchemaChangeAbout::Database | SchemaChangeAbout::Untold => true,
        }
    }

    /// About how much memory it takes beside itself.
    pub fn byte_len(&self) -> usize {
        let columns = self.change.iter().flat_map(|change| &change.definition).flat_map(|table| &table.columns);
        let labels = |column: &Column| column.detail.labels.iter().map(String::len).sum::<usize>();
        let of_columns =
            columns.map(|defined| size_of::<DefinedColumn>() + defined.column.name.len() + labels(&defined.column));
        self.statement.len() + of_columns.sum::<usize>()
    }
}
