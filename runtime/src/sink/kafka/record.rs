//! A message as Kafka's records: topic, key, value, headers, time.

use super::Refusal;
use super::answer::poison;
use super::flight::Receipt;
use super::producer::Record;
use super::registry::{self, Numbers};
use crate::change::digits::{put_int, put_uint};
use crate::change::{Act, DatabaseKind, Lsn, Message};
use rdkafka::message::{Header, OwnedHeaders};
use std::io::Write;

/// Kafka's own limit.
const TOPIC_LEN_MAX: usize = 249;

/// Headers about the change, beside those of the message.
const OWN_HEADERS: usize = 8;

/// Whether Kafka takes it as the name of a topic.
///
/// # Errors
/// A sentence with the rule.
pub fn check_topic(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > TOPIC_LEN_MAX || name == "." || name == ".." || !name.chars().all(fits) {
        return Err(format!(
            "{:?} can not be a topic's name: 1 to {TOPIC_LEN_MAX} letters, digits, `.`, `_` and `-`",
            name.chars().take(60).collect::<String>()
        ));
    }
    Ok(())
}

/// Which messages can be made into records at all.
pub(super) fn check_all<'a>(messages: &'a [Message]) -> Vec<Result<(), Refusal>> {
    // Neighbours mostly go to the same topic.
    let mut good = "";
    let look = |message: &'a Message| {
        check(message, good)?;
        good = &message.place;
        Ok(())
    };
    messages.iter().map(look).collect()
}

fn check(message: &Message, good_topic: &str) -> Result<(), Refusal> {
    match &message.act {
        Act::Record { .. } if !good_topic.is_empty() && message.place == good_topic => Ok(()),
        Act::Record { .. } => check_topic(&message.place).map_err(poison),
        other => Err(poison(format!("the message is made for {}, and this is a Kafka topic", other.name()))),
    }
}

/// Makes the records of messages.
pub(super) struct Clerk {
    own_headers: bool,
    commit_time: bool,
    text: Vec<u8>,
    /// A key and a value behind the numbers of their schemas.
    headed: [Vec<u8>; 2],
}

impl Clerk {
    pub(super) fn new(own_headers: bool, commit_time: bool) -> Self {
        Self { own_headers, commit_time, text: Vec::new(), headed: Default::default() }
    }

    /// The record of a message that [`check_all`] let pass.
    pub(super) fn record<'a>(
        &'a mut self,
        message: &'a Message,
        numbers: Numbers,
        receipt: Box<Receipt>,
    ) -> Record<'a> {
        if message.form.is_null {
            return self.tombstone(message, numbers, receipt);
        }
        let content_type = Some(&*message.content_type).filter(|text| !text.is_empty());
        let headers = self.headers(message, content_type);
        let time = self.time(message);
        let [key, value] = self.parts(message, numbers);
        Record { payload: value, key, ..plain(message, time, headers, receipt) }
    }

    /// Whether a tombstone stands behind it.
    pub(super) fn has_tombstone(message: &Message) -> bool {
        matches!(message.act, Act::Record { tombstone: true, .. })
    }

    pub(super) fn tombstone<'a>(
        &'a mut self,
        message: &'a Message,
        numbers: Numbers,
        receipt: Box<Receipt>,
    ) -> Record<'a> {
        let headers = self.headers(message, None);
        let time = self.time(message);
        let [key, _] = self.parts(message, numbers);
        Record { key, ..plain(message, time, headers, receipt) }
    }

    /// Milliseconds since 1970; librdkafka takes its own time for 0, and so for a change without a time.
    fn time(&self, message: &Message) -> i64 {
        if self.commit_time { (message.committed_at_us / 1000).max(0) } else { 0 }
    }

    /// Key and value, behind the numbers of their schemas if they have them.
    fn parts<'a>(&'a mut self, message: &'a Message, numbers: Numbers) -> [Option<&'a [u8]>; 2] {
        let key = match &message.act {
            Act::Record { key, .. } => key.as_deref(),
            _ => None,
        };
        let parts = [key, Some(&*message.body)];
        for ((headed, number), part) in self.headed.iter_mut().zip(numbers).zip(parts) {
            if let (Some(number), Some(part)) = (number, part) {
                headed.clear();
                headed.extend_from_slice(&registry::head(number));
                headed.extend_from_slice(part);
            }
        }
        let [headed_key, headed_value] = &self.headed;
        let pick = |part: Option<&'a [u8]>, number: Option<u32>, headed: &'a [u8]| match number {
            Some(_) => part.map(|_| headed),
            None => part,
        };
        [pick(parts[0], numbers[0], headed_key), pick(parts[1], numbers[1], headed_value)]
    }

    fn headers(&mut self, message: &Message, content_type: Option<&str>) -> Option<OwnedHeaders> {
        let own = if self.own_headers { OWN_HEADERS } else { 0 };
        if own + message.headers.len() == 0 {
            return None;
        }
        let mut headers = OwnedHeaders::new_with_capacity(own + message.headers.len());
        if self.own_headers {
            headers = self.with_own(headers, message);
            let is_given = message.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if let Some(content_type) = content_type.filter(|_| !is_given) {
                headers = put(headers, "content-type", content_type.as_bytes());
            }
        }
        Some(message.headers.iter().fold(headers, |headers, (name, value)| put(headers, name, value.as_bytes())))
    }

    /// `sluicegate.position` and `.transaction` are the database's own: a log position and a number of PostgreSQL, the ordinal of a
    /// transaction in a binary log.
    fn with_own(&mut self, mut headers: OwnedHeaders, message: &Message) -> OwnedHeaders {
        let schema = &*message.origin.schema;
        let mark = &message.origin.mark;
        headers = put(headers, "sluicegate.id", message.id.0.as_bytes());
        headers = put(headers, "sluicegate.source", schema.source.as_bytes());
        if !schema.table.is_empty() {
            let table = [&schema.namespace, ".", &schema.table];
            headers = put(
                headers,
                "sluicegate.table",
                self.text(|out| table.iter().for_each(|part| out.extend(part.as_bytes()))),
            );
        }
        headers = put(headers, "sluicegate.op", message.origin.op_name().as_bytes());
        let position = self.text(|out| match schema.database.kind {
            DatabaseKind::Postgres => write!(out, "{}", Lsn(mark.commit)).expect("a vector takes any length"),
            DatabaseKind::Mysql | DatabaseKind::Mariadb => put_uint(out, mark.commit),
        });
        headers = put(headers, "sluicegate.position", position);
        if mark.transaction != 0 {
            headers = put(headers, "sluicegate.transaction", self.text(|out| put_uint(out, mark.transaction.into())));
        }
        put(headers, "sluicegate.ts_us", self.text(|out| put_int(out, message.committed_at_us)))
    }

    fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.text.clear();
        write(&mut self.text);
        &self.text
    }
}

/// Without key and value.
fn plain<'a>(message: &'a Message, time: i64, headers: Option<OwnedHeaders>, receipt: Box<Receipt>) -> Record<'a> {
    Record {
        topic: &message.place,
        partition: None,
        payload: None,
        key: None,
        timestamp: Some(time),
        headers,
        delivery_opaque: receipt,
    }
}

fn put(headers: OwnedHeaders, name: &str, value: &[u8]) -> OwnedHeaders {
    headers.insert(Header { key: name, value: Some(value) })
}
