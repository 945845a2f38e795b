//! Records that a real broker refuses: only they are dead.

use super::road::{Flaws, broker, flaws, message, road, settings};
use bytes::Bytes;
use sluicegate::change::{Act, Message};
use sluicegate::fault::Fault;
use sluicegate::sink::Sink;
use sluicegate::sink::kafka::{KafkaSettings, KafkaSink, check};

/// The broker measures batches as they are sent, so the bodies must not shrink.
fn uncompressed(settings: KafkaSettings) -> KafkaSettings {
    KafkaSettings { options: vec![("compression.type".into(), "none".into())], ..settings }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_larger_than_the_topic_takes_is_dead() {
    let broker = broker(&[]).await;
    broker.kafka.create_topic("small", 3, &[("max.message.bytes", "20000")]).await.expect("a topic");
    let settings = uncompressed(settings(&broker.kafka));
    let findings = check(&settings, &["small".into()]).await;
    assert!(!findings[2].ok && findings[2].text.contains("\"message.max.bytes\" = \"20000\""), "{findings:?}");
    let road = road(settings);
    let ticket = road.ticket();
    let mut count = 0;
    for number in 0..2000 {
        let mut message = message("small", number % 40, count, 200);
        // Batches are larger than the topic takes; of the records only these.
        if number % 500 == 250 {
            message.body = Bytes::from(vec![b'x'; 30_000]);
        } else {
            count += 1;
        }
        road.push(&ticket, message).await;
    }
    ticket.settle();
    road.paid().await;
    assert_eq!(road.dead(), 4);
    let records = broker.kafka.read_all("small").await.expect("the records");
    assert_eq!(flaws(&records, count), Flaws::default());
}

#[tokio::test]
async fn record_without_key_is_dead_on_a_compacted_topic_and_holds_nobody() {
    let broker = broker(&[]).await;
    broker.kafka.create_topic("latest", 1, &[("cleanup.policy", "compact")]).await.expect("a topic");
    let sink = KafkaSink::new(settings(&broker.kafka)).expect("good settings");
    let mut given: Vec<Message> = (0..20).map(|number| message("latest", number, number, 5)).collect();
    given[7].act = Act::Record { key: None, tombstone: false };
    let outcomes = sink.deliver_all(&given).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert_ne!(number, 7),
            Err(refusal) => assert!(number == 7 && refusal.fault == Fault::Poison, "{number}: {refusal:?}"),
        }
    }
    let seen: Vec<_> =
        broker.kafka.read_all("latest").await.expect("the records").iter().map(super::road::number).collect();
    assert_eq!(seen, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
}
