//! TLS as libpq understands it: five modes, of which two check the certificate.
//!
//! The provider is given explicitly (ring), so that nothing depends on which one a process installed first.

use crate::source::SslMode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::path::Path;
use std::sync::Arc;

/// What a client needs for a handshake.
///
/// # Errors
/// A sentence, when the root certificates can not be read.
pub(super) fn client_config(mode: SslMode, roots: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS can not be set up: {e}"))?;
    // As in libpq, naming a root makes `require` check the chain.
    let checked =
        matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) || (mode == SslMode::Require && roots.is_some());
    let verifier: Arc<dyn ServerCertVerifier> = if checked {
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(root_store(roots)?), provider)
            .build()
            .map_err(|e| format!("the root certificates can not be used: {e}"))?;
        if mode == SslMode::VerifyFull { chain } else { Arc::new(ChainOnly(chain)) }
    } else {
        Arc::new(Unchecked(provider))
    };
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

fn root_store(roots: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            let wrong = |e: &dyn std::fmt::Display| {
                format!("sslrootcert {} can not be read as PEM certificates: {e}", path.display())
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
                store.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err("no root certificate was found to check the server's with; name one with sslrootcert".into());
    }
    Ok(store)
}

/// `verify-ca`: a known root has signed the certificate, whatever host it names.
#[derive(Debug)]
struct ChainOnly(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The chain is checked before the name, so a wrong name means that the chain was right.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `prefer` and `require`: encrypted, but whoever answers is believed.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The `tls-server-end-point` binding of RFC 5929: the certificate's hash, by the hash of its own signature. None where
/// that hash is not defined (Ed25519, RSA-PSS); SCRAM then goes without binding, as libpq's does.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let oid = signature_oid(certificate)?;
    let bits = match (oid.strip_prefix(RSA), oid.strip_prefix(ECDSA_SHA2)) {
        // MD5 and SHA-1 are replaced by SHA-256, says the RFC.
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => 256,
        (Some([12]), _) | (_, Some([3])) => 384,
        (Some([13]), _) | (_, Some([4])) => 512,
        _ => return None,
    };
    Some(match bits {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, .. }, .. }`
fn signature_oid(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (inside, _) = der(SEQUENCE, certificate)?;
    let (_, after) = der(SEQUENCE, inside)?;
    let (algorithm, _) = der(SEQUENCE, after)?;
    Some(der(OBJECT_IDENTIFIER, algorithm)?.0)
}

/// The contents of the first element, which has this tag, and what follows it.
pub(super) fn der(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        len = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
        rest = after;
    }
    if found == tag { rest.split_at_checked(len) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_is_the_hash_that_the_signature_names() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(end_point(certificate.der()), Some(Sha384::digest(certificate.der()).to_vec()));
    }

    #[test]
    fn bytes_that_are_no_certificate_have_no_binding() {
        for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00"] {
            assert_eq!(end_point(bytes), None);
        }
    }
}
