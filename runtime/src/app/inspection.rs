//! What `check` finds beyond the TOML: guests that would be refused, databases that lack a setting or a right, customers that
//! do not answer their door.

use super::{host_settings, mapping, names};
use crate::change::TemplatePart;
use crate::config::{Door, HttpPlan, MemberPlan, PipelinePlan, Plan, RoutePlan, ShapePlan, TargetPlan};
use crate::fault::Finding;
use crate::guest::{self, Limits};
use crate::sink::{http, kafka, redis};
use crate::source::Own;
use crate::store::SqliteStore;
use std::path::PathBuf;
use std::time::Duration;

/// A customer's address is asked for no longer than this.
const DOOR_MAX: Duration = Duration::from_secs(5);
/// Of a target with thousands of members only so many are asked.
const DOORS_MAX: usize = 50;

/// Everything that was looked at.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// Looks at guests, and with `connect` at sources and targets.
    pub async fn of(plan: &Plan, connect: bool) -> Self {
        let mut inspection = Self::default();
        let mut guests = Vec::new();
        for pipeline in &plan.pipelines {
            guests.push(inspection.guests(plan, pipeline));
        }
        inspection.stray_guests(plan);
        if connect {
            inspection.sources(plan, &guests).await;
            inspection.targets(plan).await;
        }
        inspection
    }

    fn say(&mut self, ok: bool, text: String) {
        self.findings.push(Finding { ok, text });
    }

    /// Folders with guests that no pipeline runs.
    fn stray_guests(&mut self, plan: &Plan) {
        let entries = std::fs::read_dir(&plan.dir).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        for folder in folders.iter().filter(|folder| !folder.join("pipeline.toml").exists()) {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            if let Some(file) = files.filter(|path| path.extension().is_some_and(|end| end == "wasm")).min() {
                let (file, folder) = (file.display(), folder.display());
                self.say(false, format!("{file} never runs: {folder} has no pipeline.toml, so it is no pipeline"));
            }
        }
    }

    fn guests(&mut self, plan: &Plan, pipeline: &PipelinePlan) -> Vec<guest::Description> {
        let mut described = Vec::new();
        let files = match wasm_files(pipeline) {
            Ok(files) => files,
            Err(reason) => {
                self.say(false, reason);
                return described;
            }
        };
        let host = match host_settings(plan) {
            Ok(host) => host,
            Err(reason) => {
                self.say(false, reason.to_string());
                return described;
            }
        };
        let settings = mapping::guests(pipeline);
        for stem in &settings.expected {
            let place = pipeline.folder.join(format!("{stem}.wasm"));
            if !place.exists() {
                let dir = plan.dir.display();
                self.say(false, format!("{} is not there; make it: sluicegate build {dir}", place.display()));
            }
        }
        for guest in &pipeline.guests {
            if let Some(folder) = guest.crate_folder.as_ref().filter(|folder| !folder.join("Cargo.toml").is_file()) {
                // Sources need not travel with a pipeline, as long as what was made of them does.
                let is_built = pipeline.folder.join(format!("{}.wasm", guest.stem)).exists();
                let text = format!(
                    "guest {}: there is no crate in {}, so it can not be built here",
                    guest.stem,
                    folder.display()
                );
                self.say(is_built, text);
            }
        }
        for file in files {
            let shown = file.display().to_string();
            let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let (config, limits) =
                settings.per_guest.get(&stem).cloned().unwrap_or_else(|| (Vec::new(), Limits::default()));
            match guest::inspect(&file, &host, &config, &settings.routes, limits) {
                Ok(description) => {
                    self.say(true, format!("{shown}: {}", summary(&description)));
                    described.push(description);
                }
                Err(reason) => self.say(false, format!("{shown}: {reason}")),
            }
        }
        described
    }

    async fn sources(&mut self, plan: &Plan, guests: &[Vec<guest::Description>]) {
        let own = if SqliteStore::is_held(&plan.host.state) { Own::Running } else { Own::Away };
        for source in &plan.sources {
            let reading = match mapping::Reading::new(plan, source, None) {
                Ok(reading) => reading,
                Err(reason) => {
                    self.say(false, reason);
                    continue;
                }
            };
            for finding in reading.check(own).await {
                self.say(finding.ok, format!("source {}: {}", source.name, finding.text));
            }
            // Why a server can not be asked was said above.
            let Ok(tables) = reading.columns().await else { continue };
            for (pipeline, guests) in plan.pipelines.iter().zip(guests) {
                if pipeline.sources.contains(&source.name) {
                    self.findings.extend(names::unknown(pipeline, &source.name, guests, &tables));
                }
            }
        }
    }

    async fn targets(&mut self, plan: &Plan) {
        let targets = plan.pipelines.iter().flat_map(|p| p.targets.iter().map(move |t| (p, t)));
        for (pipeline, target) in targets {
            for member in target.members.iter().take(DOORS_MAX) {
                let name = match member.name.as_str() {
                    "" => target.name.clone(),
                    member => format!("{}/{member}", target.name),
                };
                for finding in door(pipeline, target, member).await {
                    self.say(finding.ok, format!("pipeline {}: {name}: {}", pipeline.name, finding.text));
                }
            }
        }
    }
}

fn summary(guest: &guest::Description) -> String {
    let tables: Vec<&str> = guest.subscriptions.iter().map(|s| s.table.as_str()).collect();
    let routes = if guest.routes.is_empty() { "no route by name".to_owned() } else { guest.routes.join(", ") };
    let (name, version, kilobytes) = (&guest.name, &guest.version, guest.size_bytes / 1024);
    format!(
        "{name} {version}, generation {}, {kilobytes} KB, wants {}, names {routes}",
        guest.generation,
        tables.join(", ")
    )
}

/// Asks a receiver whether it would take messages, without sending one.
async fn door(pipeline: &PipelinePlan, target: &TargetPlan, member: &MemberPlan) -> Vec<Finding> {
    match &member.door {
        Door::Http(plan) => vec![match knock(plan).await {
            Ok(()) => Finding::good("takes connections"),
            Err(reason) => Finding::bad(reason),
        }],
        Door::Kafka(plan) => {
            let settings = mapping::kafka_settings(plan, member.timeout);
            let mut findings = kafka::check(&settings, &topics(pipeline, target)).await;
            match plan.registry.as_ref().map(mapping::registry_settings) {
                None => {}
                Some(Ok(registry)) => findings.push(kafka::check_registry(registry).await),
                Some(Err(reason)) => findings.push(Finding::bad(reason)),
            }
            findings
        }
        Door::Redis(plan) => match mapping::redis_settings(plan, member.timeout) {
            Ok(settings) => redis::check(&settings).await,
            Err(reason) => vec![Finding::bad(reason)],
        },
    }
}

/// The topics that routes to a target name without any column in them.
fn topics(pipeline: &PipelinePlan, target: &TargetPlan) -> Vec<String> {
    let routes = pipeline.routes.iter().filter(|route| route.to == target.name);
    let literal = |route: &RoutePlan| match &route.shape {
        ShapePlan::Record { topic: Some(topic), .. } => match topic.parts() {
            [TemplatePart::Literal(topic)] => Some(topic.clone()),
            _ => None,
        },
        _ => None,
    };
    routes.filter_map(literal).collect()
}

async fn knock(plan: &HttpPlan) -> Result<(), String> {
    let knocking = http::knock(plan.url.expose(), &plan.reach);
    tokio::time::timeout(DOOR_MAX, knocking).await.unwrap_or_else(|_| Err(format!("no connection within {DOOR_MAX:?}")))
}

fn wasm_files(pipeline: &PipelinePlan) -> Result<Vec<PathBuf>, String> {
    if let Some(listed) = &pipeline.guests_listed {
        return Ok(listed.iter().map(|stem| pipeline.folder.join(format!("{stem}.wasm"))).collect());
    }
    let unreadable = |e| format!("{} can not be read: {e}", pipeline.folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&pipeline.folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|e| e == "wasm") && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
