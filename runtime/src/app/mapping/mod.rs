//! From the plan to the settings of each room. Rooms do not know the plan, and the plan does not know the rooms.

mod routes;
mod sources;
mod targets;

pub use routes::form;
pub use sources::{Reading, kind, narrow, source, stream};
pub use targets::{Roads, kafka_settings, redis_settings, registry_settings};

use crate::admin::{GuestEntry, PipelineEntry, Registry};
use crate::config::{self, PipelinePlan};
use crate::guest::{GuestHost, GuestSettings, Limits};
use crate::pipeline::{OnError, PipelineSettings, PipelineSource, Road, Route};
use crate::store::Store;
use crate::telemetry::{PipelineStats, SourceStats};
use std::collections::HashMap;
use std::sync::Arc;

/// What a pipeline's guests are given.
pub fn guests(pipeline: &PipelinePlan) -> GuestSettings {
    let limits = |l: &config::LimitsPlan| Limits {
        memory_bytes: l.memory as usize,
        row: l.row,
        batch: l.batch,
        output_bytes: l.output as usize,
        cell_bytes: l.cell as usize,
    };
    GuestSettings {
        pipeline: pipeline.name.clone(),
        folder: pipeline.folder.clone(),
        listed: pipeline.guests_listed.clone(),
        expected: pipeline.guests.iter().filter(|g| g.crate_folder.is_some()).map(|g| g.stem.clone()).collect(),
        per_guest: pipeline.guests.iter().map(|g| (g.stem.clone(), (g.config.clone(), limits(&g.limits)))).collect(),
        routes: pipeline.routes.iter().map(|r| r.name.clone()).collect(),
    }
}

/// A pipeline's corridor, and its line in the registry.
///
/// # Errors
/// If a route has a setting that only the encoders understand, and they do not.
pub fn pipeline(
    plan: &PipelinePlan,
    roads: &HashMap<String, Arc<Road>>,
    (host, store): (Arc<GuestHost>, Arc<dyn Store>),
    registry: &mut Registry,
    sources: &HashMap<String, Arc<SourceStats>>,
) -> Result<PipelineSettings, String> {
    let stats = Arc::new(PipelineStats::default());
    registry.pipelines.push(PipelineEntry { name: plan.name.clone(), stats: stats.clone() });
    let route = |route| routes::settings(route, roads).map(|settings| Route::new(&plan.name, settings));
    let routes = plan.routes.iter().map(route).collect::<Result<_, _>>()?;
    let tables = plan.tables.clone();
    let source = |name: &String| Some(PipelineSource { name: name.clone(), stats: sources.get(name)?.clone() });
    Ok(PipelineSettings {
        name: plan.name.clone(),
        tables: Arc::new(move |source, table| tables.matches(source, table)),
        on_error: match plan.on_error {
            config::OnError::DeadLetter => OnError::DeadLetter,
            config::OnError::Skip => OnError::Skip,
            config::OnError::Halt => OnError::Halt,
        },
        routes,
        sources: plan.sources.iter().filter_map(source).collect(),
        guests: Arc::new(move || host.chain()),
        store,
        stats,
    })
}

/// The guests of all pipelines, as they are when somebody asks.
pub fn guest_entries(hosts: Vec<(String, Arc<GuestHost>)>) -> Box<dyn Fn() -> Vec<GuestEntry> + Send + Sync> {
    Box::new(move || {
        let of = |(pipeline, host): &(String, Arc<GuestHost>)| {
            let entry = |(file, stats)| GuestEntry { pipeline: pipeline.clone(), file, stats };
            host.stats().into_iter().map(entry).collect::<Vec<_>>()
        };
        hosts.iter().flat_map(of).collect()
    })
}
