//! Private servers of every kind: each starts, answers, survives a kill and a restart with its data, and leaves nothing behind.

use mysql_async::prelude::Queryable;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use redis::AsyncCommands;
use std::time::Duration;
use xtask::servers::{
    Kafka, KafkaOptions, Mariadb, Mysql, MysqlOptions, Postgres, PostgresOptions, Record, Redis, RedisCluster,
    RedisOptions,
};

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

/// Writes a row, kills the server, starts it again, and finds the row.
macro_rules! a_mysql_keeps_what_it_committed {
    ($name:ident, $server:ident, $gtid:literal) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let args = vec!["--max-connections=77".to_owned()];
            let options = MysqlOptions { args, ..MysqlOptions::default() };
            let mut server = $server::start(options).await.expect("one can be had");
            let (port, pid) = (server.port(), server.pid());
            assert!(server.version().starts_with(|c: char| c.is_ascii_digit()), "{}", server.version());
            let mut connection = server.connect().await.expect("over TCP");
            let settings = "SELECT CONCAT_WS(' ', @@log_bin = 1, @@binlog_format, @@binlog_row_metadata, @@server_id, @@max_connections)";
            let settings: Option<String> = connection.query_first(settings).await.expect("a row");
            assert_eq!(settings.as_deref(), Some("1 ROW FULL 1 77"));
            connection.query_drop("CREATE DATABASE shop").await.expect("a database");
            connection.query_drop("CREATE TABLE shop.kept (id INT PRIMARY KEY)").await.expect("a table");
            connection.query_drop("INSERT INTO shop.kept VALUES (7)").await.expect("a row");
            let position: Option<String> = connection.query_first($gtid).await.expect("a position");
            drop(connection);

            server.kill9();
            server.restart().await.expect("it recovers");
            let mut connection = mysql_async::Conn::from_url(server.url()).await.expect("under the same address");
            let kept: Option<i32> = connection.query_first("SELECT id FROM shop.kept").await.expect("the table was kept");
            let still: Option<String> = connection.query_first($gtid).await.expect("a position");
            assert_eq!((kept, server.port(), still), (Some(7), port, position));
            assert_ne!(server.pid(), pid);
            drop(connection);
            server.stop().await;
            assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the server still listens");
        }
    };
}

a_mysql_keeps_what_it_committed!(a_killed_mysql_keeps_what_it_committed, Mysql, "SELECT @@gtid_executed");
a_mysql_keeps_what_it_committed!(a_killed_mariadb_keeps_what_it_committed, Mariadb, "SELECT @@gtid_binlog_pos");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_keeps_what_it_answered() {
    let args = ["--maxmemory", "20mb"].map(str::to_owned).to_vec();
    let options = RedisOptions { args, password: Some("swordfish".into()), ..RedisOptions::default() };
    let mut server = Redis::start(options).await.expect("a Redis can be had");
    assert!(server.url().starts_with("redis://:swordfish@127.0.0.1:"), "{}", server.url());
    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("over TCP");
    let () = connection.set("kept", 7).await.expect("an answer");
    let (_, limit): (String, u64) =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut connection).await.expect("an answer");
    assert_eq!(limit, 20 << 20);

    server.kill9();
    assert!(client.get_multiplexed_async_connection().await.is_err(), "the server still listens");
    server.restart().await.expect("it recovers");
    let mut connection = client.get_multiplexed_async_connection().await.expect("under the same address");
    let kept: i32 = connection.get("kept").await.expect("the key was kept");
    assert_eq!(kept, 7);
    assert!(server.version().contains('.'), "{}", server.version());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_answers_with_one_voice_and_takes_a_member_back() {
    let mut cluster = RedisCluster::start(3).await.expect("three members");
    let client = redis::cluster::ClusterClient::new(cluster.urls()).expect("addresses");
    let mut connection = client.get_async_connection().await.expect("a cluster");
    for number in 0..100 {
        let () = connection.set(format!("item:{number}"), number).await.expect("an answer");
    }
    cluster.nodes[1].kill9();
    cluster.nodes[1].restart().await.expect("it recovers");
    cluster.wait_until_whole().await.expect("the others take it back");
    let mut connection = client.get_async_connection().await.expect("a cluster");
    let mut held = 0;
    for number in 0..100 {
        let found: i32 = connection.get(format!("item:{number}")).await.expect("the key was kept");
        assert_eq!(found, number);
    }
    for node in &cluster.nodes {
        let mut connection = node.connect().await.expect("a member");
        let size: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("an answer");
        assert!(size > 0, "a member holds nothing");
        held += size;
    }
    assert_eq!(held, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_keeps_what_it_acknowledged() {
    let properties = vec![("auto.create.topics.enable".to_owned(), "false".to_owned())];
    let mut kafka = Kafka::start(KafkaOptions { properties, door: None }).await.expect("a broker can be had");
    kafka.create_topic("kept", 2, &[("max.message.bytes", "2000")]).await.expect("a topic");
    assert!(kafka.create_topic("kept", 2, &[]).await.is_err(), "there is one already");
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).set("acks", "all").create().expect("a producer");
    let headers = OwnedHeaders::new().insert(Header { key: "op", value: Some("c") });
    let full = BaseRecord::to("kept").key("a").payload("1").partition(0).headers(headers).timestamp(1_700_000_000_000);
    producer.send(full).map_err(|(failure, _)| failure).expect("queued");
    let tombstone: BaseRecord<'_, str, str> = BaseRecord::to("kept").key("b").partition(1);
    producer.send(tombstone).map_err(|(failure, _)| failure).expect("queued");

    producer.flush(Duration::from_secs(20)).expect("acknowledged");
    assert_eq!(producer.in_flight_count(), 0);
    let brokers = kafka.brokers();
    kafka.kill9();
    kafka.restart().await.expect("it recovers");
    assert_eq!(kafka.brokers(), brokers);
    let records = kafka.read_all("kept").await.expect("the topic was kept");
    let expected = [
        Record {
            key: Some(b"a".to_vec()),
            value: Some(b"1".to_vec()),
            headers: vec![("op".to_owned(), Some(b"c".to_vec()))],
            partition: 0,
            offset: 0,
            timestamp: Some(1_700_000_000_000),
        },
        Record {
            key: Some(b"b".to_vec()),
            value: None,
            headers: Vec::new(),
            timestamp: records[1].timestamp,
            partition: 1,
            offset: 0,
        },
    ];
    assert_eq!(records, expected);
    assert!(kafka.read_all("missing").await.is_err());
}
