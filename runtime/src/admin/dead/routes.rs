//! `/dead` and what is below it, over HTTP.

use super::guard::no_forms;
use super::{Choice, Desk, DeskError, Dropped, Letter, Page, PageAsked, Progress, ReplayAsked, ReplayState, TAKEN};
use super::{letters, replay};
use crate::admin::{Current, Registry};
use crate::store::{LaneName, LaneRecord};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A question's body is no longer: as many numbers as may be asked for, and a filter.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What the handlers work with.
#[derive(Clone)]
struct Room {
    registry: Current,
    desk: Arc<Desk>,
}

/// The routes of the desk, behind whatever asks for a token.
pub fn routes(registry: Current, desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/dead", get(list))
        .route("/dead/{id}", get(show).delete(drop_one))
        .route("/dead/drop", post(drop_some))
        .route("/dead/replay", post(begin).get(progress).delete(stop))
        .route("/dead/lanes", get(lanes))
        .route("/dead/lanes/take", post(take))
        .route("/dead/lanes/drop", post(drop_lane))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(no_forms))
        .with_state(Room { registry, desk })
}

impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Question(_) => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// A question's body; an empty one asks for nothing in particular.
fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, DeskError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| DeskError::Question(format!("the body can not be understood: {e}")))
}

async fn list(
    State(room): State<Room>,
    asked: Result<Query<PageAsked>, QueryRejection>,
) -> Result<Json<Page>, DeskError> {
    let Query(asked) = asked.map_err(|rejection| DeskError::Question(rejection.body_text()))?;
    letters::list(&*room.desk.store, &asked).await.map(Json)
}

fn number(id: &str) -> Result<i64, DeskError> {
    let id: String = id.chars().take(40).collect();
    id.parse().map_err(|_| DeskError::Question(format!("{id:?} is no number of a dead letter")))
}

async fn show(State(room): State<Room>, Path(id): Path<String>) -> Result<Json<Letter>, DeskError> {
    letters::show(&*room.desk.store, number(&id)?).await.map(Json)
}

async fn drop_one(State(room): State<Room>, Path(id): Path<String>) -> Result<Json<Dropped>, DeskError> {
    let id = number(&id)?;
    let choice = Choice { ids: vec![id], ..Choice::default() };
    let dropped = letters::drop_chosen(&*room.desk.store, &choice).await?;
    if dropped.dropped == 0 { Err(DeskError::Unknown(id)) } else { Ok(Json(dropped)) }
}

async fn drop_some(State(room): State<Room>, body: Bytes) -> Result<Json<Dropped>, DeskError> {
    let dropped = letters::drop_chosen(&*room.desk.store, &read(&body)?).await?;
    tracing::info!(dropped = dropped.dropped, "dead letters were dropped, as somebody asked");
    Ok(Json(dropped))
}

/// 202 while a job goes on.
fn how_far(progress: Progress) -> Response {
    let status = if progress.state == ReplayState::Running { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, Json(progress)).into_response()
}

async fn begin(State(room): State<Room>, body: Bytes) -> Result<Response, DeskError> {
    let asked: ReplayAsked = read(&body)?;
    replay::begin(&room.desk, asked).await.map(how_far)
}

async fn progress(State(room): State<Room>) -> Response {
    room.desk.replays.progress().map_or_else(no_job, |progress| Json(progress).into_response())
}

async fn stop(State(room): State<Room>) -> Response {
    room.desk.replays.stop().await.map_or_else(no_job, how_far)
}

fn no_job() -> Response {
    (StatusCode::NOT_FOUND, "nothing was sent again since the start of the process\n").into_response()
}

/// A lane whose member is gone, with what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedLane {
    pub pipeline: String,
    pub target: String,
    pub member: String,
    pub parked: u64,
    pub parked_bytes: u64,
    /// Its dead letters.
    pub dead: u64,
}

/// As others see it.
pub fn removed((name, record): &(LaneName, LaneRecord)) -> RemovedLane {
    RemovedLane {
        pipeline: name.pipeline.to_string(),
        target: name.target.to_string(),
        member: name.member.to_string(),
        parked: record.parked,
        parked_bytes: record.parked_bytes,
        dead: record.dead,
    }
}

async fn lanes(State(room): State<Room>) -> Json<Vec<RemovedLane>> {
    Json(Registry::orphans(&room.registry.borrow()).iter().map(removed).collect())
}

/// Which lane is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneAsked {
    pub pipeline: String,
    pub target: String,
    /// Empty for a target without members.
    #[serde(default)]
    pub member: String,
}

/// What became of what waited for a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    pub messages: u64,
}

async fn clear(room: Room, body: Bytes, reason: Option<String>) -> Result<Json<Cleared>, DeskError> {
    let LaneAsked { pipeline, target, member } = read(&body)?;
    let name = LaneName::new(&pipeline, &target, &member);
    let messages = (room.desk.clear)(name, reason).await.map_err(DeskError::Conflict)?;
    Ok(Json(Cleared { messages }))
}

async fn take(State(room): State<Room>, body: Bytes) -> Result<Json<Cleared>, DeskError> {
    clear(room, body, Some(TAKEN.to_owned())).await
}

async fn drop_lane(State(room): State<Room>, body: Bytes) -> Result<Json<Cleared>, DeskError> {
    clear(room, body, None).await
}
