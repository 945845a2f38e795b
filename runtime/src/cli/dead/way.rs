//! Two ways to the dead letters: over the admin address of the program that runs, or, when none does, to the state itself.

use super::{from_json, to_json};
use crate::admin::dead::{
    self, Choice, Cleared, DeskError, LaneAsked, PageAsked, RemovedLane, ReplayAsked, TAKEN, removed,
};
use crate::cli::Exit;
use crate::cli::caller::{Answer, Caller, Silence};
use crate::config::Plan;
use crate::store::{LaneId, LaneName, SqliteStore, Store, StoreError};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// A filter over a million letters takes a while.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Why a verb was not done.
pub(super) struct Refusal {
    pub(super) exit: Exit,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn failed(reason: impl ToString) -> Self {
        Self { exit: Exit::Failed, reason: reason.to_string() }
    }

    pub(super) fn usage(reason: impl ToString) -> Self {
        Self { exit: Exit::Usage, reason: reason.to_string() }
    }
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Question(reason) => Self::usage(reason),
            error => Self::failed(error),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

pub(super) enum Way {
    Running(Caller),
    State {
        store: SqliteStore,
        /// Lanes of the configuration: what waits for them will be delivered.
        planned: HashSet<LaneName>,
        /// How the program is started.
        run: String,
    },
}

impl Way {
    pub(super) async fn find(plan: &Plan, dir: &Path) -> Result<Self, Refusal> {
        let caller = Caller::new(plan, ANSWER_MAX).map_err(|silence| Refusal::failed(silence.reason))?;
        let (url, run) = (caller.url(""), format!("`sluicegate run {}`", dir.display()));
        match caller.live().await {
            Ok(()) => return Ok(Self::Running(caller)),
            Err(Silence { is_nobody: true, .. }) => {}
            Err(Silence { reason, .. }) => return Err(Refusal::failed(format!("{url} does not answer: {reason}"))),
        }
        if !plan.host.state.join("state.db").exists() {
            let state = plan.host.state.display();
            return Err(Refusal::failed(format!(
                "nothing listens at {url}, and there is no state in {state}; is {run} running?"
            )));
        }
        let store = SqliteStore::open(&plan.host.state).map_err(|error| match error {
            StoreError::Owned { path } => Refusal::failed(format!(
                "a program holds the state folder {}, but nothing listens at {url}: is it starting, or is its host.admin another one?",
                path.display()
            )),
            error => error.into(),
        })?;
        let planned = plan.pipelines.iter().flat_map(|pipeline| {
            let lanes = pipeline.targets.iter().flat_map(|target| target.members.iter().map(move |m| (target, m)));
            lanes.map(|(target, member)| LaneName::new(&pipeline.name, &target.name, &member.name))
        });
        Ok(Self::State { store, planned: planned.collect(), run })
    }

    pub(super) async fn list(&self, asked: &PageAsked) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.get_with("/dead", &values(asked)?).await),
            Self::State { store, .. } => to_json(&dead::list(store, asked).await?),
        }
    }

    pub(super) async fn show(&self, id: i64) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.get(&format!("/dead/{id}")).await),
            Self::State { store, .. } => to_json(&dead::show(store, id).await?),
        }
    }

    pub(super) async fn drop(&self, choice: &Choice) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.post("/dead/drop", to_json(choice)?).await),
            Self::State { store, .. } => to_json(&dead::drop_chosen(store, choice).await?),
        }
    }

    pub(super) async fn replay(&self, asked: &ReplayAsked) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.post("/dead/replay", to_json(asked)?).await),
            Self::State { run, .. } => {
                Err(Refusal::failed(format!("nobody runs who could deliver them: start {run}, then send them again")))
            }
        }
    }

    pub(super) async fn replay_progress(&self) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.get("/dead/replay").await),
            Self::State { .. } => Err(Refusal::failed("nobody runs")),
        }
    }

    pub(super) async fn stop_replay(&self) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.delete("/dead/replay").await),
            Self::State { .. } => Err(Refusal::failed("nobody runs")),
        }
    }

    pub(super) async fn lanes(&self) -> Result<String, Refusal> {
        match self {
            Self::Running(caller) => taken(caller.get("/dead/lanes").await),
            Self::State { store, planned, .. } => {
                let lanes = orphans(store, planned)?;
                to_json(&lanes.into_iter().map(|(_, lane)| lane).collect::<Vec<_>>())
            }
        }
    }

    pub(super) async fn clear(&self, asked: &LaneAsked, is_dropped: bool) -> Result<String, Refusal> {
        let reason = (!is_dropped).then(|| TAKEN.to_owned());
        match self {
            Self::Running(caller) => {
                let path = if is_dropped { "/dead/lanes/drop" } else { "/dead/lanes/take" };
                taken(caller.post(path, to_json(asked)?).await)
            }
            Self::State { store, planned, .. } => {
                let is_it = |lane: &RemovedLane| {
                    (&lane.pipeline, &lane.target, &lane.member) == (&asked.pipeline, &asked.target, &asked.member)
                };
                let found = orphans(store, planned)?.into_iter().find(|(_, lane)| is_it(lane));
                let (id, _) = found.ok_or_else(|| {
                    Refusal::failed("this is no lane that waits for a member that is gone; see `sluicegate dead lanes`")
                })?;
                to_json(&Cleared { messages: store.clear_lane(id, reason).await? })
            }
        }
    }
}

fn orphans(store: &SqliteStore, planned: &HashSet<LaneName>) -> Result<Vec<(LaneId, RemovedLane)>, Refusal> {
    let lanes = store.lanes()?.into_iter();
    let gone = lanes.filter(|(name, record)| record.parked > 0 && !planned.contains(name));
    Ok(gone.map(|lane| (lane.1.id, removed(&lane))).collect())
}

/// What the program answered, if it did what it was asked.
fn taken(answer: Result<Answer, Silence>) -> Result<String, Refusal> {
    let Answer { status, text } = answer.map_err(|silence| Refusal::failed(silence.reason))?;
    match status {
        200..=299 => Ok(text),
        400 => Err(Refusal::usage(text)),
        _ => Err(Refusal::failed(text)),
    }
}

/// A filter as the values of a query.
fn values(asked: &PageAsked) -> Result<Vec<(&'static str, String)>, Refusal> {
    let text: serde_json::Map<String, serde_json::Value> = from_json(&to_json(asked)?)?;
    let names = ["pipeline", "target", "member", "table", "reason", "since", "before", "limit"];
    let value = |name: &'static str| {
        let value = text.get(name)?;
        Some((name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    Ok(names.into_iter().filter_map(value).collect())
}
