//! What is handed over, and what comes again after a cut.
//!
//! ```text
//!   events ─▶ rows ─▶ take ─▶ rows ─▶ take ─▶ cut · restart ─▶ the transaction from its beginning
//!                                      │                         │
//!                                      └── handed_over ────────▶ repeats: rows up to this are left out
//! ```
//!
//! Rows of an open transaction may be taken before its end, so that a large one needs no more memory than a small one.

use super::super::assembly::Level;
use super::super::progress::{Commit, Progress};
use super::Decoder;
use crate::change::{Batch, BinlogPosition, Gtid};
use std::sync::Arc;
use std::time::Instant;

impl Decoder {
    /// Whether the batch has reached a limit: take it before the next event.
    #[inline]
    pub(in super::super) fn is_full(&self) -> bool {
        self.assembly.is_full()
    }

    /// Whether there are no rows to take.
    #[inline]
    pub(in super::super) fn is_empty(&self) -> bool {
        self.assembly.is_empty()
    }

    /// Whether the next event belongs to a transaction that has begun.
    pub(in super::super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The rows so far, as handed over. Confirms the last complete transaction, unless an earlier batch did. The commit of a
    /// large prepared transaction makes several batches at once: take until `is_empty`, or as long as `is_full`.
    pub(in super::super) fn take(&mut self, received_at: Instant) -> Batch {
        let progress = &mut self.progress;
        let batch = self.assembly.take(received_at, || progress.position());
        if let Some(transaction) = &mut self.transaction {
            let open = match transaction.commit {
                Commit::At(ordinal) => batch.marks.last().filter(|mark| mark.commit == ordinal),
                Commit::Known => None,
            };
            self.handed_over = open.map(|mark| (*mark, transaction.gtid)).or(self.handed_over);
            transaction.level = Level::default();
        }
        batch
    }

    /// Behind the last complete transaction, whether anybody asked for its tables or not: where to begin after a restart, and
    /// what may be confirmed when [`Self::is_empty`] and all batches are safe. Made when it is asked for; not for once per event.
    /// While a prepared transaction waits for its outcome, it stays before that.
    pub(in super::super) fn position(&mut self) -> Arc<BinlogPosition> {
        self.progress.position()
    }

    /// The log can not be read on: of the open transaction nothing is handed over any more.
    pub(in super::super) fn give_up(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.assembly.lower(transaction.level);
        }
    }

    /// A new connection begins at `from`, which is what [`Self::position`] says. Rows behind a complete transaction stay; of
    /// the open transaction, which comes again, those that were taken already are left out then.
    pub(in super::super) fn restart(&mut self, from: &BinlogPosition) {
        self.payload = None;
        match self.transaction.take() {
            _ if from.ordinal < self.progress.ordinal() => self.assembly.clear(),
            Some(transaction) => self.assembly.lower(transaction.level),
            None => {}
        }
        self.repeats = 0;
        self.prepared.clear();
        self.progress = Progress::new(from);
        // The catalog may have changed while nobody looked, and the numbers of tables belong to a server.
        self.tables.forget_definitions();
    }

    /// The number of the last row that was taken already of the transaction which begins now; 0 if none was.
    pub(super) fn taken_of(&self, commit: Commit, gtid: Gtid) -> u64 {
        match (self.handed_over, commit) {
            (Some((mark, known)), Commit::At(ordinal)) if mark.commit == ordinal && known == gtid => mark.change,
            _ => 0,
        }
    }
}
