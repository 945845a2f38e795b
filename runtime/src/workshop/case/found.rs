//! What came of a change, in the words of a case.

use super::bless::lasting;
use crate::change::{Act, CacheValue, Message, pairs};
use crate::config::Judged;
use crate::pipeline::{Fate, Rehearsed, RehearsedMessage};
use serde_json::{Map, Value as Json};

/// What became of one change.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub verdict: Judged,
    pub rejection: Option<FoundRejection>,
    pub messages: Vec<FoundMessage>,
    /// Why messages could not be made.
    pub unroutable: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRejection {
    pub guest: String,
    pub code: String,
    pub reason: String,
    /// Where in the guest, if it trapped.
    pub backtrace: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundMessage {
    pub route: String,
    pub to: String,
    /// `None` where nobody said one: the row's own key is no text for people.
    pub key: Option<String>,
    pub place: String,
    pub headers: Vec<(String, String)>,
    pub body: FoundBody,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FoundBody {
    /// Nothing: the key goes away.
    None,
    Json(Json),
    Text(String),
    /// Length of what is neither.
    Bytes(usize),
}

impl Found {
    /// Of a change that the pipeline does not see.
    pub fn unseen() -> Self {
        Self { verdict: Judged::Unseen, rejection: None, messages: Vec::new(), unroutable: Vec::new() }
    }
}

impl FoundMessage {
    /// The body without what is another at each run.
    pub fn lasting_body(&self) -> FoundBody {
        match &self.body {
            FoundBody::Json(json) => FoundBody::Json(lasting(json)),
            other => other.clone(),
        }
    }
}

impl From<Rehearsed> for Found {
    fn from(rehearsed: Rehearsed) -> Self {
        let (verdict, rejection) = match rehearsed.fate {
            Fate::Pass => (Judged::Pass, None),
            Fate::Drop => (Judged::Drop, None),
            Fate::Emit => (Judged::Emit, None),
            Fate::Reject { guest, code, message, backtrace, .. } => {
                (Judged::Reject, Some(FoundRejection { guest, code, reason: message, backtrace }))
            }
        };
        let messages = rehearsed.messages.into_iter().map(FoundMessage::from).collect();
        Self { verdict, rejection, messages, unroutable: rehearsed.unroutable }
    }
}

impl From<RehearsedMessage> for FoundMessage {
    fn from(found: RehearsedMessage) -> Self {
        let RehearsedMessage { route, target, member, message } = found;
        let to = if member.is_empty() { target } else { format!("{target}/{member}") };
        let headers = message.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Self { route, to, key: key_of(&message), place: message.place.clone(), headers, body: body_of(&message) }
    }
}

fn key_of(message: &Message) -> Option<String> {
    let key = match &message.act {
        Act::Record { key, .. } => key.as_ref()?,
        _ => &message.key,
    };
    let text = std::str::from_utf8(key).ok()?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn body_of(message: &Message) -> FoundBody {
    if let Act::Put { value: CacheValue::Hash } = message.act {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Map<String, Json> =
            pairs(&message.body).map(|(field, value)| (text(field), Json::String(text(value)))).collect();
        return FoundBody::Json(Json::Object(fields));
    }
    match std::str::from_utf8(&message.body) {
        Ok("") => FoundBody::None,
        Ok(text) => match serde_json::from_str(text) {
            Ok(json) if message.content_type.contains("json") => FoundBody::Json(json),
            _ => FoundBody::Text(text.to_owned()),
        },
        Err(_) => FoundBody::Bytes(message.body.len()),
    }
}
