//! One journey: lives of a process, each ended by a crash or a drain, until a last one delivers what is left.

use crate::disk::Disk;
use crate::plan::{End, LanePlan, Plan};
use crate::receiver::{Receiver, Road};
use crate::world::{Event, Summary, World, lane_name, message_id, row_of};
use bytes::Bytes;
use futures_util::future::join_all;
use sluicegate::change::{Content, Lsn, Message, MessageId, Origin, Position, RowMark};
use sluicegate::lane::{Budget, Ground, Lane, LaneSettings, Parcel, Quota, Slots, spawn};
use sluicegate::ledger::{Ledger, Ticket};
use sluicegate::store::{Buried, DeadFilter, DeadLetter, MemoryStore, Revive, Revived, Store};
use sluicegate::telemetry::LaneStats;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinHandle};
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
        let disk = Arc::new(Disk::new(plan.seed, plan.disk, world.clone()));
        let outside = Outside { plan: plan.clone(), world, receivers, disk, durable: Arc::default() };
        for (end, after) in &plan.ends {
            Life::begin(&outside).run_until(*end, *after).await;
            if outside.world.is_broken() {
                return outside.world.finish(&plan, &outside.disk);
            }
        }
        Life::begin(&outside).run_to_the_end().await;
        outside.world.finish(&plan, &outside.disk)
    })
}

/// What outlives the process.
#[derive(Clone)]
struct Outside {
    plan: Arc<Plan>,
    world: Arc<World>,
    receivers: Vec<Arc<Receiver>>,
    disk: Arc<Disk>,
    durable: Arc<AtomicU64>,
}

/// A process from start to end.
struct Life {
    outside: Outside,
    ledger: Ledger,
    lanes: Arc<Lanes>,
    source: Option<JoinHandle<()>>,
    /// Renews lanes and takes them out.
    editor: JoinHandle<()>,
    keeper: JoinHandle<()>,
    /// The commit after which this life goes on.
    durable: u64,
}

/// The lanes of a life, by number. One that is taken out comes back as another one on the same part of the disk.
struct Lanes {
    outside: Outside,
    budget: Budget,
    slots: Slots,
    quota: Quota,
    all: Mutex<Vec<(Lane, Option<JoinHandle<()>>)>>,
    /// Tasks of lanes that were taken out, which end with the process at the latest.
    leaving: Mutex<Vec<AbortHandle>>,
}

impl Lanes {
    fn start(outside: &Outside) -> Arc<Self> {
        let (budget, slots) = (Budget::new(outside.plan.budget_bytes), Slots::new(outside.plan.slots));
        let lanes = Self {
            outside: outside.clone(),
            budget,
            slots,
            quota: Quota::default(),
            all: Mutex::default(),
            leaving: Mutex::default(),
        };
        let all = (0..outside.plan.lanes.len()).map(|number| lanes.spawn(number)).collect();
        *lanes.all() = all;
        Arc::new(lanes)
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Lane, Option<JoinHandle<()>>)>> {
        self.all.lock().expect("no panic here")
    }

    fn spawn(&self, number: usize) -> (Lane, Option<JoinHandle<()>>) {
        let Outside { plan, receivers, disk, .. } = &self.outside;
        let store: Arc<dyn Store> = disk.clone();
        let record = store.lane(&lane_name(number)).expect("memory can be read");
        let (budget, slots, quota) = (self.budget.clone(), self.slots.clone(), self.quota.clone());
        let ground = Ground { store, record, budget, slots, quota };
        let road = Arc::new(Road::new(receivers[number].clone()));
        let (lane, task) = spawn(settings(&plan.lanes[number], number), road, ground, Arc::new(LaneStats::default()));
        (lane, Some(task))
    }

    fn lane(&self, number: usize) -> Lane {
        self.all()[number].0.clone()
    }

    /// What is in flight lands at the old address; keys wait for it.
    fn renew(&self, number: usize) {
        self.outside.world.note(Event::Renews { lane: number });
        let settings = settings(&self.outside.plan.lanes[number], number);
        self.lane(number).renew(settings, Arc::new(Road::new(self.outside.receivers[number].clone())));
    }

    async fn retire(&self, number: usize) {
        self.outside.world.note(Event::Retires { lane: number });
        let (lane, task) = (self.lane(number), self.all()[number].1.take());
        lane.retire();
        if let Some(task) = task {
            self.leaving.lock().expect("no panic here").push(task.abort_handle());
            if task.await.is_err_and(|error| error.is_panic()) {
                self.outside.world.broke("a lane that was taken out panicked".into());
            }
            let again = self.spawn(number);
            self.all()[number] = again;
        }
    }

    /// Somebody mended the receivers, and sends again what they refused. Answers are not waited for: a letter may wait for its lane.
    async fn revive_all(self: &Arc<Self>) {
        let Outside { world, disk, .. } = &self.outside;
        let letters = disk.dead(DeadFilter::default()).await.unwrap_or_default();
        for letter in letters {
            let Ok(Some(DeadLetter { buried: Buried::Message(message), .. })) = disk.dead_letter(letter.id).await
            else {
                continue;
            };
            let number = letter.member.parse().expect("a member is its lane's number");
            let row = row_of(&message);
            world.mend(number, row);
            let (world, lane) = (world.clone(), self.lane(number));
            let again = Revive { id: letter.id, superseded: false };
            let asked = tokio::spawn(async move {
                if matches!(lane.revive(again, message).await, Ok(Revived::Waits { .. })) {
                    world.note(Event::Revives { lane: number, row });
                }
            });
            self.leaving.lock().expect("no panic here").push(asked.abort_handle());
        }
    }

    fn tasks(&self) -> Vec<JoinHandle<()>> {
        self.all().iter_mut().filter_map(|(_, task)| task.take()).collect()
    }
}

impl Life {
    fn begin(outside: &Outside) -> Self {
        let ledger = Ledger::new();
        let from = outside.durable.load(Relaxed);
        let lanes = Lanes::start(outside);
        let reader = Reader { outside: outside.clone(), ledger: ledger.clone(), lanes: lanes.clone() };
        let source = Some(tokio::spawn(reader.read(from)));
        let keeper = tokio::spawn(keep(outside.clone(), ledger.clone()));
        let editor = tokio::spawn(edit(lanes.clone()));
        Self { outside: outside.clone(), ledger, lanes, source, editor, keeper, durable: from }
    }

    async fn run_until(self, end: End, after: Duration) {
        sleep(after).await;
        self.source.iter().for_each(JoinHandle::abort);
        self.editor.abort();
        let mut tasks = self.lanes.tasks();
        match end {
            End::Crash => {
                self.outside.world.note(Event::Crashes);
                self.keeper.abort();
                tasks.iter().for_each(JoinHandle::abort);
            }
            End::Drain(patience) => {
                /// What is not done by then goes to disk.
                const PUT_AWAY: Duration = Duration::from_millis(2_010);
                self.outside.world.note(Event::Drains);
                let began = Instant::now();
                self.lanes.all().iter().for_each(|(lane, _)| lane.drain(began + patience));
                let drained = timeout(LIFE_MAX, join_all(tasks.drain(..))).await;
                if drained.is_err() || began.elapsed() > patience + PUT_AWAY {
                    self.outside.world.broke(format!("a drain of {patience:?} took {:?}", began.elapsed()));
                }
                self.keeper.abort();
            }
        }
        self.outside.world.note_dead(&self.outside.disk);
        self.bury(tasks).await;
    }

    async fn run_to_the_end(mut self) {
        let last = self.outside.plan.rows.last().map_or(0, |row| row.commit);
        let is_last =
            |position: &Option<Position>| self.durable == last || *position == Some(Position::Postgres(Lsn(last)));
        let mut confirmed = self.ledger.confirmed();
        let source = self.source.take().expect("a life has a source until it ends");
        let done = async {
            if let Err(error) = source.await {
                self.outside.world.broke(format!("the source ended: {error}"));
            }
            let _closed = confirmed.wait_for(is_last).await;
            // Time for the checkpoint, for dead letters that go again, and for what receivers accept late.
            sleep(Duration::from_secs(60)).await;
            // What waits on disk is owed too.
            while self.waiting() > 0 {
                sleep(Duration::from_secs(10)).await;
            }
        };
        if timeout(LIFE_MAX, done).await.is_err() {
            let unpaid = self.ledger.unpaid();
            let held = self.lanes.all().iter().map(|(lane, _)| lane.held()).collect::<Vec<_>>();
            let waiting = self.waiting();
            self.outside.world.broke(format!(
                "nothing moves any more: {unpaid} tickets unpaid, {waiting} messages on disk, lanes hold {held:?}"
            ));
        }
        if self.ledger.unpaid() != 0 && !self.outside.world.is_broken() {
            self.outside.world.broke(format!("all is confirmed, but {} tickets are unpaid", self.ledger.unpaid()));
        }
        // Time for what receivers accept late.
        sleep(Duration::from_secs(60)).await;
        self.editor.abort();
        let tasks = self.lanes.tasks();
        tasks.iter().for_each(JoinHandle::abort);
        self.keeper.abort();
        self.bury(tasks).await;
    }

    /// What the disk has for lanes.
    fn waiting(&self) -> u64 {
        let lanes = self.outside.disk.lanes().expect("memory can be read");
        lanes.iter().map(|(_, record)| record.parked).sum()
    }

    /// Nothing of a life may reach into the next one.
    async fn bury(self, tasks: Vec<JoinHandle<()>>) {
        let budget = self.lanes.budget.clone();
        let slots = self.lanes.slots.clone();
        for task in tasks.into_iter().chain([self.keeper, self.editor]).chain(self.source) {
            if task.await.is_err_and(|error| error.is_panic()) {
                self.outside.world.broke("a task panicked".into());
            }
        }
        self.lanes.leaving.lock().expect("no panic here").iter().for_each(AbortHandle::abort);
        drop(self.lanes);
        // A lane that was being taken out when it all ended stops with its last handle.
        sleep(Duration::from_secs(15)).await;
        if budget.taken() != 0 || slots.lent() != 0 {
            let (bytes, lent) = (budget.taken(), slots.lent());
            self.outside.world.broke(format!("lanes that are gone hold {bytes} bytes of the budget and {lent} slots"));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edit {
    Renew(usize),
    Retire(usize),
    Revive,
}

/// Edits the configuration, and sends dead letters again, at the times that the plan names.
async fn edit(lanes: Arc<Lanes>) {
    let plan = lanes.outside.plan.clone();
    let renewals = plan.renewals.iter().map(|(lane, at)| (*at, Edit::Renew(*lane)));
    let retirements = plan.retirements.iter().map(|(lane, at)| (*at, Edit::Retire(*lane)));
    let revivals = plan.revivals.iter().map(|at| (*at, Edit::Revive));
    let mut edits: Vec<(Duration, Edit)> = renewals.chain(retirements).chain(revivals).collect();
    edits.sort();
    let began = Instant::now();
    for (at, edit) in edits {
        tokio::time::sleep_until(began + at).await;
        match edit {
            Edit::Renew(lane) => lanes.renew(lane),
            Edit::Retire(lane) => lanes.retire(lane).await,
            Edit::Revive => lanes.revive_all().await,
        }
    }
}

/// Writes what is confirmed to disk, a little later.
async fn keep(outside: Outside, ledger: Ledger) {
    let Outside { plan, world, disk, durable, .. } = outside;
    let mut confirmed = ledger.confirmed();
    while confirmed.changed().await.is_ok() {
        let Some(Position::Postgres(Lsn(commit))) = *confirmed.borrow_and_update() else { continue };
        world.note(Event::Confirms { commit });
        world.check_confirmed(&plan, commit, &disk);
        sleep(CHECKPOINT).await;
        world.note(Event::Durable { commit });
        if durable.swap(commit, Relaxed) > commit {
            world.broke(format!("the confirmed position went back to {commit}"));
        }
    }
}

/// The source and the pipeline in one: reads the log from where it may go on, and fills the lanes.
struct Reader {
    outside: Outside,
    ledger: Ledger,
    lanes: Arc<Lanes>,
}

impl Reader {
    async fn read(self, durable: u64) {
        let plan = self.outside.plan.clone();
        for batch in &plan.batches {
            // Of a transaction that is confirmed nothing is sent again; of any other, everything.
            let rows = batch.rows.clone().filter(|row| plan.rows[*row].commit > durable);
            let confirms = batch.confirms.filter(|commit| *commit > durable);
            let ticket = self.ledger.open(confirms.map(|commit| Position::Postgres(Lsn(commit))), 1);
            for row in rows {
                for lane in &plan.rows[row].lanes {
                    ticket.owe(1);
                    self.push(*lane, row, &ticket).await;
                }
            }
            ticket.settle();
            sleep(batch.pause).await;
        }
    }

    /// A lane that was taken out turns the message away; whoever made it waits for the one that is put back.
    async fn push(&self, lane: usize, row: usize, ticket: &Ticket) {
        let began = Instant::now();
        while self
            .lanes
            .lane(lane)
            .push(Parcel { message: self.message(lane, row), ticket: ticket.clone() })
            .await
            .is_err()
        {
            sleep(Duration::from_millis(100)).await;
        }
        if began.elapsed() > Duration::ZERO {
            self.outside.world.note(Event::Full { lane });
        }
        self.check_memory(lane);
    }

    /// Only a push makes a lane hold more for its source, so after each is the time to look.
    fn check_memory(&self, lane: usize) {
        /// The longest body and what is around it.
        const MESSAGE_MAX: usize = 700;
        /// What a lane keeps of what is on disk, and what it has in flight.
        const WINDOWS: usize = 8;
        let plan = &self.outside.plan;
        let (held, limit) = (self.lanes.lane(lane).held(), &plan.lanes[lane]);
        let window = (2 * limit.concurrency * limit.batch_max).max(64);
        if held.messages > limit.messages_max.saturating_add(WINDOWS * window) {
            self.outside.world.broke(format!("lane {lane} holds {held:?}"));
        }
        let beside: usize =
            plan.lanes.iter().map(|lane| WINDOWS * (2 * lane.concurrency * lane.batch_max).max(64)).sum();
        if self.lanes.budget.taken() > plan.budget_bytes + (beside + plan.lanes.len()) * MESSAGE_MAX {
            self.outside.world.broke(format!("all lanes together hold {} bytes", self.lanes.budget.taken()));
        }
    }

    fn message(&self, lane: usize, row: usize) -> Message {
        let plan = &self.outside.plan;
        let source = &plan.rows[row];
        let body = format!("{row} {}", "x".repeat(source.body_len));
        let id = MessageId(message_id(plan, lane, row).into());
        let key = Bytes::copy_from_slice(&[source.key]);
        let mark = RowMark { commit: source.commit, change: row as u64, sub: 0, transaction: 0 };
        Content { body: Bytes::from(body), ..Content::new(id, key, Origin { mark, ..Origin::default() }) }.into()
    }
}

fn settings(plan: &LanePlan, number: usize) -> LaneSettings {
    LaneSettings {
        concurrency: plan.concurrency,
        batch_max: plan.batch_max,
        memory_bytes: plan.memory_bytes,
        messages_max: plan.messages_max,
        hold: plan.hold,
        disk_bytes: plan.disk_bytes,
        when_full: plan.when_full,
        retry: plan.retry,
        ..LaneSettings::new(lane_name(number))
    }
}

/// Lanes that nobody uses, each with everything of its own that a lane has.
pub fn idle_lanes(plan: &Plan, count: usize) -> Vec<(Lane, JoinHandle<()>)> {
    let world = Arc::new(World::new(plan));
    let sink = Arc::new(Road::new(Arc::new(Receiver::new(Arc::new(plan.clone()), world, 0))));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (budget, slots, quota) = (Budget::default(), Slots::default(), Quota::default());
    let idle = |number| {
        let settings = settings(&plan.lanes[0], number);
        let record = store.lane(&settings.name).expect("memory can be read");
        let (store, budget, slots, quota) = (store.clone(), budget.clone(), slots.clone(), quota.clone());
        let ground = Ground { store, record, budget, slots, quota };
        spawn(settings, sink.clone(), ground, Arc::new(LaneStats::default()))
    };
    (0..count).map(idle).collect()
}
