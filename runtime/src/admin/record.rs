//! `POST /record`: the next rows of a pipeline, for a case. Nothing is kept from before the question, and nothing after it.
//!
//! A port on loopback is open to every user of the machine, and rows are not for all of them: this answers to those who know the token, or if
//! the process was started to show rows.

use super::Current;
use crate::telemetry::{RECORDED_ROWS_MAX, RecordedRow, Session, Wanted};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

const BODY_BYTES_MAX: usize = 64 << 10;
/// For how long one may wait for rows.
pub const RECORD_SECONDS_MAX: u64 = 600;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordAsked {
    pub pipeline: String,
    /// 1 to 1,000.
    pub rows: usize,
    /// The answer comes by then, with the rows that came: 1 to 600.
    pub seconds: u64,
    /// `schema.table`; of every table unless set.
    #[serde(default)]
    pub table: Option<String>,
    /// Columns whose values do not leave the process.
    #[serde(default)]
    pub mask: Vec<String>,
}

/// Whether callers have shown a token before they come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    Known,
    Anybody,
}

/// The route, behind whatever asks for a token.
pub(super) fn routes(registry: Current, callers: Callers) -> Router {
    let route = Router::new().route("/record", post(record));
    let guarded = route.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(middleware::from_fn(super::dead::no_forms));
    guarded.with_state((registry, callers))
}

/// Why rows are not given: what was to stay here would have another name, and would leave.
fn masks_nothing(masked: &[String], rows: &[RecordedRow]) -> Option<String> {
    let columns: BTreeSet<&str> = rows.iter().flat_map(|row| &row.columns).map(|column| column.name.as_str()).collect();
    let is_unknown = |name: &&String| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    let unknown = masked.iter().find(|name| !rows.is_empty() && is_unknown(name))?;
    let tables: BTreeSet<&str> = rows.iter().map(|row| row.table.as_str()).collect();
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!("{} has no column {unknown:?} to mask; it has: {}", list(tables), list(columns)))
}

async fn record(
    State((mut registry, callers)): State<(Current, Callers)>,
    body: Bytes,
) -> Result<Json<Vec<RecordedRow>>, Response> {
    let refused = |status: StatusCode, reason: String| (status, format!("{reason}\n")).into_response();
    let asked: RecordAsked = serde_json::from_slice(&body)
        .map_err(|e| refused(StatusCode::BAD_REQUEST, format!("the body can not be understood: {e}")))?;
    for (what, number, max) in
        [("rows", asked.rows as u64, RECORDED_ROWS_MAX as u64), ("seconds", asked.seconds, RECORD_SECONDS_MAX)]
    {
        if !(1..=max).contains(&number) {
            return Err(refused(StatusCode::BAD_REQUEST, format!("`{what}` is {number}; it is 1 to {max}")));
        }
    }
    let now = registry.borrow_and_update().clone();
    let found = now.pipelines.iter().find(|pipeline| pipeline.name == asked.pipeline);
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = now.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
        let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        refused(StatusCode::NOT_FOUND, format!("no such pipeline runs here; there are: {names}"))
    })?;
    if callers == Callers::Anybody && !found.stats.tap.is_open() {
        let remedy =
            "without host.token any user of this machine could ask for rows: set one, or start it with --show-rows";
        return Err(refused(StatusCode::FORBIDDEN, remedy.into()));
    }
    let wanted = Wanted { rows_max: asked.rows, table: asked.table, masked: asked.mask.clone() };
    let session = Session::begin(found.stats.clone(), wanted).ok_or_else(|| {
        refused(StatusCode::CONFLICT, "somebody else is recording rows of this pipeline; wait until that ends".into())
    })?;
    tokio::select! {
        biased;
        // 1. There are enough.
        () = session.full() => {}
        // 2. An edit of the configuration replaced the pipeline, and nothing comes any more.
        _ = registry.changed() => {}
        // 3. As long as was asked for.
        () = tokio::time::sleep(Duration::from_secs(asked.seconds)) => {}
    }
    let rows = session.finish();
    if let Some(reason) = masks_nothing(&asked.mask, &rows) {
        return Err(refused(StatusCode::BAD_REQUEST, reason));
    }
    tracing::info!(pipeline = asked.pipeline, rows = rows.len(), "rows were recorded, as somebody asked");
    Ok(Json(rows))
}
