//! The port through which messages go out.

pub mod format;
pub mod http;
pub mod kafka;
pub mod redis;

use crate::change::Message;
use crate::fault::Fault;
use futures_util::future::BoxFuture;
use std::fmt;
use std::time::Duration;

/// Why an attempt failed.
#[derive(Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// `Passing`: try again; `Poison`: never again this message; `Fatal`: never again this lane, until somebody acts.
    pub fault: Fault,
    /// For people: status or error, never a body, never a secret.
    pub reason: String,
    /// Not before this long, if the receiver said so.
    pub retry_after: Option<Duration>,
    /// What was kept of the last answer, for whoever looks at the dead letter: it may hold anything, so it is never logged.
    pub answer: Option<Box<str>>,
}

impl Refusal {
    pub fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into(), retry_after: None, answer: None }
    }
}

/// Without the answer.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, reason, retry_after, answer: _ } = self;
        write!(f, "Refusal {{ {fault:?}, {reason:?}, retry after {retry_after:?} }}")
    }
}

impl Refusal {
    /// Try again.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { fault: Fault::Passing, reason: reason.into(), retry_after: None, answer: None }
    }
}

/// One receiver. Each lane has one of its own; what lanes can share (connections) they share inside.
pub trait Sink: Send + Sync + 'static {
    /// One attempt, over within the sink's own timeout.
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>>;

    /// One attempt for several messages, those of one key in a row and in order; one outcome for each, in their order. When one of a
    /// key fails, the sink need not care what becomes of those behind it: unless it was `Poison`, they are all sent again after it.
    fn deliver_all<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Vec<Result<(), Refusal>>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                outcomes.push(self.deliver(message).await);
            }
            outcomes
        })
    }

    /// What keeps attempts in the air at this moment, for people: a sink that waits for its receiver instead of refusing says so
    /// here. `None` when there is nothing to say.
    fn complaint(&self) -> Option<String> {
        None
    }
}
