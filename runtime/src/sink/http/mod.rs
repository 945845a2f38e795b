//! HTTP: one signed request per message.
//!
//! ```text
//!   Message ─▶ request (url, headers, signature) ─▶ client (pool, TLS) ─▶ answer ─▶ Ok | Refusal
//!              └──────────────── one deadline, from DNS to the last byte ─────────┘
//! ```
//!
//! A 2xx is the receipt: the body behind it is read only so that the connection can be used again, and one that is too
//! long, breaks off, or is not finished by the deadline changes nothing.

mod answer;
mod client;
mod request;
mod sign;

pub use answer::ANSWER_BYTES_MAX;
pub use client::{Clients, SharedClient};
pub use sign::SigningSecret;

use super::{Refusal, Sink};
use crate::change::Message;
use crate::fault::Fault;
use futures_util::future::BoxFuture;
use request::Template;
use reqwest::Response;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One receiver.
#[derive(Clone)]
pub struct HttpSettings {
    /// `http` or `https`. A user and password in it become basic authentication.
    pub url: String,
    /// One attempt, from DNS to the last byte of the answer.
    pub timeout: Duration,
    /// Each signs every request; several while a secret is replaced, none for no signature.
    pub sign: Vec<SigningSecret>,
    /// Sent with every request; a header of the message takes the place of one with the same name.
    pub headers: Vec<(String, String)>,
    /// PEM certificates that are trusted in place of the system's.
    pub ca: Option<Arc<[u8]>>,
}

/// Without what may be a secret: the address can hold a password or a token, the headers too.
impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Settings that can not work. Nothing is sent until they are changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(pub(crate) String);

impl HttpError {
    pub fn fault(&self) -> Fault {
        Fault::Fatal
    }
}

/// Sends messages to one receiver.
pub struct HttpSink {
    template: Template,
    client: SharedClient,
    timeout: Duration,
}

impl HttpSink {
    /// `client` is one of [`Clients::get`] for the same settings.
    ///
    /// # Errors
    /// If the url or a header can not be used.
    pub fn new(settings: HttpSettings, client: SharedClient) -> Result<Self, HttpError> {
        let timeout = settings.timeout;
        Ok(Self { template: Template::new(settings)?, client, timeout })
    }

    async fn attempt(&self, message: &Message) -> Result<(), Refusal> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let late = |_| answer::unanswered(self.timeout);
        let exchange = self.exchange(message);
        let response = tokio::time::timeout_at(deadline, exchange).await.map_err(late)??;
        let verdict = answer::verdict(response.status(), response.headers(), SystemTime::now());
        // However the body ends, the status stands.
        let _unfinished = tokio::time::timeout_at(deadline, answer::read_to_end(response)).await;
        verdict
    }

    /// Sends until an answer begins. A connection that the receiver closed while it lay idle says nothing about the receiver:
    /// the same request goes out once more, on a connection that is surely new.
    async fn exchange(&self, message: &Message) -> Result<Response, Refusal> {
        let stale = match self.client.send(self.template.request(message, SystemTime::now())?).await {
            Ok(response) => return Ok(response),
            Err(broken) if !broken.was_idle => return Err(answer::network(&broken.error)),
            Err(broken) => broken,
        };
        tracing::debug!(id = %message.id, reason = answer::cause(&stale.error), "idle connection was closed; sent again");
        let request = self.template.request(message, SystemTime::now())?;
        self.client.send_on_new_connection(request).await.map_err(|error| answer::network(&error))
    }
}

impl Sink for HttpSink {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.attempt(message))
    }
}

#[cfg(test)]
mod tests;
