//! Events become rows of a batch. A row is written once, straight from the event's bytes into the frame.
//!
//! ```text
//!   RawEvent ─▶ GTID, BEGIN, XID ...: where we are          (progress)
//!             ─▶ TABLE_MAP:           tables                 (tables)
//!             ─▶ ..._ROWS:            frame, marks           (rows, assembly)
//!             ─▶ XA PREPARE:          kept for its outcome   (prepared)
//! ```

use super::assembly::{Assembly, Level, RowOrigin, Writer};
use super::bytes::Cut;
use super::compressed;
use super::event::{self, Opening, Query, RawEvent, Rotate, kind};
use super::prepared::{Held, HeldEvent, Prepared};
use super::progress::{Commit, Progress};
use super::refusal::{bad_row, by_statement};
use super::rows::{BadRow, Rows, each_row};
use super::schema_changes;
use super::statement::Statement;
use super::tables::Tables;
use crate::change::{
    Batch, BinlogEvent, BinlogPosition, DatabaseKind, Gtid, NoticeKind, RowMark, SchemaChange, TransactionId,
};
use crate::source::notices::Notices;
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::sync::Arc;
use std::time::Instant;

pub(super) use super::refusal::DecodeError;
pub(super) use super::rules::{Catalog, CatalogColumn, CatalogTable, Rules};

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

/// The transaction that the next rows belong to.
struct Transaction {
    commit: Commit,
    gtid: Gtid,
    thread: u32,
    /// Microseconds since 2000.
    committed_at: i64,
    /// Rows so far, of all tables.
    rows: u64,
    query: Option<Arc<str>>,
    /// Where it begins.
    file: Arc<str>,
    begin: u64,
    /// Whether more than one statement may follow; otherwise it ends with the first.
    is_block: bool,
    /// A statement alone, which nobody takes for a transaction.
    is_unbound: bool,
    /// What the batch held when it began.
    level: Level,
    /// Rows wait for an outcome.
    held: Option<Held>,
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

    fn open(&mut self, event: &RawEvent<'_>, opening: Opening, begin: u64) -> Result<(), DecodeError> {
        self.abandon();
        let commit = self.progress.open(&opening, begin).map_err(DecodeError::fatal)?;
        let committed_at_us = opening.committed_at_us.unwrap_or(i64::from(event.timestamp) * 1_000_000);
        self.repeats = match (self.handed_over, commit) {
            (Some((mark, gtid)), Commit::At(ordinal)) if mark.commit == ordinal && gtid == opening.gtid => mark.change,
            _ => 0,
        };
        self.transaction = Some(Transaction {
            commit,
            gtid: opening.gtid,
            thread: opening.thread,
            committed_at: committed_at_us - UNIX_EPOCH_TO_2000_US,
            rows: 0,
            query: None,
            file: self.progress.file().clone(),
            begin,
            is_block: false,
            is_unbound: false,
            level: self.assembly.level(),
            held: None,
        });
        if let Some(transaction) = &self.transaction
            && let Some((mark, id)) = transaction.bound(0, &self.assembly)
            && self.repeats == 0
        {
            self.assembly.notice(mark, transaction.committed_at, NoticeKind::Begin { id });
        }
        Ok(())
    }

    fn query(&mut self, event: &RawEvent<'_>, begin: u64) -> Result<Step, DecodeError> {
        let query = Query::parse(event.body)?;
        let inflated;
        let sql = match event.kind {
            kind::QUERY => query.sql,
            _ => {
                inflated = compressed::event(query.sql)?;
                &inflated
            }
        };
        if self.transaction.is_none() {
            // A server that numbers nothing.
            let opening = Opening {
                gtid: Gtid::None,
                committed_at_us: None,
                is_standalone: false,
                is_prepared: false,
                thread: 0,
            };
            self.open(event, opening, begin)?;
        }
        let Some(transaction) = &mut self.transaction else { return Ok(Step::Quiet) };
        transaction.thread = query.thread;
        match Statement::read(sql) {
            Statement::Begin => transaction.is_block = true,
            Statement::XaStart => {
                transaction.is_block = true;
                transaction.held.get_or_insert_default();
            }
            Statement::Commit => return Ok(self.commit()),
            Statement::Rollback => {
                self.take_back();
                return Ok(self.commit());
            }
            Statement::XaCommit(branch) => {
                self.deliver(&branch)?;
                return Ok(self.commit());
            }
            Statement::XaRollback(branch) => {
                self.prepared.remove(&branch);
                return Ok(self.commit());
            }
            Statement::Definition { begins } => {
                let is_inside = transaction.is_block;
                transaction.is_block |= begins;
                // Debezium knows the connection of what stands inside of a transaction alone.
                transaction.thread = if is_inside { query.thread } else { 0 };
                let place = transaction.event(event, self.progress.file(), begin);
                let changes = schema_changes::changes(sql, &query, place, &mut self.rules, &mut self.tables)?;
                self.tell(changes);
            }
            Statement::Truncate { database, table } => {
                let database = database.unwrap_or_else(|| String::from_utf8_lossy(query.database).into_owned());
                self.truncate(event, begin, &database, &table)?;
            }
            Statement::Rows { target } => {
                let database = String::from_utf8_lossy(query.database);
                let name = target.map(|(named, table)| format!("{}.{table}", named.as_deref().unwrap_or(&database)));
                if name.as_deref().is_none_or(|name| (self.rules.tables)(name)) {
                    return Err(by_statement(name.as_deref().unwrap_or("rows")));
                }
            }
            Statement::Quiet => {}
        }
        let is_over = self.transaction.as_ref().is_some_and(|transaction| !transaction.is_block);
        Ok(if is_over { self.commit() } else { Step::Quiet })
    }

    /// Says what became of definitions.
    fn tell(&mut self, changes: Vec<SchemaChange>) {
        let Some(transaction) = &mut self.transaction else { return };
        let Commit::At(commit) = transaction.commit else { return };
        if !transaction.is_block {
            transaction.is_unbound = true;
            self.assembly.leave_out_begin();
        }
        // Behind rows that were taken already stands what was taken with them.
        let is_new = transaction.rows >= self.repeats;
        for (nth, change) in (1..).zip(changes).filter(|_| is_new) {
            let mark = RowMark { commit, change: transaction.rows, sub: nth, transaction: 0 };
            self.assembly.notice(mark, transaction.committed_at, NoticeKind::SchemaChange(Arc::new(change)));
        }
    }

    /// The statement comes before the tables that it changes. Of one that is left out, even in part, it would tell the values.
    fn announce(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let is_whole = self.tables.announce(body, &mut self.rules)?;
        if let Some(transaction) = &mut self.transaction
            && !is_whole
        {
            transaction.query = None;
        }
        Ok(())
    }

    fn rows_query(&mut self, event: &RawEvent<'_>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.query = Some(String::from_utf8_lossy(event::rows_query(event)).into());
        }
    }

    /// The table was emptied: a row without images says so.
    fn truncate(&mut self, event: &RawEvent<'_>, begin: u64, database: &str, table: &str) -> Result<(), DecodeError> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        transaction.rows += 1;
        let Commit::At(commit) = transaction.commit else { return Ok(()) };
        let mark = RowMark { commit, change: transaction.rows, sub: 0, transaction: 0 };
        let Some(schema) = self.tables.schema_of(&mut self.rules, database, table)? else { return Ok(()) };
        if mark.change > self.repeats {
            self.assembly.begin_event(transaction.event(event, self.progress.file(), begin));
            self.assembly.truncate(&schema, mark, transaction.committed_at);
            self.rows_total += 1;
        }
        Ok(())
    }

    /// Takes an event of rows, which stands at `begin` of `file`.
    fn rows(&mut self, event: &RawEvent<'_>, file: &Arc<str>, begin: u64) -> Result<Step, DecodeError> {
        let rows = Rows::parse(event.kind, event.body).map_err(|_| Cut)?;
        let Some(id) = rows.table else { return Ok(Step::Quiet) };
        let table = self.tables.get(id).cloned().ok_or_else(|| {
            DecodeError::fatal(format!(
                "rows of table {id}, which no TABLE_MAP announced: the stream does not begin at a transaction; raise `epoch` of \
                 this source, and begin anew"
            ))
        })?;
        let Some(transaction) = &mut self.transaction else {
            return Err(DecodeError::fatal(
                "rows outside of a transaction: the stream does not begin at one; raise `epoch` of this source, and begin anew",
            ));
        };
        let before = self.assembly.level();
        let result = match (&table.schema, transaction.commit) {
            (Some(schema), Commit::At(commit)) if rows.images.fit(&table) => {
                let origin = RowOrigin {
                    op: rows.op,
                    old_is_key: rows.images.old_is_key(&table),
                    committed_at: transaction.committed_at,
                };
                let first = transaction.event(event, file, begin);
                let mut writer = Writer { assembly: &mut self.assembly, event: Some(first), repeats: self.repeats };
                each_row(&rows, |r| {
                    transaction.rows += 1;
                    let mark = RowMark { commit, change: transaction.rows, sub: 0, transaction: 0 };
                    writer.row(&rows, &table, schema, r, mark, &origin)
                })
            }
            (Some(_), Commit::At(_)) => Err(BadRow::Event),
            _ => {
                let start = transaction.rows;
                let counted = each_row(&rows, |r| {
                    transaction.rows += 1;
                    rows.images.skip(&table, r)
                });
                // Rows of a table that nobody asked for, of a type that is not known: the event counts as one.
                if counted.is_err() {
                    transaction.rows = start + 1;
                }
                Ok(())
            }
        };
        if rows.ends_statement {
            transaction.query = None;
        }
        if let Err(bad) = result {
            self.assembly.lower(before);
            return Err(bad_row(bad, &table));
        }
        let written = self.assembly.written_since(before);
        self.rows_total += written;
        Ok(if written > 0 { Step::Rows } else { Step::Quiet })
    }

    /// The open transaction is complete.
    fn commit(&mut self) -> Step {
        let Some(transaction) = self.transaction.take() else { return Step::Quiet };
        if let Some((mark, id)) = transaction.bound(transaction.rows + 1, &self.assembly) {
            self.assembly.end_transaction(mark, transaction.committed_at, id);
        }
        self.payload = None;
        self.handed_over = None;
        self.repeats = 0;
        self.progress.finish(transaction.gtid);
        if self.prepared.is_empty() {
            self.progress.release();
            self.assembly.end();
        }
        self.transactions_total += 1;
        Step::Committed
    }

    /// The server undid the open transaction. What was taken of it already can not be called back.
    fn take_back(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        self.assembly.lower(transaction.level);
        if self.handed_over.is_some() {
            tracing::warn!(
                source = &*self.rules.source,
                file = &**self.progress.file(),
                offset = self.progress.offset(),
                "the log ends a transaction with ROLLBACK after some of its rows were delivered"
            );
        }
    }

    /// The open transaction has no end.
    fn abandon(&mut self) {
        if self.transaction.is_some() {
            self.take_back();
            self.transaction = None;
        }
        self.payload = None;
    }

    fn is_held(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.held.is_some())
    }

    /// Keeps an event until its transaction's outcome is known.
    fn keep(&mut self, event: &RawEvent<'_>, begin: u64) -> Result<(), DecodeError> {
        let Some(held) = self.transaction.as_mut().and_then(|transaction| transaction.held.as_mut()) else {
            return Ok(());
        };
        self.prepared.keep(held, event, self.progress.file(), begin).map_err(DecodeError::fatal)
    }

    fn xa_prepare(&mut self, event: &RawEvent<'_>) -> Result<Step, DecodeError> {
        let (is_one_phase, branch) = event::xa_prepare(event.body)?;
        let Some(transaction) = &mut self.transaction else { return Ok(Step::Quiet) };
        let Some(mut held) = transaction.held.take() else { return Ok(self.commit()) };
        held.thread = transaction.thread;
        if is_one_phase {
            self.replay(&held)?;
        } else {
            if self.prepared.is_empty() {
                self.progress.hold();
            }
            self.prepared.insert(branch, held);
        }
        Ok(self.commit())
    }

    /// A prepared transaction is committed by the open one, to which its rows belong from now on.
    fn deliver(&mut self, branch: &str) -> Result<(), DecodeError> {
        match self.prepared.remove(branch) {
            Some(held) => self.replay(&held),
            None => {
                tracing::warn!(
                    source = &*self.rules.source,
                    file = &**self.progress.file(),
                    offset = self.progress.offset(),
                    "XA COMMIT of a transaction that was prepared before this source began: its rows are not delivered"
                );
                Ok(())
            }
        }
    }

    fn replay(&mut self, held: &Held) -> Result<(), DecodeError> {
        if let Some(transaction) = &mut self.transaction {
            transaction.thread = held.thread;
        }
        // The catalog is asked before the first row is written: if it can not be, nothing is half done.
        for event in held.events.iter().map(HeldEvent::as_raw).filter(|event| event.kind == kind::TABLE_MAP) {
            self.tables.announce(event.body, &mut self.rules)?;
        }
        for event in &held.events {
            let raw = event.as_raw();
            match raw.kind {
                kind::TABLE_MAP => self.announce(raw.body)?,
                kind::ROWS_QUERY | kind::ANNOTATE_ROWS => self.rows_query(&raw),
                _ => {
                    self.rows(&raw, &event.file, event.begin)?;
                    if self.assembly.is_current_full() {
                        self.assembly.cut();
                    }
                }
            }
        }
        Ok(())
    }

    /// The log can not be read on: of the open transaction nothing is handed over any more.
    pub(super) fn give_up(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.assembly.lower(transaction.level);
        }
    }

    /// A new connection begins at `from`, which is what [`Self::position`] says. Rows behind a complete transaction stay; of
    /// the open transaction, which comes again, those that were taken already are left out then.
    pub(super) fn restart(&mut self, from: &BinlogPosition) {
        self.payload = None;
        match self.transaction.take() {
            _ if from.ordinal < self.progress.ordinal() => self.assembly.clear(),
            Some(transaction) => self.assembly.lower(transaction.level),
            None => {}
        }
        self.repeats = 0;
        self.prepared.clear();
        self.progress = Progress::new(from);
        // The catalog may have changed while nobody looked, and the numbers of tables belong to a server.
        self.tables.forget_definitions();
    }

    /// Whether the batch has reached a limit: take it before the next event.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.assembly.is_full()
    }

    /// Whether there are no rows to take.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.assembly.is_empty()
    }

    /// Whether the next event belongs to a transaction that has begun.
    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The rows so far, as handed over. Confirms the last complete transaction, unless an earlier batch did. The commit of a
    /// large prepared transaction makes several batches at once: take until `is_empty`, or as long as `is_full`.
    pub(super) fn take(&mut self, received_at: Instant) -> Batch {
        let progress = &mut self.progress;
        let batch = self.assembly.take(received_at, || progress.position());
        if let Some(transaction) = &mut self.transaction {
            let open = match transaction.commit {
                Commit::At(ordinal) => batch.marks.last().filter(|mark| mark.commit == ordinal),
                Commit::Known => None,
            };
            self.handed_over = open.map(|mark| (*mark, transaction.gtid)).or(self.handed_over);
            transaction.level = Level::default();
        }
        batch
    }

    /// Behind the last complete transaction, whether anybody asked for its tables or not: where to begin after a restart, and
    /// what may be confirmed when [`Self::is_empty`] and all batches are safe. Made when it is asked for; not for once per event.
    /// While a prepared transaction waits for its outcome, it stays before that.
    pub(super) fn position(&mut self) -> Arc<BinlogPosition> {
        self.progress.position()
    }
}

impl Transaction {
    /// Where one of its ends stands, and its name; if somebody asks.
    fn bound(&self, change: u64, assembly: &Assembly) -> Option<(RowMark, TransactionId)> {
        let Commit::At(commit) = self.commit else { return None };
        let mark = RowMark { commit, change, sub: 0, transaction: 0 };
        (assembly.wants_transactions() && !self.is_unbound).then(|| (mark, TransactionId::Binlog(self.name().into())))
    }

    fn name(&self) -> String {
        match self.gtid {
            Gtid::None => format!("file={},pos={}", self.file, self.begin),
            gtid => gtid.to_string(),
        }
    }

    fn event(&self, event: &RawEvent<'_>, file: &Arc<str>, begin: u64) -> BinlogEvent {
        BinlogEvent {
            first_row: 0,
            skipped_rows: 0,
            file: file.clone(),
            offset: begin,
            server_id: event.server_id,
            thread: self.thread,
            gtid: self.gtid,
            query: self.query.clone(),
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "log_tests.rs"]
mod log_tests;

#[cfg(test)]
#[path = "notice_tests.rs"]
mod notice_tests;

#[cfg(test)]
#[path = "schema_changes_tests.rs"]
mod schema_changes_tests;
