//! Which topics are there. Each is asked about once, before the first record goes to it: librdkafka would keep records for a topic
//! that is missing for half a minute, and then fail them one by one.

use super::answer::{fatal, missing, passing, refusal};
use super::journal::{Journal, Trouble};
use super::options::Options;
use super::producer::Producer;
use super::{Refusal, TopicSettings};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Names that are remembered; a set of templated topics that outgrows it is asked about again.
const KNOWN_MAX: usize = 10_000;

/// How long a topic that was just made, by us or by the brokers, may take to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Topics {
    settings: Arc<TopicSettings>,
    options: Arc<Options>,
    timeout: Duration,
    known: RwLock<HashSet<String>>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Topics {
    pub(super) fn new(settings: TopicSettings, options: Arc<Options>, timeout: Duration) -> Self {
        let asking = tokio::sync::Mutex::new(());
        Self { settings: Arc::new(settings), options, timeout, known: RwLock::default(), asking }
    }

    /// Those that were not asked about yet, each once.
    pub(super) fn unknown<'a>(&self, topics: impl Iterator<Item = &'a str>) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut unknown: Vec<String> = Vec::new();
        let mut before = "";
        for topic in topics {
            // Neighbours mostly go to the same topic.
            if topic != before && !known.contains(topic) && !unknown.iter().any(|seen| seen == topic) {
                unknown.push(topic.to_owned());
            }
            before = topic;
        }
        unknown
    }

    /// Looks whether a topic is there, and makes it if it is not and may be made.
    ///
    /// # Errors
    /// What its messages get.
    pub(super) async fn open(
        &self,
        topic: &str,
        producer: Arc<Producer>,
        journal: &Arc<Journal>,
    ) -> Result<(), Refusal> {
        let _alone = self.asking.lock().await;
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(topic) {
            return Ok(());
        }
        let question = Question {
            topic: topic.to_owned(),
            producer,
            settings: self.settings.clone(),
            options: self.options.clone(),
            journal: journal.clone(),
            timeout: self.timeout,
        };
        let answered = tokio::task::spawn_blocking(move || question.settle()).await;
        answered.unwrap_or_else(|_| Err(passing(format!("topic {topic:?} could not be looked at"))))?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(topic.to_owned());
        Ok(())
    }

    /// What a record gets that was refused with its topic's error: the topic may have been removed, or closed. It is asked about again
    /// before the next record, and that decides.
    pub(super) fn lost(&self, topic: &str, refusal: Refusal, code: Code) -> Refusal {
        use Code::{UnknownPartition, UnknownTopic, UnknownTopicId, UnknownTopicOrPartition};
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
        match code {
            UnknownTopic | UnknownTopicOrPartition | UnknownTopicId | UnknownPartition => {
                passing(format!("topic {topic:?} is gone; it is looked for again"))
            }
            _ => refusal,
        }
    }
}

/// One topic, on a thread that may block.
struct Question {
    topic: String,
    producer: Arc<Producer>,
    settings: Arc<TopicSettings>,
    options: Arc<Options>,
    journal: Arc<Journal>,
    timeout: Duration,
}

impl Question {
    fn settle(&self) -> Result<(), Refusal> {
        if !self.settings.create {
            return self.wait_for();
        }
        if self.is_there()? {
            return Ok(());
        }
        let made = self.make();
        // Somebody else may have made it meanwhile.
        if made.is_err() && self.is_there()? {
            return Ok(());
        }
        made?;
        // It was made: a busy cluster that does not show it yet will.
        match self.appears()? {
            true => Ok(()),
            false => Err(passing(format!("topic {:?} was made, and the brokers do not show it yet", self.topic))),
        }
    }

    /// Until it appears: brokers that make topics by themselves do so when they are asked about one.
    fn wait_for(&self) -> Result<(), Refusal> {
        if self.appears()? { Ok(()) } else { Err(missing(&self.topic)) }
    }

    /// Whether it is there within a while.
    fn appears(&self) -> Result<bool, Refusal> {
        let deadline = Instant::now() + APPEARS_WITHIN;
        while !self.is_there()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(true)
    }

    fn is_there(&self) -> Result<bool, Refusal> {
        let asked = self.producer.metadata(Some(&self.topic), self.timeout);
        let metadata = asked.map_err(|code| match self.journal.last_trouble() {
            Some(Trouble { reason, is_turned_away: true }) => fatal(format!(
                "the brokers turn us away: {reason}; see librdkafka's security.protocol, sasl.* and ssl.*"
            )),
            trouble => {
                let why = trouble.map_or_else(|| code.to_string(), |trouble| trouble.reason);
                passing(format!("the brokers do not say whether topic {:?} is there: {why}", self.topic))
            }
        })?;
        let answer = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        match answer.map(|topic| topic.error().map(Code::from)) {
            Some(None) => Ok(true),
            // It is there; librdkafka waits until it can be written to.
            Some(Some(Code::LeaderNotAvailable)) => Ok(answer.is_some_and(|topic| !topic.partitions().is_empty())),
            None | Some(Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)) => Ok(false),
            Some(Some(code)) => Err(refusal(code, &self.topic)),
        }
    }

    fn make(&self) -> Result<(), Refusal> {
        let admin = self.options.admin(&self.journal).map_err(|error| passing(error.to_string()))?;
        let wish = wish(&self.topic, &self.settings);
        let limits = AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout));
        let answers = Handle::current().block_on(admin.create_topics([&wish], &limits));
        let code = match answers.as_deref() {
            Ok([Ok(_), ..]) => {
                tracing::info!(brokers = self.journal.brokers(), topic = self.topic, "topic is made");
                return Ok(());
            }
            Ok([Err((_, code)), ..]) => *code,
            Ok([]) => Code::Fail,
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        unmade(&self.topic, code)
    }
}

/// The topic as it is to be made.
pub(super) fn wish<'a>(topic: &'a str, settings: &'a TopicSettings) -> NewTopic<'a> {
    let plain = NewTopic::new(topic, settings.partitions, TopicReplication::Fixed(settings.replication));
    settings.config.iter().fold(plain, |topic, (name, value)| topic.set(name, value))
}

/// What it means that a topic was not made.
///
/// # Errors
/// Unless it is there already.
pub(super) fn unmade(topic: &str, code: Code) -> Result<(), Refusal> {
    Err(match code {
        Code::TopicAlreadyExists => return Ok(()),
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => fatal(format!(
            "topic {topic:?} does not exist, and making it is not authorised; make it, or, as an administrator: kafka-acls.sh --add \
             --allow-principal User:NAME --operation Create --topic {topic}"
        )),
        Code::InvalidReplicationFactor => fatal(format!(
            "topic {topic:?} can not be made: topics.replication is more than there are brokers, or less than 1"
        )),
        Code::InvalidPartitions => {
            fatal(format!("topic {topic:?} can not be made: topics.partitions must be at least 1"))
        }
        Code::InvalidConfig => fatal(format!(
            "topic {topic:?} can not be made: topics.config has a name or a value that the brokers do not take"
        )),
        Code::PolicyViolation => {
            fatal(format!("topic {topic:?} can not be made: a policy of the brokers forbids it as wished"))
        }
        Code::InvalidTopic => refusal(code, topic),
        code => passing(format!("topic {topic:?} was not made: {code}")),
    })
}
