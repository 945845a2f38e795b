//! A pipeline put together as `run` does it, with its real guests, limits and routes, but connected to nothing: changes are given
//! to it, and what it makes of them is looked at instead of delivered.

use super::mapping;
use crate::admin::Registry;
use crate::change::{Batch, Message};
use crate::config::PipelinePlan;
use crate::guest::{GuestHost, HostSettings};
use crate::lane::{self, Ground, Lane, LaneSettings};
use crate::pipeline::{PipelineSettings, Rehearsed, Road, rehearse};
use crate::sink::{Refusal, Sink};
use crate::source::Narrow;
use crate::store::{LaneName, MemoryStore, Store, StoreError};
use crate::telemetry::LaneStats;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often guests are asked whether they run.
const LOOK: Duration = Duration::from_millis(2);
/// Compiling the largest guest takes less on a slow machine.
const LOAD_MAX: Duration = Duration::from_secs(120);

/// Why a pipeline can not play: the guests' files, each with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready(pub Vec<(String, String)>);

/// A pipeline that changes can be given to.
pub struct Rehearsal {
    settings: PipelineSettings,
    guests: Arc<GuestHost>,
    /// By source.
    narrows: HashMap<String, Narrow>,
    /// Never used, but a route has to lead somewhere.
    _lanes: Vec<Lane>,
}

/// Takes what nobody sends.
struct Nowhere;

impl Sink for Nowhere {
    fn deliver<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Rehearsal {
    /// Loads the guests, anew for each rehearsal, so that no state is left of the one before. `folder` has the `.wasm` files, if not
    /// the pipeline's own.
    ///
    /// # Errors
    /// If a guest can not be used, or a route can not be made.
    pub async fn open(pipeline: &PipelinePlan, host: HostSettings, folder: Option<PathBuf>) -> Result<Self, Unready> {
        let mut guests = mapping::guests(pipeline);
        guests.folder = folder.unwrap_or(guests.folder);
        let of_pipeline = |reason: String| Unready(vec![(pipeline.name.clone(), reason)]);
        let guests = GuestHost::start(host, guests, Arc::new(AtomicBool::new(false)));
        let guests = Arc::new(guests.map_err(|e| of_pipeline(e.to_string()))?);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (roads, lanes) = roads_to_nowhere(pipeline, &store).map_err(|e| of_pipeline(e.to_string()))?;
        let mut registry = Registry::empty(0, Arc::default(), store.clone());
        // No source is read, so there are no heartbeats either.
        let ground = (guests.clone(), store);
        let settings =
            mapping::pipeline(pipeline, &roads, ground, &mut registry, &HashMap::new()).map_err(of_pipeline)?;
        let narrows = pipeline.sources.iter().map(|s| (s.clone(), mapping::narrow(pipeline, s))).collect();
        loaded(&guests).await?;
        Ok(Self { settings, guests, narrows, _lanes: lanes })
    }

    /// What the pipeline makes of a batch: an item for each row that it sees.
    ///
    /// # Errors
    /// If a guest can not judge at all, because a table is not what it asks for.
    pub async fn play(&mut self, batch: Batch) -> Result<Vec<Rehearsed>, Unready> {
        let batch = Arc::new(batch);
        let narrow = self.narrows.get_mut(&*batch.source);
        let batch = narrow.map_or_else(|| batch.clone(), |narrow| narrow.batch(&batch));
        tokio::select! {
            biased;
            rehearsed = rehearse(&self.settings, &batch) => Ok(rehearsed),
            unready = held(&self.guests) => Err(unready),
        }
    }
}

async fn loaded(guests: &GuestHost) -> Result<(), Unready> {
    let until = Instant::now() + LOAD_MAX;
    loop {
        let stats = guests.stats();
        let is_open = |s: &crate::telemetry::GuestStats| s.generation.get().is_none() && s.last_error.get().is_none();
        if !stats.iter().any(|(_, stats)| is_open(stats)) {
            let wrong = stats.iter().filter_map(|(file, stats)| Some((file.clone(), stats.last_error.get()?)));
            let wrong: Vec<(String, String)> = wrong.collect();
            return if wrong.is_empty() { Ok(()) } else { Err(Unready(wrong)) };
        }
        if Instant::now() > until {
            let slow = stats.into_iter().filter(|(_, stats)| is_open(stats));
            let reason = format!("it was not compiled within {} s", LOAD_MAX.as_secs());
            return Err(Unready(slow.map(|(file, _)| (file, reason.clone())).collect()));
        }
        sleep(LOOK).await;
    }
}

/// Ends when a guest holds its pipeline.
async fn held(guests: &GuestHost) -> Unready {
    loop {
        sleep(LOOK).await;
        let held = guests.stats().into_iter().filter(|(_, stats)| stats.state.get().as_deref() == Some("held"));
        let held: Vec<(String, String)> = held.filter_map(|(file, s)| Some((file, s.last_error.get()?))).collect();
        if !held.is_empty() {
            return Unready(held);
        }
    }
}

type Roads = HashMap<String, Arc<Road>>;

fn roads_to_nowhere(pipeline: &PipelinePlan, store: &Arc<dyn Store>) -> Result<(Roads, Vec<Lane>), StoreError> {
    let mut all = Vec::new();
    let mut roads = HashMap::new();
    for target in &pipeline.targets {
        let settings = LaneSettings::new(LaneName::new(&pipeline.name, &target.name, ""));
        let ground = Ground::alone(store.clone(), &settings.name)?;
        // One for all members, of which there can be thousands: nothing is ever pushed into it.
        let (lane, _) = lane::spawn(settings, Arc::new(Nowhere), ground, Arc::new(LaneStats::default()));
        let lanes = target.members.iter().map(|member| (member.name.clone(), lane.clone()));
        roads.insert(target.name.clone(), Arc::new(Road::new(&target.name, lanes)));
        all.push(lane);
    }
    Ok((roads, all))
}
