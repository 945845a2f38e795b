//! What goes wrong inside, before it is said which file it is about.

use crate::store::StoreError;
use rusqlite::ErrorCode;
use rusqlite::types::FromSqlError;
use std::path::Path;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Trouble {
    Database(rusqlite::Error),
    /// What is damaged, in words.
    Damaged(String),
    /// A lane that was never asked for by its name.
    NoLane(i64),
    /// The thread that should have done it is gone.
    Stopped,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// A column of another type than was written.
impl From<FromSqlError> for Trouble {
    fn from(error: FromSqlError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Trouble {
    /// The same for the next one who waits for the same transaction.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Database(rusqlite::Error::SqliteFailure(code, text)) => {
                Self::Database(rusqlite::Error::SqliteFailure(*code, text.clone()))
            }
            // Beginning and ending a transaction fail in no other way.
            Self::Database(other) => Self::Damaged(other.to_string()),
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::NoLane(lane) => Self::NoLane(*lane),
            Self::Stopped => Self::Stopped,
        }
    }

    /// For people: with the file and what to do.
    pub(super) fn at(self, path: &Path) -> StoreError {
        let path = path.to_owned();
        match self {
            Self::Database(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StoreError::Full { path },
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    StoreError::Folder { reason: error.to_string(), path: path.parent().unwrap_or(&path).to_owned() }
                }
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    StoreError::Damaged { path, findings: vec![error.to_string()] }
                }
                _ => StoreError::Database { path, source: error },
            },
            Self::Damaged(what) => StoreError::Damaged { path, findings: vec![what] },
            Self::NoLane(lane) => StoreError::Damaged { path, findings: vec![format!("lane {lane} is not in it")] },
            Self::Stopped => StoreError::Stopped { path },
        }
    }
}
