//! What tables and columns a database has, and which of them come with changes, for `check --connect`: names in templates and guests
//! are held against it.

use super::PostgresSettings;
use super::link::{Link, Purpose, QUERY_MAX};
use super::trouble::Trouble;
use crate::source::TableColumns;
use postgres_protocol::escape::escape_literal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Versions from which a publication may list columns, and from which it may have generated ones.
const LISTS_FROM: u32 = 150_000;
const GENERATED_FROM: u32 = 180_000;

const GENERATED: &str = "which PostgreSQL computes and does not send along (18 and up can: see docs/postgres.md); compute it there, or do without it";
const UNLISTED: &str = "which the publication's list of columns leaves out; add it there, or do without it";

/// Every table with its columns: whether each is generated and not published, and whether the publication's list leaves it out.
fn sql(version: u32, publication: &str) -> String {
    let list = if version >= LISTS_FROM { "r.prattrs::int2[]" } else { "NULL::int2[]" };
    let generated = match version >= GENERATED_FROM {
        true => "NOT COALESCE(r.prattrs IS NOT NULL OR p.pubgencols = 's' AND a.attgenerated = 's', false)",
        false => "true",
    };
    format!(
        "SELECT n.nspname || '.' || c.relname, a.attname, a.attgenerated <> '' AND {generated}, COALESCE(NOT a.attnum = ANY ({list}), false)
         FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_catalog.pg_publication p ON p.pubname = {}
         LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
         WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
         ORDER BY 1, a.attnum",
        escape_literal(publication)
    )
}

/// Asks the server for all tables that are not its own.
///
/// # Errors
/// A sentence, if the server can not be asked; [`super::check`] says more about why.
pub async fn columns(settings: &PostgresSettings) -> Result<TableColumns, String> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&settings).map_err(|trouble| settings.judge(trouble).message));
    asked.await.unwrap_or_else(|_| Err("the question itself failed; this is a mistake in sluicegate".to_owned()))
}

fn ask(settings: &PostgresSettings) -> Result<TableColumns, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, Purpose::Sql, &stop)?;
    let version = link.query("ask for the version", "SELECT current_setting('server_version_num')", Some(QUERY_MAX))?;
    let version = version.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or_default();
    let rows = link.query("ask for the columns", &sql(version, &settings.publication), Some(QUERY_MAX))?;
    link.close(false);
    let mut tables = TableColumns::new();
    for row in rows {
        let [Some(table), Some(column), generated, unlisted] = row.as_slice() else { continue };
        let columns = tables.entry(table.clone()).or_default();
        columns.names.push(column.clone());
        let yes = |text: &Option<String>| text.as_deref() == Some("t");
        let why = if yes(generated) { Some(GENERATED) } else { yes(unlisted).then_some(UNLISTED) };
        columns.unsent.extend(why.map(|why| (column.clone(), why)));
    }
    Ok(tables)
}
