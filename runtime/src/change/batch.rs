//! Rows of one source, as they were committed, with what is needed to name and to confirm them.

use super::{Gtid, Lsn, Notice, Position, Schema, SchemaId};
use sluicegate_frame::{FrameBuf, RowView};
use std::sync::Arc;
use std::time::Instant;

/// Where one row stands in its source's log: the same after every restart, so ids are made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowMark {
    /// Position of the transaction's commit: a log position of PostgreSQL, the ordinal of a binary log's transaction.
    pub commit: u64,
    /// Position of the change itself: a log position of PostgreSQL, the number of the row within a binary log's transaction.
    pub change: u64,
    /// Counts the rows that share a position.
    pub sub: u32,
    /// The transaction, where the source numbers them; 0 otherwise.
    pub transaction: u32,
}

/// Where the rows of one event of a binary log came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinlogEvent {
    /// Index in the batch of the event's first row there; the event ends where the next one begins.
    pub first_row: u32,
    /// How many of the event's rows stand in an earlier batch.
    pub skipped_rows: u32,
    pub file: Arc<str>,
    /// Where the event begins in its file, in bytes.
    pub offset: u64,
    pub server_id: u32,
    /// The client's connection on the server; 0 if the log does not say.
    pub thread: u32,
    pub gtid: Gtid,
    /// The statement, if the server writes it into its log.
    pub query: Option<Arc<str>>,
}

/// Consecutive rows of one source. Never reordered, never split again.
#[derive(Clone, Debug)]
pub struct Batch {
    pub source: Arc<str>,
    /// The rows; `RowHead::schema` is a `SchemaId`.
    pub frame: FrameBuf,
    /// One per row.
    pub marks: Vec<RowMark>,
    /// Every schema that a row of this batch refers to.
    pub schemas: Vec<Arc<Schema>>,
    /// The events of a binary log that the rows came from, in order; none from PostgreSQL.
    pub events: Vec<BinlogEvent>,
    /// From which row on which transaction was the last to end before the row's own, and where it ended; PostgreSQL's.
    pub previous_ends: Vec<(u32, Lsn)>,
    /// What of the log is no row, in order: `Notice::before_row` never falls.
    pub notices: Vec<Notice>,
    /// What can be confirmed once everything up to and with this batch is safe: the end of its last complete transaction.
    /// None inside a transaction that spans batches.
    pub confirms: Option<Position>,
    pub received_at: Instant,
}

impl Batch {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.frame.rows.len()
    }

    /// Whether there is nothing in it, neither rows nor notices: a sign of life.
    pub fn is_empty(&self) -> bool {
        self.frame.rows.is_empty() && self.notices.is_empty()
    }

    /// The row's images. The decoder wrote them, so they are inside the frame.
    pub fn row(&self, index: usize) -> RowView<'_> {
        self.frame.row(index).expect("the decoder writes rows within their frame")
    }

    /// The event of the binary log that the row at `index` came from.
    pub fn event_of(&self, index: usize) -> Option<&BinlogEvent> {
        let after = self.events.partition_point(|event| event.first_row as usize <= index);
        self.events.get(after.checked_sub(1)?)
    }

    /// Where the transaction before that of the row at `index` ended. `None` from a binary log, and until a run has seen one end.
    pub fn previous_end(&self, index: usize) -> Option<Lsn> {
        let after = self.previous_ends.partition_point(|(first_row, _)| *first_row as usize <= index);
        Some(self.previous_ends.get(after.checked_sub(1)?)?.1)
    }

    /// The schema that a row refers to. A batch has few, mostly one.
    pub fn schema(&self, id: SchemaId) -> &Arc<Schema> {
        self.schemas.iter().find(|s| s.id == id).expect("a batch carries the schemas of its rows")
    }

    /// The schema of the row at `index`.
    pub fn schema_of(&self, index: usize) -> &Arc<Schema> {
        self.schema(SchemaId(self.frame.rows[index].schema))
    }
}
