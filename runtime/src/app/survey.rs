//! One look at one table of a source, and at the slots of its server.

use super::mapping;
use crate::config::{Plan, SourcePlan};
use crate::source::TableSample;

/// Names that a remedy lists at most.
const NAMES_MAX: usize = 20;

/// A table's columns and at most `rows_max` of its rows.
///
/// # Errors
/// If the database can not be asked, or has no such table: then with those that it has.
pub async fn survey(plan: &Plan, source: &SourcePlan, table: &str, rows_max: u32) -> Result<TableSample, String> {
    let reading = mapping::Reading::new(plan, source, None)?;
    if let Some(sample) = reading.sample(table, rows_max).await? {
        return Ok(sample);
    }
    let tables = reading.columns().await?;
    let guess = tables.keys().map(|name| (strsim::jaro_winkler(table, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    let guess = guess.filter(|(near, _)| *near > 0.8).map(|(_, name)| format!("did you mean {name:?}? "));
    let names: Vec<&str> = tables.keys().take(NAMES_MAX).map(String::as_str).collect();
    let has = if names.is_empty() { "no table that this user may see".to_owned() } else { names.join(", ") };
    Err(format!("there is no table {table:?}; {}the database has: {has}", guess.unwrap_or_default()))
}

/// The replication slots that the server of a source has already; none where there are no slots.
///
/// # Errors
/// If the database can not be asked.
pub async fn slots(plan: &Plan, source: &SourcePlan) -> Result<Vec<String>, String> {
    mapping::Reading::new(plan, source, None)?.slots().await
}
