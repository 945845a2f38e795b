//! Redis: items of a cache, entries of a stream, messages of a channel, elements of a list.
//!
//! ```text
//!   messages ─▶ call (who goes together) ─▶ road (which node) ─▶ link (pipeline, every answer) ─▶ flight (outcomes)
//!               └ order, keys, guard.lua, append.lua              └──── one deadline for the attempt ────┘
//! ```
//!
//! A repeat does no harm: items are guarded by their version, entries by their id. Only messages of channels and elements of lists
//! have nothing that a server could know them by.

mod address;
mod answer;
mod call;
mod check;
mod cluster;
mod flight;
mod keys;
mod link;
mod order;
mod road;
mod script;

pub use check::check;

use super::{Refusal, Sink};
use crate::change::Message;
use crate::fault::Fault;
use flight::Tally;
use futures_util::future::BoxFuture;
use road::Road;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Messages in one flight. More make the server's other clients wait for a script; fewer cost system calls.
pub const BATCH_MAX: usize = 128;
/// Flights at a time: one is being written and one read while the server, which has one thread, works on a third.
pub const FLIGHTS: usize = 4;

/// How often one attempt follows redirections, loads a script, or connects again.
const ROUNDS_MAX: usize = 5;

/// Text of a PEM file.
pub type Pem = Arc<[u8]>;

/// One Redis: a server, a master behind sentinels, or a cluster.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://user:password@host:port/db`, `rediss://` for TLS, `unix:///path?user=..&pass=..&db=..`.
    pub url: String,
    /// Further nodes of the cluster, or sentinels, to begin with: `host:port`, or a URL of which only that is read.
    pub nodes: Vec<String>,
    pub cluster: bool,
    /// Then `url` and `nodes` are the sentinels; user, password and database are the servers'.
    pub sentinel: Option<SentinelSettings>,
    /// One attempt, from the name's resolution to the last answer.
    pub timeout: Duration,
    /// PEM certificates that are trusted in place of the system's.
    pub ca: Option<Pem>,
    /// Certificate and key of the client.
    pub identity: Option<(Pem, Pem)>,
    /// How long versions and tombstones live, at least 1 ms; `None` for no guard.
    pub guard: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct SentinelSettings {
    /// The master's name, as the sentinels know it.
    pub master: String,
}

/// Without what may be a secret.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("cluster", &self.cluster)
            .field("sentinel", &self.sentinel)
            .field("timeout", &self.timeout)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// Settings that can not work. Nothing is sent until they are changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RedisError(String);

impl RedisError {
    pub fn fault(&self) -> Fault {
        Fault::Fatal
    }
}

/// Sends messages to one Redis. Connections are made with the first message.
pub struct RedisSink {
    road: Road,
    timeout: Duration,
}

impl RedisSink {
    /// # Errors
    /// If an address or a certificate can not be used, or two settings contradict each other.
    pub fn new(settings: RedisSettings) -> Result<Self, RedisError> {
        settings.check()?;
        Ok(Self { road: Road::new(&settings)?, timeout: settings.timeout })
    }

    async fn attempt(&self, messages: &[Message]) -> Vec<Result<(), Refusal>> {
        let deadline = Instant::now() + self.timeout;
        let mut tally = Tally::new(messages.len());
        let mut calls = call::sort(messages, self.road.shape(), |index, refusal| tally.settle(index, Err(refusal)));
        for _ in 0..ROUNDS_MAX {
            if calls.is_empty() {
                break;
            }
            calls = self.road.round(calls, messages, &mut tally, deadline).await;
        }
        let lost = answer::passing(format!("sent {ROUNDS_MAX} times from one server to the next"));
        calls.iter().for_each(|call| tally.refuse_all(call, &lost));
        tally.into_outcomes()
    }
}

impl Sink for RedisSink {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let mut outcomes = self.attempt(std::slice::from_ref(message)).await;
            outcomes.pop().expect("one outcome for one message")
        })
    }

    fn deliver_all<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Vec<Result<(), Refusal>>> {
        Box::pin(self.attempt(messages))
    }
}

impl RedisSettings {
    fn check(&self) -> Result<(), RedisError> {
        let wrong = |sentence: &str| Err(RedisError(sentence.to_owned()));
        if self.cluster && self.sentinel.is_some() {
            return wrong("`cluster` and `sentinel` are both set; a cluster needs no sentinels: keep one of the two");
        }
        if !self.nodes.is_empty() && !self.cluster && self.sentinel.is_none() {
            return wrong("`nodes` is for a cluster or for sentinels; set `cluster = true`, or take `nodes` out");
        }
        if self.timeout.is_zero() {
            return wrong("`timeout_ms` is 0; it must be at least 1; try 5000");
        }
        if self.guard.is_some_and(|life| life < Duration::from_millis(1)) {
            return wrong("`guard` is shorter than a millisecond; try a day, or turn the guard off");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
