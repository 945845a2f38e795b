//! What could not be delivered, with everything that a person needs to decide about it.

use crate::change::{Message, RowMark, Schema};
use bytes::Bytes;
use std::sync::Arc;

/// The number of a dead letter, given by the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadId(pub i64);

/// A message that its receiver refused for good, or a row that became no message.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub pipeline: Arc<str>,
    /// The lane's; both empty for a row.
    pub target: Arc<str>,
    pub member: Arc<str>,
    pub buried: Buried,
    /// A sentence, without values of the row.
    pub reason: String,
    pub attempts: u32,
    /// What the receiver said last, as far as it was kept.
    pub last_answer: Option<String>,
    pub guest: Option<String>,
    /// Of the guest's code.
    pub generation: Option<String>,
    pub backtrace: Option<String>,
    /// Microseconds since the Unix epoch.
    pub arrived_us: i64,
    pub died_us: i64,
}

/// What is in it.
#[derive(Clone, Debug)]
pub enum Buried {
    Message(Message),
    Row(Arc<DeadRow>),
}

/// A row as it came, so that it can be given to a mended guest or a new member.
#[derive(Clone, Debug)]
pub struct DeadRow {
    /// `source-commit-change.sub`, the same after every restart.
    pub id: String,
    pub schema: Arc<Schema>,
    pub mark: RowMark,
    /// A frame of one row, as `FrameBuf::write_to` writes it.
    pub frame: Bytes,
    /// The row as a JSON object, for people.
    pub json: Bytes,
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    pub pipeline: Option<String>,
    pub target: Option<String>,
    pub member: Option<String>,
    /// `schema.table`.
    pub table: Option<String>,
    /// Text that the reason holds.
    pub reason: Option<String>,
    /// Died at this time or later, in microseconds since the Unix epoch.
    pub since_us: Option<i64>,
    /// Older than this one: where the last page ended.
    pub before: Option<DeadId>,
    /// At most so many; 0 means all.
    pub limit: usize,
}

/// A dead letter without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSummary {
    pub id: DeadId,
    pub pipeline: String,
    pub target: String,
    pub member: String,
    /// The message's id, or the row's.
    pub name: String,
    pub table: String,
    pub is_row: bool,
    pub reason: String,
    pub attempts: u32,
    pub generation: Option<String>,
    pub bytes: u64,
    pub arrived_us: i64,
    pub died_us: i64,
    /// Whether a newer message of the same key was delivered since: sent again, this one would put an older state over it.
    pub is_superseded: bool,
}
