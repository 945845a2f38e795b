//! Connections: made when they are needed, shared by flights, given up at the first doubt.
//!
//! A connection on which an answer is late is not used again: its late answers go away with it.

use super::address::Address;
use super::answer::{self, Trouble};
use super::{RedisError, RedisSettings, Refusal};
use crate::fault::Fault;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ClientTlsConfig, Pipeline, RedisConnectionInfo, TlsCertificates, Value};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// How servers are called: what is the same for all of them.
pub(super) struct Dial {
    login: RedisConnectionInfo,
    certificates: TlsCertificates,
}

/// Whom we speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Server,
    /// Knows no databases, and may have no password where its servers have one.
    Sentinel,
}

impl Dial {
    pub(super) fn new(settings: &RedisSettings, login: RedisConnectionInfo) -> Self {
        let identity = settings.identity.as_ref();
        let certificates = TlsCertificates {
            client_tls: identity
                .map(|(cert, key)| ClientTlsConfig { client_cert: cert.to_vec(), client_key: key.to_vec() }),
            root_cert: settings.ca.as_ref().map(|pem| pem.to_vec()),
        };
        Self { login, certificates }
    }

    /// # Errors
    /// If the certificates can not be used.
    pub(super) fn try_out(&self, address: &Address) -> Result<(), RedisError> {
        if let Some(pem) = &self.certificates.root_cert
            && CertificateDer::pem_slice_iter(pem).next().is_none_or(|first| first.is_err())
        {
            return Err(RedisError("`ca` holds no certificate; give the authority's certificates in PEM form".into()));
        }
        address.client(&self.certificates).map(drop).map_err(|_| {
            RedisError(
                "the certificates of `ca` or of the client, or its key, can not be read; give them in PEM form".into(),
            )
        })
    }

    pub(super) async fn open(&self, address: &Address, peer: Peer) -> Result<MultiplexedConnection, Refusal> {
        let broken = |error| answer::network("can not connect to", address, &error);
        let client = address.client(&self.certificates).map_err(broken)?;
        // The attempt has one deadline of its own.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(broken)?;
        let greeting = self.greeting(peer);
        if greeting.is_empty() {
            return Ok(connection);
        }
        let answers = connection.send_packed_commands(&greeting, 0, greeting.len()).await.map_err(broken)?;
        let error = answers.iter().find_map(answer::error);
        match error.as_deref().map(Trouble::parse) {
            None => Ok(connection),
            Some(trouble) if peer == Peer::Sentinel && trouble.refusal().fault == Fault::Fatal => Ok(connection),
            Some(trouble) => Err(trouble.refusal()),
        }
    }

    fn greeting(&self, peer: Peer) -> Pipeline {
        let mut greeting = Pipeline::new();
        match (self.login.username(), self.login.password()) {
            (Some(user), Some(password)) => {
                greeting.cmd("AUTH").arg(user).arg(password);
            }
            (None, Some(password)) => {
                greeting.cmd("AUTH").arg(password);
            }
            (_, None) => {}
        }
        if self.login.db() != 0 && peer == Peer::Server {
            greeting.cmd("SELECT").arg(self.login.db());
        }
        greeting
    }
}

/// A connection that flights share.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    /// Which one it is, so that only this one is given up.
    number: u64,
    pub(super) fresh: bool,
}

impl Link {
    /// Sends what was written and waits for all answers.
    pub(super) async fn exchange(&mut self, commands: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        self.connection.send_packed_commands(commands, 0, commands.len()).await
    }
}

/// The open connections, one for each address.
#[derive(Default)]
pub(super) struct Links {
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    open: HashMap<Arc<Address>, Link>,
    opened: u64,
}

impl Links {
    pub(super) fn get(&self, address: &Address) -> Option<Link> {
        self.desk().open.get(address).cloned()
    }

    /// Of two that were opened at the same time the later one stays; the other is closed when its flight is over.
    pub(super) fn keep(&self, address: &Arc<Address>, connection: MultiplexedConnection) -> Link {
        let mut desk = self.desk();
        desk.opened += 1;
        let link = Link { connection, number: desk.opened, fresh: false };
        desk.open.insert(address.clone(), link.clone());
        Link { fresh: true, ..link }
    }

    /// Nobody takes this one up any more. It is closed when those who use it are done.
    pub(super) fn give_up(&self, address: &Address, link: &Link) {
        let mut desk = self.desk();
        if desk.open.get(address).is_some_and(|open| open.number == link.number) {
            desk.open.remove(address);
        }
    }

    pub(super) fn addresses(&self) -> Vec<Arc<Address>> {
        self.desk().open.keys().cloned().collect()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no panic at the desk")
    }
}
