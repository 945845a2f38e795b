//! PostgreSQL: logical replication by `pgoutput`.
//!
//! ```text
//!   Postgres::run ─▶ prepare (tables, publication, slot; plain SQL)
//!        ▲  again      │
//!        │  after      ▼
//!        │  a cut    stream ── link ─▶ inbox ─▶ pgoutput ─▶ decode ─▶ value ══ Batch ══▶ intake
//!        └─────────────┘  └─◀ feedback ◀── confirmed
//! ```
//!
//! One thread does all of it, blocking: reading less often doubles the rate, and the pauses for that are shorter than a timer
//! of tokio can make. `stream` is the loop; `rhythm` says when it pauses; `trouble` says what a failure means.

mod catalog;
mod check;
mod columns;
mod copy_both;
mod declared;
mod decode;
mod inbox;
mod link;
mod pgoutput;
mod prepare;
mod publication;
mod rate;
mod relation;
mod rhythm;
mod sample;
mod scout;
mod stream;
mod survey;
mod trouble;
mod url;
mod value;
mod wire;

pub use check::check;
pub use columns::columns;
pub use rate::{DrainPlan, DrainUntil, DrainWork, Rate, drain_bare};
pub use rhythm::RhythmMode;
pub use sample::sample;
pub use url::check_url;

use crate::change::Lsn;
use crate::source::{ColumnRule, Intake, NoticeRule, Source, SourceError, SslMode, TableRule};
use std::path::PathBuf;
use std::sync::Arc;

/// What a source of this kind needs to know. Has no `Debug`: the URL holds the password.
#[derive(Clone)]
pub struct PostgresSettings {
    /// The source's name in the configuration.
    pub name: String,
    /// `postgres://user:password@host:port/database?sslmode=...`; never logged.
    pub url: String,
    /// Wins over the URL's.
    pub sslmode: Option<SslMode>,
    /// Wins over the URL's.
    pub sslrootcert: Option<PathBuf>,
    pub slot: String,
    pub publication: String,
    pub tables: TableRule,
    pub columns: ColumnRule,
    pub notices: NoticeRule,
    /// The stored checkpoint: everything before it was delivered.
    pub known: Option<Lsn>,
    /// See [`crate::change::Database::epoch`].
    pub epoch: u32,
}

/// A PostgreSQL server whose changes are read.
pub struct Postgres {
    settings: Arc<PostgresSettings>,
}

impl Postgres {
    pub fn new(settings: PostgresSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

impl Source for Postgres {
    fn run(self: Box<Self>, intake: Intake) -> Result<(), SourceError> {
        stream::run(self.settings, intake)
    }
}
