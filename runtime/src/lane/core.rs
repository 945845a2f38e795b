//! What a lane knows and decides: who may be sent now, who waits for whom and for how long, who is given up. No clock, no
//! task, no socket, no disk: time comes in as an argument, so every decision can be replayed.
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
//!
//! Who answers for a message changes while it is in here: first its source, by the ticket, then the state, once it is on disk.
//! Nothing else about it changes with that. Those that the source answers for are always the youngest.

use super::gate::{Answer, Gate, Shut};
use super::pace::{Rate, Width};
use super::retry::{Failure, RetrySettings};
use super::slots::Account;
use super::table::{Arrival, Entry, Guest, Owed, Slot, Stand, Table};
use super::{Held, LaneSettings, Slots};
use crate::change::Message;
use crate::fault::Fault;
use crate::ledger::Ticket;
use crate::sink::Refusal;
use crate::store::{Carried, Seq};
use bytes::Bytes;
use foldhash::fast::RandomState;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// An empty lane keeps room for this many messages and gives the rest back: ten thousand lanes remember their bursts.
const KEPT_WHEN_EMPTY: usize = 4;

pub(super) struct Core {
    batch_max: usize,
    retry: RetrySettings,
    table: Table,
    /// The newest message of each key that has any. A key with no message takes no room. The hash is seeded at random, for keys come
    /// from outside, and quicker than the standard library's, which was a fifth of a lane's time.
    tails: HashMap<Bytes, Slot, RandomState>,
    ready: VecDeque<Slot>,
    asleep: BinaryHeap<Reverse<(Instant, Slot)>>,
    /// Messages that the source answers for, oldest first; some of them may be over.
    unpaid: VecDeque<Guest>,
    flights: usize,
    in_flight: Held,
    gate: Gate,
    width: Width,
    rate: Option<Rate>,
    slots: Account,
    /// When it was last asked what may be sent.
    looked_at: Option<Instant>,
}

/// Messages on their way to the sink together, those of one key in a row and in order. It must come back through [`Core::finish`].
pub(super) struct Flight {
    slots: Vec<Slot>,
    pub(super) messages: Vec<Message>,
    sent_at: Instant,
    is_probe: bool,
}

/// A message that left the lane.
pub(super) struct Leaver {
    pub(super) message: Message,
    pub(super) owed: Owed,
    pub(super) bytes: usize,
    pub(super) attempts: u32,
    pub(super) arrived_us: i64,
}

/// What became of messages that were put on disk.
#[derive(Default)]
pub(super) struct HandedOver {
    /// To be settled.
    pub(super) tickets: Vec<Ticket>,
    /// What those held.
    pub(super) held: Held,
    /// Those that were over before they were on disk, with their sizes: they need not wait.
    pub(super) over: Vec<(Seq, usize)>,
}

/// What an attempt's outcome means.
pub(super) enum Finish {
    /// Over: settle it.
    Delivered(Leaver),
    /// Over, never delivered: set it aside, then settle it.
    Dead { leaver: Leaver, refusal: Refusal },
    /// It stays, and is tried again after `delay`.
    Waits { attempts: u32, delay: Duration, refusal: Refusal },
    /// It stays, and nothing but a probe is sent until one succeeds.
    Halts { refusal: Refusal },
}

impl Core {
    pub(super) fn new(settings: &LaneSettings, slots: &Slots) -> Self {
        Self {
            batch_max: settings.batch_max.max(1),
            retry: settings.retry,
            table: Table::default(),
            tails: HashMap::default(),
            ready: VecDeque::new(),
            asleep: BinaryHeap::new(),
            unpaid: VecDeque::new(),
            flights: 0,
            in_flight: Held::default(),
            gate: Gate::new(settings.retry.max),
            width: Width::new(settings.concurrency.max(1)),
            rate: settings.rate.map(Rate::new),
            slots: slots.account(),
            looked_at: None,
        }
    }

    /// Goes on with other settings. What is in flight lands as it was sent.
    pub(super) fn renew(&mut self, settings: &LaneSettings) {
        self.batch_max = settings.batch_max.max(1);
        self.retry = settings.retry;
        self.width.set_max(settings.concurrency.max(1));
        self.rate = settings.rate.map(Rate::new);
        // Another address deserves another chance.
        self.gate = Gate::new(settings.retry.max);
        self.width.restart();
    }

    pub(super) fn admit(&mut self, arrival: Arrival) {
        let key = arrival.message.key.clone();
        let is_unpaid = matches!(arrival.owed, Owed::Source(_));
        let slot = self.table.insert(arrival);
        if is_unpaid {
            self.unpaid.push_back(self.table.guest(slot));
        }
        match self.tails.insert(key, slot) {
            Some(before) => {
                self.table.entry(before).behind = Some(slot);
                self.table.entry(slot).ahead = Some(before);
            }
            None => self.make_ready(slot),
        }
    }

    /// The next messages to send, now in flight; `None` if nothing may be sent at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Option<Flight> {
        self.looked_at = Some(now);
        self.wake(now);
        if self.flights >= self.width.get() || self.rate.and_then(|r| r.opens_at()).is_some_and(|at| now < at) {
            return None;
        }
        let is_probe = self.gate.shut().is_some();
        if is_probe {
            if !self.gate.wants_probe(now) {
                return None;
            }
            self.put_oldest_first();
        }
        if self.ready.is_empty() || !self.slots.take(self.flights) {
            return None;
        }
        let batch_max = if is_probe { 1 } else { self.batch_max };
        let mut flight = Flight { slots: Vec::new(), messages: Vec::new(), sent_at: now, is_probe };
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
        if is_probe {
            self.gate.probe_sent();
        }
        self.flights += 1;
        if let Some(rate) = &mut self.rate {
            rate.sent(flight.slots.len(), now);
        }
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
        let Flight { slots, messages: _, sent_at, is_probe } = flight;
        debug_assert_eq!(slots.len(), outcomes.len(), "a sink says of every message what became of it");
        self.flights -= 1;
        self.slots.give_back();
        self.hear(&outcomes, sent_at, is_probe, now);
        let mut outcomes = outcomes.into_iter();
        let mut held = None;
        for slot in slots {
            let outcome = outcomes.next().unwrap_or_else(|| Err(Refusal::passing("no outcome")));
            let entry = self.table.entry(slot);
            self.in_flight -= Held::one(entry.bytes);
            entry.stand = Stand::Behind;
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

    /// What a flight as a whole says about the receiver.
    fn hear(&mut self, outcomes: &[Result<(), Refusal>], sent_at: Instant, is_probe: bool, now: Instant) {
        let refusals = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let answer = if refusals().any(|refusal| refusal.fault == Fault::Fatal) {
            Answer::Gone
        } else if let Some(refusal) = refusals().find(|refusal| refusal.fault == Fault::Passing) {
            self.width.failed(sent_at, now);
            Answer::Failed { retry_after: refusal.retry_after }
        } else {
            self.width.succeeded();
            Answer::There
        };
        if self.gate.hear(answer, is_probe, now) && self.gate.shut().is_none() {
            self.width.restart();
        }
    }

    /// Puts a message into a flight, and returns the next of its key.
    fn board(&mut self, slot: Slot, flight: &mut Flight) -> Option<Slot> {
        let entry = self.table.entry(slot);
        entry.attempts = entry.attempts.saturating_add(1);
        entry.stand = Stand::InFlight;
        flight.slots.push(slot);
        flight.messages.push(entry.message.clone());
        self.in_flight += Held::one(entry.bytes);
        entry.behind
    }

    fn conclude(&mut self, slot: Slot, outcome: Result<(), Refusal>, now: Instant) -> Finish {
        let refusal = match outcome {
            Ok(()) => return Finish::Delivered(self.remove(slot)),
            Err(refusal) => refusal,
        };
        match refusal.fault {
            Fault::Poison => Finish::Dead { leaver: self.remove(slot), refusal },
            Fault::Passing => self.put_to_sleep(slot, refusal, now),
            Fault::Fatal => {
                // The front of those that are ready is the next probe.
                self.table.entry(slot).stand = Stand::Ready;
                self.ready.push_front(slot);
                Finish::Halts { refusal }
            }
        }
    }

    fn put_to_sleep(&mut self, slot: Slot, refusal: Refusal, now: Instant) -> Finish {
        let entry = self.table.entry(slot);
        let failure = Failure {
            id: &entry.message.id,
            arrived_at: entry.arrived_at,
            failed_at: now,
            attempts: entry.attempts,
            retry_after: refusal.retry_after,
        };
        match self.retry.again_at(&failure) {
            Some(due) => {
                entry.stand = Stand::Asleep;
                let attempts = entry.attempts;
                self.asleep.push(Reverse((due, slot)));
                Finish::Waits { attempts, delay: due - now, refusal }
            }
            None => {
                let age_s = (now - entry.arrived_at).as_secs();
                let reason = format!("given up after {age_s} s; the last answer: {}", refusal.reason);
                Finish::Dead { leaver: self.remove(slot), refusal: Refusal { reason, ..refusal } }
            }
        }
    }

    /// Takes a message out that is the first of its key, or the last.
    fn remove(&mut self, slot: Slot) -> Leaver {
        let Entry { message, owed, ahead, behind, attempts, arrived_us, bytes, .. } = self.table.remove(slot);
        if let Some(ahead) = ahead {
            self.table.entry(ahead).behind = behind;
        }
        match (ahead, behind) {
            (_, Some(next)) => {
                let next_entry = self.table.entry(next);
                next_entry.ahead = ahead;
                // One that is still out with the same flight has an outcome of its own, which follows.
                if ahead.is_none() && next_entry.stand == Stand::Behind {
                    self.make_ready(next);
                }
            }
            (Some(ahead), None) => drop(self.tails.insert(message.key.clone(), ahead)),
            (None, None) => {
                let tail = self.tails.remove(&message.key);
                debug_assert_eq!(tail, Some(slot), "a message with nobody behind it is the newest of its key");
            }
        }
        Leaver { message, owed, bytes, attempts, arrived_us }
    }

    fn make_ready(&mut self, slot: Slot) {
        self.table.entry(slot).stand = Stand::Ready;
        self.ready.push_back(slot);
    }

    /// Whether `at` lies behind the last look: what was possible then was done then, or waits for a landing.
    fn is_ahead(&self, at: &Instant) -> bool {
        self.looked_at.is_none_or(|looked_at| *at > looked_at)
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((due, slot))) = self.asleep.peek().copied() {
            if due > now {
                return;
            }
            self.asleep.pop();
            self.make_ready(slot);
        }
    }

    /// The probe is the oldest message that can be sent, even if it sleeps.
    fn put_oldest_first(&mut self) {
        let is_head = |slot: &Slot| matches!(self.table.look(*slot).stand, Stand::Ready | Stand::Asleep);
        let Some(oldest) = self.table.slots().find(is_head) else { return };
        self.ready.retain(|slot| *slot != oldest);
        self.asleep.retain(|Reverse((_, slot))| *slot != oldest);
        self.table.entry(oldest).stand = Stand::Ready;
        self.ready.push_front(oldest);
    }

    /// When [`Core::next`] may give something although nothing was admitted or finished. Always later than its last `now`.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.table.is_empty() || self.flights >= self.width.get() {
            return None;
        }
        let opens_at = self.rate.and_then(|rate| rate.opens_at());
        let at = match self.gate.shut() {
            Some(_) => self.gate.probe_at()?,
            // Whoever is ready and was not sent waits for the rate or for a slot; a slot comes back with a flight.
            None if !self.ready.is_empty() => opens_at?,
            None => self.asleep.peek().map(|Reverse((due, _))| *due)?,
        };
        Some(opens_at.map_or(at, |opens_at| at.max(opens_at))).filter(|at| self.is_ahead(at))
    }

    /// Whether something will be sent before `deadline` if nothing else arrives.
    pub(super) fn busy_until(&self, deadline: Instant) -> bool {
        let due = self.asleep.peek().is_some_and(|Reverse((due, _))| *due < deadline);
        self.in_flight.messages > 0 || self.gate.shut().is_none() && (due || !self.ready.is_empty())
    }

    pub(super) fn shut(&self) -> Option<Shut> {
        self.gate.shut()
    }

    pub(super) fn in_flight(&self) -> Held {
        self.in_flight
    }

    /// What is in here, in flight or not.
    pub(super) fn held(&self) -> Held {
        self.table.held()
    }

    /// Whether something newer of the message's key is in here.
    pub(super) fn has_newer(&self, message: &Message) -> bool {
        let is_newer = |other: &Message| {
            other.origin.schema.source == message.origin.schema.source && other.origin.place() > message.origin.place()
        };
        let mut next = self.tails.get(&message.key).copied();
        while let Some(slot) = next {
            let entry = self.table.look(slot);
            if is_newer(&entry.message) {
                return true;
            }
            next = entry.ahead;
        }
        false
    }

    /// Messages that could be sent now.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Messages that wait for their next attempt.
    pub(super) fn asleep(&self) -> usize {
        self.asleep.len()
    }

    /// When the oldest message arrived: microseconds since the Unix epoch.
    pub(super) fn oldest_us(&self) -> Option<i64> {
        self.table.oldest().map(|slot| self.table.look(slot).arrived_us)
    }

    /// When the oldest message came that the source answers for.
    pub(super) fn oldest_unpaid(&mut self) -> Option<Instant> {
        /// Names of messages that are over may stand between others for a while, but not without end.
        const STALE_MAX: usize = 64;
        if self.unpaid.len() > 2 * self.table.held().messages + STALE_MAX {
            let table = &mut self.table;
            self.unpaid.retain(|guest| table.find(*guest).is_some());
        }
        while let Some(guest) = self.unpaid.front().copied() {
            match self.table.find(guest) {
                Some(entry) => return Some(entry.arrived_at),
                None => drop(self.unpaid.pop_front()),
            }
        }
        None
    }

    /// Every message that the source answers for, oldest first, to be put on disk, with its size.
    pub(super) fn unpaid(&mut self) -> (Vec<(Guest, usize)>, Vec<Carried>) {
        let mut guests = Vec::new();
        let mut carried = Vec::new();
        for guest in &self.unpaid {
            let Some(entry) = self.table.find(*guest) else { continue };
            guests.push((*guest, entry.bytes));
            let Entry { message, attempts, arrived_us, .. } = entry;
            carried.push(Carried { message: message.clone(), attempts: *attempts, arrived_us: *arrived_us });
        }
        (guests, carried)
    }

    /// The state answers for these messages from now on, numbered from `first`.
    pub(super) fn hand_over(&mut self, guests: &[(Guest, usize)], first: Seq) -> HandedOver {
        let mut handed = HandedOver::default();
        for ((guest, bytes), seq) in guests.iter().zip(first.0..) {
            match self.table.find(*guest) {
                Some(entry) => match std::mem::replace(&mut entry.owed, Owed::Disk(Seq(seq))) {
                    Owed::Source(ticket) => {
                        handed.tickets.push(ticket);
                        handed.held += Held::one(*bytes);
                    }
                    Owed::Disk(_) => unreachable!("a message is put on disk once"),
                },
                None => handed.over.push((Seq(seq), *bytes)),
            }
        }
        // What came meanwhile stands behind them.
        self.unpaid.retain(|guest| self.table.find(*guest).is_some_and(|entry| matches!(entry.owed, Owed::Source(_))));
        handed
    }

    /// Forgets the youngest messages down to `kept`, as long as they are on disk and were not tried yet. The number of the last
    /// one that stays known is what is loaded behind later; it is returned with what they held.
    pub(super) fn evict(&mut self, kept: usize) -> (Held, Option<Seq>) {
        let mut evicted = Held::default();
        let mut first = None;
        while self.table.held().messages > kept
            && let Some(youngest) = self.table.youngest()
        {
            let entry = self.table.look(youngest);
            let (Owed::Disk(seq), Stand::Behind | Stand::Ready) = (&entry.owed, entry.stand) else { break };
            let seq = *seq;
            if entry.stand == Stand::Ready {
                let place = self.ready.iter().rposition(|slot| *slot == youngest);
                self.ready.remove(place.expect("a message that is ready stands in line"));
            }
            evicted += Held::one(self.remove(youngest).bytes);
            first = Some(Seq(seq.0 - 1));
        }
        (evicted, first)
    }

    /// Takes out the youngest messages that the source answers for, as long as they were not tried yet.
    pub(super) fn shed(&mut self) -> Vec<Leaver> {
        let mut shed = Vec::new();
        while let Some(youngest) = self.table.youngest() {
            let entry = self.table.look(youngest);
            let (Owed::Source(_), Stand::Behind | Stand::Ready) = (&entry.owed, entry.stand) else { break };
            self.ready.retain(|slot| *slot != youngest);
            shed.push(self.remove(youngest));
        }
        shed.reverse();
        shed
    }

    /// Gives up the oldest messages on disk that are not in flight, until `bytes` are freed or none is left; what they were.
    pub(super) fn drop_oldest(&mut self, bytes: u64) -> Vec<Leaver> {
        let mut dropped = Vec::new();
        let mut freed = 0;
        while freed < bytes {
            let may_go = |slot: &Slot| {
                let entry = self.table.look(*slot);
                matches!(entry.owed, Owed::Disk(_)) && matches!(entry.stand, Stand::Ready | Stand::Asleep)
            };
            let Some(slot) = self.table.slots().find(may_go) else { break };
            self.ready.retain(|other| *other != slot);
            self.asleep.retain(|Reverse((_, other))| *other != slot);
            let leaver = self.remove(slot);
            freed += leaver.bytes as u64;
            dropped.push(leaver);
        }
        dropped
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Gives memory back that only a burst needed. Only for an empty lane.
    pub(super) fn shrink(&mut self) {
        debug_assert!(self.is_empty());
        self.unpaid.clear();
        self.table.shrink(KEPT_WHEN_EMPTY);
        self.tails.shrink_to(KEPT_WHEN_EMPTY);
        self.ready.shrink_to(KEPT_WHEN_EMPTY);
        self.asleep.shrink_to(KEPT_WHEN_EMPTY);
        self.unpaid.shrink_to(KEPT_WHEN_EMPTY);
    }
}

#[cfg(test)]
mod tests;
