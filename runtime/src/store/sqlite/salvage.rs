//! Makes a new state of everything in a damaged one that is readable and whole.
//!
//! ```text
//!   state.db, its log ──rows that fit their checksums──▶ salvaging.db ─▶ salvaged.db ─▶ state.db
//!            └──────────────── moved, never deleted ───▶ damaged-1/
//! ```
//!
//! Each step can be interrupted: a `salvaged.db` is complete, and what is left to do is to put it in its place.

use super::books::{LaneBook, Table, Total, write_total};
use super::first_page;
use super::format;
use super::inspect::{Inspection, inspect};
use super::open::{Files, log_of, look};
use super::rows::{self, Dead, Mark, Parked};
use super::seal;
use super::trouble::Trouble;
use super::walk::{both_ways, walk};
use crate::store::{LaneName, StoreError};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What became of a damaged state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Where the damaged files lie now; `None` if nothing was damaged, and nothing was done.
    pub aside: Option<PathBuf>,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    pub checkpoints: u64,
    pub lanes: u64,
    pub parked: u64,
    pub dead: u64,
    /// Lanes that lost messages, or may have: what their sources send again is taken again, so that what is not confirmed yet is
    /// not lost with the rest. Some of it may be delivered twice.
    pub lanes_again: Vec<String>,
}

impl fmt::Display for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(aside) = &self.aside else { return f.write_str("the state is whole; nothing was changed") };
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if !self.lanes_again.is_empty() {
            let lanes = self.lanes_again.join(", ");
            writeln!(f, "what sources send again is delivered again to {lanes}")?;
        }
        let Self { checkpoints, lanes, parked, dead, .. } = self;
        writeln!(f, "kept: {checkpoints} checkpoints, {lanes} lanes, {parked} parked messages, {dead} dead letters")?;
        write!(f, "the damaged files are in {}", aside.display())
    }
}

impl Salvage {
    fn count(&mut self, new: &Path) -> rusqlite::Result<()> {
        let new = look(new)?;
        let count = |table: &str| {
            new.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
        };
        (self.checkpoints, self.lanes) = (count("checkpoint")?, count("lane")?);
        (self.parked, self.dead) = (count("parked")?, count("dead")?);
        Ok(())
    }
}

/// # Errors
/// If another process holds the folder, or there is no room for the new state; the damaged one is then as it was.
pub(super) fn salvage(folder: &Path) -> Result<Salvage, StoreError> {
    let files = Files::new(folder);
    let _owner = files.own()?;
    let sealed = seal::read(&files.seal);
    let mut report = Salvage::default();
    if files.salvaged.exists() {
        report.findings.push("a salvage was interrupted; this is what it kept".into());
    } else {
        let at = |trouble: Trouble| trouble.at(&files.database);
        if !build(&files, sealed, &mut report).map_err(at)? {
            return Ok(report);
        }
    }
    report.count(&files.salvaged).map_err(|error| Trouble::from(error).at(&files.salvaged))?;
    put_in_place(&files, &mut report).map_err(|e| files.unusable(&e))?;
    Ok(report)
}

/// False if there is nothing to do.
fn build(files: &Files, sealed: Option<i64>, report: &mut Salvage) -> Result<bool, Trouble> {
    let parts = [files.folder.join("salvaging.db"), files.folder.join("salvaging.db-journal")];
    // Of a salvage that was interrupted before it was complete.
    parts.iter().for_each(|part| drop(fs::remove_file(part)));
    let mended = first_page::mended(files)?;
    let damaged = match (&mended, fs::metadata(&files.database)) {
        (Some(copy), _) => look(&copy.database)?,
        (None, Ok(file)) if file.len() > 0 => look(&files.database)?,
        // Nothing to read from; and beside an empty file SQLite would delete the log.
        (None, _) => Connection::open_in_memory()?,
    };
    let inspection = inspect(&damaged, sealed);
    report.findings = mended.iter().map(|copy| copy.finding.clone()).collect();
    match files.check(sealed) {
        Err(StoreError::Damaged { findings, .. }) => report.findings.extend(findings),
        _ => report.findings.extend(what_is_wrong(&damaged, &inspection)),
    }
    if report.findings.is_empty() {
        return Ok(false);
    }
    let new = Connection::open(&parts[0])?;
    new.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; BEGIN")?;
    format::create(&new)?;
    let mut build = Build { damaged: &damaged, new: &new, report, totals: [Total::default(); 6] };
    build.all(&inspection, sealed)?;
    new.execute_batch("COMMIT")?;
    // A log in the damaged folder keeps what it has, and a copy that was mended is not needed any more.
    drop(damaged);
    new.close().map_err(|(_, error)| error)?;
    fs::rename(&parts[0], &files.salvaged).map_err(|_| Trouble::Stopped)?;
    sync(&files.folder).map_err(|_| Trouble::Stopped)?;
    drop(mended);
    Ok(true)
}

fn what_is_wrong(damaged: &Connection, inspection: &Inspection) -> Vec<String> {
    match format::found(damaged) {
        Ok(format::FORMAT) => inspection.findings.clone(),
        Ok(found @ 0..format::FORMAT) => match format::is_older(damaged, found) {
            Ok(findings) => findings,
            Err(error) => vec![error.to_string()],
        },
        Ok(found) => vec![format!("it says that it is of format {found}")],
        Err(error) => vec![error.to_string()],
    }
}

/// From here on it can only go on.
fn put_in_place(files: &Files, report: &mut Salvage) -> std::io::Result<()> {
    let aside = (1..).map(|n| files.folder.join(format!("damaged-{n}"))).find(|aside| !aside.exists());
    let aside = aside.ok_or_else(|| std::io::Error::other("there is no name left for the damaged files"))?;
    fs::create_dir(&aside)?;
    let log = log_of(&files.database);
    for file in [&log, &files.database.with_extension("db-shm"), &files.seal, &files.database] {
        if let (true, Some(name)) = (file.exists(), file.file_name()) {
            fs::rename(file, aside.join(name))?;
        }
    }
    sync(&aside)?;
    fs::rename(&files.salvaged, &files.database)?;
    sync(&files.folder)?;
    report.aside = Some(aside);
    Ok(())
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// From one file into the other.
struct Build<'a> {
    damaged: &'a Connection,
    new: &'a Connection,
    report: &'a mut Salvage,
    totals: [Total; 6],
}

impl Build<'_> {
    fn all(&mut self, inspection: &Inspection, sealed: Option<i64>) -> Result<(), Trouble> {
        let mut lanes = self.lanes();
        self.checkpoints()?;
        self.parked(&mut lanes)?;
        self.dead()?;
        let again: HashSet<i64> = lanes.keys().copied().filter(|lane| !inspection.is_whole(*lane)).collect();
        self.report.lanes_again = again.iter().map(|id| super::inspect::shown(&lanes[id].0)).collect();
        self.report.lanes_again.sort();
        self.marks(&lanes, &again)?;
        self.write_lanes(&lanes)?;
        for table in Table::ALL {
            let known = inspection.total(table).map_or(0, |total| total.last);
            let total = &mut self.totals[table as usize];
            total.last = total.last.max(known);
            if table == Table::Commit {
                // Beyond everything that was ever promised, so that a seal of before says nothing against it.
                total.last = total.last.max(sealed.unwrap_or(0)) + 1;
            }
            write_total(self.new, table, total)?;
        }
        Ok(())
    }

    fn add(&mut self, table: Table, id: i64, checksum: i64) {
        let total = &mut self.totals[table as usize];
        total.tally.add(checksum);
        total.last = total.last.max(id);
    }

    /// A name that its row lost may be in the index, which has each a second time.
    fn lanes(&self) -> BTreeMap<i64, (LaneName, LaneBook)> {
        let mut lanes = BTreeMap::new();
        let mut take = |row: &rusqlite::Row<'_>| {
            let Ok(name) = super::desk::read_name(row, 1) else { return };
            let (Some(id), Some(name_sum)) = (rows::number(row, 0), rows::number(row, 4)) else { return };
            if name_sum == rows::name_sum(id, &name) {
                lanes.insert(id, (name, LaneBook { name_sum, ..LaneBook::default() }));
            }
        };
        let columns = "SELECT id, pipeline, target, member, name_sum FROM lane";
        walk(self.damaged, &format!("{columns} NOT INDEXED WHERE id >= ?1 ORDER BY id"), &mut take);
        let by_name = |direction: &str| {
            format!(
                "{columns} INDEXED BY lane_name ORDER BY pipeline {direction}, target {direction}, member {direction}"
            )
        };
        both_ways(self.damaged, &by_name, &mut take);
        lanes
    }

    fn checkpoints(&mut self) -> Result<(), Trouble> {
        let mut known = HashMap::new();
        let select = |direction: &str| {
            let columns = rows::CHECKPOINT;
            format!("SELECT {columns} FROM checkpoint ORDER BY source {direction}, stream {direction}")
        };
        both_ways(self.damaged, &select, &mut |row| {
            if let Some((checkpoint, us, sum)) = rows::read_checkpoint(row)
                && sum == rows::checkpoint_checksum(&checkpoint, us)
            {
                known.insert((checkpoint.source.clone(), checkpoint.stream.clone()), (checkpoint, us));
            }
        });
        if known.is_empty() && format::found(self.damaged).is_ok_and(|found| found == 1) {
            let older = format::checkpoints_of_1(self.damaged).unwrap_or_default();
            known.extend(older.into_iter().map(|(c, us)| ((c.source.clone(), c.stream.clone()), (c, us))));
        }
        for (checkpoint, us) in known.values() {
            let checksum = rows::write_checkpoint(self.new, checkpoint, *us)?;
            self.add(Table::Checkpoint, 0, checksum);
        }
        Ok(())
    }

    fn parked(&mut self, lanes: &mut BTreeMap<i64, (LaneName, LaneBook)>) -> Result<(), Trouble> {
        let sql = format!("SELECT {} FROM parked NOT INDEXED WHERE seq >= ?1 ORDER BY seq", rows::PARKED);
        let mut insert = self.new.prepare(rows::INSERT_PARKED)?;
        let mut failed = None;
        let mut last = 0;
        walk(self.damaged, &sql, &mut |row| {
            let Some((at, parked)) = Parked::read(row) else { return };
            let Some((_, book)) = lanes.get_mut(&at.lane) else { return };
            if failed.is_some() || at.checksum != rows::parked_checksum(book.name_sum, at.seq, parked.content_sum()) {
                return;
            }
            let Parked { attempts, arrived_us, bytes, id, meta, key, body } = parked;
            let row = params![at.seq, at.lane, attempts, arrived_us, bytes, at.checksum, id, meta, key, body];
            match insert.execute(row) {
                Ok(_) => {
                    book.parked.add(at.checksum);
                    book.bytes += bytes;
                    last = at.seq;
                }
                Err(error) => failed = Some(error),
            }
        });
        self.totals[Table::Parked as usize].last = last;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn dead(&mut self) -> Result<(), Trouble> {
        let sql = format!("SELECT {} FROM dead NOT INDEXED WHERE id >= ?1 ORDER BY id", rows::DEAD);
        let mut whole = Vec::new();
        let mut names = HashSet::new();
        let (mut failed, new) = (None, self.new);
        walk(self.damaged, &sql, &mut |row| {
            let Some((id, checksum, dead)) = Dead::read(row) else { return };
            // An older row of the same name can be back from a part of the disk that was not written.
            if failed.is_some() || checksum != dead.checksum(id) || !names.insert(dead.name.map(str::to_owned)) {
                return;
            }
            match dead.write(new, id) {
                Ok(_) => whole.push((id, checksum)),
                Err(error) => failed = Some(error),
            }
        });
        for (id, checksum) in &whole {
            self.add(Table::Dead, *id, *checksum);
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn marks(&mut self, lanes: &BTreeMap<i64, (LaneName, LaneBook)>, again: &HashSet<i64>) -> Result<(), Trouble> {
        let mut known = HashMap::new();
        let select =
            |direction: &str| format!("SELECT {} FROM mark ORDER BY lane {direction}, source {direction}", rows::MARK);
        both_ways(self.damaged, &select, &mut |row| {
            if let Some((mark, checksum)) = Mark::read(row)
                && checksum == mark.checksum()
            {
                known.insert((mark.lane, mark.source.clone()), mark);
            }
        });
        for mark in known.values().filter(|mark| lanes.contains_key(&mark.lane) && !again.contains(&mark.lane)) {
            let checksum = mark.write(self.new)?;
            self.add(Table::Mark, 0, checksum);
        }
        Ok(())
    }

    fn write_lanes(&mut self, lanes: &BTreeMap<i64, (LaneName, LaneBook)>) -> Result<(), Trouble> {
        let sql = "INSERT INTO lane (id, pipeline, target, member, name_sum, parked, parked_bytes, sum, checksum)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        for (id, (name, book)) in lanes {
            let LaneName { pipeline, target, member } = name;
            let LaneBook { name_sum, parked, bytes, .. } = book;
            let checksum = book.row_checksum();
            let row = params![id, pipeline, target, member, name_sum, parked.rows, bytes, parked.sum, checksum];
            self.new.execute(sql, row)?;
            self.add(Table::Lane, *id, checksum);
        }
        Ok(())
    }
}
