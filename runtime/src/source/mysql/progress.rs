//! Where in the log we are: which file, how far, which transactions are behind us.

use super::event::{Opening, RawEvent};
use super::gtid::{GtidSet, MariadbPosition};
use crate::change::{BinlogPosition, Gtid};
use std::sync::Arc;

/// Bits of an ordinal that hold the offset, where transactions have no GTIDs; the file's number stands above them.
const OFFSET_BITS: u32 = 40;
const FILE_NUMBER_MAX: u64 = 1 << (64 - OFFSET_BITS);

/// What positions count, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Executed {
    /// The first transaction decides.
    Unknown,
    /// Files and bytes.
    Bytes,
    Mysql(GtidSet),
    Mariadb(MariadbPosition),
}

/// Behind the last complete transaction.
#[derive(Clone, Debug)]
struct End {
    ordinal: u64,
    file: Arc<str>,
    offset: u64,
}

/// What a transaction's rows are marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    At(u64),
    /// It was executed before the position that we began at.
    Known,
}

pub(super) struct Progress {
    file: Arc<str>,
    /// Behind the last event that stands in the file.
    offset: u64,
    executed: Executed,
    end: End,
    /// The position as text, until it moves.
    printed: Option<Arc<BinlogPosition>>,
    /// Where to begin again while a prepared transaction waits for its outcome: before it.
    held: Option<Arc<BinlogPosition>>,
}

impl Progress {
    pub(super) fn new(from: &BinlogPosition) -> Self {
        let executed = match (from.gtids.is_empty(), from.ordinal) {
            (true, 0) => Executed::Unknown,
            (true, _) => Executed::Bytes,
            // A checkpoint was checked when it was read; what is neither is told apart by the first transaction.
            (false, _) => match (from.gtids.parse(), from.gtids.parse()) {
                (Ok(set), _) => Executed::Mysql(set),
                (_, Ok(position)) => Executed::Mariadb(position),
                _ => Executed::Unknown,
            },
        };
        let (file, offset) = (from.file.clone(), from.offset);
        let end = End { ordinal: from.ordinal, file: file.clone(), offset };
        Self { file, offset, executed, end, printed: None, held: None }
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The ordinal of the last complete transaction.
    pub(super) fn ordinal(&self) -> u64 {
        self.end.ordinal
    }

    /// The log goes on in another file. Between transactions that is progress.
    pub(super) fn rotate(&mut self, file: &str, offset: u64, is_between: bool) {
        if *self.file != *file {
            self.file = file.into();
        }
        self.offset = offset;
        if is_between {
            self.end.file = self.file.clone();
            self.end.offset = offset;
            if self.executed == Executed::Bytes {
                self.end.ordinal = self.end.ordinal.max(self.in_bytes(offset).unwrap_or(0));
            }
            self.printed = None;
        }
    }

    /// Where the event begins in its file. Its header has only the low 32 bits of where it ends, or nothing at all: inside a
    /// transaction one event begins where the one before ends.
    pub(super) fn advance(&mut self, event: &RawEvent<'_>, is_inside: bool) -> u64 {
        const HEADER_MASK: u64 = 0xffff_ffff;
        if event.is_artificial() || event.end == 0 {
            let begin = self.offset;
            self.offset += if is_inside && !event.is_artificial() { u64::from(event.len) } else { 0 };
            return begin;
        }
        let mut end = self.offset & !HEADER_MASK | u64::from(event.end);
        if end + (1 << 31) < self.offset {
            end += 1 << 32;
        }
        if end < self.offset {
            return self.offset;
        }
        self.offset = end;
        end.saturating_sub(event.len.into())
    }

    /// The mark of a transaction that begins at `begin`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn open(&mut self, opening: &Opening, begin: u64) -> Result<Commit, String> {
        if self.executed == Executed::Unknown {
            self.executed = match opening.gtid {
                Gtid::None => Executed::Bytes,
                Gtid::Mysql { .. } => Executed::Mysql(GtidSet::default()),
                Gtid::Mariadb { .. } => Executed::Mariadb(MariadbPosition::default()),
            };
        }
        match (&self.executed, opening.gtid) {
            // Known before the transaction's end, and never below the end of the one before.
            (Executed::Bytes, _) => self.in_bytes(begin).map(Commit::At),
            (Executed::Mysql(set), Gtid::Mysql { server, tag, number }) => {
                Ok(if set.contains(server, tag, number) { Commit::Known } else { Commit::At(set.count() + 1) })
            }
            (Executed::Mariadb(position), Gtid::Mariadb { domain, sequence, .. }) => {
                let last = position.last(domain);
                if sequence <= last {
                    return Err(format!(
                        "transaction {} comes behind number {last} of its domain, so positions would not grow: give each server that is \
                         written to a gtid_domain_id of its own, or set gtid_strict_mode=ON, then raise `epoch` of this source and begin \
                         anew",
                        opening.gtid
                    ));
                }
                Ok(Commit::At(position.sum_with(domain, sequence)))
            }
            (_, Gtid::None) => Err("the transaction has no GTID, but all before it had one: turn gtid_mode (MySQL) on again, raise `epoch` \
                 of this source, and begin anew"
                .into()),
            (_, gtid) => Err(format!(
                "the transaction's GTID {gtid} is not of the kind that the position {} counts: this is another server; raise `epoch` of \
                 this source, and begin anew",
                self.position()
            )),
        }
    }

    /// The transaction's last event was taken.
    pub(super) fn finish(&mut self, gtid: Gtid) {
        let ordinal = match (&mut self.executed, gtid) {
            (Executed::Mysql(set), Gtid::Mysql { server, tag, number }) => {
                set.insert(server, tag, number);
                set.count()
            }
            (Executed::Mariadb(position), Gtid::Mariadb { domain, server, sequence }) => {
                position.set(domain, server, sequence);
                position.sum()
            }
            _ => self.in_bytes(self.offset).unwrap_or(self.end.ordinal),
        };
        self.end = End { ordinal: ordinal.max(self.end.ordinal), file: self.file.clone(), offset: self.offset };
        self.printed = None;
    }

    /// File and offset as one number.
    fn in_bytes(&self, offset: u64) -> Result<u64, String> {
        let digits = self.file.rsplit('.').next().unwrap_or_default();
        let number: u64 =
            digits.parse().map_err(|_| format!("the file's name {} does not end in a number", self.file))?;
        if number >= FILE_NUMBER_MAX || offset >> OFFSET_BITS != 0 {
            return Err(format!(
                "{}:{offset} is beyond what positions without GTIDs can count: turn GTIDs on",
                self.file
            ));
        }
        Ok(number << OFFSET_BITS | offset)
    }

    /// Where to begin again so that nothing is lost.
    pub(super) fn position(&mut self) -> Arc<BinlogPosition> {
        if let Some(held) = &self.held {
            return held.clone();
        }
        let (end, executed) = (&self.end, &self.executed);
        let print = || {
            let gtids = match executed {
                Executed::Unknown | Executed::Bytes => String::new(),
                Executed::Mysql(set) => set.to_string(),
                Executed::Mariadb(position) => position.to_string(),
            };
            let End { ordinal, file, offset } = end.clone();
            Arc::new(BinlogPosition { ordinal, file, offset, gtids: gtids.into() })
        };
        self.printed.get_or_insert_with(print).clone()
    }

    /// The position stays where it is from now on.
    pub(super) fn hold(&mut self) {
        self.held = Some(self.position());
    }

    /// The position is again behind the last transaction.
    pub(super) fn release(&mut self) {
        self.held = None;
    }
}
