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
mod body;
mod client;
mod endpoint;
mod knock;
mod names;
mod progress;
mod request;
mod service;
mod sign;
mod tls;
mod token;

pub use answer::{ANSWER_BYTES_MAX, ANSWER_KEPT_MAX};
pub use body::Compress;
pub use client::Clients;
pub use endpoint::{ClientAuth, OAuthSettings};
pub use knock::knock;
pub(super) use service::Service;
pub use sign::SigningSecret;
pub use tls::Trust;

use super::{Refusal, Sink};
use crate::address::Reach;
use crate::change::Message;
use crate::fault::Fault;
use body::Body;
use client::SharedClient;
use futures_util::future::BoxFuture;
use progress::{Stage, waits_for};
use request::Template;
use reqwest::{Response, StatusCode, Url};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use token::{Token, Tokens};
use tokio::time::Instant;

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
    pub auth: Auth,
    pub trust: Trust,
    /// The addresses that `url` may lead to.
    pub reach: Reach,
    pub compress: Compress,
}

/// How a request says who sends it.
#[derive(Clone, Default)]
pub enum Auth {
    /// By the url, by a header, or not at all.
    #[default]
    None,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
    OAuth(OAuthSettings),
}

impl HttpSettings {
    /// Nothing but the address and the deadline.
    pub fn new(url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            url: url.into(),
            timeout,
            sign: Vec::new(),
            headers: Vec::new(),
            auth: Auth::None,
            trust: Trust::default(),
            reach: Reach::default(),
            compress: Compress::None,
        }
    }
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
    tokens: Option<Arc<Tokens>>,
    compress: Compress,
    timeout: Duration,
}

impl HttpSink {
    /// Connections and tokens are those of `clients`, shared with receivers of equal settings.
    ///
    /// # Errors
    /// If the url, a header, a certificate or a key can not be used, or the url is an address that may not be gone to.
    pub fn new(settings: HttpSettings, clients: &Clients) -> Result<Self, HttpError> {
        let HttpSettings { timeout, compress, .. } = settings;
        let tokens = match &settings.auth {
            Auth::OAuth(oauth) => Some(clients.tokens(oauth, &settings.trust)?),
            _ => None,
        };
        let (trust, reach) = (settings.trust.clone(), settings.reach.clone());
        let template = Template::new(settings)?;
        let client = clients.get(&trust, &reach_of(template.address(), &reach)?)?;
        Ok(Self { template, client, tokens, compress, timeout })
    }

    async fn attempt(&self, message: &Message) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.timeout;
        let response = tokio::time::timeout_at(deadline, self.exchange(message)).await;
        let response = response.map_err(|_| answer::unanswered(self.timeout, progress::stage()))??;
        answer::judge(response, deadline).await
    }

    /// Sends until an answer begins. A token that the receiver does not take is replaced once: it may have been withdrawn.
    async fn exchange(&self, message: &Message) -> Result<Response, Refusal> {
        let body = match self.compress {
            Compress::Gzip if !self.template.is_encoded(message) => Body::gzipped(message.body.clone()).await,
            _ => Body::plain(message.body.clone()),
        };
        let Some(tokens) = &self.tokens else { return self.send(message, &body, None).await };
        waits_for(Stage::Token);
        let token = tokens.get().await?;
        let response = self.send(message, &body, Some(&token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        drop(response);
        waits_for(Stage::Token);
        let token = tokens.replace(&token).await?;
        self.send(message, &body, Some(&token)).await
    }

    async fn send(&self, message: &Message, body: &Body, token: Option<&Token>) -> Result<Response, Refusal> {
        waits_for(Stage::Answer);
        let authorization = token.map(|token| &token.header);
        self.client.exchange(|| self.template.request(message, body, authorization, SystemTime::now())).await
    }
}

/// Where a url's host may lead.
///
/// # Errors
/// If the host is an address that it may not be.
fn reach_of(url: &Url, reach: &Reach) -> Result<Reach, HttpError> {
    let host = url.host_str().unwrap_or_default();
    reach.admits_host(host).map_err(|refused| HttpError(refused.to_string()))?;
    Ok(reach.of_name(host))
}

impl Sink for HttpSink {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(progress::followed(self.attempt(message)))
    }
}

#[cfg(test)]
mod tests;
