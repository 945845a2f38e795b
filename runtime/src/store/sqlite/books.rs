//! What the writer knows by heart: the tallies of every table and lane, so that a group of commands writes each of them once.
//!
//! ```text
//!   a command ─▶ books (in memory, undone if it fails) ─▶ close: the rows of `lane` and `tally`, in the group's transaction
//! ```

use super::tally::{Checksum, Tally};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// What a row of the table `tally` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Checkpoint,
    Lane,
    Mark,
    /// Its rows are counted by their lanes.
    Parked,
    Dead,
    /// Counts the transactions.
    Commit,
}

impl Table {
    pub(super) const ALL: [Table; 6] =
        [Table::Checkpoint, Table::Lane, Table::Mark, Table::Parked, Table::Dead, Table::Commit];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Checkpoint => "checkpoint",
            Table::Lane => "lane",
            Table::Mark => "mark",
            Table::Parked => "parked",
            Table::Dead => "dead",
            Table::Commit => "commit",
        }
    }
}

/// A row of the table `tally`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) tally: Tally,
    /// The number that was given last; none is given twice.
    pub(super) last: i64,
}

impl Total {
    pub(super) fn checksum(&self, table: Table) -> i64 {
        Checksum::default().text(table.name()).number(self.tally.rows).number(self.tally.sum).number(self.last).done()
    }
}

/// A row of the table `lane`, without its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneBook {
    /// Over number and name. Every parked row's checksum begins with it.
    pub(super) name_sum: i64,
    pub(super) parked: Tally,
    pub(super) bytes: i64,
    /// Of the row as the table has it.
    pub(super) checksum: i64,
}

impl LaneBook {
    pub(super) fn row_checksum(&self) -> i64 {
        let Self { name_sum, parked, bytes, .. } = *self;
        Checksum::default().number(name_sum).number(parked.rows).number(bytes).number(parked.sum).done()
    }
}

/// The tallies as they will be when the transaction is committed.
#[derive(Debug, Default)]
pub(super) struct Books {
    totals: [Total; 6],
    lanes: HashMap<i64, LaneBook>,
    /// As it was when the group began; `None` for a lane that was not there.
    group: Before,
    /// As it was when the command began.
    command: Before,
}

/// What a transaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Nothing,
    Something,
}

#[derive(Debug, Default)]
struct Before {
    totals: [Total; 6],
    lanes: HashMap<i64, Option<LaneBook>>,
}

impl Books {
    pub(super) fn new(totals: [Total; 6], lanes: HashMap<i64, LaneBook>) -> Self {
        Self { totals, lanes, ..Self::default() }
    }

    pub(super) fn commits(&self) -> i64 {
        self.total(Table::Commit).last
    }

    pub(super) fn total(&self, table: Table) -> &Total {
        &self.totals[table as usize]
    }

    pub(super) fn total_mut(&mut self, table: Table) -> &mut Total {
        &mut self.totals[table as usize]
    }

    pub(super) fn lane(&self, lane: i64) -> Option<&LaneBook> {
        self.lanes.get(&lane)
    }

    /// The lane, to be changed.
    pub(super) fn lane_mut(&mut self, lane: i64) -> Option<&mut LaneBook> {
        let found = self.lanes.get_mut(&lane)?;
        self.command.lanes.entry(lane).or_insert(Some(*found));
        Some(found)
    }

    pub(super) fn open_lane(&mut self, lane: i64, book: LaneBook) {
        self.command.lanes.entry(lane).or_insert(None);
        self.lanes.insert(lane, book);
    }

    pub(super) fn begin_group(&mut self) {
        self.group = Before { totals: self.totals, lanes: HashMap::new() };
    }

    pub(super) fn begin_command(&mut self) {
        self.command.totals = self.totals;
        self.command.lanes.clear();
    }

    pub(super) fn keep_command(&mut self) {
        for (lane, before) in self.command.lanes.drain() {
            self.group.lanes.entry(lane).or_insert(before);
        }
    }

    pub(super) fn undo_command(&mut self) {
        self.totals = self.command.totals;
        restore(&mut self.lanes, &mut self.command.lanes);
    }

    pub(super) fn undo_group(&mut self) {
        self.undo_command();
        self.totals = self.group.totals;
        restore(&mut self.lanes, &mut self.group.lanes);
    }

    /// Writes what changed.
    pub(super) fn close(&mut self, connection: &Connection) -> rusqlite::Result<Wrote> {
        let sql = "UPDATE lane SET parked = ?2, parked_bytes = ?3, sum = ?4, checksum = ?5 WHERE id = ?1";
        let mut update = connection.prepare_cached(sql)?;
        for id in self.group.lanes.keys() {
            let Some(lane) = self.lanes.get_mut(id) else { continue };
            let (old, new) = (lane.checksum, lane.row_checksum());
            if old != new {
                update.execute(params![id, lane.parked.rows, lane.bytes, lane.parked.sum, new])?;
                lane.checksum = new;
                self.totals[Table::Lane as usize].tally.replace(old, new);
            }
        }
        if self.totals == self.group.totals {
            return Ok(Wrote::Nothing);
        }
        self.total_mut(Table::Commit).last += 1;
        for table in Table::ALL {
            if *self.total(table) != self.group.totals[table as usize] {
                write_total(connection, table, self.total(table))?;
            }
        }
        Ok(Wrote::Something)
    }
}

fn restore(lanes: &mut HashMap<i64, LaneBook>, before: &mut HashMap<i64, Option<LaneBook>>) {
    for (lane, book) in before.drain() {
        match book {
            Some(book) => lanes.insert(lane, book),
            None => lanes.remove(&lane),
        };
    }
}

pub(super) fn write_total(connection: &Connection, table: Table, total: &Total) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO tally (name, rows, sum, last, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
    let Total { tally, last } = total;
    connection.prepare_cached(sql)?.execute(params![
        table.name(),
        tally.rows,
        tally.sum,
        last,
        total.checksum(table)
    ])?;
    Ok(())
}
