//! `sluicegate new`: a guest and a pipeline that work, for a table of yours.

use super::Exit;
use crate::change::DatabaseKind;
use crate::cli::out::{errln, outln};
use crate::workshop::new::{
    Order, PORT, ROWS, Settings, SourceAt, in_the_way, made_up_row, nothing_shown, write, wrong_name,
};
use crate::workshop::{self, table};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct New {
    /// The guest's and the pipeline's name: small letters, digits, - and _.
    name: String,
    /// The database: an address such as postgres://user:password@host/database, or the name of a source in sluicegate.toml.
    #[arg(long, requires = "table", value_name = "URL")]
    source: Option<String>,
    /// The table: schema.table, of MySQL database.table.
    #[arg(long, requires = "source")]
    table: Option<String>,
    /// Do not write values of this column into the first case; may be given again.
    #[arg(long, value_name = "COLUMN")]
    mask: Vec<String>,
    /// Where `guests` and `pipelines` lie, or are made, if not here.
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

pub(super) fn run(arguments: &New) -> Exit {
    let New { name, .. } = arguments;
    let root = &arguments.root();
    if let Some(rule) = wrong_name(name) {
        errln!("{name:?} can not be a guest's name: {rule}");
        return Exit::Usage;
    }
    if let Some(folder) = in_the_way(root, name) {
        errln!("{} is there already; choose another name, or remove it", folder.display());
        return Exit::Usage;
    }
    let (table, mut sample, settings) = match found(arguments) {
        Ok(found) => found,
        Err(reason) => {
            errln!("{reason}");
            return Exit::Failed;
        }
    };
    if let Some(column) = arguments.mask.iter().find(|name| !sample.columns.iter().any(|c| c.name == **name)) {
        let has: Vec<&str> = sample.columns.iter().map(|column| column.name.as_str()).collect();
        errln!("{table} has no column {column:?} to mask; it has: {}", has.join(", "));
        return Exit::Usage;
    }
    let (kind, is_empty) = (settings.kind, sample.rows.is_empty());
    if is_empty {
        sample.rows.push(made_up_row(&sample, kind));
    }
    let order = Order {
        name,
        root,
        table: &table,
        kind,
        sample: &sample,
        is_made_up: is_empty || arguments.source.is_none(),
        masked: &arguments.mask,
        settings: settings.clone(),
    };
    match write(&order) {
        Ok(written) => {
            written.files.iter().for_each(|file| outln!("wrote {}", file.display()));
            if !written.left_out.is_empty() {
                outln!("left out of the first case, because a case can not hold them: {}", written.left_out);
            }
            if is_empty {
                outln!("{table} has no rows, so that of the first case is made up");
            } else if arguments.source.is_some() {
                outln!("the first case holds rows of your table: look at it before you share the folder");
            }
            if !sample.unsent.is_empty() {
                outln!("left out, because PostgreSQL does not send generated columns: {}", sample.unsent.join(", "));
            }
            if let Some(slot) = &settings.slot {
                outln!(
                    "the server has a slot sluicegate_{source} already, perhaps another folder's: this one reads {slot}. If nobody needs the old \
                     one, remove it: SELECT pg_drop_replication_slot('sluicegate_{source}');",
                    source = settings.source
                );
            }
            next(arguments, &settings);
            Exit::Done
        }
        Err(error) => {
            errln!("{}: {error}", root.join("guests").display());
            Exit::Failed
        }
    }
}

impl New {
    fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_default()
    }
}

type Look = (String, crate::source::TableSample, Settings);

fn found(arguments: &New) -> Result<Look, String> {
    let dir = arguments.root().join("pipelines");
    let known = workshop::plan(&dir).map(|plan| plan.sources).unwrap_or_default();
    if let (Some(source), Some(table)) = (&arguments.source, &arguments.table) {
        let found = super::block_on(table::look(&dir, source, table, ROWS))?;
        let at = |name| (name, SourceAt::Known);
        let (source, at) = found.known.map_or_else(|| fresh(&dir, &arguments.name), at);
        let slot = free_slot(&source, &arguments.name, &found.slots);
        return Ok((table.clone(), found.sample, Settings { source, at, kind: found.kind, slot }));
    }
    let first = known.first();
    let kind = first.map_or(DatabaseKind::Postgres, table::kind);
    let (source, at) =
        first.map_or_else(|| fresh(&dir, &arguments.name), |first| (first.name.clone(), SourceAt::Known));
    let (table, sample) = nothing_shown(kind);
    Ok((table.to_owned(), sample, Settings { source, at, kind, slot: None }))
}

/// A name for a source that the folder does not have yet.
fn fresh(dir: &Path, name: &str) -> (String, SourceAt) {
    let is_first = !dir.join("sluicegate.toml").exists();
    let source = if is_first { "db".to_owned() } else { name.replace('-', "_") };
    let variable = format!("{}_URL", source.to_uppercase());
    (source, SourceAt::Variable(variable))
}

/// Another name for the slot, if the one that is named after the source is on the server already: two programs can not read one.
fn free_slot(source: &str, name: &str, taken: &[String]) -> Option<String> {
    /// PostgreSQL's names have 63 bytes; a number and the second publication's ending need some of them.
    const SLOT_LEN_MAX: usize = 48;
    let usual = format!("sluicegate_{source}");
    let is_taken = |slot: &String| taken.contains(slot);
    if !is_taken(&usual) {
        return None;
    }
    let mut other = format!("{usual}_{}", name.replace('-', "_"));
    other.truncate(SLOT_LEN_MAX);
    let numbered = (2..).map(|number| format!("{other}_{number}"));
    std::iter::once(other.clone()).chain(numbered).find(|slot| !is_taken(slot))
}

fn next(arguments: &New, settings: &Settings) {
    let below = |path: &str| arguments.root().join(path);
    let guest = below(&format!("guests/{}/Cargo.toml", arguments.name));
    let pipelines = below("pipelines");
    // The usual folder needs no saying.
    let dir = if pipelines == Path::new("pipelines") { String::new() } else { format!(" {}", pipelines.display()) };
    outln!("\nnext:");
    outln!("  cargo test --manifest-path {}      the guest by itself", guest.display());
    outln!("  sluicegate build{dir} && sluicegate test{dir}");
    outln!("  sluicegate listen 127.0.0.1:{PORT}               in a terminal of its own: shows what is delivered");
    let variable = settings.variable().map(|name| format!("{name}=... ")).unwrap_or_default();
    outln!("  {variable}sluicegate run{dir}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_that_is_there_is_not_taken() {
        let taken = ["sluicegate_db".to_owned(), "sluicegate_db_my_orders".to_owned()];
        assert_eq!(free_slot("db", "orders", &[]), None);
        assert_eq!(free_slot("db", "orders", &taken).as_deref(), Some("sluicegate_db_orders"));
        assert_eq!(free_slot("db", "my-orders", &taken).as_deref(), Some("sluicegate_db_my_orders_2"));
    }
}
