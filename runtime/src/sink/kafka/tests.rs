//! The sink against librdkafka's own brokers in memory, which fail on demand.

mod failures;
mod outages;
mod registry;
mod setup;

use super::*;
use crate::change::{Act, Content, Database, MessageId, Op, Origin, RowMark, Schema};
use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::message::{Headers, Message as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Resp};
use std::sync::Arc;

type Brokers = MockCluster<'static, DefaultProducerContext>;

const PATIENCE: Duration = Duration::from_secs(20);

fn brokers(topic: &str, partitions: i32) -> Brokers {
    let cluster = MockCluster::new(1).expect("brokers in memory");
    cluster.create_topic(topic, partitions, 1).expect("a topic");
    cluster
}

fn settings(cluster: &Brokers) -> KafkaSettings {
    KafkaSettings {
        brokers: cluster.bootstrap_servers(),
        options: Vec::new(),
        timeout: Duration::from_secs(5),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    }
}

fn sink_with(cluster: &Brokers, options: &[(&str, &str)]) -> KafkaSink {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    KafkaSink::new(KafkaSettings { options, ..settings(cluster) }).expect("good settings")
}

fn message(topic: &str, key: &str, number: u32) -> Message {
    let database = Database { name: "shop".into(), ..Database::default() };
    let schema = Schema {
        source: "erp".into(),
        database: Arc::new(database),
        namespace: "public".into(),
        table: "item".into(),
        ..Schema::default()
    };
    let mark = RowMark { commit: 0x16_b374_d848, change: 0x16_b374_d800, sub: 0, transaction: 77 };
    let origin = Origin { schema: Arc::new(schema), op: Some(Op::Update), mark, index: 0, nth: 0, again: false };
    let mut message = Content::new(MessageId(format!("id-{number}").into()), Bytes::from(key.to_owned()), origin);
    message.act = Act::Record { key: Some(Bytes::from(key.to_owned())), tombstone: false };
    message.place = topic.into();
    message.body = Bytes::from(number.to_string());
    message.content_type = "application/json".into();
    message.committed_at_us = 1_700_000_000_123_456;
    message.into()
}

/// One key, numbered bodies.
fn messages(topic: &str, numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| message(topic, "k", number)).collect()
}

/// Everything in a topic: as many records as there are when the brokers are asked how many.
fn read_all(servers: &str, topic: &str) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer<DefaultConsumerContext> =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "reader").create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    let mut parts = TopicPartitionList::new();
    let mut left = 0;
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).expect("watermarks");
        left += high - low;
        parts.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&parts).expect("an assignment");
    (0..left).map(|_| consumer.poll(PATIENCE).expect("a record in time").expect("no error").detach()).collect()
}

fn bodies(cluster: &Brokers, topic: &str) -> Vec<String> {
    let text = |record: &OwnedMessage| String::from_utf8_lossy(record.payload().unwrap_or(b"tombstone")).into_owned();
    read_all(&cluster.bootstrap_servers(), topic).iter().map(text).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn reason(outcome: &Result<(), Refusal>, fault: Fault) -> &str {
    let refusal = outcome.as_ref().expect_err("a refusal");
    assert_eq!(refusal.fault, fault, "{refusal}");
    &refusal.reason
}

#[tokio::test]
async fn record_says_where_it_comes_from() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    let mut given = message("t", "7", 1);
    given.headers = vec![("traceparent".into(), "00-ab-cd-01".into())].into();
    sink.deliver(&given).await.expect("delivered");
    let records = read_all(&cluster.bootstrap_servers(), "t");
    let record = &records[0];
    assert_eq!((record.key(), record.payload()), (Some(&b"7"[..]), Some(&b"1"[..])));
    let headers = record.headers().expect("headers");
    let pairs: Vec<String> =
        headers.iter().map(|h| format!("{}={}", h.key, String::from_utf8_lossy(h.value.unwrap_or_default()))).collect();
    assert_eq!(
        pairs,
        [
            "sluicegate.id=id-1",
            "sluicegate.source=erp",
            "sluicegate.table=public.item",
            "sluicegate.op=update",
            "sluicegate.position=16/B374D848",
            "sluicegate.transaction=77",
            "sluicegate.ts_us=1700000000123456",
            "content-type=application/json",
            "traceparent=00-ab-cd-01",
        ]
    );
}

#[tokio::test]
async fn time_is_of_the_sending_or_of_the_commit() {
    let cluster = brokers("t", 1);
    let began = rdkafka::util::current_time_millis();
    let mut timeless = message("t", "7", 3);
    timeless.committed_at_us = -1;
    for (commit_time, number) in [(false, 1), (true, 2)] {
        let sink = KafkaSink::new(KafkaSettings { commit_time, ..settings(&cluster) }).expect("good settings");
        sink.deliver(&message("t", "7", number)).await.expect("delivered");
        if commit_time {
            sink.deliver(&timeless).await.expect("delivered");
        }
    }
    let records = read_all(&cluster.bootstrap_servers(), "t");
    let times: Vec<i64> = records.iter().map(|record| record.timestamp().to_millis().expect("a time")).collect();
    let ended = rdkafka::util::current_time_millis();
    assert_eq!(times.len(), 3);
    assert!((began..=ended).contains(&times[0]), "{times:?}");
    assert_eq!(times[1], 1_700_000_000_123);
    assert!((began..=ended).contains(&times[2]), "of a change without a time it is when it was sent");
}

#[tokio::test]
async fn only_the_messages_own_headers_go_out_when_ours_are_off() {
    let cluster = brokers("t", 1);
    let sink = KafkaSink::new(KafkaSettings { headers: false, ..settings(&cluster) }).expect("good settings");
    let mut with = message("t", "7", 1);
    with.headers = vec![("a".into(), "b".into())].into();
    for outcome in sink.deliver_all(&[with, message("t", "7", 2)]).await {
        outcome.expect("delivered");
    }
    let records = read_all(&cluster.bootstrap_servers(), "t");
    let names = |record: &OwnedMessage| {
        record.headers().map_or(Vec::new(), |headers| headers.iter().map(|h| h.key.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!((names(&records[0]), names(&records[1])), (vec!["a".to_owned()], Vec::new()));
}

#[tokio::test]
async fn tombstone_follows_the_record_of_a_delete() {
    let cluster = brokers("t", 3);
    let sink = sink_with(&cluster, &[]);
    let mut gone = message("t", "7", 1);
    gone.act = Act::Record { key: Some("7".into()), tombstone: true };
    let mut keyless = message("t", "8", 2);
    keyless.act = Act::Record { key: None, tombstone: true };
    for outcome in sink.deliver_all(&[gone, message("t", "7", 3), keyless]).await {
        outcome.expect("delivered");
    }
    let records = read_all(&cluster.bootstrap_servers(), "t");
    let of_key = |key: Option<&[u8]>| -> Vec<_> {
        records.iter().filter(|r| r.key() == key).map(|r| r.payload().map(<[u8]>::to_vec)).collect()
    };
    assert_eq!(of_key(Some(b"7")), [Some(b"1".to_vec()), None, Some(b"3".to_vec())]);
    // Without a key they may lie in two partitions.
    let mut keyless = of_key(None);
    keyless.sort();
    assert_eq!(keyless, [None, Some(b"2".to_vec())]);
}

#[tokio::test]
async fn message_that_is_no_record_is_poison_and_holds_nobody() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    let mut request = message("t", "7", 1);
    request.act = Act::default();
    let nameless = message("a topic", "7", 2);
    let outcomes = sink.deliver_all(&[request, nameless, message("t", "7", 3)]).await;
    assert!(reason(&outcomes[0], Fault::Poison).contains("made for an HTTP API"));
    assert!(reason(&outcomes[1], Fault::Poison).contains("can not be a topic's name"));
    outcomes[2].as_ref().expect("delivered");
    assert_eq!(bodies(&cluster, "t"), ["3"]);
}
