//! Looks at everything that the state holds, at each start: whether each row is what was written, whether one is missing, and
//! whether the whole of it is as new as it once was.

use super::books::{Books, LaneBook, Table, Total};
use super::format;
use super::rows::{self, Dead, Mark, Parked};
use super::tally::Tally;
use crate::store::LaneName;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Lines of SQLite's own check that are shown; the first ones say where.
const STRUCTURE_LINES: usize = 3;

/// A prime, so that sums of numbers stay small and still tell numbers apart.
const SEQ_MODULUS: i64 = 1_000_003;

/// By lane: how many rows, and the sum of their numbers by [`SEQ_MODULUS`].
type Groups = BTreeMap<i64, (i64, i64)>;

/// What was found.
pub(super) struct Inspection {
    /// A sentence for each thing that is wrong.
    pub(super) findings: Vec<String>,
    /// `None` where it is not known.
    totals: [Option<Total>; 6],
    lanes: HashMap<i64, Known>,
}

/// A lane by its row, and what of it there is.
struct Known {
    name: LaneName,
    book: LaneBook,
    /// Whether the row is what was written.
    is_whole: bool,
    found: Tally,
    bytes: i64,
}

/// Looks at all of it. `seal` is the number of a transaction that was on the disk.
pub(super) fn inspect(connection: &Connection, seal: Option<i64>) -> Inspection {
    let mut inspection = Inspection { findings: Vec::new(), totals: [None; 6], lanes: HashMap::new() };
    inspection.tables(connection);
    if !inspection.findings.is_empty() {
        // Everything else would say the same again.
        return inspection;
    }
    inspection.structure(connection);
    inspection.totals(connection);
    inspection.checkpoints(connection);
    inspection.lanes(connection);
    inspection.marks(connection);
    let by_row = inspection.parked(connection);
    inspection.index(connection, &by_row);
    inspection.dead(connection);
    inspection.seal(connection, seal);
    inspection
}

/// What SQLite itself says of the file's structure; nothing if all is well.
pub(super) fn structure(connection: &Connection, checks: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for check in checks {
        let told = scan(connection, &format!("PRAGMA {check}"), |row| match rows::text(row, 0) {
            Some("ok") => {}
            line => lines.push(line.unwrap_or("unreadable").to_owned()),
        });
        lines.extend(told);
        if !lines.is_empty() {
            break;
        }
    }
    lines.truncate(STRUCTURE_LINES);
    lines.into_iter().map(|line| format!("its structure is broken ({})", line.replace('\n', " "))).collect()
}

/// Shows each row; gives the error that ended it early.
fn scan(connection: &Connection, sql: &str, mut see: impl FnMut(&Row<'_>)) -> Option<String> {
    let mut run = || {
        let mut select = connection.prepare(sql)?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            see(row);
        }
        Ok(())
    };
    run().err().map(|error: rusqlite::Error| error.to_string())
}

impl Inspection {
    /// The tallies as they are, if nothing is wrong.
    ///
    /// # Errors
    /// The findings.
    pub(super) fn into_books(self) -> Result<Books, Vec<String>> {
        if !self.findings.is_empty() {
            return Err(self.findings);
        }
        let totals = self.totals.map(Option::unwrap_or_default);
        Ok(Books::new(totals, self.lanes.into_iter().map(|(id, lane)| (id, lane.book)).collect()))
    }

    pub(super) fn total(&self, table: Table) -> Option<&Total> {
        self.totals[table as usize].as_ref()
    }

    /// Whether everything that should wait for the lane is there.
    pub(super) fn is_whole(&self, lane: i64) -> bool {
        let holds = |lane: &Known| lane.is_whole && lane.found == lane.book.parked && lane.bytes == lane.book.bytes;
        self.lanes.get(&lane).is_some_and(holds)
    }

    fn find(&mut self, finding: impl Into<String>) {
        self.findings.push(finding.into());
    }

    fn unreadable(&mut self, table: &str, error: Option<String>) {
        if let Some(error) = error {
            self.find(format!("the table {table} can not be read to its end ({error})"));
        }
    }

    fn tables(&mut self, connection: &Connection) {
        let mut found = HashMap::new();
        let error = scan(connection, "SELECT name, sql FROM sqlite_schema", |row| {
            if let (Some(name), Some(sql)) = (rows::text(row, 0), rows::text(row, 1)) {
                found.insert(name.to_owned(), sql.to_owned());
            }
        });
        self.unreadable("of tables", error);
        for (name, sql) in format::expected() {
            if found.remove(name).as_deref() != Some(sql) {
                self.find(format!("what describes {name} is not what was written"));
            }
        }
        // Others may be a person's own.
    }

    fn structure(&mut self, connection: &Connection) {
        // The long checks compare indexes with their rows; that of the parked ones is looked at by itself, which is faster.
        let checks = ["quick_check", "integrity_check(dead)", "integrity_check(lane)"];
        self.findings.extend(structure(connection, &checks));
    }

    fn totals(&mut self, connection: &Connection) {
        let mut totals = [None; 6];
        let error = scan(connection, "SELECT name, rows, sum, last, checksum FROM tally", |row| {
            let table = Table::ALL.into_iter().find(|table| rows::text(row, 0) == Some(table.name()));
            let numbers = [1, 2, 3, 4].map(|at| rows::number(row, at));
            if let (Some(table), [Some(rows), Some(sum), Some(last), Some(checksum)]) = (table, numbers) {
                let total = Total { tally: Tally { rows, sum }, last };
                totals[table as usize] = Some(total).filter(|total| total.checksum(table) == checksum);
            }
        });
        self.unreadable("tally", error);
        for table in Table::ALL {
            if totals[table as usize].is_none() {
                self.find(format!("how many rows the table {} should have is not known", table.name()));
            }
        }
        self.totals = totals;
    }

    fn compare_table(&mut self, table: Table, what: &str, found: Tally) {
        if let Some(total) = self.total(table) {
            self.compare(what, total.tally, found);
        }
    }

    /// `found` counts whole rows.
    fn compare(&mut self, what: &str, written: Tally, found: Tally) {
        let (rows, of) = (found.rows, written.rows);
        match found.rows - written.rows {
            0 if found.sum == written.sum => {}
            0 => self.find(format!("{what}: some are not those that were written last")),
            missing @ ..0 => self.find(format!("{what}: {} of {of} are gone or damaged", -missing)),
            1.. => self.find(format!("{what}: {rows} are there where {of} should be")),
        }
    }

    fn checkpoints(&mut self, connection: &Connection) {
        let mut found = Tally::default();
        let mut damaged = Vec::new();
        let error =
            scan(
                connection,
                &format!("SELECT {} FROM checkpoint", rows::CHECKPOINT),
                |row| match rows::read_checkpoint(row) {
                    Some((checkpoint, us, sum)) if sum == rows::checkpoint_checksum(&checkpoint, us) => found.add(sum),
                    Some((checkpoint, ..)) => damaged.push(checkpoint.source),
                    None => damaged.push("of an unreadable name".to_owned()),
                },
            );
        self.unreadable("checkpoint", error);
        for source in damaged {
            self.find(format!("the checkpoint of source {source} is damaged"));
        }
        self.compare_table(Table::Checkpoint, "checkpoints", found);
    }

    fn lanes(&mut self, connection: &Connection) {
        let mut found = Tally::default();
        let mut lanes = HashMap::new();
        let error = scan(connection, &format!("SELECT {LANE} FROM lane NOT INDEXED"), |row| {
            let Some((id, name, book)) = read_lane(row) else { return };
            let is_whole = book.name_sum == rows::name_sum(id, &name) && book.checksum == book.row_checksum();
            if is_whole {
                found.add(book.checksum);
            }
            lanes.insert(id, Known { name, book, is_whole, found: Tally::default(), bytes: 0 });
        });
        self.unreadable("lane", error);
        self.lanes = lanes;
        self.compare_table(Table::Lane, "lanes", found);
    }

    fn marks(&mut self, connection: &Connection) {
        let mut found = Tally::default();
        let error = scan(connection, &format!("SELECT {} FROM mark", rows::MARK), |row| match Mark::read(row) {
            Some((mark, checksum)) if checksum == mark.checksum() => found.add(checksum),
            _ => {}
        });
        self.unreadable("mark", error);
        self.compare_table(Table::Mark, "marks (up to where a lane has what a source sent)", found);
    }

    /// Gives what the index of the rows should say.
    fn parked(&mut self, connection: &Connection) -> Groups {
        let mut groups = Groups::new();
        let (lanes, mut strays) = (&mut self.lanes, 0);
        let sql = format!("SELECT {} FROM parked NOT INDEXED ORDER BY seq", rows::PARKED);
        let error = scan(connection, &sql, |row| {
            let (Some(seq), Some(lane)) = (rows::number(row, 0), rows::number(row, 1)) else { return };
            let group = groups.entry(lane).or_default();
            *group = (group.0 + 1, group.1 + seq % SEQ_MODULUS);
            let Some((at, parked)) = Parked::read(row) else { return };
            let Some(lane) = lanes.get_mut(&at.lane) else {
                strays += 1;
                return;
            };
            if at.checksum == rows::parked_checksum(lane.book.name_sum, at.seq, parked.content_sum()) {
                lane.found.add(at.checksum);
                lane.bytes += parked.bytes;
            }
        });
        self.unreadable("parked", error);
        if strays > 0 {
            self.find(format!("{strays} parked messages belong to no lane"));
        }
        let mut lanes: Vec<_> = self.lanes.drain().collect();
        lanes.sort_by_key(|(id, _)| *id);
        for (_, lane) in &lanes {
            let what = format!("messages that wait for lane {}", shown(&lane.name));
            match lane.is_whole {
                false => self.find(format!("{what}: how many there should be is not known")),
                true => self.compare(&what, lane.book.parked, lane.found),
            }
            if lane.is_whole && lane.book.parked == lane.found && lane.book.bytes != lane.bytes {
                self.find(format!("{what}: they are of another size than was written"));
            }
        }
        self.lanes = lanes.into_iter().collect();
        groups
    }

    /// Messages are found by this index: one that is not in it would wait for ever.
    fn index(&mut self, connection: &Connection, by_row: &Groups) {
        let sql =
            format!("SELECT lane, count(*), sum(seq % {SEQ_MODULUS}) FROM parked INDEXED BY parked_lane GROUP BY lane");
        let mut by_index = Groups::new();
        let error = scan(connection, &sql, |row| {
            if let [Some(lane), Some(count), Some(sum)] = [0, 1, 2].map(|at| rows::number(row, at)) {
                by_index.insert(lane, (count, sum));
            }
        });
        if error.is_some() || by_index != *by_row {
            self.find("the index of parked messages does not fit them");
        }
    }

    fn dead(&mut self, connection: &Connection) {
        let mut found = Tally::default();
        let error = scan(connection, &format!("SELECT {} FROM dead NOT INDEXED", rows::DEAD), |row| {
            if let Some((id, checksum, dead)) = Dead::read(row)
                && checksum == dead.checksum(id)
            {
                found.add(checksum);
            }
        });
        self.unreadable("dead", error);
        self.compare_table(Table::Dead, "dead letters", found);
    }

    fn seal(&mut self, connection: &Connection, seal: Option<i64>) {
        let Some(commits) = self.total(Table::Commit).map(|total| total.last) else { return };
        let Some(sealed) = seal.filter(|sealed| *sealed > commits) else { return };
        let mut sources = Vec::new();
        // What can not be read was said already.
        let _ = scan(connection, "SELECT source FROM checkpoint", |row| {
            sources.extend(rows::text(row, 0).map(str::to_owned));
        });
        let behind = match sources.is_empty() {
            true => String::new(),
            false => format!(", and the checkpoints of {} may be behind", sources.join(", ")),
        };
        self.find(format!(
            "it ends with transaction {commits}, though {sealed} was on the disk: what was parked or set aside in the last {} is \
             gone{behind}",
            sealed.saturating_sub(commits)
        ));
    }
}

const LANE: &str = "id, pipeline, target, member, name_sum, parked, parked_bytes, sum, checksum";

fn read_lane(row: &Row<'_>) -> Option<(i64, LaneName, LaneBook)> {
    let text = |at| Some(Arc::from(rows::text(row, at)?));
    let name = LaneName { pipeline: text(1)?, target: text(2)?, member: text(3)? };
    let number = |at| rows::number(row, at);
    let parked = Tally { rows: number(5)?, sum: number(7)? };
    Some((number(0)?, name, LaneBook { name_sum: number(4)?, parked, bytes: number(6)?, checksum: number(8)? }))
}

/// As people write it.
pub(super) fn shown(name: &LaneName) -> String {
    let LaneName { pipeline, target, member } = name;
    let member = if member.is_empty() { String::new() } else { format!("/{member}") };
    format!("{pipeline}/{target}{member}")
}
