//! What is told of a statement that changes definitions.
//!
//! ```text
//!   QUERY ─▶ definition (which tables it names) ─▶ catalog (what they are now) ─▶ SchemaChange, one for each
//!                                                     └──▶ tables: for the rows behind it
//! ```
//!
//! The catalog is asked at once, when the statement is read. Whoever altered the table again before that is seen too early.

use super::definition::{Definition, TableName, TableStatement};
use super::event::Query;
use super::plan::column_of_catalog;
use super::refusal::DecodeError;
use super::rules::{CatalogColumn, CatalogOptions, CatalogTable, Rules};
use super::tables::{Tables, ask};
use super::value::{Charset, charset_of};
use crate::change::{
    BinlogEvent, DefinedColumn, SchemaChange, SchemaChangeAbout, TableChange, TableChangeKind, TableDefinition,
};

/// How often a table is looked at that is not seen whole.
const LOOKS_MAX: u32 = 3;

/// The changes that somebody asks for. What the log says of tables is read anew from here on.
///
/// # Errors
/// If the catalog can not be asked now.
pub(super) fn changes(
    sql: &[u8],
    query: &Query<'_>,
    event: BinlogEvent,
    rules: &mut Rules,
    tables: &mut Tables,
) -> Result<Vec<SchemaChange>, DecodeError> {
    tables.forget();
    let current = String::from_utf8_lossy(query.database);
    let whole = |about, database, statement| {
        vec![SchemaChange { database, about, statement, change: None, event: event.clone() }]
    };
    let sql = text(sql, query.collation);
    // Rows do not depend on how well a statement is read: what may be a name, or another name, makes the catalog be asked again.
    if sql.contains(char::REPLACEMENT_CHARACTER) || sql.to_ascii_lowercase().contains("rename") {
        tables.forget_definitions();
    }
    let all = match Definition::read(&sql, &current) {
        Definition::Other => return Ok(Vec::new()),
        Definition::Tables(parts) => of_tables(parts, &event, rules, tables)?,
        Definition::Database { name, statement } => {
            tables.forget_definitions();
            whole(SchemaChangeAbout::Database, name, statement)
        }
        Definition::Untold { database, statement } => {
            tables.forget_definitions();
            whole(SchemaChangeAbout::Untold, database, statement)
        }
    };
    let Some(rule) = &rules.notices.schema_changes else { return Ok(Vec::new()) };
    Ok(all.into_iter().filter(|change| change.may_be_about(|name| rule(name))).collect())
}

/// In the character set of whoever wrote it.
fn text(sql: &[u8], collation: Option<u16>) -> String {
    let charset = collation.and_then(|number| charset_of(number.into())).map(Charset::by_name);
    let mut out = Vec::with_capacity(sql.len());
    match charset.filter(|charset| charset.decode(&mut out, sql)).and_then(|_| String::from_utf8(out).ok()) {
        Some(text) => text,
        None => String::from_utf8_lossy(sql).into_owned(),
    }
}

fn of_tables(
    parts: Vec<TableStatement>,
    event: &BinlogEvent,
    rules: &mut Rules,
    tables: &mut Tables,
) -> Result<Vec<SchemaChange>, DecodeError> {
    for name in parts.iter().flat_map(|part| part.formerly.iter().chain([&part.table])) {
        tables.forget_definition(&name.full());
    }
    let names: Vec<TableName> = parts.iter().map(|part| part.table.clone()).collect();
    let mut changes = Vec::with_capacity(parts.len());
    for TableStatement { kind, table, formerly, statement } in parts {
        let own: Vec<String> = [Some(&table), formerly.as_ref()].into_iter().flatten().map(TableName::full).collect();
        let is_told = rules.notices.schema_changes.as_ref().is_some_and(|rule| own.iter().any(|name| rule(name)));
        let is_captured = (rules.tables)(&table.full());
        let mut definition = None;
        if kind != TableChangeKind::Drop && (is_told || is_captured) {
            let (known, options) = look(rules, &table)?;
            definition =
                options.filter(|_| is_told && !known.columns.is_empty()).map(|options| defined(&known, options));
            // Of a table that is not there, its rows ask again.
            if is_captured && !known.columns.is_empty() {
                tables.define(table.full(), known);
            }
        }
        let TableName { database, table } = table;
        let names = names.iter().filter(|name| name.database == database).map(|name| name.table.clone()).collect();
        let change = (kind == TableChangeKind::Drop || definition.is_some()).then(|| TableChange {
            kind,
            database: database.clone(),
            table,
            definition,
        });
        let about = SchemaChangeAbout::Tables { names, own };
        changes.push(SchemaChange { database, about, statement, change, event: event.clone() });
    }
    Ok(changes)
}

/// A table that is altered again meanwhile may be seen in part, so that it is looked at again. What is said of it beside its columns only
/// schema changes tell.
fn look(rules: &mut Rules, name: &TableName) -> Result<(CatalogTable, Option<CatalogOptions>), DecodeError> {
    let mut looks = 1;
    loop {
        let is_there = rules.catalog.await_definition(&name.database, &name.table).map_err(DecodeError::passing)?;
        let known = ask(rules, &name.database, &name.table)?;
        let options = match &rules.notices.schema_changes {
            Some(_) => rules.catalog.options(&name.database, &name.table).map_err(DecodeError::passing)?,
            None => None,
        };
        let has_options = options.as_ref().is_some_and(|options| !options.charset.is_empty());
        let has_key = known.columns.iter().all(|column| !column.primary_key || column.key_position > 0);
        let is_whole = !known.columns.is_empty() && has_key && (has_options || rules.notices.schema_changes.is_none());
        if is_whole || !is_there || looks == LOOKS_MAX {
            return Ok((known, options));
        }
        looks += 1;
    }
}

fn defined(known: &CatalogTable, options: CatalogOptions) -> TableDefinition {
    let column = |known: &CatalogColumn| DefinedColumn {
        column: column_of_catalog(known),
        is_auto_increment: known.extra.contains("auto_increment"),
        is_update_time: known.extra.contains("on update"),
    };
    let columns = known.columns.iter().map(column).collect();
    TableDefinition { charset: options.charset, comment: options.comment, columns }
}
