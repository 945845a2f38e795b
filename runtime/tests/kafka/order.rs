//! What was promised: nothing lost, nothing turned round.

use super::road::{Flaws, PATIENCE, broker, flaws, message, road, settings};
use sluicegate::sink::Sink;
use sluicegate::sink::kafka::KafkaSettings;
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
async fn broker_that_is_killed_and_comes_back_costs_nothing() {
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
    assert_eq!(flaws(&records, 60_000), Flaws::default());
    assert_eq!((road.dead(), complaints, road.sink.complaint()), (0, 2, None));
}
