//! What the writer does within a transaction: one method for each thing that it is asked.

use super::books::{Books, LaneBook, Table};
use super::codec::{self, Shared};
use super::letter::{Letter, Parcel, now_us};
use super::rows::{self, Dead, Mark, Parked};
use super::trouble::Trouble;
use crate::change::{Message, Place};
use crate::store::{Checkpoint, DeadId, KeyHash, LaneId, LaneName, LaneRecord, Revive, Revived, Seq};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows that are moved at a time where many are: what is in memory stays small.
const MOVE_ROWS: usize = 500;

/// A transaction that is under way.
pub(super) struct Desk<'a> {
    pub(super) connection: &'a Connection,
    pub(super) books: &'a mut Books,
}

impl Desk<'_> {
    pub(super) fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, Trouble> {
        let sql = format!("SELECT {} FROM checkpoint WHERE source = ?1 AND stream = ?2", rows::CHECKPOINT);
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut found = select.query([source, stream])?;
        let Some(row) = found.next()? else { return Ok(None) };
        match rows::read_checkpoint(row) {
            Some((checkpoint, written, sum)) if sum == rows::checkpoint_checksum(&checkpoint, written) => {
                Ok(Some(checkpoint))
            }
            _ => Err(Trouble::Damaged(format!("the checkpoint of source {source} ({stream}) is damaged"))),
        }
    }

    pub(super) fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        let Checkpoint { source, stream, .. } = checkpoint;
        let sql = "SELECT checksum FROM checkpoint WHERE source = ?1 AND stream = ?2";
        let old = self.connection.prepare_cached(sql)?.query_row([source, stream], |row| row.get(0)).optional()?;
        let new = rows::write_checkpoint(self.connection, checkpoint, now_us())?;
        self.replace(Table::Checkpoint, old, new);
        Ok(())
    }

    pub(super) fn forget(&mut self, source: &str, stream: &str) -> Result<(), Trouble> {
        let sql = "DELETE FROM checkpoint WHERE source = ?1 AND stream = ?2 RETURNING checksum";
        let gone = self.connection.prepare_cached(sql)?.query_row([source, stream], |row| row.get(0)).optional()?;
        if let Some(checksum) = gone {
            self.books.total_mut(Table::Checkpoint).tally.remove(checksum);
        }
        Ok(())
    }

    fn replace(&mut self, table: Table, old: Option<i64>, new: i64) {
        let tally = &mut self.books.total_mut(table).tally;
        if let Some(old) = old {
            tally.remove(old);
        }
        tally.add(new);
    }

    pub(super) fn forget_marks(&mut self, source: &str) -> Result<(), Trouble> {
        let mut delete = self.connection.prepare_cached("DELETE FROM mark WHERE source = ?1 RETURNING checksum")?;
        let gone = delete.query_map([source], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        for checksum in gone {
            self.books.total_mut(Table::Mark).tally.remove(checksum);
        }
        Ok(())
    }

    pub(super) fn lane(&mut self, name: &LaneName) -> Result<LaneRecord, Trouble> {
        let id = self.lane_id(name)?;
        self.record(id, name)
    }

    fn lane_id(&mut self, name: &LaneName) -> Result<i64, Trouble> {
        let sql = "SELECT id FROM lane WHERE pipeline = ?1 AND target = ?2 AND member = ?3";
        let LaneName { pipeline, target, member } = name;
        let mut select = self.connection.prepare_cached(sql)?;
        if let Some(id) = select.query_row([pipeline, target, member], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        let total = self.books.total_mut(Table::Lane);
        total.last += 1;
        let id = total.last;
        let mut book = LaneBook { name_sum: rows::name_sum(id, name), ..LaneBook::default() };
        book.checksum = book.row_checksum();
        total.tally.add(book.checksum);
        let sql = "INSERT INTO lane (id, pipeline, target, member, name_sum, parked, parked_bytes, sum, checksum)
            VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?6)";
        let row = params![id, pipeline, target, member, book.name_sum, book.checksum];
        self.connection.prepare_cached(sql)?.execute(row)?;
        self.books.open_lane(id, book);
        Ok(id)
    }

    fn record(&self, id: i64, name: &LaneName) -> Result<LaneRecord, Trouble> {
        let book = self.books.lane(id).ok_or(Trouble::NoLane(id))?;
        let last: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(seq) FROM parked WHERE lane = ?1")?
            .query_row([id], |row| row.get(0))?;
        let LaneName { pipeline, target, member } = name;
        let dead: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM dead WHERE pipeline = ?1 AND target = ?2 AND member = ?3")?
            .query_row([pipeline, target, member], |row| row.get(0))?;
        Ok(LaneRecord {
            id: LaneId(id),
            parked: unsigned(book.parked.rows),
            parked_bytes: unsigned(book.bytes),
            last: Seq(last.unwrap_or(0)),
            marks: self.marks(id)?,
            dead: unsigned(dead),
            dead_keys: if dead == 0 { Vec::new() } else { self.dead_keys(name)? },
        })
    }

    fn marks(&self, lane: i64) -> Result<Vec<(Arc<str>, Place)>, Trouble> {
        let sql = format!("SELECT {} FROM mark WHERE lane = ?1 ORDER BY source", rows::MARK);
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut found = select.query([lane])?;
        let mut marks = Vec::new();
        while let Some(row) = found.next()? {
            match Mark::read(row) {
                Some((mark, checksum)) if checksum == mark.checksum() => marks.push((mark.source.into(), mark.place)),
                _ => return Err(Trouble::Damaged(format!("a mark of lane {lane} is damaged"))),
            }
        }
        Ok(marks)
    }

    fn dead_keys(&self, name: &LaneName) -> Result<Vec<(KeyHash, Place)>, Trouble> {
        let sql = "SELECT meta, name, key FROM dead WHERE pipeline = ?1 AND target = ?2 AND member = ?3
            AND kind = 'message' AND superseded = 0";
        let LaneName { pipeline, target, member } = name;
        let mut select = self.connection.prepare_cached(sql)?;
        let mut found = select.query([pipeline, target, member])?;
        let mut keys: BTreeMap<KeyHash, Place> = BTreeMap::new();
        let mut shared = Shared::default();
        while let Some(row) = found.next()? {
            let without_body = [row.get_ref(2)?.as_blob()?, &[]];
            let dead =
                codec::read_message(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, without_body, &mut shared);
            let dead = dead.map_err(|reason| Trouble::Damaged(format!("a dead letter is damaged: {reason}")))?;
            let newest = keys.entry(KeyHash::of(&dead)).or_default();
            *newest = (*newest).max(dead.origin.place());
        }
        Ok(keys.into_iter().collect())
    }

    pub(super) fn lanes(&mut self) -> Result<Vec<(LaneName, LaneRecord)>, Trouble> {
        let mut select =
            self.connection.prepare_cached("SELECT id, pipeline, target, member FROM lane ORDER BY 2, 3, 4")?;
        let named = select.query_map([], |row| Ok((row.get(0)?, read_name(row, 1)?)))?;
        let named = named.collect::<rusqlite::Result<Vec<(i64, LaneName)>>>()?;
        named.into_iter().map(|(id, name)| Ok((name.clone(), self.record(id, &name)?))).collect()
    }

    pub(super) fn park(
        &mut self,
        lane: LaneId,
        parcels: &[Parcel],
        marks: &[(Arc<str>, Place)],
    ) -> Result<Seq, Trouble> {
        let first = Seq(self.books.total(Table::Parked).last + 1);
        for parcel in parcels {
            self.park_row(lane.0, &parcel.row(), parcel.content_sum)?;
        }
        for (source, place) in marks {
            self.raise(lane.0, source, *place)?;
        }
        Ok(first)
    }

    fn park_row(&mut self, lane: i64, row: &Parked<'_>, content_sum: i64) -> Result<i64, Trouble> {
        let total = self.books.total_mut(Table::Parked);
        total.last += 1;
        let seq = total.last;
        let book = self.books.lane_mut(lane).ok_or(Trouble::NoLane(lane))?;
        let checksum = rows::parked_checksum(book.name_sum, seq, content_sum);
        book.parked.add(checksum);
        book.bytes += row.bytes;
        let Parked { attempts, arrived_us, bytes, id, meta, key, body } = row;
        let row = params![seq, lane, attempts, arrived_us, bytes, checksum, id, meta, key, body];
        self.connection.prepare_cached(rows::INSERT_PARKED)?.execute(row)?;
        Ok(seq)
    }

    fn raise(&mut self, lane: i64, source: &str, place: Place) -> Result<(), Trouble> {
        let sql = format!("SELECT {} FROM mark WHERE lane = ?1 AND source = ?2", rows::MARK);
        let mut select = self.connection.prepare_cached(&sql)?;
        let known = select.query_row(params![lane, source], |row| Ok(Mark::read(row))).optional()?;
        let old = match known {
            Some(Some((mark, _))) if mark.place >= place => return Ok(()),
            Some(Some((_, checksum))) => Some(checksum),
            Some(None) => return Err(Trouble::Damaged(format!("a mark of lane {lane} is damaged"))),
            None => None,
        };
        let new = Mark { lane, source: source.to_owned(), place }.write(self.connection)?;
        self.replace(Table::Mark, old, new);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        lane: LaneId,
        over: &[Seq],
        dead: &[Letter],
        superseded: &[Message],
    ) -> Result<(), Trouble> {
        for seq in over {
            self.unpark(lane.0, seq.0)?;
        }
        self.bury(dead)?;
        // Last: what was delivered after a death may come in one settlement with it.
        if superseded.is_empty() { Ok(()) } else { self.supersede(lane, superseded) }
    }

    /// One that is not there was taken before.
    fn unpark(&mut self, lane: i64, seq: i64) -> Result<(), Trouble> {
        let sql = "DELETE FROM parked WHERE seq = ?1 AND lane = ?2 RETURNING bytes, checksum";
        let mut delete = self.connection.prepare_cached(sql)?;
        let gone = delete.query_row([seq, lane], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((bytes, checksum)): Option<(i64, i64)> = gone else { return Ok(()) };
        let book = self.books.lane_mut(lane).ok_or(Trouble::NoLane(lane))?;
        book.parked.remove(checksum);
        book.bytes -= bytes;
        Ok(())
    }

    fn supersede(&mut self, lane: LaneId, delivered: &[Message]) -> Result<(), Trouble> {
        let name = self.name_of(lane.0)?;
        let LaneName { pipeline, target, member } = &name;
        let sql = "SELECT id, meta, name, key, body FROM dead WHERE key = ?1 AND kind = 'message' AND superseded = 0
            AND pipeline = ?2 AND target = ?3 AND member = ?4";
        let mut shared = Shared::default();
        for message in delivered {
            let mut select = self.connection.prepare_cached(sql)?;
            let mut found = select.query(params![&message.key[..], pipeline, target, member])?;
            let mut older = Vec::new();
            while let Some(row) = found.next()? {
                let text = |at| row.get_ref(at).and_then(|cell| Ok(cell.as_str()?));
                let blob = |at| row.get_ref(at).and_then(|cell| Ok(cell.as_blob()?));
                let dead = codec::read_message(text(1)?, text(2)?, [blob(3)?, blob(4)?], &mut shared);
                let dead = dead.map_err(|reason| Trouble::Damaged(format!("a dead letter is damaged: {reason}")))?;
                // Positions of two sources are not comparable.
                let is_same = dead.origin.schema.source == message.origin.schema.source;
                if is_same && dead.origin.place() < message.origin.place() {
                    older.push(row.get::<_, i64>(0)?);
                }
            }
            for id in older {
                self.mark_superseded(id)?;
            }
        }
        Ok(())
    }

    fn mark_superseded(&mut self, id: i64) -> Result<(), Trouble> {
        let sql = "UPDATE dead SET superseded = 1, checksum = checksum + ?2 WHERE id = ?1 RETURNING checksum";
        let step = rows::superseded_sum(true);
        let new: i64 = self.connection.prepare_cached(sql)?.query_row([id, step], |row| row.get(0))?;
        self.books.total_mut(Table::Dead).tally.replace(new - step, new);
        Ok(())
    }

    pub(super) fn bury(&mut self, dead: &[Letter]) -> Result<(), Trouble> {
        dead.iter().try_for_each(|letter| self.bury_row(&letter.row()))
    }

    /// What dies again replaces itself, under a new number: who had it sent again drops the old one when it is through.
    fn bury_row(&mut self, row: &Dead<'_>) -> Result<(), Trouble> {
        let sql =
            "DELETE FROM dead WHERE pipeline = ?1 AND target = ?2 AND member = ?3 AND name = ?4 RETURNING checksum";
        let mut delete = self.connection.prepare_cached(sql)?;
        let old = delete.query_row(row.name, |row| row.get(0)).optional()?;
        let total = self.books.total_mut(Table::Dead);
        total.last += 1;
        let id = total.last;
        let new = row.write(self.connection, id)?;
        self.replace(Table::Dead, old, new);
        Ok(())
    }

    pub(super) fn drop_dead(&mut self, ids: &[DeadId]) -> Result<u64, Trouble> {
        ids.iter().try_fold(0, |dropped, id| Ok(dropped + u64::from(self.drop_one(id.0)?)))
    }

    fn drop_one(&mut self, id: i64) -> Result<bool, Trouble> {
        let mut delete = self.connection.prepare_cached("DELETE FROM dead WHERE id = ?1 RETURNING checksum")?;
        let gone = delete.query_row([id], |row| row.get(0)).optional()?;
        if let Some(checksum) = gone {
            self.books.total_mut(Table::Dead).tally.remove(checksum);
        }
        Ok(gone.is_some())
    }

    pub(super) fn revive(&mut self, Revive { id, superseded }: Revive) -> Result<Revived, Trouble> {
        let sql = format!("SELECT {} FROM dead WHERE id = ?1 AND kind = 'message'", rows::DEAD);
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut found = select.query([id.0])?;
        let Some(row) = found.next()? else { return Ok(Revived::Gone) };
        let Some((_, _, dead)) = Dead::read(row).filter(|(id, checksum, dead)| *checksum == dead.checksum(*id)) else {
            return Err(Trouble::Damaged(format!("dead letter {} is damaged", id.0)));
        };
        if dead.is_superseded && !superseded {
            return Ok(Revived::Superseded);
        }
        let [pipeline, target, member, name] = dead.name;
        let lane =
            self.lane_id(&LaneName { pipeline: pipeline.into(), target: target.into(), member: member.into() })?;
        // Its age and its attempts begin anew, or it would die at once of what it died of.
        let (attempts, arrived_us) = (0, now_us());
        let Dead { bytes, meta, key, body, .. } = dead;
        let parked = Parked { attempts, arrived_us, bytes, id: name, meta, key, body };
        let seq = self.park_row(lane, &parked, parked.content_sum())?;
        drop(found);
        self.drop_one(id.0)?;
        Ok(Revived::Waits { lane: LaneId(lane), seq: Seq(seq) })
    }

    pub(super) fn clear_lane(&mut self, lane: LaneId, reason: Option<&str>) -> Result<u64, Trouble> {
        match reason {
            Some(reason) => self.bury_lane(lane.0, reason),
            None => {
                let book = self.books.lane_mut(lane.0).ok_or(Trouble::NoLane(lane.0))?;
                *book = LaneBook { name_sum: book.name_sum, checksum: book.checksum, ..LaneBook::default() };
                let gone = self.connection.prepare_cached("DELETE FROM parked WHERE lane = ?1")?.execute([lane.0])?;
                Ok(gone as u64)
            }
        }
    }

    fn bury_lane(&mut self, lane: i64, reason: &str) -> Result<u64, Trouble> {
        let name = self.name_of(lane)?;
        let name_sum = self.books.lane(lane).ok_or(Trouble::NoLane(lane))?.name_sum;
        let sql = format!("SELECT {} FROM parked WHERE lane = ?1 ORDER BY seq LIMIT ?2", rows::PARKED);
        let (mut buried, died_us) = (0, now_us());
        loop {
            let mut moved = Vec::new();
            let mut select = self.connection.prepare_cached(&sql)?;
            let mut found = select.query(params![lane, MOVE_ROWS as i64])?;
            while let Some(row) = found.next()? {
                let fits = |at: &rows::At, row: &Parked<'_>| {
                    at.checksum == rows::parked_checksum(name_sum, at.seq, row.content_sum())
                };
                let Some((at, parked)) = Parked::read(row).filter(|(at, row)| fits(at, row)) else {
                    return Err(Trouble::Damaged(format!("a parked message of lane {lane} is damaged")));
                };
                let table = codec::table_of(parked.meta).unwrap_or_default();
                self.bury_row(&Dead {
                    name: [&name.pipeline, &name.target, &name.member, parked.id],
                    is_row: false,
                    table: &table,
                    is_superseded: false,
                    reason,
                    attempts: parked.attempts,
                    arrived_us: parked.arrived_us,
                    died_us,
                    bytes: parked.bytes,
                    notes: [None; 4],
                    meta: parked.meta,
                    key: parked.key,
                    body: parked.body,
                    json: None,
                })?;
                moved.push(at.seq);
            }
            drop(found);
            if moved.is_empty() {
                return Ok(buried);
            }
            buried += moved.len() as u64;
            moved.into_iter().try_for_each(|seq| self.unpark(lane, seq))?;
        }
    }

    fn name_of(&self, lane: i64) -> Result<LaneName, Trouble> {
        let mut select = self.connection.prepare_cached("SELECT pipeline, target, member FROM lane WHERE id = ?1")?;
        select.query_row([lane], |row| read_name(row, 0)).optional()?.ok_or(Trouble::NoLane(lane))
    }
}

/// A lane's name in three columns.
pub(super) fn read_name(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<LaneName> {
    let text = |at| row.get_ref(at).and_then(|cell| Ok(Arc::from(cell.as_str()?)));
    Ok(LaneName { pipeline: text(at)?, target: text(at + 1)?, member: text(at + 2)? })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
