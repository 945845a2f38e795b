//! The first page of the file says where every table begins; with it damaged nothing is found. Tables lie in every file where
//! they lie in a new one, so the first page of a new one can stand in.

use super::format;
use super::open::{Files, log_of, look};
use super::trouble::Trouble;
use rusqlite::Connection;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// SQLite's, unless a file was made otherwise, which ours are not.
const PAGE_BYTES: usize = 4_096;
/// Of the header: how often the file was changed, and at which of these its own length, behind the first, is true. Where the two
/// differ SQLite asks the file system. <https://www.sqlite.org/fileformat2.html#in_header_database_size>
const CHANGES_AT: usize = 24;
const LENGTH_VALID_AT: usize = 92;
/// The first page of the list of free pages, and their number.
const FREE_AT: std::ops::Range<usize> = 32..40;

/// A copy whose first page is another one. It goes away with this.
pub(super) struct Mended {
    pub(super) database: PathBuf,
    folder: PathBuf,
    pub(super) finding: String,
}

impl Drop for Mended {
    fn drop(&mut self) {
        // What is left is removed before the next one is made.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A mended copy, if the tables of the database are not where they should be.
pub(super) fn mended(files: &Files) -> Result<Option<Mended>, Trouble> {
    let folder = files.folder.join("salvaging");
    let _ = fs::remove_dir_all(&folder);
    let long_enough = fs::metadata(&files.database).is_ok_and(|file| file.len() > PAGE_BYTES as u64);
    if !long_enough || look(&files.database).and_then(|found| describes(&found)).unwrap_or(false) {
        return Ok(None);
    }
    let failed = |error: std::io::Error| Trouble::Damaged(format!("a copy of it can not be made: {error}"));
    fs::create_dir(&folder).map_err(failed)?;
    let finding = "the page that says where the tables are is damaged; that of a new file was taken".to_owned();
    let mended = Mended { database: folder.join("state.db"), folder, finding };
    fs::copy(&files.database, &mended.database).map_err(failed)?;
    if log_of(&files.database).exists() {
        fs::copy(log_of(&files.database), log_of(&mended.database)).map_err(failed)?;
    }
    let page = pristine(&mended)?;
    let file = OpenOptions::new().write(true).open(&mended.database).map_err(failed)?;
    file.write_all_at(&page, 0).map_err(failed)?;
    Ok(Some(mended))
}

/// Whether every table is described as it was made. A file of an older version is left as it is.
fn describes(connection: &Connection) -> rusqlite::Result<bool> {
    if format::found(connection)? == 1 {
        return Ok(true);
    }
    let mut select = connection.prepare("SELECT name, sql FROM sqlite_schema")?;
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found = found.collect::<rusqlite::Result<HashMap<String, Option<String>>>>()?;
    Ok(format::expected().all(|(name, sql)| found.get(name).is_some_and(|found| found.as_deref() == Some(sql))))
}

/// The first page of a new file, which says nothing of the file's length and of free pages.
fn pristine(mended: &Mended) -> Result<Vec<u8>, Trouble> {
    let path = mended.folder.join("new.db");
    let new = Connection::open(&path)?;
    format::create(&new)?;
    new.execute_batch("PRAGMA journal_mode=WAL")?;
    new.close().map_err(|(_, error)| error)?;
    let mut page = fs::read(&path).map_err(|error| Trouble::Damaged(error.to_string()))?;
    page.truncate(PAGE_BYTES);
    page[CHANGES_AT..CHANGES_AT + 4].copy_from_slice(&1u32.to_be_bytes());
    page[LENGTH_VALID_AT..LENGTH_VALID_AT + 4].fill(0);
    page[FREE_AT].fill(0);
    Ok(page)
}
