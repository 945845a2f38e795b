//! Transactions as Debezium tells of them with `provide.transaction.metadata`: the block in each change that says which one it belongs
//! to, and the records of a topic of their own that say where each begins and what was in it.

use super::text::{put_int, put_string};
use super::{Debezium, EncodeError, Record};
use crate::change::{Notice, TransactionId};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::sync::Arc;

/// Where a change stands in its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    pub id: TransactionId,
    /// Among all changes of the transaction, from 1.
    pub total_order: u64,
    /// Among those of its table.
    pub data_collection_order: u64,
}

/// What was in a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    pub events: u64,
    /// By table, in the order in which they came.
    pub collections: Vec<(Arc<str>, u64)>,
}

/// The block's schema, as a field.
pub(super) const BLOCK: &str = "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},\
    {\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],\
    \"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"}";

const KEY: &str = "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"}],\
    \"optional\":false,\"name\":\"io.debezium.connector.common.TransactionMetadataKey\",\"version\":1},\"payload\":";
const VALUE: &str = "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"status\"},\
    {\"type\":\"string\",\"optional\":false,\"field\":\"id\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"event_count\"},\
    {\"type\":\"array\",\"items\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"data_collection\"},\
    {\"type\":\"int64\",\"optional\":false,\"field\":\"event_count\"}],\"optional\":true,\"name\":\"event.collection\",\"version\":1},\
    \"optional\":true,\"field\":\"data_collections\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"}],\
    \"optional\":false,\"name\":\"io.debezium.connector.common.TransactionMetadataValue\",\"version\":1},\"payload\":";

impl TransactionPlace {
    /// The next one of the same table, for the second record of a change that makes two.
    pub(super) fn next(&self) -> Self {
        let Self { id, total_order, data_collection_order } = self.clone();
        Self { id, total_order: total_order + 1, data_collection_order: data_collection_order + 1 }
    }

    /// The value of one of the block's fields, as JSON.
    pub(super) fn field(&self, name: &str) -> String {
        match name {
            "total_order" => self.total_order.to_string(),
            "data_collection_order" => self.data_collection_order.to_string(),
            _ => quoted(&self.id),
        }
    }
}

fn quoted(id: &TransactionId) -> String {
    let mut out = Vec::with_capacity(48);
    put_string(&mut out, &id.to_string());
    String::from_utf8(out).expect("made of text")
}

/// The block, null where nothing is known of a transaction.
pub(super) fn put_block(out: &mut Vec<u8>, place: Option<&TransactionPlace>) {
    let Some(TransactionPlace { id, total_order, data_collection_order }) = place else {
        return out.extend_from_slice(b"null");
    };
    out.extend_from_slice(b"{\"id\":");
    put_string(out, &id.to_string());
    out.extend_from_slice(b",\"total_order\":");
    put_int(out, *total_order as i64);
    out.extend_from_slice(b",\"data_collection_order\":");
    put_int(out, *data_collection_order as i64);
    out.push(b'}');
}

impl Debezium {
    /// Whether transactions are told of.
    pub fn tells_transactions(&self) -> bool {
        self.options.transactions
    }

    /// The record that says that a transaction began or, with its counts, that it ended.
    ///
    /// # Errors
    /// If it can not be written in Avro.
    pub fn transaction_record(
        &self,
        notice: &Notice,
        id: &TransactionId,
        counts: Option<&TransactionCounts>,
    ) -> Result<Record, EncodeError> {
        let id = quoted(id);
        let key = format!("{{\"id\":{id}}}");
        let status = if counts.is_some() { "END" } else { "BEGIN" };
        let mut value = format!("{{\"status\":\"{status}\",\"id\":{id},\"event_count\":").into_bytes();
        match counts {
            None => value.extend_from_slice(b"null,\"data_collections\":null"),
            Some(counts) => put_counts(&mut value, counts),
        }
        value.extend_from_slice(b",\"ts_ms\":");
        put_int(&mut value, notice.committed_at.saturating_add(UNIX_EPOCH_TO_2000_US).div_euclid(1_000));
        value.push(b'}');
        let topic = self.own_topic(&notice.schema, &self.options.transaction_topic);
        self.own_record(topic, (KEY, key.into_bytes()), (VALUE, value))
    }
}

fn put_counts(out: &mut Vec<u8>, counts: &TransactionCounts) {
    put_int(out, counts.events as i64);
    out.extend_from_slice(b",\"data_collections\":[");
    for (i, (name, events)) in counts.collections.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"{\"data_collection\":" } else { b",{\"data_collection\":" });
        put_string(out, name);
        out.extend_from_slice(b",\"event_count\":");
        put_int(out, *events as i64);
        out.push(b'}');
    }
    out.push(b']');
}
