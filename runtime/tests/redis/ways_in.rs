//! Every way to a server: TCP, Unix socket, TLS with an authority and a client certificate, users, databases; and `check`.

use super::server::Server;
use super::writer::{At, TEXT, all, message, refused, settings, settings_to};
use redis::aio::MultiplexedConnection;
use sluicegate::change::{Message, Op};
use sluicegate::fault::{Fault, Finding};
use sluicegate::sink::redis::{RedisSettings, RedisSink, SentinelSettings, check};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use xtask::servers::{Redis, RedisCluster, RedisOptions, TlsFiles};

fn text(n: u64) -> Message {
    message(At(n, Op::Update), TEXT, "a", n.to_string().as_bytes())
}

async fn get(connection: &mut MultiplexedConnection, key: &str) -> Option<String> {
    redis::cmd("GET").arg(key).query_async(connection).await.expect("an answer")
}

/// An authority, a certificate for the server and one for the client.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let cert = authority.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), cert.pem()).expect("written");
        let issuer = rcgen::Issuer::new(authority, key);
        for name in ["server", "client"] {
            let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::new(names).expect("parameters");
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let cert = params.signed_by(&key, &issuer).expect("signed");
            std::fs::write(folder.path().join(format!("{name}.pem")), cert.pem()).expect("written");
            std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).expect("written");
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn read(&self, name: &str) -> Arc<[u8]> {
        std::fs::read(self.path().join(name)).expect("a file").into()
    }

    fn options(&self, args: &[&str]) -> RedisOptions {
        let (cert, key) = (self.path().join("server.pem"), self.path().join("server.key"));
        let tls = TlsFiles { cert, key, ca: self.path().join("ca.pem") };
        RedisOptions {
            tls: Some(tls),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..RedisOptions::default()
        }
    }
}

#[tokio::test]
async fn tls_trusts_the_given_authority_and_no_other() {
    let certificates = Certificates::new();
    let server = Redis::start(certificates.options(&[])).await.expect("a Redis");
    let ca = Some(certificates.read("ca.pem"));
    let sink = RedisSink::new(RedisSettings { ca: ca.clone(), ..settings_to(server.url()) }).expect("a sink");
    all(&sink, &[text(1)]).await;
    assert_eq!(get(&mut server.connect().await.expect("connected"), "a").await.as_deref(), Some("1"));
    let stranger = Some(Certificates::new().read("ca.pem"));
    let sink = RedisSink::new(RedisSettings { ca: stranger, ..settings_to(server.url()) }).expect("a sink");
    refused(&sink, text(2), Fault::Passing, "can not connect").await;
    let plain = RedisSink::new(settings_to(server.url().replace("rediss", "redis"))).expect("a sink");
    assert_eq!(super::writer::refusal(&plain, text(2)).await.fault, Fault::Passing);
}

#[tokio::test]
async fn server_that_wants_a_client_certificate_gets_it() {
    let certificates = Certificates::new();
    let server = Redis::start(certificates.options(&["--tls-auth-clients", "yes"])).await.expect("a Redis");
    let ca = Some(certificates.read("ca.pem"));
    let identity = Some((certificates.read("client.pem"), certificates.read("client.key")));
    let known = RedisSettings { ca: ca.clone(), identity, ..settings_to(server.url()) };
    all(&RedisSink::new(known).expect("a sink"), &[text(1)]).await;
    let unknown = RedisSink::new(RedisSettings { ca, ..settings_to(server.url()) }).expect("a sink");
    assert_eq!(super::writer::refusal(&unknown, text(2)).await.fault, Fault::Passing);
}

#[tokio::test]
async fn cluster_speaks_tls_with_every_node() {
    let certificates = Certificates::new();
    let cluster = RedisCluster::start_with(3, certificates.options(&[])).await.expect("a cluster");
    let ca = Some(certificates.read("ca.pem"));
    let settings = RedisSettings { cluster: true, ca, ..settings_to(cluster.urls()[0].clone()) };
    let flight: Vec<_> = (0..100).map(|n| message(At(1, Op::Update), TEXT, &format!("k{n}"), b"x")).collect();
    all(&RedisSink::new(settings).expect("a sink"), &flight).await;
}

#[tokio::test]
async fn unix_socket_password_and_database() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("r.sock").display().to_string();
    let server = Server::start_with(&["--databases", "4"]).await;
    let mut witness = server.witness();
    witness.ask::<()>(&["CONFIG", "SET", "requirepass", "pass word"]);
    let address = server.url().replace("redis://", "redis://:pass%20word@");
    let address = address.trim_end_matches('/');
    let sink = RedisSink::new(settings_to(format!("{address}/3"))).expect("a sink");
    all(&sink, &[text(1)]).await;
    witness.ask::<()>(&["SELECT", "3"]);
    assert_eq!(witness.get("a").as_deref(), Some("1"));
    let far = RedisSink::new(settings_to(format!("{address}/9"))).expect("a sink");
    refused(&far, text(2), Fault::Fatal, "no database of this number").await;

    // The server has one socket, which its starter looks at: a second way to it is made here.
    let relay = tokio::net::UnixListener::bind(&socket).expect("a socket");
    let port = server.0.port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = relay.accept().await {
            let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let sink = RedisSink::new(settings_to(format!("unix://{socket}?pass=pass word&db=3"))).expect("a sink");
    all(&sink, &[text(4)]).await;
    assert_eq!(witness.get("a").as_deref(), Some("4"));
}

#[test]
fn settings_that_contradict_each_other_are_told_at_once() {
    let good = settings_to("redis://:secret@127.0.0.1:1".into());
    let sentinel = Some(SentinelSettings { master: "m".into() });
    for (wrong, sentence) in [
        (RedisSettings { url: "http://:secret@h".into(), ..good.clone() }, "no address of Redis"),
        (RedisSettings { cluster: true, sentinel, ..good.clone() }, "keep one of the two"),
        (RedisSettings { nodes: vec!["h:1".into()], ..good.clone() }, "set `cluster = true`"),
        (RedisSettings { nodes: vec!["h".into()], cluster: true, ..good.clone() }, "host:port"),
        (RedisSettings { timeout: std::time::Duration::ZERO, ..good.clone() }, "at least 1"),
        (RedisSettings { guard: Some(std::time::Duration::ZERO), ..good.clone() }, "millisecond"),
        (RedisSettings { url: "rediss://:secret@h".into(), ca: Some(b"x".as_slice().into()), ..good.clone() }, "PEM"),
    ] {
        let error = RedisSink::new(wrong).map(drop).expect_err(sentence);
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(!format!("{good:?}").contains("secret"));
}

fn texts(findings: &[Finding], ok: bool) -> String {
    findings.iter().filter(|finding| finding.ok == ok).map(|finding| format!("{}\n", finding.text)).collect()
}

#[tokio::test]
async fn check_is_content_with_a_good_server_and_leaves_nothing_behind() {
    let server = Server::start().await;
    let findings = check(&settings(&server)).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(texts(&findings, true).contains("may do all that is needed"), "{findings:?}");
    assert!(texts(&findings, true).contains(server.0.version()));
    assert_eq!(server.witness().ask::<i64>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn check_names_what_is_wrong_and_what_to_do() {
    let (master, server) = (Server::start().await, Server::start().await);
    let mut witness = server.witness();
    witness.ask::<()>(&["CONFIG", "SET", "maxmemory", "100mb"]);
    witness.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    witness.ask::<()>(&["REPLICAOF", "127.0.0.1", &master.0.port().to_string()]);
    witness.ask::<()>(&["ACL", "SETUSER", "gate", "on", ">secret", "~*", "+evalsha", "+info", "+script|load"]);
    let url = server.url().replace("redis://", "redis://gate:secret@");
    let findings = check(&RedisSettings { url: url.clone(), cluster: true, ..settings(&server) }).await;
    assert!(texts(&findings, false).contains("cluster"), "{findings:?}");
    let bad = texts(&check(&RedisSettings { url, ..settings(&server) }).await, false);
    for sentence in ["is a replica", "maxmemory-policy noeviction", "lacks a right", "+xadd"] {
        assert!(bad.contains(sentence), "{sentence}: {bad}");
    }
    let bad = texts(&check(&settings_to("redis://127.0.0.1:1".into())).await, false);
    assert!(bad.contains("can not connect to 127.0.0.1:1"), "{bad}");
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let alone = texts(&check(&settings_to(cluster.urls()[0].clone())).await, false);
    assert!(alone.contains("set `cluster = true`"), "{alone}");
    let whole = check(&RedisSettings { cluster: true, ..settings_to(cluster.urls()[0].clone()) }).await;
    assert!(whole.iter().all(|finding| finding.ok), "{whole:?}");
}
