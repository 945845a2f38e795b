//! Messages become rows of a batch. A row is written once, straight from the socket's buffer into the frame.
//!
//! ```text
//!   XLogData ─▶ Message ─▶ Begin/Commit: where we are
//!                        ─▶ Relation:     tables
//!                        ─▶ Insert ...:   frame, mark
//!                        ─▶ Logical:      notices, as Begin and Commit if somebody asks for them
//! ```

use super::copy_both::now_us;
use super::pgoutput::{Begin, Commit, Datum, Logical, Message, MessageError, Old, Tuple};
use super::relation::{Catalog, Rules, Table, Tables};
use super::trouble::{Trouble, fatal};
use super::value::{self, Scratch};
use crate::change::{
    Batch, FrameBuf, LogicalMessage, Lsn, NoticeKind, Op, Position, RawCell, RowHead, RowMark, Schema, TransactionId,
};
use crate::source::notices::Notices;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// A batch is cut here, even inside a transaction: large enough that a call into a guest costs nothing per row, small enough
/// to stay in a cache.
pub(super) const BATCH_ROWS_MAX: usize = 1024;
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

/// Turns the messages of one source into batches, over as many connections as it takes.
pub(super) struct Decoder {
    source: Arc<str>,
    tables: Tables,
    scratch: Scratch,
    transaction: Option<Begin>,
    frame: FrameBuf,
    marks: Vec<RowMark>,
    schemas: Vec<Arc<Schema>>,
    notices: Notices,
    confirms: Option<Lsn>,
    /// Where the last transaction ended, over all connections; and from which row of the batch on that was so.
    last_end: Option<Lsn>,
    /// When it was committed.
    last_committed_at: Option<i64>,
    previous_ends: Vec<(u32, Lsn)>,
    /// The last row that was written; says how `sub` counts.
    last: Option<RowMark>,
    /// The last row that was handed over, if its transaction's end was not: its transaction comes again after a cut.
    handed_over: Option<RowMark>,
    /// Rows of a transaction that came again, and were handed over already.
    repeats: Option<RowMark>,
    pub(super) rows_total: u64,
    pub(super) transactions_total: u64,
}

/// What a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Inside,
    /// A transaction ended; it was committed at this time (microseconds since 2000).
    Committed {
        committed_at: i64,
    },
}

impl Decoder {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            notices: Notices::new(rules.notices.clone(), &rules.source, rules.database.clone()),
            source: rules.source.as_str().into(),
            tables: Tables::new(rules),
            scratch: Scratch::default(),
            transaction: None,
            frame: FrameBuf::new(),
            marks: Vec::new(),
            schemas: Vec::new(),
            confirms: None,
            last_end: None,
            last_committed_at: None,
            previous_ends: Vec::new(),
            last: None,
            handed_over: None,
            repeats: None,
            rows_total: 0,
            transactions_total: 0,
        }
    }

    /// A new connection begins at a transaction. Rows that were not handed over come again; of a transaction that was handed
    /// over in part, the known rows are left out when it comes again.
    pub(super) fn reconnected(&mut self) {
        self.tables.forget_connection();
        self.transaction = None;
        self.clear();
        self.last = None;
        self.repeats = self.handed_over;
    }

    fn clear(&mut self) {
        self.frame.clear();
        self.marks.clear();
        self.schemas.clear();
        self.previous_ends.clear();
        self.notices.truncate(0);
        self.confirms = None;
    }

    /// Takes one message; `lsn` is where its change stands in the log.
    ///
    /// # Errors
    /// If it is no message of protocol version 1, or the catalog can not be asked.
    #[inline]
    pub(super) fn take(&mut self, lsn: u64, bytes: &[u8], catalog: &mut dyn Catalog) -> Result<Step, Trouble> {
        match Message::parse(bytes).map_err(unusable)? {
            Message::Insert { relation, new } => self.row(lsn, relation, Op::Insert, (Some(new), None), catalog)?,
            Message::Update { relation, old, new } => self.row(lsn, relation, Op::Update, (Some(new), old), catalog)?,
            Message::Delete { relation, kind, old } => {
                self.row(lsn, relation, Op::Delete, (None, Some((kind, old))), catalog)?;
            }
            Message::Truncate { relations } => {
                for relation in relations {
                    self.row(lsn, relation, Op::Truncate, (None, None), catalog)?;
                }
            }
            Message::Begin(begin) => self.begin(lsn, begin),
            Message::Commit(commit) => {
                self.commit(commit);
                return Ok(Step::Committed { committed_at: commit.committed_at });
            }
            Message::Relation(relation) => self.tables.announce(&relation, catalog)?,
            Message::Logical(message) => self.message(message)?,
            Message::Type | Message::Origin => {}
        }
        Ok(Step::Inside)
    }

    fn begin(&mut self, lsn: u64, begin: Begin) {
        self.transaction = Some(begin);
        self.repeats = self.repeats.filter(|mark| mark.commit == begin.final_lsn);
        if self.notices.rule().transactions && self.repeats.is_none() {
            let mark = RowMark { commit: begin.final_lsn, change: 0, sub: 0, transaction: begin.xid };
            let kind = NoticeKind::Begin { id: TransactionId::Postgres { xid: begin.xid, lsn } };
            self.notices.push(self.marks.len(), mark, begin.committed_at, kind);
        }
    }

    fn commit(&mut self, commit: Commit) {
        if let Some(Begin { final_lsn, xid, .. }) = self.transaction.take()
            && self.notices.rule().transactions
        {
            // No change stands where the commit does.
            let mark = RowMark { commit: final_lsn, change: final_lsn, sub: 0, transaction: xid };
            let id = TransactionId::Postgres { xid, lsn: commit.end_lsn };
            self.notices.end(self.marks.len(), mark, commit.committed_at, id);
        }
        self.repeats = None;
        self.confirms = Some(Lsn(commit.end_lsn));
        self.last_end = self.confirms;
        self.last_committed_at = Some(commit.committed_at);
        self.transactions_total += 1;
    }

    /// The server says where a message ends; where the next change may begin. What it is marked with lies inside of it, so that no
    /// row has the same mark, whether messages are asked for or not.
    fn message(&mut self, message: Logical<'_>) -> Result<(), Trouble> {
        let prefix = String::from_utf8_lossy(message.prefix);
        if !self.notices.rule().messages.as_ref().is_some_and(|rule| rule(&prefix)) {
            return Ok(());
        }
        let change = message.lsn.saturating_sub(1);
        let (mark, committed_at) = match (message.is_transactional, self.transaction) {
            (true, Some(begin)) => {
                let mark = RowMark { commit: begin.final_lsn, change, sub: 0, transaction: begin.xid };
                (mark, begin.committed_at)
            }
            (true, None) => return Err(Trouble::Protocol("a message outside its transaction".into())),
            // Nothing says when it was written; the commit before it is the best that is known.
            (false, _) => {
                let mark = RowMark { commit: change, change, sub: 0, transaction: 0 };
                (mark, self.last_committed_at.unwrap_or_else(now_us))
            }
        };
        if self.repeats.is_some_and(|known| mark.commit == known.commit && mark.change <= known.change) {
            return Ok(());
        }
        if !message.is_transactional {
            self.last_end = Some(Lsn(message.lsn));
        }
        let content = LogicalMessage {
            prefix: prefix.into_owned(),
            content: Bytes::copy_from_slice(message.content),
            transactional: message.is_transactional,
            lsn: message.lsn,
            previous_end: self.last_end,
        };
        self.notices.push(self.marks.len(), mark, committed_at, NoticeKind::Message(Arc::new(content)));
        if self.transaction.is_none() {
            self.confirms = Some(Lsn(message.lsn));
        }
        Ok(())
    }

    #[inline]
    fn row(
        &mut self,
        lsn: u64,
        oid: u32,
        op: Op,
        (new, old): (Option<Tuple<'_>>, Option<(Old, Tuple<'_>)>),
        catalog: &mut dyn Catalog,
    ) -> Result<(), Trouble> {
        if let Some(row) = new.filter(|row| self.tables.get(oid).is_some_and(|table| table.has_new_label(*row))) {
            self.tables.learn_label(oid, row, catalog)?;
        }
        let begin = self.transaction.ok_or_else(|| Trouble::Protocol("a row outside a transaction".into()))?;
        let table = self.tables.get(oid);
        let table =
            table.ok_or_else(|| Trouble::Protocol(format!("a row of relation {oid}, which was not announced")))?;
        let Some(schema) = &table.schema else { return Ok(()) };
        let sub = match self.last {
            Some(last) if last.commit == begin.final_lsn && last.change == lsn => last.sub + 1,
            _ => 0,
        };
        let mark = RowMark { commit: begin.final_lsn, change: lsn, sub, transaction: begin.xid };
        self.last = Some(mark);
        if self.repeats.is_some_and(|known| (lsn, sub) <= (known.change, known.sub)) {
            return Ok(());
        }
        let first = self.frame.cells.len();
        let (frame, scratch) = (&mut self.frame, &mut self.scratch);
        let mut new_cells = 0;
        if let Some(mut tuple) = new {
            new_cells = write_image(frame, scratch, table, &mut tuple, Old::Full).map_err(unusable)?;
            tuple.finish().map_err(unusable)?;
        }
        let (mut old_cells, mut old_is_key) = (0, false);
        if let Some((kind, mut tuple)) = old {
            old_cells = write_image(frame, scratch, table, &mut tuple, kind).map_err(unusable)?;
            old_is_key = kind == Old::Key;
            if new.is_none() {
                tuple.finish().map_err(unusable)?;
            }
        }
        if old_cells == new_cells && !old_is_key {
            fill_unchanged(&mut frame.cells[first..]);
        }
        if !self.schemas.iter().rev().any(|s| s.id == schema.id) {
            self.schemas.push(schema.clone());
        }
        if let Some(end) = self.last_end.filter(|end| self.previous_ends.last().is_none_or(|(_, last)| last != end)) {
            self.previous_ends.push((self.marks.len() as u32, end));
        }
        frame.rows.push(RowHead {
            schema: schema.id.0,
            op,
            old_is_key,
            first_cell: first as u32,
            new_cells,
            old_cells,
            committed_at: begin.committed_at,
            position: lsn,
        });
        self.marks.push(mark);
        self.rows_total += 1;
        Ok(())
    }

    /// Whether the batch has reached a limit.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.marks.len() >= BATCH_ROWS_MAX
            || self.frame.heap.len() + self.frame.cells.len() * RawCell::SIZE + self.notices.bytes() >= BATCH_BYTES_MAX
    }

    /// Whether there is something whose transaction is complete.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.confirms.is_some() && !self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.notices.is_empty(0)
    }

    /// Whether the messages stand between two transactions.
    pub(super) fn is_between(&self) -> bool {
        self.transaction.is_none()
    }

    /// The end of transactions that had nothing for us: nothing is owed for them. None while something waits.
    pub(super) fn take_empty_end(&mut self) -> Option<Lsn> {
        if self.is_empty() { self.confirms.take() } else { None }
    }

    /// The rows so far. The next batch gets as much memory as this one took.
    pub(super) fn take_batch(&mut self, received_at: Instant) -> Batch {
        let (rows, cells, heap) = (self.frame.rows.len(), self.frame.cells.len(), self.frame.heap.len());
        let next = FrameBuf {
            rows: Vec::with_capacity(rows),
            cells: Vec::with_capacity(cells),
            heap: Vec::with_capacity(heap.min(BATCH_BYTES_MAX)),
        };
        Batch {
            source: self.source.clone(),
            frame: std::mem::replace(&mut self.frame, next),
            marks: std::mem::replace(&mut self.marks, Vec::with_capacity(rows)),
            schemas: std::mem::take(&mut self.schemas),
            events: Vec::new(),
            previous_ends: std::mem::take(&mut self.previous_ends),
            notices: self.notices.take(rows),
            confirms: self.confirms.take().map(Position::Postgres),
            received_at,
        }
    }

    /// Forgets the rows so far and keeps the memory; for measuring.
    pub(super) fn discard(&mut self) {
        self.clear();
    }

    /// A batch that ends with this row was handed over.
    pub(super) fn was_handed_over(&mut self, last: Option<RowMark>) {
        // Between transactions nothing comes again: the next connection begins behind the last end.
        let open = self.transaction.map(|b| b.final_lsn);
        self.handed_over = last.filter(|mark| Some(mark.commit) == open);
    }

    /// An empty batch: a sign of life, and nothing to do up to `confirms`.
    pub(super) fn sign_of_life(&self, confirms: Lsn) -> Batch {
        Batch {
            source: self.source.clone(),
            frame: FrameBuf::new(),
            marks: Vec::new(),
            schemas: Vec::new(),
            events: Vec::new(),
            previous_ends: Vec::new(),
            notices: Vec::new(),
            confirms: Some(Position::Postgres(confirms)),
            received_at: Instant::now(),
        }
    }
}

/// Where the last row or notice of a batch stands.
pub(super) fn last_mark(batch: &Batch) -> Option<RowMark> {
    let behind = batch.notices.last().filter(|notice| notice.before_row as usize == batch.len());
    behind.map(|notice| notice.mark).or(batch.marks.last().copied())
}

#[inline]
fn write_image(
    frame: &mut FrameBuf,
    scratch: &mut Scratch,
    table: &Table,
    tuple: &mut Tuple<'_>,
    image: Old,
) -> Result<u16, MessageError> {
    if usize::from(tuple.count) != table.plans.len() {
        return Err(MessageError::Truncated("a row with fewer or more columns than were announced"));
    }
    let first = frame.cells.len();
    for plan in &table.plans {
        let datum = tuple.next()?;
        let Some(kind) = plan.kind else { continue };
        match datum {
            Datum::Text(text) => value::push(frame, kind, text, scratch),
            Datum::Null if image == Old::Key && !plan.is_in_old_key => frame.cells.push(RawCell::ABSENT),
            Datum::Null => frame.cells.push(RawCell::NULL),
            Datum::Unchanged => frame.cells.push(RawCell::UNCHANGED),
        }
    }
    Ok((frame.cells.len() - first) as u16)
}

/// An old image of all columns holds what the statement did not touch: the same heap bytes serve both images.
fn fill_unchanged(cells: &mut [RawCell]) {
    let (new, old) = cells.split_at_mut(cells.len() / 2);
    for (new, old) in new.iter_mut().zip(old) {
        if *new == RawCell::UNCHANGED {
            *new = *old;
        }
    }
}

fn unusable(error: MessageError) -> Trouble {
    Trouble::Judged(fatal(match error {
        MessageError::Unknown { what, tag } => format!(
            "the server sent the unknown {what} {:?}; protocol version 1 was asked for, so it is newer than this program, or no \
             PostgreSQL: take a newer sluicegate, or name a server of version 14 to 18",
            char::from(tag)
        ),
        other => format!(
            "the server sent a message that can not be read ({other}); nothing is lost, it will be sent again: name the PostgreSQL \
             server itself in the URL, without a proxy between, and start again"
        ),
    }))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "notice_tests.rs"]
mod notice_tests;
