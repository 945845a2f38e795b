//! The one thread that writes. Many commands share a transaction, because what costs is the wait for the disk.
//!
//! ```text
//!   lanes, ledger ──Order──▶ queue ──gather──▶ BEGIN; each in a savepoint; the books; COMMIT ──▶ everyone is told
//! ```

use super::books::{Books, Table, Wrote};
use super::desk::Desk;
use super::reader::Question;
use super::seal::Seal;
use super::trouble::Trouble;
use super::wal::Wal;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A group waits at most so long for commands that are likely to come.
const GROUP_WAIT_MAX: Duration = Duration::from_millis(5);
/// Rows of a group; a command is not divided.
const GROUP_ROWS_MAX: usize = 512;

/// What a command must outlive once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outlives {
    /// `synchronous=NORMAL`: what only takes away, or can be made again. Lost, it comes back: a message is delivered twice, with
    /// the same id. To wait for the disk here would halve the speed of every lane that catches up.
    Process,
    /// `synchronous=FULL`: what a database, or a person, was told is safe.
    Power,
}

/// A command in the queue.
pub(super) struct Order {
    pub(super) outlives: Outlives,
    /// How much work it is.
    pub(super) rows: usize,
    /// Counts the orders.
    pub(super) number: u64,
    pub(super) work: Box<dyn Work>,
}

/// What is done in the transaction, and who is told when it is over.
pub(super) trait Work: Send {
    /// # Errors
    /// If none of it must stay.
    fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble>;

    /// `committed` says whether what [`Work::run`] did is there.
    fn answer(self: Box<Self>, committed: Result<(), Trouble>);
}

/// Work that gives a `T`.
pub(super) struct Asked<T, Ask, Reply> {
    ask: Option<Ask>,
    made: Result<T, Trouble>,
    reply: Reply,
}

/// Puts a question and its answer together.
pub(super) fn work<T, Ask, Reply>(ask: Ask, reply: Reply) -> Box<dyn Work>
where
    T: Send + 'static,
    Ask: FnOnce(&mut Desk<'_>) -> Result<T, Trouble> + Send + 'static,
    Reply: FnOnce(Result<T, Trouble>) + Send + 'static,
{
    Box::new(Asked { ask: Some(ask), made: Err(Trouble::Stopped), reply })
}

impl<T, Ask, Reply> Work for Asked<T, Ask, Reply>
where
    T: Send,
    Ask: FnOnce(&mut Desk<'_>) -> Result<T, Trouble> + Send,
    Reply: FnOnce(Result<T, Trouble>) + Send,
{
    fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let Some(ask) = self.ask.take() else { return Err(Trouble::Stopped) };
        self.made = ask(desk);
        self.made.as_ref().map(|_| ()).map_err(Trouble::again)
    }

    fn answer(self: Box<Self>, committed: Result<(), Trouble>) {
        // The reason of its own failure says more than that of the group; what was never run has none.
        let has_failed = self.ask.is_none() && self.made.is_err();
        (self.reply)(if has_failed { self.made } else { committed.and(self.made) });
    }
}

/// Owns the connection that writes.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) books: Books,
    pub(super) queue: Receiver<Order>,
    pub(super) wal: Arc<Wal>,
    pub(super) seal: Seal,
    /// Wakes the reader.
    pub(super) wake: Sender<Question>,
    /// The number of the last order that was answered.
    pub(super) answered: watch::Sender<u64>,
    /// How many dead letters there are, for who only wants to know that.
    pub(super) dead: Arc<AtomicU64>,
    /// What the connection does at the end of a transaction.
    pub(super) outlives: Option<Outlives>,
}

impl Writer {
    /// Until nobody can ask any more.
    pub(super) fn run(mut self) {
        let mut group = Vec::new();
        let mut usual = 1;
        self.count_dead();
        while self.gather(&mut group, usual) {
            usual = group.len();
            let committed = self.commit(&mut group);
            self.count_dead();
            let number = group.last().map_or(0, |order| order.number);
            for order in group.drain(..) {
                order.work.answer(committed.as_ref().copied().map_err(Trouble::again));
            }
            self.answered.send_replace(number);
            // A log that can not grow can be moved, and begun anew.
            if self.wal.help(&self.connection) || committed.is_err() {
                // A reader that is gone is a store that closes.
                let _ = self.wake.send(Question::Move);
            }
        }
    }

    fn count_dead(&self) {
        let rows = self.books.total(Table::Dead).tally.rows;
        self.dead.store(u64::try_from(rows).unwrap_or(0), Relaxed);
    }

    /// Takes what is queued. As long as fewer came than last time more are likely to come, and are waited for.
    fn gather(&mut self, group: &mut Vec<Order>, usual: usize) -> bool {
        let Ok(first) = self.queue.recv() else { return false };
        let begun = Instant::now();
        let mut rows = first.rows;
        group.push(first);
        while rows < GROUP_ROWS_MAX {
            let next = match group.len() < usual {
                true => self.queue.recv_timeout(GROUP_WAIT_MAX.saturating_sub(begun.elapsed())),
                false => self.queue.try_recv().map_err(|_| RecvTimeoutError::Timeout),
            };
            let Ok(order) = next else { break };
            rows += order.rows;
            group.push(order);
        }
        true
    }

    fn commit(&mut self, group: &mut [Order]) -> Result<(), Trouble> {
        let outlives = group.iter().map(|order| order.outlives).max().unwrap_or(Outlives::Process);
        self.promise(outlives)?;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.books.begin_group();
        match self.fill(group).and_then(|()| self.close()) {
            // Only behind a transaction that wrote something: for nothing SQLite does not wait for the disk, and what was written
            // before, by a transaction that did not wait, may not be there yet.
            Ok(Wrote::Something) if outlives == Outlives::Power => self.seal.write(self.books.commits()),
            Ok(_) => {}
            Err(reason) => {
                self.books.undo_group();
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK")?;
                }
                return Err(reason);
            }
        }
        Ok(())
    }

    fn promise(&mut self, outlives: Outlives) -> rusqlite::Result<()> {
        if self.outlives != Some(outlives) {
            let synchronous = if outlives == Outlives::Power { "FULL" } else { "NORMAL" };
            self.outlives = None;
            self.connection.execute_batch(&format!("PRAGMA synchronous={synchronous}"))?;
            self.outlives = Some(outlives);
        }
        Ok(())
    }

    fn fill(&mut self, group: &mut [Order]) -> Result<(), Trouble> {
        for order in group {
            self.connection.prepare_cached("SAVEPOINT one")?.execute([])?;
            self.books.begin_command();
            let mut desk = Desk { connection: &self.connection, books: &mut self.books };
            match order.work.run(&mut desk) {
                Ok(()) => self.books.keep_command(),
                // A disk that is full, or fails, can end the whole transaction.
                Err(reason) if self.connection.is_autocommit() => return Err(reason),
                Err(_) => {
                    self.books.undo_command();
                    self.connection.prepare_cached("ROLLBACK TO one")?.execute([])?;
                }
            }
            self.connection.prepare_cached("RELEASE one")?.execute([])?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<Wrote, Trouble> {
        let wrote = self.books.close(&self.connection)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(wrote)
    }
}
