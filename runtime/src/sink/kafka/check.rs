//! `check --connect`: asks the brokers whether everything is there, and changes nothing.

use super::KafkaSettings;
use super::answer::refusal;
use super::journal::Journal;
use super::options::Options;
use super::producer::{Ear, Producer};
use super::topics::{unmade, wish};
use crate::fault::Finding;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Who refuses a connection, a certificate or a login by then does so for good.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(3);

/// Asks about the cluster and about `topics`, the names that routes spell out. Stops at the first thing without which the others
/// can not be asked. Whether an existing topic may be written to is not asked: Kafka answers that only to a record.
pub async fn check(settings: &KafkaSettings, topics: &[String]) -> Vec<Finding> {
    let (settings, topics) = (settings.clone(), topics.to_vec());
    let asked = tokio::task::spawn_blocking(move || match Inquiry::begin(&settings) {
        Err(finding) => vec![finding],
        Ok(inquiry) => inquiry.ask(&topics),
    });
    asked.await.unwrap_or_else(|_| vec![Finding::bad("the check itself failed; this is a mistake in sluicegate")])
}

struct Inquiry<'a> {
    settings: &'a KafkaSettings,
    options: Options,
    journal: Arc<Journal>,
    producer: Producer,
    admin: AdminClient<Ear>,
}

impl<'a> Inquiry<'a> {
    fn begin(settings: &'a KafkaSettings) -> Result<Self, Finding> {
        let bad = |error: super::KafkaError| Finding::bad(error.to_string());
        let options = Options::new(settings).map_err(bad)?;
        let journal = Arc::new(Journal::silent(&settings.brokers, options.secrets()));
        let producer = options.inquirer(&journal).map_err(bad)?;
        let admin = options.admin(&journal).map_err(bad)?;
        Ok(Self { settings, options, journal, producer, admin })
    }

    fn ask(&self, topics: &[String]) -> Vec<Finding> {
        let brokers = &self.settings.brokers;
        let mut findings = Vec::new();
        let cluster = match self.cluster() {
            Ok(cluster) => cluster,
            Err(code) => {
                let why = self.journal.last_trouble().map_or_else(|| code.to_string(), |trouble| trouble.reason);
                return vec![Finding::bad(format!(
                    "{brokers} does not answer as Kafka: {why}; see `brokers`, and librdkafka's security.protocol, sasl.* and ssl.*"
                ))];
            }
        };
        let makes_topics = cluster.brokers().first().and_then(|broker| self.brokers_make_topics(broker.id()));
        findings.push(Finding::good(format!("{brokers} is a Kafka cluster of {} broker(s)", cluster.brokers().len())));
        findings.extend(topics.iter().flat_map(|topic| self.topic(topic, makes_topics)));
        findings.extend(self.options.warnings().into_iter().map(Finding::bad));
        findings
    }

    /// What the cluster says of itself. Brokers that all turn us away are not asked for as long as slow ones.
    fn cluster(&self) -> Result<Metadata, Code> {
        let first = self.settings.timeout.min(TURNED_AWAY_WITHIN);
        match self.producer.metadata(None, first) {
            Err(_) if !self.journal.is_everybody_away() => self.producer.metadata(None, self.settings.timeout - first),
            answer => answer,
        }
    }

    fn topic(&self, topic: &str, brokers_make_topics: Option<bool>) -> Vec<Finding> {
        if let Err(rule) = super::check_topic(topic) {
            return vec![Finding::bad(rule)];
        }
        let metadata = match self.producer.metadata(Some(topic), self.settings.timeout) {
            Ok(metadata) => metadata,
            Err(code) => {
                return vec![Finding::bad(format!("the brokers do not say whether topic {topic:?} is there: {code}"))];
            }
        };
        let answer = metadata.topics().iter().find(|answer| answer.name() == topic);
        match answer.map(|answer| (answer.partitions().len(), answer.error().map(Code::from))) {
            Some((partitions, None | Some(Code::LeaderNotAvailable))) => {
                let there = Finding::good(format!("topic {topic:?} is there, with {partitions} partition(s)"));
                [Some(there), self.size(topic)].into_iter().flatten().collect()
            }
            None | Some((_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic))) => {
                vec![self.missing(topic, brokers_make_topics)]
            }
            Some((_, Some(code))) => vec![Finding::bad(refusal(code, topic).reason)],
        }
    }

    fn missing(&self, topic: &str, brokers_make_topics: Option<bool>) -> Finding {
        if !self.options.makes_topics() {
            return match brokers_make_topics {
                Some(true) => {
                    Finding::good(format!("topic {topic:?} is made by the brokers when the first record comes"))
                }
                _ => Finding::bad(super::answer::missing(topic).reason),
            };
        }
        let only_asked = self.limits().validate_only(true);
        let wish = wish(topic, &self.settings.topics);
        let answers = Handle::current().block_on(self.admin.create_topics([&wish], &only_asked));
        let code = match answers.as_deref() {
            Ok([Ok(_), ..]) => return Finding::good(format!("topic {topic:?} is made when the first record comes")),
            Ok([Err((_, code)), ..]) => *code,
            Ok([]) => Code::Fail,
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        match unmade(topic, code) {
            Ok(()) => Finding::good(format!("topic {topic:?} is there")),
            Err(refusal) => Finding::bad(refusal.reason),
        }
    }

    /// A topic that takes less than librdkafka sends: records between the two end as dead letters, and every batch with one of
    /// them has to be sent twice.
    fn size(&self, topic: &str) -> Option<Finding> {
        let ours = self.options.message_bytes_max()?;
        let theirs: u64 = self.config(ResourceSpecifier::Topic(topic), "max.message.bytes")?.parse().ok()?;
        (theirs < ours).then(|| {
            Finding::bad(format!(
                "topic {topic:?} takes batches of at most {theirs} bytes, librdkafka sends up to {ours}; say librdkafka.\"message.max.bytes\" \
                 = \"{theirs}\", or raise max.message.bytes of the topic"
            ))
        })
    }

    fn brokers_make_topics(&self, broker: i32) -> Option<bool> {
        self.config(ResourceSpecifier::Broker(broker), "auto.create.topics.enable").map(|value| value == "true")
    }

    /// A setting of a topic or a broker; `None` if we may not ask.
    fn config(&self, of: ResourceSpecifier<'_>, name: &str) -> Option<String> {
        let answers = Handle::current().block_on(self.admin.describe_configs([&of], &self.limits())).ok()?;
        answers.into_iter().next()?.ok()?.get(name)?.value.clone()
    }

    fn limits(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.settings.timeout)).operation_timeout(Some(self.settings.timeout))
    }
}
