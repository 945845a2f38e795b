//! The members of targets, each with its lane: started with the house, and added, changed and taken out while it runs, without a
//! touch on the others.

use super::mapping::Roads;
use crate::admin::{LaneEntry, Registry};
use crate::config::{MemberPlan, PipelinePlan, Plan, TargetPlan};
use crate::lane::Lane;
use crate::pipeline::Road;
use crate::sink::Sink;
use crate::store::{LaneName, LaneRecord, Store};
use crate::telemetry::LaneStats;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

/// Every lane that runs.
pub struct Members {
    store: Arc<dyn Store>,
    roads: Roads,
    /// By pipeline and target.
    by_target: HashMap<(String, String), Arc<Road>>,
    running: HashMap<LaneName, Running>,
    /// Lanes that were taken out and put away what they have.
    leaving: Vec<(LaneName, JoinHandle<()>)>,
    /// What others may reach: see [`Reachable`].
    reachable: Reachable,
}

struct Running {
    lane: Lane,
    task: JoinHandle<()>,
    plan: MemberPlan,
    stats: Arc<LaneStats>,
}

/// The lanes by name, as they come and go.
#[derive(Clone, Default)]
pub struct Reachable(Arc<Mutex<HashMap<LaneName, Lane>>>);

impl Reachable {
    pub fn lane(&self, name: &LaneName) -> Option<Lane> {
        self.map().get(name).cloned()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<LaneName, Lane>> {
        self.0.lock().expect("no panic while members change")
    }
}

fn lane_name(pipeline: &PipelinePlan, target: &TargetPlan, member: &MemberPlan) -> LaneName {
    LaneName::new(&pipeline.name, &target.name, &member.name)
}

impl Members {
    pub fn new(plan: &Plan, store: Arc<dyn Store>) -> Self {
        Self {
            roads: Roads::new(plan, store.clone()),
            store,
            by_target: HashMap::new(),
            running: HashMap::new(),
            leaving: Vec::new(),
            reachable: Reachable::default(),
        }
    }

    pub fn reachable(&self) -> Reachable {
        self.reachable.clone()
    }

    /// Starts the lanes of a pipeline's targets.
    ///
    /// # Errors
    /// If a setting can not be used, or a file that it names can not be read.
    pub fn build(
        &mut self,
        pipeline: &PipelinePlan,
        registry: &Registry,
    ) -> Result<HashMap<String, Arc<Road>>, String> {
        let mut roads = HashMap::new();
        for target in &pipeline.targets {
            let mut lanes = HashMap::new();
            for member in &target.members {
                let lane = self.start(lane_name(pipeline, target, member), member, registry)?;
                lanes.insert(member.name.clone(), lane);
            }
            let road = Arc::new(Road::new(&target.name, lanes));
            self.by_target.insert((pipeline.name.clone(), target.name.clone()), road.clone());
            roads.insert(target.name.clone(), road);
        }
        Ok(roads)
    }

    fn start(&mut self, name: LaneName, member: &MemberPlan, registry: &Registry) -> Result<Lane, String> {
        let (settings, sink) = self.roads.terms(name.clone(), member)?;
        let stats = Arc::new(LaneStats::default());
        let (lane, task) = self.roads.start(settings, sink.clone(), stats.clone())?;
        registry.set_lane(entry(&name, &stats, sink));
        self.reachable.map().insert(name.clone(), lane.clone());
        self.running.insert(name, Running { lane: lane.clone(), task, plan: member.clone(), stats });
        Ok(lane)
    }

    /// Says which lanes have messages on disk although their members are gone: somebody has to decide about them.
    pub fn tell_orphans(&self, registry: &Registry) {
        let lanes = match self.store.lanes() {
            Ok(lanes) => lanes,
            Err(reason) => return warn!(%reason, "lanes that nobody runs can not be told"),
        };
        let is_gone = |name: &LaneName| {
            !self.running.contains_key(name)
                && !self.leaving.iter().any(|(leaving, task)| leaving == name && !task.is_finished())
        };
        let orphans: Vec<_> = lanes.into_iter().filter(|(name, record)| record.parked > 0 && is_gone(name)).collect();
        let known = registry.orphans();
        let is_new = |(name, _): &&(LaneName, LaneRecord)| !known.iter().any(|(other, _)| other == name);
        for (LaneName { pipeline, target, member }, record) in orphans.iter().filter(is_new) {
            warn!(
                %pipeline, %target, %member, parked = record.parked,
                "messages wait for a member that is not in the configuration: put it back, or decide with `sluicegate dead lanes`"
            );
        }
        registry.set_orphans(orphans);
    }

    /// Resolves when a lane that was taken out has put away what it had.
    pub async fn one_has_left(&mut self) {
        poll_fn(|cx| {
            let has_ended = |(_, task): &mut (LaneName, JoinHandle<()>)| Pin::new(task).poll(cx).is_ready();
            match self.leaving.iter_mut().position(has_ended) {
                Some(at) => {
                    self.leaving.swap_remove(at);
                    Poll::Ready(())
                }
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Goes from one plan to another that differs in members only: see [`only_members_differ`].
    ///
    /// # Errors
    /// If a member can not be started or changed; those before it are.
    pub async fn amend(&mut self, plan: &Plan, registry: &Registry) -> Result<(), String> {
        let mut kept: HashMap<LaneName, ()> = HashMap::new();
        for pipeline in &plan.pipelines {
            for target in &pipeline.targets {
                let Some(road) = self.by_target.get(&(pipeline.name.clone(), target.name.clone())).cloned() else {
                    return Err(format!("target {} is new", target.name));
                };
                for member in &target.members {
                    let name = lane_name(pipeline, target, member);
                    self.go_on(&name, member, &road, registry).await?;
                    kept.insert(name, ());
                }
            }
        }
        let gone: Vec<LaneName> = self.running.keys().filter(|name| !kept.contains_key(name)).cloned().collect();
        for name in gone {
            self.take_out(&name, registry);
        }
        self.tell_orphans(registry);
        Ok(())
    }

    /// Starts a member that is new, changes one that is not as it was.
    async fn go_on(
        &mut self,
        name: &LaneName,
        member: &MemberPlan,
        road: &Road,
        registry: &Registry,
    ) -> Result<(), String> {
        let Some(running) = self.running.get(name) else {
            // One of the same name that was taken out just now puts away what it has first, or order would be lost.
            for (_, task) in self.leaving.extract_if(.., |(leaving, _)| leaving == name) {
                let _ended = task.await;
            }
            info!(pipeline = %name.pipeline, target = %name.target, member = %name.member, "member added");
            road.add(&name.member, self.start(name.clone(), member, registry)?);
            return Ok(());
        };
        if running.plan == *member {
            return Ok(());
        }
        let (settings, sink) = self.roads.terms(name.clone(), member)?;
        registry.set_lane(entry(name, &running.stats, sink.clone()));
        running.lane.renew(settings, sink);
        info!(pipeline = %name.pipeline, target = %name.target, member = %name.member, "member changed");
        if let Some(running) = self.running.get_mut(name) {
            running.plan = member.clone();
        }
        Ok(())
    }

    fn take_out(&mut self, name: &LaneName, registry: &Registry) {
        let Some(Running { lane, task, .. }) = self.running.remove(name) else { return };
        if let Some(road) = self.by_target.get(&(name.pipeline.to_string(), name.target.to_string())) {
            road.remove(&name.member);
        }
        self.reachable.map().remove(name);
        registry.remove_lane(name);
        lane.retire();
        info!(pipeline = %name.pipeline, target = %name.target, member = %name.member, "member taken out");
        self.leaving.retain(|(_, task)| !task.is_finished());
        self.leaving.push((name.clone(), task));
    }

    /// Lets every lane go on until `deadline`, then put away what it has.
    pub async fn drain(self, deadline: Instant, grace: std::time::Duration) {
        for running in self.running.values() {
            running.lane.drain(deadline);
        }
        let running = self.running.into_values().map(|running| running.task);
        for task in running.chain(self.leaving.into_iter().map(|(_, task)| task)) {
            // A lane ends by itself at the deadline, but for an attempt that the sink's own timeout ends later.
            let _ = timeout_at(deadline + grace, task).await;
        }
    }
}

fn entry(name: &LaneName, stats: &Arc<LaneStats>, sink: Arc<dyn Sink>) -> LaneEntry {
    LaneEntry {
        pipeline: name.pipeline.to_string(),
        target: name.target.to_string(),
        member: name.member.to_string(),
        stats: stats.clone(),
        complaint: Box::new(move || sink.complaint()),
    }
}

/// Whether two plans are the same but for what their targets' members are.
pub fn only_members_differ(one: &Plan, other: &Plan) -> bool {
    let bare = |plan: &Plan| {
        let mut plan = plan.clone();
        plan.files.clear();
        plan.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.targets).for_each(|target| target.members.clear());
        plan
    };
    bare(one) == bare(other)
}
