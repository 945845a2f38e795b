//! The store on SQLite: one file, one owner, one writer.

use super::{Checkpoint, Store, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The format that this version writes.
const FORMAT: i64 = 1;
/// How long a write waits for somebody who looks into the file with `sqlite3`.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The state in a folder of its own.
pub struct SqliteStore {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Held as long as this store is open; the system releases it after a crash.
    _owner: File,
}

impl SqliteStore {
    /// Opens or creates the state in `folder`.
    ///
    /// # Errors
    /// If the folder is not usable, another process owns it, or the file is damaged or from a newer version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let unusable = |e: std::io::Error| StoreError::Folder { path: folder.to_owned(), reason: e.to_string() };
        fs::create_dir_all(folder).map_err(unusable)?;
        let owner = File::create(folder.join("lock")).map_err(unusable)?;
        flock(&owner, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoreError::Owned { path: folder.to_owned() })?;
        let path = folder.join("state.db");
        let connection = open_database(&path)?;
        Ok(Self { path, connection: Mutex::new(connection), _owner: owner })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no panic while the state is open")
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }
}

fn open_database(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Database { path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    // FULL: a checkpoint that is confirmed to the database must survive a loss of power, or the slot is ahead of it.
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;").map_err(failed)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    if found == 0 {
        let create = "BEGIN;
            CREATE TABLE checkpoint (
                source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL,
                written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
                PRIMARY KEY (source, stream));
            PRAGMA user_version = 1;
            COMMIT;";
        connection.execute_batch(create).map_err(failed)?;
    }
    Ok(connection)
}

impl Store for SqliteStore {
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError> {
        let sql = "SELECT position FROM checkpoint WHERE source = ?1 AND stream = ?2";
        let position = self.connection().query_row(sql, params![source, stream], |row| row.get(0)).optional();
        let position = position.map_err(|e| self.failed(e))?;
        Ok(position.map(|position| Checkpoint { source: source.to_owned(), stream: stream.to_owned(), position }))
    }

    fn save(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let sql = "INSERT INTO checkpoint (source, stream, position) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET position = excluded.position, written_at = CURRENT_TIMESTAMP";
        let Checkpoint { source, stream, position } = checkpoint;
        self.connection().execute(sql, params![source, stream, position]).map_err(|e| self.failed(e))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(position: &str) -> Checkpoint {
        Checkpoint { source: "erp".into(), stream: "slot".into(), position: position.into() }
    }

    #[test]
    fn checkpoint_survives_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(folder.path()).expect("open");
        assert_eq!(store.checkpoint("erp", "slot").expect("read"), None);
        store.save(&checkpoint("0/10")).expect("save");
        store.save(&checkpoint("0/20")).expect("save");
        drop(store);
        let store = SqliteStore::open(folder.path()).expect("open again");
        assert_eq!(store.checkpoint("erp", "slot").expect("read"), Some(checkpoint("0/20")));
        assert_eq!(store.checkpoint("erp", "other slot").expect("read"), None);
    }

    #[test]
    fn state_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = SqliteStore::open(folder.path()).expect("open");
        let second = SqliteStore::open(folder.path()).err().expect("refused").to_string();
        assert!(second.contains("another sluicegate holds"), "{second}");
        drop(first);
        SqliteStore::open(folder.path()).expect("free again");
    }

    #[test]
    fn damaged_and_newer_files_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("state.db"), b"this is no database, it is a letter").expect("write");
        let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
        assert!(refused.contains("if the file is damaged"), "{refused}");

        let folder = tempfile::tempdir().expect("a folder");
        let newer = Connection::open(folder.path().join("state.db")).expect("create");
        newer.execute_batch("PRAGMA user_version = 99;").expect("set");
        drop(newer);
        let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
        assert!(refused.contains("newer version (format 99"), "{refused}");
    }
}
