//! What was promised: nothing lost, nothing turned round.

use super::relay::Relay;
use super::road::{Flaws, PATIENCE, broker, flaws, message, number, road, settings};
use sluicegate::sink::Sink;
use sluicegate::sink::kafka::{KafkaSettings, KafkaSink};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_thousand_messages_keep_the_order_of_their_keys() {
    let broker = broker(&[]).await;
    broker.kafka.create_topic("items", PARTITIONS, &[]).await.expect("a topic");
    let road = road(settings(&broker.kafka));
    let ticket = road.ticket();
    for number in 0..100_000 {
        // Some keys are hot, most are not.
        let key = if number % 3 == 0 { number % 5 } else { number % 9973 };
        road.push(&ticket, message("items", key, number, 100)).await;
    }
    ticket.settle();
    road.paid().await;
    let records = broker.kafka.read_all("items").await.expect("the records");
    assert_eq!(flaws(&records, 100_000), Flaws::default());
    assert_eq!(road.dead(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_that_is_killed_and_comes_back_costs_neither_messages_nor_order() {
    let mut broker = broker(&[]).await;
    broker.kafka.create_topic("items", PARTITIONS, &[]).await.expect("a topic");
    let road = road(KafkaSettings { timeout: Duration::from_secs(1), ..settings(&broker.kafka) });
    let ticket = road.ticket();
    let (mut complaints, mut before) = (0, 0);
    for number in 0..60_000 {
        if matches!(number, 20_000 | 40_000) {
            // A broker that was not heard yet since it was started has nothing in the air, and who asks it is not late but refused.
            road.until_delivered(before).await;
            broker.kafka.kill9();
            before = road.delivered();
            // What is under way goes on failing for a while.
            for key in 0..1000 {
                road.push(&ticket, message("items", key, number + key, 100)).await;
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            let began = Instant::now();
            while road.sink.complaint().is_none() && began.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            complaints += usize::from(road.sink.complaint().is_some());
            broker.kafka.restart().await.expect("the broker comes back");
        }
        if !(20_000..21_000).contains(&number) && !(40_000..41_000).contains(&number) {
            road.push(&ticket, message("items", number % 1000, number, 100)).await;
        }
    }
    ticket.settle();
    road.paid().await;
    let records = broker.kafka.read_all("items").await.expect("the records");
    // Batches whose answers died with the broker may be there twice: see the next test.
    let flaws = flaws(&records, 60_000);
    assert_eq!(flaws, Flaws { doubled: flaws.doubled, ..Flaws::default() });
    assert_eq!((road.dead(), complaints, road.sink.complaint()), (0, 2, None));
}

/// A broker has batches that nobody was told of, dies, and comes back. It forgets then which batches it has of a producer whose last
/// record is a day old by its time, and took the changes of 2023 a second time while that was the time of their commit. Of any
/// producer it knows the last batch alone: it refuses those before it, and the next producer sends them again, behind the last one.
/// That one has to come again too, or an old state of the row would stay the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_died_with_their_broker_cost_neither_order_nor_repeats_of_one_batch() {
    let relay = Relay::start().await;
    let mut broker = broker(&[("advertised.listeners", &format!("PLAINTEXT://{}", relay.address))]).await;
    relay.lead_to(broker.kafka.brokers());
    for topic in ["one", "many"] {
        broker.kafka.create_topic(topic, 1, &[]).await.expect("a topic");
    }
    let sink = |options| KafkaSink::new(KafkaSettings { options, ..settings(&broker.kafka) }).expect("good settings");
    let one_batch = sink(vec![("linger.ms".into(), "100".into())]);
    let many_batches = sink(vec![("batch.num.messages".into(), "1".into())]);
    one_batch.deliver(&message("one", 0, 0, 100)).await.expect("delivered");
    many_batches.deliver(&message("many", 0, 0, 100)).await.expect("delivered");
    relay.swallow(true);
    let sending = tokio::spawn(async move {
        let later = |topic| (1..4).map(|number| message(topic, 0, number, 100)).collect::<Vec<_>>();
        let (to_one, to_many) = (later("one"), later("many"));
        tokio::join!(one_batch.deliver_all(&to_one), many_batches.deliver_all(&to_many))
    });
    relay.until_swallowed(2).await;
    // The rest of the batches is in the air already.
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.kafka.kill9();
    relay.swallow(false);
    broker.kafka.restart().await.expect("the broker comes back");
    let (one, many) = tokio::time::timeout(PATIENCE, sending).await.expect("in time").expect("no panic");
    assert!(one.iter().chain(&many).all(Result::is_ok), "{one:?} {many:?}");
    let mut numbers = Vec::new();
    for topic in ["one", "many"] {
        let records = broker.kafka.read_all(topic).await.expect("the records");
        numbers.push(records.iter().map(number).collect::<Vec<_>>());
    }
    assert_eq!(numbers, [vec![0, 1, 2, 3], vec![0, 1, 2, 3, 1, 2, 3]]);
}
