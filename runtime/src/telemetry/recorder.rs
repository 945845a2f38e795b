//! Rows of a running pipeline for somebody who asked for them: whole, but for what is masked, and only while the question lasts.
//!
//! ```text
//!   question ── begin ─▶ Recorder ◀── take ── pipeline, row by row while one is open
//!   answer  ◀── finish ──┘
//! ```

use super::PipelineStats;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Rows of one question.
pub const RECORDED_ROWS_MAX: usize = 1_000;
/// Bytes of rows of one question; what comes then ends it.
const RECORDED_BYTES_MAX: usize = 8 << 20;

/// What somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub rows_max: usize,
    /// `schema.table`; of every table unless set.
    pub table: Option<String>,
    /// Columns whose values stay here.
    pub masked: Vec<String>,
}

/// A row as it was captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRow {
    pub source: String,
    pub table: String,
    pub op: String,
    pub columns: Vec<RecordedColumn>,
    /// Text forms in the order of the columns; after a delete the row as it was.
    pub row: Vec<Option<String>>,
    /// Before an update, if the log has it.
    pub old: Option<Vec<Option<String>>>,
    /// Columns whose large values an update did not touch.
    pub unchanged: Vec<String>,
    /// Columns with values that are too long, or can not be masked.
    pub left_out: Vec<String>,
}

impl RecordedRow {
    /// What it takes of memory, about: also a row of nulls has the names of its columns.
    fn bytes(&self) -> usize {
        const AROUND: usize = 48;
        let values = self.row.iter().chain(self.old.iter().flatten()).map(|text| text.as_ref().map_or(0, String::len));
        let names = self.columns.iter().flat_map(|column| [column.name.len(), column.type_name.len()]);
        let without = self.unchanged.iter().chain(&self.left_out).map(String::len);
        values.chain(names).chain(without).map(|len| len + AROUND / 2).sum()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedColumn {
    pub name: String,
    pub type_name: String,
    pub key: bool,
}

/// A pipeline's.
#[derive(Default)]
pub struct Recorder {
    open: AtomicBool,
    taking: Mutex<Option<Taking>>,
    full: Notify,
}

struct Taking {
    wanted: Wanted,
    rows: Vec<RecordedRow>,
    bytes: usize,
}

impl Recorder {
    /// Whether anybody wants rows: asked for every row, so it costs next to nothing.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Offers a row of a table; `made` is asked for it if it is wanted, with the columns that are to be masked.
    pub fn take(&self, table: &str, made: impl FnOnce(&[String]) -> RecordedRow) {
        let mut taking = self.taking.lock().expect("no panic while a row is taken");
        let Some(open) = taking.as_mut().filter(|_| self.is_open()) else { return };
        if open.wanted.table.as_deref().is_some_and(|wanted| wanted != table) {
            return;
        }
        let row = made(&open.wanted.masked);
        open.bytes += row.bytes();
        open.rows.push(row);
        if open.rows.len() >= open.wanted.rows_max || open.bytes > RECORDED_BYTES_MAX {
            self.open.store(false, Relaxed);
            self.full.notify_one();
        }
    }
}

/// A question under way. Whoever gives it up ends it.
pub struct Session(Arc<PipelineStats>);

impl Session {
    /// `None` while somebody else's is under way.
    pub fn begin(stats: Arc<PipelineStats>, wanted: Wanted) -> Option<Self> {
        let recorder = &stats.recorder;
        let mut taking = recorder.taking.lock().expect("no panic while a row is taken");
        if taking.is_some() {
            return None;
        }
        *taking = Some(Taking { wanted, rows: Vec::new(), bytes: 0 });
        recorder.open.store(true, Relaxed);
        drop(taking);
        Some(Self(stats))
    }

    /// Waits until there are as many rows as were wanted.
    pub async fn full(&self) {
        while self.0.recorder.is_open() {
            self.0.recorder.full.notified().await;
        }
    }

    /// The rows that came.
    pub fn finish(self) -> Vec<RecordedRow> {
        let mut taking = self.0.recorder.taking.lock().expect("no panic while a row is taken");
        // The place stays taken until this session is dropped, or the drop would end somebody else's.
        taking.as_mut().map(|taking| std::mem::take(&mut taking.rows)).unwrap_or_default()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let recorder = &self.0.recorder;
        let mut taking = recorder.taking.lock().expect("no panic while a row is taken");
        recorder.open.store(false, Relaxed);
        *taking = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> RecordedRow {
        RecordedRow {
            source: "s".into(),
            table: "public.t".into(),
            op: "insert".into(),
            columns: Vec::new(),
            row: vec![Some(text.into())],
            old: None,
            unchanged: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_taken_only_while_somebody_wants_them_and_of_what_is_wanted() {
        let stats = Arc::new(PipelineStats::default());
        stats.recorder.take("public.t", |_| panic!("nobody asked"));
        let wanted = Wanted { rows_max: 2, table: Some("public.t".into()), masked: vec!["a".into()] };
        let session = Session::begin(stats.clone(), wanted).expect("nobody else asks");
        assert!(Session::begin(stats.clone(), Wanted::default()).is_none(), "one at a time");
        stats.recorder.take("public.other", |_| panic!("of another table"));
        for text in ["1", "2"] {
            stats.recorder.take("public.t", |masked| {
                assert_eq!(masked, ["a"]);
                row(text)
            });
        }
        session.full().await;
        stats.recorder.take("public.t", |_| panic!("there are enough"));
        assert_eq!(session.finish().len(), 2);
        let given_up = Session::begin(stats.clone(), Wanted { rows_max: 1, ..Wanted::default() }).expect("it is free");
        drop(given_up);
        assert!(!stats.recorder.is_open(), "who is gone wants nothing");
    }

    #[test]
    fn rows_that_fill_the_memory_end_the_question() {
        let stats = Arc::new(PipelineStats::default());
        let wanted = Wanted { rows_max: RECORDED_ROWS_MAX, ..Wanted::default() };
        let session = Session::begin(stats.clone(), wanted).expect("nobody else asks");
        let long = "x".repeat(RECORDED_BYTES_MAX / 4 + 1);
        (0..10).for_each(|_| stats.recorder.take("public.t", |_| row(&long)));
        assert_eq!(session.finish().len(), 4);
    }
}
