//! One ordered road to one receiver. A lane that suffers holds nobody but itself.
//!
//! ```text
//!   push ──▶ inbox ═══▶ core ──message──▶ sink
//!    ▲  (bounded: waits)  │ ◀──outcome──── │
//!    └───── room ─────────┴─▶ settle(ticket), stats, a line for what is refused for good
//! ```
//!
//! The core decides and does nothing: what may be sent now, who waits for how long, who is given up. The driver is the
//! task around it and decides nothing. The inbox is where pushers meet it, and where memory is bounded. Two further states of
//! a lane, parked on disk and held by its breaker, belong into the core: its messages can be walked oldest first.

mod budget;
mod core;
mod driver;
mod inbox;
mod retry;
mod table;

pub use budget::{BUDGET_BYTES, Budget};
pub use inbox::Held;
pub use retry::{RETRY_AFTER_MAX, RetrySettings};

use crate::change::Message;
use crate::ledger::Ticket;
use crate::sink::Sink;
use crate::telemetry::LaneStats;
use inbox::Inbox;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Messages that a lane holds unless set otherwise.
pub const MESSAGES_MAX: usize = 65_536;

/// How a lane behaves. The three names are for people: logs carry them.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    pub pipeline: Arc<str>,
    pub target: Arc<str>,
    pub member: Arc<str>,
    /// Flights at a time, at least 1; never two with messages of one key.
    pub concurrency: usize,
    /// Messages in one flight, at least 1; more than one only for a sink that overrides [`Sink::deliver_all`].
    pub batch_max: usize,
    /// What the lane may hold, in bytes by [`Message::byte_len`]; a single message always fits.
    pub memory_bytes: usize,
    /// And in messages, whatever their size; at least 1.
    pub messages_max: usize,
    pub retry: RetrySettings,
}

/// A message with the share that is settled when it is delivered or refused for good.
pub struct Parcel {
    pub message: Message,
    pub ticket: Ticket,
}

/// The pushers' end of a lane. When the last clone is dropped, the lane stops at once.
#[derive(Clone)]
pub struct Lane {
    door: Arc<Door>,
}

struct Door(Arc<Inbox>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.close(Instant::now());
    }
}

/// Starts a lane on the runtime of the caller. The task ends after [`Lane::drain`]; what it has not settled by then stays
/// unsettled, and will be read again from the source.
pub fn spawn(
    settings: LaneSettings,
    sink: Arc<dyn Sink>,
    budget: Budget,
    stats: Arc<LaneStats>,
) -> (Lane, JoinHandle<()>) {
    let inbox = Arc::new(Inbox::new(&settings, budget, stats.clone()));
    let lane = Lane { door: Arc::new(Door(inbox.clone())) };
    let task = tokio::spawn(driver::run(settings, sink, inbox, stats));
    (lane, task)
}

impl Lane {
    /// Hands a parcel over, and waits while the lane is full. Parcels of one caller keep their order. A lane that drains or
    /// has stopped takes nothing: the parcel is dropped with its ticket unsettled.
    pub async fn push(&self, parcel: Parcel) {
        self.door.0.push(parcel).await;
    }

    /// Takes no new messages from now on, goes on with those it has until `deadline`, then ends. It ends earlier when all is
    /// done or when no retry is due before the deadline. Await the task to know when.
    pub fn drain(&self, deadline: Instant) {
        self.door.0.close(deadline);
    }

    /// What the lane holds at this moment: waiting, in flight, or being settled.
    pub fn held(&self) -> Held {
        self.door.0.held()
    }
}

#[cfg(test)]
mod tests;
