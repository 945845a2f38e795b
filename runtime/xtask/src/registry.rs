//! A small schema registry, as far as a writer asks one: schemas under subjects, a number for each, and the wish to misbehave.

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How a registry answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Well,
    /// After a time.
    Slow(Duration),
    /// With this status and these words, whatever it is asked.
    Says(u16, &'static str),
    /// Takes no schema whose text holds this: 409, as if it were not compatible.
    Refuses(&'static str),
}

#[derive(Default)]
struct Desk {
    manner: Manner,
    /// By number, from 1 on.
    schemas: Vec<String>,
    subjects: BTreeMap<String, Vec<u32>>,
    /// Questions for a number so far.
    asked: usize,
    /// As the last question had it.
    authorization: Option<String>,
}

type Shared = Arc<Mutex<Desk>>;

/// A running registry; gone on drop.
pub struct Registry {
    desk: Shared,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
}

impl Registry {
    pub async fn start() -> Result<Self> {
        let desk = Shared::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open the registry's listener")?;
        let address = listener.local_addr().context("open the registry's listener")?;
        let server = serve(listener, desk.clone());
        Ok(Self { desk, address, server })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn behave(&self, manner: Manner) {
        self.desk().manner = manner;
    }

    /// From now on nobody answers at its address.
    pub async fn leave(&mut self) {
        self.server.abort();
        // The listener is gone when its task is.
        let _ = (&mut self.server).await;
    }

    /// Opens it again at the same address, with what it knew.
    pub async fn come_back(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await.context("open the registry's listener again")?;
        self.server = serve(listener, self.desk.clone());
        Ok(())
    }

    /// The schema of a number.
    pub fn schema(&self, number: u32) -> Option<String> {
        self.desk().schemas.get(usize::try_from(number).ok()?.checked_sub(1)?).cloned()
    }

    /// The numbers of a subject's versions.
    pub fn versions(&self, subject: &str) -> Vec<u32> {
        self.desk().subjects.get(subject).cloned().unwrap_or_default()
    }

    pub fn asked(&self) -> usize {
        self.desk().asked
    }

    pub fn authorization(&self) -> Option<String> {
        self.desk().authorization.clone()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(desk: &Shared) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: TcpListener, desk: Shared) -> JoinHandle<std::io::Result<()>> {
    let rooms = Router::new()
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}/versions", post(register))
        .route("/subjects/{subject}", post(look_up))
        .with_state(desk);
    tokio::spawn(async move { axum::serve(listener, rooms).await })
}

type Answer = (StatusCode, Json<Value>);

async fn subjects(State(desk): State<Shared>, headers: HeaderMap) -> Answer {
    if let Err(answer) = greet(&desk, &headers).await {
        return answer;
    }
    let names: Vec<String> = lock(&desk).subjects.keys().cloned().collect();
    (StatusCode::OK, Json(json!(names)))
}

async fn register(State(desk): State<Shared>, Path(subject): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    lock(&desk).asked += 1;
    if let Err(answer) = greet(&desk, &headers).await {
        return answer;
    }
    let Some(schema) = schema_of(&body) else { return says(422, 42201, "Input schema is an invalid Avro schema") };
    let mut desk = lock(&desk);
    if let Manner::Refuses(part) = desk.manner
        && schema.contains(part)
    {
        return says(409, 409, "Schema being registered is incompatible with an earlier schema");
    }
    let known = desk.schemas.iter().position(|known| *known == schema);
    let number = known.map_or(desk.schemas.len() as u32 + 1, |at| at as u32 + 1);
    if known.is_none() {
        desk.schemas.push(schema);
    }
    let versions = desk.subjects.entry(subject).or_default();
    if !versions.contains(&number) {
        versions.push(number);
    }
    (StatusCode::OK, Json(json!({ "id": number })))
}

async fn look_up(State(desk): State<Shared>, Path(subject): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    lock(&desk).asked += 1;
    if let Err(answer) = greet(&desk, &headers).await {
        return answer;
    }
    let schema = schema_of(&body).unwrap_or_default();
    let desk = lock(&desk);
    let versions = desk.subjects.get(&subject).into_iter().flatten();
    let found = versions.into_iter().find(|number| desk.schemas.get(**number as usize - 1) == Some(&schema));
    match found {
        Some(number) => (StatusCode::OK, Json(json!({ "subject": subject, "id": number, "version": 1 }))),
        None => says(404, 40403, "Schema not found"),
    }
}

/// Notes who asks, and misbehaves if that is wanted.
async fn greet(desk: &Shared, headers: &HeaderMap) -> Result<(), Answer> {
    let manner = {
        let mut desk = lock(desk);
        let said = headers.get("authorization").and_then(|value| value.to_str().ok());
        desk.authorization = said.map(str::to_owned);
        desk.manner.clone()
    };
    match manner {
        Manner::Well | Manner::Refuses(_) => Ok(()),
        Manner::Slow(pause) => {
            tokio::time::sleep(pause).await;
            Ok(())
        }
        Manner::Says(status, words) => Err(says(status, u32::from(status), words)),
    }
}

fn says(status: u16, code: u32, words: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error_code": code, "message": words })))
}

/// The schema of a question, if it is JSON itself.
fn schema_of(body: &[u8]) -> Option<String> {
    let question: Value = serde_json::from_slice(body).ok()?;
    let schema = question.get("schema")?.as_str()?;
    serde_json::from_str::<Value>(schema).ok()?;
    Some(schema.to_owned())
}
