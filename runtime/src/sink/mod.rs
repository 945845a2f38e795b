//! The port through which messages go out.

pub mod format;
pub mod http;

use crate::change::Message;
use crate::fault::Fault;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Why an attempt failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// `Passing`: try again; `Poison`: never again this message; `Fatal`: never again this lane, until somebody acts.
    pub fault: Fault,
    /// For people: status or error, never a body, never a secret.
    pub reason: String,
    /// Not before this long, if the receiver said so.
    pub retry_after: Option<Duration>,
}

/// One receiver. Each lane has one of its own; what lanes can share (connections) they share inside.
pub trait Sink: Send + Sync + 'static {
    /// One attempt, over within the sink's own timeout.
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>>;
}
