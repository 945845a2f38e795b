//! Whom a receiver has to be, and who we are to it.

use super::HttpError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The bytes of a file.
pub type Pem = Arc<[u8]>;

/// Certificates of both sides, as PEM.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// The authorities that are trusted in place of the system's.
    pub ca: Option<Pem>,
    /// The certificate that we show, with its chain, and its key.
    pub identity: Option<(Pem, Pem)>,
}

pub(super) fn client_config(trust: &Trust) -> Result<ClientConfig, HttpError> {
    let roots = match &trust.ca {
        Some(pem) => Arc::new(authorities(pem)?),
        None => system_authorities(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the ring provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut tls = match &trust.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let (chain, key) = (certificates("cert", cert)?, private_key(key)?);
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                HttpError(format!(
                    "`cert` and `cert_key` can not be used ({error}); give a certificate and its own key"
                ))
            })?
        }
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", pem)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("ca", format!("has a certificate that can not be used: {error}")))?;
    }
    Ok(roots)
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(|error| unusable(key, format!("can not be read: {error}")))?;
    if certificates.is_empty() { Err(unusable(key, "holds no certificate".into())) } else { Ok(certificates) }
}

fn unusable(key: &str, what: String) -> HttpError {
    let whose = if key == "ca" { "the authority's certificates" } else { "our certificate and its chain" };
    HttpError(format!("`{key}` {what}; give {whose} in PEM form"))
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, HttpError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        HttpError(format!(
            "`cert_key` holds no key that can be read ({error}); give one in PEM form, without a password"
        ))
    })
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
