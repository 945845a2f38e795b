//! What a lane carries: encoded bytes with everything that a sink must know. It is not made again after a reload.

use super::{Op, RowMark, Schema};
use bytes::Bytes;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The same on every attempt and after every restart: made from source, position and index, never drawn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub Arc<str>);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sink is to do with a message. A route makes only what its target's kind can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// HTTP; the place is the path.
    Request { method: Arc<str> },
    /// Kafka; the place is the topic. A tombstone follows the record itself when asked for.
    Record { key: Option<Bytes>, tombstone: bool },
    /// Redis; the place is the key. What the body is becomes the value, unless something newer was there.
    Put { value: CacheValue },
    /// Redis; the place is the key, which goes away unless something newer is there. The body is empty.
    Remove,
    /// Redis; the place is a stream, the body its entry.
    Append { trim: Option<Trim> },
    /// Redis; the place is a channel.
    Publish,
    /// Redis; the place is a list.
    Push,
}

impl Act {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Act::Request { .. } => "an HTTP API",
            Act::Record { .. } => "a Kafka topic",
            Act::Put { .. } | Act::Remove => "a cache",
            Act::Append { .. } => "a stream",
            Act::Publish => "a channel",
            Act::Push => "a list",
        }
    }
}

impl Default for Act {
    fn default() -> Self {
        Self::Request { method: "POST".into() }
    }
}

/// What is said of a record's bytes beside the bytes. A handle, for the most part: all records of a table share the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordForm {
    /// The schema that a registry has to know the key by. `None`: the key goes as it is.
    pub key_schema: Option<Arc<str>>,
    /// The same for the value.
    pub value_schema: Option<Arc<str>>,
    /// The value is Kafka's null, and the body empty: the record is itself a tombstone.
    pub is_null: bool,
}

impl RecordForm {
    /// Whether a registry is asked before the record can go.
    pub fn has_schemas(&self) -> bool {
        self.key_schema.is_some() || self.value_schema.is_some()
    }
}

/// What a row becomes under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheValue {
    /// The body, as a string.
    Text,
    /// A hash; the body is [`put_pair`]'s.
    Hash,
}

/// Where a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// Keeps about so many entries.
    Length(u64),
    /// Keeps entries that are younger, in milliseconds, by the change's commit.
    Age(u64),
}

/// The row that a message was made from, or the notice.
#[derive(Clone, Debug)]
pub struct Origin {
    pub schema: Arc<Schema>,
    /// What happened to the row; `None` of a message that was made of no row.
    pub op: Option<Op>,
    pub mark: RowMark,
    /// Counts the messages that one route made of the row.
    pub index: u32,
    /// Counts the messages that the row's pipeline made of it, whatever their route.
    pub nth: u32,
    /// Somebody had it sent again: that its place in the log was passed long ago does not mean that it was delivered.
    pub again: bool,
}

/// Where a message stands among all that its source sends through its pipeline; the later one is the greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub epoch: u32,
    pub commit: u64,
    pub change: u64,
    pub sub: u32,
    pub nth: u32,
}

/// Orders what one source says of one thing: the newer change is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowVersion {
    pub epoch: u32,
    pub commit: u64,
    pub change: u64,
    pub sub: u32,
    pub index: u32,
}

impl Default for Origin {
    fn default() -> Self {
        let mark = RowMark { commit: 0, change: 0, sub: 0, transaction: 0 };
        Self { schema: Arc::default(), op: Some(Op::Insert), mark, index: 0, nth: 0, again: false }
    }
}

impl Origin {
    pub fn version(&self) -> RowVersion {
        let RowMark { commit, change, sub, .. } = self.mark;
        RowVersion { epoch: self.schema.database.epoch, commit, change, sub, index: self.index }
    }

    /// For people, and for those who tell messages apart by it.
    pub fn op_name(&self) -> &'static str {
        self.op.map_or("notice", Op::name)
    }

    pub fn place(&self) -> Place {
        let RowMark { commit, change, sub, .. } = self.mark;
        Place { epoch: self.schema.database.epoch, commit, change, sub, nth: self.nth }
    }
}

/// A name and a value.
pub type Header = (Arc<str>, String);

/// Names and values beside a body, in order. A handle: what is the same for all rows of a table is made once and shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<[Header]>>);

impl From<Vec<Header>> for Headers {
    fn from(headers: Vec<Header>) -> Self {
        Self((!headers.is_empty()).then(|| headers.into()))
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        headers.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Headers {
    type Target = [Header];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One message to one lane. A handle: moving it moves a pointer and a clone shares the content, because a message is moved from
/// room to room many times, and is in flight and on its way to the disk at the same time.
#[derive(Clone, Debug)]
pub struct Message(Arc<Content>);

/// What a message says.
#[derive(Clone, Debug)]
pub struct Content {
    pub id: MessageId,
    /// Messages of one lane with equal keys are delivered in order.
    pub key: Bytes,
    pub body: Bytes,
    pub content_type: Arc<str>,
    pub headers: Headers,
    /// What the route says about where: the path of an HTTP request, a topic, a key. Empty if the route says nothing.
    pub place: String,
    pub act: Act,
    /// Of a record.
    pub form: RecordForm,
    pub origin: Origin,
    /// When the change was committed: microseconds since the Unix epoch, by the database's clock.
    pub committed_at_us: i64,
}

impl From<Content> for Message {
    fn from(content: Content) -> Self {
        Self(Arc::new(content))
    }
}

impl Deref for Message {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0
    }
}

/// A clone that shares the content keeps what it had.
impl DerefMut for Message {
    fn deref_mut(&mut self) -> &mut Content {
        Arc::make_mut(&mut self.0)
    }
}

impl Content {
    /// A message that says nothing yet but which one it is, in which order it goes and where it comes from.
    pub fn new(id: MessageId, key: Bytes, origin: Origin) -> Self {
        Self {
            id,
            key,
            body: Bytes::new(),
            content_type: "".into(),
            headers: Headers::default(),
            place: String::new(),
            act: Act::default(),
            form: RecordForm::default(),
            origin,
            committed_at_us: 0,
        }
    }

    /// What the message takes of a lane's memory and of its disk: bytes and an estimate for the structures around them. Schemas count
    /// with each message: on disk each has them, and in memory nobody knows how many others share them.
    pub fn byte_len(&self) -> usize {
        const AROUND: usize = 320;
        let headers: usize = self.headers.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        let record = match &self.act {
            Act::Record { key: Some(key), .. } => key.len(),
            _ => 0,
        };
        let schemas = [&self.form.key_schema, &self.form.value_schema].into_iter().flatten();
        let record = record + schemas.map(|schema| schema.len()).sum::<usize>();
        AROUND + record + self.id.0.len() + self.key.len() + self.body.len() + self.place.len() + headers
    }
}

/// Appends a field and its value as [`CacheValue::Hash`] bodies hold them: for both, the length as u32, little-endian, then the bytes.
pub fn put_pair(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    for part in [field, value] {
        let len = u32::try_from(part.len()).expect("a value is shorter than 4 GiB");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(part);
    }
}

/// The fields and values of a body that [`put_pair`] wrote; ends early if it did not.
pub fn pairs(mut body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    fn take<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (len, rest) = body.split_at_checked(4)?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)?;
        *body = rest;
        Some(part)
    }
    std::iter::from_fn(move || Some((take(&mut body)?, take(&mut body)?)))
}
