//! PostgreSQL capture against real servers, each private to its test.

#[path = "support/postgres.rs"]
mod support;

#[path = "postgres/reader.rs"]
mod reader;

#[path = "postgres/avro.rs"]
mod avro;
#[path = "postgres/debezium.rs"]
mod debezium;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/forms.rs"]
mod forms;
#[path = "postgres/images.rs"]
mod images;
#[path = "postgres/notices.rs"]
mod notices;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/safety.rs"]
mod safety;
#[path = "postgres/types.rs"]
mod types;
#[path = "postgres/ways_in.rs"]
mod ways_in;
