//! What `/status` says, and what `sluicegate status` reads: plain data, taken from the counters when somebody asks.

use super::{LaneEntry, Registry};
use crate::store::{LaneName, LaneRecord};
use crate::telemetry::GuestStats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source whose oldest change waits for longer is not doing its work. What lanes hold is parked long before, unless `hold` is longer.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Everything at one moment. Names that others rely on; new fields may come, none goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_ms: u64,
    /// Bytes that lanes hold in memory, and how many they may.
    pub memory_bytes: u64,
    pub memory_bytes_max: u64,
    /// Why the last edit of the configuration was not taken, if it was not.
    #[serde(default)]
    pub config_error: Option<String>,
    /// Dead letters of all pipelines.
    #[serde(default)]
    pub dead_letters: u64,
    /// What the state takes of the disk.
    #[serde(default)]
    pub state_bytes: u64,
    pub sources: Vec<SourceStatus>,
    pub pipelines: Vec<PipelineStatus>,
    pub guests: Vec<GuestStatus>,
    pub lanes: Vec<LaneStatus>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceStatus {
    pub name: String,
    pub kind: String,
    /// The server's name and version, once it has answered.
    pub server: Option<String>,
    pub state: String,
    /// Positions as numbers of the source; PostgreSQL's are byte positions.
    pub received: u64,
    pub confirmed: u64,
    /// From what is confirmed to the end of the server's log as last heard.
    pub lag_bytes: u64,
    /// Age of the oldest batch that is not delivered everywhere.
    pub lag_ms: u64,
    pub rows_total: u64,
    pub transactions_total: u64,
    pub reconnects_total: u64,
    /// Why its position can not be written, while it can not: nothing is confirmed to the database then.
    #[serde(default)]
    pub state_error: Option<String>,
    /// What was lost since it was started, if anything was.
    #[serde(default)]
    pub lost: Option<String>,
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PipelineStatus {
    pub name: String,
    pub rows_total: u64,
    pub messages_total: u64,
    /// Rows that a guest refused.
    pub dead_total: u64,
    /// Messages that no lane could be found for.
    pub unroutable_total: u64,
    /// Why nothing moves, while nothing does.
    pub halted: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GuestStatus {
    pub pipeline: String,
    pub file: String,
    pub generation: Option<String>,
    pub state: String,
    pub rows_total: u64,
    pub dropped_total: u64,
    pub rejected_total: u64,
    pub traps_total: u64,
    pub reloads_total: u64,
    pub recycles_total: u64,
    /// Mean time per row, border included.
    pub ns_per_row: u64,
    /// The last reload, from the file's change to the first batch through the new code.
    pub reload_ms: f64,
    /// What the guest counts itself, by its names.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LaneStatus {
    pub pipeline: String,
    pub target: String,
    pub member: String,
    pub state: String,
    pub in_flight: u64,
    pub waiting: u64,
    pub waiting_bytes: u64,
    /// What waits on disk, a part of it in memory too.
    pub parked: u64,
    pub parked_bytes: u64,
    pub oldest_ms: u64,
    pub delivered_total: u64,
    pub attempts_total: u64,
    /// Messages that went to disk since the start.
    pub parked_total: u64,
    pub dead_total: u64,
    /// Messages that came again with the log and were taken care of already.
    pub known_total: u64,
    /// Messages given up to make room on disk.
    pub dropped_total: u64,
    /// How often the receiver was found to be away.
    pub opened_total: u64,
    /// Commit to answer.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub last_error: Option<String>,
}

impl Status {
    /// Reads every counter once.
    pub fn read(registry: &Registry) -> Self {
        let lanes = registry.lanes();
        let orphans = registry.orphans().into_iter();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: registry.started_at.elapsed().as_millis() as u64,
            memory_bytes: lanes.iter().map(|l| get(&l.stats.waiting_bytes)).sum(),
            memory_bytes_max: registry.memory_bytes_max,
            config_error: registry.complaint.get(),
            dead_letters: registry.store.dead_count(),
            state_bytes: registry.store.disk_bytes(),
            sources: registry.sources.iter().map(source).collect(),
            pipelines: registry.pipelines.iter().map(pipeline).collect(),
            guests: (registry.guests)().iter().map(|g| guest(&g.pipeline, &g.file, &g.stats)).collect(),
            lanes: lanes
                .iter()
                .map(|entry| lane(entry))
                .chain(orphans.map(|(name, record)| orphan(name, record)))
                .collect(),
        }
    }

    /// Why the process is not doing its work, in sentences; empty if it does.
    pub fn not_ready(&self) -> Vec<String> {
        if self.sources.is_empty() {
            // Every plan has one: this is the moment between the door and the house behind it.
            return vec!["it is starting".to_owned()];
        }
        let sources = self.sources.iter().filter(|s| s.state != "streaming").map(|s| {
            let error = s.last_error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
            format!("source {} is {}{error}", s.name, s.state)
        });
        // A receiver that is away is no reason: what waits for it goes to disk, and its ticket is paid then.
        let stalled = self.sources.iter().filter(|s| s.lag_ms >= STALLED_AFTER.as_millis() as u64).map(|s| {
            let seconds = s.lag_ms / 1000;
            format!(
                "source {} is stalled: its oldest change has been neither delivered nor parked for {seconds} s; see the lanes in /status",
                s.name
            )
        });
        let unsaved = self.sources.iter().filter_map(|s| {
            let reason = s.state_error.as_deref()?;
            Some(format!("the position of source {} can not be written: {reason}", s.name))
        });
        // A person has to know, and starts it anew when he does.
        let lost = self
            .sources
            .iter()
            .filter_map(|s| Some(format!("source {} has lost changes: {}", s.name, s.lost.as_deref()?)));
        let guests = self.guests.iter().filter(|g| g.generation.is_none()).map(|g| {
            let error = g.last_error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
            format!("guest {} of {} is not loaded{error}", g.file, g.pipeline)
        });
        let pipelines = self
            .pipelines
            .iter()
            .filter_map(|p| p.halted.as_ref().map(|reason| format!("pipeline {} is halted: {reason}", p.name)));
        sources.chain(stalled).chain(unsaved).chain(lost).chain(guests).chain(pipelines).collect()
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

fn source(entry: &super::SourceEntry) -> SourceStatus {
    let s = &entry.stats;
    SourceStatus {
        name: entry.name.clone(),
        kind: entry.kind.to_owned(),
        server: s.server.get(),
        state: s.state.get().unwrap_or_else(|| "starting".into()),
        received: get(&s.received),
        confirmed: get(&s.confirmed),
        lag_bytes: get(&s.end).max(get(&s.received)).saturating_sub(get(&s.confirmed)),
        lag_ms: entry.ledger.oldest().unwrap_or_default().as_millis() as u64,
        rows_total: get(&s.rows_total),
        transactions_total: get(&s.transactions_total),
        reconnects_total: get(&s.reconnects_total),
        state_error: entry.unsaved.get(),
        lost: s.lost.get(),
        last_error: s.last_error.get(),
    }
}

fn pipeline(entry: &super::PipelineEntry) -> PipelineStatus {
    let s = &entry.stats;
    PipelineStatus {
        name: entry.name.clone(),
        rows_total: get(&s.rows_total),
        messages_total: get(&s.messages_total),
        dead_total: get(&s.dead_total),
        unroutable_total: get(&s.unroutable_total),
        halted: s.halted.get(),
    }
}

fn guest(pipeline: &str, file: &str, s: &GuestStats) -> GuestStatus {
    let rows_total = get(&s.rows_total);
    GuestStatus {
        pipeline: pipeline.to_owned(),
        file: file.to_owned(),
        generation: s.generation.get(),
        state: s.state.get().unwrap_or_else(|| "waiting".into()),
        rows_total,
        dropped_total: get(&s.dropped_total),
        rejected_total: get(&s.rejected_total),
        traps_total: get(&s.traps_total),
        reloads_total: get(&s.reloads_total),
        recycles_total: get(&s.recycles_total),
        ns_per_row: get(&s.busy_ns).checked_div(rows_total).unwrap_or(0),
        reload_ms: get(&s.reload_us) as f64 / 1000.0,
        counters: s.counters.lock().expect("no panic while a counter is written").clone(),
        last_error: s.last_error.get(),
    }
}

fn lane(entry: &LaneEntry) -> LaneStatus {
    let s = &entry.stats;
    let ms = |quantile| s.latency.quantile(quantile).map(|d: Duration| d.as_secs_f64() * 1000.0);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let oldest_ms = match get(&s.oldest_at_us) {
        0 => 0,
        at => now_us.saturating_sub(at) / 1000,
    };
    LaneStatus {
        pipeline: entry.pipeline.clone(),
        target: entry.target.clone(),
        member: entry.member.clone(),
        state: s.state.get().unwrap_or_else(|| "flowing".into()),
        in_flight: get(&s.in_flight),
        waiting: get(&s.waiting),
        waiting_bytes: get(&s.waiting_bytes),
        parked: get(&s.parked),
        parked_bytes: get(&s.parked_bytes),
        oldest_ms,
        delivered_total: get(&s.delivered_total),
        attempts_total: get(&s.attempts_total),
        parked_total: get(&s.parked_total),
        dead_total: get(&s.dead_total),
        known_total: get(&s.known_total),
        dropped_total: get(&s.dropped_total),
        opened_total: get(&s.opened_total),
        p50_ms: ms(0.5),
        p95_ms: ms(0.95),
        p99_ms: ms(0.99),
        last_error: (entry.complaint)().or_else(|| s.last_error.get()),
    }
}

/// A lane of a member that is gone, with what waits for it.
fn orphan(name: LaneName, record: LaneRecord) -> LaneStatus {
    LaneStatus {
        pipeline: name.pipeline.to_string(),
        target: name.target.to_string(),
        member: name.member.to_string(),
        state: "removed".to_owned(),
        parked: record.parked,
        parked_bytes: record.parked_bytes,
        last_error: Some(
            "its member is not in the configuration; put it back, or see `sluicegate dead lanes`".to_owned(),
        ),
        ..LaneStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_that_has_not_started_yet_is_not_ready() {
        let mut status = Status::default();
        assert_eq!(status.not_ready(), ["it is starting"]);
        status.sources.push(SourceStatus { state: "streaming".into(), ..SourceStatus::default() });
        assert!(status.not_ready().is_empty());
        status.sources[0].lost = Some("rows of public.orders".into());
        assert_eq!(status.not_ready(), ["source  has lost changes: rows of public.orders"]);
    }

    #[test]
    fn source_that_is_stalled_or_can_not_write_its_position_is_named_and_a_dead_customer_is_not() {
        let dead_for_days = LaneStatus { state: "open".into(), oldest_ms: 86_400_000, ..LaneStatus::default() };
        let source = |name: &str, lag_ms, state_error| SourceStatus {
            name: name.into(),
            state: "streaming".into(),
            lag_ms,
            state_error,
            ..SourceStatus::default()
        };
        let mut status = Status { lanes: vec![dead_for_days], ..Status::default() };
        status.sources = vec![source("erp", 9_999, None)];
        assert!(status.not_ready().is_empty());
        status.sources = vec![source("erp", 12_345, None), source("shop", 0, Some("no room".into()))];
        let reasons = status.not_ready();
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].starts_with("source erp is stalled") && reasons[0].contains("12 s"), "{reasons:?}");
        assert_eq!(reasons[1], "the position of source shop can not be written: no room");
    }
}
