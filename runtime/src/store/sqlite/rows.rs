//! The rows of each table: what they hold, their checksums, how they are written and read. Reading gives `None` for a row whose
//! columns are not what was written; whether its checksum fits is for the reader to say.

use super::tally::Checksum;
use crate::change::Place;
use crate::store::{Checkpoint, LaneName};
use rusqlite::{Connection, Row, params};

/// Replaces what there is.
pub(super) fn write_checkpoint(
    connection: &Connection,
    checkpoint: &Checkpoint,
    written_us: i64,
) -> rusqlite::Result<i64> {
    let sql = "INSERT OR REPLACE INTO checkpoint (source, stream, position, written_us, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
    let checksum = checkpoint_checksum(checkpoint, written_us);
    let Checkpoint { source, stream, position } = checkpoint;
    connection.prepare_cached(sql)?.execute(params![source, stream, position, written_us, checksum])?;
    Ok(checksum)
}

pub(super) const CHECKPOINT: &str = "source, stream, position, written_us, checksum";

pub(super) fn read_checkpoint(row: &Row<'_>) -> Option<(Checkpoint, i64, i64)> {
    let checkpoint =
        Checkpoint { source: text(row, 0)?.into(), stream: text(row, 1)?.into(), position: text(row, 2)?.into() };
    Some((checkpoint, number(row, 3)?, number(row, 4)?))
}

pub(super) fn checkpoint_checksum(checkpoint: &Checkpoint, written_us: i64) -> i64 {
    let Checkpoint { source, stream, position } = checkpoint;
    Checksum::default().text(source).text(stream).text(position).number(written_us).done()
}

pub(super) fn name_sum(lane: i64, name: &LaneName) -> i64 {
    Checksum::default().number(lane).text(&name.pipeline).text(&name.target).text(&name.member).done()
}

/// Up to where a lane took over what a source sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) lane: i64,
    pub(super) source: String,
    pub(super) place: Place,
}

pub(super) const MARK: &str = "lane, source, epoch, log_commit, log_change, sub, nth, checksum";

impl Mark {
    pub(super) fn checksum(&self) -> i64 {
        let Place { epoch, commit, change, sub, nth } = self.place;
        let positions = Checksum::default().number(commit as i64).number(change as i64);
        let small = positions.number(epoch.into()).number(sub.into()).number(nth.into());
        small.number(self.lane).text(&self.source).done()
    }

    /// Replaces what there is.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let sql = "INSERT OR REPLACE INTO mark (lane, source, epoch, log_commit, log_change, sub, nth, checksum)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let Place { epoch, commit, change, sub, nth } = self.place;
        let (commit, change, checksum) = (position_text(commit), position_text(change), self.checksum());
        let row = params![self.lane, self.source, epoch, commit, change, sub, nth, checksum];
        connection.prepare_cached(sql)?.execute(row)?;
        Ok(checksum)
    }

    pub(super) fn read(row: &Row<'_>) -> Option<(Self, i64)> {
        let small = |at| u32::try_from(number(row, at)?).ok();
        let large = |at| text(row, at)?.parse().ok();
        let place = Place { epoch: small(2)?, commit: large(3)?, change: large(4)?, sub: small(5)?, nth: small(6)? };
        Some((Self { lane: number(row, 0)?, source: text(row, 1)?.into(), place }, number(row, 7)?))
    }
}

/// SQLite's integers end at 63 bits, a log position does not. Twenty digits keep value and order, and can be read.
fn position_text(position: u64) -> String {
    format!("{position:020}")
}

/// What is stored of a parked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parked<'a> {
    pub(super) attempts: i64,
    pub(super) arrived_us: i64,
    /// By `Content::byte_len`.
    pub(super) bytes: i64,
    pub(super) id: &'a str,
    pub(super) meta: &'a str,
    pub(super) key: &'a [u8],
    pub(super) body: &'a [u8],
}

/// Where a parked row lies, and what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) seq: i64,
    pub(super) lane: i64,
    pub(super) checksum: i64,
}

pub(super) const PARKED: &str = "seq, lane, attempts, arrived_us, bytes, checksum, id, meta, key, body";
pub(super) const INSERT_PARKED: &str =
    "INSERT INTO parked (seq, lane, attempts, arrived_us, bytes, checksum, id, meta, key, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

impl<'a> Parked<'a> {
    /// Over all that does not depend on where it will lie: made by who asks, so that the writer has less to do.
    pub(super) fn content_sum(&self) -> i64 {
        let Self { attempts, arrived_us, bytes, id, meta, key, body } = *self;
        let numbers = Checksum::default().number(attempts).number(arrived_us).number(bytes);
        numbers.text(id).text(meta).bytes(key).bytes(body).done()
    }

    pub(super) fn read<'r: 'a>(row: &'r Row<'_>) -> Option<(At, Self)> {
        let at = At { seq: number(row, 0)?, lane: number(row, 1)?, checksum: number(row, 5)? };
        let parked = Self {
            attempts: number(row, 2)?,
            arrived_us: number(row, 3)?,
            bytes: number(row, 4)?,
            id: text(row, 6)?,
            meta: text(row, 7)?,
            key: blob(row, 8)?,
            body: blob(row, 9)?,
        };
        Some((at, parked))
    }
}

/// A row that was moved to another lane or another place does not fit either.
pub(super) fn parked_checksum(name_sum: i64, seq: i64, content_sum: i64) -> i64 {
    Checksum::default().number(name_sum).number(seq).number(content_sum).done()
}

/// What is stored of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead<'a> {
    /// Pipeline, target, member, and the message's id or the row's: no two have the same.
    pub(super) name: [&'a str; 4],
    pub(super) is_row: bool,
    /// `schema.table`.
    pub(super) table: &'a str,
    pub(super) is_superseded: bool,
    pub(super) reason: &'a str,
    pub(super) attempts: i64,
    pub(super) arrived_us: i64,
    pub(super) died_us: i64,
    pub(super) bytes: i64,
    /// Generation, guest, last answer, backtrace.
    pub(super) notes: [Option<&'a str>; 4],
    pub(super) meta: &'a str,
    pub(super) key: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) json: Option<&'a str>,
}

/// The columns that a list needs.
pub(super) const DEAD_NARROW: &str =
    "id, pipeline, target, member, name, kind, table_name, superseded, reason, attempts, arrived_us,
    died_us, bytes, checksum, generation";
pub(super) const DEAD: &str =
    "id, pipeline, target, member, name, kind, table_name, superseded, reason, attempts, arrived_us,
    died_us, bytes, checksum, generation, guest, last_answer, backtrace, meta, key, body, json";

impl<'a> Dead<'a> {
    pub(super) fn checksum(&self, id: i64) -> i64 {
        let numbers = [id, self.is_row.into(), self.attempts, self.arrived_us, self.died_us, self.bytes];
        let summed = numbers.iter().fold(Checksum::default(), |sum, number| sum.number(*number));
        let summed = self.name.iter().fold(summed, |sum, name| sum.text(name)).text(self.table).text(self.reason);
        let summed = self.notes.iter().chain([&self.json]).fold(summed, |sum, note| sum.maybe(*note));
        let content = summed.text(self.meta).bytes(self.key).bytes(self.body).done();
        content + superseded_sum(self.is_superseded)
    }

    /// Replaces what there is under this number.
    pub(super) fn write(&self, connection: &Connection, id: i64) -> rusqlite::Result<i64> {
        let sql = "INSERT OR REPLACE INTO dead (id, pipeline, target, member, name, kind, table_name, superseded, reason, attempts,
            arrived_us, died_us, bytes, checksum, generation, guest, last_answer, backtrace, meta, key, body, json)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
        let checksum = self.checksum(id);
        let [pipeline, target, member, name] = self.name;
        let [generation, guest, last_answer, backtrace] = self.notes;
        connection.prepare_cached(sql)?.execute(params![
            id,
            pipeline,
            target,
            member,
            name,
            if self.is_row { "row" } else { "message" },
            self.table,
            self.is_superseded,
            self.reason,
            self.attempts,
            self.arrived_us,
            self.died_us,
            self.bytes,
            checksum,
            generation,
            guest,
            last_answer,
            backtrace,
            self.meta,
            self.key,
            self.body,
            self.json
        ])?;
        Ok(checksum)
    }

    /// A row of [`DEAD`]: its number, the checksum that it has, and the rest.
    pub(super) fn read<'r: 'a>(row: &'r Row<'_>) -> Option<(i64, i64, Self)> {
        let dead = Self {
            name: [text(row, 1)?, text(row, 2)?, text(row, 3)?, text(row, 4)?],
            is_row: match text(row, 5)? {
                "row" => true,
                "message" => false,
                _ => return None,
            },
            table: text(row, 6)?,
            is_superseded: match number(row, 7)? {
                0 => false,
                1 => true,
                _ => return None,
            },
            reason: text(row, 8)?,
            attempts: number(row, 9)?,
            arrived_us: number(row, 10)?,
            died_us: number(row, 11)?,
            bytes: number(row, 12)?,
            notes: [note(row, 14)?, note(row, 15)?, note(row, 16)?, note(row, 17)?],
            meta: text(row, 18)?,
            key: blob(row, 19)?,
            body: blob(row, 20)?,
            json: note(row, 21)?,
        };
        Some((number(row, 0)?, number(row, 13)?, dead))
    }
}

/// Added rather than summed up, so that the mark can be set without reading what the letter holds.
pub(super) fn superseded_sum(is_superseded: bool) -> i64 {
    i64::from(is_superseded) << 40
}

pub(super) fn number(row: &Row<'_>, at: usize) -> Option<i64> {
    row.get_ref(at).ok()?.as_i64().ok()
}

pub(super) fn text<'r>(row: &'r Row<'_>, at: usize) -> Option<&'r str> {
    row.get_ref(at).ok()?.as_str().ok()
}

fn note<'r>(row: &'r Row<'_>, at: usize) -> Option<Option<&'r str>> {
    row.get_ref(at).ok()?.as_str_or_null().ok()
}

fn blob<'r>(row: &'r Row<'_>, at: usize) -> Option<&'r [u8]> {
    row.get_ref(at).ok()?.as_blob().ok()
}
