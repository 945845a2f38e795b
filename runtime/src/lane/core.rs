//! What a lane knows and decides: who may be sent now, who waits for whom and for how long, who is given up. No clock, no
//! task, no socket: time comes in as an argument, so every decision can be replayed.
//!
//! ```text
//!   admit ─▶ ready ─ next ─▶ in flight ─ finish ─▶ delivered | dead ─▶ the next of the key becomes ready
//!     │        ▲                 │
//!     └▶ behind its key          └▶ asleep until its time (still the head of its key) ─▶ ready
//! ```
//!
//! Messages of one key form a chain through the table; only its head is ever ready or asleep, and only its beginning is ever in
//! flight, in one flight. So a failing key waits alone, and order per key needs no further rule. A sink that takes many messages
//! at once is given the chain behind a head as well; when one of them fails, those behind it in that flight go again after it,
//! whatever the receiver made of them: a repeat, never an overtaking.

use super::retry::{Failure, RetrySettings};
use super::table::{Entry, Slot, Table};
use super::{Held, LaneSettings, Parcel};
use crate::change::Message;
use crate::fault::Fault;
use crate::sink::Refusal;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How often a halted lane tries whether its receiver takes messages again.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(60);

/// An empty lane keeps room for this many messages and gives the rest back: ten thousand lanes remember their bursts.
const KEPT_WHEN_EMPTY: usize = 4;

pub(super) struct Core {
    concurrency: usize,
    batch_max: usize,
    retry: RetrySettings,
    table: Table,
    /// The newest message of each key that has any. A key with no message takes no room.
    tails: HashMap<Bytes, Slot>,
    ready: VecDeque<Slot>,
    asleep: BinaryHeap<Reverse<(Instant, Slot)>>,
    flights: usize,
    in_flight: Held,
    gate: Gate,
}

/// Whether the receiver takes messages at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Halted { probe_at: Instant },
    Probing { slot: Slot },
}

/// Messages on their way to the sink together, those of one key in a row and in order. It must come back through [`Core::finish`].
#[derive(Default)]
pub(super) struct Flight {
    slots: Vec<Slot>,
    pub(super) messages: Vec<Message>,
}

/// What an attempt's outcome means.
pub(super) enum Finish {
    /// Over: settle it.
    Delivered(Parcel),
    /// Over, never delivered: report it, then settle it.
    Dead { parcel: Parcel, attempts: u32, refusal: Refusal },
    /// It stays, and is tried again after `delay`.
    Waits { attempts: u32, delay: Duration, refusal: Refusal },
    /// It stays, and nothing but a probe is sent until one succeeds.
    Halts { refusal: Refusal },
}

impl Core {
    pub(super) fn new(settings: &LaneSettings) -> Self {
        Self {
            concurrency: settings.concurrency.max(1),
            batch_max: settings.batch_max.max(1),
            retry: settings.retry,
            table: Table::default(),
            tails: HashMap::new(),
            ready: VecDeque::new(),
            asleep: BinaryHeap::new(),
            flights: 0,
            in_flight: Held::default(),
            gate: Gate::Open,
        }
    }

    /// Takes a message in. `arrived_us` is the wall clock, for people; `now` is what decides.
    pub(super) fn admit(&mut self, parcel: Parcel, now: Instant, arrived_us: i64) {
        let key = parcel.message.key.clone();
        let slot = self.table.insert(parcel, now, arrived_us);
        match self.tails.insert(key, slot) {
            Some(before) => self.table.entry(before).behind = Some(slot),
            None => self.ready.push_back(slot),
        }
    }

    /// The next messages to send, now in flight; `None` if nothing may be sent at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Option<Flight> {
        self.wake(now);
        if self.flights >= self.concurrency || self.ready.is_empty() {
            return None;
        }
        let batch_max = match self.gate {
            Gate::Open => self.batch_max,
            Gate::Halted { probe_at } if now >= probe_at => {
                self.gate = Gate::Probing { slot: *self.ready.front()? };
                1
            }
            Gate::Halted { .. } | Gate::Probing { .. } => return None,
        };
        let mut flight = Flight::default();
        while flight.slots.len() < batch_max
            && let Some(head) = self.ready.pop_front()
        {
            let mut next = Some(head);
            while flight.slots.len() < batch_max
                && let Some(slot) = next
            {
                next = self.board(slot, &mut flight);
            }
        }
        self.flights += 1;
        Some(flight)
    }

    /// Takes messages back with what became of them, one outcome for each in their order, and says what that means.
    pub(super) fn finish(
        &mut self,
        flight: Flight,
        outcomes: Vec<Result<(), Refusal>>,
        now: Instant,
        finishes: &mut Vec<Finish>,
    ) {
        debug_assert_eq!(flight.slots.len(), outcomes.len(), "a sink says of every message what became of it");
        self.flights -= 1;
        let silent =
            || Err(Refusal { fault: Fault::Passing, reason: "no outcome".into(), retry_after: None, answer: None });
        let mut outcomes = outcomes.into_iter();
        let mut held = None;
        for (slot, message) in flight.slots.into_iter().zip(flight.messages) {
            let outcome = outcomes.next().unwrap_or_else(silent);
            let entry = self.table.entry(slot);
            entry.message = Some(message);
            self.in_flight.messages -= 1;
            self.in_flight.bytes -= entry.bytes;
            let behind = entry.behind;
            if held == Some(slot) {
                held = behind;
                continue;
            }
            let finish = self.conclude(slot, outcome, now);
            held = if matches!(finish, Finish::Waits { .. } | Finish::Halts { .. }) { behind } else { None };
            finishes.push(finish);
        }
    }

    /// Puts a message into a flight, and returns the next of its key.
    fn board(&mut self, slot: Slot, flight: &mut Flight) -> Option<Slot> {
        let entry = self.table.entry(slot);
        entry.attempts = entry.attempts.saturating_add(1);
        flight.slots.push(slot);
        flight.messages.push(entry.message.take().expect("a message that may be sent is in the table"));
        self.in_flight.messages += 1;
        self.in_flight.bytes += entry.bytes;
        entry.behind
    }

    fn conclude(&mut self, slot: Slot, outcome: Result<(), Refusal>, now: Instant) -> Finish {
        let probe = self.gate == Gate::Probing { slot };
        match outcome {
            Ok(()) => {
                self.open_after(probe);
                Finish::Delivered(self.remove(slot).0)
            }
            Err(refusal) => match refusal.fault {
                Fault::Poison => {
                    self.open_after(probe);
                    self.bury(slot, refusal)
                }
                Fault::Fatal => self.halt(slot, refusal, now),
                // Somebody answers again, but not yes: not enough to open the gate.
                Fault::Passing if probe => self.halt(slot, refusal, now),
                Fault::Passing => self.put_to_sleep(slot, refusal, now),
            },
        }
    }

    /// When [`Core::next`] may give something although nothing was admitted or finished. Always later than its last `now`.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        // A slot is free then: that of the message which halted the lane.
        let probe_at = match self.gate {
            Gate::Halted { probe_at } => Some(probe_at),
            Gate::Open | Gate::Probing { .. } => None,
        };
        let due = self.asleep.peek().map(|Reverse((due, _))| *due);
        [probe_at, due].into_iter().flatten().min()
    }

    /// Whether something will be sent before `deadline` if nothing else arrives.
    pub(super) fn busy_until(&self, deadline: Instant) -> bool {
        let halted = self.gate != Gate::Open;
        let due = self.asleep.peek().is_some_and(|Reverse((due, _))| *due < deadline);
        self.in_flight.messages > 0 || !halted && (due || !self.ready.is_empty())
    }

    pub(super) fn halted(&self) -> bool {
        self.gate != Gate::Open
    }

    pub(super) fn in_flight(&self) -> Held {
        self.in_flight
    }

    /// When the oldest message arrived: microseconds since the Unix epoch.
    pub(super) fn oldest_us(&self) -> Option<i64> {
        self.table.oldest().map(|entry| entry.arrived_us)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Gives memory back that only a burst needed. Only for an empty lane.
    pub(super) fn shrink(&mut self) {
        debug_assert!(self.is_empty());
        self.table.shrink(KEPT_WHEN_EMPTY);
        self.tails.shrink_to(KEPT_WHEN_EMPTY);
        self.ready.shrink_to(KEPT_WHEN_EMPTY);
        self.asleep.shrink_to(KEPT_WHEN_EMPTY);
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((due, slot))) = self.asleep.peek().copied() {
            if due > now {
                return;
            }
            self.asleep.pop();
            self.ready.push_back(slot);
        }
    }

    fn put_to_sleep(&mut self, slot: Slot, refusal: Refusal, now: Instant) -> Finish {
        let entry = self.table.entry(slot);
        let message = entry.message.as_ref().expect("a finished message is in the table");
        let failure = Failure {
            id: &message.id,
            arrived_at: entry.arrived_at,
            failed_at: now,
            attempts: entry.attempts,
            retry_after: refusal.retry_after,
        };
        match self.retry.again_at(&failure) {
            Some(due) => {
                let attempts = entry.attempts;
                self.asleep.push(Reverse((due, slot)));
                Finish::Waits { attempts, delay: due - now, refusal }
            }
            None => {
                let age_s = (now - entry.arrived_at).as_secs();
                let reason = format!("given up after {age_s} s; the last answer: {}", refusal.reason);
                self.bury(slot, Refusal { reason, ..refusal })
            }
        }
    }

    /// While the gate is closed the front of `ready` is the message that closed it: the probe.
    fn halt(&mut self, slot: Slot, refusal: Refusal, now: Instant) -> Finish {
        self.ready.push_front(slot);
        let probe_at = now + PROBE_EVERY;
        if !matches!(self.gate, Gate::Probing { slot: probe } if probe != slot) {
            self.gate = Gate::Halted { probe_at };
        }
        Finish::Halts { refusal }
    }

    fn open_after(&mut self, probe: bool) {
        if probe {
            self.gate = Gate::Open;
        }
    }

    fn bury(&mut self, slot: Slot, refusal: Refusal) -> Finish {
        let (parcel, attempts) = self.remove(slot);
        Finish::Dead { parcel, attempts, refusal }
    }

    fn remove(&mut self, slot: Slot) -> (Parcel, u32) {
        let Entry { message, ticket, behind, attempts, .. } = self.table.remove(slot);
        let message = message.expect("a finished message is in the table");
        match behind {
            // Out with the same flight: its own outcome follows.
            Some(next) if self.table.entry(next).message.is_none() => {}
            Some(next) => self.ready.push_back(next),
            None => {
                let tail = self.tails.remove(&message.key);
                debug_assert_eq!(tail, Some(slot), "a message with nobody behind it is the newest of its key");
            }
        }
        (Parcel { message, ticket }, attempts)
    }
}

#[cfg(test)]
mod tests;
