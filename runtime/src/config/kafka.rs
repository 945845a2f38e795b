//! What only `kind = "kafka"` knows: brokers, librdkafka's own options, and how topics are made.

use super::entry::Entry;
use super::registry::read_registry;
use super::section::Section;
use super::{KafkaPlan, RecordTime, RegistryPlan, Secret, TopicsPlan};
use crate::address::Author;

const BROKERS_FORM: &str = "write brokers = \"host:9092\", several with commas between them";
/// What Kafka's protocol says for the brokers' own default.
const BROKERS_DEFAULT: i32 = -1;
const PARTITIONS_MAX: u32 = 100_000;
const REPLICATION_MAX: u32 = 64;
/// A topic's longest name, and so its prefix's.
const TOPIC_LEN_MAX: usize = 249;
const RECORD_TIMES: [(&str, RecordTime); 2] = [("sent", RecordTime::Sent), ("committed", RecordTime::Committed)];

#[derive(Clone)]
pub(super) struct KafkaTerms {
    options: Vec<(String, Secret)>,
    topics: TopicsPlan,
    registry: Option<RegistryPlan>,
    headers: bool,
    timestamp: RecordTime,
    /// Of what is read next.
    author: Author,
}

impl Default for KafkaTerms {
    fn default() -> Self {
        Self {
            options: Vec::new(),
            topics: TopicsPlan::default(),
            registry: None,
            headers: true,
            timestamp: RecordTime::default(),
            author: Author::default(),
        }
    }
}

impl KafkaTerms {
    pub fn overridden_by(mut self, section: &Section<'_>) -> Self {
        if let Some(options) = section.section("librdkafka") {
            read_options(&options, &mut self.options);
        }
        if let Some(topics) = section.section("topics") {
            self.topics = read_topics(&topics, self.topics);
        }
        if let Some(registry) = section.entry("registry") {
            self.registry = Some(read_registry(&registry, self.author));
        }
        self.headers = section.flag("headers").unwrap_or(self.headers);
        let timestamp = section.entry("timestamp").and_then(|entry| entry.choice(&RECORD_TIMES, &[]));
        self.timestamp = timestamp.unwrap_or(self.timestamp);
        self
    }

    /// What follows stands in a file of members.
    pub fn of_customers(self) -> Self {
        Self { author: Author::Customer, ..self }
    }

    pub fn plan(self, brokers: &Entry<'_>) -> Option<KafkaPlan> {
        let Self { options, topics, registry, headers, timestamp, author: _ } = self;
        Some(KafkaPlan { brokers: read_brokers(brokers)?, options, topics, registry, headers, timestamp })
    }
}

/// `host:port` as text with commas, or as a list.
fn read_brokers(entry: &Entry<'_>) -> Option<String> {
    let texts: Vec<(String, Entry<'_>)> = if entry.is_list() {
        entry.texts()?
    } else {
        let text = entry.address("HOST:9092")?;
        text.split(',').map(|broker| (broker.trim().to_owned(), entry.clone())).collect()
    };
    if texts.is_empty() {
        entry.mistake("there is no broker in the list", BROKERS_FORM);
        return None;
    }
    let mut good = true;
    for (broker, entry) in &texts {
        let rule = match broker.rsplit_once(':') {
            _ if broker.contains("://") => "a broker has no scheme before it",
            _ if broker.contains(|c: char| c.is_whitespace() || c == '@' || c == '/') => "this is no host and port",
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => continue,
            _ => "this is no host and port",
        };
        let remedy = match broker.contains("://") {
            true => format!("{BROKERS_FORM}; for TLS, librdkafka.\"security.protocol\" = \"ssl\""),
            false => BROKERS_FORM.to_owned(),
        };
        entry.mistake(rule, remedy);
        good = false;
    }
    let brokers: Vec<String> = texts.into_iter().map(|(broker, _)| broker).collect();
    good.then(|| brokers.join(","))
}

/// Adds options; one that is there already is replaced.
fn read_options(section: &Section<'_>, options: &mut Vec<(String, Secret)>) {
    for (name, entry) in section.dotted() {
        if matches!(name.as_str(), "bootstrap.servers" | "metadata.broker.list") {
            let remedy = "write brokers = \"host:9092\" in the target itself";
            entry.page.mistake(&entry.subject, entry.key_at, "the brokers have a key of their own", remedy);
            continue;
        }
        let Some(value) = entry.scalar() else { continue };
        if let Err(reason) = (entry.page.reading.experts.librdkafka)(&name, &value) {
            let rule = format!("librdkafka does not take `{name}` with this value here");
            entry.page.mistake(&entry.subject, entry.key_at, rule, reason);
            continue;
        }
        options.retain(|(other, _)| *other != name);
        options.push((name, Secret::new(value)));
    }
}

fn read_topics(section: &Section<'_>, defaults: TopicsPlan) -> TopicsPlan {
    let count = |key, max| {
        let entry = section.entry(key)?;
        if entry.says("default") { Some(BROKERS_DEFAULT) } else { i32::try_from(entry.integer(1..=max)?).ok() }
    };
    let mut topics = TopicsPlan {
        create: section.flag("create").unwrap_or(defaults.create),
        partitions: count("partitions", PARTITIONS_MAX).unwrap_or(defaults.partitions),
        replication: count("replication", REPLICATION_MAX).unwrap_or(defaults.replication),
        config: defaults.config,
    };
    if let Some(config) = section.section("config") {
        for (name, entry) in config.dotted() {
            let Some(value) = entry.scalar() else { continue };
            topics.config.retain(|(other, _)| *other != name);
            topics.config.push((name, value));
        }
    }
    section.finish();
    topics
}

/// What stands before the table's name in a topic's.
pub(super) fn read_prefix(entry: &Entry<'_>) -> Option<String> {
    let prefix = entry.text()?;
    if prefix.is_empty() || prefix.len() > TOPIC_LEN_MAX || prefix.contains(not_in_a_topic) {
        entry.mistake(TOPIC_RULE, "write it with these, as in prefix = \"clients.cdc\"");
        return None;
    }
    Some(prefix)
}

pub(super) const TOPIC_RULE: &str = "a topic's name has 1 to 249 of letters, digits, \".\", \"_\" and \"-\"";

pub(super) fn not_in_a_topic(c: char) -> bool {
    !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')
}
