//! `sluicegate record`: rows of a table, or of a pipeline that runs, become a case.

use super::Exit;
use super::caller::Caller;
use crate::admin::{RECORD_SECONDS_MAX, RecordAsked};
use crate::change::DatabaseKind;
use crate::cli::out::{errln, outln};
use crate::config::{PipelinePlan, Plan};
use crate::telemetry::RecordedRow;
use crate::workshop::build::put;
use crate::workshop::case::{LeftOut, Recording, RunningRecord};
use crate::workshop::{self, slips, table};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml_edit::DocumentMut;

#[derive(clap::Args, Clone)]
pub struct Record {
    /// The pipeline that gets the case.
    pipeline: String,
    /// The database: an address, or the name of a source in sluicegate.toml.
    ///
    /// The pipeline's own, if it has only one.
    #[arg(long, value_name = "URL", conflicts_with = "running")]
    source: Option<String>,
    /// The table: schema.table, of MySQL database.table. With --running, only its rows.
    ///
    /// The pipeline's own, if it names only one.
    #[arg(long)]
    table: Option<String>,
    /// The next rows that the running sluicegate gives to the pipeline, whatever happened to them, as they were captured.
    #[arg(long)]
    running: bool,
    /// How many rows; with --running at most 1,000.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,
    /// With --running: write those that came within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=RECORD_SECONDS_MAX))]
    wait: u64,
    /// Do not write values of this column; may be given again. They do not leave the database, or the program that runs.
    #[arg(long, value_name = "COLUMN")]
    mask: Vec<String>,
    /// The name of the case; the table's, or "running", unless set.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// The pipelines folder.
    #[arg(long, default_value = "pipelines")]
    dir: PathBuf,
}

/// A case, and what is said of it.
struct Made {
    document: DocumentMut,
    rows: usize,
    left_out: LeftOut,
}

/// Why nothing was made.
type Refused = (Exit, String);

pub(super) fn run(arguments: &Record) -> Exit {
    let mut arguments = arguments.clone();
    let folder = arguments.dir.join(&arguments.pipeline);
    if !folder.join("pipeline.toml").is_file() {
        errln!("{} is no pipeline: it has no pipeline.toml", folder.display());
        return Exit::Usage;
    }
    let pipeline = workshop::plan(&arguments.dir).ok().and_then(|plan| {
        let mut pipelines = plan.pipelines.into_iter();
        pipelines.find(|pipeline| pipeline.name == arguments.pipeline)
    });
    if !arguments.running
        && let Err(reason) = fill_in(&mut arguments, pipeline.as_ref())
    {
        errln!("{reason}");
        return Exit::Usage;
    }
    let usual = arguments.table.as_ref().map_or_else(|| "running".to_owned(), |table| table.replace(['.', '/'], "-"));
    let name = arguments.case.clone().unwrap_or(usual);
    if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
        errln!("{name:?} can not be the name of a case");
        return Exit::Usage;
    }
    let place = folder.join("cases").join(format!("{name}.toml"));
    if place.exists() {
        errln!("{} is there already; name another case: --case NAME", place.display());
        return Exit::Usage;
    }
    let made = if arguments.running { running(&arguments) } else { sampled(&arguments) };
    match made.and_then(|made| write(&made, &place)) {
        Ok(()) => {
            pipeline.iter().for_each(|pipeline| tell_if_not_taken(&arguments, pipeline));
            Exit::Done
        }
        Err((exit, reason)) => {
            errln!("{reason}");
            exit
        }
    }
}

/// What needs no saying, because the pipeline has one of it.
fn fill_in(arguments: &mut Record, pipeline: Option<&PipelinePlan>) -> Result<(), String> {
    let sources = pipeline.map(|pipeline| pipeline.sources.as_slice()).unwrap_or_default();
    let tables = pipeline.map(slips::tables).unwrap_or_default();
    let are_names =
        pipeline.is_some_and(|p| sources.iter().filter_map(|s| p.tables.of(s)).all(|t| t.literals().is_some()));
    arguments.source = arguments.source.take().or_else(|| match sources {
        [only] => Some(only.clone()),
        _ => None,
    });
    arguments.table = arguments.table.take().or_else(|| match tables.as_slice() {
        [only] if are_names => Some(only.clone()),
        _ => None,
    });
    let lacks = |what: &str, has: &[String]| {
        let has = if has.is_empty() { "none that can be read".to_owned() } else { has.join(", ") };
        Err(format!("which {what}? say --{what}; the pipeline has: {has}"))
    };
    match (&arguments.source, &arguments.table) {
        (None, _) => lacks("source", sources),
        (_, None) => lacks("table", &tables),
        _ => Ok(()),
    }
}

/// A case of such a table is good for nothing but `unseen`.
fn tell_if_not_taken(arguments: &Record, pipeline: &PipelinePlan) {
    let Some(table) = &arguments.table else { return };
    if !pipeline.sources.iter().any(|source| pipeline.tables.matches(source, table)) {
        let tables = slips::tables(pipeline).join(", ");
        outln!("but {} does not take {table}, so all of them are unseen; it takes: {tables}", pipeline.name);
    }
}

/// Rows that lie in a table.
fn sampled(arguments: &Record) -> Result<Made, Refused> {
    // Both were filled in.
    let (source, table) =
        (arguments.source.as_deref().unwrap_or_default(), arguments.table.as_deref().unwrap_or_default());
    let looked = table::look(&arguments.dir, source, table, arguments.rows);
    let found = super::block_on(looked).map_err(|reason| (Exit::Failed, reason))?;
    let columns: Vec<&str> = found.sample.columns.iter().map(|column| column.name.as_str()).collect();
    known(&arguments.mask, &columns, table)?;
    if found.sample.rows.is_empty() {
        return Err((Exit::Failed, format!("{table} has no rows")));
    }
    let recording = Recording {
        table,
        kind: found.kind,
        sample: &found.sample,
        masked: &arguments.mask,
        about: &format!("rows of {table}"),
        operation: "read",
    };
    let (document, left_out) = recording.document();
    Ok(Made { document, rows: found.sample.rows.len(), left_out })
}

/// A mask that hides nothing would be found when it is too late.
fn known(masked: &[String], columns: &[&str], table: &str) -> Result<(), Refused> {
    match masked.iter().find(|name| !columns.contains(&name.as_str())) {
        None => Ok(()),
        Some(column) => {
            let reason = format!("{table} has no column {column:?} to mask; it has: {}", columns.join(", "));
            Err((Exit::Usage, reason))
        }
    }
}

/// Rows that pass by.
fn running(arguments: &Record) -> Result<Made, Refused> {
    let plan = crate::app::read(&arguments.dir).map_err(|mistakes| (Exit::Usage, mistakes.to_string()))?;
    let rows = super::block_on(asked(&plan, arguments))?;
    if rows.is_empty() {
        let what = arguments.table.as_deref().unwrap_or("any table");
        return Err((Exit::Failed, format!("no row of {what} came within {} s", arguments.wait)));
    }
    let kind_of = |name: &str| {
        let source = plan.sources.iter().find(|source| source.name == name);
        source.map_or(DatabaseKind::Postgres, table::kind)
    };
    let pipeline = plan.pipelines.iter().find(|pipeline| pipeline.name == arguments.pipeline);
    let recording = RunningRecord {
        about: &format!("rows of {} while it ran", arguments.pipeline),
        rows: &rows,
        kind_of: &kind_of,
        says_source: pipeline.is_some_and(|pipeline| pipeline.sources.len() > 1),
    };
    let (document, left_out) = recording.document();
    if rows.len() < arguments.rows as usize {
        outln!("{} of {} rows came within {} s", rows.len(), arguments.rows, arguments.wait);
    }
    Ok(Made { document, rows: rows.len(), left_out })
}

/// The question to the program that runs the folder.
async fn asked(plan: &Plan, arguments: &Record) -> Result<Vec<RecordedRow>, Refused> {
    let failed = |reason| (Exit::Failed, reason);
    // It answers when there are enough rows, or when the time is over.
    let caller = Caller::new(plan, Duration::from_secs(arguments.wait) + super::status::ANSWER_MAX);
    let caller = caller.map_err(|silence| failed(silence.reason))?;
    let asked = RecordAsked {
        pipeline: arguments.pipeline.clone(),
        rows: arguments.rows as usize,
        seconds: arguments.wait,
        table: arguments.table.clone(),
        mask: arguments.mask.clone(),
    };
    let body = serde_json::to_string(&asked).map_err(|e| failed(e.to_string()))?;
    errln!("waiting for rows of {}, {} s at the most ...", arguments.pipeline, arguments.wait);
    let answer = caller.post("/record", body).await.map_err(|silence| {
        let url = caller.url("");
        let dir = arguments.dir.display();
        failed(format!("{url} does not answer: {}; is `sluicegate run {dir}` running?", silence.reason))
    })?;
    match answer.status {
        200 => serde_json::from_str(&answer.text)
            .map_err(|e| failed(format!("{} answers something else: {e}", caller.url("/record")))),
        // What was asked for is wrong.
        400 => Err((Exit::Usage, answer.text.trim_end().to_owned())),
        status => Err(failed(format!("{} says {status}: {}", caller.url("/record"), answer.text.trim_end()))),
    }
}

fn write(made: &Made, place: &Path) -> Result<(), Refused> {
    let written = std::fs::create_dir_all(place.parent().unwrap_or(place));
    let written = written.and_then(|()| put(place, made.document.to_string().as_bytes()));
    written.map_err(|error| (Exit::Failed, format!("{} can not be written: {error}", place.display())))?;
    outln!("{}: {} row{}", place.display(), made.rows, if made.rows == 1 { "" } else { "s" });
    if !made.left_out.is_empty() {
        outln!("left out, because a case can not hold them, and null in it: {}", made.left_out);
    }
    outln!("nothing is expected of them yet; `sluicegate test --bless` writes down what comes");
    Ok(())
}
