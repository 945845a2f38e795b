//! A table as it was when a row was written.

use sluicegate_frame::Tag;
use std::sync::Arc;

/// Names a version of a table's schema within one source, for the life of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u32);

/// One column, in the order of the row's cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The database's own name of the type, `timestamp with time zone` for example.
    pub type_name: String,
    /// The tag of its values, unless they are null, unchanged or absent.
    pub tag: Tag,
    /// Whether it is part of the key (the replica identity of PostgreSQL, the primary key of MySQL and MariaDB).
    pub key: bool,
    /// What only some encoders need.
    pub detail: ColumnDetail,
}

/// How a column was declared, beside its type's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnDetail {
    /// Known not to be null.
    pub not_null: bool,
    /// What stands between parentheses behind the type's name: length, or precision and scale.
    pub modifiers: Vec<i32>,
    /// The database's text of the default, an expression or a value; `None` also when it is not known.
    pub default: Option<String>,
    /// The labels of an enum or a set, in order.
    pub labels: Vec<String>,
    /// PostgreSQL's type oid, the base type's of a domain; MySQL's type number; 0 when it is not known.
    pub type_id: u32,
    /// The bare name of the type that a domain of PostgreSQL stands for; empty for what is no domain.
    pub base_type: String,
    /// The character set of a text column; empty when there is none.
    pub charset: String,
    /// Taken for the key alone, because nobody asked for it: no value and no guest shows it.
    pub key_only: bool,
    /// Where the column stands in the key, from 1; 0 when it is not known, and the key is in the columns' order.
    pub key_position: u32,
    /// What somebody wrote about the column; known of MySQL and MariaDB only.
    pub comment: String,
}

impl Column {
    /// A column of which no more is known.
    pub fn new(name: impl Into<String>, type_name: impl Into<String>, tag: Tag, key: bool) -> Self {
        Self { name: name.into(), type_name: type_name.into(), tag, key, detail: ColumnDetail::default() }
    }
}

/// What kind of database a source reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DatabaseKind {
    #[default]
    Postgres,
    Mysql,
    Mariadb,
}

/// Where a source reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    pub kind: DatabaseKind,
    /// PostgreSQL's database; empty for the others, whose tables say it themselves.
    pub name: String,
    /// Raised by the user when positions begin anew (another server, a log that was reset), so that what comes then counts as
    /// newer: see [`super::RowVersion`].
    pub epoch: u32,
}

/// A version of a table's columns. A new version gets a new id; a row refers to the one that was valid for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub id: SchemaId,
    pub source: String,
    pub database: Arc<Database>,
    /// PostgreSQL's schema, MySQL's database.
    pub namespace: String,
    pub table: String,
    pub columns: Vec<Column>,
}

impl Schema {
    /// `schema.table`, as globs see it; empty for what is about no table.
    pub fn full_name(&self) -> String {
        if self.table.is_empty() && self.namespace.is_empty() {
            return String::new();
        }
        format!("{}.{}", self.namespace, self.table)
    }

    /// Index of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The columns that values and guests show, with their indexes: all but those that are there for the key alone.
    pub fn shown(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.detail.key_only)
    }

    /// Indexes of the key's columns.
    pub fn key(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.key).map(|(i, _)| i)
    }
}
