//! Events become rows of a batch. A row is written once, straight from the event's bytes into the frame.

use super::event::RawEvent;
use crate::change::{Batch, BinlogPosition, Database, DatabaseKind};
use crate::fault::Fault;
use crate::source::{ColumnRule, TableRule};
use std::sync::Arc;
use std::time::Instant;

/// The rules that say what enters a frame, and whom to ask about tables.
pub(super) struct Rules {
    pub(super) source: Arc<str>,
    pub(super) database: Arc<Database>,
    pub(super) tables: TableRule,
    pub(super) columns: ColumnRule,
    /// Asked for what the log never says (not null, default, the type's text), and for names, charsets and signs where the
    /// log leaves them out (`binlog_row_metadata=MINIMAL`, old servers).
    pub(super) catalog: Box<dyn Catalog>,
}

/// What the server knows about a table, from `information_schema`.
pub(super) trait Catalog: Send {
    /// The table as it is now; without columns if it does not exist.
    ///
    /// # Errors
    /// A sentence, if the server can not be asked now.
    fn table(&mut self, database: &str, table: &str) -> Result<CatalogTable, String>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogTable {
    /// In ordinal order.
    pub(super) columns: Vec<CatalogColumn>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CatalogColumn {
    pub(super) name: String,
    /// `bigint`, `enum`, `uuid`: `DATA_TYPE`, lowercase.
    pub(super) data_type: String,
    /// `bigint unsigned`, `enum('a','b')`: `COLUMN_TYPE`.
    pub(super) column_type: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// `CHARACTER_SET_NAME`; empty where there is none.
    pub(super) charset: String,
    pub(super) primary_key: bool,
}

/// Why the log can not be read on. Names the table, the column or the event, and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct DecodeError {
    /// Passing: the catalog could not be asked; connect again and `restart`. Fatal: somebody must change something.
    pub(super) fault: Fault,
    pub(super) message: String,
}

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
    position: Arc<BinlogPosition>,
    pub(super) rows_total: u64,
    pub(super) transactions_total: u64,
}

#[expect(unused_variables, reason = "the inside follows; the callers need the outside now")]
impl Decoder {
    /// Begins at `from`: file and offset where the stream begins, everything that was executed before. An ordinal of 0
    /// without GTIDs lets the first transaction decide whether positions count GTIDs or bytes.
    pub(super) fn new(rules: Rules, from: &BinlogPosition, kind: DatabaseKind) -> Self {
        Self { rules, kind, position: Arc::new(from.clone()), rows_total: 0, transactions_total: 0 }
    }

    /// Takes the next event of the log.
    ///
    /// # Errors
    /// If the event can not be read, or must not be read on from. The decoder then wants `restart` before anything else.
    pub(super) fn event(&mut self, event: &RawEvent<'_>) -> Result<Step, DecodeError> {
        Ok(Step::Quiet)
    }

    /// A new connection begins at `from`, which is what [`Self::position`] says. Rows behind a complete transaction stay; of
    /// the open transaction, which comes again, those that were taken already are left out then.
    pub(super) fn restart(&mut self, from: &BinlogPosition) {}

    /// Whether the batch has reached a limit: take it before the next event.
    pub(super) fn is_full(&self) -> bool {
        false
    }

    /// Whether there are no rows to take.
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    /// Whether the next event belongs to a transaction that has begun.
    pub(super) fn in_transaction(&self) -> bool {
        false
    }

    /// The rows so far, as handed over. Confirms the last complete transaction, unless an earlier batch did.
    pub(super) fn take(&mut self, received_at: Instant) -> Batch {
        Batch {
            source: self.rules.source.clone(),
            frame: Default::default(),
            marks: Vec::new(),
            schemas: Vec::new(),
            events: Vec::new(),
            confirms: None,
            received_at,
        }
    }

    /// Behind the last complete transaction, whether anybody asked for its tables or not: where to begin after a restart, and
    /// what may be confirmed when no row is open. Made when it is asked for; not for once per event.
    pub(super) fn position(&mut self) -> Arc<BinlogPosition> {
        self.position.clone()
    }
}
