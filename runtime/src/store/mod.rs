//! The embedded state: what must survive the process. One SQLite file that a person can open with `sqlite3`.
//!
//! ```text
//!   lane ──park──▶ parked ──load──▶ lane ──settle──▶ gone, or dead
//!   pipeline ──────────────bury───────────────────▶ dead ──take──▶ lane
//!   ledger ──save──▶ checkpoint, only then the database is told
//! ```
//!
//! A message is parked *before* its ticket is settled, and a checkpoint is written *before* the position is confirmed. So what is
//! confirmed to a database is delivered or in here, and a slot that is ahead of the checkpoint, or gone, is noticed at the next
//! start instead of losing changes in silence.

mod dead;
mod memory;
mod parked;
mod sqlite;

pub use dead::{Buried, DeadFilter, DeadId, DeadLetter, DeadRow, DeadSummary, Revive, Revived};
pub use memory::MemoryStore;
pub use parked::{Carried, KeyHash, LaneId, LaneName, LaneRecord, Loaded, Park, Seq, Settlement, Window};
pub use sqlite::{Salvage, SqliteStore};

use futures_util::future::BoxFuture;
use std::path::PathBuf;

/// How far a source is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The source's name, and what it reads from within the server (a slot): a checkpoint of another slot says nothing.
    pub source: String,
    pub stream: String,
    /// The position as the source's database writes it.
    pub position: String,
}

/// What must survive the process. A future that is dropped leaves its work done or not done, never half done; everything
/// that one lane asks for is done in the order in which it was asked.
pub trait Store: Send + Sync + 'static {
    /// # Errors
    /// If the state can not be read.
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError>;

    /// Resolves when the checkpoint would survive a loss of power.
    ///
    /// # Errors
    /// If the state can not be written; nothing may be confirmed then.
    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets up to where lanes have taken over what this source sent: its positions begin anew, and a mark of the old ones
    /// would make a lane drop what it never had.
    ///
    /// # Errors
    /// If the state can not be written.
    fn forget_marks(&self, source: &str) -> Result<(), StoreError>;

    /// The lane of this name, made if it is new.
    ///
    /// # Errors
    /// If the state can not be read or written.
    fn lane(&self, name: &LaneName) -> Result<LaneRecord, StoreError>;

    /// Every lane that the state knows, those of members that are no longer in the configuration among them.
    ///
    /// # Errors
    /// If the state can not be read.
    fn lanes(&self) -> Result<Vec<(LaneName, LaneRecord)>, StoreError>;

    /// Puts messages to what waits for the lane, behind all that waits already, in the order given, and raises the lane's marks,
    /// all of it in one transaction that would survive a loss of power. The messages get consecutive numbers; the first is returned.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn park(&self, lane: LaneId, park: Park) -> BoxFuture<'_, Result<Seq, StoreError>>;

    /// What waits for the lane behind `after`, oldest first, as much as the window holds but at least one message.
    ///
    /// # Errors
    /// If the state can not be read, or a message in it is damaged.
    fn load(&self, lane: LaneId, after: Seq, window: Window) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>>;

    /// Takes messages away from what waits for the lane, and sets those aside that are dead. With a dead letter it would survive a
    /// loss of power; without one, a loss of power may bring messages back that were delivered.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn settle(&self, lane: LaneId, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Sets something aside that no lane has. Would survive a loss of power.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn bury(&self, dead: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Dead letters without what they hold, newest first.
    ///
    /// # Errors
    /// If the state can not be read.
    fn dead(&self, filter: DeadFilter) -> BoxFuture<'_, Result<Vec<DeadSummary>, StoreError>>;

    /// One dead letter, whole.
    ///
    /// # Errors
    /// If the state can not be read, or the letter is damaged.
    fn dead_letter(&self, id: DeadId) -> BoxFuture<'_, Result<Option<DeadLetter>, StoreError>>;

    /// Forgets dead letters; how many there were.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn drop_dead(&self, ids: Vec<DeadId>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Moves a dead letter that is a message back to what waits for its lane, behind everything. The lane must be told, or it finds
    /// it at its next start.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn revive(&self, revive: Revive) -> BoxFuture<'_, Result<Revived, StoreError>>;

    /// Everything that waits for a lane becomes dead, for this reason, or is dropped if there is none; how many there were. For a
    /// lane that is not running.
    ///
    /// # Errors
    /// If the state can not be written; then none of it is.
    fn clear_lane(&self, lane: LaneId, reason: Option<String>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What the state takes of the disk, in bytes.
    fn disk_bytes(&self) -> u64;

    /// How many dead letters there are.
    fn dead_count(&self) -> u64;
}

/// Why the state can not be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the state folder {path} can not be used: {reason}; make it writable for this user, or set host.state to another folder"
    )]
    Folder { path: PathBuf, reason: String },
    #[error(
        "another sluicegate holds the state folder {path}; stop it, or give this one a folder of its own with host.state"
    )]
    Owned { path: PathBuf },
    #[error(
        "{path} was written by a newer version (format {found}, this one knows {known}); run that version, or set host.state to another folder"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the disk that holds {path} is full, and so nothing more can be parked or confirmed; make room, it goes on by itself"
    )]
    Full { path: PathBuf },
    #[error(
        "{path} is damaged: {}; nothing was changed: restore the state folder from a copy, or let `sluicegate salvage` move the \
         damaged files aside and keep all that is whole", findings.join("; ")
    )]
    Damaged {
        path: PathBuf,
        /// A sentence for each thing that is gone.
        findings: Vec<String>,
    },
    #[error("the thread that writes {path} has stopped; restart")]
    Stopped { path: PathBuf },
    #[error(
        "{path} can not be read or written: {source}; if a quota or a file size limit is reached make room, else look at the disk"
    )]
    Database { path: PathBuf, source: rusqlite::Error },
}
