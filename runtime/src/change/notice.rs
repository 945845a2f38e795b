//! What stands in a source's log and is no row: where transactions begin and end, messages that a program wrote into the log,
//! changes of tables' definitions.
//!
//! ```text
//!   Begin   row 0   row 1   Message   row 2   Commit      before_row: 0, 2, 3
//! ```
//!
//! They travel beside the rows of their [`super::Batch`], in order with them, and only to pipelines that ask for them.

use super::{Lsn, RowMark, Schema, SchemaChange};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// One of them.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Index in the batch of the row that it stands before; the number of rows if it stands behind them all.
    pub before_row: u32,
    /// Its place in the log, which no row has: the same after every restart, so ids are made from it.
    ///
    /// In a transaction `commit` is that of its rows. A beginning has `change` 0; an end stands behind every row's.
    pub mark: RowMark,
    /// When its transaction was committed, in microseconds since 2000-01-01 UTC.
    pub committed_at: i64,
    /// The source's database; it has no columns, and a name only if this is about one table.
    pub schema: Arc<Schema>,
    pub kind: NoticeKind,
}

#[derive(Clone, Debug)]
pub enum NoticeKind {
    /// A transaction begins. One that has nothing else for its reader may be left out.
    Begin {
        id: TransactionId,
    },
    Commit {
        id: TransactionId,
    },
    Message(Arc<LogicalMessage>),
    SchemaChange(Arc<SchemaChange>),
}

/// What names a transaction, and at which of its ends this was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionId {
    /// PostgreSQL's number, and where in the log.
    Postgres { xid: u32, lsn: u64 },
    /// Of a binary log: the GTID, or where the transaction begins if it has none.
    Binlog(Arc<str>),
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres { xid, lsn } => write!(f, "{xid}:{lsn}"),
            Self::Binlog(id) => f.write_str(id),
        }
    }
}

/// What somebody wrote with `pg_logical_emit_message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalMessage {
    pub prefix: String,
    pub content: Bytes,
    /// Whether it belongs to a transaction. Otherwise it stands for itself, and came even if its transaction was undone.
    pub transactional: bool,
    /// Where it stands in the log.
    pub lsn: u64,
    /// Where the transaction before ended, if this run has seen that.
    pub previous_end: Option<Lsn>,
}

impl Notice {
    /// About how much memory it takes beside itself.
    pub fn byte_len(&self) -> usize {
        match &self.kind {
            NoticeKind::Begin { .. } | NoticeKind::Commit { .. } => 0,
            NoticeKind::Message(message) => message.prefix.len() + message.content.len(),
            NoticeKind::SchemaChange(change) => change.byte_len(),
        }
    }
}
