//! The thread that reads, on a connection of its own: it waits for no commit, and no commit for it.

use super::codec::Shared;
use super::letter::{read_dead, read_parked, read_summary};
use super::rows::{self, Dead, Parked};
use super::trouble::Trouble;
use super::wal::{MOVE_EVERY, Wal};
use crate::store::{DeadFilter, DeadId, DeadLetter, DeadSummary, LaneId, LaneName, Loaded, Seq, Window};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// What the reader is asked.
pub(super) enum Question {
    Read(Box<dyn FnOnce(&mut Reader) + Send>),
    /// The log is long.
    Move,
}

pub(super) struct Reader {
    connection: Connection,
    shared: Shared,
    /// The lanes' sums over their names, which do not change.
    name_sums: HashMap<i64, i64>,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, shared: Shared::default(), name_sums: HashMap::new() }
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self, questions: &Receiver<Question>, wal: &Arc<Wal>) {
        let mut moved = Instant::now();
        loop {
            match questions.recv_timeout(MOVE_EVERY.saturating_sub(moved.elapsed())) {
                Ok(Question::Read(question)) => question(&mut self),
                Ok(Question::Move) | Err(RecvTimeoutError::Timeout) => {
                    wal.move_most(&self.connection);
                    moved = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn name_sum(&mut self, lane: i64) -> Result<i64, Trouble> {
        if let Some(sum) = self.name_sums.get(&lane) {
            return Ok(*sum);
        }
        let mut select = self.connection.prepare_cached("SELECT pipeline, target, member FROM lane WHERE id = ?1")?;
        let name: Option<LaneName> = select.query_row([lane], |row| super::desk::read_name(row, 0)).optional()?;
        let sum = rows::name_sum(lane, &name.ok_or(Trouble::NoLane(lane))?);
        self.name_sums.insert(lane, sum);
        Ok(sum)
    }

    pub(super) fn load(&mut self, lane: LaneId, after: Seq, window: Window) -> Result<Vec<Loaded>, Trouble> {
        let name_sum = self.name_sum(lane.0)?;
        let sql = format!("SELECT {} FROM parked WHERE lane = ?1 AND seq > ?2 ORDER BY seq", rows::PARKED);
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut found = select.query(params![lane.0, after.0])?;
        let (mut loaded, mut bytes) = (Vec::new(), 0usize);
        while loaded.len() < window.messages.max(1) {
            let Some(row) = found.next()? else { break };
            let damaged =
                |reason: &str| Trouble::Damaged(format!("a parked message of lane {} is damaged: {reason}", lane.0));
            let (at, parked) = Parked::read(row).ok_or_else(|| damaged("a column is not what was written"))?;
            bytes = bytes.saturating_add(usize::try_from(parked.bytes).unwrap_or(0));
            if bytes > window.bytes && !loaded.is_empty() {
                break;
            }
            if at.checksum != rows::parked_checksum(name_sum, at.seq, parked.content_sum()) {
                return Err(damaged("its checksum does not fit"));
            }
            let carried = read_parked(&parked, &mut self.shared).map_err(|reason| damaged(&reason))?;
            loaded.push(Loaded { seq: Seq(at.seq), carried });
        }
        Ok(loaded)
    }

    pub(super) fn dead(&self, filter: &DeadFilter) -> Result<Vec<DeadSummary>, Trouble> {
        let sql = format!(
            "SELECT {} FROM dead WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR target = ?2)
                AND (?3 IS NULL OR member = ?3) AND (?4 IS NULL OR table_name = ?4) AND (?5 IS NULL OR instr(reason, ?5) > 0)
                AND (?6 IS NULL OR died_us >= ?6) AND (?7 IS NULL OR id < ?7) ORDER BY id DESC LIMIT ?8",
            rows::DEAD_NARROW
        );
        let DeadFilter { pipeline, target, member, table, reason, since_us, before, limit } = filter;
        let limit = if *limit == 0 { -1 } else { i64::try_from(*limit).unwrap_or(-1) };
        let mut select = self.connection.prepare_cached(&sql)?;
        let given = params![pipeline, target, member, table, reason, since_us, before.map(|id| id.0), limit];
        Ok(select.query_map(given, read_summary)?.collect::<Result<_, _>>()?)
    }

    pub(super) fn dead_letter(&mut self, id: DeadId) -> Result<Option<DeadLetter>, Trouble> {
        let sql = format!("SELECT {} FROM dead WHERE id = ?1", rows::DEAD);
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut found = select.query([id.0])?;
        let Some(row) = found.next()? else { return Ok(None) };
        let damaged = |reason: &str| Trouble::Damaged(format!("dead letter {} is damaged: {reason}", id.0));
        let (_, checksum, dead) = Dead::read(row).ok_or_else(|| damaged("a column is not what was written"))?;
        if checksum != dead.checksum(id.0) {
            return Err(damaged("its checksum does not fit"));
        }
        read_dead(&dead, &mut self.shared).map(Some).map_err(|reason| damaged(&reason))
    }
}
