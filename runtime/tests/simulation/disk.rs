//! A disk that outlives the process: slow, sometimes full, and cut off in the middle by a crash. What was done before the crash
//! stays done, whether or not the process heard of it.

use crate::world::{Event, World};
use futures_util::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::store::{
    Checkpoint, DeadFilter, DeadId, DeadLetter, DeadSummary, LaneId, LaneName, LaneRecord, Loaded, MemoryStore, Park,
    Revive, Revived, Seq, Settlement, Store, StoreError, Window,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// How good the disk is.
#[derive(Clone, Copy)]
pub struct Temper {
    /// An operation takes no longer.
    pub takes: Duration,
    /// How often one is refused.
    pub fails: f64,
    /// Everything is refused from the first time to the second, counted from the start of the journey.
    pub full: (Duration, Duration),
}

pub struct Disk {
    kept: MemoryStore,
    temper: Temper,
    world: Arc<World>,
    rng: Mutex<SmallRng>,
}

/// What an operation's fate is.
struct Fate {
    before: Duration,
    after: Duration,
    fails: bool,
}

impl Disk {
    pub fn new(seed: u64, temper: Temper, world: Arc<World>) -> Self {
        let rng = Mutex::new(SmallRng::seed_from_u64(seed ^ 0xd15c));
        Self { kept: MemoryStore::default(), temper, world, rng }
    }

    /// Everything that waits for a lane and everything that is dead, by id.
    pub fn holds(&self, lane: &LaneName, id: &str) -> bool {
        let all = Window { messages: usize::MAX, bytes: usize::MAX };
        let LaneRecord { id: number, .. } = self.kept.lane(lane).expect("memory can be read");
        let now = |future: BoxFuture<'_, Result<Vec<Loaded>, StoreError>>| {
            futures_util::FutureExt::now_or_never(future).expect("memory answers at once").expect("and well")
        };
        now(self.kept.load(number, Seq(0), all)).iter().any(|loaded| &*loaded.carried.message.id.0 == id)
            || self.is_dead(lane, id)
    }

    /// Members and ids of everything that is dead.
    pub fn all_dead(&self) -> Vec<(String, String)> {
        let dead = futures_util::FutureExt::now_or_never(self.kept.dead(DeadFilter::default()));
        let dead = dead.expect("memory answers at once").expect("and well");
        dead.into_iter().map(|summary| (summary.member, summary.name)).collect()
    }

    pub fn is_dead(&self, lane: &LaneName, id: &str) -> bool {
        let filter = DeadFilter { member: Some(lane.member.to_string()), ..DeadFilter::default() };
        let dead = futures_util::FutureExt::now_or_never(self.kept.dead(filter));
        dead.expect("memory answers at once").expect("and well").iter().any(|summary| summary.name == id)
    }

    fn fate(&self) -> Fate {
        let rng = &mut *self.rng.lock().expect("no panic here");
        let Temper { takes, fails, full } = self.temper;
        let is_full = (full.0..full.1).contains(&self.world.began().elapsed());
        Fate {
            before: takes.mul_f64(rng.random()),
            after: takes.mul_f64(rng.random()),
            fails: is_full || rng.random_bool(fails),
        }
    }

    /// Does an operation between two waits; a crash may come in either.
    fn after_all<'a, T: Send + 'a>(
        &'a self,
        operation: impl FnOnce() -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let Fate { before, after, fails } = self.fate();
        Box::pin(async move {
            sleep(before).await;
            if fails {
                self.world.note(Event::DiskFails);
                return Err(StoreError::Full { path: "disk".into() });
            }
            let done = operation().await;
            sleep(after).await;
            done
        })
    }
}

impl Store for Disk {
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError> {
        self.kept.checkpoint(source, stream)
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), StoreError>> {
        self.after_all(|| self.kept.save(checkpoint))
    }

    fn forget_marks(&self, source: &str) -> Result<(), StoreError> {
        self.kept.forget_marks(source)
    }

    fn lane(&self, name: &LaneName) -> Result<LaneRecord, StoreError> {
        self.kept.lane(name)
    }

    fn lanes(&self) -> Result<Vec<(LaneName, LaneRecord)>, StoreError> {
        self.kept.lanes()
    }

    fn park(&self, lane: LaneId, park: Park) -> BoxFuture<'_, Result<Seq, StoreError>> {
        self.world.note(Event::Parks { lane: lane.0, messages: park.messages.len() });
        self.after_all(move || self.kept.park(lane, park))
    }

    fn load(&self, lane: LaneId, after: Seq, window: Window) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        self.after_all(move || self.kept.load(lane, after, window))
    }

    fn settle(&self, lane: LaneId, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>> {
        self.after_all(move || self.kept.settle(lane, settlement))
    }

    fn bury(&self, dead: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.after_all(move || self.kept.bury(dead))
    }

    fn dead(&self, filter: DeadFilter) -> BoxFuture<'_, Result<Vec<DeadSummary>, StoreError>> {
        self.after_all(move || self.kept.dead(filter))
    }

    fn dead_letter(&self, id: DeadId) -> BoxFuture<'_, Result<Option<DeadLetter>, StoreError>> {
        self.after_all(move || self.kept.dead_letter(id))
    }

    fn drop_dead(&self, ids: Vec<DeadId>) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.after_all(move || self.kept.drop_dead(ids))
    }

    fn revive(&self, revive: Revive) -> BoxFuture<'_, Result<Revived, StoreError>> {
        self.after_all(move || self.kept.revive(revive))
    }

    fn clear_lane(&self, lane: LaneId, reason: Option<String>) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.after_all(move || self.kept.clear_lane(lane, reason))
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn dead_count(&self) -> u64 {
        self.kept.dead_count()
    }
}
