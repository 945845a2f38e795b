//! A TABLE_MAP becomes a table that the decoder can use: a `Schema` for those behind us, a plan per column for us.

use super::bytes::Cut;
use super::declared::is_as_logged;
use super::plan::{Plan, column_of, column_of_catalog, plan_of};
use super::refusal::DecodeError;
use super::rules::{CatalogColumn, CatalogTable, Rules};
use super::table_map::{MappedColumn, TableMap, table_id};
use crate::change::{Column, DatabaseKind, Schema, SchemaId};
use std::collections::HashMap;
use std::sync::Arc;

/// Tables that are remembered; a server with more makes us ask its catalog again.
const TABLES_MAX: usize = 8192;

/// A table as the rows behind it are written.
pub(super) struct Table {
    /// `database.table`.
    pub(super) name: String,
    /// `None` for a table that nobody asked for.
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) plans: Vec<Plan>,
    /// How many of the plans are of JSON columns.
    pub(super) json_len: usize,
    /// Whether every column is asked for: a statement that names this table tells nothing that is left out.
    pub(super) is_whole: bool,
}

/// Tables by their number in the log, and every schema that was ever announced.
pub(super) struct Tables {
    kind: DatabaseKind,
    by_id: HashMap<u64, (Arc<[u8]>, Arc<Table>)>,
    /// A number is given to a table again and again, and to another one when it is free; what a table is, its bytes say.
    by_content: HashMap<Arc<[u8]>, Arc<Table>>,
    /// The newest version by full name.
    newest: HashMap<String, Arc<Schema>>,
    /// What the catalog said when a table's last definition was read, by its name in small letters: closer to what its rows were
    /// written under than what the catalog says when they are read.
    defined: HashMap<String, Defined>,
    last_id: u32,
}

struct Defined {
    name: String,
    table: CatalogTable,
}

impl Tables {
    pub(super) fn new(kind: DatabaseKind) -> Self {
        Self {
            kind,
            by_id: HashMap::new(),
            by_content: HashMap::new(),
            newest: HashMap::new(),
            defined: HashMap::new(),
            last_id: 0,
        }
    }

    #[inline]
    pub(super) fn get(&self, id: u64) -> Option<&Arc<Table>> {
        self.by_id.get(&id).map(|(_, table)| table)
    }

    /// The definition of some table changed: what the catalog says may have changed although the log looks the same.
    pub(super) fn forget(&mut self) {
        self.by_id.clear();
        self.by_content.clear();
    }

    /// Anything may have happened to any table.
    pub(super) fn forget_definitions(&mut self) {
        self.forget();
        self.defined.clear();
    }

    /// The table was defined anew, or is gone. A server may not tell capital letters in names from small ones.
    pub(super) fn forget_definition(&mut self, name: &str) {
        self.defined.remove(&name.to_lowercase());
    }

    /// What the catalog says of a table, right behind its definition.
    pub(super) fn define(&mut self, name: String, table: CatalogTable) {
        if self.defined.len() >= TABLES_MAX {
            self.defined.clear();
        }
        self.defined.insert(name.to_lowercase(), Defined { name, table });
    }

    fn catalog(
        &self,
        rules: &mut Rules,
        name: &str,
        [database, table]: [&str; 2],
    ) -> Result<CatalogTable, DecodeError> {
        match self.defined.get(&name.to_lowercase()).filter(|defined| defined.name == name) {
            Some(defined) => Ok(defined.table.clone()),
            None => ask(rules, database, table),
        }
    }

    /// Takes the body of a TABLE_MAP. Says whether the table is asked for with all its columns.
    pub(super) fn announce(&mut self, body: &[u8], rules: &mut Rules) -> Result<bool, DecodeError> {
        let (id, content) = table_id(body).map_err(|Cut| DecodeError::unreadable())?;
        if let Some((known, table)) = self.by_id.get(&id)
            && **known == *content
        {
            return Ok(table.is_whole);
        }
        if self.by_id.len() >= TABLES_MAX || self.by_content.len() >= TABLES_MAX {
            self.forget();
        }
        let (content, table) = match self.by_content.get_key_value(content) {
            Some((content, table)) => (content.clone(), table.clone()),
            None => {
                let content: Arc<[u8]> = content.into();
                let map = TableMap::parse(&content, self.kind).map_err(|Cut| DecodeError::unreadable())?;
                let table = Arc::new(self.build(map, rules)?);
                self.by_content.insert(content.clone(), table.clone());
                (content, table)
            }
        };
        let is_whole = table.is_whole;
        self.by_id.insert(id, (content, table));
        Ok(is_whole)
    }

    fn build(&mut self, map: TableMap, rules: &mut Rules) -> Result<Table, DecodeError> {
        let name = format!("{}.{}", map.database, map.table);
        let json_len = map.columns.iter().filter(|c| c.is_json()).count();
        if !(rules.tables)(&name) {
            let plans = map.columns.iter().map(Plan::left_out).collect();
            return Ok(Table { name, schema: None, plans, json_len, is_whole: false });
        }
        let catalog = self.catalog(rules, &name, [&map.database, &map.table])?;
        if !map.is_named && catalog.columns.len() != map.columns.len() {
            return Err(unnamed(&name, map.columns.len(), catalog.columns.len()));
        }
        let mut plans = Vec::with_capacity(map.columns.len());
        let mut columns = Vec::new();
        for (index, mapped) in map.columns.iter().enumerate() {
            let known = match &mapped.name {
                Some(mapped) => catalog.columns.iter().find(|known| known.name == *mapped),
                None => catalog.columns.get(index),
            };
            let column_name = column_name(mapped, known.map(|known| known.name.as_str()), index);
            // Altered since: the log knows better what it was, and nobody knows its default any more.
            let known = known.filter(|known| mapped.name.is_none() || is_as_logged(mapped, known));
            let is_key = if map.is_named { mapped.is_key } else { known.is_some_and(|known| known.primary_key) };
            let taken = (rules.columns)(&map.database, &map.table, &column_name).of(is_key);
            let plan = plan_of(mapped, known, taken.is_some()).map_err(|why| refused(&name, &column_name, &why))?;
            if let (Some(kind), Some(key_only)) = (plan.kind, taken) {
                let mut column = column_of(column_name, mapped, known, kind, &plan.labels, is_key);
                column.detail.key_only = key_only;
                columns.push(column);
            }
            plans.push(plan);
        }
        let is_whole = columns.len() == plans.len();
        let schema = self.version(rules, map.database, map.table, columns);
        Ok(Table { name, schema: Some(schema), plans, json_len, is_whole })
    }

    /// The schema of a table that the log names without describing it: the newest that was seen, or what the catalog says.
    pub(super) fn schema_of(
        &mut self,
        rules: &mut Rules,
        database: &str,
        table: &str,
    ) -> Result<Option<Arc<Schema>>, DecodeError> {
        let name = format!("{database}.{table}");
        if !(rules.tables)(&name) {
            return Ok(None);
        }
        if let Some(schema) = self.newest.get(&name) {
            return Ok(Some(schema.clone()));
        }
        let catalog = ask(rules, database, table)?;
        let column = |known: &CatalogColumn| {
            let key_only = (rules.columns)(database, table, &known.name).of(known.primary_key)?;
            let mut column = column_of_catalog(known);
            column.detail.key_only = key_only;
            Some(column)
        };
        let columns = catalog.columns.iter().filter_map(column).collect();
        Ok(Some(self.version(rules, database.into(), table.into(), columns)))
    }

    /// The newest version if nothing changed, otherwise a new one with a fresh id.
    fn version(&mut self, rules: &Rules, namespace: String, table: String, columns: Vec<Column>) -> Arc<Schema> {
        let name = format!("{namespace}.{table}");
        if let Some(newest) = self.newest.get(&name).filter(|schema| schema.columns == columns) {
            return newest.clone();
        }
        self.last_id += 1;
        let schema = Arc::new(Schema {
            id: SchemaId(self.last_id),
            source: rules.source.to_string(),
            database: rules.database.clone(),
            namespace,
            table,
            columns,
        });
        self.newest.insert(name, schema.clone());
        schema
    }
}

pub(super) fn ask(rules: &mut Rules, database: &str, table: &str) -> Result<CatalogTable, DecodeError> {
    rules.catalog.table(database, table).map_err(DecodeError::passing)
}

fn column_name(mapped: &MappedColumn, known: Option<&str>, index: usize) -> String {
    mapped.name.clone().or_else(|| known.map(Into::into)).unwrap_or_else(|| format!("@{}", index + 1))
}

fn refused(table: &str, column: &str, why: &str) -> DecodeError {
    DecodeError::fatal(format!("column {column} of {table} {why}"))
}

fn unnamed(name: &str, logged: usize, known: usize) -> DecodeError {
    DecodeError::fatal(format!(
        "the log does not name the columns of {name}, and the table now has {known} of them where the log has {logged}, so it was \
         altered after the change was logged: run `SET GLOBAL binlog_row_metadata = FULL` so that this can not happen again, and \
         begin anew with a snapshot, or bring the table back to its {logged} columns until the log is read to its end"
    ))
}
