//! Receivers behind TLS: whom the sink trusts, and which HTTP it speaks with them.

use super::*;
use std::convert::Infallible;

/// An authority and a server certificate for `localhost`.
fn certificates() -> (Arc<[u8]>, rustls::ServerConfig) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let authority_cert = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let cert = params.signed_by(&key, &issuer).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a configuration");
    (authority_cert.pem().into_bytes().into(), tls)
}

/// Answers over TLS with the protocol and the connection's number in the status text's place: the body is not looked at.
async fn tls_server(alpn: &'static [u8]) -> (SocketAddr, Arc<[u8]>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (ca, mut tls) = certificates();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let (connections, http2) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (connections.clone(), http2.clone());
    let address = server(move |stream, _| {
        let (acceptor, (connections, http2)) = (acceptor.clone(), counted.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            connections.fetch_add(1, SeqCst);
            let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                http2.fetch_add(usize::from(request.version() == hyper::Version::HTTP_2), SeqCst);
                async {
                    Ok::<_, Infallible>(hyper::Response::new(http_body_util::Full::new(Bytes::from_static(b"ok"))))
                }
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _closed = builder.serve_connection(io, service).await;
        }
    })
    .await;
    (address, ca, connections, http2)
}

#[tokio::test]
async fn own_authority_is_trusted_and_http2_carries_all_on_one_connection() {
    let (address, ca, connections, http2) = tls_server(b"h2").await;
    let sink = sink_to(format!("https://localhost:{}/", address.port()), LONG, Some(ca));
    attempt(&sink).await.expect("delivered");
    let many = (0..20).map(|_| attempt(&sink));
    assert!(futures_util::future::join_all(many).await.iter().all(Result::is_ok));
    assert_eq!((connections.load(SeqCst), http2.load(SeqCst)), (1, 21));
}

#[tokio::test]
async fn http2_connection_that_went_silent_is_replaced() {
    let (ca, mut tls) = certificates();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let address = server(move |stream, number| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(|_| async {
                Ok::<_, Infallible>(hyper::Response::new(http_body_util::Empty::<Bytes>::new()))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let mut connection = std::pin::pin!(builder.serve_connection(io, service));
            let patience = if number == 0 { SHORT } else { LONG };
            let _open = tokio::time::timeout(patience, connection.as_mut()).await;
            // The first one stays open from here on, and is never read again.
            std::future::pending().await
        }
    })
    .await;
    // The interval is shortened, that idle connections are asked is not changed.
    let client = SharedClient::adjusted(Some(&ca), |builder| {
        builder.http2_keep_alive_interval(SHORT / 2).http2_keep_alive_timeout(SHORT / 2)
    });
    let url = format!("https://localhost:{}/", address.port());
    let settings = HttpSettings { url, timeout: SHORT, sign: Vec::new(), headers: Vec::new(), ca: None };
    let sink = HttpSink::new(settings, client).expect("a sink");
    attempt(&sink).await.expect("delivered");
    tokio::time::sleep(5 * SHORT).await;
    attempt(&sink).await.expect("delivered at once, on a connection that was not silent");
}

#[tokio::test]
async fn receiver_without_http2_gets_http1_over_tls() {
    let (address, ca, connections, http2) = tls_server(b"http/1.1").await;
    let sink = sink_to(format!("https://localhost:{}/", address.port()), LONG, Some(ca));
    for _ in 0..3 {
        attempt(&sink).await.expect("delivered");
    }
    assert_eq!((connections.load(SeqCst), http2.load(SeqCst)), (1, 0));
}

#[tokio::test]
async fn unknown_authority_is_not_trusted() {
    let (address, ..) = tls_server(b"h2").await;
    let (other_ca, _) = certificates();
    let url = format!("https://localhost:{}/", address.port());
    refusal(&sink_to(url, LONG, Some(other_ca)), Fault::Passing, "can not connect: invalid peer certificate").await;
}

#[test]
fn authority_that_can_not_be_read_says_what_to_give() {
    for pem in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = SharedClient::new(Some(pem.as_bytes())).err().expect("an error").to_string();
        assert!(error.starts_with("`ca` ") && error.ends_with("in PEM form"), "{error}");
    }
}

#[test]
fn receivers_with_equal_trust_share_a_client() {
    let clients = Clients::default();
    let (ca, _) = certificates();
    let same: Arc<[u8]> = ca.to_vec().into();
    for ca in [None, Some(&ca), Some(&same), None] {
        clients.get(ca).expect("a client");
    }
    assert_eq!(clients.len(), 2);
}
