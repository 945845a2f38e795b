//! The embedded state: what must survive the process. One SQLite file that a person can open with `sqlite3`.
//!
//! Today it holds checkpoints. A checkpoint is written *before* the position is confirmed to the database, so a slot that is
//! ahead of it, or gone, is noticed at the next start instead of losing changes in silence.

mod sqlite;

pub use sqlite::SqliteStore;

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

/// What must survive the process.
pub trait Store: Send + Sync + 'static {
    /// # Errors
    /// If the state can not be read.
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError>;

    /// Returns when the checkpoint would survive a loss of power.
    ///
    /// # Errors
    /// If the state can not be written; nothing may be confirmed then.
    fn save(&self, checkpoint: &Checkpoint) -> Result<(), StoreError>;
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
        "{path} can not be read or written: {source}; if the disk is full make room, if the file is damaged restore it or \
         remove it (sources then go on from what their database remembers)"
    )]
    Database { path: PathBuf, source: rusqlite::Error },
}
