//! The task around a lane's core: carries messages to the sink, brings outcomes back, settles, counts and reports. What concerns
//! the disk stands in `parking`.

use super::core::{Core, Finish, Flight, Leaver};
use super::disk::{Disk, Event};
use super::gate::Shut;
use super::inbox::{Inbox, Orders, Renewal, Returned, Standing, Visit};
use super::parking::ToldOfDisk;
use super::revival::Revivals;
use super::table::{Arrival, Owed};
use super::{Death, Ground, Held, LaneSettings, Parcel};
use crate::ledger::Ticket;
use crate::sink::{Refusal, Sink};
use crate::telemetry::{LaneStats, count};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

/// Outcomes that are taken up before the next visit to the inbox; above any sensible concurrency.
const LANDINGS_PER_TURN: usize = 256;
/// How long a lane that ends may take to put away what it has.
const PUT_AWAY_MAX: Duration = Duration::from_secs(2);

type Landing = (Flight, Vec<Result<(), Refusal>>);

pub(super) struct Driver {
    pub(super) settings: LaneSettings,
    sink: Arc<dyn Sink>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) stats: Arc<LaneStats>,
    pub(super) core: Core,
    pub(super) disk: Disk,
    flights: FuturesUnordered<BoxFuture<'static, Landing>>,
    arrivals: Vec<Parcel>,
    finishes: Vec<Finish>,
    /// Paid at the next visit, all at once.
    pub(super) paid: Vec<Ticket>,
    pub(super) returned: Returned,
    /// Nothing more is sent: it only waits for what is in flight.
    retires: bool,
    /// The store refuses, and that was said.
    pub(super) complains: bool,
    /// There is no room on disk, and the oldest that would give way are not in memory.
    pub(super) wants_to_drop: bool,
    pub(super) revivals: Revivals,
    pub(super) told_of_disk: ToldOfDisk,
}

/// Runs a lane until it is closed.
pub(super) async fn run(
    settings: LaneSettings,
    sink: Arc<dyn Sink>,
    ground: Ground,
    inbox: Arc<Inbox>,
    stats: Arc<LaneStats>,
) {
    let core = Core::new(&settings, &ground.slots);
    let share = ground.quota.share(settings.disk_bytes, ground.record.parked_bytes);
    let disk = Disk::new(ground.store, ground.record, share);
    let mut driver = Driver {
        settings,
        sink,
        inbox,
        stats,
        core,
        disk,
        flights: FuturesUnordered::new(),
        arrivals: Vec::new(),
        finishes: Vec::new(),
        paid: Vec::new(),
        returned: Returned::default(),
        retires: false,
        complains: false,
        wants_to_drop: false,
        revivals: Revivals::default(),
        told_of_disk: ToldOfDisk::default(),
    };
    while let Some(wake_at) = driver.turn() {
        // What a turn itself gives back is given at the next visit, and somebody may wait for it.
        if !driver.owes_a_visit() {
            driver.wait(wake_at).await;
        }
        // A sink that answers at once never lets the select wait, and the task would never yield.
        tokio::task::consume_budget().await;
    }
    driver.put_away().await;
}

/// When the driver has to act by itself, if at all.
struct WakeAt(Option<Instant>);

impl Driver {
    /// Everything that can be done now. `None` when the lane has ended.
    fn turn(&mut self) -> Option<WakeAt> {
        Ticket::settle_all(&mut self.paid);
        let mut visit = self.inbox.visit(std::mem::take(&mut self.returned), &mut self.arrivals);
        let now = Instant::now();
        // Orders came after the arrivals, or among them: what waits already goes before a dead letter that goes again.
        self.take_in(now);
        self.obey(std::mem::take(&mut visit.orders), now);
        if self.has_ended(&visit, now) {
            return None;
        }
        while !self.retires
            && let Some(flight) = self.core.next(now)
        {
            self.send(flight);
        }
        let keep_at = self.keep_house(now, visit.closes_at.is_some());
        self.publish(&visit);
        if self.core.is_empty() {
            self.shrink();
        }
        let send_at = if self.retires { None } else { self.core.wake_at() };
        Some(WakeAt([send_at, visit.closes_at, keep_at].into_iter().flatten().min()))
    }

    fn owes_a_visit(&self) -> bool {
        !self.paid.is_empty() || self.returned.held.messages > 0
    }

    fn obey(&mut self, orders: Orders, now: Instant) {
        if let Some(Renewal { settings, sink }) = orders.renewal {
            self.core.renew(&settings);
            self.disk.share.set_limit(settings.disk_bytes);
            (self.settings, self.sink) = (settings, sink);
        }
        self.revivals.ask(orders.revivals, now);
        self.retires |= orders.retires;
    }

    /// Arrivals go into the core, or behind what waits on disk; those that were here before are paid.
    fn take_in(&mut self, now: Instant) {
        let arrived_us = if self.arrivals.is_empty() { 0 } else { unix_us() };
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for parcel in arrivals.drain(..) {
            if self.disk.knows(&parcel.message) {
                count(&self.stats.known_total);
                self.settle(parcel.message.byte_len(), parcel.ticket);
            } else if self.disk.diverts() {
                self.disk.divert(parcel);
            } else {
                self.admit(parcel, now, arrived_us);
            }
        }
        self.arrivals = arrivals;
    }

    pub(super) fn admit(&mut self, parcel: Parcel, now: Instant, arrived_us: i64) {
        let Parcel { message, ticket } = parcel;
        self.core.admit(Arrival { message, owed: Owed::Source(ticket), attempts: 0, arrived_at: now, arrived_us });
    }

    fn has_ended(&self, visit: &Visit, now: Instant) -> bool {
        let Some(deadline) = visit.closes_at else { return false };
        let busy = if self.retires { self.core.in_flight().messages > 0 } else { self.core.busy_until(deadline) };
        now >= deadline || !busy
    }

    fn shrink(&mut self) {
        self.core.shrink();
        self.disk.shrink();
        self.arrivals.shrink_to(0);
        self.finishes.shrink_to(0);
        self.paid.shrink_to(0);
    }

    /// Waits for one of the things that can happen to a lane.
    async fn wait(&mut self, WakeAt(wake_at): WakeAt) {
        let can_let_go = self.core.held().messages > self.core.in_flight().messages;
        tokio::select! {
            biased;
            // 1. Outcomes first: they free slots and pay what the source waits for. They can not starve the rest, for the
            //    next are only sent after a visit to the inbox and a look at the clock.
            Some(landing) = self.flights.next() => self.land_all(landing),
            // 2. The store: what is on disk is paid, what was loaded can be sent.
            event = self.disk.event() => self.hear(event),
            // 3. New messages, or an order.
            () = self.inbox.arrived() => {}
            // 4. Somebody waits for memory that this lane could do without.
            () = self.inbox.budget().pressed(), if can_let_go => {}
            // 5. The clock: a retry, a probe or the hold is due, or the deadline of a drain. It is read at every turn, so it
            //    needs to be heard only when nothing else happens.
            () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
        }
    }

    fn send(&mut self, flight: Flight) {
        self.stats.attempts_total.fetch_add(flight.messages.len() as u64, Relaxed);
        let sink = self.sink.clone();
        self.flights.push(Box::pin(async move {
            let outcomes = sink.deliver_all(&flight.messages).await;
            (flight, outcomes)
        }));
    }

    fn land_all(&mut self, first: Landing) {
        let (now, now_us) = (Instant::now(), unix_us());
        self.land(first, now, now_us);
        for _ in 1..LANDINGS_PER_TURN {
            let Some(Some(landing)) = self.flights.next().now_or_never() else { return };
            self.land(landing, now, now_us);
        }
    }

    fn land(&mut self, (flight, outcomes): Landing, now: Instant, now_us: i64) {
        let before = self.core.shut();
        let mut finishes = std::mem::take(&mut self.finishes);
        self.core.finish(flight, outcomes, now, &mut finishes);
        for finish in finishes.drain(..) {
            self.conclude(finish, now_us);
        }
        self.finishes = finishes;
        self.say_gate(before);
    }

    /// One line when the gate opens or shuts.
    fn say_gate(&self, before: Option<Shut>) {
        let after = self.core.shut();
        if before == after {
            return;
        }
        let Names { pipeline, target, member } = self.names();
        let reason = self.stats.last_error.get().unwrap_or_default();
        match after {
            None => info!(pipeline, target, member, "lane goes on"),
            Some(Shut::Away) => {
                count(&self.stats.opened_total);
                warn!(
                    pipeline,
                    target, member, reason, "receiver is away; its messages wait, one is tried now and then"
                );
            }
            Some(Shut::Halted) => {
                error!(
                    pipeline,
                    target, member, reason, "lane is halted; its messages wait, one is tried every minute"
                );
            }
        }
    }

    fn conclude(&mut self, finish: Finish, now_us: i64) {
        match finish {
            Finish::Delivered(leaver) => {
                let latency_us = now_us.saturating_sub(leaver.message.committed_at_us).max(0);
                self.stats.latency.record(Duration::from_micros(latency_us as u64));
                count(&self.stats.delivered_total);
                let (bytes, is_on_disk) = (leaver.bytes, matches!(leaver.owed, Owed::Disk(_)));
                match self.disk.end(leaver) {
                    Some((bytes, ticket)) => self.settle(bytes, ticket),
                    None if is_on_disk => self.returned.held += Held::one(bytes),
                    // Both come back once a letter is marked.
                    None => {}
                }
            }
            Finish::Dead { leaver, refusal } => self.bury(leaver, refusal, now_us),
            Finish::Waits { attempts, delay, refusal } => {
                let Names { pipeline, target, member } = self.names();
                let (delay_ms, reason) = (delay.as_millis() as u64, &refusal.reason);
                debug!(pipeline, target, member, attempts, delay_ms, reason, "message is tried again");
                self.stats.last_error.set(refusal.reason);
            }
            Finish::Halts { refusal } => self.stats.last_error.set(refusal.reason),
        }
    }

    fn bury(&mut self, leaver: Leaver, refusal: Refusal, now_us: i64) {
        let Names { pipeline, target, member } = self.names();
        let (id, reason, attempts) = (&*leaver.message.id.0, &refusal.reason, leaver.attempts);
        warn!(id, pipeline, target, member, reason, attempts, "message is refused for good and set aside");
        self.stats.last_error.set(refusal.reason.clone());
        count(&self.stats.dead_total);
        let Refusal { reason, answer, .. } = refusal;
        let last_answer = answer.map(String::from);
        let death = Death { reason, last_answer, attempts, arrived_us: leaver.arrived_us, died_us: now_us };
        let letter = death.letter(&self.settings.name, leaver.message.clone());
        self.disk.bury(letter, leaver);
    }

    pub(super) fn settle(&mut self, bytes: usize, ticket: Ticket) {
        self.returned.held += Held::one(bytes);
        self.returned.unpaid += Held::one(bytes);
        self.paid.push(ticket);
    }

    fn publish(&self, visit: &Visit) {
        let (held, in_flight, stats) = (visit.held, self.core.in_flight(), &self.stats);
        stats.in_flight.store(in_flight.messages as u64, Relaxed);
        stats.waiting.store(held.messages.saturating_sub(in_flight.messages) as u64, Relaxed);
        stats.waiting_bytes.store(held.bytes.saturating_sub(in_flight.bytes) as u64, Relaxed);
        stats.oldest_at_us.store(self.core.oldest_us().unwrap_or(0).max(0) as u64, Relaxed);
        stats.parked.store(self.disk.parked(), Relaxed);
        stats.parked_bytes.store(self.disk.share.used(), Relaxed);
        self.inbox.show(match self.core.shut() {
            Some(Shut::Halted) => Standing::Halted,
            Some(Shut::Away) => Standing::Open,
            None if self.disk.parked() > 0 => Standing::Parked,
            None => Standing::Flowing,
        });
    }

    /// The last thing: what is not delivered goes to disk, so that neither a source nor a member that is gone is waited for. If
    /// that fails when the house closes, tickets stay unpaid, and the log is read again. A lane that is taken out while the house
    /// goes on tries for ever: one of the same name may come after it, and would raise the marks over what this one lost.
    async fn put_away(&mut self) {
        self.flights.clear();
        let ends_at = (!self.retires).then(|| Instant::now() + PUT_AWAY_MAX);
        while self.begins_to_put_away() {
            let wake_at = [ends_at, self.disk.retry_at()].into_iter().flatten().min();
            tokio::select! {
                biased;
                // 1. The store has done something.
                event = self.disk.event() => self.hear(event),
                // 2. It is time to try again, or to give up.
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
            }
            Ticket::settle_all(&mut self.paid);
            if ends_at.is_some_and(|ends_at| Instant::now() >= ends_at) {
                return;
            }
        }
    }

    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Written(end) => self.hear_write(end),
            Event::Loaded(outcome) => self.hear_load(outcome),
            Event::Settled(outcome) => self.hear_settled(outcome),
        }
    }

    pub(super) fn names(&self) -> Names<'_> {
        let name = &self.settings.name;
        Names { pipeline: &name.pipeline, target: &name.target, member: &name.member }
    }
}

/// What every line about a lane carries.
pub(super) struct Names<'a> {
    pub(super) pipeline: &'a str,
    pub(super) target: &'a str,
    pub(super) member: &'a str,
}

impl Drop for Driver {
    /// Also when the task is aborted or a sink panics: pushers must not wait for a lane that is gone.
    fn drop(&mut self) {
        // What was delivered is paid even if the task ends before its next visit; but not after a panic, which may be the
        // ledger's own.
        if !std::thread::panicking() {
            Ticket::settle_all(&mut self.paid);
        }
        self.inbox.abandon();
        for gauge in [&self.stats.in_flight, &self.stats.waiting, &self.stats.waiting_bytes, &self.stats.oldest_at_us] {
            gauge.store(0, Relaxed);
        }
    }
}

/// The wall clock: microseconds since the Unix epoch, which is how the database says when it committed.
pub(super) fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
