//! How the state is opened: who owns it, which format it has, whether it is whole, and the two threads.

use super::books::Books;
use super::format;
use super::inspect::inspect;
use super::reader::Reader;
use super::seal::{self, Seal};
use super::trouble::Trouble;
use super::wal::Wal;
use super::writer::Writer;
use super::{Queue, SqliteStore};
use crate::store::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{info, warn};

/// How long a write waits for somebody who looks into the file with `sqlite3`.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long another owner is given to let go, and how often that is looked for: a child that this process has just forked holds
/// what it inherited until it becomes another program, and a process that is stopping needs a moment.
const OWNER_WAIT: Duration = Duration::from_millis(500);
const OWNER_LOOK: Duration = Duration::from_millis(20);
/// More than there are statements.
const STATEMENTS_MAX: usize = 64;
/// Pages that the writer keeps in memory: with fewer it reads the ends of lanes and indexes again in each transaction.
const CACHE_KIB: u32 = 16 << 10;
/// Looking at everything is said when it takes longer.
const QUIET: Duration = Duration::from_secs(1);
/// A file of which three quarters are free is made small if it is larger than this: 64 MiB.
const PAGES_KEPT: i64 = 16_384;

/// The files of a state.
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) database: PathBuf,
    pub(super) seal: PathBuf,
    /// What a salvage made, complete, before it took the database's place.
    pub(super) salvaged: PathBuf,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            database: folder.join("state.db"),
            seal: folder.join("state.seal"),
            salvaged: folder.join("salvaged.db"),
        }
    }

    /// Makes the folder, and holds it until the file is closed.
    pub(super) fn own(&self) -> Result<File, StoreError> {
        // What waits in it are somebody's rows.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|e| self.unusable(&e))?;
        let owner = File::create(self.folder.join("lock")).map_err(|e| self.unusable(&e))?;
        let until = Instant::now() + OWNER_WAIT;
        while flock(&owner, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= until {
                return Err(StoreError::Owned { path: self.folder.clone() });
            }
            thread::sleep(OWNER_LOOK);
        }
        Ok(owner)
    }

    /// Whether a process has it. Makes nothing.
    pub(super) fn is_held(&self) -> bool {
        // What is not there, or may not be looked at, is not held by a program of this user's.
        File::open(self.folder.join("lock"))
            .is_ok_and(|owner| flock(&owner, FlockOperation::NonBlockingLockShared).is_err())
    }

    pub(super) fn unusable(&self, error: &std::io::Error) -> StoreError {
        StoreError::Folder { path: self.folder.clone(), reason: error.to_string() }
    }

    fn damaged(&self, findings: Vec<String>) -> StoreError {
        StoreError::Damaged { path: self.database.clone(), findings }
    }

    /// What can be said of the files before the database is opened.
    pub(super) fn check(&self, sealed: Option<i64>) -> Result<(), StoreError> {
        if self.salvaged.exists() {
            return Err(
                self.damaged(vec!["a salvage of it was interrupted, and goes on when it is asked for again".into()])
            );
        }
        let is_empty = fs::metadata(&self.database).map_or(true, |file| file.len() == 0);
        match sealed {
            Some(sealed) if is_empty => {
                let finding =
                    format!("it is gone or empty, though transaction {sealed} was on the disk: all of it is lost");
                Err(self.damaged(vec![finding]))
            }
            _ => Ok(()),
        }
    }
}

/// The write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

pub(super) fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    let files = Files::new(folder);
    let owner = files.own()?;
    let sealed = seal::read(&files.seal);
    files.check(sealed)?;
    let path = files.database.clone();
    let connection = look(&path).map_err(|e| Trouble::from(e).at(&path))?;
    let (connection, books) = check(&files, connection, sealed)?;
    let seal = Seal::open(&files.seal).map_err(|e| files.unusable(&e))?;
    let Started { threads, queue, answered, dead } =
        start(&path, connection, books, seal).map_err(|trouble| trouble.at(&path))?;
    Ok(SqliteStore { path, queue: Mutex::new(queue), answered, dead, threads, _owner: owner })
}

/// A connection that changes nothing: to close it leaves the log as it is, in which a damaged file may have what can be saved.
pub(super) fn look(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// From now on it may be written.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    // The log is moved by the reader's thread; see wal.rs.
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;")
}

fn check(files: &Files, mut connection: Connection, sealed: Option<i64>) -> Result<(Connection, Books), StoreError> {
    let at = |error: rusqlite::Error| Trouble::from(error).at(&files.database);
    let found = format::found(&connection).map_err(at)?;
    let known = format::FORMAT;
    if found > known && sealed.is_none() {
        return Err(StoreError::Newer { path: files.database.clone(), found, known });
    }
    if found != known {
        let findings = match sealed {
            Some(_) => vec![format!("it says that it is of format {found}, and it was of {known}")],
            None => format::is_older(&connection, found).map_err(at)?,
        };
        if !findings.is_empty() {
            return Err(files.damaged(findings));
        }
        prepare(&connection).map_err(at)?;
        format::bring_up(&mut connection, found).map_err(at)?;
        // The file itself must be there before a seal says what is in it.
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        sync(&files.database).and_then(|()| sync(&files.folder)).map_err(|e| files.unusable(&e))?;
    }
    let begun = Instant::now();
    let books = inspect(&connection, sealed).into_books().map_err(|findings| files.damaged(findings))?;
    if begun.elapsed() > QUIET {
        info!(took = ?begun.elapsed(), "looked at everything that the state holds; it is whole");
    }
    prepare(&connection).map_err(at)?;
    shrink(&connection, PAGES_KEPT).map_err(at)?;
    Ok((connection, books))
}

/// What was taken away leaves room in the file, which is used again but not given back by itself.
pub(super) fn shrink(connection: &Connection, pages_kept: i64) -> rusqlite::Result<()> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (pages, free) = (number("page_count")?, number("freelist_count")?);
    if pages > pages_kept && free > pages / 4 * 3 {
        // It needs room for what stays; without it the file stays large.
        match connection.execute_batch("VACUUM") {
            Ok(()) => info!(pages, free, "gave back what was free in the state's file"),
            Err(reason) => warn!(%reason, pages, free, "the state's file is mostly free and can not be made smaller"),
        }
    }
    Ok(())
}

/// The two threads, and the ways to them.
struct Started {
    threads: Vec<thread::JoinHandle<()>>,
    queue: Queue,
    answered: watch::Receiver<u64>,
    dead: Arc<AtomicU64>,
}

fn start(path: &Path, connection: Connection, books: Books, seal: Seal) -> Result<Started, Trouble> {
    let reading = look(path)?;
    prepare(&reading)?;
    reading.execute_batch("PRAGMA query_only=ON")?;
    connection.execute_batch(&format!("PRAGMA cache_size=-{CACHE_KIB}"))?;
    let (orders, queue) = channel();
    let (ask, questions) = channel();
    let wal = Arc::new(Wal::default());
    let (answer, answered) = watch::channel(0);
    let dead = Arc::new(AtomicU64::new(0));
    let mut writer = Writer {
        connection,
        books,
        queue,
        wal: wal.clone(),
        seal,
        wake: ask.clone(),
        answered: answer,
        dead: dead.clone(),
        outlives: None,
    };
    let committed = wal.clone();
    // Behind the pragma in `prepare`, which takes the same hook.
    writer.connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        committed.committed(usize::try_from(pages).unwrap_or(0));
        Ok(())
    }))?;
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|_| Trouble::Stopped)
    };
    let threads = vec![
        spawn("state-writer", Box::new(move || writer.run()))?,
        spawn("state-reader", Box::new(move || Reader::new(reading).run(&questions, &wal)))?,
    ];
    let queue = Queue { writer: Some(orders), reader: Some(ask), number: 0, last: HashMap::new() };
    Ok(Started { threads, queue, answered, dead })
}
