//! Records in Avro on a real broker, their schemas in a small registry: what a consumer reads, and a registry that goes away meanwhile.

use super::road::{broker, message, road_of, settings};
use bytes::Bytes;
use sluicegate::change::{Message, RecordForm};
use sluicegate::sink::format::avro::Writer;
use sluicegate::sink::http::{Clients, HttpSettings};
use sluicegate::sink::kafka::{KafkaSink, RegistrySettings};
use std::sync::Arc;
use std::time::Duration;
use xtask::registry::{Manner, Registry};
use xtask::servers::Record;

fn writer(name: &str) -> Writer {
    let schema = format!(
        r#"{{"type":"struct","fields":[{{"type":"int64","optional":false,"field":"number"}}],"optional":false,"name":"app.{name}"}}"#
    );
    Writer::new(&schema).expect("a schema")
}

fn avro(key: u32, number: u32, [key_writer, value_writer]: [&Writer; 2]) -> Message {
    let mut message = message("items", key, number, 1);
    let datum = |writer: &Writer, number: u32| writer.datum(&format!("{{\"number\":{number}}}")).expect("a value");
    message.act = sluicegate::change::Act::Record { key: Some(datum(key_writer, key)), tombstone: false };
    message.body = datum(value_writer, number);
    let schema = |writer: &Writer| Some(Arc::clone(writer.schema()));
    message.form = RecordForm { key_schema: schema(key_writer), value_schema: schema(value_writer), is_null: false };
    message
}

/// What a consumer makes of a record's bytes: it asks the registry for the schema.
fn read(registry: &Registry, bytes: &[u8]) -> i64 {
    let (head, mut datum) = bytes.split_at(5);
    assert_eq!(head[0], 0, "Confluent's magic byte");
    let number = u32::from_be_bytes(head[1..].try_into().expect("four bytes"));
    let schema = apache_avro::Schema::parse_str(&registry.schema(number).expect("a known number")).expect("a schema");
    let value = apache_avro::from_avro_datum(&schema, &mut datum, None).expect("a datum");
    match value {
        apache_avro::types::Value::Record(fields) => match fields[..] {
            [(_, apache_avro::types::Value::Long(number))] => number,
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn both(registry: &Registry, record: &Record) -> (i64, i64) {
    let part = |bytes: &Option<Vec<u8>>| read(registry, bytes.as_deref().expect("bytes"));
    (part(&record.key), part(&record.value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumer_reads_every_record_though_the_registry_was_away_slow_and_down() {
    const COUNT: u32 = 3_000;
    let (broker, mut registry) = (broker(&[]).await, Registry::start().await.expect("a registry"));
    broker.kafka.create_topic("items", 3, &[]).await.expect("a topic");
    let http = HttpSettings::new(registry.url(), Duration::from_millis(500));
    let sink = KafkaSink::new(settings(&broker.kafka)).expect("good settings");
    let registry_settings = RegistrySettings { http, register: true };
    let sink = sink.with_registry(registry_settings, &Clients::default()).expect("good settings");
    let road = road_of(sink);
    let key = writer("Key");
    // The table changes twice, each time with a registry in another mood.
    let values = ["First", "Second", "Third"].map(writer);
    registry.leave().await;
    let ticket = road.ticket();
    for number in 0..COUNT {
        if number == COUNT / 3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let told = road.stats.last_error.get().unwrap_or_default();
            assert!(told.contains("registry: can not connect"), "{told}");
            registry.behave(Manner::Slow(Duration::from_secs(60)));
            registry.come_back().await.expect("the same address");
        }
        if number == 2 * COUNT / 3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            registry.behave(Manner::Says(503, "later"));
        }
        let version = number / (COUNT / 3);
        road.push(&ticket, avro(number % 40, number, [&key, &values[version as usize]])).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    registry.behave(Manner::Well);
    ticket.settle();
    road.paid().await;
    let records = broker.kafka.read_all("items").await.expect("the records");
    let mut newest = vec![-1; 40];
    for record in &records {
        let (key, number) = both(&registry, record);
        assert!(number > newest[key as usize], "key {key}: {number} after {}", newest[key as usize]);
        assert_eq!(key, number % 40);
        newest[key as usize] = number;
    }
    assert_eq!((records.len(), road.dead()), (COUNT as usize, 0));
    assert_eq!((registry.versions("items-key").len(), registry.versions("items-value").len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_whose_schema_is_refused_is_dead_and_the_others_go_on() {
    let (broker, registry) = (broker(&[]).await, Registry::start().await.expect("a registry"));
    broker.kafka.create_topic("items", 1, &[]).await.expect("a topic");
    registry.behave(Manner::Refuses("Worse"));
    let http = HttpSettings::new(registry.url(), Duration::from_secs(5));
    let sink = KafkaSink::new(settings(&broker.kafka)).expect("good settings");
    let sink =
        sink.with_registry(RegistrySettings { http, register: true }, &Clients::default()).expect("good settings");
    let road = road_of(sink);
    let (key, good, worse) = (writer("Key"), writer("Good"), writer("Worse"));
    let ticket = road.ticket();
    for number in 0..100 {
        let value = if number % 4 == 0 { &worse } else { &good };
        road.push(&ticket, avro(number % 3, number, [&key, value])).await;
    }
    // What a guest made needs no registry.
    let mut plain = message("items", 7, 100, 1);
    plain.body = Bytes::from_static(b"plain");
    road.push(&ticket, plain).await;
    ticket.settle();
    road.paid().await;
    let records = broker.kafka.read_all("items").await.expect("the records");
    assert_eq!((records.len(), road.dead()), (76, 25));
    let told = road.stats.last_error.get().unwrap_or_default();
    assert!(told.contains("PUT /config/items-value"), "{told}");
}
