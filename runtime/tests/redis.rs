//! Delivery to Redis against real servers, each private to its test.

#[path = "redis/server.rs"]
mod server;
#[path = "redis/writer.rs"]
mod writer;

#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/faults.rs"]
mod faults;
#[path = "redis/forms.rs"]
mod forms;
#[path = "redis/history.rs"]
mod history;
#[path = "redis/sentinel.rs"]
mod sentinel;
#[path = "redis/speed.rs"]
mod speed;
#[path = "redis/ways_in.rs"]
mod ways_in;
