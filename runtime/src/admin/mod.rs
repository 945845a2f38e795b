//! The door for people and machines: `/live`, `/ready`, `/status`, `/metrics`, `/dead`, `/record` on the admin address.
//!
//! `/live` says that the process answers. `/ready` says that it does its work, and otherwise why not.

pub mod dead;
mod metrics;
mod record;
pub mod status;

use crate::ledger::Ledger;
use crate::store::{LaneName, LaneRecord, Store};
use crate::telemetry::{GuestStats, LaneStats, Note, PipelineStats, SourceStats, TappedRow};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use dead::Desk;
pub use record::{RECORD_SECONDS_MAX, RecordAsked};
use serde::{Deserialize, Serialize};
use status::Status;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Everything that can be asked about, put together by the composition root.
pub struct Registry {
    pub started_at: Instant,
    pub memory_bytes_max: u64,
    /// Why the last edit of the configuration was not taken, if it was not.
    pub complaint: Arc<Note>,
    store: Arc<dyn Store>,
    pub sources: Vec<SourceEntry>,
    pub pipelines: Vec<PipelineEntry>,
    lanes: RwLock<Vec<Arc<LaneEntry>>>,
    /// Lanes of members that are gone, with messages on disk.
    orphans: RwLock<Vec<(LaneName, LaneRecord)>>,
    /// Guests come and go with their files.
    pub guests: Box<dyn Fn() -> Vec<GuestEntry> + Send + Sync>,
}

impl Registry {
    /// With nothing in it yet.
    pub fn empty(memory_bytes_max: u64, complaint: Arc<Note>, store: Arc<dyn Store>) -> Self {
        Self {
            started_at: Instant::now(),
            memory_bytes_max,
            complaint,
            store,
            sources: Vec::new(),
            pipelines: Vec::new(),
            lanes: RwLock::default(),
            orphans: RwLock::default(),
            guests: Box::new(Vec::new),
        }
    }
}

impl Registry {
    /// The lanes that run now.
    pub fn lanes(&self) -> Vec<Arc<LaneEntry>> {
        self.lanes.read().expect("no panic while lanes change").clone()
    }

    /// Shows a lane, in place of the one of the same name.
    pub fn set_lane(&self, entry: LaneEntry) {
        let entry = Arc::new(entry);
        let mut lanes = self.lanes.write().expect("no panic while lanes change");
        match lanes.iter_mut().find(|other| other.is(&entry.pipeline, &entry.target, &entry.member)) {
            Some(other) => *other = entry,
            None => lanes.push(entry),
        }
    }

    pub fn remove_lane(&self, name: &LaneName) {
        let mut lanes = self.lanes.write().expect("no panic while lanes change");
        lanes.retain(|entry| !entry.is(&name.pipeline, &name.target, &name.member));
    }

    pub fn orphans(&self) -> Vec<(LaneName, LaneRecord)> {
        self.orphans.read().expect("no panic while lanes change").clone()
    }

    pub fn set_orphans(&self, orphans: Vec<(LaneName, LaneRecord)>) {
        *self.orphans.write().expect("no panic while lanes change") = orphans;
    }
}

pub struct SourceEntry {
    pub name: String,
    pub kind: &'static str,
    pub stats: Arc<SourceStats>,
    pub ledger: Ledger,
    /// Why its position can not be written, while it can not.
    pub unsaved: Arc<Note>,
}

pub struct PipelineEntry {
    pub name: String,
    pub stats: Arc<PipelineStats>,
}

/// What `/rows` says of one pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PipelineRows {
    pub pipeline: String,
    pub rows: Vec<TappedRow>,
}

pub struct GuestEntry {
    pub pipeline: String,
    pub file: String,
    pub stats: Arc<GuestStats>,
}

pub struct LaneEntry {
    pub pipeline: String,
    pub target: String,
    pub member: String,
    pub stats: Arc<LaneStats>,
    /// What keeps its messages in flight, when the sink has something to say.
    pub complaint: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

impl LaneEntry {
    pub fn is(&self, pipeline: &str, target: &str, member: &str) -> bool {
        (self.pipeline.as_str(), self.target.as_str(), self.member.as_str()) == (pipeline, target, member)
    }
}

/// Why the admin address can not be served.
#[derive(Debug, thiserror::Error)]
#[error("the admin address {address} can not be used: {source}; set host.admin to a free one")]
pub struct AdminError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Binds the admin address.
///
/// # Errors
/// If it is taken or not ours.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, AdminError> {
    TcpListener::bind(address).await.map_err(|source| AdminError { address, source })
}

/// The registry of the plan that runs now.
pub type Current = watch::Receiver<Arc<Registry>>;

/// Answers until the task is dropped.
pub async fn serve(listener: TcpListener, registry: Current, token: Option<String>, desk: Desk) {
    let app = router(registry, token, desk);
    // `serve` ends only if the listener breaks; the process goes on without its door then.
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "the admin address is no longer served");
    }
}

fn router(registry: Current, token: Option<String>, desk: Desk) -> Router {
    let callers = if token.is_some() { record::Callers::Known } else { record::Callers::Anybody };
    // What holds values of rows.
    let rows_within = dead::routes(registry.clone(), Arc::new(desk)).merge(record::routes(registry.clone(), callers));
    // Whoever knows the token may come by any name.
    let rows_within = match token {
        Some(_) => rows_within,
        None => rows_within.layer(middleware::from_fn(dead::no_foreign_names)),
    };
    let told = Router::new()
        .route("/", get(index))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/rows", get(rows));
    let guarded = told
        .with_state(registry.clone())
        .merge(rows_within)
        .layer(middleware::from_fn_with_state(Arc::new(token), require_token));
    // Probes of an orchestrator carry no token, and learn nothing but yes or no.
    let open = Router::new().route("/live", get(|| async { "live\n" })).route("/ready", get(ready));
    guarded.merge(open.with_state(registry))
}

async fn require_token(State(token): State<Arc<Option<String>>>, request: Request, next: Next) -> Response {
    let Some(token) = token.as_deref() else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if same(given.as_bytes(), format!("Bearer {token}").as_bytes()) {
        return next.run(request).await;
    }
    let remedy = "this needs `Authorization: Bearer ...` with the token of host.token\n";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], remedy).into_response()
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (x, y)| different | (x ^ y)) == 0
}

async fn index() -> &'static str {
    "sluicegate\n\n  /live     the process answers\n  /ready    it does its work, or why not\n  /status   sources, \
     pipelines, guests, lanes (JSON)\n  /metrics  the same for Prometheus\n  /dead     dead letters: what could not be \
     delivered (JSON)\n  /record   the next rows of a pipeline, for a case (POST, JSON)\n"
}

async fn ready(State(registry): State<Current>) -> Response {
    let reasons = Status::read(&registry.borrow()).not_ready();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

async fn status(State(registry): State<Current>) -> Json<Status> {
    Json(Status::read(&registry.borrow()))
}

/// The last rows of each pipeline, if the process shows rows.
async fn rows(State(registry): State<Current>) -> Response {
    let registry = registry.borrow().clone();
    if !registry.pipelines.iter().any(|pipeline| pipeline.stats.tap.is_open()) {
        let remedy = "rows are not shown: start it with --show-rows\n";
        return (StatusCode::NOT_FOUND, remedy).into_response();
    }
    let rows = registry.pipelines.iter().map(|p| PipelineRows { pipeline: p.name.clone(), rows: p.stats.tap.last() });
    Json(rows.collect::<Vec<_>>()).into_response()
}

async fn metrics(State(registry): State<Current>) -> Response {
    let text = metrics::encode(Status::read(&registry.borrow()));
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
