//! What has come to the broker since the last look.

use super::order::Position;
use super::recording::{Record, Topics};
use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One question to the broker.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// All records of one recording.
const READ_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

type Place = (String, i32);

/// A reader of all topics that remembers how far it came.
#[derive(Clone)]
pub struct Harvest {
    config: ClientConfig,
    read: Arc<Mutex<BTreeMap<Place, i64>>>,
}

impl Harvest {
    pub fn new(brokers: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "conform").set("enable.auto.commit", "false");
        config.set("log_level", "0");
        Self { config, read: Arc::default() }
    }

    /// Makes the topics that are not there: one by one, as they are needed, takes longer than their records.
    pub async fn make(&self, names: &[&str]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config.create().context("make a client")?;
        let topics: Vec<NewTopic<'_>> =
            names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
        let options = AdminOptions::new().operation_timeout(Some(ASK_LIMIT)).request_timeout(Some(ASK_LIMIT));
        for outcome in admin.create_topics(&topics, &options).await.context("make topics")? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => bail!("Kafka did not make the topic {name}: {code}"),
            }
        }
        Ok(())
    }

    /// Whether `topic` holds more than was read of it.
    pub async fn has_grown(&self, topic: &str) -> Result<bool> {
        let (its, topic) = (self.clone(), topic.to_owned());
        tokio::task::spawn_blocking(move || its.end_of(&topic)).await.context("look at a topic")?
    }

    fn end_of(&self, topic: &str) -> Result<bool> {
        let consumer: BaseConsumer = self.config.create().context("make a consumer")?;
        let read = self.position(&(topic.to_owned(), 0));
        // A topic that is not there yet is an error to the client.
        Ok(consumer.fetch_watermarks(topic, 0, ASK_LIMIT).is_ok_and(|(_, end)| end > read))
    }

    fn position(&self, place: &Place) -> i64 {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).get(place).copied().unwrap_or(0)
    }

    /// All records that came since the last time.
    pub async fn collect(&self) -> Result<Topics> {
        let its = self.clone();
        tokio::task::spawn_blocking(move || its.read_to_the_end()).await.context("read the topics")?
    }

    fn read_to_the_end(&self) -> Result<Topics> {
        let consumer: BaseConsumer = self.config.create().context("make a consumer")?;
        let metadata = consumer.fetch_metadata(None, ASK_LIMIT).context("ask for the topics")?;
        let mut places: Vec<Place> = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("__consumer")) {
            places.extend(topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id())));
        }
        let mut ends = BTreeMap::new();
        let mut from = TopicPartitionList::new();
        for place in places {
            let read = self.position(&place);
            let (_, end) =
                consumer.fetch_watermarks(&place.0, place.1, ASK_LIMIT).context("ask for the end of a topic")?;
            if end > read {
                from.add_partition_offset(&place.0, place.1, Offset::Offset(read))?;
                ends.insert(place, end);
            }
        }
        consumer.assign(&from).context("read from where the last reading ended")?;
        let deadline = Instant::now() + READ_LIMIT;
        let mut topics = Topics::new();
        while !ends.is_empty() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let (place, next) = ((message.topic().to_owned(), message.partition()), message.offset() + 1);
                    ends.retain(|other, end| *other != place || next < *end);
                    self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(place, next);
                    topics.entry(message.topic().to_owned()).or_default().push(record_of(&message));
                }
                Some(Err(failure)) => return Err(failure).context("read the topics"),
                None if Instant::now() > deadline => bail!("the topics did not end within {} s", READ_LIMIT.as_secs()),
                None => {}
            }
        }
        Ok(topics)
    }
}

fn record_of(message: &impl Message) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        at: Position::default(),
    }
}
