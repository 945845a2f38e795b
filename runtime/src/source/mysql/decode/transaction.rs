//! The open transaction: how it begins, how it ends, and what its readers hear of both.
//!
//! ```text
//!   GTID, BEGIN ─▶ open ── rows, definitions ─┬─ XID, COMMIT ──────▶ commit: the position moves
//!                                             ├─ ROLLBACK ─────────▶ take_back, commit: likewise, without its rows
//!                                             └─ the server died ──▶ abandon: it never was
//! ```

use super::super::assembly::{Assembly, Level};
use super::super::event::{Opening, RawEvent};
use super::super::prepared::Held;
use super::super::progress::Commit;
use super::{DecodeError, Decoder, Step};
use crate::change::{BinlogEvent, Gtid, NoticeKind, RowMark, TransactionId};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::sync::Arc;

/// The transaction that the next rows belong to.
pub(super) struct Transaction {
    pub(super) commit: Commit,
    pub(super) gtid: Gtid,
    pub(super) thread: u32,
    /// Microseconds since 2000.
    pub(super) committed_at: i64,
    /// Rows so far, of all tables.
    pub(super) rows: u64,
    pub(super) query: Option<Arc<str>>,
    /// Where it begins.
    file: Arc<str>,
    begin: u64,
    /// Whether more than one statement may follow; otherwise it ends with the first.
    pub(super) is_block: bool,
    /// A statement alone, which nobody takes for a transaction.
    pub(super) is_unbound: bool,
    /// What the batch held when it began.
    pub(super) level: Level,
    /// Rows wait for an outcome.
    pub(super) held: Option<Held>,
}

impl Transaction {
    /// Where one of its ends stands, and its name; if somebody asks.
    fn bound(&self, change: u64, assembly: &Assembly) -> Option<(RowMark, TransactionId)> {
        let Commit::At(commit) = self.commit else { return None };
        let mark = RowMark { commit, change, sub: 0, transaction: 0 };
        (assembly.wants_transactions() && !self.is_unbound).then(|| (mark, TransactionId::Binlog(self.name().into())))
    }

    fn name(&self) -> String {
        match self.gtid {
            Gtid::None => format!("file={},pos={}", self.file, self.begin),
            gtid => gtid.to_string(),
        }
    }

    pub(super) fn event(&self, event: &RawEvent<'_>, file: &Arc<str>, begin: u64) -> BinlogEvent {
        BinlogEvent {
            first_row: 0,
            skipped_rows: 0,
            file: file.clone(),
            offset: begin,
            server_id: event.server_id,
            thread: self.thread,
            gtid: self.gtid,
            query: self.query.clone(),
        }
    }
}

impl Decoder {
    pub(super) fn open(&mut self, event: &RawEvent<'_>, opening: Opening, begin: u64) -> Result<(), DecodeError> {
        self.abandon();
        let commit = self.progress.open(&opening, begin).map_err(DecodeError::fatal)?;
        let committed_at_us = opening.committed_at_us.unwrap_or(i64::from(event.timestamp) * 1_000_000);
        self.repeats = self.taken_of(commit, opening.gtid);
        self.transaction = Some(Transaction {
            commit,
            gtid: opening.gtid,
            thread: opening.thread,
            committed_at: committed_at_us - UNIX_EPOCH_TO_2000_US,
            rows: 0,
            query: None,
            file: self.progress.file().clone(),
            begin,
            is_block: false,
            is_unbound: false,
            level: self.assembly.level(),
            held: None,
        });
        if let Some(transaction) = &self.transaction
            && let Some((mark, id)) = transaction.bound(0, &self.assembly)
            && self.repeats == 0
        {
            self.assembly.notice(mark, transaction.committed_at, NoticeKind::Begin { id });
        }
        Ok(())
    }

    /// The open transaction is complete.
    pub(super) fn commit(&mut self) -> Step {
        let Some(transaction) = self.transaction.take() else { return Step::Quiet };
        if let Some((mark, id)) = transaction.bound(transaction.rows + 1, &self.assembly) {
            self.assembly.end_transaction(mark, transaction.committed_at, id);
        }
        self.payload = None;
        self.handed_over = None;
        self.repeats = 0;
        self.progress.finish(transaction.gtid);
        if self.prepared.is_empty() {
            self.progress.release();
            self.assembly.end();
        }
        self.transactions_total += 1;
        Step::Committed
    }

    /// The server undid the open transaction. What was taken of it already can not be called back.
    pub(super) fn take_back(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        self.assembly.lower(transaction.level);
        if self.handed_over.is_some() {
            tracing::warn!(
                source = &*self.rules.source,
                file = &**self.progress.file(),
                offset = self.progress.offset(),
                "the log ends a transaction with ROLLBACK after some of its rows were delivered"
            );
        }
    }

    /// The open transaction has no end.
    pub(super) fn abandon(&mut self) {
        if self.transaction.is_some() {
            self.take_back();
            self.transaction = None;
        }
        self.payload = None;
    }
}
