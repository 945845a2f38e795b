//! How the state is opened: who owns it, which format it has, and the two threads.

use super::books::{Books, LaneBook, Table, Total};
use super::format;
use super::reader::Reader;
use super::seal::Seal;
use super::tally::Tally;
use super::trouble::Trouble;
use super::wal::Wal;
use super::writer::Writer;
use super::{Queue, SqliteStore};
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension};
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// How long a write waits for somebody who looks into the file with `sqlite3`.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// More than there are statements.
const STATEMENTS_MAX: usize = 64;

/// Makes the folder, and holds it until the file is closed.
pub(super) fn own(folder: &Path) -> Result<File, StoreError> {
    let unusable = |e: std::io::Error| StoreError::Folder { path: folder.to_owned(), reason: e.to_string() };
    fs::create_dir_all(folder).map_err(unusable)?;
    let owner = File::create(folder.join("lock")).map_err(unusable)?;
    flock(&owner, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| StoreError::Owned { path: folder.to_owned() })?;
    Ok(owner)
}

/// The write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

pub(super) fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    let owner = own(folder)?;
    let path = folder.join("state.db");
    let at = |trouble: Trouble| trouble.at(&path);
    let mut connection = connect(&path).map_err(|e| at(e.into()))?;
    let found = format::found(&connection).map_err(|e| at(e.into()))?;
    if found > format::FORMAT {
        return Err(StoreError::Newer { path, found, known: format::FORMAT });
    }
    if found < format::FORMAT {
        format::bring_up(&mut connection, found).map_err(|e| at(e.into()))?;
    }
    let books = load_books(&connection).map_err(at)?;
    let unusable = |e: std::io::Error| StoreError::Folder { path: folder.to_owned(), reason: e.to_string() };
    let seal = Seal::open(&folder.join("state.seal")).map_err(unusable)?;
    let (threads, queue, answered) = start(&path, connection, books, seal).map_err(at)?;
    Ok(SqliteStore { path, queue: Mutex::new(queue), answered, threads, _owner: owner })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // The log is moved by the reader's thread; see wal.rs.
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;")?;
    Ok(connection)
}

type Started = (Vec<thread::JoinHandle<()>>, Queue, watch::Receiver<u64>);

fn start(path: &Path, connection: Connection, books: Books, seal: Seal) -> Result<Started, Trouble> {
    let reading = connect(path)?;
    reading.execute_batch("PRAGMA query_only=ON")?;
    let (orders, queue) = channel();
    let (ask, questions) = channel();
    let wal = Arc::new(Wal::default());
    let wake = ask.clone();
    let (answer, answered) = watch::channel(0);
    let mut writer =
        Writer { connection, books, queue, wal: wal.clone(), seal, wake, answered: answer, outlives: None };
    let committed = wal.clone();
    // Behind the pragma above, which takes the same hook.
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
    Ok((threads, Queue { writer: Some(orders), reader: Some(ask), number: 0, last: HashMap::new() }, answered))
}

fn load_books(connection: &Connection) -> Result<Books, Trouble> {
    let mut totals = [Total::default(); 6];
    for table in Table::ALL {
        let sql = "SELECT rows, sum, last FROM tally WHERE name = ?1";
        let total = connection.query_row(sql, [table.name()], |row| {
            Ok(Total { tally: Tally { rows: row.get(0)?, sum: row.get(1)? }, last: row.get(2)? })
        });
        totals[table as usize] = total.optional()?.unwrap_or_default();
    }
    let mut select = connection.prepare("SELECT id, name_sum, parked, sum, parked_bytes, checksum FROM lane")?;
    let lanes = select.query_map([], |row| {
        let parked = Tally { rows: row.get(2)?, sum: row.get(3)? };
        Ok((row.get(0)?, LaneBook { name_sum: row.get(1)?, parked, bytes: row.get(4)?, checksum: row.get(5)? }))
    })?;
    Ok(Books::new(totals, lanes.collect::<rusqlite::Result<HashMap<i64, LaneBook>>>()?))
}
