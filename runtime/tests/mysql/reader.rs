//! A source under test, with a hand on everything that it is given.

use crate::server::Server;
use sluicegate::change::{Batch, BinlogPosition, Op, Position, RowMark};
use sluicegate::fault::Finding;
use sluicegate::source::Take;
use sluicegate::source::mysql::{Mysql, MysqlSettings, check};
use sluicegate::source::{Intake, NoticeRule, Source, SourceError, SslMode};
use sluicegate::telemetry::SourceStats;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

const WAIT_MAX: Duration = Duration::from_secs(60);

/// For the tables of one database, with a server id of its own.
pub fn settings(server: &Server, database: &str) -> MysqlSettings {
    settings_at(&server.url(), database)
}

pub fn settings_at(url: &str, database: &str) -> MysqlSettings {
    static SERVER_ID: AtomicU32 = AtomicU32::new(1000);
    let prefix = format!("{database}.");
    MysqlSettings {
        name: "shop".into(),
        url: url.into(),
        sslmode: SslMode::Prefer,
        sslrootcert: None,
        server_id: SERVER_ID.fetch_add(1, Ordering::Relaxed),
        heartbeat: Duration::from_secs(1),
        epoch: 0,
        tables: Arc::new(move |name| name.starts_with(&prefix)),
        columns: Arc::new(|_, _, _| Take::Whole),
        notices: NoticeRule::default(),
        known: None,
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
    pub fn start(settings: MysqlSettings) -> Reader {
        Self::start_with_room(settings, 64)
    }

    /// With an intake that holds `room` batches.
    pub fn start_with_room(settings: MysqlSettings, room: usize) -> Reader {
        let (sender, batches) = mpsc::channel(room);
        let (confirmed, receiver) = watch::channel(None);
        let (stop, stats) = (Arc::new(AtomicBool::new(false)), Arc::new(SourceStats::default()));
        let intake = Intake { batches: sender, confirmed: receiver, stop: stop.clone(), stats: stats.clone() };
        let source = Box::new(Mysql::new(settings));
        let thread = std::thread::spawn(move || source.run(intake));
        Reader { batches, confirmed, stats, stop, thread: Some(thread) }
    }

    pub fn confirm(&self, position: Option<Position>) {
        if position.is_some() {
            self.confirmed.send_replace(position);
        }
    }

    /// What a checkpoint would hold.
    pub fn known(&self) -> Option<BinlogPosition> {
        match self.confirmed.borrow().as_ref() {
            Some(Position::Binlog(position)) => Some(BinlogPosition::clone(position)),
            _ => None,
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

    /// The next batch with rows, unconfirmed.
    pub fn batch_of_rows(&mut self) -> Batch {
        loop {
            let batch = self.batch();
            if !batch.is_empty() {
                return batch;
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

    pub fn reconnects(&self) -> u64 {
        self.stats.reconnects_total.load(Ordering::Relaxed)
    }

    /// Stops the source, and says how it ended.
    pub fn stop(mut self) -> Result<(), SourceError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// Stops the source, and gives back the checkpoint.
    pub fn stop_known(self) -> BinlogPosition {
        let known = self.known().expect("something was confirmed");
        self.stop().expect("stops in order");
        known
    }

    /// Waits until the source ends by itself.
    pub fn failed(mut self) -> SourceError {
        let deadline = Instant::now() + WAIT_MAX;
        let thread = self.thread.take().expect("it runs");
        while !thread.is_finished() {
            // What comes meanwhile is not looked at, and must not hold the source up.
            let _ = self.batches.try_recv();
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
        sluicegate::change::Cell::Array(a) => format!("{:?}", a.iter().collect::<Vec<_>>()),
        other => format!("{other:?}"),
    };
    Row {
        table: schema.full_name(),
        op: view.head.op,
        new: named(view.new_len(), &|i| shown(view.new_cell(i))),
        old: named(view.old_len(), &|i| shown(view.old_cell(i))),
        schema: schema.id.0,
        keys: schema.key().map(|i| schema.columns[i].name.clone()).collect(),
        types: schema.columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect(),
        mark: batch.marks[index],
    }
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub fn findings(settings: &MysqlSettings) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(check(settings))
}

/// What `check` finds wrong.
pub fn bad(settings: &MysqlSettings) -> String {
    let found = findings(settings);
    found.iter().filter(|f| !f.ok).map(|f| f.text.clone()).collect::<Vec<_>>().join("\n")
}

/// Asks again until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
