//! When a lane goes to the disk: what is written, what is loaded again, what gives way when there is no room.
//!
//! A lane *flows* while its messages are delivered within `hold`; the disk is not touched then. What is older goes to disk, all that
//! the source answers for at once, and the source is free of it. A lane that is behind keeps a window of what waits in memory.

use super::core::Leaver;
use super::disk::{Done, WriteEnd, Written};
use super::driver::{Driver, Names, unix_us};
use super::quota::{NoRoom, WhenFull};
use super::table::{Arrival, Owed};
use super::{Death, Held, Parcel};
use crate::store::{Loaded, StoreError, Window};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Messages that a lane keeps in memory of what waits on disk, at least; more if its flights are larger.
const WINDOW_MESSAGES: usize = 64;
/// And their bytes, at most; a single one is always loaded.
const WINDOW_BYTES: usize = 256 << 10;
/// How often room on disk is looked for while there is none.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// A receiver that is always a little late is not told of each time.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What was said of messages that wait on disk.
#[derive(Default)]
pub(super) struct ToldOfDisk {
    /// While they wait: how many had been delivered when it began.
    delivered_before: Option<u64>,
    told_at: Option<Instant>,
}

impl ToldOfDisk {
    fn may_tell(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|at| now >= at + TELL_AGAIN)
    }
}

impl Driver {
    /// Begins whatever the disk is needed for, and says when to look again.
    pub(super) fn keep_house(&mut self, now: Instant, is_closing: bool) -> Option<Instant> {
        self.disk.try_again(now);
        if self.disk.may_undivert() {
            self.undivert(now);
        }
        self.disk.settle(now);
        let revival_at = self.look_after_revivals(now);
        let hold_at = self.write_what_is_due(now);
        self.tell_of_disk(now);
        self.let_go();
        if !is_closing {
            self.load_what_is_wanted(now);
        }
        [hold_at, revival_at, self.disk.retry_at()].into_iter().flatten().min()
    }

    /// One line when messages begin to wait on disk, unless the gate said why, and one when all of them are through.
    fn tell_of_disk(&mut self, now: Instant) {
        let (parked, delivered) = (self.disk.parked(), self.stats.delivered_total.load(Relaxed));
        let Names { pipeline, target, member } = self.names();
        if let Some(before) = self.told_of_disk.delivered_before {
            if parked == 0 {
                let delivered = delivered - before;
                info!(pipeline, target, member, delivered, "nothing waits on disk any more");
                self.told_of_disk.delivered_before = None;
            }
        } else if parked > 0 && self.core.shut().is_none() && self.told_of_disk.may_tell(now) {
            let (hold_ms, reason) = (self.settings.hold.as_millis() as u64, self.stats.last_error.get());
            let reason = reason.unwrap_or_else(|| "no answer yet".to_owned());
            warn!(
                pipeline,
                target,
                member,
                parked,
                hold_ms,
                reason,
                "messages wait on disk: the receiver did not take them within hold"
            );
            self.told_of_disk = ToldOfDisk { delivered_before: Some(delivered), told_at: Some(now) };
        }
    }

    fn undivert(&mut self, now: Instant) {
        let arrived_us = unix_us();
        let backlog: Vec<Parcel> = self.disk.take_backlog().collect();
        for parcel in backlog {
            self.admit(parcel, now, arrived_us);
        }
    }

    /// Returns when the oldest message that the source answers for will have been held for long enough.
    fn write_what_is_due(&mut self, now: Instant) -> Option<Instant> {
        let hold_at = self.core.oldest_unpaid().map(|since| since + self.settings.hold);
        if !self.disk.may_write(now) {
            return None;
        }
        let is_due = hold_at.is_some_and(|at| now >= at || self.inbox.budget().is_short());
        if is_due || hold_at.is_some() && !self.disk.revivals.is_empty() {
            // Without room on disk it is looked for again.
            return if self.write_core() { None } else { Some(now + ROOM_RETRY) };
        }
        if hold_at.is_none() {
            let revival = if self.disk.has_told() { self.disk.revival_that_is_next() } else { None };
            match revival {
                Some(revival) => self.disk.write_revival(revival),
                None if self.disk.backlog_len() > 0 => self.write_backlog(),
                None => {}
            }
        }
        hold_at
    }

    fn write_core(&mut self) -> bool {
        let (guests, messages) = self.core.unpaid();
        let bytes = messages.iter().map(|carried| carried.message.byte_len() as u64).sum();
        if self.makes_room(bytes) {
            self.disk.write_core(guests, messages);
            return true;
        }
        if self.settings.when_full != WhenFull::DeadLetter {
            return false;
        }
        // Attempts that are under way are few, and can not be set aside: they go to disk over the limit, once the others are gone.
        let shed = self.core.shed();
        if shed.is_empty() {
            self.disk.write_core(guests, messages);
        }
        self.bury_for_want_of_room(shed);
        true
    }

    fn write_backlog(&mut self) {
        if self.makes_room(self.disk.backlog_bytes()) {
            self.disk.write_backlog(unix_us());
        } else if self.settings.when_full == WhenFull::DeadLetter {
            let now_us = unix_us();
            let leaver = |Parcel { message, ticket }: Parcel| {
                let bytes = message.byte_len();
                Leaver { message, owed: Owed::Source(ticket), bytes, attempts: 0, arrived_us: now_us }
            };
            let backlog = self.disk.take_backlog().map(leaver).collect();
            self.bury_for_want_of_room(backlog);
        }
    }

    /// Whether `bytes` may be parked. If not, nothing is written: tickets stay unpaid, memory fills, the source waits.
    fn makes_room(&mut self, bytes: u64) -> bool {
        if self.disk.share.room_for(bytes).is_err() && self.settings.when_full == WhenFull::DropOldest {
            self.drop_oldest(bytes);
        }
        match self.disk.share.room_for(bytes) {
            Ok(()) => true,
            Err(lack) => {
                let whose = if lack == NoRoom::Lane { "its `disk`" } else { "`host.disk`" };
                self.stats
                    .last_error
                    .set(format!("no room to park: {whose} is used up; make it larger, or mend the receiver"));
                false
            }
        }
    }

    fn drop_oldest(&mut self, bytes: u64) {
        let lacks = (self.disk.share.used() + bytes).saturating_sub(self.settings.disk_bytes);
        let dropped = self.core.drop_oldest(lacks);
        // The oldest may be on disk only: they are loaded to be given up.
        self.wants_to_drop = self.disk.share.room_for(bytes).is_err();
        if dropped.is_empty() {
            return;
        }
        let Names { pipeline, target, member } = self.names();
        let len = dropped.len();
        error!(
            pipeline,
            target,
            member,
            dropped = len,
            "the oldest messages are given up: no room on disk, and when_full is \"drop-oldest\""
        );
        self.stats.dropped_total.fetch_add(len as u64, Relaxed);
        for leaver in dropped {
            if let Owed::Disk(seq) = leaver.owed {
                self.disk.forget(seq, leaver.bytes);
            }
            self.returned.held += Held::one(leaver.bytes);
        }
    }

    fn bury_for_want_of_room(&mut self, leavers: Vec<Leaver>) {
        if leavers.is_empty() {
            return;
        }
        let now_us = unix_us();
        let Names { pipeline, target, member } = self.names();
        let dead = leavers.len();
        warn!(
            pipeline,
            target, member, dead, "messages are set aside: no room on disk, and when_full is \"dead-letter\""
        );
        self.stats.dead_total.fetch_add(dead as u64, Relaxed);
        for leaver in leavers {
            let reason = "no room to park it, and when_full is \"dead-letter\"".to_owned();
            let (attempts, arrived_us) = (leaver.attempts, leaver.arrived_us);
            let death = Death { reason, last_answer: None, attempts, arrived_us, died_us: now_us };
            let letter = death.letter(&self.settings.name, leaver.message.clone());
            self.disk.bury(letter, leaver);
        }
        self.disk.settle(Instant::now());
    }

    /// Memory keeps nothing but the next probe of what is safe on disk while the receiver is away or others need it.
    fn let_go(&mut self) {
        if self.core.shut().is_some() || self.inbox.budget().is_short() {
            self.keep_in_memory(1);
        }
    }

    fn keep_in_memory(&mut self, messages: usize) {
        if self.disk.is_loading() || self.core.held().messages <= messages {
            return;
        }
        let (evicted, behind) = self.core.evict(messages);
        if let Some(seq) = behind {
            self.disk.unload_to(seq);
            self.returned.held += evicted;
        }
    }

    fn load_what_is_wanted(&mut self, now: Instant) {
        /// A key that fails keeps its place, and so do some behind it; others are loaded past it.
        const BEHIND_A_SLEEPER: usize = 16;
        if !self.disk.may_load(now) || self.inbox.budget().is_short() && !self.core.is_empty() {
            return;
        }
        let shut = self.core.shut().is_some();
        let window = self.window_messages();
        let wanted =
            self.core.is_empty() || std::mem::take(&mut self.wants_to_drop) || !shut && self.core.ready() < window / 2;
        let held = self.core.held();
        let most = 2 * window + BEHIND_A_SLEEPER * self.core.asleep();
        let room = self.settings.memory_bytes.saturating_sub(held.bytes).min(self.window_bytes());
        let fits = held.messages < most.min(self.settings.messages_max) && room > 0;
        if wanted && (fits || self.core.is_empty()) {
            let messages = if shut && self.core.is_empty() { 1 } else { window };
            self.disk.load(Window { messages, bytes: room });
        }
    }

    fn window_messages(&self) -> usize {
        let flights = self.settings.concurrency.saturating_mul(self.settings.batch_max);
        flights.saturating_mul(2).clamp(WINDOW_MESSAGES, self.settings.messages_max.max(WINDOW_MESSAGES))
    }

    /// Lanes that send many messages at once need more than a lane of an HTTP API.
    fn window_bytes(&self) -> usize {
        if self.settings.batch_max == 1 { WINDOW_BYTES } else { self.settings.memory_bytes / 2 }.max(1)
    }

    pub(super) fn hear_write(&mut self, end: WriteEnd) {
        let (what, done) = match end {
            WriteEnd::Done { what, done } => (what, done),
            WriteEnd::Failed(error) => return self.complain(&error),
        };
        self.is_well_again();
        match (what, done) {
            (Written::Core(guests), Done::Parked(first)) => {
                self.stats.parked_total.fetch_add(guests.len() as u64, Relaxed);
                let handed = self.core.hand_over(&guests, first);
                self.paid.extend(handed.tickets);
                self.returned.unpaid += handed.held;
                for (seq, bytes) in handed.over {
                    self.disk.forget(seq, bytes);
                }
                self.keep_in_memory(self.window_messages());
            }
            (Written::Arrivals(parcels), _) => {
                self.stats.parked_total.fetch_add(parcels.len() as u64, Relaxed);
                for Parcel { message, ticket } in parcels {
                    self.settle(message.byte_len(), ticket);
                }
            }
            // Nobody listens any more when the asker has gone.
            (Written::Revival(revival), Done::Revived(revived)) => drop(revival.done.send(Ok(revived))),
            (Written::Core(_), Done::Revived(_)) | (Written::Revival(_), Done::Parked(_)) => {
                unreachable!("the store answers what it was asked")
            }
        }
        if let Some(percent) = self.disk.share.alarm() {
            let Names { pipeline, target, member } = self.names();
            let parked_bytes = self.disk.share.used();
            match percent {
                95.. => error!(pipeline, target, member, percent, parked_bytes, "the room on disk is almost used up"),
                _ => warn!(pipeline, target, member, percent, parked_bytes, "the room on disk fills"),
            }
        }
    }

    pub(super) fn hear_load(&mut self, outcome: Result<Vec<Loaded>, StoreError>) {
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(error) => return self.complain(&error),
        };
        self.is_well_again();
        let (now, now_us) = (Instant::now(), unix_us());
        let mut brought = Held::default();
        for Loaded { seq, carried } in loaded {
            let age = Duration::from_micros(now_us.saturating_sub(carried.arrived_us).max(0) as u64);
            brought += Held::one(carried.message.byte_len());
            self.core.admit(Arrival {
                message: carried.message,
                owed: Owed::Disk(seq),
                attempts: carried.attempts,
                arrived_at: now.checked_sub(age).unwrap_or(now),
                arrived_us: carried.arrived_us,
            });
        }
        self.inbox.charge(brought);
    }

    pub(super) fn hear_settled(&mut self, outcome: Result<super::disk::Buried, StoreError>) {
        match outcome {
            Ok(buried) => {
                self.is_well_again();
                self.paid.extend(buried.tickets);
                self.returned.held += buried.returned.held;
                self.returned.unpaid += buried.returned.unpaid;
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Once, until the store does its work again: the source is not confirmed meanwhile, so nothing is lost.
    fn complain(&mut self, error: &StoreError) {
        let Names { pipeline, target, member } = self.names();
        if !self.complains {
            error!(pipeline, target, member, reason = %error, "the state can not be written; what is not delivered stays unconfirmed");
        }
        self.stats.last_error.set(error.to_string());
        self.complains = true;
    }

    fn is_well_again(&mut self) {
        if std::mem::take(&mut self.complains) {
            let Names { pipeline, target, member } = self.names();
            info!(pipeline, target, member, "the state is written again");
        }
    }

    /// For a lane that ends: whether there is something to wait for until all it has is on disk. There is no room for less than all.
    pub(super) fn begins_to_put_away(&mut self) -> bool {
        let now = Instant::now();
        self.disk.try_again(now);
        self.disk.settle(now);
        let holds = self.core.oldest_unpaid().is_some();
        if self.disk.may_write(now) {
            if holds {
                let (guests, messages) = self.core.unpaid();
                self.disk.write_core(guests, messages);
            } else if self.disk.backlog_len() > 0 {
                self.disk.write_backlog(unix_us());
            }
        }
        holds || self.disk.is_busy()
    }
}
