//! librdkafka's options: ours, the user's, and which of them may not be changed.

use super::journal::Journal;
use super::producer::{Ear, Producer};
use super::{KafkaError, KafkaSettings};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::bindings;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as Said;
use rdkafka::types::RDKafkaConfRes;
use std::ffi::CStr;
use std::sync::Arc;

/// What holds unless the user says otherwise, with the other name that librdkafka has for the same.
const DEFAULTS: [(&str, &str, &str); 8] = [
    ("client.id", "", "sluicegate"),
    ("enable.idempotence", "", "true"),
    ("acks", "request.required.acks", "all"),
    // Java's, so that other producers put the same key into the same partition.
    ("partitioner", "", "murmur2_random"),
    ("compression.type", "compression.codec", "lz4"),
    // A full pipe makes large batches anyway, and a quiet one should not wait.
    ("linger.ms", "queue.buffering.max.ms", "1"),
    ("queue.buffering.max.kbytes", "", "65536"),
    // A broker that is back is found within two seconds instead of ten.
    ("reconnect.backoff.max.ms", "", "2000"),
];

/// Options that are not the user's, and what to do instead.
const OURS: [(&str, &str); 11] = [
    ("bootstrap.servers", "say `brokers`"),
    ("metadata.broker.list", "say `brokers`"),
    ("message.timeout.ms", "records wait for their brokers without limit, or order and messages would be lost"),
    ("delivery.timeout.ms", "records wait for their brokers without limit, or order and messages would be lost"),
    ("enable.gapless.guarantee", "it follows enable.idempotence"),
    ("delivery.report.only.error", "every record must be acknowledged"),
    ("transactional.id", "exactly once is not supported"),
    ("transaction.timeout.ms", "exactly once is not supported"),
    ("opaque", "it is no setting"),
    ("default_topic_conf", "its options can be set by their own names"),
    ("log_cb", "it is no setting"),
];

/// A name further from every known one than this is not a slip of the pen.
const LIKENESS_MIN: f64 = 0.8;

/// Looks at one option of the user's: whether librdkafka knows it, takes the value, and it may be set here.
///
/// # Errors
/// A sentence with the rule or the remedy; never the value of an option that holds a secret.
pub fn check_option(name: &str, value: &str) -> Result<(), String> {
    if let Some((_, instead)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(format!("{name} can not be set: {instead}"));
    }
    let told = match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => return Ok(()),
        Err(Said::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            let hint = similar(name).map_or(String::new(), |known| format!("; did you mean {known}?"));
            return Err(format!("librdkafka has no option {name}{hint}"));
        }
        Err(Said::ClientConfig(_, told, ..)) => told,
        Err(other) => other.to_string(),
    };
    Err(if is_secret(name) { format!("librdkafka does not take the value of {name}") } else { told })
}

/// Whether an option's value must not be seen.
fn is_secret(name: &str) -> bool {
    ["password", "secret", ".pem", "oauthbearer.config", "assertion"].iter().any(|part| name.contains(part))
}

fn similar(name: &str) -> Option<String> {
    let likeness = |known: &String| strsim::jaro_winkler(name, known);
    names()
        .into_iter()
        .filter(|known| likeness(known) >= LIKENESS_MIN)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// The names that librdkafka has, of the producer and of its topics.
fn names() -> Vec<String> {
    // SAFETY: both configurations are made here and destroyed here. A dump is `count` pointers, name and value in turn, each a C
    // string or null; it owns them, and is freed by librdkafka once the names are copied.
    unsafe {
        let conf = bindings::rd_kafka_conf_new();
        let topic_conf = bindings::rd_kafka_topic_conf_new();
        let (mut count, mut topic_count) = (0, 0);
        let dump = bindings::rd_kafka_conf_dump(conf, &mut count);
        let topic_dump = bindings::rd_kafka_topic_conf_dump(topic_conf, &mut topic_count);
        let all = [(dump, count), (topic_dump, topic_count)];
        let mut names: Vec<String> = all
            .iter()
            .flat_map(|&(dump, count)| (0..count).step_by(2).map(move |at| *dump.add(at)))
            .filter(|name| !name.is_null())
            .map(|name| CStr::from_ptr(name).to_string_lossy().into_owned())
            .collect();
        for (dump, count) in all {
            bindings::rd_kafka_conf_dump_free(dump, count);
        }
        bindings::rd_kafka_topic_conf_destroy(topic_conf);
        bindings::rd_kafka_conf_destroy(conf);
        // A dump has one name for each option; some are better known by the other.
        names.extend(DEFAULTS.iter().flat_map(|(name, alias, _)| [*name, *alias]).map(str::to_owned));
        names
    }
}

/// What must not stand in a log line.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// A set of options that librdkafka takes.
pub(super) struct Options {
    config: ClientConfig,
    secrets: Secrets,
    makes_topics: bool,
}

impl Options {
    /// # Errors
    /// At the first option that can not be set, with its name.
    pub(super) fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        if settings.brokers.trim().is_empty() {
            return Err(KafkaError("`brokers` is empty; say host:port of at least one".into()));
        }
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        let is_set = |name: &str| settings.options.iter().any(|(set, _)| set == name);
        for (name, alias, value) in DEFAULTS {
            if !is_set(name) && !is_set(alias) {
                config.set(name, value);
            }
        }
        for (name, value) in &settings.options {
            check_option(name, value).map_err(KafkaError)?;
            config.set(name, value);
        }
        config.set("bootstrap.servers", settings.brokers.trim()).set("message.timeout.ms", "0");
        if settings.topics.create {
            // Or a question about a missing topic would make it, otherwise than wanted.
            config.set("allow.auto.create.topics", "false");
        }
        let secret = |(name, value): &(String, String)| (is_secret(name) && !value.is_empty()).then(|| value.clone());
        let secrets = Secrets(settings.options.iter().filter_map(secret).collect());
        let mut options = Self { config, secrets, makes_topics: settings.topics.create };
        let gapless = if options.is_idempotent() { "true" } else { "false" };
        options.config.set("enable.gapless.guarantee", gapless);
        Ok(options)
    }

    /// What librdkafka makes of an option, set or not.
    pub(super) fn value(&self, name: &str) -> String {
        let native = self.config.create_native_config().ok();
        let value = native.and_then(|native| native.get(name).ok()).unwrap_or_default();
        value.trim_end_matches('\0').to_owned()
    }

    fn is_idempotent(&self) -> bool {
        self.value("enable.idempotence") == "true"
    }

    pub(super) fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// Promises that the user's options break.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let weak_acks = !matches!(self.value("acks").as_str(), "all" | "-1");
        let all = [
            (
                !self.is_idempotent(),
                "enable.idempotence is off: a broker's failure can repeat records and turn their order round",
            ),
            (weak_acks, "acks is not `all`: records that count as delivered can be lost with a broker"),
        ];
        all.into_iter().filter(|(broken, _)| *broken).map(|(_, warning)| warning).collect()
    }

    /// The largest record that librdkafka takes, in bytes.
    pub(super) fn message_bytes_max(&self) -> Option<u64> {
        self.value("message.max.bytes").parse().ok()
    }

    pub(super) fn makes_topics(&self) -> bool {
        self.makes_topics
    }

    pub(super) fn producer(&self, journal: &Arc<Journal>) -> Result<Producer, KafkaError> {
        self.start(&self.config, journal)
    }

    /// One record to a batch, sent at once. A record that is refused is no gap for it: it is used one record at a time.
    pub(super) fn solitary_producer(&self, journal: &Arc<Journal>) -> Result<Producer, KafkaError> {
        let mut config = self.config.clone();
        config.remove("queue.buffering.max.ms");
        config.set("linger.ms", "0").set("batch.num.messages", "1").set("enable.gapless.guarantee", "false");
        self.start(&config, journal)
    }

    /// For questions only: they change nothing.
    pub(super) fn inquirer(&self, journal: &Arc<Journal>) -> Result<Producer, KafkaError> {
        self.start(self.config.clone().set("allow.auto.create.topics", "false"), journal)
    }

    pub(super) fn admin(&self, journal: &Arc<Journal>) -> Result<AdminClient<Ear>, KafkaError> {
        self.config.create_with_context(Ear::new(journal.clone())).map_err(|error| self.refused(&error))
    }

    fn start(&self, config: &ClientConfig, journal: &Arc<Journal>) -> Result<Producer, KafkaError> {
        Producer::new(config, journal.clone()).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &Said) -> KafkaError {
        let told = match error {
            Said::ClientCreation(told) => told.clone(),
            other => other.to_string(),
        };
        KafkaError(format!("librdkafka does not take these options together: {}", self.secrets.mask(&told)))
    }
}
