//! How messages and rows are written down: what people look for in columns of their own, key and body as they are, and the rest
//! as one JSON object. A field that is not there has its default, and one that is not known is passed over, so that the format
//! can grow.

use super::schema::{DatabaseText, SchemaText};
use crate::change::{
    Act, CacheValue, Content, Database, Message, MessageId, Op, Origin, RecordForm, RowMark, Schema, Trim,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Texts and tables that are shared by what is loaded; more than so many are forgotten together.
const SHARED_MAX: usize = 4_096;

/// Where others say what happened to the row: a message that was made of none.
const NOTICE: u8 = u8::MAX;

/// What a message says beside id, key and body.
#[derive(Serialize, Deserialize)]
struct MessageText<'a> {
    #[serde(borrow)]
    table: TableText<'a>,
    op: u8,
    mark: MarkText,
    #[serde(default, skip_serializing_if = "is_default")]
    index: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    nth: u32,
    #[serde(borrow)]
    act: ActText<'a>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    place: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    content_type: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(default, skip_serializing_if = "is_default")]
    committed_at_us: i64,
}

/// As much of a schema as sinks ask for.
#[derive(Serialize, Deserialize)]
struct TableText<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    database: DatabaseText<'a>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct MarkText {
    commit: u64,
    change: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    sub: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    transaction: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActText<'a> {
    Request {
        #[serde(borrow)]
        method: Cow<'a, str>,
    },
    Record {
        #[serde(borrow)]
        key: Option<KeyText<'a>>,
        #[serde(default, skip_serializing_if = "is_default")]
        tombstone: bool,
        /// Schemas are written with each message: as much as the same record takes in JSON with its schema.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        key_schema: Option<Cow<'a, str>>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        value_schema: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "is_default")]
        is_null: bool,
    },
    PutText,
    PutHash,
    Remove,
    Append {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        age_ms: Option<u64>,
    },
    Publish,
    Push,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyText<'a> {
    /// The message's own.
    Same,
    Base64(#[serde(borrow)] Cow<'a, str>),
}

/// A row that became no message, beside its frame.
#[derive(Serialize, Deserialize)]
struct RowText<'a> {
    mark: MarkText,
    #[serde(borrow)]
    schema: SchemaText<'a>,
}

/// Left out: most messages have most of them.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<RowMark> for MarkText {
    fn from(RowMark { commit, change, sub, transaction }: RowMark) -> Self {
        Self { commit, change, sub, transaction }
    }
}

impl From<MarkText> for RowMark {
    fn from(MarkText { commit, change, sub, transaction }: MarkText) -> Self {
        Self { commit, change, sub, transaction }
    }
}

pub(super) fn write_message(message: &Content) -> String {
    let schema = &*message.origin.schema;
    let text = MessageText {
        table: TableText {
            source: Cow::Borrowed(&schema.source),
            database: DatabaseText::of(&schema.database),
            namespace: Cow::Borrowed(&schema.namespace),
            name: Cow::Borrowed(&schema.table),
        },
        op: message.origin.op.map_or(NOTICE, |op| op as u8),
        mark: message.origin.mark.into(),
        index: message.origin.index,
        nth: message.origin.nth,
        act: write_act(message),
        place: Cow::Borrowed(&message.place),
        content_type: Cow::Borrowed(&message.content_type),
        headers: message.headers.iter().map(|(n, v)| (Cow::Borrowed(&**n), Cow::Borrowed(&**v))).collect(),
        committed_at_us: message.committed_at_us,
    };
    serde_json::to_string(&text).expect("texts and numbers can be written as JSON")
}

fn write_act(message: &Content) -> ActText<'_> {
    match &message.act {
        Act::Request { method } => ActText::Request { method: Cow::Borrowed(method) },
        Act::Record { key, tombstone } => {
            let key = key.as_ref().map(|key| match *key == message.key {
                true => KeyText::Same,
                false => KeyText::Base64(Cow::Owned(STANDARD.encode(key))),
            });
            let RecordForm { key_schema, value_schema, is_null } = &message.form;
            ActText::Record {
                key,
                tombstone: *tombstone,
                key_schema: key_schema.as_deref().map(Cow::Borrowed),
                value_schema: value_schema.as_deref().map(Cow::Borrowed),
                is_null: *is_null,
            }
        }
        Act::Put { value: CacheValue::Text } => ActText::PutText,
        Act::Put { value: CacheValue::Hash } => ActText::PutHash,
        Act::Remove => ActText::Remove,
        Act::Append { trim } => match *trim {
            None => ActText::Append { length: None, age_ms: None },
            Some(Trim::Length(length)) => ActText::Append { length: Some(length), age_ms: None },
            Some(Trim::Age(age_ms)) => ActText::Append { length: None, age_ms: Some(age_ms) },
        },
        Act::Publish => ActText::Publish,
        Act::Push => ActText::Push,
    }
}

fn read_act(act: ActText<'_>, key_of_message: &Bytes, shared: &mut Shared) -> Result<(Act, RecordForm), String> {
    let mut read = RecordForm::default();
    let act = match act {
        ActText::Request { method } => Act::Request { method: shared.text(&method) },
        ActText::Record { key, tombstone, key_schema, value_schema, is_null } => {
            let mut text = |schema: Option<Cow<'_, str>>| schema.map(|text| shared.text(&text));
            read = RecordForm { key_schema: text(key_schema), value_schema: text(value_schema), is_null };
            let key = match key {
                None => None,
                Some(KeyText::Same) => Some(key_of_message.clone()),
                Some(KeyText::Base64(text)) => {
                    Some(STANDARD.decode(&*text).map_err(|_| "its record key is not base64")?.into())
                }
            };
            Act::Record { key, tombstone }
        }
        ActText::PutText => Act::Put { value: CacheValue::Text },
        ActText::PutHash => Act::Put { value: CacheValue::Hash },
        ActText::Remove => Act::Remove,
        ActText::Append { length: Some(length), .. } => Act::Append { trim: Some(Trim::Length(length)) },
        ActText::Append { age_ms: Some(age), .. } => Act::Append { trim: Some(Trim::Age(age)) },
        ActText::Append { .. } => Act::Append { trim: None },
        ActText::Publish => Act::Publish,
        ActText::Push => Act::Push,
    };
    Ok((act, read))
}

/// What [`write_message`] wrote, with the columns beside it.
pub(super) fn read_message(
    text: &str,
    id: &str,
    [key, body]: [&[u8]; 2],
    shared: &mut Shared,
) -> Result<Message, String> {
    let text: MessageText<'_> = serde_json::from_str(text).map_err(|e| format!("what it says can not be read: {e}"))?;
    let key = Bytes::copy_from_slice(key);
    let (act, form) = read_act(text.act, &key, shared)?;
    Ok(Message::from(Content {
        id: MessageId(id.into()),
        act,
        form,
        key,
        body: Bytes::copy_from_slice(body),
        content_type: shared.text(&text.content_type),
        headers: text.headers.into_iter().map(|(n, v)| (shared.text(&n), v.into_owned())).collect(),
        place: text.place.into_owned(),
        origin: Origin {
            schema: shared.table(&text.table),
            op: (text.op != NOTICE).then(|| Op::from_byte(text.op)).transpose().map_err(|e| e.to_string())?,
            mark: text.mark.into(),
            index: text.index,
            nth: text.nth,
            // A lane asks only of what arrives.
            again: false,
        },
        committed_at_us: text.committed_at_us,
    }))
}

/// Which table a message came from, as globs see it; empty if it came from none.
pub(super) fn table_of(message_text: &str) -> Option<String> {
    let text: MessageText<'_> = serde_json::from_str(message_text).ok()?;
    if text.table.name.is_empty() {
        return Some(String::new());
    }
    Some(format!("{}.{}", text.table.namespace, text.table.name))
}

pub(super) fn write_row(mark: RowMark, schema: &Schema) -> String {
    let text = RowText { mark: mark.into(), schema: SchemaText::of(schema) };
    serde_json::to_string(&text).expect("texts and numbers can be written as JSON")
}

pub(super) fn read_row(text: &str) -> Result<(RowMark, Arc<Schema>), String> {
    let text: RowText<'_> = serde_json::from_str(text).map_err(|e| format!("its table can not be read: {e}"))?;
    Ok((text.mark.into(), Arc::new(text.schema.read()?)))
}

/// What many messages have in common, so that it is in memory once.
#[derive(Default)]
pub(super) struct Shared {
    texts: HashSet<Arc<str>>,
    tables: HashMap<String, Arc<Schema>>,
    /// Where a table's name is put together, to look for it.
    name: String,
}

impl Shared {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= SHARED_MAX {
            self.texts.clear();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn table(&mut self, table: &TableText<'_>) -> Arc<Schema> {
        let TableText { source, database, namespace, name } = table;
        self.name.clear();
        for part in [&**source, database.name(), &**namespace, &**name] {
            self.name.push_str(part);
            self.name.push('\0');
        }
        if let Some(known) = self.tables.get(&self.name).filter(|schema| database.is(&schema.database)) {
            return known.clone();
        }
        if self.tables.len() >= SHARED_MAX {
            self.tables.clear();
        }
        let schema = Arc::new(Schema {
            source: source.to_string(),
            database: Arc::new(Database::from(database)),
            namespace: namespace.to_string(),
            table: name.to_string(),
            ..Schema::default()
        });
        self.tables.insert(self.name.clone(), schema.clone());
        schema
    }
}
