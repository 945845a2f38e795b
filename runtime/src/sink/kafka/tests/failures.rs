//! Records that are refused: who is to blame, and what becomes of the others.

use super::*;
use std::ffi::CString;

#[tokio::test]
async fn batch_that_is_refused_for_one_record_is_sent_record_by_record() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    // The batch, then the first record alone; the second is taken.
    let too_large = Resp::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(Api::Produce, &[too_large, too_large]);
    let outcomes = sink.deliver_all(&messages("t", 0..50)).await;
    assert!(reason(&outcomes[0], Fault::Poison).contains("max.message.bytes"));
    assert!(outcomes[1..].iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(bodies(&cluster, "t"), numbers(1..50));
    sink.deliver(&message("t", "k", 50)).await.expect("the next attempt has a producer");
}

#[tokio::test]
async fn record_that_librdkafka_finds_too_large_is_dead_alone() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[("message.max.bytes", "2000")]);
    let mut given = messages("t", 0..3);
    given[1].body = Bytes::from(vec![b'x'; 5000]);
    let outcomes = sink.deliver_all(&given).await;
    assert!(reason(&outcomes[1], Fault::Poison).contains("message.max.bytes"));
    assert_eq!(bodies(&cluster, "t"), ["0", "2"]);
}

#[tokio::test]
async fn nothing_overtakes_a_record_that_failed() {
    let cluster = brokers("t", 1);
    // The brokers in memory do not mind a gap, so only one batch may be on its way.
    let sink = sink_with(&cluster, &[("batch.num.messages", "10"), ("max.in.flight", "1")]);
    cluster.request_errors(Api::Produce, &[Resp::RD_KAFKA_RESP_ERR_NO_ERROR, Resp::RD_KAFKA_RESP_ERR_UNKNOWN]);
    let given = messages("t", 0..100);
    let outcomes = sink.deliver_all(&given).await;
    let delivered = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    assert!((1..100).contains(&delivered), "{delivered}");
    outcomes[delivered..].iter().for_each(|outcome| assert!(reason(outcome, Fault::Passing).contains("Unknown")));
    assert_eq!(bodies(&cluster, "t"), numbers(0..delivered as u32), "what is behind the failure stays behind it");
    for outcome in sink.deliver_all(&given[delivered..]).await {
        outcome.expect("delivered");
    }
    assert_eq!(bodies(&cluster, "t"), numbers(0..100), "none is lost, none is doubled");
}

#[tokio::test]
async fn lane_is_told_to_stop_when_writing_is_not_allowed_and_goes_on_when_it_is() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    cluster.request_errors(Api::Produce, &[Resp::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let outcomes = sink.deliver_all(&messages("t", 0..3)).await;
    for outcome in &outcomes {
        assert!(reason(outcome, Fault::Fatal).contains("--producer --topic t"));
    }
    for outcome in sink.deliver_all(&messages("t", 0..3)).await {
        outcome.expect("allowed now");
    }
    assert_eq!(bodies(&cluster, "t"), numbers(0..3));
}

#[tokio::test]
async fn lane_is_told_to_stop_when_idempotence_is_not_allowed() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[]);
    cluster.request_errors(Api::InitProducerId, &[Resp::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 3]);
    let outcome = sink.deliver(&message("t", "k", 0)).await;
    assert!(reason(&outcome, Fault::Fatal).contains("IdempotentWrite"));
    cluster.clear_request_errors(Api::InitProducerId);
    sink.deliver(&message("t", "k", 0)).await.expect("allowed now");
}

#[tokio::test]
async fn messages_for_other_topics_go_out_while_one_is_missing() {
    let cluster = brokers("t", 1);
    cluster.create_topic("gone", 1, 1).expect("a topic");
    cluster.topic_error("gone", Resp::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).expect("an error");
    let sink = sink_with(&cluster, &[]);
    let given = [message("gone", "a", 0), message("t", "b", 1), message("t", "a", 2)];
    let outcomes = sink.deliver_all(&given).await;
    assert!(reason(&outcomes[0], Fault::Fatal).contains("kafka-topics.sh --create --topic gone"));
    outcomes[1].as_ref().expect("another key");
    let [a, _, behind] = &given;
    let together = sink.deliver_all(&[a.clone(), behind.clone()]).await;
    assert!(together.iter().all(|outcome| reason(outcome, Fault::Fatal).contains("gone")), "its key waits");
    cluster.topic_error("gone", Resp::RD_KAFKA_RESP_ERR_NO_ERROR).expect("no error");
    sink.deliver(&given[0]).await.expect("it is there now");
    assert_eq!(bodies(&cluster, "gone"), ["0"]);
}

#[tokio::test]
async fn broken_producer_is_replaced_and_the_rest_goes_out_through_the_next() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[("linger.ms", "200")]);
    let broken = sink.crew.producer().expect("a producer");
    let given = messages("t", 0..100);
    let (outcomes, ()) = tokio::join!(sink.deliver_all(&given), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let why = CString::new("as a test").expect("no NUL");
        // SAFETY: the producer is alive, and the text outlives the call, which copies it.
        unsafe {
            rdkafka::bindings::rd_kafka_test_fatal_error(
                broken.native(),
                Resp::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                why.as_ptr(),
            )
        };
    });
    assert!(broken.broken().is_some() && sink.crew.producer().expect("another").broken().is_none());
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(bodies(&cluster, "t"), numbers(0..100));
}

#[tokio::test]
async fn full_disk_of_a_broker_is_waited_for() {
    let cluster = brokers("t", 1);
    let sink = sink_with(&cluster, &[("batch.num.messages", "7")]);
    cluster.request_errors(Api::Produce, &[Resp::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR; 3]);
    for outcome in sink.deliver_all(&messages("t", 0..50)).await {
        outcome.expect("delivered");
    }
    let mut seen = bodies(&cluster, "t");
    seen.dedup();
    assert_eq!(seen, numbers(0..50));
}
