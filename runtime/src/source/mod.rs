//! The port through which changes come in.
//!
//! A source runs on a thread of its own and pushes batches into its [`Intake`]. Home comes only one thing: the position up
//! to which everything is safe, in a `watch`. Answering the database's keepalives never waits for the intake.

pub mod mysql;
pub mod narrow;
mod notices;
pub mod postgres;
mod sessions;
mod socket;
mod tls;

pub use narrow::Narrow;

use crate::change::{Batch, NoticeKind, Position};
use crate::fault::Fault;
use crate::telemetry::SourceStats;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{mpsc, watch};

/// Whether a table, named `schema.table` (MySQL: `database.table`), is asked for.
pub type TableRule = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// How a column, by schema, table and column, is taken.
pub type ColumnRule = Arc<dyn Fn(&str, &str, &str) -> Take + Send + Sync>;
/// Whether messages with this prefix are asked for.
pub type PrefixRule = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// How a column is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Take {
    /// It never enters a frame.
    Never,
    /// Nobody asked for it: it is there if it is part of the key, and for the key alone.
    ForKey,
    Whole,
}

impl Take {
    /// Whether the column enters frames, and whether for the key alone.
    pub fn of(self, is_key: bool) -> Option<bool> {
        match self {
            Self::Never => None,
            Self::ForKey => is_key.then_some(true),
            Self::Whole => Some(false),
        }
    }
}

/// The columns of every table of a database, by `schema.table`.
pub type TableColumns = BTreeMap<String, Columns>;

/// The columns of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// In their order.
    pub names: Vec<String>,
    /// Those among them that do not come with the table's changes, and why.
    pub unsent: BTreeMap<String, &'static str>,
}

/// Which notices are asked for. What nobody asks for is not even read.
#[derive(Clone, Default)]
pub struct NoticeRule {
    /// Where transactions begin and end.
    pub transactions: bool,
    /// What programs wrote into PostgreSQL's log.
    pub messages: Option<PrefixRule>,
    /// Changes of definitions, of MySQL and MariaDB: of these tables, and what is not about single ones.
    pub schema_changes: Option<TableRule>,
}

impl NoticeRule {
    /// Whether this is asked for.
    pub fn wants(&self, kind: &NoticeKind) -> bool {
        match kind {
            NoticeKind::Begin { .. } | NoticeKind::Commit { .. } => self.transactions,
            NoticeKind::Message(message) => self.messages.as_ref().is_some_and(|rule| rule(&message.prefix)),
            NoticeKind::SchemaChange(change) => {
                self.schema_changes.as_ref().is_some_and(|rule| change.may_be_about(|name| rule(name)))
            }
        }
    }
}

/// A table as it stands, with a few of its rows. Values are as the database writes them; bytes in base64, PostgreSQL's arrays as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSample {
    pub columns: Vec<SampledColumn>,
    /// Columns that are not among them, because they do not come with the table's changes.
    pub unsent: Vec<String>,
    /// In the order of the columns.
    pub rows: Vec<Vec<Option<String>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledColumn {
    pub name: String,
    /// The database's own name of it.
    pub type_name: String,
    /// Whether it is part of the primary key.
    pub key: bool,
    pub not_null: bool,
}

/// Whether the program that `check` speaks for runs already: then it may itself be who reads a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    Away,
    Running,
}

/// How the connection is protected; the meanings are those of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS if the server has it, its certificate unchecked.
    Prefer,
    /// TLS; the certificate is checked only if a root certificate is named.
    Require,
    /// TLS, with a certificate that a known root has signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate names the host.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(format!(
                    "sslmode {text:?} is not known; use disable, prefer, require, verify-ca or verify-full"
                ));
            }
        })
    }
}

/// What a source is given to run with.
pub struct Intake {
    /// Bounded; when it is full the source stops reading, but goes on giving feedback. An empty batch with a position is a
    /// sign of life: nothing to do up to here.
    pub batches: mpsc::Sender<Batch>,
    /// Written to disk before it is seen here; what may be confirmed to the database.
    pub confirmed: watch::Receiver<Option<Position>>,
    /// Set once to stop; looked at least ten times a second.
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<SourceStats>,
}

/// Why a source can not go on. `Passing` never leaves a source: it reconnects by itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    pub fault: Fault,
    /// What happened, and what to do about it, in a sentence or two.
    pub message: String,
    /// Whether going on would lose changes (exit code 3).
    pub loss: bool,
}

/// A database whose changes can be read.
pub trait Source: Send + 'static {
    /// Reads until `stop` is set or nothing can go on. Blocking; called on a thread of its own.
    ///
    /// # Errors
    /// When the source can not go on until somebody changes something.
    fn run(self: Box<Self>, intake: Intake) -> Result<(), SourceError>;
}
