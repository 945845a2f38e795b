//! Connections: pooled, reused, and shared by all receivers that trust the same authorities, show the same certificate and may be
//! at the same addresses.

use super::answer;
use super::endpoint::{Endpoint, OAuthSettings};
use super::names::{Guarded, Names};
use super::progress::{self, Stage};
use super::tls::{self, Trust};
use super::token::Tokens;
use super::{HttpError, Refusal};
use crate::address::Reach;
use reqwest::dns::Resolve;
use reqwest::{Client, ClientBuilder, Request, Response, redirect};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::util::MapFutureLayer;

/// Idle connections kept for one host: as many as a lane has attempts at a time, at most.
const IDLE_PER_HOST_MAX: usize = 64;

/// Shorter than the 60 to 75 s after which usual servers and balancers close.
const IDLE_TIME_MAX: Duration = Duration::from_secs(50);

/// An attempt has its own deadline. This one is for connections that go on without one, because another request's connection
/// became free first.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);

/// HTTP/2 only: a silent connection is asked this often whether it lives, and has as long to say so. Also when no request is
/// on it: attempts that time out leave it behind in the pool, and the next would be sent into the same void.
const PING_EVERY: Duration = Duration::from_secs(5);

/// The clients of a process, one per set of receivers that can share connections, and the tokens that they share.
pub struct Clients {
    by_terms: Mutex<HashMap<(Trust, Reach), SharedClient>>,
    tokens: Mutex<HashMap<(OAuthSettings, Trust), Arc<Tokens>>>,
    names: Arc<dyn Resolve>,
    /// What a test changes.
    adjust: fn(ClientBuilder) -> ClientBuilder,
}

impl Default for Clients {
    fn default() -> Self {
        Self::with(Arc::new(Names::default()), |builder| builder)
    }
}

impl Clients {
    pub(super) fn with(names: Arc<dyn Resolve>, adjust: fn(ClientBuilder) -> ClientBuilder) -> Self {
        Self { by_terms: Mutex::default(), tokens: Mutex::default(), names, adjust }
    }

    /// The client for receivers that are trusted by `trust` and may be at the addresses that `reach` admits.
    ///
    /// # Errors
    /// If a certificate or key can not be used.
    pub(super) fn get(&self, trust: &Trust, reach: &Reach) -> Result<SharedClient, HttpError> {
        let mut by_terms = self.by_terms.lock().expect("no panic while a client is made");
        let terms = (trust.clone(), reach.clone());
        if let Some(client) = by_terms.get(&terms) {
            return Ok(client.clone());
        }
        let guarded = Arc::new(Guarded { names: self.names.clone(), reach: reach.clone() });
        let client = SharedClient::build(tls::client_config(trust)?, guarded, self.adjust)?;
        by_terms.insert(terms, client.clone());
        Ok(client)
    }

    /// The tokens of an OAuth2 client: one source for every lane that uses it.
    ///
    /// # Errors
    /// If the address of the token endpoint can not be used.
    pub(super) fn tokens(&self, oauth: &OAuthSettings, trust: &Trust) -> Result<Arc<Tokens>, HttpError> {
        let mut tokens = self.tokens.lock().expect("no panic while a source of tokens is made");
        let terms = (oauth.clone(), trust.clone());
        if let Some(known) = tokens.get(&terms) {
            return Ok(known.clone());
        }
        let url = super::request::parse("oauth2.token_url", &oauth.token_url)?;
        let client = self.get(trust, &super::reach_of(&url, &oauth.reach)?)?;
        let made = Arc::new(Tokens::of(Endpoint { client, settings: oauth.clone() }));
        tokens.insert(terms, made.clone());
        Ok(made)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_terms.lock().expect("no panic while a client is made").len()
    }
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(super) struct SharedClient {
    pooled: Client,
    /// Never reuses a connection.
    fresh: Client,
}

impl SharedClient {
    fn build(
        tls: ClientConfig,
        names: Arc<Guarded>,
        adjust: fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, HttpError> {
        let follow = MapFutureLayer::new(|connecting| async move {
            progress::waits_for(Stage::Connection);
            let connection = Box::pin(connecting).await?;
            progress::waits_for(Stage::Answer);
            progress::set_opened(true);
            Ok(connection)
        });
        let pooled = adjust(plain(tls.clone(), names.clone()))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .connector_layer(follow.clone());
        let fresh = adjust(plain(tls, names)).pool_max_idle_per_host(0).connector_layer(follow);
        Ok(Self { pooled: build(pooled)?, fresh: build(fresh)? })
    }

    /// Sends what `make` makes until an answer begins. A connection that the receiver closed while it lay idle, or a request that it
    /// says it has not looked at, says nothing about the receiver: made anew, the same goes out once more, on a connection that is
    /// surely new.
    pub(super) async fn exchange(&self, make: impl Fn() -> Result<Request, Refusal>) -> Result<Response, Refusal> {
        progress::set_opened(false);
        let stale = match self.pooled.execute(make()?).await {
            Ok(response) => return Ok(response),
            Err(error) if !(is_untouched(&error) || !progress::has_opened() && closed_under_us(&error)) => {
                return Err(answer::network(&error));
            }
            Err(error) => error,
        };
        tracing::debug!(
            reason = answer::cause(&stale),
            "connection was closed before the request was seen; sent again"
        );
        self.fresh.execute(make()?).await.map_err(|error| answer::network(&error))
    }
}

/// What all clients have in common: they do what they are told and nothing else.
fn plain(tls: ClientConfig, names: Arc<Guarded>) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(names)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIME_MAX)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_EVERY)
        .http2_keep_alive_while_idle(true)
        .http2_adaptive_window(true)
}

fn build(builder: ClientBuilder) -> Result<Client, HttpError> {
    builder.build().map_err(|error| HttpError(format!("no HTTP client can be made: {}", answer::cause(&error))))
}

/// The connection ended before any of the answer came.
fn closed_under_us(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return true;
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            return matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
        }
        source = cause.source();
    }
    false
}

/// HTTP/2 only: the receiver goes away in peace, or says that it has not looked at this request (RFC 9113, 6.8 and 8.7).
fn is_untouched(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            let in_peace = h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR);
            return h2.is_remote() && (in_peace || h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM));
        }
        source = cause.source();
    }
    false
}
