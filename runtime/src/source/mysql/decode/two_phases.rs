//! Transactions in two phases, of which `prepared` keeps the events: what belongs to one, and what its outcome does.
//!
//! ```text
//!   TABLE_MAP, ..._ROWS ─▶ keep ─▶ XA PREPARE ─▶ prepared ─▶ XA COMMIT ─▶ deliver ─▶ replay ─▶ rows
//!                                                   └──────▶ XA ROLLBACK: forgotten
//! ```

use super::super::event::{self, RawEvent, kind};
use super::super::prepared::{Held, HeldEvent};
use super::{DecodeError, Decoder, Step};

impl Decoder {
    /// Whether the open transaction may yet be undone after its end.
    pub(super) fn is_held(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.held.is_some())
    }

    /// Keeps an event until its transaction's outcome is known.
    pub(super) fn keep(&mut self, event: &RawEvent<'_>, begin: u64) -> Result<(), DecodeError> {
        let Some(held) = self.transaction.as_mut().and_then(|transaction| transaction.held.as_mut()) else {
            return Ok(());
        };
        self.prepared.keep(held, event, self.progress.file(), begin).map_err(DecodeError::fatal)
    }

    /// The open transaction is prepared, or committed in one phase.
    pub(super) fn xa_prepare(&mut self, event: &RawEvent<'_>) -> Result<Step, DecodeError> {
        let (is_one_phase, branch) = event::xa_prepare(event.body)?;
        let Some(transaction) = &mut self.transaction else { return Ok(Step::Quiet) };
        let Some(mut held) = transaction.held.take() else { return Ok(self.commit()) };
        held.thread = transaction.thread;
        if is_one_phase {
            self.replay(&held)?;
        } else {
            if self.prepared.is_empty() {
                self.progress.hold();
            }
            self.prepared.insert(branch, held);
        }
        Ok(self.commit())
    }

    /// A prepared transaction is committed by the open one, to which its rows belong from now on.
    pub(super) fn deliver(&mut self, branch: &str) -> Result<(), DecodeError> {
        match self.prepared.remove(branch) {
            Some(held) => self.replay(&held),
            None => {
                tracing::warn!(
                    source = &*self.rules.source,
                    file = &**self.progress.file(),
                    offset = self.progress.offset(),
                    "XA COMMIT of a transaction that was prepared before this source began: its rows are not delivered"
                );
                Ok(())
            }
        }
    }

    /// Reads what was kept as the open transaction's own.
    fn replay(&mut self, held: &Held) -> Result<(), DecodeError> {
        if let Some(transaction) = &mut self.transaction {
            transaction.thread = held.thread;
        }
        // The catalog is asked before the first row is written: if it can not be, nothing is half done.
        for event in held.events.iter().map(HeldEvent::as_raw).filter(|event| event.kind == kind::TABLE_MAP) {
            self.tables.announce(event.body, &mut self.rules)?;
        }
        for event in &held.events {
            let raw = event.as_raw();
            match raw.kind {
                kind::TABLE_MAP => self.announce(raw.body)?,
                kind::ROWS_QUERY | kind::ANNOTATE_ROWS => self.rows_query(&raw),
                _ => {
                    self.rows(&raw, &event.file, event.begin)?;
                    if self.assembly.is_current_full() {
                        self.assembly.cut();
                    }
                }
            }
        }
        Ok(())
    }
}
