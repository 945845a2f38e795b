//! The Kafka sink against a real Apache Kafka, each test with a broker of its own. Brokers are large, so the tests take turns.

#[path = "kafka/road.rs"]
mod road;

#[path = "kafka/avro.rs"]
mod avro;
#[path = "kafka/door.rs"]
mod door;
#[path = "kafka/order.rs"]
mod order;
#[path = "kafka/refusals.rs"]
mod refusals;
#[path = "kafka/relay.rs"]
mod relay;
#[path = "kafka/speed.rs"]
mod speed;
#[path = "kafka/topics.rs"]
mod topics;
