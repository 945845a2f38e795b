//! What a route tells of transactions: which place each captured change has in its own, and what was in it at its end.
//!
//! ```text
//!   Begin ─▶ kept      first row or message ─▶ told, counted      further ones ─▶ counted      Commit ─▶ told, with the counts
//! ```
//!
//! A transaction of which the pipeline captures nothing is not told. One that goes over many batches is counted over all of them: a
//! source leaves out after a cut what it had handed over, and begins with a whole transaction after a restart.

use crate::change::{Notice, TransactionId};
use crate::sink::format::debezium::{TransactionCounts, TransactionPlace};

/// The open transaction, as one route counts it.
#[derive(Default)]
pub(super) struct Tally {
    open: Option<Open>,
    /// Of the change that is being made into messages.
    place: Option<TransactionPlace>,
}

struct Open {
    begin: Notice,
    id: TransactionId,
    is_told: bool,
    counts: TransactionCounts,
}

impl Tally {
    pub(super) fn begin(&mut self, begin: &Notice, id: &TransactionId) {
        let (begin, id) = (begin.clone(), id.clone());
        self.open = Some(Open { begin, id, is_told: false, counts: TransactionCounts::default() });
    }

    /// Something of the transaction is captured. Gives its beginning, if that was not told before.
    pub(super) fn tell(&mut self) -> Option<(Notice, TransactionId)> {
        let open = self.open.as_mut().filter(|open| !open.is_told)?;
        open.is_told = true;
        Some((open.begin.clone(), open.id.clone()))
    }

    /// Counts a change that is `events` of them to Debezium and stands at `lsn`, where positions are that.
    pub(super) fn count(&mut self, collection: &str, events: u64, lsn: u64) {
        self.place = None;
        let Some(open) = self.open.as_mut().filter(|_| events > 0) else { return };
        let counts = &mut open.counts;
        let known = counts.collections.iter().position(|(name, _)| **name == *collection);
        let at = known.unwrap_or(counts.collections.len());
        if known.is_none() {
            counts.collections.push((collection.into(), 0));
        }
        let id = match &open.id {
            TransactionId::Postgres { xid, .. } => TransactionId::Postgres { xid: *xid, lsn },
            TransactionId::Binlog(id) => TransactionId::Binlog(id.clone()),
        };
        let in_collection = &mut counts.collections[at].1;
        let place = TransactionPlace { id, total_order: counts.events + 1, data_collection_order: *in_collection + 1 };
        self.place = Some(place);
        counts.events += events;
        *in_collection += events;
    }

    /// What comes is not counted.
    pub(super) fn skip(&mut self) {
        self.place = None;
    }

    pub(super) fn place(&self) -> Option<TransactionPlace> {
        self.place.clone()
    }

    /// The transaction ends; what was in it, if it was told that it began.
    pub(super) fn end(&mut self, commit: &Notice) -> Option<TransactionCounts> {
        self.place = None;
        let open = self.open.take()?;
        (open.is_told && open.begin.mark.commit == commit.mark.commit).then_some(open.counts)
    }
}
