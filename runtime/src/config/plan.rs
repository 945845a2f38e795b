//! The checked plan: what the rest of the house is given. Whatever is in here is in range, refers to something that exists,
//! and has its defaults filled in. Two plans can be compared, so that a reload touches only what changed.

use super::{AuthPlan, ColumnRule, Globs, Secret, TableRule};
use crate::address::Reach;
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
    /// What all lanes together may park on disk, in bytes.
    pub disk: u64,
    /// Attempts that all lanes together may have under way, beside one of each.
    pub in_flight: u32,
}

/// `[source.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlan {
    pub name: String,
    /// Raised by the user when positions begin anew: see [`crate::change::Database::epoch`]. At most 255.
    pub epoch: u32,
    pub kind: SourceKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    Postgres(PostgresPlan),
    /// MariaDB too: the server says which of the two it is.
    Mysql(MysqlPlan),
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlPlan {
    /// `mysql://user:password@host:port/database`, percent-encoded, always with user, host and port, the database left out if none
    /// was named, and without parameters. The host is a socket's path if it begins with `%2F`.
    pub url: Secret,
    pub sslmode: SslMode,
    /// A PEM file to trust instead of the system's authorities.
    pub sslrootcert: Option<PathBuf>,
    /// What the server knows this reader by; no other replica of it may have the same. Never 0.
    pub server_id: u32,
    /// How often an idle server is asked to say something.
    pub heartbeat: Duration,
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
    /// Whether an update that touched no captured column produces nothing.
    pub skip_unchanged: bool,
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
    /// Where the crate lies that it is built from.
    pub crate_folder: Option<PathBuf>,
    /// For `init`: text as it is, other scalars as TOML writes them, lists and tables as JSON. May hold secrets.
    pub config: Vec<(String, String)>,
    pub limits: LimitsPlan,
}

impl fmt::Debug for GuestPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.config.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("GuestPlan")
            .field("stem", &self.stem)
            .field("crate_folder", &self.crate_folder)
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
pub enum TargetKind {
    Http,
    Kafka,
    Redis,
}

impl TargetKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Kafka => "kafka",
            Self::Redis => "redis",
        }
    }
}

/// One receiver of a target, with what the target says for all of them filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    pub name: String,
    /// One attempt, from DNS to the last byte.
    pub timeout: Duration,
    pub retry: RetryPlan,
    /// Flights at the same time: requests to an HTTP API, batches of messages to Redis and Kafka.
    pub concurrency: u32,
    /// Messages per second; `None`: as many as the receiver takes.
    pub rate: Option<u32>,
    /// What may wait in memory for this lane, in bytes.
    pub memory: u64,
    /// A message that is not delivered by then goes to disk, and its source is free of it.
    pub hold: Duration,
    /// What may wait on disk for this lane, in bytes.
    pub disk: u64,
    pub when_full: WhenFull,
    pub door: Door,
}

/// What gives way when a lane has no more room on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    #[default]
    PauseSource,
    DeadLetter,
    DropOldest,
}

/// What only one kind of target needs to be reached; of the target's kind for all of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    Http(HttpPlan),
    Kafka(KafkaPlan),
    Redis(RedisPlan),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPlan {
    /// `http` or `https` with a host. Secret, because tokens are often part of it.
    pub url: Secret,
    /// Standard Webhooks secrets, `whsec_` and base64 or raw text, and ed25519 private keys, `whsk_` and base64. Several while one is replaced; empty: not signed.
    pub sign: Vec<Secret>,
    pub headers: Vec<(String, Secret)>,
    pub auth: AuthPlan,
    /// A PEM file to trust instead of the system's authorities.
    pub ca: Option<PathBuf>,
    /// PEM files with the certificate that we show, and its key; both or none.
    pub cert: Option<PathBuf>,
    pub cert_key: Option<PathBuf>,
    /// Where `url` may lead.
    pub reach: Reach,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaPlan {
    /// `host:port`, several with commas between them.
    pub brokers: String,
    /// librdkafka's, by its names. Whether it knows them is not looked at here.
    pub options: Vec<(String, Secret)>,
    pub topics: TopicsPlan,
    pub registry: Option<RegistryPlan>,
    /// Whether records say in headers which change they are.
    pub headers: bool,
    pub timestamp: RecordTime,
}

/// The time that a Kafka record bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordTime {
    #[default]
    Sent,
    Committed,
}

/// A schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPlan {
    /// `http` or `https`. Secret, because it can hold a password.
    pub url: Secret,
    /// Where it may lead.
    pub reach: Reach,
    pub auth: AuthPlan,
    /// PEM files, as those of [`HttpPlan`].
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub cert_key: Option<PathBuf>,
    /// One question.
    pub timeout: Duration,
    /// Whether schemas that it does not know are registered; else it is only asked.
    pub register: bool,
}

/// How topics that are missing are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsPlan {
    /// Whether they are made at all.
    pub create: bool,
    /// At least 1, or -1: what the brokers have as their default.
    pub partitions: i32,
    /// Likewise.
    pub replication: i32,
    /// The broker's settings of a topic, by its names.
    pub config: Vec<(String, String)>,
}

impl Default for TopicsPlan {
    fn default() -> Self {
        Self { create: true, partitions: 1, replication: 1, config: Vec::new() }
    }
}

/// One server (`url` alone), a cluster (`cluster`) or what Sentinels watch over (`sentinel`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisPlan {
    /// `redis://`, `rediss://` or `unix://`. Of a cluster or of Sentinels, one node; user, password and database are the servers'.
    pub url: Secret,
    /// Further nodes of the cluster, or Sentinels: `host:port`, or an address like `url`, of which only that counts.
    pub nodes: Vec<Secret>,
    pub cluster: bool,
    /// The name by which Sentinels know the master; then `url` and `nodes` are theirs.
    pub sentinel: Option<String>,
    /// A PEM file to trust instead of the system's authorities.
    pub ca: Option<PathBuf>,
    /// PEM files; both or none.
    pub cert: Option<PathBuf>,
    pub cert_key: Option<PathBuf>,
    /// How long a deleted key's version is remembered; `None`: an older change may overwrite a newer one.
    pub guard: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPlan {
    /// Upper bound of the first pause; it doubles up to `max`.
    pub first: Duration,
    pub max: Duration,
    /// Age of a message after which it is not tried again; [`Duration::MAX`]: it is tried for ever.
    pub give_up_after: Duration,
}

/// `[[route]]`: which rows go where, and how they look there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    pub name: String,
    /// A target of the pipeline.
    pub to: String,
    pub member: Option<Template>,
    /// Order is kept per key; `None`: the row's primary key. A cache's, stream's, channel's or list's own name for those.
    pub key: Option<Template>,
    /// Of a request or a record.
    pub headers: Vec<(String, Template)>,
    /// `None`: every table of the pipeline.
    pub tables: Option<Globs>,
    /// `None`: every operation.
    pub ops: Option<Vec<Op>>,
    /// The prefixes of the messages in PostgreSQL's log that it takes; `None`: no message.
    pub messages: Option<Globs>,
    /// Kept for messages of guests that name it.
    pub only_named: bool,
    /// What a row's bytes are, unless a guest made them.
    pub body: BodyPlan,
    /// What becomes of them at the target; of the target's kind.
    pub shape: ShapePlan,
}

impl RoutePlan {
    /// Whether a row that no guest sent elsewhere takes this route.
    pub fn takes(&self, full_name: &str, op: Op) -> bool {
        !self.only_named
            && self.tables.as_ref().is_none_or(|globs| globs.matches(full_name))
            && self.ops.as_ref().is_none_or(|ops| ops.contains(&op))
    }

    /// Every template of it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let text = match &self.shape {
            ShapePlan::Cache { value: CacheForm::Text(text), .. } => text.as_ref(),
            _ => None,
        };
        let headers = self.headers.iter().map(|(_, template)| template);
        self.member.iter().chain(&self.key).chain(self.shape.place()).chain(text).chain(headers)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapePlan {
    /// HTTP.
    Request {
        method: String,
        /// Begins with `/`.
        path: Option<Template>,
    },
    /// Kafka.
    Record {
        /// `None`: Debezium's `prefix.schema.table`.
        topic: Option<Template>,
        /// What Debezium calls `topic.prefix`; `None`: the source's name.
        prefix: Option<String>,
        /// Whether a delete is followed by a record without a value.
        tombstones: bool,
    },
    /// Redis: what the table holds, by key.
    Cache { key: Template, value: CacheForm },
    /// Redis: every change as an entry; about the `max_len` newest are kept, all if it is `None`.
    Stream { stream: Template, max_len: Option<u64> },
    /// Redis.
    Publish { channel: Template },
    /// Redis.
    List { list: Template },
}

impl ShapePlan {
    /// What says the message's place: its path, topic, key, stream, channel or list.
    pub fn place(&self) -> Option<&Template> {
        match self {
            Self::Request { path: place, .. } | Self::Record { topic: place, .. } => place.as_ref(),
            Self::Cache { key: place, .. }
            | Self::Stream { stream: place, .. }
            | Self::Publish { channel: place }
            | Self::List { list: place } => Some(place),
        }
    }
}

/// What stands under a cache's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheForm {
    /// The row as a JSON object.
    Json,
    /// A hash with a field per column.
    Hash,
    /// A text; `None` only if the route is kept for guests, which then say the text.
    Text(Option<Template>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodyPlan {
    #[default]
    Flat,
    Debezium(DebeziumPlan),
}

impl BodyPlan {
    pub fn encoding(&self) -> Encoding {
        match self {
            Self::Flat => Encoding::default(),
            Self::Debezium(plan) => plan.encoding,
        }
    }

    /// The columns that a table has to have for it.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Flat => Vec::new(),
            Self::Debezium(plan) => plan.columns(),
        }
    }
}

/// What bytes a record is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Json,
    Avro,
}

/// What becomes of a change before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormPlan {
    /// Debezium's envelope.
    #[default]
    Envelope,
    Unwrap,
    Outbox,
    CloudEvents,
}

/// `debezium.*` of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebeziumPlan {
    pub encoding: Encoding,
    pub form: FormPlan,
    /// The form's own, by the names that Debezium has for them.
    pub form_options: Vec<(String, String)>,
    /// Whether every record carries its schema: the JSON converter's `schemas.enable`.
    pub schemas: bool,
    /// Debezium's, by its names; known ones with a value that they can have, in the order they were written. What is not here has
    /// Debezium's default.
    pub options: Vec<(String, String)>,
}
