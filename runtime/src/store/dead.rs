//! What could not be delivered, with everything that a person needs to decide about it.

use super::{LaneId, Seq};
use crate::change::{Message, RowMark, Schema};
use bytes::Bytes;
use std::sync::Arc;

/// The number of a dead letter, given by the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadId(pub i64);

/// A wish to send a dead letter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revive {
    pub id: DeadId,
    /// Also when something newer of its key is delivered, or on its way.
    pub superseded: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revived {
    /// It waits for its lane, behind everything.
    Waits { lane: LaneId, seq: Seq },
    /// There is no such letter, or it is a row.
    Gone,
    /// It would put an older state over a newer one, and stays a dead letter.
    Superseded,
}

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

impl DeadSummary {
    /// Orders the letters of one source as its log had them, by what their names say: `source-commit-change.sub`, of a message its
    /// route and index behind it. One that died again is newer as a letter, and not as a change.
    pub fn log_order(&self) -> (u64, u64, u32, u32, DeadId) {
        let read = || {
            let (row, index) = match self.is_row {
                true => (self.name.as_str(), 0),
                false => {
                    let (row, route) = self.name.rsplit_once('-')?;
                    (row, route.rsplit_once('.')?.1.parse().ok()?)
                }
            };
            let (rest, change) = row.rsplit_once('-')?;
            let (change, sub) = change.split_once('.')?;
            let commit = rest.rsplit_once('-')?.1;
            let hex = |text| u64::from_str_radix(text, 16).ok();
            Some((hex(commit)?, hex(change)?, sub.parse().ok()?, index))
        };
        let (commit, change, sub, index) = read().unwrap_or_default();
        (commit, change, sub, index, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: i64, name: &str, is_row: bool) -> DeadSummary {
        DeadSummary {
            id: DeadId(id),
            pipeline: String::new(),
            target: String::new(),
            member: String::new(),
            name: name.to_owned(),
            table: String::new(),
            is_row,
            reason: String::new(),
            attempts: 1,
            generation: None,
            bytes: 0,
            arrived_us: 0,
            died_us: 0,
            is_superseded: false,
        }
    }

    #[test]
    fn letters_are_ordered_by_the_log_and_not_by_when_they_died() {
        let mut letters = [
            named(9, "my-erp-a-a.0-8f3a11c2.0", false),
            named(1, "my-erp-ff-10.1-8f3a11c2.0", false),
            named(2, "my-erp-ff-10.0-8f3a11c2.10", false),
            named(3, "my-erp-ff-10.0-8f3a11c2.9", false),
            named(4, "my-erp-ff-9.7", true),
        ];
        letters.sort_by_key(DeadSummary::log_order);
        assert_eq!(letters.map(|letter| letter.id.0), [9, 4, 3, 2, 1]);
        assert_eq!(named(7, "no name of ours", false).log_order(), (0, 0, 0, 0, DeadId(7)));
    }
}
