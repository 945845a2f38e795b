//! Every way to the server: TCP, Unix socket, TLS in its modes, SCRAM with and without channel binding, MD5, plain password.

use crate::reader::{Reader, settings, until};
use crate::support::Server;
use sluicegate::source::postgres::{PostgresSettings, check};

/// A root, and a server's certificate for `localhost` that it has signed.
struct Papers {
    root: String,
    certificate: String,
    key: String,
}

fn papers() -> Papers {
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let mut root = rcgen::CertificateParams::new(vec![]).expect("no names");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "test root");
    let root_certificate = root.self_signed(&root_key).expect("a root");
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    Papers { root: root_certificate.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
}

fn reached(settings: &PostgresSettings) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let findings = runtime.block_on(check(settings, sluicegate::source::Own::Away));
    let wrong: Vec<_> = findings.iter().filter(|f| !f.ok).map(|f| f.text.clone()).collect();
    if wrong.is_empty() { Ok(findings[0].text.clone()) } else { Err(wrong.join("\n")) }
}

#[test]
fn tls_is_used_and_checked_as_its_mode_says() {
    let server = Server::start(&["password_encryption=scram-sha-256"]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let papers = papers();
    server.put("server.crt", &papers.certificate);
    server.put("server.key", &papers.key);
    server.put("pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n");
    let root = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(root.path(), &papers.root).expect("it can be written");
    sql.run("ALTER ROLE postgres PASSWORD 'right'");
    sql.run("ALTER SYSTEM SET ssl = on");
    sql.run("SELECT pg_reload_conf()");
    let at = |host: &str, parameters: &str| {
        settings(&format!("postgres://postgres:right@{host}:{}/postgres?{parameters}", server.port))
    };
    until("TLS is on", || reached(&at("localhost", "sslmode=require")).is_ok());
    let rooted = format!("sslrootcert={}", root.path().display());

    let bound = reached(&at("localhost", "sslmode=require")).expect("any certificate will do");
    assert!(bound.contains("TLS, password bound to the channel"), "{bound}");
    reached(&at("localhost", "")).expect("prefer is the default");
    reached(&at("localhost", &format!("sslmode=verify-full&{rooted}"))).expect("root and name are right");
    reached(&at("127.0.0.1", &format!("sslmode=verify-ca&{rooted}"))).expect("the root is right");
    let sentence = reached(&at("127.0.0.1", &format!("sslmode=verify-full&{rooted}"))).expect_err("the name is wrong");
    assert!(sentence.contains("TLS") && sentence.contains("sslmode"), "{sentence}");
    let sentence = reached(&at("localhost", "sslmode=verify-ca")).expect_err("no known root signed it");
    assert!(sentence.contains("sslrootcert"), "{sentence}");
    let sentence = reached(&at("localhost", "sslmode=disable")).expect_err("the server wants TLS");
    assert!(sentence.contains("pg_hba.conf"), "{sentence}");

    let mut reader = Reader::start(at("localhost", &format!("sslmode=verify-full&{rooted}"))).streaming();
    sql.run("INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n");
    assert_eq!(reader.rows(20_000).len(), 20_000);
    reader.stop().expect("stops in order");
}

#[test]
fn server_without_tls_is_reached_only_if_the_mode_allows() {
    let server = Server::start(&[]);
    server.sql("postgres").run("CREATE TABLE t (id int PRIMARY KEY)");
    let at = |mode: &str| settings(&format!("{}?sslmode={mode}", server.url("postgres")));
    assert!(reached(&at("prefer")).expect("TLS is not needed").contains("no TLS"));
    assert!(reached(&at("require")).expect_err("there is none").contains("the server has no TLS"));
}

#[test]
fn every_kind_of_password_is_known() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    sql.run("CREATE ROLE scram SUPERUSER LOGIN PASSWORD 'pä s:@%'; CREATE ROLE clear SUPERUSER LOGIN PASSWORD 'pw'");
    sql.run("SET password_encryption = 'md5'; CREATE ROLE hashed SUPERUSER LOGIN PASSWORD 'pw'");
    server.put(
        "pg_hba.conf",
        "local all all trust\nhost all scram 127.0.0.1/32 scram-sha-256\nhost all hashed 127.0.0.1/32 md5\nhost all clear 127.0.0.1/32 password\n",
    );
    sql.run("SELECT pg_reload_conf()");
    let at = |login: &str| settings(&format!("postgres://{login}@127.0.0.1:{}/postgres", server.port));
    until("the new rules hold", || reached(&at("scram:wrong")).is_err());
    for login in ["scram:p%C3%A4%20s%3A%40%25", "hashed:pw", "clear:pw"] {
        reached(&at(login)).unwrap_or_else(|e| panic!("{login}: {e}"));
    }
    for login in ["scram:no", "hashed:no", "clear:no"] {
        assert!(reached(&at(login)).expect_err(login).contains("refuses the password"));
    }
}

#[test]
fn unix_socket_carries_a_stream() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let at = settings(&server.url_unix("postgres"));
    assert!(reached(&at).expect("it is there").contains("a Unix socket"));
    let mut reader = Reader::start(at).streaming();
    sql.run("INSERT INTO t SELECT n, 'v' FROM generate_series(1, 50000) n");
    assert_eq!(reader.rows(50_000).len(), 50_000);
    reader.stop().expect("stops in order");
}
