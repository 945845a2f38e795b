//! How long a row takes: encoded, through the guest, decoded, with every limit in force. For the project's own bench.

use super::code::Code;
use super::deadline::thread_time;
use super::imports::{Audience, Voice};
use super::loader::{HostSettings, Loader, Memory, ModuleFile, Terms};
use super::{GuestError, Limits, OfferedRow};
use crate::change::{Batch, Cell, Column, FrameBuf, Op, RowHead, RowMark, Schema, SchemaId, Tag};
use crate::telemetry::GuestStats;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Distinct batches that are gone through in turn, so that it is not one cache line that is measured.
const BATCHES: usize = 16;

/// Nanoseconds per 12-column row in batches of `batch_rows`, over about `rows` rows: processor time of the calling thread, which
/// is the same on an idle machine and on a busy one.
///
/// # Errors
/// If the guest can not be loaded or does not judge the rows.
pub fn measure(wasm: &Path, host: &HostSettings, batch_rows: usize, rows: usize) -> Result<f64, GuestError> {
    let file = ModuleFile::read(wasm)?;
    let terms = Terms {
        pipeline: "bench".into(),
        guest: "bench".into(),
        config: Vec::new(),
        routes: vec!["customer".into()],
        limits: Limits::default(),
    };
    let loader = Loader::new(host.clone());
    let blueprint = loader.blueprint(&file, &terms)?;
    let stats = Arc::new(GuestStats::default());
    let voice = Voice {
        pipeline: terms.pipeline,
        guest: terms.guest,
        generation: file.generation(),
        audience: Some(Arc::new(Audience::new(stats))),
    };
    let mut code = loader.ready(blueprint, voice, Memory::default())?;
    let schema = Arc::new(schema());
    let batches: Vec<Batch> = (0..BATCHES).map(|n| batch(&schema, n * batch_rows, batch_rows)).collect();
    let offered: Vec<OfferedRow> = (0..batch_rows).map(|row| OfferedRow { row: row as u32, edits: None }).collect();
    let calls = (rows / batch_rows).max(1);
    run(&mut code, &batches, &offered, calls / 10 + BATCHES)?;
    let began = thread_time();
    run(&mut code, &batches, &offered, calls)?;
    Ok(thread_time().saturating_sub(began).as_nanos() as f64 / (calls * batch_rows) as f64)
}

fn run(code: &mut Code, batches: &[Batch], offered: &[OfferedRow], calls: usize) -> Result<(), GuestError> {
    for call in 0..calls {
        let outcome = code.judge(&batches[call % batches.len()], offered).map_err(|held| held.0)?;
        if outcome.rejected > 0 {
            return Err(GuestError::Start {
                step: "the bench",
                code: "rejected",
                reason: "it rejects rows that it should judge".into(),
            });
        }
    }
    Ok(())
}

fn schema() -> Schema {
    let column = |name: &str, type_name: &str, tag, key| Column::new(name, type_name, tag, key);
    Schema {
        id: SchemaId(1),
        source: "bench".into(),
        database: Default::default(),
        namespace: "public".into(),
        table: "package_status".into(),
        columns: vec![
            column("id", "bigint", Tag::Int, true),
            column("package_id", "bigint", Tag::Int, false),
            column("customer_id", "integer", Tag::Int, false),
            column("status", "text", Tag::Text, false),
            column("place", "text", Tag::Text, false),
            column("carrier", "character varying", Tag::Text, false),
            column("weight", "numeric", Tag::Decimal, false),
            column("express", "boolean", Tag::Bool, false),
            column("latitude", "double precision", Tag::Float64, false),
            column("longitude", "double precision", Tag::Float64, false),
            column("note", "text", Tag::Text, false),
            column("happened_at", "timestamp with time zone", Tag::TimestampTz, false),
        ],
    }
}

fn batch(schema: &Arc<Schema>, first: usize, rows: usize) -> Batch {
    let statuses = ["Package Posted", "In Transit", "Out for Delivery", "Delivered"];
    let mut frame = FrameBuf::new();
    let mut marks = Vec::with_capacity(rows);
    for n in first..first + rows {
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
            Cell::TimestampTz(800_000_000_000_000 + number),
        ] {
            frame.push(cell);
        }
        let head = RowHead {
            schema: schema.id.0,
            op: Op::Insert,
            old_is_key: false,
            first_cell,
            new_cells: schema.columns.len() as u16,
            old_cells: 0,
            committed_at: number,
            position: n as u64,
        };
        frame.rows.push(head);
        marks.push(RowMark { commit: n as u64, change: n as u64, sub: 0, transaction: 1 });
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
