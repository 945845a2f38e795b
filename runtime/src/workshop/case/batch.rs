//! The changes of a case, as a source would have captured them.

use super::value::{ColumnType, micros_since_2000, push};
use crate::change::{Batch, Column, Database, DatabaseKind, FrameBuf, Op, RawCell, RowHead, RowMark, Schema, SchemaId};
use crate::config::{CaseChange, CasePlan, CaseTable, CaseValue, Mistake, PipelinePlan, Plan, SourceKind};
use std::sync::Arc;
use std::time::Instant;

/// Commit time of a case's first change unless it says another: 2026-01-01T00:00:00Z.
const FIRST_COMMIT_US: i64 = 820_454_400_000_000;
const SECOND_US: i64 = 1_000_000;
/// Columns of one table, far above what databases allow.
const COLUMNS_MAX: usize = 4096;

/// Batches of consecutive changes, each of one source. The mark of a row says the index of its change.
///
/// # Errors
/// What the case says that can not be.
pub(super) fn batches(case: &CasePlan, plan: &Plan, pipeline: &PipelinePlan) -> Result<Vec<Batch>, Box<Mistake>> {
    let mut tables = Tables { case, plan, all: Vec::new() };
    let mut batches: Vec<Batch> = Vec::new();
    let mut committed_at = FIRST_COMMIT_US - SECOND_US;
    for (index, change) in case.changes.iter().enumerate() {
        let source = source_of(case, change, pipeline)?;
        let at = tables.index_of(&source, change)?;
        committed_at = match &change.committed {
            Some(time) => micros_since_2000(time).unwrap_or(committed_at),
            None => committed_at + SECOND_US,
        };
        if batches.last().is_none_or(|batch| *batch.source != *source) {
            batches.push(empty(&source));
        }
        let batch = batches.last_mut().expect("one was just pushed");
        let table = &tables.all[at];
        if !batch.schemas.iter().any(|schema| schema.id == table.schema.id) {
            batch.schemas.push(table.schema.clone());
        }
        table
            .push(&mut batch.frame, change, committed_at)
            .map_err(|(rule, remedy)| wrong(case, change, rule, remedy))?;
        // From 1, as in a log.
        let mark = index as u64 + 1;
        batch.marks.push(RowMark { commit: mark, change: mark, sub: 0, transaction: mark as u32 });
    }
    Ok(batches)
}

fn empty(source: &str) -> Batch {
    Batch {
        source: source.into(),
        frame: FrameBuf::new(),
        marks: Vec::new(),
        schemas: Vec::new(),
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: None,
        received_at: Instant::now(),
    }
}

/// A mistake at a change.
fn wrong(case: &CasePlan, change: &CaseChange, rule: impl Into<String>, remedy: impl Into<String>) -> Box<Mistake> {
    Box::new(Mistake {
        file: case.path.display().to_string(),
        place: Some(change.place.clone()),
        subject: format!("{} {}", change.op.name(), change.table),
        rule: rule.into(),
        remedy: remedy.into(),
    })
}

fn source_of(case: &CasePlan, change: &CaseChange, pipeline: &PipelinePlan) -> Result<String, Box<Mistake>> {
    let has = pipeline.sources.join(", ");
    match (&change.source, pipeline.sources.as_slice()) {
        (Some(source), sources) if sources.contains(source) => Ok(source.clone()),
        (Some(_), _) => Err(wrong(case, change, "the pipeline has no such source", format!("its sources are: {has}"))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            // Where only one source has such a table, it needs no saying.
            let of: Vec<&String> =
                pipeline.sources.iter().filter(|s| pipeline.tables.matches(s, &change.table)).collect();
            match of.as_slice() {
                [only] => Ok((*only).clone()),
                _ => Err(wrong(
                    case,
                    change,
                    "this pipeline has several sources",
                    format!("add source = \"...\": {has}"),
                )),
            }
        }
    }
}

/// The tables that the case speaks of, by source.
struct Tables<'c> {
    case: &'c CasePlan,
    plan: &'c Plan,
    all: Vec<Table>,
}

struct Table {
    schema: Arc<Schema>,
    types: Vec<ColumnType>,
}

impl Tables<'_> {
    fn index_of(&mut self, source: &str, change: &CaseChange) -> Result<usize, Box<Mistake>> {
        let same = |table: &Table| table.schema.source == source && table.schema.full_name() == change.table;
        if let Some(at) = self.all.iter().position(same) {
            return Ok(at);
        }
        let id = SchemaId(self.all.len() as u32 + 1);
        let table = self.table(id, source, change)?;
        self.all.push(table);
        Ok(self.all.len() - 1)
    }

    fn table(&self, id: SchemaId, source: &str, change: &CaseChange) -> Result<Table, Box<Mistake>> {
        let kind = self.kind(source);
        let said = self.case.tables.iter().find(|table| table.name == change.table);
        let rows: Vec<&CaseChange> = self.case.changes.iter().filter(|c| c.table == change.table).collect();
        let mut names: Vec<&str> = Vec::new();
        let in_rows = rows.iter().flat_map(|c| {
            let images = c.row.iter().chain(c.old.iter().flatten());
            images.map(|(name, _)| name.as_str()).chain(c.unchanged.iter().map(String::as_str))
        });
        let in_types = said.iter().flat_map(|table| table.types.iter().map(|(name, _)| name.as_str()));
        for name in in_rows.chain(in_types) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > COLUMNS_MAX {
            return Err(wrong(self.case, change, "this table has too many columns", "look for a slip in the rows"));
        }
        let key = self.key(said, &names, change)?;
        let types: Vec<ColumnType> = names.iter().map(|name| column_type(name, said, &rows, kind)).collect();
        let column = |(name, of): (&&str, &ColumnType)| Column::new(*name, &*of.name, of.tag, key.contains(name));
        let (namespace, table) = change.table.split_once('.').unwrap_or(("", &change.table));
        let name = if kind == DatabaseKind::Postgres { "postgres".into() } else { String::new() };
        let schema = Schema {
            id,
            source: source.to_owned(),
            database: Arc::new(Database { kind, name, epoch: 0 }),
            namespace: namespace.to_owned(),
            table: table.to_owned(),
            columns: names.iter().zip(&types).map(column).collect(),
        };
        Ok(Table { schema: Arc::new(schema), types })
    }

    fn kind(&self, source: &str) -> DatabaseKind {
        let found = self.plan.sources.iter().find(|plan| plan.name == source);
        match found.map(|plan| &plan.kind) {
            Some(SourceKind::Mysql(_)) => DatabaseKind::Mysql,
            _ => DatabaseKind::Postgres,
        }
    }

    fn key<'n>(
        &self,
        said: Option<&'n CaseTable>,
        names: &[&'n str],
        at: &CaseChange,
    ) -> Result<Vec<&'n str>, Box<Mistake>> {
        let Some(key) = said.and_then(|table| table.key.as_ref()) else {
            let usual = names.iter().find(|name| **name == "id").or(names.first());
            return Ok(usual.into_iter().copied().collect());
        };
        match key.iter().find(|column| !names.contains(&column.as_str())) {
            Some(missing) => {
                let rule = format!("the key has a column {missing:?}, which no row has");
                Err(wrong(self.case, at, rule, "correct `key` of the table, or give the column in a row"))
            }
            None => Ok(key.iter().map(String::as_str).collect()),
        }
    }
}

fn column_type(name: &str, said: Option<&CaseTable>, rows: &[&CaseChange], kind: DatabaseKind) -> ColumnType {
    let named = said.and_then(|table| table.types.iter().find(|(column, _)| column == name));
    if let Some((_, type_name)) = named {
        return ColumnType::named(type_name, kind);
    }
    let images = rows.iter().flat_map(|change| change.row.iter().chain(change.old.iter().flatten()));
    ColumnType::of_values(images.filter(|(column, _)| column == name).map(|(_, value)| value))
}

/// Rule and remedy.
type Wrong = (String, String);

impl Table {
    fn push(&self, frame: &mut FrameBuf, change: &CaseChange, committed_at: i64) -> Result<(), Wrong> {
        let first_cell = frame.cells.len() as u32;
        let columns = self.schema.columns.len() as u16;
        let is_delete = change.op == Op::Delete;
        let old = if is_delete { Some(&change.row) } else { change.old.as_ref() };
        let is_new = !is_delete && change.op != Op::Truncate;
        if is_new {
            self.push_image(frame, &change.row, &change.unchanged, RawCell::NULL)?;
        }
        // An old image of key columns alone is what a log holds unless the table is told to log whole rows.
        let is_key = |(name, _): &(String, CaseValue)| self.schema.columns.iter().any(|c| c.name == *name && c.key);
        let old_is_key = old.is_some_and(|row| row.iter().all(is_key)) && self.schema.columns.iter().any(|c| !c.key);
        if let Some(row) = old {
            self.push_image(frame, row, &[], if old_is_key { RawCell::ABSENT } else { RawCell::NULL })?;
        }
        frame.rows.push(RowHead {
            schema: self.schema.id.0,
            op: change.op,
            old_is_key,
            first_cell,
            new_cells: if is_new { columns } else { 0 },
            old_cells: if old.is_some() { columns } else { 0 },
            committed_at,
            position: frame.rows.len() as u64 + 1,
        });
        Ok(())
    }

    fn push_image(
        &self,
        frame: &mut FrameBuf,
        row: &[(String, CaseValue)],
        unchanged: &[String],
        otherwise: RawCell,
    ) -> Result<(), Wrong> {
        for (column, of) in self.schema.columns.iter().zip(&self.types) {
            match row.iter().find(|(name, _)| *name == column.name) {
                Some((name, value)) => push(frame, of, value).map_err(|looks| {
                    let rule = format!("column {name:?} is of type {}, and this value is not", of.name);
                    (rule, format!("write {looks}; or say another type: [table.\"...\"] with types.{name} = \"...\""))
                })?,
                None if unchanged.contains(&column.name) => frame.cells.push(RawCell::UNCHANGED),
                None => frame.cells.push(otherwise),
            }
        }
        Ok(())
    }
}
