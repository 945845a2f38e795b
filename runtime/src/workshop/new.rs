//! `sluicegate new`: a guest that compiles, with a test and a case, and a pipeline that runs it; made for a table of yours, if you show it.

mod made;
mod settings;

pub use settings::{Settings, SourceAt};

use super::case::{Found, FoundMessage};
use super::case::{LeftOut, Recording, made_up, tag_of, write_expectation};
use super::sdk;
use crate::change::DatabaseKind;
use crate::config::Judged;
use crate::source::TableSample;
use made::Made;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml_edit::Item;

/// Rows of the table that become the first case.
pub const ROWS: u32 = 3;
/// The port that the new pipeline sends to, where `sluicegate listen` answers.
pub const PORT: u16 = 8099;

/// What is to be made.
pub struct Order<'a> {
    pub name: &'a str,
    /// The folder in which `guests` and `pipelines` lie, or will.
    pub root: &'a Path,
    /// `schema.table`
    pub table: &'a str,
    pub kind: DatabaseKind,
    pub sample: &'a TableSample,
    /// Whether nobody's table has these rows.
    pub is_made_up: bool,
    pub masked: &'a [String],
    pub settings: Settings,
}

/// What was made.
#[derive(Debug, Default)]
pub struct Written {
    pub files: Vec<PathBuf>,
    /// Columns that the first case could not hold.
    pub left_out: LeftOut,
}

/// Why a name can not be that of a guest, if it can not.
pub fn wrong_name(name: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match name {
        "" => Some("a name is not empty"),
        _ if name.len() > 60 => Some("a name has at most 60 letters"),
        _ if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) => Some(
            "a name begins with a small letter, and has small letters, digits, - and _ after it: no capital, no space",
        ),
        "test" | "core" | "std" | "alloc" | "sluicegate-guest" | "sluicegate-sdk" => {
            Some("another crate has this name")
        }
        _ => None,
    }
}

/// Whether a guest or a pipeline of this name is there already; the folder.
pub fn in_the_way(root: &Path, name: &str) -> Option<PathBuf> {
    [root.join("guests").join(name), root.join("pipelines").join(name)].into_iter().find(|folder| folder.exists())
}

/// The table and the rows of those who show none.
pub fn nothing_shown(kind: DatabaseKind) -> (&'static str, TableSample) {
    made::nothing_shown(kind)
}

/// A row for a table that has none: something of each column's kind.
pub fn made_up_row(sample: &TableSample, kind: DatabaseKind) -> Vec<Option<String>> {
    sample.columns.iter().map(|column| made_up(tag_of(column, kind)).map(str::to_owned)).collect()
}

/// Writes everything. What is there already stays as it is.
///
/// # Errors
/// If a folder can not be written.
pub fn write(order: &Order<'_>) -> io::Result<Written> {
    let made = Made::of(order);
    let mut written = Written::default();
    let sdk_folder = order.root.join("guests/sluicegate-sdk");
    if !sdk_folder.exists() {
        sdk::write(&sdk_folder)?;
        written.files.push(sdk_folder);
    }
    let guest = order.root.join("guests").join(order.name);
    let pipeline = order.root.join("pipelines").join(order.name);
    let (case, left_out) = first_case(order);
    written.left_out = left_out;
    for (path, text) in [
        (guest.join("Cargo.toml"), made.manifest()),
        (guest.join("src/lib.rs"), made.source()),
        (guest.join(".gitignore"), "/target\n".to_owned()),
        (pipeline.join("pipeline.toml"), made.pipeline()),
        (pipeline.join("cases/first.toml"), case),
    ] {
        fs::create_dir_all(path.parent().unwrap_or(order.root))?;
        fs::write(&path, text)?;
        written.files.push(path);
    }
    let ignored = order.root.join("pipelines/.gitignore");
    if !ignored.exists() {
        fs::write(&ignored, "/.sluicegate/\n*.wasm\n")?;
        written.files.push(ignored);
    }
    let shared = order.root.join("pipelines/sluicegate.toml");
    if let Some(text) = order.settings.host_file(&shared)? {
        fs::write(&shared, text)?;
        written.files.push(shared);
    }
    Ok(written)
}

/// The table's rows, each expected to pass to the one route, as the guest that was written does it.
fn first_case(order: &Order<'_>) -> (String, LeftOut) {
    let recording = Recording {
        table: order.table,
        kind: order.kind,
        sample: order.sample,
        masked: order.masked,
        about: match order.is_made_up {
            true => "what the pipeline makes of a row that is made up: the table was not shown, or empty",
            false => "what the pipeline makes of a few rows",
        },
        operation: "insert",
    };
    let (mut document, left_out) = recording.document();
    let message = FoundMessage {
        route: "out".into(),
        to: "receiver".into(),
        key: None,
        place: String::new(),
        headers: Vec::new(),
        body: super::case::FoundBody::None,
    };
    let found = Found { verdict: Judged::Pass, rejection: None, messages: vec![message], unroutable: Vec::new() };
    if let Some(changes) = document.get_mut("change").and_then(Item::as_array_of_tables_mut) {
        changes.iter_mut().for_each(|change| write_expectation(change, &found));
    }
    (document.to_string(), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_a_folder_would_not_take_are_refused() {
        for name in ["", "Orders", "1st", "a b", "../x", "std", "ö"] {
            assert!(wrong_name(name).is_some(), "{name:?}");
        }
        assert_eq!(wrong_name("my-orders_2"), None);
    }
}
