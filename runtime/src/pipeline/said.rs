//! What a notice becomes for each kind of target. The templates of a route that takes notices name nothing of a row: that was looked at
//! when the configuration was read.

use super::notices::Said;
use super::shape::{Body, Draft, Shape, Written, avro, json, now_ns};
use crate::change::{Act, Headers, LogicalMessage, Notice, RecordForm, Template, Trim};
use crate::sink::format::debezium::{Debezium, Record, RecordKey, TransactionPlace};
use crate::sink::format::flat;
use bytes::Bytes;

impl Shape {
    /// `None` if the target has no place for it.
    ///
    /// # Errors
    /// A sentence, if it can not be written.
    pub(super) fn said(&self, notice: &Notice, said: &Said<'_>) -> Result<Option<Draft>, String> {
        match (said, self) {
            (Said::Begin(id), Shape::Record { debezium, .. }) => {
                let record = debezium.transaction_record(notice, id, None).map_err(|e| e.to_string())?;
                Ok(Some(own_record(record)))
            }
            (Said::End(id, counts), Shape::Record { debezium, .. }) => {
                let record = debezium.transaction_record(notice, id, Some(counts)).map_err(|e| e.to_string())?;
                Ok(Some(own_record(record)))
            }
            // Only Kafka has a topic for them; elsewhere each row says it.
            (Said::Begin(_) | Said::End(..), _) => Ok(None),
            (Said::SchemaChange(change), Shape::Record { debezium, .. }) => {
                let record = debezium.schema_change_record(notice, change, now_ns()).map_err(|e| e.to_string())?;
                let headers = record.headers.clone();
                Ok(Some(Draft { headers, ..own_record(record) }))
            }
            (Said::SchemaChange(_), _) => Ok(None),
            (Said::Message(message, place), _) => self.message(notice, message, place.as_ref()),
        }
    }

    fn message(
        &self,
        notice: &Notice,
        message: &LogicalMessage,
        place: Option<&TransactionPlace>,
    ) -> Result<Option<Draft>, String> {
        let said = (place, now_ns());
        if let Shape::Record { debezium, flat, topic, .. } = self {
            let mut record = debezium.message_record(notice, message, said).map_err(|e| e.to_string())?;
            if *flat {
                (record.value, record.form.value_schema) = (flat_message(notice, message), None);
            }
            record.topic = topic.as_ref().and_then(Template::literal).map(str::to_owned).or(record.topic);
            return Ok(Some(own_record(record)));
        }
        let body = match self.body() {
            Some(Body::Flat) => flat_message(notice, message),
            Some(Body::Debezium(debezium)) => {
                debezium.message_record(notice, message, said).map_err(|e| e.to_string())?.value
            }
            None => return Ok(None),
        };
        Ok(self.act().map(|(act, place)| {
            let place = place.and_then(Template::literal).unwrap_or_default().to_owned();
            // Messages of one prefix stay in order, as all that goes to one place of Redis does.
            let key = if matches!(act, Act::Request { .. }) { &message.prefix } else { &place };
            let key = Bytes::copy_from_slice(key.as_bytes());
            let Written { body, content_type, headers } = json(body);
            Draft { key, place, act, form: RecordForm::default(), body, content_type, headers }
        }))
    }

    /// Who writes its bodies in Debezium's form.
    pub(super) fn debezium(&self) -> Option<&Debezium> {
        match self {
            Shape::Record { debezium, flat: false, .. }
            | Shape::Request { body: Body::Debezium(debezium), .. }
            | Shape::Stream { body: Body::Debezium(debezium), .. }
            | Shape::Publish { body: Body::Debezium(debezium), .. }
            | Shape::List { body: Body::Debezium(debezium), .. } => Some(debezium),
            _ => None,
        }
    }

    pub(super) fn tells_transactions(&self) -> bool {
        self.debezium().is_some_and(Debezium::tells_transactions)
    }

    fn body(&self) -> Option<&Body> {
        match self {
            Shape::Request { body, .. }
            | Shape::Stream { body, .. }
            | Shape::Publish { body, .. }
            | Shape::List { body, .. } => Some(body),
            Shape::Record { .. } | Shape::Cache { .. } => None,
        }
    }

    /// What is done with a body, and where.
    fn act(&self) -> Option<(Act, Option<&Template>)> {
        Some(match self {
            Shape::Request { method, path, .. } => (Act::Request { method: method.clone() }, path.as_ref()),
            Shape::Stream { stream, max_len, .. } => (Act::Append { trim: max_len.map(Trim::Length) }, Some(stream)),
            Shape::Publish { channel, .. } => (Act::Publish, Some(channel)),
            Shape::List { list, .. } => (Act::Push, Some(list)),
            Shape::Record { .. } | Shape::Cache { .. } => return None,
        })
    }
}

pub(super) fn own_record(record: Record) -> Draft {
    let Record { topic, key, value, form, .. } = record;
    let key = key.map(|bytes| RecordKey { bytes, schema: form.key_schema.clone() });
    // Only Avro has its schema beside it.
    let written = if form.value_schema.is_some() { avro(value) } else { json(value) };
    let draft = Draft::record(topic.unwrap_or_default(), key, written, false);
    Draft { form, headers: Headers::default(), ..draft }
}

fn flat_message(notice: &Notice, message: &LogicalMessage) -> Bytes {
    let mut out = Vec::with_capacity(64 + message.content.len());
    flat::put_message(&mut out, message, notice.committed_at);
    out.into()
}
