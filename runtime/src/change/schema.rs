//! A table as it was when a row was written.

use sluicegate_frame::Tag;

/// Names a version of a table's schema within one source, for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u32);

/// One column, in the order of the row's cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The database's own name of the type, `timestamp with time zone` for example.
    pub type_name: String,
    /// The tag of its values, unless they are null, unchanged or absent.
    pub tag: Tag,
    /// Whether it is part of the key (the replica identity).
    pub key: bool,
}

/// A version of a table's columns. A new version gets a new id; a row refers to the one that was valid for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    pub id: SchemaId,
    pub source: String,
    /// PostgreSQL's schema, MySQL's database.
    pub namespace: String,
    pub table: String,
    pub columns: Vec<Column>,
}

impl Schema {
    /// `schema.table`, as globs see it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.namespace, self.table)
    }

    /// Index of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// Indexes of the key's columns.
    pub fn key(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.key).map(|(i, _)| i)
    }
}
