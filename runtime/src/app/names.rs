//! Names in the configuration and in guests, held against the tables and columns that a database really has.

use crate::config::{Globs, PipelinePlan};
use crate::fault::Finding;
use crate::guest::Description;
use crate::source::{Columns, TableColumns};
use globset::Glob;

/// Names that are further from the wrong one than this are no suggestion.
const SIMILAR_MIN: f64 = 0.8;

/// What is said of a column that is there and is not captured.
const LEFT_OUT: &str = "which the pipeline's `columns` leaves out; take it in there, or do without it here";

/// Every name of a pipeline that leads nowhere in this source's database.
pub fn unknown(pipeline: &PipelinePlan, source: &str, guests: &[Description], tables: &TableColumns) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong =
        |text: String| findings.push(Finding { ok: false, text: format!("pipeline {}: {text}", pipeline.name) });
    let patterns = pipeline.tables.of(source).map(|globs| globs.patterns().to_vec()).unwrap_or_default();
    for pattern in patterns {
        let Ok(globs) = Globs::new(vec![pattern.clone()]) else { continue };
        if !tables.keys().any(|table| globs.matches(table)) {
            let hint = similar(&pattern, tables.keys().map(String::as_str));
            wrong(format!("no table of source {source} matches {pattern:?}{hint}"));
        }
    }
    let captured: Vec<(&String, &Columns)> =
        tables.iter().filter(|(table, _)| pipeline.tables.matches(source, table)).collect();
    for route in &pipeline.routes {
        for column in route.templates().flat_map(|t| t.columns()).chain(route.body.columns()) {
            for (table, columns) in &captured {
                let takes = route.tables.as_ref().is_none_or(|globs| globs.matches(table));
                // A guest may add the column; without one nobody can.
                if !takes || !guests.is_empty() {
                    continue;
                }
                if !columns.names.iter().any(|c| c == column) {
                    let hint = similar(column, columns.names.iter().map(String::as_str));
                    wrong(format!(
                        "route {:?} asks for column {column:?}, which {table} does not have{hint}",
                        route.name
                    ));
                } else if leaves_out(pipeline, table, column) {
                    wrong(format!("route {:?} asks for column {column:?} of {table}, {LEFT_OUT}", route.name));
                } else if let Some(why) = columns.unsent.get(column) {
                    wrong(format!("route {:?} asks for column {column:?} of {table}, {why}", route.name));
                }
            }
        }
    }
    for guest in guests {
        for subscription in &guest.subscriptions {
            let Ok(glob) = Glob::new(&subscription.table).map(|g| g.compile_matcher()) else { continue };
            let of: Vec<_> = captured.iter().filter(|(table, _)| glob.is_match(table)).collect();
            if of.is_empty() {
                wrong(format!(
                    "guest {} wants {:?}, and no table of this pipeline is called so",
                    guest.name, subscription.table
                ));
            }
            for (table, columns) in of {
                for column in &subscription.columns {
                    let why = match columns.unsent.get(column) {
                        _ if leaves_out(pipeline, table, column) => Some(LEFT_OUT),
                        why => why.copied(),
                    };
                    if !columns.names.contains(column) {
                        let hint = similar(column, columns.names.iter().map(String::as_str));
                        wrong(format!(
                            "guest {} wants column {column:?}, which {table} does not have{hint}",
                            guest.name
                        ));
                    } else if let Some(why) = why {
                        wrong(format!("guest {} wants column {column:?} of {table}, {why}", guest.name));
                    }
                }
            }
        }
    }
    findings
}

/// Whether a column that the table may have is not captured for this pipeline.
fn leaves_out(pipeline: &PipelinePlan, table: &str, column: &str) -> bool {
    table.split_once('.').is_some_and(|(schema, name)| !pipeline.columns.captures(schema, name, column))
}

fn similar<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> String {
    let rated = others.map(|other| (strsim::jaro_winkler(name, other), other));
    match rated.filter(|(rate, _)| *rate >= SIMILAR_MIN).max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, other)) => format!("; did you mean {other:?}?"),
        None => String::new(),
    }
}
