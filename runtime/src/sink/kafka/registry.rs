//! A schema registry, as Confluent's API has it: it gives each schema a number, and a record in Avro begins with the number of its own.
//!
//! ```text
//!   message ─ schema ─▶ known? ──────────────────────────────────────▶ number ─▶ 0, number, bytes ─▶ record
//!                         └─ no ─▶ refused or failed a moment ago? ─▶ that again
//!                                    └─ no ─▶ ask, one at a time ─▶ number, or a refusal of the message
//! ```
//!
//! The registry is asked by the lane and not where records are made: when it is away, the lane tries again, parks on disk and tells
//! about it as it does when brokers are away, and nobody else waits. A schema that the registry refuses is wrong for good, and its
//! records are dead letters with the registry's reason; everything else is repaired without us, so that no message is lost to it.

use super::answer::{passing, poison};
use super::{KafkaError, Refusal};
use crate::change::Message;
use crate::fault::{Fault, Finding};
use crate::sink::http::{Clients, HttpSettings, Service};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Schemas whose numbers are known; when there are more, all are asked for again.
const KNOWN_MAX: usize = 10_000;
/// A schema that was refused is not asked about for so long, nor is a registry that did not answer: whoever comes meanwhile hears the
/// same again.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(10);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Of what a registry says in words.
const REASON_CHARS_MAX: usize = 300;
/// Of an answer, beside twice the question: some repeat the schema, with each quote escaped once more.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What a registry that may not be written to for a while answers, with 422.
const READ_ONLY: u32 = 42_205;
/// Confluent's wire format: a zero, and the schema's number in four bytes, most significant first.
pub(super) const HEAD_LEN: usize = 5;

/// A registry and how it is used.
#[derive(Clone)]
pub struct RegistrySettings {
    pub http: HttpSettings,
    /// Whether what it does not know is registered.
    pub register: bool,
}

/// The numbers of a message's key and value.
pub(super) type Numbers = [Option<u32>; 2];

#[derive(Default)]
struct Known {
    /// By subject: few schemas each.
    numbers: HashMap<String, Vec<(Arc<str>, u32)>>,
    len: usize,
    /// Of a schema: for good, or until somebody gives a right or registers it.
    refused: HashMap<String, Vec<(Arc<str>, Instant, Refusal)>>,
    /// Of the registry itself.
    failed: Option<(Instant, Refusal)>,
}

/// Why there is no number.
struct Denial {
    refusal: Refusal,
    /// Whether it says something of this schema only, and not of the registry.
    is_of_schema: bool,
}

impl Denial {
    fn of_schema(refusal: Refusal) -> Self {
        Self { refusal, is_of_schema: true }
    }

    fn of_registry(refusal: Refusal) -> Self {
        Self { refusal, is_of_schema: false }
    }
}

pub(super) struct Registry {
    service: Service,
    register: bool,
    known: Mutex<Known>,
    /// Held by the one who asks.
    asking: tokio::sync::Mutex<()>,
}

impl Registry {
    pub(super) fn new(settings: RegistrySettings, clients: &Clients) -> Result<Self, KafkaError> {
        let RegistrySettings { mut http, register } = settings;
        http.headers.push(("content-type".into(), "application/vnd.schemaregistry.v1+json".into()));
        http.headers.push(("accept".into(), "application/vnd.schemaregistry.v1+json, application/json".into()));
        let service = Service::new(http, clients).map_err(|error| KafkaError(format!("registry: {error}")))?;
        Ok(Self { service, register, known: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    /// The numbers of a message's schemas.
    ///
    /// # Errors
    /// `Poison` if the registry refuses a schema; `Passing` for everything else.
    pub(super) async fn numbers(&self, message: &Message) -> Result<Numbers, Refusal> {
        let mut numbers = [None; 2];
        let schemas = [("key", &message.form.key_schema), ("value", &message.form.value_schema)];
        for (number, (part, schema)) in numbers.iter_mut().zip(schemas) {
            // What is a tombstone has no value, and a schema of nothing is not registered.
            let Some(schema) = schema.as_ref().filter(|_| part == "key" || !message.form.is_null) else { continue };
            *number = Some(self.number(&format!("{}-{part}", message.place), schema).await?);
        }
        Ok(numbers)
    }

    async fn number(&self, subject: &str, schema: &Arc<str>) -> Result<u32, Refusal> {
        if let Some(answer) = self.known().answer(subject, schema) {
            return answer;
        }
        let _turn = self.asking.lock().await;
        // Who had the turn before may have asked the same.
        if let Some(answer) = self.known().answer(subject, schema) {
            return answer;
        }
        let answer = self.ask(subject, schema).await;
        self.known().take_in(subject, schema, &answer);
        answer.map_err(|denial| denial.refusal)
    }

    async fn ask(&self, subject: &str, schema: &str) -> Result<u32, Denial> {
        let question = Bytes::from(serde_json::json!({ "schema": schema }).to_string());
        let place = if self.register { format!("subjects/{subject}/versions") } else { format!("subjects/{subject}") };
        let bytes_max = ANSWER_BYTES_MAX + 2 * question.len();
        let answer = self.service.ask(&place, Some(&question), bytes_max).await;
        let answer = answer
            .map_err(|refusal| Denial::of_registry(Refusal { reason: format!("registry: {refusal}"), ..refusal }))?;
        let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
        let status = answer.status;
        let told = said.message.map_or_else(String::new, |text| format!(": {}", shortened(&text)));
        let refused = || format!("the registry refuses the schema of subject {subject} with {status}{told}");
        match (status.as_u16(), said.id) {
            (200..=299, Some(id)) => Ok(id),
            (200..=299, None) => Err(Denial::of_registry(passing(format!(
                "the registry answered {status} and no id; is `registry` the address of a schema registry?"
            )))),
            (409, _) => Err(Denial::of_schema(poison(format!(
                "{}; the new columns do not fit its compatibility rule: change the table, or relax the rule (PUT /config/{subject}), then \
                 replay the dead letters",
                refused()
            )))),
            // 400 is not among them: that is what a proxy says, or a server that waits for TLS.
            (413 | 422, _) if said.error_code != Some(READ_ONLY) => {
                Err(Denial::of_schema(poison(format!("{}; replay the dead letters when it takes it", refused()))))
            }
            (404, _) if !self.register => Err(Denial::of_schema(passing(format!(
                "the registry does not know the schema of subject {subject}; register it, or let sluicegate do it: registry.register = true"
            )))),
            (401, _) => Err(Denial::of_registry(passing(format!(
                "the registry answered {status}{told}; see `basic`, `bearer` or `oauth2` of `registry`"
            )))),
            (403, _) => Err(Denial::of_schema(passing(format!(
                "the registry answered {status}{told}; see `basic`, `bearer` or `oauth2` of `registry`, and who may write subject {subject}"
            )))),
            _ => Err(Denial::of_registry(Refusal {
                retry_after: answer.retry_after,
                ..passing(format!("the registry answered {status}{told}; see `registry` of the target"))
            })),
        }
    }

    async fn check(&self) -> Finding {
        match self.service.ask("subjects", None, ANSWER_BYTES_MAX).await {
            Ok(answer) if answer.status.is_success() && serde_json::from_slice::<Vec<String>>(&answer.body).is_ok() => {
                Finding::good("the schema registry answers")
            }
            // A list that is too long to be read whole is one as well.
            Ok(answer) if answer.status.is_success() && answer.body.starts_with(b"[\"") => {
                Finding::good("the schema registry answers")
            }
            Ok(answer) => Finding::bad(format!(
                "the registry answered {} to GET /subjects; see `registry` of the target",
                answer.status
            )),
            Err(refusal) => Finding::bad(format!("registry: {refusal}; see `registry` of the target")),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For `check --connect`: asks for something that changes nothing.
pub async fn check_registry(settings: RegistrySettings) -> Finding {
    match Registry::new(settings, &Clients::default()) {
        Ok(registry) => registry.check().await,
        Err(error) => Finding::bad(error.to_string()),
    }
}

/// What a registry answers: a number, or an error in words.
#[derive(Default, serde::Deserialize)]
struct Said {
    id: Option<u32>,
    error_code: Option<u32>,
    message: Option<String>,
}

/// One line, and not the whole schema.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect()
}

impl Known {
    /// What is known without asking.
    fn answer(&self, subject: &str, schema: &Arc<str>) -> Option<Result<u32, Refusal>> {
        // Mostly it is the very same text, and need not be read.
        let is_it = |known: &Arc<str>| Arc::ptr_eq(known, schema) || known == schema;
        let numbers = self.numbers.get(subject);
        if let Some((_, number)) = numbers.and_then(|all| all.iter().find(|(known, _)| is_it(known))) {
            return Some(Ok(*number));
        }
        let refused = self.refused.get(subject).and_then(|all| all.iter().find(|(known, ..)| is_it(known)));
        let of_schema = refused.filter(|(_, at, no)| at.elapsed() < pause(no)).map(|(.., refusal)| refusal);
        let of_all = self.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE_AFTER_FAILURE).map(|(_, no)| no);
        of_schema.or(of_all).map(|refusal| Err(refusal.clone()))
    }

    fn take_in(&mut self, subject: &str, schema: &Arc<str>, answer: &Result<u32, Denial>) {
        if self.len >= KNOWN_MAX {
            *self = Self::default();
        }
        self.failed = None;
        if let Some(refused) = self.refused.get_mut(subject) {
            refused.retain(|(known, at, no)| known != schema && at.elapsed() < pause(no));
        }
        match answer {
            Ok(number) => {
                self.len += 1;
                self.numbers.entry(subject.to_owned()).or_default().push((schema.clone(), *number));
            }
            Err(Denial { refusal, is_of_schema: true }) => {
                self.len += 1;
                let refused = self.refused.entry(subject.to_owned()).or_default();
                refused.push((schema.clone(), Instant::now(), refusal.clone()));
            }
            Err(Denial { refusal, .. }) => self.failed = Some((Instant::now(), refusal.clone())),
        }
    }
}

/// What may be repaired is asked about again sooner than what is wrong for good.
fn pause(refusal: &Refusal) -> Duration {
    if refusal.fault == Fault::Poison { PAUSE_AFTER_REFUSAL } else { PAUSE_AFTER_FAILURE }
}

/// What stands in front of bytes whose schema has this number.
pub(super) fn head(number: u32) -> [u8; HEAD_LEN] {
    let [a, b, c, d] = number.to_be_bytes();
    [0, a, b, c, d]
}

/// Messages with the numbers of their schemas, as a flight takes them.
pub(super) struct Cargo<'a> {
    pub(super) messages: &'a [Message],
    /// Empty if no message has a schema.
    numbers: Vec<Numbers>,
}

impl<'a> Cargo<'a> {
    /// Asks for the numbers, and refuses messages that have none.
    pub(super) async fn load(
        registry: Option<&Registry>,
        messages: &'a [Message],
        outcomes: &mut [Result<(), Refusal>],
    ) -> Self {
        let mut cargo = Self { messages, numbers: Vec::new() };
        if !messages.iter().any(|message| message.form.has_schemas()) {
            return cargo;
        }
        cargo.numbers = vec![[None; 2]; messages.len()];
        // Neighbours mostly are of the same table.
        let mut last: Option<(&Message, Numbers)> = None;
        for (index, message) in messages.iter().enumerate() {
            if outcomes[index].is_err() || !message.form.has_schemas() {
                continue;
            }
            if let Some((_, numbers)) = last.filter(|(last, _)| is_alike(last, message)) {
                cargo.numbers[index] = numbers;
                continue;
            }
            let numbers = match registry {
                Some(registry) => registry.numbers(message).await,
                // Such as one that waited on disk while the configuration was edited.
                None => Err(passing(
                    "the record is Avro, and the target has no registry for its schema; add `registry` to it".into(),
                )),
            };
            match numbers {
                Ok(numbers) => {
                    cargo.numbers[index] = numbers;
                    last = Some((message, numbers));
                }
                Err(refusal) => outcomes[index] = Err(refusal),
            }
        }
        cargo
    }

    pub(super) fn numbers(&self, index: usize) -> Numbers {
        self.numbers.get(index).copied().unwrap_or_default()
    }
}

/// Whether two messages have the same numbers, without reading their schemas.
fn is_alike(one: &Message, other: &Message) -> bool {
    let is_same = |one: &Option<Arc<str>>, other: &Option<Arc<str>>| match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    };
    let (form, other_form) = (&one.form, &other.form);
    one.place == other.place
        && form.is_null == other_form.is_null
        && is_same(&form.key_schema, &other_form.key_schema)
        && is_same(&form.value_schema, &other_form.value_schema)
}
