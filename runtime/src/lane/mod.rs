//! One ordered road to one receiver. A lane that suffers holds nobody but itself.
//!
//! ```text
//!   push ──▶ inbox ═══▶ core ──message──▶ sink
//!    ▲  (bounded: waits)  │ ◀──outcome──── │
//!    └───── room ─────────┼─▶ settle(ticket), stats, a line for what is refused for good
//!                         └─▶ disk: what is not delivered in time, then settle(ticket)
//! ```
//!
//! The core decides and does nothing: what may be sent now, who waits for how long, who is given up (`gate`: whether the receiver
//! is there; `pace`: how fast; `slots`: how many at once among all lanes). The driver is the task around it; `parking` is the part
//! of it that goes to the disk, with what `disk` has under way and `quota` allows. The inbox is where pushers meet it, and where
//! memory is bounded.

mod budget;
mod core;
mod disk;
mod driver;
mod gate;
mod inbox;
mod pace;
mod parking;
mod quota;
mod retry;
mod revival;
mod slots;
mod table;

pub use budget::{BUDGET_BYTES, Budget};
pub use inbox::Held;
pub use quota::{HOST_DISK_BYTES, LANE_DISK_BYTES, Quota, WhenFull};
pub use retry::{RETRY_AFTER_MAX, RetrySettings};
pub use slots::{SLOTS_MAX, Slots};

use crate::change::Message;
use crate::ledger::Ticket;
use crate::sink::Sink;
use crate::store::{Buried, DeadLetter, LaneName, LaneRecord, Revive, Revived, Store, StoreError};
use crate::telemetry::LaneStats;
use inbox::{Inbox, Renewal, Revival};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Messages that a lane holds unless set otherwise.
pub const MESSAGES_MAX: usize = 65_536;
/// Bytes that a lane holds in memory unless set otherwise.
pub const MEMORY_BYTES: usize = 8 << 20;
/// How long a message is held in memory before it goes to disk, unless set otherwise.
pub const HOLD: Duration = Duration::from_millis(500);

/// How a lane behaves.
#[derive(Clone, Debug)]
pub struct LaneSettings {
    pub name: LaneName,
    /// Flights at a time, at least 1; never two with messages of one key. Fewer while the receiver does not cope.
    pub concurrency: usize,
    /// Messages in one flight, at least 1; more than one only for a sink that overrides [`Sink::deliver_all`].
    pub batch_max: usize,
    /// Messages per second; `None`: as many as the receiver takes.
    pub rate: Option<f64>,
    /// What the lane may hold in memory, in bytes by `Content::byte_len`; a single message always fits.
    pub memory_bytes: usize,
    /// And in messages, whatever their size; at least 1.
    pub messages_max: usize,
    /// A message that is not delivered after this time goes to disk, and its source is free of it.
    pub hold: Duration,
    /// What may wait on disk, in bytes by `Content::byte_len`.
    pub disk_bytes: u64,
    pub when_full: WhenFull,
    pub retry: RetrySettings,
}

impl LaneSettings {
    /// A lane of one message at a time, with the defaults.
    pub fn new(name: LaneName) -> Self {
        Self {
            name,
            concurrency: 1,
            batch_max: 1,
            rate: None,
            memory_bytes: MEMORY_BYTES,
            messages_max: MESSAGES_MAX,
            hold: HOLD,
            disk_bytes: LANE_DISK_BYTES,
            when_full: WhenFull::default(),
            retry: RetrySettings::default(),
        }
    }
}

/// What a lane stands on: its part of the state, and what it shares with all other lanes.
#[derive(Clone)]
pub struct Ground {
    pub store: Arc<dyn Store>,
    pub record: LaneRecord,
    pub budget: Budget,
    pub slots: Slots,
    pub quota: Quota,
}

impl Ground {
    /// A lane's own part of `store`, and limits that it shares with nobody.
    ///
    /// # Errors
    /// If the state can not be read or written.
    pub fn alone(store: Arc<dyn Store>, name: &LaneName) -> Result<Self, StoreError> {
        let record = store.lane(name)?;
        Ok(Self { store, record, budget: Budget::default(), slots: Slots::default(), quota: Quota::default() })
    }
}

/// A message with the share that is settled when it is delivered, set aside, or on disk.
pub struct Parcel {
    pub message: Message,
    pub ticket: Ticket,
}

/// A parcel that a closed lane did not take.
pub struct Turned {
    pub parcel: Parcel,
    /// Its member was taken out of the configuration; otherwise the house is closing, and the parcel will be read again.
    pub is_retired: bool,
}

/// The pushers' end of a lane. When the last clone is dropped, the lane stops at once.
#[derive(Clone)]
pub struct Lane {
    door: Arc<Door>,
}

struct Door {
    name: LaneName,
    inbox: Arc<Inbox>,
    stats: Arc<LaneStats>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.inbox.close(Instant::now());
    }
}

/// Starts a lane on the runtime of the caller. The task ends after [`Lane::drain`]; what it has not settled by then goes to disk, or
/// stays unsettled and will be read again from the source.
pub fn spawn(
    settings: LaneSettings,
    sink: Arc<dyn Sink>,
    ground: Ground,
    stats: Arc<LaneStats>,
) -> (Lane, JoinHandle<()>) {
    let inbox = Arc::new(Inbox::new(&settings, ground.budget.clone(), stats.clone()));
    let lane =
        Lane { door: Arc::new(Door { name: settings.name.clone(), inbox: inbox.clone(), stats: stats.clone() }) };
    let task = tokio::spawn(driver::run(settings, sink, ground, inbox, stats));
    (lane, task)
}

/// How a message died.
struct Death {
    reason: String,
    last_answer: Option<String>,
    attempts: u32,
    arrived_us: i64,
    died_us: i64,
}

impl Death {
    fn letter(self, name: &LaneName, message: Message) -> DeadLetter {
        let Self { reason, last_answer, attempts, arrived_us, died_us } = self;
        DeadLetter {
            pipeline: name.pipeline.clone(),
            target: name.target.clone(),
            member: name.member.clone(),
            buried: Buried::Message(message),
            reason,
            attempts,
            last_answer,
            guest: None,
            generation: None,
            backtrace: None,
            arrived_us,
            died_us,
        }
    }
}

impl Lane {
    /// Hands a parcel over, and waits while the lane is full. Parcels of one caller keep their order.
    ///
    /// # Errors
    /// A lane that drains or has stopped takes nothing: the parcel comes back with its ticket unsettled.
    pub async fn push(&self, parcel: Parcel) -> Result<(), Turned> {
        self.door.inbox.push(parcel).await
    }

    /// Takes no new messages from now on, goes on with those it has until `deadline`, then puts the rest on disk and ends. It ends
    /// earlier when all is done or when no retry is due before the deadline. Await the task to know when.
    pub fn drain(&self, deadline: Instant) {
        self.door.inbox.close(deadline);
    }

    /// Goes on with other settings and another sink, in the order in which messages came. What is in flight lands as it was sent.
    pub fn renew(&self, settings: LaneSettings, sink: Arc<dyn Sink>) {
        self.door.inbox.order(|orders| orders.renewal = Some(Renewal { settings, sink }));
    }

    /// Ends for good: what is in flight may land, everything else goes to disk and waits there for somebody's decision.
    pub fn retire(&self) {
        self.door.inbox.retire();
    }

    /// Sends a dead letter again, behind everything that waits; `message` is what is in it. Not if something newer of its key was
    /// delivered or waits, unless that is wanted.
    ///
    /// # Errors
    /// If the state can not be written, the lane is closing, or it is not known yet whether something newer waits on disk.
    pub async fn revive(&self, revive: Revive, message: Message) -> Result<Revived, String> {
        let (done, answer) = oneshot::channel();
        self.door.inbox.order(|orders| orders.revivals.push(Revival { revive, message, done }));
        answer.await.unwrap_or_else(|_| Err("the lane is closing".to_owned()))
    }

    /// A message of this lane that did not come into it, as a dead letter.
    pub fn letter(&self, message: Message, reason: String) -> DeadLetter {
        let now_us = driver::unix_us();
        let death = Death { reason, last_answer: None, attempts: 0, arrived_us: now_us, died_us: now_us };
        death.letter(&self.door.name, message)
    }

    /// Whether something waits on disk.
    pub fn is_parked(&self) -> bool {
        self.door.stats.parked.load(Relaxed) > 0
    }

    /// What the lane holds in memory at this moment: waiting, in flight, or being settled.
    pub fn held(&self) -> Held {
        self.door.inbox.held()
    }
}

#[cfg(test)]
mod tests;
