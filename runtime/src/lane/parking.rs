//! When a lane goes to the disk: what is written, what is loaded again, what gives way when there is no room.
//!
//! A lane *flows* while its messages are delivered within `hold`; the disk is not touched then. What is older goes to disk, all that
//! the source answers for at once, and the source is free of it. A lane that is behind keeps a window of what waits in memory.

use super::disk::{Event, WriteEnd, Written};
use super::driver::{Driver, Names, unix_us};
use super::quota::{NoRoom, WhenFull};
use super::table::{Arrival, Owed};
use super::{Held, Parcel};
use crate::store::{Loaded, StoreError, Window};
use crate::telemetry::count;
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

impl Driver {
    /// Begins whatever the disk is needed for, and says when to look again.
    pub(super) fn keep_house(&mut self, now: Instant, is_closing: bool) -> Option<Instant> {
        self.disk.try_again(now);
        if self.disk.may_undivert() {
            self.undivert(now);
        }
        self.disk.settle(now);
        let hold_at = self.write_what_is_due(now);
        self.let_go();
        if !is_closing {
            self.load_what_is_wanted(now);
        }
        [hold_at, self.disk.retry_at()].into_iter().flatten().min()
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
            if let Some(revival) = self.disk.revivals.pop_front() {
                self.disk.write_revival(revival);
            } else if self.disk.backlog_len() > 0 {
                self.write_backlog();
            }
        }
        hold_at
    }

    fn write_core(&mut self) -> bool {
        let (guests, messages) = self.core.unpaid();
        let bytes = messages.iter().map(|carried| carried.message.byte_len() as u64).sum();
        let fits = self.makes_room(bytes);
        if fits {
            self.disk.write_core(guests, messages);
        }
        fits
    }

    fn write_backlog(&mut self) {
        if self.makes_room(self.disk.backlog_bytes()) {
            self.disk.write_backlog(unix_us());
        } else if self.settings.when_full == WhenFull::DeadLetter {
            self.bury_backlog();
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
        let dropped = self.core.drop_oldest(bytes);
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
            self.give_back(leaver.bytes);
        }
    }

    fn bury_backlog(&mut self) {
        let now_us = unix_us();
        let backlog: Vec<Parcel> = self.disk.take_backlog().collect();
        let Names { pipeline, target, member } = self.names();
        warn!(
            pipeline,
            target,
            member,
            dead = backlog.len(),
            "messages are set aside: no room on disk, and when_full is \"dead-letter\""
        );
        for Parcel { message, ticket } in backlog {
            count(&self.stats.dead_total);
            let reason = "no room to park it, and when_full is \"dead-letter\"".to_owned();
            let letter = self.letter(message.clone(), reason, (0, now_us, now_us));
            self.disk.bury_arrival(letter, Parcel { message, ticket });
        }
    }

    /// Memory keeps a window of what is safe on disk; nothing but the next probe while the receiver is away or others need it.
    fn let_go(&mut self) {
        if self.disk.is_loading() || self.core.is_empty() {
            return;
        }
        let is_pressed = self.core.shut().is_some() || self.inbox.budget().is_short();
        let kept = if is_pressed { 1 } else { self.window_messages() };
        // Twice: or what was just loaded for the next flights would go again.
        if !is_pressed && self.core.held().messages <= 2 * kept && !self.inbox.is_full() {
            return;
        }
        let (evicted, behind) = self.core.evict(kept);
        if let Some(seq) = behind {
            self.disk.unload_to(seq);
        }
        self.settled.messages += evicted.messages;
        self.settled.bytes += evicted.bytes;
        if evicted.messages > 0 {
            // The next visit gives it back, at once.
            self.inbox.order(|_| {});
        }
    }

    fn load_what_is_wanted(&mut self, now: Instant) {
        if !self.disk.may_load(now) {
            return;
        }
        let shut = self.core.shut().is_some();
        let wanted = self.core.is_empty() || !shut && self.core.ready() < self.window_messages() / 2;
        let held = self.core.held();
        let room = self.settings.memory_bytes.saturating_sub(held.bytes).min(self.window_bytes());
        // A key that fails keeps its place, and others are loaded past it, as long as there is memory.
        let fits = held.messages < self.settings.messages_max && room > 0 && !self.inbox.budget().is_short();
        if wanted && (fits || self.core.is_empty()) {
            let messages = if shut { 1 } else { self.window_messages() };
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
        let (what, first) = match end {
            WriteEnd::Done { what, first } => (what, first),
            WriteEnd::Failed(error) => return self.complain(&error),
        };
        self.is_well_again();
        match what {
            Written::Core(guests) => {
                self.stats.parked_total.fetch_add(guests.len() as u64, Relaxed);
                // Those that were delivered while they were being written need not wait.
                for (seq, bytes) in self.core.hand_over(&guests, first, &mut self.paid) {
                    self.disk.forget(seq, bytes);
                }
            }
            Written::Arrivals(parcels) => {
                self.stats.parked_total.fetch_add(parcels.len() as u64, Relaxed);
                for Parcel { message, ticket } in parcels {
                    self.settle(message.byte_len(), ticket);
                }
            }
            // Nobody listens any more when the asker has gone.
            Written::Revival(revival) => drop(revival.done.send(Ok(first.0 > 0))),
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
            brought.messages += 1;
            brought.bytes += carried.message.byte_len();
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
                self.settled.messages += buried.held.messages;
                self.settled.bytes += buried.held.bytes;
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

    /// For a lane that ends: whether there is something to wait for until all it has is on disk.
    pub(super) fn begins_to_put_away(&mut self) -> bool {
        let now = Instant::now();
        self.disk.settle(now);
        if self.disk.may_write(now) {
            if self.core.oldest_unpaid().is_some() {
                self.write_core();
            } else if self.disk.backlog_len() > 0 {
                self.write_backlog();
            }
        }
        self.disk.is_busy()
    }

    /// Whether the store still does what it is asked.
    pub(super) fn hear_last(&mut self, event: Event) -> bool {
        self.hear(event);
        !self.complains
    }
}
