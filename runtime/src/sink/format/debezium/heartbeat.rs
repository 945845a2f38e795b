//! Heartbeats as Debezium sends them with `heartbeat.interval.ms`: that somebody still reads, though nothing happens.

use super::own::legal_topic;
use super::text::{put_int, put_string};
use super::{Debezium, EncodeError, Record};
use std::time::Duration;

const KEY: &str = "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"serverName\"}],\
    \"optional\":false,\"name\":\"io.debezium.connector.common.ServerNameKey\",\"version\":1},\"payload\":";
const VALUE: &str = "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"}],\
    \"optional\":false,\"name\":\"io.debezium.connector.common.Heartbeat\",\"version\":1},\"payload\":";

impl Debezium {
    /// How often; `None` if nobody asks for any.
    pub fn heartbeat_every(&self) -> Option<Duration> {
        self.options.heartbeat
    }

    /// What its heartbeats say of whom: the prefix, or the source's name.
    pub fn server_name<'a>(&'a self, source: &'a str) -> &'a str {
        self.prefix.as_deref().unwrap_or(source)
    }

    /// # Errors
    /// If it can not be written in Avro.
    pub fn heartbeat_record(&self, source: &str, now_ms: i64) -> Result<Record, EncodeError> {
        let name = self.server_name(source);
        let mut key = b"{\"serverName\":".to_vec();
        put_string(&mut key, name);
        key.push(b'}');
        let mut value = b"{\"ts_ms\":".to_vec();
        put_int(&mut value, now_ms);
        value.push(b'}');
        let topic = legal_topic(&format!("{}.{name}", self.options.heartbeat_prefix));
        self.own_record(topic, (KEY, key), (VALUE, value))
    }
}
