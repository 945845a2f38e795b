//! What waits on disk for a lane.

use super::DeadLetter;
use crate::change::{Message, Place};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Names a lane, the same after every restart and edit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneName {
    pub pipeline: Arc<str>,
    pub target: Arc<str>,
    /// Empty for a target without members.
    pub member: Arc<str>,
}

impl LaneName {
    pub fn new(pipeline: &str, target: &str, member: &str) -> Self {
        Self { pipeline: pipeline.into(), target: target.into(), member: member.into() }
    }
}

/// A lane's number in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub i64);

/// The number of a parked message. What was parked later has the greater one, and none is given twice. Zero is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

/// What the state knows of a lane at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRecord {
    pub id: LaneId,
    /// What waits.
    pub parked: u64,
    pub parked_bytes: u64,
    /// The youngest of what waits; zero if nothing does.
    pub last: Seq,
    /// By source: up to this place everything was delivered, is dead, or waits in here.
    pub marks: Vec<(Arc<str>, Place)>,
    /// Its dead letters.
    pub dead: u64,
    /// The keys of those among them that are messages and not superseded, each once and with the place of the newest: see
    /// [`Settlement::superseded`].
    pub dead_keys: Vec<(KeyHash, Place)>,
}

/// Stands for a key of one source where the keys of many dead letters are remembered: only within the process, and two keys may
/// have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(u64);

impl KeyHash {
    pub fn of(message: &Message) -> Self {
        let mut hasher = DefaultHasher::new();
        // Positions of two sources are not comparable, and so neither are their messages.
        message.origin.schema.source.hash(&mut hasher);
        hasher.write(&message.key);
        Self(hasher.finish())
    }
}

/// A message with what its lane knows of it.
#[derive(Clone, Debug)]
pub struct Carried {
    pub message: Message,
    pub attempts: u32,
    /// When it came into the lane: microseconds since the Unix epoch.
    pub arrived_us: i64,
}

/// What a lane puts on disk at once.
#[derive(Clone, Debug, Default)]
pub struct Park {
    /// In the order of the log.
    pub messages: Vec<Carried>,
    /// By source, as in [`LaneRecord::marks`]; a mark never goes back.
    pub marks: Vec<(Arc<str>, Place)>,
}

/// A parked message that came back.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub seq: Seq,
    pub carried: Carried,
}

/// How much is loaded at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub messages: usize,
    /// By `Content::byte_len`.
    pub bytes: usize,
}

/// What became of a lane's messages.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// Parked messages that need not wait any more: delivered, or dead, or given up to make room.
    pub over: Vec<Seq>,
    /// In the same transaction.
    pub dead: Vec<DeadLetter>,
    /// Messages that were delivered, or wait on disk, though their key has dead letters: those that are older, by their place in the
    /// same source, are superseded. One whose key has none does no harm.
    pub superseded: Vec<Message>,
}
