//! Brokers that are away, slow, or full: records wait, in order.

use super::*;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_wait_for_brokers_that_are_away_and_the_sink_says_so() {
    let cluster = brokers("t", 1);
    let sink = Arc::new(
        KafkaSink::new(KafkaSettings { timeout: Duration::from_millis(300), ..settings(&cluster) }).expect("good"),
    );
    sink.deliver(&message("t", "k", 0)).await.expect("brokers are there");
    cluster.broker_down(1).expect("a broker");
    let attempt = tokio::spawn({
        let sink = sink.clone();
        async move { sink.deliver_all(&messages("t", 1..100)).await }
    });
    let began = Instant::now();
    let complaint = loop {
        if let Some(complaint) = sink.complaint() {
            break complaint;
        }
        assert!(began.elapsed() < PATIENCE && !attempt.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(complaint.contains("nothing is dropped"), "{complaint}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!attempt.is_finished());
    cluster.broker_up(1).expect("a broker");
    for outcome in attempt.await.expect("no panic") {
        outcome.expect("delivered");
    }
    assert_eq!(sink.complaint(), None);
    assert_eq!(bodies(&cluster, "t"), numbers(0..100), "none is lost, none is doubled");
}

#[tokio::test]
async fn attempt_that_is_given_up_leaves_the_sink_usable() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    sink.deliver(&message("t", "k", 0)).await.expect("brokers are there");
    cluster.broker_down(1).expect("a broker");
    let given = messages("t", 1..20);
    let attempt = tokio::time::timeout(Duration::from_millis(200), sink.deliver_all(&given));
    attempt.await.expect_err("nobody answers");
    cluster.broker_up(1).expect("a broker");
    sink.deliver(&message("t", "k", 20)).await.expect("delivered");
    assert_eq!(bodies(&cluster, "t"), numbers(0..21), "what was in the air arrives before what came later");
}

#[tokio::test]
async fn sink_ends_at_once_while_records_are_in_the_air() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    sink.deliver(&message("t", "k", 0)).await.expect("brokers are there");
    cluster.broker_down(1).expect("a broker");
    let given = messages("t", 1..20);
    let attempt = tokio::time::timeout(Duration::from_millis(200), sink.deliver_all(&given));
    attempt.await.expect_err("nobody answers");
    let began = Instant::now();
    drop(sink);
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn full_queue_is_waited_for() {
    let cluster = brokers("t", 4);
    let sink = sink_with(&cluster, &[("queue.buffering.max.messages", "10")]);
    let given: Vec<Message> = (0..500).map(|n| message("t", &(n / 50).to_string(), n)).collect();
    for outcome in sink.deliver_all(&given).await {
        outcome.expect("delivered");
    }
    assert_eq!(bodies(&cluster, "t").len(), 500);
}

#[tokio::test]
async fn record_that_fits_into_no_queue_is_dead_instead_of_waiting_for_ever() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[("queue.buffering.max.kbytes", "100")]);
    let mut given = messages("t", 0..3);
    given[1].body = Bytes::from(vec![b'x'; 200_000]);
    let outcomes = sink.deliver_all(&given).await;
    assert!(reason(&outcomes[1], Fault::Poison).contains("queue.buffering.max.kbytes"));
    assert_eq!(bodies(&cluster, "t"), ["0", "2"]);
}

#[tokio::test]
async fn attempt_before_the_first_connection_is_refused_in_passing_and_says_why() {
    // Nobody listens on the discard port.
    let settings = KafkaSettings {
        brokers: "127.0.0.1:9".into(),
        options: Vec::new(),
        timeout: Duration::from_millis(500),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    };
    let sink = KafkaSink::new(settings.clone()).expect("no error before something is sent");
    let outcome = sink.deliver(&message("t", "k", 0)).await;
    assert!(reason(&outcome, Fault::Passing).contains("Connection refused"), "{outcome:?}");
    let findings = check(&settings, &["t".into()]).await;
    assert!(matches!(&findings[..], [one] if !one.ok && one.text.contains("Connection refused")), "{findings:?}");
}
