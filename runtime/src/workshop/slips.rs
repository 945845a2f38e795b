//! Names that somebody who wrote a case most likely misspelt: the pipeline itself can only say that it does not know them.

use super::trial::{counted, cut};
use crate::config::{CaseChange, CasePlan, Judged, PipelinePlan, nearest};
use crate::workshop::case::Found;

/// Of a table that the pipeline does not take, though the case expects something of it.
pub(super) fn of_table(change: &CaseChange, found: &Found, pipeline: &PipelinePlan) -> Option<String> {
    let is_seen = |source: &String| pipeline.tables.matches(source, &change.table);
    if found.verdict != Judged::Unseen || pipeline.sources.iter().any(is_seen) {
        return None;
    }
    let taken = tables(pipeline);
    let guess = nearest(&change.table, taken.iter().map(String::as_str));
    let guess = guess.map(|name| format!("did you mean {name:?}? ")).unwrap_or_default();
    Some(format!("the pipeline does not take {}; {guess}it takes: {}", cut(&change.table), taken.join(", ")))
}

/// The tables of a pipeline as they are written in its file.
pub fn tables(pipeline: &PipelinePlan) -> Vec<String> {
    let globs = pipeline.sources.iter().filter_map(|source| pipeline.tables.of(source));
    let mut all: Vec<String> = globs.flat_map(|globs| globs.patterns().iter().cloned()).collect();
    all.dedup();
    all
}

/// Of columns that a guest asks for in vain, while the case has others that look like them. `said` is the guest's complaint.
pub(super) fn of_columns(case: &CasePlan, said: &str) -> String {
    let asked = said.split_once("it asks for ").and_then(|(_, rest)| rest.split_once(", which has: "));
    let Some((columns, table)) = asked.and_then(|(asked, _)| asked.rsplit_once(" of ")) else { return String::new() };
    let columns: Vec<&str> = columns.split(", ").collect();
    let mut told: Vec<(&str, usize, String)> = Vec::new();
    for change in case.changes.iter().filter(|change| change.table == table) {
        for (name, _) in change.row.iter().chain(change.old.iter().flatten()) {
            let Some(meant) = nearest(name, columns.iter().copied()).filter(|meant| meant != name) else { continue };
            match told.iter_mut().find(|(other, ..)| other == name) {
                Some((_, more, _)) => *more += 1,
                None => {
                    let place = format!("{}:{}", case.path.display(), change.place.line);
                    told.push((name, 0, format!("  {place}  column {name:?}: did you mean {meant:?}?")));
                }
            }
        }
    }
    let line = |(_, more, text): (&str, usize, String)| match more {
        0 => format!("{text}\n"),
        more => format!("{text} And in {} more\n", counted(more, "row")),
    };
    told.into_iter().map(line).collect()
}
