//! Every way to the server: TLS in its modes, the ways to ask for a password, a Unix socket.

use crate::reader::{Reader, findings, settings_at};
use crate::server::{BOTH, Kind, Server};
use sluicegate::source::SslMode;
use sluicegate::source::mysql::MysqlSettings;

fn reached(settings: &MysqlSettings) -> Result<String, String> {
    let findings = findings(settings);
    let wrong: Vec<_> = findings.iter().filter(|f| !f.ok).map(|f| f.text.clone()).collect();
    if wrong.is_empty() { Ok(findings[0].text.clone()) } else { Err(wrong.join("\n")) }
}

/// A root, and a server's certificate for `localhost` that it has signed, as files.
fn papers(folder: &std::path::Path) {
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let mut root = rcgen::CertificateParams::new(vec![]).expect("no names");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "test root");
    let root_certificate = root.self_signed(&root_key).expect("a root");
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in
        [("root.pem", root_certificate.pem()), ("server.pem", certificate.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(name), text).expect("it can be written");
    }
}

#[test]
fn tls_is_used_and_checked_as_its_mode_says() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("sluicegate-papers-").tempdir_in("/tmp").expect("a folder");
    // The server runs as somebody else.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    papers(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    for kind in BOTH {
        let arguments = [format!("--ssl-cert={}", file("server.pem")), format!("--ssl-key={}", file("server.key"))];
        let server = Server::start(kind, &[&arguments[0], &arguments[1]]);
        let sql = server.sql_in("secured");
        sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(600)); CREATE USER cdc@'%' IDENTIFIED BY 'right' REQUIRE SSL; GRANT ALL ON *.* TO cdc@'%'");
        let at = |host: &str, sslmode: SslMode, root: bool| MysqlSettings {
            sslmode,
            sslrootcert: root.then(|| folder.path().join("root.pem")),
            ..settings_at(&format!("mysql://cdc:right@{host}:{}", server.port()), "secured")
        };
        let said = reached(&at("localhost", SslMode::Require, false)).expect("any certificate will do");
        assert!(said.contains("reached over TLS"), "{said}");
        reached(&at("localhost", SslMode::Prefer, false)).expect("TLS is there");
        reached(&at("localhost", SslMode::VerifyFull, true)).expect("root and name are right");
        reached(&at("127.0.0.1", SslMode::VerifyCa, true)).expect("the root is right");
        let sentence = reached(&at("127.0.0.1", SslMode::VerifyFull, true)).expect_err("the name is wrong");
        assert!(sentence.contains("TLS") && sentence.contains("sslmode"), "{sentence}");
        let sentence = reached(&at("localhost", SslMode::VerifyCa, false)).expect_err("no known root signed it");
        assert!(sentence.contains("sslrootcert"), "{sentence}");
        let sentence = reached(&at("localhost", SslMode::Disable, false)).expect_err("the user must use TLS");
        assert!(sentence.contains("does not let user \"cdc\" in"), "{sentence}");

        let mut reader = Reader::start(at("localhost", SslMode::VerifyFull, true)).streaming();
        sql.run("INSERT INTO t WITH RECURSIVE d (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 900) SELECT n, REPEAT('x', 500) FROM d");
        assert_eq!(reader.rows(900).len(), 900);
        reader.stop().expect("stops in order");
    }
}

#[test]
fn server_without_tls_is_reached_only_if_the_mode_allows() {
    let server = Server::start(Kind::Mariadb, &["--skip-ssl"]);
    server.sql_in("open").run("CREATE TABLE t (id int PRIMARY KEY)");
    let at = |sslmode: SslMode| MysqlSettings { sslmode, ..settings_at(&server.url(), "open") };
    assert!(reached(&at(SslMode::Prefer)).expect("TLS is not needed").contains("no TLS"));
    assert!(reached(&at(SslMode::Require)).expect_err("there is none").contains("the server has no TLS"));
}

#[test]
fn every_kind_of_password_is_known() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("passwords");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let (plugins, long) = match kind {
            Kind::Mysql => (&["caching_sha2_password", "sha256_password"][..], "WITH {} BY"),
            Kind::Mariadb => (&["mysql_native_password"][..], "BY"),
        };
        for plugin in plugins {
            sql.run(&format!(
                "DROP USER IF EXISTS p@'%'; CREATE USER p@'%' IDENTIFIED {} 'pä s:@%'; GRANT ALL ON *.* TO p@'%'",
                long.replace("{}", plugin)
            ));
            for sslmode in [SslMode::Disable, SslMode::Prefer, SslMode::Disable] {
                // Again without TLS: the server remembers a password that it has seen, and asks in a shorter way.
                let at = |login: &str| MysqlSettings { sslmode, ..settings_at(&server.url_of(login), "passwords") };
                reached(&at("p:p%C3%A4%20s%3A%40%25")).unwrap_or_else(|e| panic!("{plugin}, {sslmode:?}: {e}"));
                let sentence = reached(&at("p:no")).expect_err(plugin);
                assert!(sentence.contains("does not let user \"p\" in"), "{sentence}");
            }
        }
        // Without any password.
        let at = settings_at(&server.url(), "passwords");
        reached(&MysqlSettings { sslmode: SslMode::Disable, ..at }).expect("root has none");
    }
}

#[test]
fn unix_socket_carries_a_stream() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("socket");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let socket = sql.one("SELECT @@socket").replace('/', "%2F");
        let at = settings_at(&format!("mariadb://root@{socket}"), "socket");
        assert!(reached(&at).expect("it is there").contains("a Unix socket"));
        let mut reader = Reader::start(at).streaming();
        sql.run("INSERT INTO t VALUES (1), (2)");
        assert_eq!(reader.rows(2).len(), 2);
        reader.stop().expect("stops in order");
    }
}
