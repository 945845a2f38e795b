//! Brokers as they are in the world: behind TLS, with a login, and with rights that somebody has to give.

use super::road::{Flaws, Road, broker_with, flaws, message, road, settings};
use sluicegate::fault::Fault;
use sluicegate::sink::kafka::{KafkaSettings, KafkaSink, check};
use sluicegate::sink::{Refusal, Sink};
use xtask::servers::{Door, Kafka, KafkaOptions};

/// Who vouches for the broker, as PEM, and the broker's certificate and key.
fn certificates() -> (String, String, String) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = authority.self_signed(&key).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    // With its issuer's name it would count as vouched for by itself.
    params.distinguished_name.push(rcgen::DnType::CommonName, "broker");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
    (pem, certificate, key.serialize_pem())
}

/// As the documentation says it: TLS, a name and a password.
fn through_the_door(kafka: &Kafka, authority: &str, name: &str, password: &str) -> KafkaSettings {
    let options = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", name),
        ("sasl.password", password),
        ("ssl.ca.pem", authority),
    ];
    KafkaSettings {
        brokers: kafka.door(),
        options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..settings(kafka)
    }
}

async fn refused(settings: &KafkaSettings) -> Refusal {
    let sink = KafkaSink::new(settings.clone()).expect("good settings");
    let outcome = sink.deliver(&message("locked", 1, 1, 5)).await;
    outcome.expect_err("it can not be delivered")
}

async fn push(road: &Road, count: u32) {
    let ticket = road.ticket();
    for number in 0..count {
        road.push(&ticket, message("locked", number % 3, number, 5)).await;
    }
    ticket.settle();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_write_is_told_which_right_is_missing_and_nothing_is_lost() {
    let (authority, certificate, key) = certificates();
    let logins = [("stranger", "one"), ("writer", "two")].map(|(name, word)| (name.to_owned(), word.to_owned()));
    let door = Door { certificate, key, logins: logins.to_vec(), masters: vec!["writer".into()] };
    let broker = broker_with(KafkaOptions { door: Some(door), ..KafkaOptions::default() }).await;
    broker.kafka.create_topic("locked", 2, &[]).await.expect("a topic");
    let stranger = through_the_door(&broker.kafka, &authority, "stranger", "one");
    let writer = through_the_door(&broker.kafka, &authority, "writer", "two");

    let findings = check(&stranger, &["locked".into()]).await;
    let missing = findings.iter().find(|finding| !finding.ok).expect("a right is missing");
    assert!(missing.text.contains("not authorised") && missing.text.contains("kafka-acls.sh"), "{findings:?}");
    assert!(check(&writer, &["locked".into()]).await.iter().all(|finding| finding.ok));

    let road = road(stranger);
    push(&road, 100).await;
    let reason = road.until_halted().await;
    assert!(reason.contains("not authorised to write to topic \"locked\"; as an administrator:"), "{reason}");
    assert_eq!(broker.kafka.read_all("locked").await.expect("the topic"), []);
    road.renew(writer.clone());
    road.paid().await;
    let records = broker.kafka.read_all("locked").await.expect("the records");
    assert_eq!((flaws(&records, 100), road.dead()), (Flaws::default(), 0));

    let wrong = refused(&through_the_door(&broker.kafka, &authority, "writer", "three")).await;
    assert!(wrong.fault == Fault::Fatal && wrong.reason.contains("sasl.*"), "{wrong:?}");
    assert!(!wrong.reason.contains("three"), "a password is told to nobody: {wrong:?}");
    let (other_authority, ..) = certificates();
    let untrusted = refused(&through_the_door(&broker.kafka, &other_authority, "writer", "two")).await;
    assert!(untrusted.fault == Fault::Fatal && untrusted.reason.contains("certificate"), "{untrusted:?}");
}
