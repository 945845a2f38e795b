//! The memory that all lanes share. Ten thousand lanes of one MiB each would be ten gigabytes; together they get this.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What the lanes of a process may hold together unless set otherwise, in bytes.
pub const BUDGET_BYTES: usize = 256 << 20;

/// Bytes that lanes take from and give back to. A lane that holds nothing may always take one message, whatever is left, so
/// that hanging lanes can slow the others down but never lock them out; the bound is the limit and one message per lane.
#[derive(Clone)]
pub struct Budget(Arc<Purse>);

struct Purse {
    limit: usize,
    taken: AtomicUsize,
    /// Pushers that wait; without any, giving back is one addition.
    waiting: AtomicUsize,
    freed: Notify,
    pressed: Notify,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BUDGET_BYTES)
    }
}

impl Budget {
    pub fn new(limit_bytes: usize) -> Self {
        let (taken, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Purse { limit: limit_bytes, taken, waiting, freed: Notify::new(), pressed: Notify::new() }))
    }

    /// Bytes that lanes hold now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(SeqCst)
    }

    /// Takes `bytes` if they are left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.taken.try_update(SeqCst, SeqCst, fits).is_ok()
    }

    /// Takes `bytes` for a lane that holds nothing.
    pub(super) fn take_first(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes, SeqCst);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.0.taken.fetch_sub(bytes, SeqCst);
        // Ordered after the subtraction: who counted himself as waiting before either sees the room or is woken.
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.freed.notify_waiters();
        }
    }

    /// Whether somebody waits for bytes: who holds messages that are safe on disk, lets go of them.
    pub(super) fn is_short(&self) -> bool {
        self.0.waiting.load(SeqCst) > 0
    }

    /// Asks the lanes to let go.
    pub(super) fn press(&self) {
        self.0.pressed.notify_waiters();
    }

    /// Resolves when lanes are asked to let go.
    pub(super) fn pressed(&self) -> Notified<'_> {
        self.0.pressed.notified()
    }

    /// Announces a pusher that will wait for [`Waiting::freed`]; until the result is dropped it is woken.
    pub(super) fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, SeqCst);
        Waiting(self.clone())
    }
}

pub(super) struct Waiting(Budget);

impl Waiting {
    /// Resolves after the next giving back. Few wait at a time, one per pipeline, so all of them look.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.0.0.freed.notified()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, SeqCst);
    }
}
