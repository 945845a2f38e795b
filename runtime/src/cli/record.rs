//! `sluicegate record`: rows of a table become a case.

use super::Exit;
use crate::workshop::build::put;
use crate::workshop::case::Recording;
use crate::workshop::table::{self, Found};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Record {
    /// The pipeline that gets the case.
    pipeline: String,
    /// The database: an address, or the name of a source in sluicegate.toml.
    #[arg(long, value_name = "URL")]
    source: String,
    /// The table: schema.table, of MySQL database.table.
    #[arg(long)]
    table: String,
    /// How many rows.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,
    /// Do not write values of this column; may be given again.
    #[arg(long, value_name = "COLUMN")]
    mask: Vec<String>,
    /// The name of the case; the table's unless set.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// The pipelines folder.
    #[arg(long, default_value = "pipelines")]
    dir: PathBuf,
}

pub(super) fn run(arguments: &Record) -> Exit {
    let folder = arguments.dir.join(&arguments.pipeline);
    if !folder.join("pipeline.toml").is_file() {
        eprintln!("{} is no pipeline: it has no pipeline.toml", folder.display());
        return Exit::Usage;
    }
    let name = arguments.case.clone().unwrap_or_else(|| arguments.table.replace(['.', '/'], "-"));
    if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
        eprintln!("{name:?} can not be the name of a case");
        return Exit::Usage;
    }
    let place = folder.join("cases").join(format!("{name}.toml"));
    if place.exists() {
        eprintln!("{} is there already; name another case: --case NAME", place.display());
        return Exit::Usage;
    }
    let looked = table::look(&arguments.dir, &arguments.source, &arguments.table, arguments.rows);
    let found = match super::block_on(looked) {
        Ok(found) => found,
        Err(reason) => {
            eprintln!("{reason}");
            return Exit::Failed;
        }
    };
    if let Some(column) = arguments.mask.iter().find(|name| !found.sample.columns.iter().any(|c| c.name == **name)) {
        let has: Vec<&str> = found.sample.columns.iter().map(|column| column.name.as_str()).collect();
        eprintln!("{} has no column {column:?} to mask; it has: {}", arguments.table, has.join(", "));
        return Exit::Usage;
    }
    if found.sample.rows.is_empty() {
        eprintln!("{} has no rows", arguments.table);
        return Exit::Failed;
    }
    written(arguments, &found, &place)
}

fn written(arguments: &Record, found: &Found, place: &std::path::Path) -> Exit {
    let recording = Recording {
        table: &arguments.table,
        kind: found.kind,
        sample: &found.sample,
        masked: &arguments.mask,
        about: &format!("rows of {}", arguments.table),
        operation: "read",
    };
    let (document, left_out) = recording.document();
    let made = std::fs::create_dir_all(place.parent().unwrap_or(place));
    if let Err(error) = made.and_then(|()| put(place, document.to_string().as_bytes())) {
        eprintln!("{} can not be written: {error}", place.display());
        return Exit::Failed;
    }
    println!("{}: {} rows", place.display(), found.sample.rows.len());
    if !left_out.is_empty() {
        println!("left out, because a case can not hold them: {}", left_out.into_iter().collect::<Vec<_>>().join(", "));
    }
    println!("nothing is expected of them yet; `sluicegate test --bless` writes down what comes");
    Exit::Done
}
