//! Topics that are not there.

use super::road::{PATIENCE, broker, message, road, settings};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use sluicegate::fault::Fault;
use sluicegate::sink::Sink;
use sluicegate::sink::kafka::{KafkaSettings, KafkaSink, TopicSettings, check};
use std::time::{Duration, Instant};

/// A user looks at a new topic at once.
const FIRST_RECORD_WITHIN: Duration = Duration::from_secs(2);

/// A lane tries again after a minute.
const PROBE: Duration = Duration::from_secs(61);

fn made(partitions: i32, replication: i32, config: &[(&str, &str)]) -> TopicSettings {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TopicSettings { create: true, partitions, replication, config }
}

#[tokio::test]
async fn missing_topic_halts_the_lane_until_somebody_makes_it() {
    let broker = broker(&[("auto.create.topics.enable", "false")]).await;
    let settings = settings(&broker.kafka);
    let findings = check(&settings, &["absent".into()]).await;
    assert!(findings[0].ok && !findings[1].ok && findings[1].text.contains("does not exist"), "{findings:?}");
    let road = road(settings);
    let ticket = road.ticket();
    for number in 0..10 {
        road.push(&ticket, message("absent", 1, number, 1)).await;
    }
    ticket.settle();
    let why = road.until_halted().await;
    assert!(why.contains("\"absent\" does not exist") && why.contains("topics.create = true"), "{why}");
    broker.kafka.create_topic("absent", 1, &[]).await.expect("a topic");
    tokio::time::pause();
    tokio::time::advance(PROBE).await;
    tokio::time::resume();
    road.paid().await;
    let records = broker.kafka.read_all("absent").await.expect("the records");
    assert_eq!(records.iter().map(super::road::number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(road.dead(), 0);
}

#[tokio::test]
async fn missing_topics_are_made_as_wished_and_written_to_at_once() {
    let broker = broker(&[]).await;
    let settings = KafkaSettings {
        topics: made(5, 1, &[("cleanup.policy", "compact"), ("retention.ms", "1000000")]),
        ..settings(&broker.kafka)
    };
    let findings = check(&settings, &["cdc.info-user".into()]).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(findings[1].text.contains("is made when"), "{findings:?}");
    let sink = KafkaSink::new(settings.clone()).expect("good settings");
    for topic in ["cdc.info-user", "erp.public.item"] {
        let began = Instant::now();
        sink.deliver(&message(topic, 1, 1, 1)).await.expect("delivered");
        assert!(began.elapsed() < FIRST_RECORD_WITHIN, "{:?}", began.elapsed());
    }
    let findings = check(&settings, &["cdc.info-user".into()]).await;
    assert!(findings[1].text.contains("is there, with 5 partition(s)"), "{findings:?}");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.kafka.brokers()).create().expect("a client");
    let limits = AdminOptions::new().request_timeout(Some(PATIENCE));
    let asked = admin.describe_configs([&ResourceSpecifier::Topic("erp.public.item")], &limits).await;
    let topic = asked.expect("an answer").remove(0).expect("a topic");
    let value = |name| topic.get(name).and_then(|entry| entry.value.as_deref());
    assert_eq!((value("cleanup.policy"), value("retention.ms")), (Some("compact"), Some("1000000")));
}

#[tokio::test]
async fn brokers_may_make_topics_themselves_and_soon() {
    let broker = broker(&[("num.partitions", "3")]).await;
    let settings = settings(&broker.kafka);
    let findings = check(&settings, &["new".into()]).await;
    assert!(findings[1].ok && findings[1].text.contains("made by the brokers"), "{findings:?}");
    let again = check(&settings, &["new".into()]).await;
    assert_eq!(again, findings, "looking did not make it");
    let sink = KafkaSink::new(settings).expect("good settings");
    let began = Instant::now();
    sink.deliver(&message("new", 1, 1, 1)).await.expect("delivered");
    assert!(began.elapsed() < FIRST_RECORD_WITHIN, "{:?}", began.elapsed());
    assert_eq!(broker.kafka.read_all("new").await.expect("the record").len(), 1);
}

#[tokio::test]
async fn wish_that_brokers_can_not_fulfil_is_told_with_the_setting_to_change() {
    let broker = broker(&[]).await;
    for (topics, remedy) in [
        (made(1, 3, &[]), "topics.replication"),
        (made(0, 1, &[]), "topics.partitions"),
        (made(1, 1, &[("cleanup.polly", "compact")]), "topics.config"),
    ] {
        let settings = KafkaSettings { topics, ..settings(&broker.kafka) };
        let findings = check(&settings, &["wished".into()]).await;
        assert!(!findings[1].ok && findings[1].text.contains(remedy), "{findings:?}");
        let sink = KafkaSink::new(settings).expect("good settings");
        let refusal = sink.deliver(&message("wished", 1, 1, 1)).await.expect_err("no topic");
        assert!(refusal.fault == Fault::Fatal && refusal.reason.contains(remedy), "{refusal:?}");
    }
}

#[tokio::test]
async fn topic_that_is_removed_meanwhile_is_made_again() {
    let broker = broker(&[]).await;
    // librdkafka holds a topic that is gone to be late for half a minute.
    let options = vec![("topic.metadata.propagation.max.ms".to_owned(), "1000".to_owned())];
    let road = road(KafkaSettings { topics: made(1, 1, &[]), options, ..settings(&broker.kafka) });
    let ticket = road.ticket();
    road.push(&ticket, message("short-lived", 1, 0, 1)).await;
    ticket.settle();
    road.paid().await;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.kafka.brokers()).create().expect("a client");
    let limits = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    admin.delete_topics(&["short-lived"], &limits).await.expect("an answer").remove(0).expect("removed");
    let ticket = road.ticket();
    for number in 1..5 {
        road.push(&ticket, message("short-lived", 1, number, 1)).await;
    }
    ticket.settle();
    road.paid().await;
    let records = broker.kafka.read_all("short-lived").await.expect("the records");
    assert_eq!(records.iter().map(super::road::number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(road.dead(), 0);
}
