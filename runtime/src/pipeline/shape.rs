//! What a row becomes for each kind of target: a request, a record, the value under a key, an entry of a stream.
//!
//! The ordering key is always the narrowest thing whose order a reader could notice: the parcel of a request, the key of a record
//! within its topic, the key of a cache, a whole stream.

use super::render::{Escape, default_key, render};
use super::route::{Filler, Routed, Unroutable};
use crate::change::{Act, CacheValue, Headers, Op, RecordForm, Template, Trim};
use crate::guest::Emitted;
use crate::sink::format::debezium::{self, Change, Debezium, RecordKey};
use crate::sink::format::scratch::Scratch;
use crate::sink::format::{ShownRow, avro, cache, flat};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// How a row is written, unless a guest writes it.
pub enum Body {
    Flat,
    Debezium(Box<Debezium>),
}

/// What a cache holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheForm {
    /// The row as one JSON object.
    Json,
    /// A hash with a field for each column.
    Hash,
    /// A template's text; without one only guests write values.
    Text(Option<Template>),
}

/// What a route makes, by the kind of its target.
pub enum Shape {
    Request {
        method: Arc<str>,
        path: Option<Template>,
        body: Body,
    },
    Record {
        /// Debezium's `prefix.schema.table` unless set.
        topic: Option<Template>,
        tombstones: bool,
        /// Names topics and makes keys, and bodies unless they are flat.
        debezium: Box<Debezium>,
        flat: bool,
    },
    Cache {
        key: Template,
        value: CacheForm,
    },
    Stream {
        stream: Template,
        max_len: Option<u64>,
        body: Body,
    },
    Publish {
        channel: Template,
        body: Body,
    },
    List {
        list: Template,
        body: Body,
    },
}

/// What contents are called, made once: all messages share them.
static JSON: LazyLock<Arc<str>> = LazyLock::new(|| flat::CONTENT_TYPE.into());
static AVRO: LazyLock<Arc<str>> = LazyLock::new(|| avro::CONTENT_TYPE.into());
static CLOUD: LazyLock<Arc<str>> = LazyLock::new(|| debezium::CLOUD_CONTENT_TYPE.into());
static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| "text/plain".into());
static UNNAMED: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// A message but for what all messages of a route share.
pub struct Draft {
    pub key: Bytes,
    pub place: String,
    pub act: Act,
    pub form: RecordForm,
    pub body: Bytes,
    pub content_type: Arc<str>,
    pub headers: Headers,
}

/// An encoded body.
pub(super) struct Written {
    pub(super) body: Bytes,
    pub(super) content_type: Arc<str>,
    /// Beside it, where there is a place for them.
    pub(super) headers: Headers,
}

impl Written {
    fn new(body: Bytes, content_type: Arc<str>) -> Self {
        Self { body, content_type, headers: Headers::default() }
    }
}

/// What the shapes are made from.
struct Making<'a> {
    routed: &'a Routed<'a>,
    emitted: Option<&'a Emitted>,
    /// The route's template for the key.
    key: Option<&'a Template>,
    filler: &'a Filler<'a>,
}

impl Shape {
    /// The row's messages to this route: mostly one.
    ///
    /// # Errors
    /// If a template can not be filled or a value can not be written.
    pub(super) fn drafts(
        &self,
        routed: &Routed<'_>,
        emitted: Option<&Emitted>,
        key: Option<&Template>,
        filler: &Filler<'_>,
    ) -> Result<Vec<Draft>, Unroutable> {
        let making = Making { routed, emitted, key, filler };
        match self {
            Shape::Request { method, path, body } => making.request(method, path.as_ref(), body),
            Shape::Record { topic, tombstones, debezium, flat } => {
                let drafts = if *flat || emitted.is_some_and(|e| e.body.is_some()) {
                    making.flat_records(topic.as_ref(), debezium)
                } else {
                    making.records(topic.as_ref(), debezium)
                };
                drafts.map(|drafts| drafts.into_iter().map(|draft| draft.tombstones(*tombstones)).collect())
            }
            Shape::Cache { key, value } => making.cache(key, value),
            Shape::Stream { stream, max_len, body } => {
                making.entry(stream, "the stream", Act::Append { trim: max_len.map(Trim::Length) }, body)
            }
            Shape::Publish { channel, body } => making.entry(channel, "the channel", Act::Publish, body),
            Shape::List { list, body } => making.entry(list, "the list", Act::Push, body),
        }
    }
}

impl<'a> Making<'a> {
    fn request(&self, method: &Arc<str>, path: Option<&Template>, body: &Body) -> Result<Vec<Draft>, Unroutable> {
        let key = match self.own_key("the key")? {
            Some(key) => key,
            None => default_key(&self.routed.shown).into(),
        };
        let place = match path {
            Some(template) => self.filler.fill(template, "the path", Escape::PathSegment)?,
            None => String::new(),
        };
        let Some(Written { body, content_type, headers }) = self.written(body)? else { return Ok(Vec::new()) };
        let act = Act::Request { method: method.clone() };
        Ok(vec![Draft { key, place, act, form: RecordForm::default(), body, content_type, headers }])
    }

    fn records(&self, topic: Option<&Template>, debezium: &Debezium) -> Result<Vec<Draft>, Unroutable> {
        let place = self.topic(topic, debezium)?;
        let own_key = self.text_key(debezium)?;
        let records = debezium.records(&self.change()).map_err(|e| self.filler.body(e))?;
        let content_type = content_type(debezium);
        let draft = |r: debezium::Record| {
            let place = r.topic.filter(|_| topic.is_none()).unwrap_or_else(|| place.clone());
            let key = own_key.clone().or(r.key.map(|bytes| RecordKey { bytes, schema: r.form.key_schema.clone() }));
            let value = Written::new(r.value, content_type.clone());
            let mut draft = Draft::record(place, key, value, r.tombstone);
            (draft.form.value_schema, draft.form.is_null) = (r.form.value_schema, r.form.is_null);
            Draft { headers: r.headers, ..draft }
        };
        Ok(records.into_iter().map(draft).collect())
    }

    /// Records with a flat body, or one that a guest made.
    fn flat_records(&self, topic: Option<&Template>, debezium: &Debezium) -> Result<Vec<Draft>, Unroutable> {
        let shown = &self.routed.shown;
        let place = self.topic(topic, debezium)?;
        let deleted = shown.row.head.op == Op::Delete;
        let mut drafts = Vec::with_capacity(1);
        let key = match self.text_key(debezium)? {
            Some(key) => Some(key),
            None => {
                let key = debezium.record_key(shown).map_err(|e| self.filler.body(e))?;
                let old_key = |before: &ShownRow<'a>| {
                    let old_key = debezium.record_key(before).ok().flatten().filter(|old| Some(old) != key.as_ref());
                    old_key.map(|old_key| (*before, old_key))
                };
                if self.emitted.is_none()
                    && let Some((before, old_key)) = self.moved_from(old_key)
                {
                    // The row has another key now: under the old one it is gone.
                    drafts.push(Draft::record(place.clone(), Some(old_key), encode_flat(&before), true));
                }
                key
            }
        };
        let Some(written) = self.written(&Body::Flat)? else { return Ok(drafts) };
        // Without a key there is nothing to bury.
        let tombstone = deleted && key.is_some();
        drafts.push(Draft::record(place, key, written, tombstone));
        Ok(drafts)
    }

    fn topic(&self, topic: Option<&Template>, debezium: &Debezium) -> Result<String, Unroutable> {
        match topic {
            Some(template) => self.filler.fill(template, "the topic", Escape::Plain),
            None => Ok(debezium.topic(self.routed.shown.schema)),
        }
    }

    fn cache(&self, key: &Template, value: &CacheForm) -> Result<Vec<Draft>, Unroutable> {
        let shown = &self.routed.shown;
        let op = shown.row.head.op;
        if op == Op::Truncate {
            let what = "a truncated table does not say which keys are to go; delete them, or the rows one by one";
            return Err(self.filler.body(what));
        }
        let place = match self.emitted.and_then(|e| e.key.as_ref()) {
            Some(key) => key.clone(),
            None => self.filler.fill(key, "the key", Escape::Plain)?,
        };
        let draft = |place: String, act, Written { body, content_type, .. }| Draft {
            key: Bytes::copy_from_slice(place.as_bytes()),
            place,
            act,
            form: RecordForm::default(),
            body,
            content_type,
            headers: Headers::default(),
        };
        let nothing = || Written::new(Bytes::new(), UNNAMED.clone());
        let mut drafts = Vec::with_capacity(1);
        let edited = |column: &str| {
            let edits = shown.edits.zip(shown.schema.column(column));
            edits.is_some_and(|(edits, index)| edits.of(index).is_some())
        };
        if self.emitted.is_none() && !key.columns().any(edited) {
            let old_key = |before: &ShownRow<'_>| render(key, before, Escape::Plain).ok().filter(|old| *old != place);
            if let Some(old) = self.moved_from(old_key) {
                drafts.push(draft(old, Act::Remove, nothing()));
            }
        }
        let made = self.emitted.is_some_and(|e| e.body.is_some());
        if op == Op::Delete && !made {
            drafts.push(draft(place, Act::Remove, nothing()));
            return Ok(drafts);
        }
        let guests = if made { self.written(&Body::Flat)? } else { None };
        let (value, written) = match (guests, value) {
            (Some(written), _) => (CacheValue::Text, written),
            (None, CacheForm::Json) => {
                let mut body = Scratch::lend();
                cache::put_object(&mut body, shown).map_err(|e| self.filler.body(e))?;
                (CacheValue::Text, json(body.bytes()))
            }
            (None, CacheForm::Hash) => {
                let mut body = Scratch::lend();
                cache::put_hash(&mut body, shown);
                (CacheValue::Hash, Written::new(body.bytes(), UNNAMED.clone()))
            }
            (None, CacheForm::Text(Some(template))) => {
                let text = self.filler.fill(template, "the value", Escape::Plain)?;
                (CacheValue::Text, Written::new(text.into(), TEXT.clone()))
            }
            (None, CacheForm::Text(None)) => {
                return Err(self.filler.body("the route has no `text`, and no guest made the value"));
            }
        };
        drafts.push(draft(place, Act::Put { value }, written));
        Ok(drafts)
    }

    /// What is kept in the order of the log, whatever row it is of.
    fn entry(&self, place: &Template, what: &'static str, act: Act, body: &Body) -> Result<Vec<Draft>, Unroutable> {
        let place = self.filler.fill(place, what, Escape::Plain)?;
        let key = Bytes::copy_from_slice(place.as_bytes());
        let Some(Written { body, content_type, .. }) = self.written(body)? else { return Ok(Vec::new()) };
        Ok(vec![Draft {
            key,
            place,
            act,
            form: RecordForm::default(),
            body,
            content_type,
            headers: Headers::default(),
        }])
    }

    /// The key that a guest or the route names.
    fn own_key(&self, what: &'static str) -> Result<Option<Bytes>, Unroutable> {
        if let Some(key) = self.emitted.and_then(|e| e.key.as_ref()) {
            return Ok(Some(Bytes::copy_from_slice(key.as_bytes())));
        }
        self.key.map(|template| self.filler.fill(template, what, Escape::Plain).map(Bytes::from)).transpose()
    }

    /// The same as a record's key.
    fn text_key(&self, debezium: &Debezium) -> Result<Option<RecordKey>, Unroutable> {
        if let Some(key) = self.emitted.and_then(|e| e.key.as_ref()) {
            return Ok(Some(debezium.text_key(key.clone())));
        }
        let text = self.key.map(|template| self.filler.fill(template, "the record's key", Escape::Plain));
        Ok(text.transpose()?.map(|text| debezium.text_key(text)))
    }

    /// The body; `None` if the row has none in this form, as a truncated table by Debezium's defaults.
    fn written(&self, body: &Body) -> Result<Option<Written>, Unroutable> {
        if let Some((content_type, body)) = self.emitted.and_then(|e| e.body.as_ref()) {
            return Ok(Some(Written::new(body.clone(), content_type.as_str().into())));
        }
        match body {
            Body::Flat => Ok(Some(encode_flat(&self.routed.shown))),
            Body::Debezium(debezium) => {
                let mut records = debezium.records(&self.change()).map_err(|e| self.filler.body(e))?;
                // Where there are no keys, a change of the key is an update like others: its last record is the new row.
                let last = records.pop().filter(|last| !last.form.is_null);
                Ok(last.map(|r| {
                    // Those about the connector are for who reads its topics.
                    let headers = r.headers.iter().filter(|(name, _)| !name.starts_with("__debezium."));
                    let headers = headers.cloned().collect();
                    Written { headers, ..Written::new(r.value, content_type(debezium)) }
                }))
            }
        }
    }

    fn change(&self) -> Change<'a> {
        let Routed { batch, row, shown, .. } = self.routed;
        Change {
            shown,
            mark: self.routed.mark(),
            previous_end: batch.previous_end(*row),
            event: batch.event_of(*row),
            index: *row,
            transaction: self.routed.transaction,
            now_ns: now_ns(),
        }
    }

    /// What `pick` makes of the row as it was before an update, if the log says how it was.
    fn moved_from<T>(&self, pick: impl FnOnce(&ShownRow<'a>) -> Option<T>) -> Option<T> {
        let ShownRow { schema, row, .. } = self.routed.shown;
        if row.head.op != Op::Update || row.old_len() == 0 {
            return None;
        }
        let mut before = row;
        before.head.op = Op::Delete;
        pick(&ShownRow { schema, row: before, edits: None })
    }
}

impl Draft {
    pub(super) fn record(topic: String, key: Option<RecordKey>, written: Written, tombstone: bool) -> Self {
        let Written { body, content_type, .. } = written;
        let (key, key_schema) = key.map_or((None, None), |key| (Some(key.bytes), key.schema));
        let order = order_within(&topic, key.as_deref());
        let act = Act::Record { tombstone, key };
        let form = RecordForm { key_schema, ..RecordForm::default() };
        Self { key: order, place: topic, act, form, body, content_type, headers: Headers::default() }
    }

    /// Takes the tombstone back unless they are `wanted`.
    fn tombstones(mut self, wanted: bool) -> Self {
        if let Act::Record { tombstone, .. } = &mut self.act {
            *tombstone &= wanted;
        }
        self
    }
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

/// What values are called.
fn content_type(debezium: &Debezium) -> Arc<str> {
    match debezium.content_type() {
        avro::CONTENT_TYPE => AVRO.clone(),
        debezium::CLOUD_CONTENT_TYPE => CLOUD.clone(),
        _ => JSON.clone(),
    }
}

pub(super) fn json(body: Bytes) -> Written {
    Written::new(body, JSON.clone())
}

pub(super) fn avro(body: Bytes) -> Written {
    Written::new(body, AVRO.clone())
}

fn order_within(topic: &str, key: Option<&[u8]>) -> Bytes {
    let key = key.unwrap_or_default();
    let mut order = Vec::with_capacity(topic.len() + 1 + key.len());
    order.extend_from_slice(topic.as_bytes());
    order.push(0);
    order.extend_from_slice(key);
    order.into()
}

fn encode_flat(shown: &ShownRow<'_>) -> Written {
    let mut body = Scratch::lend();
    flat::put_row(&mut body, shown);
    json(body.bytes())
}
