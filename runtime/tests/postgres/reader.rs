//! A source under test, with a hand on everything that it is given.

use sluicegate::change::{Batch, Lsn, Op, Position, RowMark};
use sluicegate::source::Take;
use sluicegate::source::postgres::{Postgres, PostgresSettings};
use sluicegate::source::{Intake, NoticeRule, Source, SourceError};
use sluicegate::telemetry::SourceStats;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

const WAIT_MAX: Duration = Duration::from_secs(60);

pub fn settings(url: &str) -> PostgresSettings {
    PostgresSettings {
        name: "erp".into(),
        url: url.into(),
        sslmode: None,
        sslrootcert: None,
        slot: "erp".into(),
        publication: "erp".into(),
        tables: Arc::new(|name| name.starts_with("public.")),
        columns: Arc::new(|_, _, _| Take::Whole),
        notices: NoticeRule::default(),
        known: None,
        epoch: 0,
    }
}

/// A row as a person would write it down.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub table: String,
    pub op: Op,
    /// Column and value, as the cells' own `Debug` shows them.
    pub new: BTreeMap<String, String>,
    pub old: BTreeMap<String, String>,
    pub old_is_key: bool,
    pub schema: u32,
    pub keys: Vec<String>,
    pub types: BTreeMap<String, String>,
    pub mark: RowMark,
}

pub struct Reader {
    pub batches: mpsc::Receiver<Batch>,
    pub confirmed: watch::Sender<Option<Position>>,
    pub stats: Arc<SourceStats>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), SourceError>>>,
}

impl Reader {
    pub fn start(settings: PostgresSettings) -> Reader {
        Self::start_with_room(settings, 64)
    }

    /// With an intake that holds `room` batches.
    pub fn start_with_room(settings: PostgresSettings, room: usize) -> Reader {
        let (sender, batches) = mpsc::channel(room);
        let (confirmed, receiver) = watch::channel(None);
        let (stop, stats) = (Arc::new(AtomicBool::new(false)), Arc::new(SourceStats::default()));
        let intake = Intake { batches: sender, confirmed: receiver, stop: stop.clone(), stats: stats.clone() };
        let source = Box::new(Postgres::new(settings));
        let thread = std::thread::spawn(move || source.run(intake));
        Reader { batches, confirmed, stats, stop, thread: Some(thread) }
    }

    pub fn confirm(&self, position: Option<Position>) {
        if position.is_some() {
            self.confirmed.send_replace(position);
        }
    }

    /// The next batch, sign of life or not, unconfirmed.
    pub fn batch(&mut self) -> Batch {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match self.batches.try_recv() {
                Ok(batch) => return batch,
                Err(mpsc::error::TryRecvError::Empty) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => {
                    panic!("no batch: {error}; state {:?}, {:?}", self.stats.state.get(), self.stats.last_error.get())
                }
            }
        }
    }

    /// The next `count` rows; batches are confirmed as they come.
    pub fn rows(&mut self, count: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        while rows.len() < count {
            let batch = self.batch();
            rows.extend((0..batch.len()).map(|index| row(&batch, index)));
            self.confirm(batch.confirms);
        }
        assert_eq!(rows.len(), count, "{rows:#?}");
        rows
    }

    /// Waits until the source streams.
    pub fn streaming(self) -> Reader {
        self.wait_state("streaming");
        self
    }

    pub fn wait_state(&self, wanted: &str) {
        let deadline = Instant::now() + WAIT_MAX;
        while !self.stats.state.get().is_some_and(|s| s.starts_with(wanted)) {
            assert!(Instant::now() < deadline, "{:?} {:?}", self.stats.state.get(), self.stats.last_error.get());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops the source, and says how it ended.
    pub fn stop(mut self) -> Result<(), SourceError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// Waits until the source ends by itself.
    pub fn failed(mut self) -> SourceError {
        let deadline = Instant::now() + WAIT_MAX;
        let thread = self.thread.take().expect("it runs");
        while !thread.is_finished() {
            assert!(Instant::now() < deadline, "still {:?}: {:?}", self.stats.state.get(), self.stats.last_error.get());
            std::thread::sleep(Duration::from_millis(5));
        }
        thread.join().expect("it does not panic").expect_err("it can not go on")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn row(batch: &Batch, index: usize) -> Row {
    let (view, schema) = (batch.row(index), batch.schema_of(index));
    let named = |len: usize, cell: &dyn Fn(usize) -> String| {
        (0..len).map(|i| (schema.columns[i].name.clone(), cell(i))).collect::<BTreeMap<_, _>>()
    };
    let shown = |cell: Result<sluicegate::change::Cell<'_>, _>| match cell.expect("cells are readable") {
        sluicegate::change::Cell::Array(a) => {
            let dimensions: Vec<_> = a.dimensions().map(|d| format!("{}@{}", d.len, d.lower)).collect();
            format!("[{}] {:?}", dimensions.join("x"), a.iter().collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    };
    Row {
        table: schema.full_name(),
        op: view.head.op,
        new: named(view.new_len(), &|i| shown(view.new_cell(i))),
        old: named(view.old_len(), &|i| shown(view.old_cell(i))),
        old_is_key: view.head.old_is_key,
        schema: schema.id.0,
        keys: schema.key().map(|i| schema.columns[i].name.clone()).collect(),
        types: schema.columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect(),
        mark: batch.marks[index],
    }
}

pub fn lsn(text: &str) -> Lsn {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// Asks again until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
