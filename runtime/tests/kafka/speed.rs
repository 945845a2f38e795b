//! How fast, beside librdkafka alone with the same bytes. Run with `--ignored --nocapture`.

use super::road::{Broker, broker, message, road, settings};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sluicegate::change::Message;
use std::time::{Duration, Instant};

const COUNT: u32 = 300_000;

/// Records per second of librdkafka alone.
fn alone(broker: &Broker, topic: &str, messages: &[Message]) -> f64 {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.kafka.brokers())
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("queue.buffering.max.kbytes", "65536")
        .create()
        .expect("a producer");
    producer.client().fetch_metadata(Some(topic), Duration::from_secs(10)).expect("a topic");
    let began = Instant::now();
    for message in messages {
        let mut record = BaseRecord::to(topic).key(&message.key[..]).payload(&message.body[..]);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
            record = back;
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    f64::from(messages.len() as u32) / began.elapsed().as_secs_f64()
}

/// Records per second of a lane before the sink.
async fn ours(broker: &Broker, headers: bool, messages: Vec<Message>) -> f64 {
    let mut settings = settings(&broker.kafka);
    settings.headers = headers;
    let road = road(settings);
    let count = messages.len();
    // The connection and the topic are there before the clock runs.
    let ticket = road.ticket();
    road.push(&ticket, messages[0].clone()).await;
    ticket.settle();
    road.paid().await;
    let began = Instant::now();
    let ticket = road.ticket();
    for message in messages {
        road.push(&ticket, message).await;
    }
    ticket.settle();
    road.paid().await;
    assert_eq!(road.dead(), 0);
    count as f64 / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_beside_librdkafka_alone() {
    let broker = broker(&[]).await;
    for (case, keys, body_len, partitions) in [
        ("many keys, 500 bytes", 100_000, 500, 6),
        ("many keys, 100 bytes", 100_000, 100, 6),
        ("one key, 500 bytes", 1, 500, 6),
    ] {
        let topic = case.replace([' ', ','], "-");
        broker.kafka.create_topic(&topic, partitions, &[]).await.expect("a topic");
        let messages: Vec<_> = (0..COUNT).map(|number| message(&topic, number % keys, number, body_len)).collect();
        for round in 1..=2 {
            let (broker, messages) = (&broker, messages.clone());
            let alone = tokio::task::block_in_place(|| alone(broker, &topic, &messages));
            let bare = ours(broker, false, messages.clone()).await;
            let full = ours(broker, true, messages).await;
            println!(
                "{case}, round {round}: librdkafka alone {alone:.0}/s; lane and sink {bare:.0}/s ({:.2}); with headers {full:.0}/s ({:.2})",
                bare / alone,
                full / alone
            );
        }
    }
}
