//! Dead letters as others see them: in a list, and one of them whole.

use super::DeskError;
use super::choice::{Choice, Narrow, summary};
use crate::store::{Buried, DeadFilter, DeadId, DeadLetter, DeadSummary, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Letters of one page, unless somebody asks for more or fewer.
const PAGE_LEN: u64 = 100;
const PAGE_LEN_MAX: u64 = 1_000;
/// Letters that are dropped in one transaction, so that lanes do not wait for it.
const DROP_STEP: usize = 500;

/// What a list is asked with.
pub type PageAsked = Narrow;

/// A part of a list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub letters: Vec<Summary>,
    /// What `before` has to be for the next page; none if this is the last.
    pub next: Option<i64>,
}

/// A letter in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub id: i64,
    pub pipeline: String,
    /// Both empty for a row, which belongs to no lane.
    pub target: String,
    pub member: String,
    /// `message` or `row`.
    pub kind: String,
    /// The message's id, the one that its receiver saw, or the row's place in the log.
    pub name: String,
    pub table: String,
    pub reason: String,
    pub attempts: u32,
    pub generation: Option<String>,
    pub bytes: u64,
    /// Microseconds since the Unix epoch.
    pub arrived_us: i64,
    pub died_us: i64,
    /// Something newer of the same key was delivered since: sent again, this one would put an older state over it.
    pub superseded: bool,
}

impl From<DeadSummary> for Summary {
    fn from(of: DeadSummary) -> Self {
        Self {
            id: of.id.0,
            pipeline: of.pipeline,
            target: of.target,
            member: of.member,
            kind: if of.is_row { "row" } else { "message" }.to_owned(),
            name: of.name,
            table: of.table,
            reason: of.reason,
            attempts: of.attempts,
            generation: of.generation,
            bytes: of.bytes,
            arrived_us: of.arrived_us,
            died_us: of.died_us,
            superseded: of.is_superseded,
        }
    }
}

/// A letter, whole.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    #[serde(flatten)]
    pub summary: Summary,
    /// What the receiver said last, as far as it was kept.
    pub last_answer: Option<String>,
    pub guest: Option<String>,
    pub backtrace: Option<String>,
    /// Of a message.
    pub message: Option<Packed>,
    /// Of a row: its columns.
    pub row: Option<Box<RawValue>>,
}

/// What a message would have brought its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// What its order was kept by.
    pub key: Body,
    /// What it is for: an HTTP API, a topic, a cache.
    pub to: String,
    /// The path, topic or key that the route made; empty if it made none.
    pub place: String,
    pub content_type: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// Microseconds since the Unix epoch, by the database's clock.
    pub committed_us: i64,
}

/// Bytes: as text if they are UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    Text(String),
    Base64(String),
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// A page of the list.
///
/// # Errors
/// If a value can not be understood, or the state can not be read.
pub async fn list(store: &dyn Store, asked: &PageAsked) -> Result<Page, DeskError> {
    let len = asked.limit.unwrap_or(PAGE_LEN);
    if !(1..=PAGE_LEN_MAX).contains(&len) {
        let rule =
            format!("limit = {len}: a page has 1 to {PAGE_LEN_MAX} letters; the next one begins with before = next");
        return Err(DeskError::Question(rule));
    }
    // One more, to know whether there is a next page.
    let limit = usize::try_from(len).unwrap_or(0) + 1;
    let mut found = store.dead(DeadFilter { limit, ..asked.filter()? }).await?;
    let has_next = found.len() == limit;
    found.truncate(limit - 1);
    let next = found.last().filter(|_| has_next).map(|letter| letter.id.0);
    Ok(Page { letters: found.into_iter().map(Summary::from).collect(), next })
}

/// One letter.
///
/// # Errors
/// If there is none, or the state can not be read.
pub async fn show(store: &dyn Store, id: i64) -> Result<Letter, DeskError> {
    let summary = summary(store, id).await?.ok_or(DeskError::Unknown(id))?;
    let letter = store.dead_letter(DeadId(id)).await?.ok_or(DeskError::Unknown(id))?;
    let DeadLetter { buried, last_answer, guest, backtrace, .. } = letter;
    let (message, row) = match &buried {
        Buried::Message(message) => {
            let headers = message.headers.iter().map(|(name, value)| (name.to_string(), value.clone()));
            let packed = Packed {
                key: message.key[..].into(),
                to: message.act.name().to_owned(),
                place: message.place.clone(),
                content_type: message.content_type.to_string(),
                headers: headers.collect(),
                body: message.body[..].into(),
                committed_us: message.committed_at_us,
            };
            (Some(packed), None)
        }
        Buried::Row(row) => {
            let json = std::str::from_utf8(&row.json).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok());
            (None, json)
        }
    };
    Ok(Letter { summary: summary.into(), last_answer, guest, backtrace, message, row })
}

/// What became of letters that were to be dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub dropped: u64,
    /// Numbers that no letter has.
    pub unknown: Vec<i64>,
    /// Letters that were meant too, and were too many for one time.
    pub left: u64,
}

/// Forgets letters.
///
/// # Errors
/// If it is not clear which are meant, or the state can not be read or written: some may be dropped then.
pub async fn drop_chosen(store: &dyn Store, choice: &Choice) -> Result<Dropped, DeskError> {
    let chosen = choice.find(store).await?;
    let mut dropped = 0;
    for step in chosen.letters.chunks(DROP_STEP) {
        dropped += store.drop_dead(step.iter().map(|(id, _)| *id).collect()).await?;
    }
    Ok(Dropped { dropped, unknown: chosen.unknown, left: chosen.left })
}
