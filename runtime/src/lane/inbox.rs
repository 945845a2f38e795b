//! Where pushers and the lane's task meet, and where the lane's memory is bounded.
//!
//! A list under a mutex instead of a channel: the task takes everything at once, giving room back is part of the same visit,
//! and an idle lane owns no buffer.

use super::{Budget, LaneSettings, Parcel, Turned};
use crate::change::Message;
use crate::sink::Sink;
use crate::store::{Revive, Revived};
use crate::telemetry::LaneStats;
use std::ops::{AddAssign, SubAssign};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

/// How often a pusher that waits for memory asks the other lanes to let go of some.
const PRESS_EVERY: Duration = Duration::from_millis(100);
/// What a lane that is taken away has under way may take so long.
const RETIRE_MAX: Duration = Duration::from_secs(10);

/// Messages, and what they take of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub messages: usize,
    /// By `Message::byte_len`.
    pub bytes: usize,
}

impl Held {
    pub(super) fn one(bytes: usize) -> Self {
        Self { messages: 1, bytes }
    }
}

impl AddAssign for Held {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

impl SubAssign for Held {
    fn sub_assign(&mut self, less: Self) {
        self.messages -= less.messages;
        self.bytes -= less.bytes;
    }
}

/// What the lane's task gives back.
#[derive(Clone, Copy, Default)]
pub(super) struct Returned {
    /// Memory.
    pub(super) held: Held,
    /// Room for pushers: the source does not answer for these any more.
    pub(super) unpaid: Held,
}

pub(super) struct Inbox {
    desk: Mutex<Desk>,
    /// Something to do for the task: the list is no longer empty, or the lane closes.
    arrived: Notify,
    /// The task gave room back.
    room: Notify,
    limit: Held,
    budget: Budget,
    stats: Arc<LaneStats>,
}

#[derive(Default)]
struct Desk {
    arrivals: Vec<Parcel>,
    /// Everything in memory.
    held: Held,
    /// What the source answers for: only that makes pushers wait. The rest is bounded by the window and by what is in flight.
    unpaid: Held,
    closes_at: Option<Instant>,
    pushers_waiting: usize,
    orders: Orders,
    is_retired: bool,
    standing: Standing,
    shown: Option<&'static str>,
}

/// How a lane stands, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Flowing,
    /// Messages wait on disk.
    Parked,
    /// The receiver is away: probes only.
    Open,
    /// The receiver wants nothing more: probes only.
    Halted,
}

/// What the lane's task was told and has not done yet.
#[derive(Default)]
pub(super) struct Orders {
    pub(super) renewal: Option<Renewal>,
    pub(super) retires: bool,
    pub(super) revivals: Vec<Revival>,
}

/// Other settings, another sink.
pub(super) struct Renewal {
    pub(super) settings: LaneSettings,
    pub(super) sink: Arc<dyn Sink>,
}

/// A dead letter that is to be sent again, and who wants to know when it stands in line.
pub(super) struct Revival {
    pub(super) revive: Revive,
    /// What is in the letter.
    pub(super) message: Message,
    pub(super) done: oneshot::Sender<Result<Revived, String>>,
}

/// What a visit of the lane's task found.
pub(super) struct Visit {
    pub(super) held: Held,
    /// Set once the lane takes nothing more: when it must have ended.
    pub(super) closes_at: Option<Instant>,
    pub(super) orders: Orders,
}

enum Offer {
    Taken,
    Closed(Turned),
    Full { parcel: Parcel, lacks: Lacks },
}

enum Lacks {
    Room,
    Budget,
}

impl Inbox {
    pub(super) fn new(settings: &LaneSettings, budget: Budget, stats: Arc<LaneStats>) -> Self {
        let limit = Held { messages: settings.messages_max, bytes: settings.memory_bytes };
        let inbox = Self { desk: Mutex::default(), arrived: Notify::new(), room: Notify::new(), limit, budget, stats };
        inbox.desk().show(&inbox.stats);
        inbox
    }

    pub(super) async fn push(&self, parcel: Parcel) -> Result<(), Turned> {
        let bytes = parcel.message.byte_len();
        match self.offer(parcel, bytes) {
            Offer::Taken => Ok(()),
            Offer::Closed(turned) => Err(turned),
            Offer::Full { parcel, .. } => self.push_when_there_is_room(parcel, bytes).await,
        }
    }

    async fn push_when_there_is_room(&self, mut parcel: Parcel, bytes: usize) -> Result<(), Turned> {
        let _counted = Pusher::counted(self);
        loop {
            // Listening begins before the look, or a wake-up between the two is lost.
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            parcel = match self.offer(parcel, bytes) {
                Offer::Taken => return Ok(()),
                Offer::Closed(turned) => return Err(turned),
                Offer::Full { parcel, lacks: Lacks::Room } => {
                    room.await;
                    parcel
                }
                Offer::Full { parcel, lacks: Lacks::Budget } => {
                    let waiting = self.budget.wait();
                    let mut freed = pin!(waiting.freed());
                    freed.as_mut().enable();
                    let parcel = match self.offer(parcel, bytes) {
                        Offer::Taken => return Ok(()),
                        Offer::Closed(turned) => return Err(turned),
                        Offer::Full { parcel, .. } => parcel,
                    };
                    self.budget.press();
                    tokio::select! {
                        biased;
                        // 1. The lane itself gave back: it may be empty, and then it needs no budget.
                        () = room => {}
                        // 2. Another lane did.
                        () = freed => {}
                        // 3. A lane that was busy did not hear that it was asked.
                        () = sleep(PRESS_EVERY) => {}
                    }
                    parcel
                }
            }
        }
    }

    fn offer(&self, parcel: Parcel, bytes: usize) -> Offer {
        let mut desk = self.desk();
        if desk.closes_at.is_some() {
            return Offer::Closed(Turned { parcel, is_retired: desk.is_retired });
        }
        let fits =
            desk.unpaid.messages < self.limit.messages && desk.unpaid.bytes.saturating_add(bytes) <= self.limit.bytes;
        match desk.unpaid.messages {
            // Whatever its size, and whatever others hold: or it could wait for ever.
            0 => self.budget.take_first(bytes),
            _ if !fits => return Offer::Full { parcel, lacks: Lacks::Room },
            _ if !self.budget.take(bytes) => return Offer::Full { parcel, lacks: Lacks::Budget },
            _ => {}
        }
        desk.held += Held::one(bytes);
        desk.unpaid += Held::one(bytes);
        desk.arrivals.push(parcel);
        let first = desk.arrivals.len() == 1;
        drop(desk);
        if first {
            self.arrived.notify_one();
        }
        Offer::Taken
    }

    /// Gives back and takes what has arrived. `into` must be empty.
    pub(super) fn visit(&self, returned: Returned, into: &mut Vec<Parcel>) -> Visit {
        let mut desk = self.desk();
        std::mem::swap(&mut desk.arrivals, into);
        desk.held -= returned.held;
        desk.unpaid -= returned.unpaid;
        let wanted = returned.unpaid.messages > 0 && desk.pushers_waiting > 0;
        let visit = Visit { held: desk.held, closes_at: desk.closes_at, orders: std::mem::take(&mut desk.orders) };
        drop(desk);
        if returned.held.bytes > 0 {
            self.budget.give_back(returned.held.bytes);
        }
        if wanted {
            self.room.notify_waiters();
        }
        visit
    }

    /// Counts what the task brought in itself, from the disk. It asked before whether there was room.
    pub(super) fn charge(&self, brought: Held) {
        let mut desk = self.desk();
        desk.held += brought;
        drop(desk);
        self.budget.take_first(brought.bytes);
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut self.desk().orders);
        self.arrived.notify_one();
    }

    /// Takes nothing more, for good: what is here goes to disk.
    pub(super) fn retire(&self) {
        let mut desk = self.desk();
        desk.is_retired = true;
        desk.orders.retires = true;
        drop(desk);
        self.close(Instant::now() + RETIRE_MAX);
    }

    /// Resolves when there is something to visit for.
    pub(super) fn arrived(&self) -> Notified<'_> {
        self.arrived.notified()
    }

    /// Takes nothing more; the lane must have ended by `deadline`. The earliest of several deadlines counts.
    pub(super) fn close(&self, deadline: Instant) {
        let mut desk = self.desk();
        desk.closes_at = Some(desk.closes_at.map_or(deadline, |set| set.min(deadline)));
        drop(desk);
        self.arrived.notify_one();
        self.room.notify_waiters();
    }

    /// The task is gone, however it ended: nobody may wait for it, and what it held is given back.
    pub(super) fn abandon(&self) {
        let mut desk = self.desk();
        desk.closes_at = Some(Instant::now());
        let held = std::mem::take(&mut desk.held);
        desk.unpaid = Held::default();
        let arrivals = std::mem::take(&mut desk.arrivals);
        drop(desk);
        drop(arrivals);
        self.budget.give_back(held.bytes);
        self.room.notify_waiters();
    }

    pub(super) fn held(&self) -> Held {
        self.desk().held
    }

    pub(super) fn show(&self, standing: Standing) {
        let mut desk = self.desk();
        if desk.standing != standing {
            desk.standing = standing;
            desk.show(&self.stats);
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no panic at the desk")
    }
}

impl Desk {
    fn show(&mut self, stats: &LaneStats) {
        let state = match (self.standing, self.pushers_waiting) {
            (Standing::Halted, _) => "halted",
            (Standing::Open, _) => "open",
            (Standing::Parked, 0) => "parked",
            (Standing::Flowing, 0) => "flowing",
            (_, _) => "full",
        };
        if self.shown.replace(state) != Some(state) {
            stats.state.set(state);
        }
    }
}

/// Counts a pusher that waits, also if its future is dropped.
struct Pusher<'a>(&'a Inbox);

impl<'a> Pusher<'a> {
    fn counted(inbox: &'a Inbox) -> Self {
        let mut desk = inbox.desk();
        desk.pushers_waiting += 1;
        desk.show(&inbox.stats);
        drop(desk);
        Self(inbox)
    }
}

impl Drop for Pusher<'_> {
    fn drop(&mut self) {
        let mut desk = self.0.desk();
        desk.pushers_waiting -= 1;
        desk.show(&self.0.stats);
    }
}
