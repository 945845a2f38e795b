//! Real servers without Docker, without root, without an installer: found on the machine or fetched into a private cache.
//!
//! ```text
//!   postgres, mysql (MariaDB too), redis, redis_cluster, kafka     what is started
//!   daemon                                                         how all of them are started, stopped, killed
//!   installation, program, debian, maven                           where they come from
//!   cache, errand                                                  where they are kept, who carries them there
//! ```

pub(crate) mod cache;
mod daemon;
mod debian;
pub(crate) mod errand;
mod installation;
mod kafka;
mod maven;
mod mysql;
mod postgres;
mod program;
mod redis;
mod redis_cluster;

pub(crate) use daemon::{Daemon, Kind, free_port};
pub use installation::{Installation, POSTGRES_VERSIONS};
pub use kafka::{Door, Kafka, KafkaOptions, Record};
pub use mysql::{Mariadb, MariadbOptions, Mysql, MysqlOptions};
pub(crate) use postgres::connect as connect_postgres;
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
    let of_mysql = MysqlOptions { fsync: true, ..MysqlOptions::default() };
    // Kept until the end, whatever they are.
    let mut running: Vec<Box<dyn Send>> = Vec::new();
    if let Some(version) = options.postgres.or(none_named.then_some(None)) {
        let postgres = Postgres::start(PostgresOptions { version, fsync: true, ..PostgresOptions::default() }).await?;
        println!("PostgreSQL {}, wal_level logical", postgres.version());
        println!("  tcp     {}\n  socket  {}", postgres.url(), postgres.socket_url());
        running.push(Box::new(postgres));
    }
    if options.mysql {
        let mysql = Mysql::start(of_mysql.clone()).await?;
        println!("MySQL {}, binary log by row\n  {}", mysql.version(), mysql.url());
        running.push(Box::new(mysql));
    }
    if options.mariadb {
        let mariadb = Mariadb::start(of_mysql).await?;
        println!("MariaDB {}, binary log by row\n  {}", mariadb.version(), mariadb.url());
        running.push(Box::new(mariadb));
    }
    if options.redis {
        let redis = Redis::start(RedisOptions { fsync: true, ..RedisOptions::default() }).await?;
        println!("Redis {}\n  {}", redis.version(), redis.url());
        running.push(Box::new(redis));
    }
    if options.kafka {
        let kafka = Kafka::start(KafkaOptions::default()).await?;
        println!("Kafka {}, topics made on demand\n  {}", kafka.version(), kafka.brokers());
        running.push(Box::new(kafka));
    }
    println!("Their data goes away with them. Ctrl-C stops them.");
    std::future::pending().await
}
