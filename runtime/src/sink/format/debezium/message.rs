//! Messages that programs wrote into PostgreSQL's log (`pg_logical_emit_message`), as Debezium's connector tells of them.

use super::source;
use super::text::{put_int, put_string};
use super::transaction::{self, TransactionPlace, put_block};
use super::value::put_bytes;
use super::{Change, Debezium, EncodeError, Record};
use crate::change::{DatabaseKind, FrameBuf, LogicalMessage, Notice, Op, RowHead, RowMark};
use crate::sink::format::ShownRow;

/// The end of the messages' topic; and what they are called where tables have names, for which Debezium has the address of an object.
pub const MESSAGE_COLLECTION: &str = "message";

const KEY: &str = "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":true,\"field\":\"prefix\"}],\
    \"optional\":false,\"name\":\"io.debezium.connector.postgresql.MessageKey\",\"version\":1},\"payload\":";

impl Debezium {
    /// The record of a message; `transaction` is where it stands in its own, if it has one and that is told of.
    ///
    /// # Errors
    /// If it can not be written in Avro.
    pub fn message_record(
        &self,
        notice: &Notice,
        message: &LogicalMessage,
        (transaction, now_ns): (Option<&TransactionPlace>, i64),
    ) -> Result<Record, EncodeError> {
        let mut key = b"{\"prefix\":".to_vec();
        put_string(&mut key, &message.prefix);
        key.push(b'}');
        let mut value = b"{\"op\":\"m\",\"ts_ms\":".to_vec();
        put_int(&mut value, now_ns.div_euclid(1_000_000));
        value.extend_from_slice(b",\"source\":");
        self.put_source(&mut value, notice, message);
        value.extend_from_slice(b",\"transaction\":");
        put_block(&mut value, transaction);
        value.extend_from_slice(b",\"message\":{\"prefix\":");
        put_string(&mut value, &message.prefix);
        value.extend_from_slice(b",\"content\":");
        put_bytes(&mut value, self.options.binary, 0, &message.content);
        value.extend_from_slice(b"}}");
        let topic = self.own_topic(&notice.schema, MESSAGE_COLLECTION);
        let schema = if self.options.has_schemas() { self.message_schema() } else { String::new() };
        self.own_record(topic, (KEY, key), (&schema, value))
    }

    /// The block that a row would have here.
    fn put_source(&self, out: &mut Vec<u8>, notice: &Notice, message: &LogicalMessage) {
        let mut frame = FrameBuf::new();
        frame.rows.push(RowHead {
            schema: 0,
            op: Op::Insert,
            old_is_key: false,
            first_cell: 0,
            new_cells: 0,
            old_cells: 0,
            committed_at: notice.committed_at,
            position: message.lsn,
        });
        let row = frame.row(0).expect("a row without cells is within its frame");
        let shown = ShownRow { schema: &notice.schema, row, edits: None };
        let mark = RowMark { change: message.lsn, ..notice.mark };
        let change = Change {
            shown: &shown,
            mark: &mark,
            previous_end: message.previous_end,
            event: None,
            index: 0,
            transaction: None,
            now_ns: 0,
        };
        source::Parts::new(&notice.schema, self.prefix(&notice.schema), &self.options).put(out, &change);
    }

    fn message_schema(&self) -> String {
        let content = super::shape::Shape::bytes(self.options.binary, 0).field(b"\"content\"", true, b"");
        format!(
            "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{{\"type\":\"string\",\"optional\":false,\"field\":\"op\"}},\
             {{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"}},{},{},{{\"type\":\"struct\",\"fields\":[\
             {{\"type\":\"string\",\"optional\":true,\"field\":\"prefix\"}},{content}],\"optional\":false,\
             \"name\":\"io.debezium.connector.postgresql.Message\",\"version\":1,\"field\":\"message\"}}],\"optional\":false,\
             \"name\":\"io.debezium.connector.postgresql.MessageValue\",\"version\":1}},\"payload\":",
            source::schema(DatabaseKind::Postgres),
            transaction::BLOCK
        )
    }
}
