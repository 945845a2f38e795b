//! What a guest has seen lately: the tables it knows, and a few real rows on which new code is tried before it takes over.

use super::{Judgement, OfferedRow};
use crate::change::{Batch, FrameBuf, RowHead, RowMark, Schema};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows that are kept.
const ROWS_MAX: usize = 32;
/// Rows larger than this are not kept.
const ROW_BYTES_MAX: usize = 64 << 10;
/// How often rows are copied once there are enough: a sample is enough, and copying every row would cost as much as judging it.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Tables that are remembered.
const TABLES_MAX: usize = 1024;

/// Kept per guest, over all its generations.
#[derive(Default)]
pub(super) struct Recent {
    rows: VecDeque<Kept>,
    /// The newest version of each table, by source and name.
    tables: BTreeMap<(String, String), (Arc<str>, Arc<Schema>)>,
    sampled_at: Option<Instant>,
}

/// A row by itself, as it was captured.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) batch: Arc<Batch>,
    pub(super) offered: OfferedRow,
    /// Whether the code of that time broke at it.
    pub(super) broke: bool,
}

impl Recent {
    pub(super) fn rows(&self) -> Vec<Kept> {
        self.rows.iter().cloned().collect()
    }

    pub(super) fn tables(&self) -> Vec<(Arc<str>, Arc<Schema>)> {
        self.tables.values().cloned().collect()
    }

    /// Looks at a judged batch, and keeps of it what a later probe needs.
    pub(super) fn see(&mut self, batch: &Batch, rows: &[OfferedRow], judgements: &[Judgement]) {
        for schema in &batch.schemas {
            self.table(&batch.source, schema);
        }
        let enough = self.rows.len() >= ROWS_MAX;
        if enough && self.sampled_at.is_some_and(|at| at.elapsed() < SAMPLE_EVERY) {
            return;
        }
        self.sampled_at = Some(Instant::now());
        for at in rows.len().saturating_sub(ROWS_MAX)..rows.len() {
            let Some(kept) = copy(batch, &rows[at]) else { continue };
            if self.rows.len() >= ROWS_MAX {
                self.rows.pop_front();
            }
            let broke = matches!(&judgements[at], Judgement::Reject(r) if is_breakage(&r.code));
            self.rows.push_back(Kept { broke, ..kept });
        }
    }

    fn table(&mut self, source: &Arc<str>, schema: &Arc<Schema>) {
        let known = self.tables.values().any(|(s, known)| known.id == schema.id && s == source);
        if !known && self.tables.len() < TABLES_MAX {
            self.tables.insert((schema.source.clone(), schema.full_name()), (source.clone(), schema.clone()));
        }
    }
}

/// Whether a rejection with this code was made by the host because the guest broke.
pub(super) fn is_breakage(code: &str) -> bool {
    matches!(code, "trap" | "deadline" | "memory" | "output" | "garbage")
}

/// The row in a batch of its own: the batch that it came in may hold a hundred thousand others.
fn copy(batch: &Batch, offered: &OfferedRow) -> Option<Kept> {
    let view = batch.row(offered.row as usize);
    let cells = view.new_len() + view.old_len();
    let raw = |i: usize| if i < view.new_len() { view.new_raw(i) } else { view.old_raw(i - view.new_len()) };
    let bytes: usize = (0..cells).filter_map(raw).map(|c| c.heap_len() as usize).sum();
    if bytes > ROW_BYTES_MAX {
        return None;
    }
    let mut frame = FrameBuf::new();
    for index in 0..cells {
        frame.push_from(raw(index)?, view.heap()).ok()?;
    }
    frame.rows.push(RowHead { first_cell: 0, ..view.head });
    let batch = Batch {
        source: batch.source.clone(),
        frame,
        marks: batch.marks.get(offered.row as usize).copied().into_iter().collect::<Vec<RowMark>>(),
        schemas: vec![batch.schema_of(offered.row as usize).clone()],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: None,
        received_at: batch.received_at,
    };
    Some(Kept { batch: Arc::new(batch), offered: OfferedRow { row: 0, edits: offered.edits.clone() }, broke: false })
}
