//! How fast, beside librdkafka alone with the same bytes. Run with `--ignored --nocapture`.

use super::road::{Broker, broker, message, road, settings};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sluicegate::change::Message;
use std::time::{Duration, Instant};

const COUNT: u32 = 300_000;

/// What a run took of the clock and of the processors, for each record. On a busy machine the second tells more.
struct Pace {
    per_second: f64,
    cpu_us: f64,
}

struct Watch(Instant, Duration);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }

    fn stop(self, count: usize) -> Pace {
        let (took, cpu) = (self.0.elapsed(), cpu() - self.1);
        Pace { per_second: count as f64 / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / count as f64 }
    }
}

/// Of all threads of this process so far; the broker is another.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// librdkafka alone, with the same bytes.
fn alone(broker: &Broker, topic: &str, headers: bool, messages: &[Message]) -> Pace {
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
    let watch = Watch::start();
    for message in messages {
        let mut record = BaseRecord::to(topic).key(&message.key[..]).payload(&message.body[..]);
        if headers {
            record = record.headers(as_ours(message));
        }
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
            record = back;
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(60)).expect("everything is acknowledged");
    watch.stop(messages.len())
}

/// The names and about the values that the sink gives its records.
fn as_ours(message: &Message) -> OwnedHeaders {
    let pairs = [
        ("sluicegate.id", &*message.id.0),
        ("sluicegate.source", "erp"),
        ("sluicegate.table", "public.item"),
        ("sluicegate.op", "update"),
        ("sluicegate.position", "0/123456"),
        ("sluicegate.transaction", "1"),
        ("sluicegate.ts_us", "1700000000000000"),
        ("content-type", "application/json"),
    ];
    let empty = OwnedHeaders::new_with_capacity(pairs.len());
    pairs.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }))
}

/// A lane and the sink.
async fn ours(broker: &Broker, headers: bool, messages: Vec<Message>) -> Pace {
    let mut settings = settings(&broker.kafka);
    settings.headers = headers;
    let road = road(settings);
    let count = messages.len();
    // The connection and the topic are there before the clock runs.
    let ticket = road.ticket();
    road.push(&ticket, messages[0].clone()).await;
    ticket.settle();
    road.paid().await;
    let watch = Watch::start();
    let ticket = road.ticket();
    for message in messages {
        road.push(&ticket, message).await;
    }
    ticket.settle();
    road.paid().await;
    assert_eq!(road.dead(), 0);
    watch.stop(count)
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
        for (round, headers) in [(1, false), (1, true), (2, false), (2, true)] {
            let given = messages.clone();
            let theirs = tokio::task::block_in_place(|| alone(&broker, &topic, headers, &given));
            let ours = ours(&broker, headers, given).await;
            println!(
                "{case}, headers {headers}, round {round}: librdkafka alone {:.0}/s, {:.2} us; lane and sink {:.0}/s, {:.2} us; ratio {:.2}",
                theirs.per_second,
                theirs.cpu_us,
                ours.per_second,
                ours.cpu_us,
                ours.per_second / theirs.per_second
            );
        }
    }
}
