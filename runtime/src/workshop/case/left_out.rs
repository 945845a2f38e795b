//! What a case can not hold of the rows that it was written from. It must be seen in the case itself: what is not there is null.

use std::collections::BTreeMap;
use std::fmt;
use toml_edit::Table;

/// Columns, each with the changes that lack it, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<String, Vec<usize>>);

impl LeftOut {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, column: &str, change: usize) {
        let changes = self.0.entry(column.to_owned()).or_default();
        if !changes.contains(&change) {
            changes.push(change);
        }
    }

    /// Says in the case what a change lacks.
    pub(super) fn mark(&self, table: &mut Table, change: usize) {
        let lacking = self.0.iter().filter(|(_, changes)| changes.contains(&change));
        let names: Vec<String> = lacking.map(|(name, _)| name.escape_debug().to_string()).collect();
        if !names.is_empty() {
            let text = format!("\n# not null in the table, but a case can not hold it: {}\n", names.join(", "));
            table.decor_mut().set_prefix(text);
        }
    }
}

/// `gap (change 1), tags (changes 1, 3)`
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (column, changes)) in self.0.iter().enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            let numbers: Vec<String> = changes.iter().map(usize::to_string).collect();
            let many = if numbers.len() > 1 { "s" } else { "" };
            write!(f, "{comma}{column} (change{many} {})", numbers.join(", "))?;
        }
        Ok(())
    }
}
