//! A private PostgreSQL: it starts, survives a kill and a restart, and leaves nothing behind.

use xtask::servers::{Postgres, PostgresOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_server_starts_restarts_and_leaves_nothing() {
    let conf = vec!["log_min_messages = fatal".to_owned()];
    let options = PostgresOptions { version: None, fsync: false, conf };
    let mut postgres = Postgres::start(options).await.expect("a PostgreSQL can be had");
    let port = postgres.port();
    let client = postgres.connect().await.expect("over TCP");
    let setting =
        client.query_one("SELECT current_setting('wal_level'), current_setting('log_min_messages')", &[]).await;
    let setting = setting.expect("a row");
    assert_eq!((setting.get::<_, &str>(0), setting.get::<_, &str>(1)), ("logical", "fatal"));
    client.batch_execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").await.expect("a table");

    postgres.restart().await.expect("it starts again");
    postgres.kill9();
    postgres.restart().await.expect("it recovers");
    let (client, connection) =
        tokio_postgres::connect(&postgres.socket_url(), tokio_postgres::NoTls).await.expect("over the socket");
    tokio::spawn(connection);
    let kept: i32 = client.query_one("SELECT id FROM kept", &[]).await.expect("the row was kept").get(0);
    assert_eq!((kept, postgres.port()), (7, port));

    let folder = socket_folder(&postgres);
    assert!(folder.exists());
    drop(postgres);
    assert!(!folder.exists(), "{} was left behind", folder.display());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the server still listens");
}

fn socket_folder(postgres: &Postgres) -> std::path::PathBuf {
    let url = postgres.socket_url();
    let folder = url.split("host=").nth(1).and_then(|rest| rest.split('&').next()).expect("the URL names a folder");
    std::path::PathBuf::from(folder)
}
