//! Transactions in two phases (`XA PREPARE`): their rows stand in the log before it is known whether they will be.
//!
//! ```text
//!   XA START  rows  XA END  XA PREPARE  ··· other transactions ···  XA COMMIT    the rows are handed on here
//!                                                                   XA ROLLBACK  they never were
//! ```
//!
//! Their events are kept as they are, up to a limit, and are read when the outcome is known. Until then the position does not
//! move beyond them, so that a restart finds them again. A branch whose beginning we never saw (it was prepared before this source
//! began for the first time) can not be delivered; a warning says so.

use super::event::RawEvent;
use std::collections::HashMap;
use std::sync::Arc;

/// Limits of what waits for its outcome.
pub(super) const HELD_BYTES_MAX: usize = 64 << 20;
pub(super) const HELD_EVENTS_MAX: usize = 1 << 18;

/// An event that is read later.
pub(super) struct HeldEvent {
    timestamp: u32,
    kind: u8,
    server_id: u32,
    flags: u16,
    body: Box<[u8]>,
    pub(super) file: Arc<str>,
    pub(super) begin: u64,
}

impl HeldEvent {
    pub(super) fn as_raw(&self) -> RawEvent<'_> {
        RawEvent {
            timestamp: self.timestamp,
            kind: self.kind,
            server_id: self.server_id,
            len: 0,
            end: 0,
            flags: self.flags,
            body: &self.body,
        }
    }
}

/// The events of one transaction.
#[derive(Default)]
pub(super) struct Held {
    pub(super) events: Vec<HeldEvent>,
    pub(super) thread: u32,
    bytes: usize,
}

/// Everything that waits.
#[derive(Default)]
pub(super) struct Prepared {
    branches: HashMap<String, Held>,
    bytes: usize,
    events: usize,
}

impl Prepared {
    pub(super) fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps an event of the open transaction.
    ///
    /// # Errors
    /// If it is more than may wait.
    pub(super) fn keep(
        &mut self,
        held: &mut Held,
        event: &RawEvent<'_>,
        file: &Arc<str>,
        begin: u64,
    ) -> Result<(), String> {
        let len = event.body.len() + size_of::<HeldEvent>();
        if self.bytes + held.bytes + len > HELD_BYTES_MAX || self.events + held.events.len() >= HELD_EVENTS_MAX {
            return Err(format!(
                "transactions in two phases wait for XA COMMIT or XA ROLLBACK with more than {} MiB or {HELD_EVENTS_MAX} events: end \
                 those that XA RECOVER lists, make them smaller, and begin anew with a snapshot",
                HELD_BYTES_MAX >> 20
            ));
        }
        held.bytes += len;
        let &RawEvent { timestamp, kind, server_id, flags, body, .. } = event;
        held.events.push(HeldEvent { timestamp, kind, server_id, flags, body: body.into(), file: file.clone(), begin });
        Ok(())
    }

    /// The transaction is prepared under this name.
    pub(super) fn insert(&mut self, branch: String, held: Held) {
        self.bytes += held.bytes;
        self.events += held.events.len();
        if let Some(before) = self.branches.insert(branch, held) {
            self.count_off(&before);
        }
    }

    /// The outcome is known.
    pub(super) fn remove(&mut self, branch: &str) -> Option<Held> {
        let held = self.branches.remove(branch)?;
        self.count_off(&held);
        Some(held)
    }

    fn count_off(&mut self, held: &Held) {
        self.bytes -= held.bytes;
        self.events -= held.events.len();
    }
}
