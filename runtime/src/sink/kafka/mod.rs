//! Kafka: one record per message, and a tombstone behind it where the route asks for one.
//!
//! ```text
//!   messages ─▶ topics (there? made?) ─▶ schemas (numbers?) ─▶ records ─▶ producer (librdkafka: queue, batches, retries) ─▶ brokers
//!                                                      │ its thread hears acknowledgements
//!   outcomes ◀────────────── flight (counts them, wakes once) ◀┘
//! ```
//!
//! Three rules keep the order of a key. What was handed to librdkafka is not taken back and sent anew because an answer takes long: the
//! broker may have it, and a second copy could come behind newer ones. It stays in the air until the brokers answer, and the
//! idempotent producer sees to it that nothing is lost, doubled or turned round meanwhile; [`KafkaSink::complaint`] says so. What
//! fails for good stops its producer (`enable.gapless.guarantee`), so that nothing behind it gets through; the next producer begins
//! with what failed. And a batch that is refused because of one record is sent again record by record, each alone.

mod answer;
mod check;
mod crew;
mod flight;
mod journal;
mod options;
mod producer;
mod record;
mod registry;
mod rounds;
mod topics;

pub use check::check;
pub use options::check_option;
pub use record::check_topic;
pub use registry::{RegistrySettings, check_registry};

use super::http::Clients;
use super::{Refusal, Sink};
use crate::change::Message;
use crate::fault::Fault;
use crew::Crew;
use futures_util::future::BoxFuture;
use journal::Journal;
use options::Options;
use registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use topics::Topics;

/// Messages in one flight. A flight of one hot key waits for its last answer before the next begins, so it must be long beside
/// the few milliseconds that this takes.
pub const BATCH_MAX: usize = 4096;

/// Flights at a time. Together with [`BATCH_MAX`] below the 100 000 records that librdkafka queues.
pub const FLIGHTS: usize = 8;

/// One cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// By librdkafka's own names. Values may be secret and are never logged.
    pub options: Vec<(String, String)>,
    /// How long brokers may take before the sink complains; and the limit of every question about topics. Records that were handed
    /// over are never taken back, so an attempt takes as long as the brokers are away.
    pub timeout: Duration,
    pub topics: TopicSettings,
    /// Whether records carry headers about the change. Those of the message itself always go out.
    pub headers: bool,
    /// Whether a record's time is when its change was committed, and not when it is sent. Brokers judge by this time: what is older
    /// than the topic's `retention.ms` they remove, and a producer whose last record is older than their `producer.id.expiration.ms` (a
    /// day) they forget when they start, and with it which of its records they have already.
    pub commit_time: bool,
}

/// What becomes of topics that are not there.
#[derive(Clone, Debug, Default)]
pub struct TopicSettings {
    /// Whether missing topics are made, as the rest says. If not, it is left to the brokers' own `auto.create.topics.enable`.
    pub create: bool,
    /// At least 1, or -1 for the brokers' default.
    pub partitions: i32,
    /// At least 1, or -1 for the brokers' default.
    pub replication: i32,
    /// By Kafka's own names, `cleanup.policy` for example.
    pub config: Vec<(String, String)>,
}

/// Without the options, which may be secret.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("timeout", &self.timeout)
            .field("topics", &self.topics)
            .field("headers", &self.headers)
            .field("commit_time", &self.commit_time)
            .finish_non_exhaustive()
    }
}

/// Settings that can not work. Nothing is sent until they are changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KafkaError(pub(crate) String);

impl KafkaError {
    pub fn fault(&self) -> Fault {
        Fault::Fatal
    }
}

/// Sends messages to one cluster.
pub struct KafkaSink {
    crew: Crew,
    topics: Topics,
    journal: Arc<Journal>,
    registry: Option<Registry>,
    timeout: Duration,
    headers: bool,
    commit_time: bool,
}

impl KafkaSink {
    /// Starts librdkafka's threads, which connect by themselves; brokers that are away are no error.
    ///
    /// # Errors
    /// If an option has a wrong name or value, or options contradict each other.
    pub fn new(settings: KafkaSettings) -> Result<Self, KafkaError> {
        let options = Arc::new(Options::new(&settings)?);
        let journal = Arc::new(Journal::new(&settings.brokers, options.secrets()));
        for warning in options.warnings() {
            tracing::warn!(brokers = settings.brokers, "{warning}");
        }
        let topics = Topics::new(settings.topics, options.clone(), settings.timeout);
        let crew = Crew::new(options, journal.clone())?;
        Ok(Self {
            crew,
            topics,
            journal,
            registry: None,
            timeout: settings.timeout,
            headers: settings.headers,
            commit_time: settings.commit_time,
        })
    }

    /// With a registry for the schemas of records in Avro; connections to it are those of `clients`. One that is away is no error.
    ///
    /// # Errors
    /// If its address, a certificate or a key can not be used.
    pub fn with_registry(self, registry: RegistrySettings, clients: &Clients) -> Result<Self, KafkaError> {
        Ok(Self { registry: Some(Registry::new(registry, clients)?), ..self })
    }
}

impl Sink for KafkaSink {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let mut outcomes = self.attempt(std::slice::from_ref(message)).await;
            outcomes.pop().expect("one outcome for one message")
        })
    }

    fn deliver_all<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Vec<Result<(), Refusal>>> {
        Box::pin(self.attempt(messages))
    }

    /// Why an attempt has been in the air for longer than the timeout. `None` while brokers answer.
    fn complaint(&self) -> Option<String> {
        self.journal.complaint()
    }
}

#[cfg(test)]
mod tests;
