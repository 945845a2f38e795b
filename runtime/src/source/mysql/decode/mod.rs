//! Events become rows of a batch. A row is written once, straight from the event's bytes into the frame.
//!
//! ```text
//!   RawEvent ─▶ Decoder::event ─┬─ GTID, XID, ROTATE ...: where we are, what is open     (transaction, progress)
//!                               ├─ QUERY:                 what a statement does to us    (statements)
//!                               ├─ TABLE_MAP, ..._ROWS:   frame, marks                   (row_events, assembly)
//!                               └─ XA PREPARE:            kept for its outcome           (two_phases, prepared)
//!
//!   Batch ◀── take ── what is complete, and what comes again after a cut                 (handover)
//! ```
//!
//! This file says which event goes where. Each file beside it is one idea, as an `impl Decoder` of its own.

mod handover;
mod row_events;
mod statements;
mod transaction;
mod two_phases;

use super::assembly::Assembly;
use super::bytes::Cut;
use super::event::{self, RawEvent, Rotate, kind};
use super::prepared::{Held, Prepared};
use super::progress::Progress;
use super::refusal::by_statement;
use super::rules::Rules;
use super::tables::Tables;
use crate::change::{BinlogPosition, DatabaseKind, Gtid, RowMark};
use crate::source::notices::Notices;
use transaction::Transaction;

pub(super) use super::refusal::DecodeError;

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that anybody waits for.
    Quiet,
    /// Rows of a transaction whose end is still to come.
    Rows,
    /// A transaction has just ended, whether it had rows for us or not; `position` has moved.
    Committed,
}

/// Turns the events of one source into batches, over as many connections as it takes.
pub(super) struct Decoder {
    rules: Rules,
    kind: DatabaseKind,
    tables: Tables,
    progress: Progress,
    assembly: Assembly,
    prepared: Prepared,
    transaction: Option<Transaction>,
    /// Where the compressed transaction begins whose events come now.
    payload: Option<u64>,
    /// The last row that was taken, while its transaction is open: it comes again after a cut.
    handed_over: Option<(RowMark, Gtid)>,
    /// Rows of the open transaction that came again, and were taken already, have numbers up to this.
    repeats: u64,
    pub(super) rows_total: u64,
    pub(super) transactions_total: u64,
}

impl Decoder {
    /// Begins at `from`: file and offset where the stream begins, everything that was executed before. An ordinal of 0
    /// without GTIDs lets the first transaction decide whether positions count GTIDs or bytes.
    ///
    /// A row's mark is the same however often the log is read: `commit` is the ordinal that its transaction's end will have
    /// (without GTIDs: the one of its beginning, since the end is not known yet), `change` the number of the row in the
    /// transaction, counted over all tables, asked for or not, so that other rules do not change ids.
    pub(super) fn new(rules: Rules, from: &BinlogPosition, kind: DatabaseKind) -> Self {
        Self {
            kind,
            tables: Tables::new(kind),
            progress: Progress::new(from),
            assembly: Assembly::new(
                rules.source.clone(),
                Notices::new(rules.notices.clone(), &rules.source, rules.database.clone()),
            ),
            rules,
            prepared: Prepared::default(),
            transaction: None,
            payload: None,
            handed_over: None,
            repeats: 0,
            rows_total: 0,
            transactions_total: 0,
        }
    }

    /// Takes the next event of the log.
    ///
    /// # Errors
    /// If the event can not be read, or must not be read on from. The decoder then wants `restart` before anything else.
    #[inline]
    pub(super) fn event(&mut self, event: &RawEvent<'_>) -> Result<Step, DecodeError> {
        let begin = match self.payload {
            Some(begin) => begin,
            None => self.progress.advance(event, self.transaction.is_some()),
        };
        self.dispatch(event, begin).map_err(|error| DecodeError {
            message: format!("{}:{begin}, {} event: {}", self.progress.file(), event.name(), error.message),
            ..error
        })
    }

    fn dispatch(&mut self, event: &RawEvent<'_>, begin: u64) -> Result<Step, DecodeError> {
        match event.kind {
            kind::TABLE_MAP if self.is_held() => self.keep(event, begin)?,
            kind::TABLE_MAP => self.announce(event.body)?,
            kind::WRITE_ROWS_V1..=kind::DELETE_ROWS_V1
            | kind::WRITE_ROWS..=kind::DELETE_ROWS
            | kind::PARTIAL_UPDATE_ROWS
            | kind::WRITE_ROWS_COMPRESSED_V1..=kind::DELETE_ROWS_COMPRESSED => {
                if self.is_held() {
                    self.keep(event, begin)?;
                } else {
                    let file = self.progress.file().clone();
                    return self.rows(event, &file, begin);
                }
            }
            kind::XID => return Ok(self.commit()),
            kind::QUERY | kind::QUERY_COMPRESSED => return self.query(event, begin),
            kind::GTID => self.open(event, event::mysql_gtid(event.body, false)?, begin)?,
            kind::ANONYMOUS_GTID => self.open(event, event::mysql_gtid(event.body, true)?, begin)?,
            kind::GTID_TAGGED => self.open(event, event::tagged_gtid(event.body)?, begin)?,
            kind::MARIADB_GTID => {
                let opening = event::mariadb_gtid(event)?;
                self.open(event, opening, begin)?;
                if let Some(transaction) = &mut self.transaction {
                    transaction.is_block = !opening.is_standalone;
                    transaction.held = opening.is_prepared.then(Held::default);
                }
            }
            kind::ROWS_QUERY | kind::ANNOTATE_ROWS if self.is_held() => self.keep(event, begin)?,
            kind::ROWS_QUERY | kind::ANNOTATE_ROWS => self.rows_query(event),
            kind::XA_PREPARE => return self.xa_prepare(event),
            // Its events come one by one behind it; in the file they all stand where it stands.
            kind::TRANSACTION_PAYLOAD => self.payload = Some(begin),
            kind::ROTATE => {
                let Rotate { file, offset } = Rotate::parse(event.body)?;
                self.abandon();
                let file = std::str::from_utf8(file).map_err(|_| Cut)?;
                self.progress.rotate(file, offset, self.transaction.is_none());
            }
            // A server that died wrote no end behind its last transaction: it never was.
            kind::FORMAT_DESCRIPTION => {
                self.abandon();
                let (version, kind) = event::server_version(event.body)?;
                if kind != self.kind {
                    return Err(DecodeError::fatal(format!(
                        "this is a server of version {version}, but the source is of the other kind: correct the scheme of its URL"
                    )));
                }
            }
            other => self.rare(other, event)?,
        }
        Ok(Step::Quiet)
    }

    /// Events without rows or bounds for us, and those that must not come.
    fn rare(&self, number: u8, event: &RawEvent<'_>) -> Result<(), DecodeError> {
        match number {
            kind::INCIDENT => Err(DecodeError::loss(format!(
                "the server says that changes are missing from its log here ({}): find the cause in its error log, then begin anew \
                 with a snapshot",
                event::incident(event.body)?
            ))),
            // LOAD DATA as a statement.
            17 | 18 => Err(by_statement("LOAD DATA")),
            // STOP, INTVAR, RAND, USER_VAR, HEARTBEAT, IGNORABLE, PREVIOUS_GTIDS, TRANSACTION_CONTEXT, VIEW_CHANGE, HEARTBEAT_V2;
            // of MariaDB BINLOG_CHECKPOINT, GTID_LIST, START_ENCRYPTION (what comes behind it is sent decrypted).
            3 | 5 | 13 | 14 | 27 | 28 | 35 | 36 | 37 | 41 | 161 | 163 | 164 => Ok(()),
            _ if event.is_ignorable() => Ok(()),
            _ => Err(DecodeError::fatal(format!(
                "events of type {number} are not known: the server is newer than this program; take a newer sluicegate"
            ))),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod log_tests;

#[cfg(test)]
mod notice_tests;

#[cfg(test)]
mod schema_changes_tests;
