//! Receivers behind TLS: whom the sink trusts, and which HTTP it speaks with them.

use super::super::names::Names;
use super::super::tls::client_config;
use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;

/// Who vouches for the certificates of a test.
pub(super) struct Authority {
    pub(super) pem: Arc<[u8]>,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem().into_bytes().into();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    /// A certificate and its key, as PEM.
    fn pair(&self, name: &str, adjust: fn(&mut rcgen::CertificateParams)) -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        adjust(&mut params);
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }

    /// A server with a certificate for `name`, which asks for one of `clients`' if there is somebody to vouch for them.
    fn server(&self, (cert, key): (String, String), clients: Option<&Self>) -> rustls::ServerConfig {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(&clients.pem).expect("PEM")).expect("a certificate");
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        builder.with_single_cert(vec![cert], key).expect("a configuration")
    }
}

/// An authority and a server certificate for `localhost`.
pub(super) fn certificates() -> (Arc<[u8]>, rustls::ServerConfig) {
    let authority = Authority::new();
    let server = authority.server(authority.pair("localhost", |_| {}), None);
    (authority.pem, server)
}

/// Answers over TLS with the protocol and the connection's number in the status text's place: the body is not looked at.
async fn tls_server(alpn: &'static [u8]) -> (SocketAddr, Arc<[u8]>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (ca, tls) = certificates();
    let (address, connections, http2) = serving(tls, alpn).await;
    (address, ca, connections, http2)
}

async fn serving(
    mut tls: rustls::ServerConfig,
    alpn: &'static [u8],
) -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicUsize>) {
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
    (address, connections, http2)
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
    let clients = Clients::with(Arc::new(Names::default()), |builder| {
        builder.http2_keep_alive_interval(SHORT / 2).http2_keep_alive_timeout(SHORT / 2)
    });
    let url = format!("https://localhost:{}/", address.port());
    let settings = HttpSettings { trust: Trust { ca: Some(ca), identity: None }, ..HttpSettings::new(url, SHORT) };
    let sink = HttpSink::new(settings, &clients).expect("a sink");
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

/// What a server with such a certificate for `name` is told to be.
async fn refusal_of(name: &str, adjust: fn(&mut rcgen::CertificateParams), reason: &str) {
    let authority = Authority::new();
    let tls = authority.server(authority.pair(name, adjust), None);
    let (address, ..) = serving(tls, b"http/1.1").await;
    let url = format!("https://localhost:{}/", address.port());
    refusal(&sink_to(url, LONG, Some(authority.pem)), Fault::Passing, reason).await;
}

#[tokio::test]
async fn certificate_that_has_expired_or_is_of_another_name_is_a_passing_fault_and_says_so() {
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    refusal_of("localhost", expired, "can not connect: invalid peer certificate: certificate expired").await;
    refusal_of("other.example", |_| {}, "can not connect: invalid peer certificate: certificate not valid for name")
        .await;
}

#[tokio::test]
async fn client_certificate_is_shown_to_a_server_that_asks() {
    let (authority, ours) = (Authority::new(), Authority::new());
    let (address, connections, _) =
        serving(authority.server(authority.pair("localhost", |_| {}), Some(&ours)), b"h2").await;
    let url = format!("https://localhost:{}/", address.port());
    let sink = |identity| {
        let trust = Trust { ca: Some(authority.pem.clone()), identity };
        sink_of(HttpSettings { trust, ..HttpSettings::new(url.clone(), LONG) })
    };
    let pem = |(cert, key): (String, String)| Some((cert.into_bytes().into(), key.into_bytes().into()));
    attempt(&sink(pem(ours.pair("sluicegate", |_| {})))).await.expect("delivered");
    assert_eq!(connections.load(SeqCst), 1);
    for identity in [None, pem(authority.pair("sluicegate", |_| {}))] {
        let refusal = attempt(&sink(identity)).await.expect_err("a refusal");
        assert_eq!(refusal.fault, Fault::Passing, "{refusal}");
    }
    assert_eq!(connections.load(SeqCst), 1);
}

/// Lets so many bytes of the server through, and none after them.
async fn stalling_after(bytes: u64, server: SocketAddr) -> SocketAddr {
    super::server(move |client, _| async move {
        let server = TcpStream::connect(server).await.expect("the server takes connections");
        let (mut from_client, mut to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        let answers = async move {
            let _ended = tokio::io::copy(&mut from_server.take(bytes), &mut to_client).await;
            // Dropping it would end the connection.
            let _open = to_client;
            std::future::pending::<()>().await
        };
        let _ended = tokio::join!(answers, tokio::io::copy(&mut from_client, &mut to_server));
    })
    .await
}

#[tokio::test]
async fn tls_that_stalls_at_any_step_is_left_at_the_deadline() {
    let (server, ca, ..) = tls_server(b"h2").await;
    // Inside the first record's head, the ServerHello, the certificate; then its signature, the end, HTTP/2's settings, the answer.
    for bytes in [0, 3, 5, 50, 127, 140, 300, 500, 600, 700, 720, 750] {
        let address = stalling_after(bytes, server).await;
        let url = format!("https://localhost:{}/", address.port());
        let reason = if bytes <= 300 { "300 ms: no connection came about" } else { "no answer within 300 ms" };
        refusal(&sink_to(url, SHORT, Some(ca.clone())), Fault::Passing, reason).await;
    }
}

#[test]
fn certificates_that_can_not_be_read_say_what_to_give() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "not PEM", broken] {
        let trust = Trust { ca: Some(pem.as_bytes().into()), identity: None };
        let error = client_config(&trust).expect_err("an error").to_string();
        assert!(error.starts_with("`ca` ") && error.ends_with("in PEM form"), "{error}");
    }
    let authority = Authority::new();
    let (cert, key) = authority.pair("sluicegate", |_| {});
    let (_, other_key) = authority.pair("sluicegate", |_| {});
    for (cert, key, names) in [("", &*key, "`cert` "), (&cert, "", "`cert_key` "), (&cert, &other_key, "`cert` and ")] {
        let trust = Trust { ca: None, identity: Some((cert.as_bytes().into(), key.as_bytes().into())) };
        let error = client_config(&trust).expect_err("an error").to_string();
        assert!(error.starts_with(names) && error.contains("; give "), "{error}");
    }
}

#[test]
fn receivers_with_equal_trust_share_a_client() {
    let clients = Clients::default();
    let ca = Authority::new().pem;
    let same: Arc<[u8]> = ca.to_vec().into();
    for ca in [None, Some(ca), Some(same), None] {
        clients.get(&Trust { ca, identity: None }, &Reach::default()).expect("a client");
    }
    assert_eq!(clients.len(), 2);
}

/// A registry of schemas, for example.
#[tokio::test]
async fn service_that_is_asked_is_trusted_as_a_receiver_is() {
    let (address, ca, ..) = tls_server(b"http/1.1").await;
    let service = |trust| {
        let settings =
            HttpSettings { trust, ..HttpSettings::new(format!("https://localhost:{}/", address.port()), LONG) };
        Service::new(settings, &Clients::default()).expect("good settings")
    };
    let known = service(Trust { ca: Some(ca), identity: None });
    let question = Bytes::from_static(b"{}");
    assert_eq!(known.ask("subjects", Some(&question), 1 << 10).await.expect("an answer").status, StatusCode::OK);
    let Err(refusal) = service(Trust::default()).ask("subjects", None, 1 << 10).await else {
        panic!("nobody vouches for it")
    };
    assert_eq!(refusal.fault, Fault::Passing);
}
