//! The checked plan: what the rest of the house is given. Whatever is in here is in range, refers to something that exists,
//! and has its defaults filled in. Two plans can be compared, so that a reload touches only what changed.

use super::{ColumnRule, Globs, Secret, TableRule};
use crate::change::{Op, Template};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole pipelines folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub dir: PathBuf,
    pub host: Host,
    pub sources: Vec<SourcePlan>,
    /// In order of their names.
    pub pipelines: Vec<PipelinePlan>,
    /// Every TOML file that was read: what to watch.
    pub files: Vec<PathBuf>,
}

/// `[host]`: the process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The folder of the embedded store.
    pub state: PathBuf,
    pub admin: SocketAddr,
    /// Always there if `admin` is not on loopback.
    pub token: Option<Secret>,
    /// How long a stop waits for what is on its way.
    pub drain: Duration,
    /// What all lanes together may hold in memory, in bytes.
    pub memory: u64,
}

/// `[source.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlan {
    pub name: String,
    pub kind: SourceKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    Postgres(PostgresPlan),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPlan {
    /// `tokio_postgres::Config` reads it: it has one host, a user and a database, and no `sslmode` or `sslrootcert`, which
    /// stand beside it because that crate does not know all of them.
    pub url: Secret,
    pub sslmode: SslMode,
    /// A PEM file to trust instead of the system's authorities.
    pub sslrootcert: Option<PathBuf>,
    /// `[a-z0-9_]{1,63}`, as is the publication.
    pub slot: String,
    pub publication: String,
}

/// libpq's `sslmode`, as far as it is supported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// TLS if the server has it, without looking at its certificate.
    #[default]
    Prefer,
    /// TLS, without looking at the certificate.
    Require,
    VerifyCa,
    VerifyFull,
}

/// A folder with a `pipeline.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelinePlan {
    /// The folder's name.
    pub name: String,
    pub folder: PathBuf,
    pub about: String,
    /// Names of sources in the plan; at least one.
    pub sources: Vec<String>,
    pub tables: TableRule,
    pub columns: ColumnRule,
    pub on_error: OnError,
    /// Which `.wasm` files run, by stem, and in which order; `None`: all in the folder, by name.
    pub guests_listed: Option<Vec<String>>,
    /// The guests that have settings; others run with the defaults.
    pub guests: Vec<GuestPlan>,
    /// Its own targets, and those of `sluicegate.toml` that its routes use.
    pub targets: Vec<TargetPlan>,
    /// At least one; each `to` names one of the targets.
    pub routes: Vec<RoutePlan>,
}

/// What becomes of a row that a guest rejects or breaks on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    #[default]
    DeadLetter,
    Skip,
    Halt,
}

/// `[guest.STEM]`.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestPlan {
    pub stem: String,
    /// For `init`: text as it is, other scalars as TOML writes them, lists and tables as JSON. May hold secrets.
    pub config: Vec<(String, String)>,
    pub limits: LimitsPlan,
}

impl fmt::Debug for GuestPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.config.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("GuestPlan")
            .field("stem", &self.stem)
            .field("config", &keys)
            .field("limits", &self.limits)
            .finish()
    }
}

/// What a guest may use. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsPlan {
    /// All linear memory of one instance.
    pub memory: u64,
    /// Wall time for a batch of one row.
    pub row: Duration,
    /// Wall time for a whole batch.
    pub batch: Duration,
    /// The answer to one batch.
    pub output: u64,
    /// A longer value is not handed to the guest.
    pub cell: u64,
}

impl Default for LimitsPlan {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            row: Duration::from_millis(50),
            batch: Duration::from_secs(1),
            output: 4 << 20,
            cell: 8 << 20,
        }
    }
}

/// `[target.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPlan {
    pub name: String,
    pub kind: TargetKind,
    /// One lane each. At least one; a target with an address of its own has one member, whose name is empty.
    pub members: Vec<MemberPlan>,
}

impl TargetPlan {
    /// Whether a message must say which member it is for.
    pub fn is_set(&self) -> bool {
        !matches!(self.members.as_slice(), [only] if only.name.is_empty())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    Http,
}

/// One receiver of a target, with what the target says for all of them filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    pub name: String,
    /// `http` or `https` with a host. Secret, because tokens are often part of it.
    pub url: Secret,
    /// One attempt, from DNS to the last byte.
    pub timeout: Duration,
    pub retry: RetryPlan,
    /// Attempts at the same time.
    pub concurrency: u32,
    /// What may wait in memory for this lane, in bytes.
    pub memory: u64,
    /// Standard Webhooks secrets, `whsec_` and base64 or raw text. Several while one is replaced; empty: not signed.
    pub sign: Vec<Secret>,
    pub headers: Vec<(String, Secret)>,
    /// A PEM file to trust instead of the system's authorities.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPlan {
    /// Upper bound of the first pause; it doubles up to `max`.
    pub first: Duration,
    pub max: Duration,
    /// Age of a message after which it is not tried again.
    pub give_up_after: Duration,
}

impl Default for RetryPlan {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(10 * 60),
            give_up_after: Duration::from_secs(3 * 86_400),
        }
    }
}

/// `[[route]]`: which rows go where, and how they look there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    pub name: String,
    /// A target of the pipeline.
    pub to: String,
    pub member: Option<Template>,
    /// Order is kept per key; `None`: the row's primary key.
    pub key: Option<Template>,
    pub body: BodyFormat,
    pub method: String,
    /// Begins with `/`.
    pub path: Option<Template>,
    pub headers: Vec<(String, Template)>,
    /// `None`: every table of the pipeline.
    pub tables: Option<Globs>,
    /// `None`: every operation.
    pub ops: Option<Vec<Op>>,
    /// Kept for messages of guests that name it.
    pub only_named: bool,
}

impl RoutePlan {
    /// Whether a row that no guest sent elsewhere takes this route.
    pub fn takes(&self, full_name: &str, op: Op) -> bool {
        !self.only_named
            && self.tables.as_ref().is_none_or(|globs| globs.matches(full_name))
            && self.ops.as_ref().is_none_or(|ops| ops.contains(&op))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFormat {
    #[default]
    Flat,
}
