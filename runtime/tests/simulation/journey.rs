//! One journey: lives of a process, each ended by a crash or a drain, until a last one delivers what is left.

use crate::plan::{End, LanePlan, Plan};
use crate::receiver::{Receiver, Road};
use crate::world::{Event, Summary, World, message_id};
use bytes::Bytes;
use futures_util::future::{join_all, select_all};
use sluicegate::change::{Content, Lsn, Message, MessageId, Origin, Position};
use sluicegate::lane::{Budget, Lane, LaneSettings, Parcel, spawn};
use sluicegate::ledger::{Ledger, Ticket};
use sluicegate::telemetry::LaneStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Virtual. A lost ticket would make the last life wait for ever.
const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// From a position's confirmation until it is on disk.
const CHECKPOINT: Duration = Duration::from_millis(3);

/// Runs a journey to its end; the error says what it broke.
pub fn run(plan: &Plan) -> Result<Summary, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets").block_on(async {
        let plan = Arc::new(plan.clone());
        let world = Arc::new(World::new(&plan));
        let receivers: Vec<_> =
            (0..plan.lanes.len()).map(|lane| Arc::new(Receiver::new(plan.clone(), world.clone(), lane))).collect();
        let durable = Arc::new(AtomicU64::new(0));
        for (end, after) in &plan.ends {
            Life::begin(&plan, &world, &receivers, &durable).run_until(*end, *after).await;
            if world.is_broken() {
                return world.finish(&plan);
            }
        }
        Life::begin(&plan, &world, &receivers, &durable).run_to_the_end().await;
        world.finish(&plan)
    })
}

/// A process from start to end.
struct Life {
    plan: Arc<Plan>,
    world: Arc<World>,
    ledger: Ledger,
    budget: Budget,
    lanes: Vec<Lane>,
    tasks: Vec<JoinHandle<()>>,
    source: Option<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    /// The commit after which this life goes on.
    durable: u64,
}

impl Life {
    fn begin(plan: &Arc<Plan>, world: &Arc<World>, receivers: &[Arc<Receiver>], durable: &Arc<AtomicU64>) -> Self {
        let (ledger, budget) = (Ledger::new(), Budget::new(plan.budget_bytes));
        let from = durable.load(Relaxed);
        let mut lanes = Vec::new();
        let mut tasks = Vec::new();
        for (number, receiver) in receivers.iter().enumerate() {
            let settings = settings(&plan.lanes[number], number);
            let (lane, task) =
                spawn(settings, Arc::new(Road::new(receiver.clone())), budget.clone(), Arc::new(LaneStats::default()));
            lanes.push(lane);
            tasks.push(task);
        }
        let reader = Reader {
            plan: plan.clone(),
            world: world.clone(),
            ledger: ledger.clone(),
            budget: budget.clone(),
            lanes: lanes.clone(),
        };
        let source = Some(tokio::spawn(reader.read(from)));
        let keeper = tokio::spawn(keep(plan.clone(), world.clone(), ledger.clone(), durable.clone()));
        Self { plan: plan.clone(), world: world.clone(), ledger, budget, lanes, tasks, source, keeper, durable: from }
    }

    async fn run_until(mut self, end: End, after: Duration) {
        sleep(after).await;
        self.source.iter().for_each(JoinHandle::abort);
        match end {
            End::Crash => {
                self.world.note(Event::Crashes);
                self.keeper.abort();
                self.tasks.iter().for_each(JoinHandle::abort);
            }
            End::Drain(patience) => {
                self.world.note(Event::Drains);
                let began = Instant::now();
                self.lanes.iter().for_each(|lane| lane.drain(began + patience));
                let drained = timeout(LIFE_MAX, join_all(self.tasks.iter_mut())).await;
                if drained.is_err() || began.elapsed() > patience + Duration::from_millis(2) {
                    self.world.broke(format!("a drain of {patience:?} took {:?}", began.elapsed()));
                }
                self.keeper.abort();
                // Joined above; a task is joined once.
                self.tasks.clear();
            }
        }
        self.bury().await;
    }

    async fn run_to_the_end(mut self) {
        let last = self.plan.rows.last().map_or(0, |row| row.commit);
        let is_last =
            |position: &Option<Position>| self.durable == last || *position == Some(Position::Postgres(Lsn(last)));
        let mut confirmed = self.ledger.confirmed();
        let source = self.source.take().expect("a life has a source until it ends");
        let done = async {
            if let Err(error) = source.await {
                self.world.broke(format!("the source ended: {error}"));
            }
            let _closed = confirmed.wait_for(is_last).await;
        };
        tokio::select! {
            biased;
            outcome = timeout(LIFE_MAX, done) => if outcome.is_err() {
                let (unpaid, held) = (self.ledger.unpaid(), self.lanes.iter().map(Lane::held).collect::<Vec<_>>());
                self.world.broke(format!("nothing moves any more: {unpaid} tickets unpaid, lanes hold {held:?}"));
            },
            (ended, lane, _) = select_all(self.tasks.iter_mut()) => {
                self.world.broke(format!("lane {lane} ended by itself: {ended:?}"));
                // Joined here; a task is joined once.
                self.tasks.remove(lane);
            }
        }
        if self.ledger.unpaid() != 0 && !self.world.is_broken() {
            self.world.broke(format!("all is confirmed, but {} tickets are unpaid", self.ledger.unpaid()));
        }
        // Time for the checkpoint, and for what receivers accept late.
        sleep(Duration::from_secs(60)).await;
        self.tasks.iter().for_each(JoinHandle::abort);
        self.keeper.abort();
        self.bury().await;
    }

    /// Nothing of a life may reach into the next one.
    async fn bury(self) {
        for task in self.tasks.into_iter().chain([self.keeper]).chain(self.source) {
            if task.await.is_err_and(|error| error.is_panic()) {
                self.world.broke("a task panicked".into());
            }
        }
        if self.budget.taken() != 0 {
            self.world.broke(format!("lanes that are gone hold {} bytes of the budget", self.budget.taken()));
        }
    }
}

/// Writes what is confirmed to disk, a little later.
async fn keep(plan: Arc<Plan>, world: Arc<World>, ledger: Ledger, durable: Arc<AtomicU64>) {
    let mut confirmed = ledger.confirmed();
    while confirmed.changed().await.is_ok() {
        let Some(Position::Postgres(Lsn(commit))) = *confirmed.borrow_and_update() else { continue };
        world.note(Event::Confirms { commit });
        world.check_confirmed(&plan, commit);
        sleep(CHECKPOINT).await;
        world.note(Event::Durable { commit });
        if durable.swap(commit, Relaxed) > commit {
            world.broke(format!("the confirmed position went back to {commit}"));
        }
    }
}

/// The source and the pipeline in one: reads the log from where it may go on, and fills the lanes.
struct Reader {
    plan: Arc<Plan>,
    world: Arc<World>,
    ledger: Ledger,
    budget: Budget,
    lanes: Vec<Lane>,
}

impl Reader {
    async fn read(self, durable: u64) {
        for batch in &self.plan.batches {
            // Of a transaction that is confirmed nothing is sent again; of any other, everything.
            let rows = batch.rows.clone().filter(|row| self.plan.rows[*row].commit > durable);
            let confirms = batch.confirms.filter(|commit| *commit > durable);
            let ticket = self.ledger.open(confirms.map(|commit| Position::Postgres(Lsn(commit))), 1);
            for row in rows {
                for lane in &self.plan.rows[row].lanes {
                    ticket.owe(1);
                    self.push(*lane, row, &ticket).await;
                }
            }
            ticket.settle();
            sleep(batch.pause).await;
        }
    }

    async fn push(&self, lane: usize, row: usize, ticket: &Ticket) {
        let began = Instant::now();
        self.lanes[lane].push(Parcel { message: self.message(lane, row), ticket: ticket.clone() }).await;
        if began.elapsed() > Duration::ZERO {
            self.world.note(Event::Full { lane });
        }
        self.check_memory(lane);
    }

    /// Only a push makes a lane hold more, so after each is the time to look.
    fn check_memory(&self, lane: usize) {
        /// The longest body and what is around it.
        const MESSAGE_MAX: usize = 700;
        let (held, limit) = (self.lanes[lane].held(), &self.plan.lanes[lane]);
        if held.messages > 1 && (held.bytes > limit.memory_bytes || held.messages > limit.messages_max) {
            self.world.broke(format!("lane {lane} holds {held:?}"));
        }
        if self.budget.taken() > self.plan.budget_bytes + self.lanes.len() * MESSAGE_MAX {
            self.world.broke(format!("all lanes together hold {} bytes", self.budget.taken()));
        }
    }

    fn message(&self, lane: usize, row: usize) -> Message {
        let source = &self.plan.rows[row];
        let body = format!("{row} {}", "x".repeat(source.body_len));
        let id = MessageId(message_id(&self.plan, lane, row).into());
        let key = Bytes::copy_from_slice(&[source.key]);
        Content { body: Bytes::from(body), ..Content::new(id, key, Origin::default()) }.into()
    }
}

fn settings(plan: &LanePlan, number: usize) -> LaneSettings {
    LaneSettings {
        pipeline: "simulation".into(),
        target: "receivers".into(),
        member: number.to_string().into(),
        concurrency: plan.concurrency,
        batch_max: plan.batch_max,
        memory_bytes: plan.memory_bytes,
        messages_max: plan.messages_max,
        retry: plan.retry,
    }
}

/// Lanes that nobody uses, each with everything of its own that a lane has.
pub fn idle_lanes(plan: &Plan, count: usize) -> Vec<(Lane, JoinHandle<()>)> {
    let world = Arc::new(World::new(plan));
    let sink = Arc::new(Road::new(Arc::new(Receiver::new(Arc::new(plan.clone()), world, 0))));
    let budget = Budget::default();
    let idle =
        |number| spawn(settings(&plan.lanes[0], number), sink.clone(), budget.clone(), Arc::new(LaneStats::default()));
    (0..count).map(idle).collect()
}
