//! Rows that became no message: what a person needs to decide about them, and the way back for those that are sent again.
//!
//! ```text
//!   refused by a guest, or without a receiver ─▶ DeadRow ─▶ store        DeadRow ─▶ a batch of one row ─▶ corridor
//! ```

use crate::change::{Batch, FrameBuf, RowHead};
use crate::sink::format::{ShownRow, flat};
use crate::store::{Buried, DeadLetter, DeadRow};
use bytes::Bytes;
use sluicegate_frame::Frame;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Why a row is dead. No value of the row is in it.
#[derive(Default)]
pub struct Cause {
    pub reason: String,
    pub guest: Option<String>,
    pub generation: Option<String>,
    pub backtrace: Option<String>,
}

/// `source-commit-change.sub`, the same after every restart.
pub fn row_id(batch: &Batch, row: usize) -> String {
    let mark = &batch.marks[row];
    format!("{}-{:x}-{:x}.{}", batch.source, mark.commit, mark.change, mark.sub)
}

/// A row with everything that it takes to give it to the pipeline again.
pub fn letter(pipeline: &Arc<str>, batch: &Batch, row: usize, cause: Cause) -> DeadLetter {
    let schema = batch.schema_of(row);
    let shown = ShownRow { schema, row: batch.row(row), edits: None };
    let (mut json, mut frame) = (Vec::new(), Vec::new());
    flat::put_row(&mut json, &shown);
    alone(batch, row).write_to(&mut frame);
    let dead = DeadRow {
        id: row_id(batch, row),
        schema: schema.clone(),
        mark: batch.marks[row],
        frame: Bytes::from(frame),
        json: Bytes::from(json),
    };
    let died_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let Cause { reason, guest, generation, backtrace } = cause;
    DeadLetter {
        pipeline: pipeline.clone(),
        target: "".into(),
        member: "".into(),
        buried: Buried::Row(Arc::new(dead)),
        reason,
        attempts: 1,
        last_answer: None,
        guest,
        generation,
        backtrace,
        arrived_us: died_us,
        died_us,
    }
}

/// A frame of this one row.
fn alone(batch: &Batch, row: usize) -> FrameBuf {
    let view = batch.row(row);
    let mut frame = FrameBuf::new();
    let cells = (0..view.new_len())
        .filter_map(|at| view.new_raw(at))
        .chain((0..view.old_len()).filter_map(|at| view.old_raw(at)));
    for cell in cells {
        frame.push_from(cell, view.heap()).expect("the decoder writes cells within their frame");
    }
    frame.rows.push(RowHead { first_cell: 0, ..view.head });
    frame
}

/// The row as it came, in a batch of its own that confirms nothing.
///
/// # Errors
/// If the frame can not be read.
pub fn revived(dead: &DeadRow) -> Result<Batch, String> {
    let damaged = |reason| format!("the row {} can not be read: {reason}", dead.id);
    let frame = Frame::parse(&dead.frame).map_err(|e| damaged(e.to_string()))?;
    let view = frame.row(0).map_err(|e| damaged(e.to_string()))?;
    let mut rows = FrameBuf::new();
    let cells = (0..view.new_len())
        .filter_map(|at| view.new_raw(at))
        .chain((0..view.old_len()).filter_map(|at| view.old_raw(at)));
    for cell in cells {
        rows.push_from(cell, view.heap()).map_err(|e| damaged(e.to_string()))?;
    }
    rows.rows.push(RowHead { first_cell: 0, schema: dead.schema.id.0, ..view.head });
    Ok(Batch {
        source: dead.schema.source.as_str().into(),
        frame: rows,
        marks: vec![dead.mark],
        schemas: vec![dead.schema.clone()],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: None,
        received_at: Instant::now(),
    })
}
