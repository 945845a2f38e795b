//! From the plan to the settings of each room. Rooms do not know the plan, and the plan does not know the rooms.

use crate::admin::{GuestEntry, LaneEntry, PipelineEntry, Registry};
use crate::change::Lsn;
use crate::config::{self, MemberPlan, PipelinePlan, Plan, SourceKind, SourcePlan, TargetPlan};
use crate::guest::{GuestHost, GuestSettings, Limits};
use crate::lane::{self, Budget, Lane, LaneSettings, RetrySettings};
use crate::pipeline::{OnError, PipelineSettings, Road, Route, RouteSettings, TableFilter};
use crate::sink::Sink;
use crate::sink::http::{Clients, HttpSettings, HttpSink, SigningSecret};
use crate::source::postgres::{Postgres, PostgresSettings};
use crate::source::{Source, SslMode};
use crate::store::Checkpoint;
use crate::telemetry::{LaneStats, PipelineStats};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Builds lanes, target by target, under one budget.
pub struct Roads {
    budget: Budget,
    clients: Clients,
    lanes: Vec<(Lane, JoinHandle<()>)>,
}

impl Roads {
    pub fn new(plan: &Plan) -> Self {
        Self { budget: Budget::new(plan.host.memory as usize), clients: Clients::default(), lanes: Vec::new() }
    }

    /// Every lane that was started, with its task.
    pub fn into_lanes(self) -> Vec<(Lane, JoinHandle<()>)> {
        self.lanes
    }

    /// The lanes of a pipeline's targets, started.
    pub fn build(
        &mut self,
        pipeline: &PipelinePlan,
        registry: &mut Registry,
    ) -> Result<HashMap<String, Arc<Road>>, String> {
        let mut roads = HashMap::new();
        for target in &pipeline.targets {
            let mut lanes = HashMap::new();
            for member in &target.members {
                lanes.insert(member.name.clone(), self.lane(pipeline, target, member, registry)?);
            }
            roads.insert(target.name.clone(), Arc::new(Road { target: target.name.clone(), lanes }));
        }
        Ok(roads)
    }

    fn lane(
        &mut self,
        pipeline: &PipelinePlan,
        target: &TargetPlan,
        member: &MemberPlan,
        registry: &mut Registry,
    ) -> Result<Lane, String> {
        let settings = LaneSettings {
            pipeline: pipeline.name.as_str().into(),
            target: target.name.as_str().into(),
            member: member.name.as_str().into(),
            concurrency: member.concurrency as usize,
            batch_max: 1,
            memory_bytes: member.memory as usize,
            messages_max: lane::MESSAGES_MAX,
            retry: RetrySettings {
                first: member.retry.first,
                max: member.retry.max,
                give_up_after: member.retry.give_up_after,
            },
        };
        let sink = http_sink(member, &self.clients).map_err(|reason| {
            format!("pipeline {}, target {} member {:?}: {reason}", pipeline.name, target.name, member.name)
        })?;
        let stats = Arc::new(LaneStats::default());
        registry.lanes.push(LaneEntry {
            pipeline: pipeline.name.clone(),
            target: target.name.clone(),
            member: member.name.clone(),
            stats: stats.clone(),
        });
        let (lane, task) = lane::spawn(settings, sink, self.budget.clone(), stats);
        self.lanes.push((lane.clone(), task));
        Ok(lane)
    }
}

fn http_sink(member: &MemberPlan, clients: &Clients) -> Result<Arc<dyn Sink>, String> {
    let said = |e: crate::sink::http::HttpError| e.to_string();
    let ca = match &member.ca {
        None => None,
        Some(path) => {
            let pem = std::fs::read(path).map_err(|e| format!("ca {} can not be read: {e}", path.display()))?;
            Some(Arc::<[u8]>::from(pem))
        }
    };
    let client = clients.get(ca.as_ref()).map_err(said)?;
    let settings = HttpSettings {
        url: member.url.expose().to_owned(),
        timeout: member.timeout,
        sign: member.sign.iter().map(|s| SigningSecret::parse(s.expose())).collect::<Result<_, _>>().map_err(said)?,
        headers: member.headers.iter().map(|(n, v)| (n.clone(), v.expose().to_owned())).collect(),
        ca,
    };
    Ok(Arc::new(HttpSink::new(settings, client).map_err(said)?))
}

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
        per_guest: pipeline.guests.iter().map(|g| (g.stem.clone(), (g.config.clone(), limits(&g.limits)))).collect(),
        routes: pipeline.routes.iter().map(|r| r.name.clone()).collect(),
    }
}

/// A pipeline's corridor, and its line in the registry.
pub fn pipeline(
    plan: &PipelinePlan,
    roads: &HashMap<String, Arc<Road>>,
    host: Arc<GuestHost>,
    registry: &mut Registry,
) -> PipelineSettings {
    let stats = Arc::new(PipelineStats::default());
    registry.pipelines.push(PipelineEntry { name: plan.name.clone(), stats: stats.clone() });
    let routes = plan.routes.iter().map(|route| {
        let tables = route.tables.clone().map(|globs| Arc::new(move |name: &str| globs.matches(name)) as TableFilter);
        let settings = RouteSettings {
            name: route.name.clone(),
            road: roads[&route.to].clone(),
            tables,
            ops: route.ops.clone(),
            only_named: route.only_named,
            member: route.member.clone(),
            key: route.key.clone(),
            method: route.method.clone(),
            path: route.path.clone(),
            headers: route.headers.clone(),
        };
        Route::new(&plan.name, settings)
    });
    let tables = plan.tables.clone();
    PipelineSettings {
        name: plan.name.clone(),
        tables: Arc::new(move |source, table| tables.matches(source, table)),
        on_error: match plan.on_error {
            config::OnError::DeadLetter => OnError::DeadLetter,
            config::OnError::Skip => OnError::Skip,
            config::OnError::Halt => OnError::Halt,
        },
        routes: routes.collect(),
        guests: Arc::new(move || host.chain()),
        stats,
    }
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

/// The name of a source's kind.
pub fn kind(source: &SourcePlan) -> &'static str {
    match source.kind {
        SourceKind::Postgres(_) => "postgres",
    }
}

/// What a source reads from within its server: its checkpoints are filed under it.
pub fn stream(source: &SourcePlan) -> &str {
    match &source.kind {
        SourceKind::Postgres(postgres) => &postgres.slot,
    }
}

/// A source that captures what the pipelines ask for.
pub fn source(plan: &Plan, source: &SourcePlan, known: Option<Checkpoint>) -> Result<Box<dyn Source>, String> {
    match &source.kind {
        SourceKind::Postgres(_) => Ok(Box::new(Postgres::new(postgres_settings(plan, source, known)?))),
    }
}

fn ssl_mode(mode: config::SslMode) -> SslMode {
    match mode {
        config::SslMode::Disable => SslMode::Disable,
        config::SslMode::Prefer => SslMode::Prefer,
        config::SslMode::Require => SslMode::Require,
        config::SslMode::VerifyCa => SslMode::VerifyCa,
        config::SslMode::VerifyFull => SslMode::VerifyFull,
    }
}

/// PostgreSQL's settings: tables and columns are what any pipeline on this source asks for.
pub fn postgres_settings(
    plan: &Plan,
    source: &SourcePlan,
    known: Option<Checkpoint>,
) -> Result<PostgresSettings, String> {
    let SourceKind::Postgres(postgres) = &source.kind;
    let known = known.map(|c| c.position.parse::<Lsn>()).transpose().map_err(|reason| {
        format!("source {}: the checkpoint in the state folder can not be read: {reason}", source.name)
    })?;
    let name = source.name.clone();
    let readers: Vec<PipelinePlan> = plan.pipelines.iter().filter(|p| p.sources.contains(&name)).cloned().collect();
    if let Some(other) = readers.iter().find(|p| p.columns != readers[0].columns) {
        // One pipeline's columns must not reach another that excludes them.
        return Err(format!(
            "pipelines {} and {} read source {} with different columns.include or columns.exclude; one source has one set of \
             columns: write the same lists in both",
            readers[0].name, other.name, source.name
        ));
    }
    let readers = Arc::new(readers);
    let (tables, columns) = (readers.clone(), readers);
    let (for_tables, for_columns) = (name.clone(), name.clone());
    Ok(PostgresSettings {
        name,
        url: postgres.url.expose().to_owned(),
        sslmode: Some(ssl_mode(postgres.sslmode)),
        sslrootcert: postgres.sslrootcert.clone(),
        slot: postgres.slot.clone(),
        publication: postgres.publication.clone(),
        tables: Arc::new(move |table| tables.iter().any(|p| p.tables.matches(&for_tables, table))),
        columns: Arc::new(move |schema, table, column| {
            let full = format!("{schema}.{table}");
            let wants =
                |p: &PipelinePlan| p.tables.matches(&for_columns, &full) && p.columns.captures(schema, table, column);
            columns.iter().any(wants)
        }),
        known,
        epoch: 0,
    })
}
