//! The task around a lane's core: carries messages to the sink, brings outcomes back, settles, counts and reports.

use super::core::{Core, Finish, Flight};
use super::inbox::{Inbox, Visit};
use super::{Held, LaneSettings, Parcel};
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

type Landing = (Flight, Vec<Result<(), Refusal>>);

struct Driver {
    settings: LaneSettings,
    sink: Arc<dyn Sink>,
    inbox: Arc<Inbox>,
    stats: Arc<LaneStats>,
    core: Core,
    flights: FuturesUnordered<BoxFuture<'static, Landing>>,
    arrivals: Vec<Parcel>,
    finishes: Vec<Finish>,
    /// Paid at the next visit, all at once.
    paid: Vec<Ticket>,
    settled: Held,
}

/// Runs a lane until it is closed.
pub(super) async fn run(settings: LaneSettings, sink: Arc<dyn Sink>, inbox: Arc<Inbox>, stats: Arc<LaneStats>) {
    let core = Core::new(&settings);
    let mut driver = Driver {
        settings,
        sink,
        inbox,
        stats,
        core,
        flights: FuturesUnordered::new(),
        arrivals: Vec::new(),
        finishes: Vec::new(),
        paid: Vec::new(),
        settled: Held::default(),
    };
    while let Some(wake_at) = driver.turn() {
        driver.wait(wake_at).await;
        // A sink that answers at once never lets the select wait, and the task would never yield.
        tokio::task::consume_budget().await;
    }
}

/// When the driver has to act by itself, if at all.
struct WakeAt(Option<Instant>);

impl Driver {
    /// Everything that can be done now. `None` when the lane has ended.
    fn turn(&mut self) -> Option<WakeAt> {
        Ticket::settle_all(&mut self.paid);
        let visit = self.inbox.visit(std::mem::take(&mut self.settled), &mut self.arrivals);
        let now = Instant::now();
        if !self.arrivals.is_empty() {
            let arrived_us = unix_us();
            for parcel in self.arrivals.drain(..) {
                self.core.admit(parcel, now, arrived_us);
            }
        }
        if self.has_ended(&visit, now) {
            return None;
        }
        while let Some(flight) = self.core.next(now) {
            self.send(flight);
        }
        self.publish(&visit);
        if self.core.is_empty() {
            self.core.shrink();
            self.arrivals.shrink_to(0);
            self.finishes.shrink_to(0);
            self.paid.shrink_to(0);
        }
        Some(WakeAt([self.core.wake_at(), visit.closes_at].into_iter().flatten().min()))
    }

    fn has_ended(&self, visit: &Visit, now: Instant) -> bool {
        visit.closes_at.is_some_and(|deadline| now >= deadline || !self.core.busy_until(deadline))
    }

    /// Waits for one of the three things that can happen to a lane.
    async fn wait(&mut self, WakeAt(wake_at): WakeAt) {
        tokio::select! {
            biased;
            // 1. Outcomes first: they free slots and pay what the source waits for. They can not starve the rest, for the
            //    next are only sent after a visit to the inbox and a look at the clock.
            Some(landing) = self.flights.next() => self.land_all(landing),
            // 2. New messages, or the order to close.
            () = self.inbox.arrived() => {}
            // 3. The clock: a retry or a probe is due, or the deadline of a drain. It is read at every turn, so it needs
            //    to be heard only when nothing else happens.
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
        let halted = self.core.halted();
        let mut finishes = std::mem::take(&mut self.finishes);
        self.core.finish(flight, outcomes, now, &mut finishes);
        for finish in finishes.drain(..) {
            self.conclude(finish, halted, now_us);
        }
        self.finishes = finishes;
        if halted && !self.core.halted() {
            let Names { pipeline, target, member } = self.names();
            info!(pipeline, target, member, "lane goes on");
            self.inbox.show_halted(false);
        }
    }

    fn conclude(&mut self, finish: Finish, halted: bool, now_us: i64) {
        match finish {
            Finish::Delivered(parcel) => {
                let latency_us = now_us.saturating_sub(parcel.message.committed_at_us).max(0);
                self.stats.latency.record(Duration::from_micros(latency_us as u64));
                count(&self.stats.delivered_total);
                self.settle(parcel);
            }
            Finish::Dead { parcel, attempts, refusal } => {
                self.report_dead(&parcel, attempts, &refusal);
                count(&self.stats.dead_total);
                self.settle(parcel);
            }
            Finish::Waits { attempts, delay, refusal } => {
                let Names { pipeline, target, member } = self.names();
                let (delay_ms, reason) = (delay.as_millis() as u64, &refusal.reason);
                debug!(pipeline, target, member, attempts, delay_ms, reason, "message is tried again");
                self.stats.last_error.set(refusal.reason);
            }
            Finish::Halts { refusal } => {
                if !halted && !self.inbox.shows_halted() {
                    let Names { pipeline, target, member } = self.names();
                    let reason = &refusal.reason;
                    error!(
                        pipeline,
                        target, member, reason, "lane is halted; its messages wait, one is tried every minute"
                    );
                    self.inbox.show_halted(true);
                }
                self.stats.last_error.set(refusal.reason);
            }
        }
    }

    fn settle(&mut self, parcel: Parcel) {
        self.settled.messages += 1;
        self.settled.bytes += parcel.message.byte_len();
        self.paid.push(parcel.ticket);
    }

    fn report_dead(&self, parcel: &Parcel, attempts: u32, refusal: &Refusal) {
        let Names { pipeline, target, member } = self.names();
        let (id, reason) = (&*parcel.message.id.0, &refusal.reason);
        warn!(id, pipeline, target, member, reason, attempts, "message is refused for good");
        self.stats.last_error.set(reason.clone());
    }

    fn publish(&self, visit: &Visit) {
        let (held, in_flight) = (visit.held, self.core.in_flight());
        self.stats.in_flight.store(in_flight.messages as u64, Relaxed);
        self.stats.waiting.store((held.messages - in_flight.messages) as u64, Relaxed);
        self.stats.waiting_bytes.store((held.bytes - in_flight.bytes) as u64, Relaxed);
        self.stats.oldest_at_us.store(self.core.oldest_us().unwrap_or(0).max(0) as u64, Relaxed);
    }

    fn names(&self) -> Names<'_> {
        let LaneSettings { pipeline, target, member, .. } = &self.settings;
        Names { pipeline, target, member }
    }
}

/// What every line about a lane carries.
struct Names<'a> {
    pipeline: &'a str,
    target: &'a str,
    member: &'a str,
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
fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
