//! MySQL and MariaDB: the binary log, read as a replica reads it.
//!
//! ```text
//!   Mysql::run ─▶ prepare (settings, rights, is everything behind the checkpoint still there; plain SQL)
//!        ▲  again   │
//!        │  after   ▼
//!        │  a cut  stream ── link ─▶ inbox ─▶ envelope ─▶ RawEvent ─▶ decode ─┬─ TABLE_MAP ─▶ tables ◀── catalog
//!        └──────────┘                                                         └─ ..._ROWS ──▶ rows ══ Batch ══▶ intake
//! ```
//!
//! One thread does all of it, blocking. Nothing is confirmed to the server: it keeps its log for as long as its own settings
//! say, and we say from where to send. `trouble` says what a failure means; `dump` how a stream is asked for.

mod assembly;
mod auth;
mod bytes;
mod catalog;
mod check;
mod columns;
mod compressed;
mod declared;
mod decode;
mod definition;
mod dump;
mod envelope;
mod event;
mod gtid;
mod inbox;
mod link;
mod payload;
mod plan;
mod prepare;
mod prepared;
mod progress;
mod rate;
mod refusal;
mod rows;
mod rules;
mod sample;
mod schema_changes;
mod statement;
mod stream;
mod survey;
mod table_map;
mod tables;
mod tokens;
mod trouble;
mod url;
mod value;

pub use check::check;
pub use columns::columns;
pub use rate::{DrainUntil, Rate, drain_bare};
pub use sample::sample;
pub use url::check_url;

use crate::change::BinlogPosition;
use crate::source::{ColumnRule, Intake, NoticeRule, Source, SourceError, SslMode, TableRule};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a source of this kind needs to know. Has no `Debug`: the URL holds the password.
#[derive(Clone)]
pub struct MysqlSettings {
    /// The source's name in the configuration.
    pub name: String,
    /// `mysql://user:password@host:port`, or `mariadb://...`; a database behind it is read over. Never logged.
    pub url: String,
    pub sslmode: SslMode,
    /// A PEM file with the root that has signed the server's certificate.
    pub sslrootcert: Option<PathBuf>,
    /// Ours among the server's replicas; no other may have it, nor the server itself. Not 0.
    pub server_id: u32,
    /// How often an idle server says that it lives; after two of these without a word the connection is taken for dead.
    pub heartbeat: Duration,
    /// See [`crate::change::Database::epoch`].
    pub epoch: u32,
    pub tables: TableRule,
    pub columns: ColumnRule,
    pub notices: NoticeRule,
    /// The stored checkpoint: everything before it was delivered.
    pub known: Option<BinlogPosition>,
}

/// A MySQL or MariaDB server whose changes are read.
pub struct Mysql {
    settings: Arc<MysqlSettings>,
}

impl Mysql {
    pub fn new(settings: MysqlSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

impl Source for Mysql {
    fn run(self: Box<Self>, intake: Intake) -> Result<(), SourceError> {
        stream::run(self.settings, intake)
    }
}
