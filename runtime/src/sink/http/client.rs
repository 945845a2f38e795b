//! Connections: pooled, reused, and shared by all receivers that trust the same authorities.

use super::HttpError;
use reqwest::{Client, ClientBuilder, Request, Response, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tower::util::MapFutureLayer;

/// Idle connections kept for one host: as many as a lane has attempts at a time, at most.
const IDLE_PER_HOST_MAX: usize = 64;

/// Shorter than the 60 to 75 s after which usual servers and balancers close.
const IDLE_TIME_MAX: Duration = Duration::from_secs(50);

/// HTTP/2 only: a silent connection is asked this often whether it lives, and has as long to say so. Also when no request is
/// on it: attempts that time out leave it behind in the pool, and the next would be sent into the same void.
const PING_EVERY: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// Whether the request that this task sends has opened the connection it runs on.
    static OPENED: Cell<bool>;
}

/// The clients of a process, one per set of trusted authorities.
#[derive(Default)]
pub struct Clients {
    by_ca: Mutex<HashMap<Option<Arc<[u8]>>, SharedClient>>,
}

impl Clients {
    /// The client that trusts `ca` (PEM), or the system's authorities if there is none.
    ///
    /// # Errors
    /// If `ca` holds no certificate that can be used.
    pub fn get(&self, ca: Option<&Arc<[u8]>>) -> Result<SharedClient, HttpError> {
        let mut by_ca = self.by_ca.lock().expect("no panic while a client is made");
        if let Some(client) = by_ca.get(&ca.cloned()) {
            return Ok(client.clone());
        }
        let client = SharedClient::new(ca.map(|pem| &**pem))?;
        by_ca.insert(ca.cloned(), client.clone());
        Ok(client)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_ca.lock().expect("no panic while a client is made").len()
    }
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub struct SharedClient {
    pooled: Client,
    /// Never reuses a connection.
    fresh: Client,
}

/// A request that got no answer.
pub(super) struct Broken {
    pub(super) error: reqwest::Error,
    /// It ran on a connection that an earlier request had left open, and found it closed.
    pub(super) was_idle: bool,
}

impl SharedClient {
    /// A client that trusts the authorities in `ca` (PEM), or the system's if there are none given.
    ///
    /// # Errors
    /// If `ca` holds no certificate that can be used.
    pub fn new(ca: Option<&[u8]>) -> Result<Self, HttpError> {
        Self::build(tls(ca)?, |builder| builder)
    }

    /// `adjust` is what a test changes.
    fn build(tls: ClientConfig, adjust: fn(ClientBuilder) -> ClientBuilder) -> Result<Self, HttpError> {
        let note_opened = MapFutureLayer::new(|connecting| async move {
            let connection = Box::pin(connecting).await?;
            // Not set if another request's connection became free first: then this one goes on in a task of its own.
            let _elsewhere = OPENED.try_with(|opened| opened.set(true));
            Ok(connection)
        });
        let pooled = adjust(plain(tls.clone()))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .connector_layer(note_opened);
        let fresh = adjust(plain(tls)).pool_max_idle_per_host(0);
        Ok(Self { pooled: build(pooled)?, fresh: build(fresh)? })
    }

    /// A client that differs from others by `adjust`.
    #[cfg(test)]
    pub(super) fn adjusted(ca: Option<&[u8]>, adjust: fn(ClientBuilder) -> ClientBuilder) -> Self {
        Self::build(tls(ca).expect("good certificates"), adjust).expect("a client")
    }

    pub(super) async fn send(&self, request: Request) -> Result<Response, Broken> {
        OPENED
            .scope(Cell::new(false), async {
                let answer = self.pooled.execute(request).await;
                answer.map_err(|error| {
                    let was_idle = !OPENED.with(Cell::get) && closed_under_us(&error);
                    Broken { error, was_idle }
                })
            })
            .await
    }

    pub(super) async fn send_on_new_connection(&self, request: Request) -> Result<Response, reqwest::Error> {
        self.fresh.execute(request).await
    }
}

/// What all clients have in common: they do what they are told and nothing else.
fn plain(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_EVERY)
        .http2_keep_alive_while_idle(true)
        .http2_adaptive_window(true)
}

fn build(builder: ClientBuilder) -> Result<Client, HttpError> {
    builder.build().map_err(|error| HttpError(format!("no HTTP client can be made: {}", super::answer::cause(&error))))
}

fn tls(ca: Option<&[u8]>) -> Result<ClientConfig, HttpError> {
    let roots = match ca {
        Some(pem) => Arc::new(authorities(pem)?),
        None => system_authorities(),
    };
    let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the ring provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, HttpError> {
    let unusable = |what: String| HttpError(format!("`ca` {what}; give the authority's certificates in PEM form"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| unusable(format!("can not be read: {error}")))?;
        roots.add(certificate).map_err(|error| unusable(format!("has a certificate that can not be used: {error}")))?;
    }
    if roots.is_empty() { Err(unusable("holds no certificate".into())) } else { Ok(roots) }
}

/// Read once. A machine without any can still send to `http` addresses; others then fail with a sentence about trust.
fn system_authorities() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS
        .get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        })
        .clone()
}

/// The connection ended before any of the answer came. Only for HTTP/1: over HTTP/2 the client itself knows which requests
/// were never looked at.
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
