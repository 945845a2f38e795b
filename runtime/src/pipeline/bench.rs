//! How long a message takes on our side: a row encoded, and a row's whole way from the frame through the corridor and a lane to a
//! sink that takes everything. For the project's own bench.

use super::{CacheForm, Corridor, OnError, PipelineSettings, Road, Route, RouteSettings, Shape};
use crate::change::{Batch, Cell, Column, ColumnDetail, FrameBuf, Op, RowHead, RowMark, Schema, SchemaId};
use crate::change::{Tag, Template, TemplateError};
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::sink::format::ShownRow;
use crate::sink::format::debezium::{Change, Debezium, DebeziumOptions, EncodeError};
use crate::store::MemoryStore;
use crate::telemetry::PipelineStats;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of one batch: a hundred transactions of a few rows, as a source hands over when the log holds much.
const BATCH_ROWS: usize = 512;
/// Distinct batches that are gone through in turn, so that it is not one cache line that is measured.
const BATCHES: usize = 16;
/// Nanoseconds of processor time per 12-column row.
pub struct Encoded {
    /// Key and value as Debezium's JSON without schemas, from the frame.
    pub ours: f64,
    /// The same two documents, written by serde_json from values that it has parsed before.
    pub serde_json: f64,
}

/// Encodes about `rows` rows.
///
/// # Errors
/// Not with these rows.
pub fn encode(rows: usize) -> Result<Encoded, EncodeError> {
    let batches = batches();
    let debezium = Debezium::new(DebeziumOptions::default(), None);
    let mut prepared: Vec<[serde_json::Value; 2]> = Vec::with_capacity(BATCHES * BATCH_ROWS);
    let parse = |text: &[u8]| serde_json::from_slice(text).expect("what is encoded is JSON");
    each_row(&batches, BATCHES * BATCH_ROWS, |change| {
        for record in debezium.records(&change)? {
            prepared.push([parse(&record.key.unwrap_or_default()), parse(&record.value)]);
        }
        Ok(())
    })?;
    let begun = thread_time();
    each_row(&batches, rows, |change| {
        black_box(debezium.records(&change)?);
        Ok(())
    })?;
    let ours = per(begun, rows);
    let begun = thread_time();
    for n in 0..rows {
        let written = prepared[n % prepared.len()].each_ref().map(serde_json::to_vec);
        black_box(written).iter().for_each(|text| assert!(text.is_ok()));
    }
    Ok(Encoded { ours, serde_json: per(begun, rows) })
}

/// What is made of the rows on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// JSON under a key.
    Cache,
    FlatRecord,
    DebeziumRecord,
}

/// Nanoseconds of processor time per 12-column row from the frame to the lane that `open` starts, until its sink has taken it, over
/// about `rows` rows; corridor, lane and sink take turns on one thread.
///
/// # Errors
/// Not with these templates.
pub fn walk(way: Way, rows: usize, open: impl FnOnce() -> Lane) -> Result<f64, TemplateError> {
    let shape = shape(way)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a thread's own runtime");
    Ok(runtime.block_on(async {
        let mut corridor = Corridor::new(pipeline(shape, open()));
        let batches: Vec<Arc<Batch>> = batches().into_iter().map(Arc::new).collect();
        let ledger = Ledger::new();
        let calls = (rows / BATCH_ROWS).max(1);
        walk_all(&mut corridor, &batches, &ledger, calls / 10 + BATCHES).await;
        let begun = thread_time();
        walk_all(&mut corridor, &batches, &ledger, calls).await;
        per(begun, calls * BATCH_ROWS)
    }))
}

async fn walk_all(corridor: &mut Corridor, batches: &[Arc<Batch>], ledger: &Ledger, calls: usize) {
    for batch in batches.iter().cycle().take(calls) {
        let ticket = ledger.open(None, 1);
        corridor.walk(batch, &ticket, false).await;
        ticket.settle();
    }
    while ledger.unpaid() > 0 {
        tokio::task::yield_now().await;
    }
}

fn shape(way: Way) -> Result<Shape, TemplateError> {
    let debezium = Box::new(Debezium::new(DebeziumOptions::default(), None));
    Ok(match way {
        Way::Cache => Shape::Cache { key: Template::parse("{source}:parcel:{id}")?, value: CacheForm::Json },
        Way::FlatRecord | Way::DebeziumRecord => Shape::Record {
            topic: Some(Template::parse("parcels")?),
            tombstones: true,
            debezium,
            flat: way == Way::FlatRecord,
        },
    })
}

fn pipeline(shape: Shape, lane: Lane) -> PipelineSettings {
    let road = Arc::new(Road::new("discard", [(String::new(), lane)]));
    let route = RouteSettings {
        name: "all".into(),
        road,
        tables: None,
        ops: None,
        only_named: false,
        messages: None,
        member: None,
        key: None,
        headers: Vec::new(),
        shape,
    };
    PipelineSettings {
        name: "bench".into(),
        tables: Arc::new(|_, _| true),
        on_error: OnError::Skip,
        routes: vec![Route::new("bench", route)],
        sources: Vec::new(),
        guests: Arc::new(Vec::new),
        store: Arc::new(MemoryStore::default()),
        stats: Arc::new(PipelineStats::default()),
    }
}

fn each_row<E>(batches: &[Batch], rows: usize, mut see: impl FnMut(Change<'_>) -> Result<(), E>) -> Result<(), E> {
    for n in 0..rows {
        let batch = &batches[n / BATCH_ROWS % BATCHES];
        let row = n % BATCH_ROWS;
        let shown = ShownRow { schema: batch.schema_of(row), row: batch.row(row), edits: None };
        see(Change {
            shown: &shown,
            mark: &batch.marks[row],
            previous_end: batch.previous_end(row),
            event: None,
            index: row,
            transaction: None,
            now_ns: 1_772_352_000_000_000_000,
        })?;
    }
    Ok(())
}

fn batches() -> Vec<Batch> {
    let schema = Arc::new(schema());
    (0..BATCHES).map(|n| batch(&schema, n * BATCH_ROWS)).collect()
}

fn schema() -> Schema {
    let column = |name: &str, type_name: &str, tag, type_id, modifiers: &[i32]| Column {
        detail: ColumnDetail { type_id, modifiers: modifiers.to_vec(), not_null: name == "id", ..Default::default() },
        ..Column::new(name, type_name, tag, name == "id")
    };
    Schema {
        id: SchemaId(1),
        source: "bench".into(),
        database: Default::default(),
        namespace: "public".into(),
        table: "package_status".into(),
        columns: vec![
            column("id", "bigint", Tag::Int, 20, &[]),
            column("package_id", "bigint", Tag::Int, 20, &[]),
            column("customer_id", "integer", Tag::Int, 23, &[]),
            column("status", "text", Tag::Text, 25, &[]),
            column("place", "text", Tag::Text, 25, &[]),
            column("carrier", "character varying", Tag::Text, 1043, &[40]),
            column("weight", "numeric", Tag::Decimal, 1700, &[10, 3]),
            column("express", "boolean", Tag::Bool, 16, &[]),
            column("latitude", "double precision", Tag::Float64, 701, &[]),
            column("longitude", "double precision", Tag::Float64, 701, &[]),
            column("note", "text", Tag::Text, 25, &[]),
            column("happened_at", "timestamp with time zone", Tag::TimestampTz, 1184, &[]),
        ],
    }
}

fn batch(schema: &Arc<Schema>, first: usize) -> Batch {
    let statuses = ["Package Posted", "In Transit", "Out for Delivery", "Delivered"];
    let mut frame = FrameBuf::new();
    let mut marks = Vec::with_capacity(BATCH_ROWS);
    for n in first..first + BATCH_ROWS {
        let number = n as i64;
        let first_cell = frame.cells.len() as u32;
        let place = format!("Sorting centre {}", n % 40);
        for cell in [
            Cell::Int(number),
            Cell::Int(number / 8),
            Cell::Int(number % 3 + 1),
            Cell::Text(statuses[n % statuses.len()]),
            Cell::Text(&place),
            Cell::Text("Northern Parcels"),
            Cell::Decimal("12.350"),
            Cell::Bool(n % 2 == 0),
            Cell::Float64(52.5 + n as f64 / 1000.0),
            Cell::Float64(13.4),
            if n % 5 == 0 { Cell::Text("left with a neighbour") } else { Cell::Null },
            Cell::TimestampTz(800_000_000_000_000 + number * 1_234_567),
        ] {
            frame.push(cell);
        }
        frame.rows.push(RowHead {
            schema: schema.id.0,
            op: Op::Insert,
            old_is_key: false,
            first_cell,
            new_cells: schema.columns.len() as u16,
            old_cells: 0,
            committed_at: 800_000_000_000_000 + number,
            position: n as u64,
        });
        // As far into a log as one is after a while.
        let commit = 0x16_b374_d848 + n as u64 / 4 * 800;
        marks.push(RowMark { commit, change: commit - 600 + n as u64 % 4 * 200, sub: 0, transaction: 730_000 });
    }
    Batch {
        source: "bench".into(),
        frame,
        marks,
        schemas: vec![schema.clone()],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: None,
        received_at: Instant::now(),
    }
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn per(begun: Duration, rows: usize) -> f64 {
    thread_time().saturating_sub(begun).as_nanos() as f64 / rows as f64
}
