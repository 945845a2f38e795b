//! A table's columns as the guest gets them, and the way from a name to an index.
//!
//! A guest names columns by literals, and names them for each row. The address of a literal picks a slot that remembers the
//! index it had last time; the name at that index is compared, so that a wrong guess costs a search and never a wrong value.

use sluicegate_frame::Tag;
use std::cell::Cell;

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The database's name of the type, such as `timestamp with time zone`.
    pub type_name: String,
    /// What its values are, unless they are null, unchanged or absent. None for a kind that is newer than this guest.
    pub tag: Option<Tag>,
    /// Whether it is part of the key.
    pub key: bool,
}

/// One version of a table.
#[derive(Debug)]
pub struct Schema {
    pub(crate) id: u32,
    pub(crate) source: String,
    pub(crate) namespace: String,
    pub(crate) table: String,
    pub(crate) columns: Vec<Column>,
    slots: [Cell<u16>; SLOTS],
}

/// More than a transform names columns; a power of two.
const SLOTS: usize = 64;

impl Schema {
    pub(crate) fn new(id: u32, source: String, namespace: String, table: String, columns: Vec<Column>) -> Self {
        Self { id, source, namespace, table, columns, slots: [const { Cell::new(0) }; SLOTS] }
    }

    #[inline]
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        let slot = &self.slots[(name.as_ptr().addr() ^ name.len() << 4) % SLOTS];
        let guess = usize::from(slot.get());
        match self.columns.get(guess) {
            Some(column) if column.name == name => Some(guess),
            _ => self.search(name, slot),
        }
    }

    #[cold]
    fn search(&self, name: &str, slot: &Cell<u16>) -> Option<usize> {
        let index = self.columns.iter().position(|c| c.name == name)?;
        // A row has at most 65,535 cells, so that the index of one that can be read fits.
        slot.set(u16::try_from(index).unwrap_or(0));
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&str]) -> Schema {
        let column = |name: &&str| Column { name: name.to_string(), type_name: "text".into(), tag: None, key: false };
        Schema::new(1, "erp".into(), "public".into(), "t".into(), names.iter().map(column).collect())
    }

    #[test]
    fn a_name_is_found_again_and_a_missing_one_is_not() {
        let schema = schema(&["id", "status", "status_text"]);
        for _ in 0..3 {
            assert_eq!(schema.index("status"), Some(1));
            assert_eq!(schema.index("status_text"), Some(2));
            assert_eq!(schema.index("id"), Some(0));
            assert_eq!(schema.index("stat"), None);
        }
    }

    #[test]
    fn another_name_at_the_same_address_is_not_mistaken_for_the_first() {
        let schema = schema(&["aa", "bb"]);
        let mut name = String::from("aa");
        assert_eq!(schema.index(&name), Some(0));
        name.clear();
        name.push_str("bb");
        assert_eq!(schema.index(&name), Some(1));
        name.clear();
        name.push_str("cc");
        assert_eq!(schema.index(&name), None);
    }

    #[test]
    fn more_names_than_slots_are_all_found() {
        let names: Vec<String> = (0..500).map(|n| format!("column_{n}")).collect();
        let schema = schema(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..2 {
            for (index, name) in names.iter().enumerate() {
                assert_eq!(schema.index(name), Some(index));
            }
        }
    }
}
