//! A registry that is there, away, slow, or of another opinion: what becomes of the records.

use super::*;
use crate::change::RecordForm;
use crate::sink::http::{Auth, HttpSettings};
use std::time::Instant;
use xtask::registry::{Manner, Registry};

const KEY_SCHEMA: &str = "\"string\"";
const VALUE_SCHEMA: &str = "{\"type\":\"record\",\"name\":\"Value\",\"fields\":[]}";

async fn registry() -> Registry {
    Registry::start().await.expect("a registry")
}

fn asking(cluster: &Brokers, registry: &Registry) -> KafkaSink {
    asking_with(cluster, HttpSettings::new(registry.url(), Duration::from_millis(500)), true)
}

fn asking_with(cluster: &Brokers, http: HttpSettings, register: bool) -> KafkaSink {
    let sink = sink_with(cluster, &[]);
    sink.with_registry(RegistrySettings { http, register }, &Clients::default()).expect("good settings")
}

fn avro(number: u32, value_schema: &str) -> Message {
    let mut message = message("t", "k", number);
    message.form =
        RecordForm { key_schema: Some(KEY_SCHEMA.into()), value_schema: Some(value_schema.into()), is_null: false };
    message
}

/// What follows the heads of a topic's records, and the numbers in them.
fn headed(cluster: &Brokers) -> Vec<(u32, Option<(u32, String)>)> {
    let split = |bytes: &[u8]| {
        let (head, rest) = bytes.split_at(5);
        assert_eq!(head[0], 0, "Confluent's magic byte");
        let number = u32::from_be_bytes(head[1..].try_into().expect("four bytes"));
        (number, String::from_utf8_lossy(rest).into_owned())
    };
    let records = read_all(&cluster.bootstrap_servers(), "t");
    records.iter().map(|record| (split(record.key().expect("a key")).0, record.payload().map(split))).collect()
}

#[tokio::test]
async fn numbers_stand_in_front_of_key_and_value_and_are_asked_for_once() {
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let sink = asking(&cluster, &registry);
    let mut gone = avro(3, VALUE_SCHEMA);
    gone.act = Act::Record { key: Some("k".into()), tombstone: true };
    let mut null = avro(4, VALUE_SCHEMA);
    null.form.is_null = true;
    for given in [vec![avro(1, VALUE_SCHEMA), avro(2, VALUE_SCHEMA)], vec![gone, null]] {
        sink.deliver_all(&given).await.into_iter().for_each(|outcome| outcome.expect("delivered"));
    }
    let (key, value) = (registry.versions("t-key"), registry.versions("t-value"));
    assert_eq!(
        (registry.schema(key[0]).as_deref(), registry.schema(value[0]).as_deref()),
        (Some(KEY_SCHEMA), Some(VALUE_SCHEMA))
    );
    let body = |number: u32| Some((value[0], number.to_string()));
    let expected: Vec<_> = [body(1), body(2), body(3), None, None].into_iter().map(|value| (key[0], value)).collect();
    assert_eq!(headed(&cluster), expected);
    assert_eq!(registry.asked(), 2, "once for each schema");
}

#[tokio::test]
async fn registry_that_is_away_is_a_passing_failure_and_what_it_said_before_still_holds() {
    let (cluster, mut registry) = (brokers("t", 1), registry().await);
    let sink = asking(&cluster, &registry);
    sink.deliver(&avro(1, VALUE_SCHEMA)).await.expect("delivered");
    registry.leave().await;
    let other = avro(3, "\"long\"");
    let outcomes = sink.deliver_all(&[avro(2, VALUE_SCHEMA), other.clone()]).await;
    outcomes[0].as_ref().expect("its number is known");
    assert!(reason(&outcomes[1], Fault::Passing).starts_with("registry: can not connect"), "{outcomes:?}");
    registry.come_back().await.expect("the same address");
    let began = Instant::now();
    while sink.deliver(&other).await.is_err() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(headed(&cluster).len(), 3);
}

#[tokio::test]
async fn registry_that_is_slow_is_given_up_in_time_and_not_asked_again_at_once() {
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let sink = asking(&cluster, &registry);
    registry.behave(Manner::Slow(Duration::from_secs(60)));
    let began = Instant::now();
    for outcome in sink.deliver_all(&[avro(1, VALUE_SCHEMA), avro(2, "\"long\""), message("t", "other", 3)]).await {
        match outcome {
            Ok(()) => assert_eq!(bodies(&cluster, "t"), ["3"], "what is not Avro needs no registry"),
            Err(_) => assert!(reason(&outcome, Fault::Passing).contains("no answer within 500 ms")),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(registry.asked(), 1);
}

#[tokio::test]
async fn schema_that_the_registry_refuses_kills_its_records_with_a_remedy_and_holds_nobody() {
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let sink = asking(&cluster, &registry);
    registry.behave(Manner::Refuses("\"Worse\""));
    let worse = "{\"type\":\"record\",\"name\":\"Worse\",\"fields\":[]}";
    let outcomes = sink.deliver_all(&[avro(1, worse), avro(2, VALUE_SCHEMA), avro(3, worse)]).await;
    for refused in [&outcomes[0], &outcomes[2]] {
        let told = reason(refused, Fault::Poison);
        assert!(
            told.contains("t-value") && told.contains("incompatible") && told.contains("PUT /config/t-value"),
            "{told}"
        );
    }
    outcomes[1].as_ref().expect("delivered");
    assert_eq!(registry.asked(), 3, "two schemas and a key: a refusal is remembered for a while");
}

#[tokio::test]
async fn every_other_answer_keeps_the_records_and_says_where_to_look() {
    for (status, remedy) in [
        (401, "`basic`, `bearer` or `oauth2`"),
        (400, "`registry` of the target"),
        (404, "`registry` of the target"),
        (500, "`registry` of the target"),
        (429, "429"),
    ] {
        let (cluster, registry) = (brokers("t", 1), registry().await);
        let sink = asking(&cluster, &registry);
        registry.behave(Manner::Says(status, "no\nway"));
        let outcome = sink.deliver(&avro(1, VALUE_SCHEMA)).await;
        let told = reason(&outcome, Fault::Passing);
        assert!(told.contains(remedy) && told.contains("no way"), "{told}");
    }
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let sink = asking(&cluster, &registry);
    registry.behave(Manner::Says(200, "I am no registry"));
    assert!(reason(&sink.deliver(&avro(1, VALUE_SCHEMA)).await, Fault::Passing).contains("is `registry` the address"));
    registry.behave(Manner::Says(422, "invalid"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(reason(&sink.deliver(&avro(1, VALUE_SCHEMA)).await, Fault::Poison).contains("replay"));
}

#[tokio::test]
async fn unknown_schema_waits_where_registering_is_left_to_others() {
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let http = HttpSettings::new(registry.url(), Duration::from_secs(5));
    let sink = asking_with(&cluster, http, false);
    let outcome = sink.deliver(&avro(1, VALUE_SCHEMA)).await;
    assert!(reason(&outcome, Fault::Passing).contains("registry.register = true"), "{outcome:?}");
    asking(&cluster, &registry).deliver(&avro(2, VALUE_SCHEMA)).await.expect("registered by another");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    sink.deliver(&avro(1, VALUE_SCHEMA)).await.expect("known now");
}

#[tokio::test]
async fn registry_is_told_who_asks_and_target_without_one_sends_no_avro() {
    let (cluster, registry) = (brokers("t", 1), registry().await);
    let auth = Auth::Basic { user: "gate".into(), password: "hunter2".into() };
    let http = HttpSettings { auth, ..HttpSettings::new(registry.url(), Duration::from_secs(5)) };
    asking_with(&cluster, http.clone(), true).deliver(&avro(1, VALUE_SCHEMA)).await.expect("delivered");
    assert_eq!(registry.authorization().as_deref(), Some("Basic Z2F0ZTpodW50ZXIy"));
    let finding = check_registry(RegistrySettings { http, register: true }).await;
    assert!(finding.ok, "{}", finding.text);
    let away = HttpSettings::new("http://127.0.0.1:9", Duration::from_secs(5));
    let finding = check_registry(RegistrySettings { http: away, register: true }).await;
    assert!(!finding.ok && finding.text.contains("can not connect"), "{}", finding.text);
    let outcome = sink_with(&cluster, &[]).deliver(&avro(1, VALUE_SCHEMA)).await;
    assert!(reason(&outcome, Fault::Passing).contains("add `registry`"));
}
