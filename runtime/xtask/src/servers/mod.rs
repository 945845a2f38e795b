//! Real servers without Docker, without root, without an installer: found on the machine or fetched into a private cache.
//!
//! ```text
//!   postgres, mysql (MariaDB too), redis, redis_cluster, kafka     what is started
//!   daemon                                                         how all of them are started, stopped, killed
//!   installation, program, debian, maven                           where they come from
//!   cache, errand                                                  where they are kept, who carries them there
//! ```

mod cache;
mod daemon;
mod debian;
mod errand;
mod installation;
mod kafka;
mod maven;
mod mysql;
mod postgres;
mod program;
mod redis;
mod redis_cluster;

pub(crate) use daemon::free_port;
pub use installation::{Installation, POSTGRES_VERSIONS};
pub use kafka::{Kafka, KafkaOptions, Record};
pub use mysql::{Mariadb, MariadbOptions, Mysql, MysqlOptions};
pub use postgres::{Postgres, PostgresOptions};
pub use redis::{Redis, RedisOptions, TlsFiles};
pub use redis_cluster::RedisCluster;

use anyhow::Result;

/// What the command line says.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServersOptions {
    /// PostgreSQL, of this major version or the newest at hand; the one that is started when none is named
    #[arg(long, value_name = "VERSION")]
    pub postgres: Option<Option<u32>>,
    /// MySQL
    #[arg(long)]
    pub mysql: bool,
    /// MariaDB
    #[arg(long)]
    pub mariadb: bool,
    /// Redis
    #[arg(long)]
    pub redis: bool,
    /// Apache Kafka
    #[arg(long)]
    pub kafka: bool,
}

/// `cargo xtask servers`: servers for hands-on work, until Ctrl-C.
pub async fn serve(options: ServersOptions) -> Result<()> {
    let none_named = !(options.mysql || options.mariadb || options.redis || options.kafka);
    let _postgres = match options.postgres.or(none_named.then_some(None)) {
        Some(version) => Some(serve_postgres(version).await?),
        None => None,
    };
    let of_mysql = MysqlOptions { fsync: true, ..MysqlOptions::default() };
    let _mysql = if options.mysql { Some(Mysql::start(of_mysql.clone()).await?) } else { None };
    if let Some(mysql) = &_mysql {
        println!("mysql {}\n  {}", mysql.version(), mysql.url());
    }
    let _mariadb = if options.mariadb { Some(Mariadb::start(of_mysql).await?) } else { None };
    if let Some(mariadb) = &_mariadb {
        println!("mariadb {}\n  {}", mariadb.version(), mariadb.url());
    }
    let _redis = if options.redis { Some(Redis::start(RedisOptions::default()).await?) } else { None };
    if let Some(redis) = &_redis {
        println!("redis {}\n  {}", redis.version(), redis.url());
    }
    let _kafka = if options.kafka { Some(Kafka::start(KafkaOptions::default()).await?) } else { None };
    if let Some(kafka) = &_kafka {
        println!("kafka {}\n  {}", kafka.version(), kafka.brokers());
    }
    println!("The data goes away with the servers. Ctrl-C stops them.");
    std::future::pending().await
}

async fn serve_postgres(version: Option<u32>) -> Result<Postgres> {
    let options = PostgresOptions { version, fsync: true, ..PostgresOptions::default() };
    let postgres = Postgres::start(options).await?;
    println!("postgresql {}, wal_level logical", postgres.version());
    println!("  tcp     {}", postgres.url());
    println!("  socket  {}", postgres.socket_url());
    Ok(postgres)
}
