//! One log reader per database, however many pipelines hang behind it.

use crate::house::House;
use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable;
use xtask::servers::{Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions};

const PIPELINES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_pipelines_cost_each_database_one_reader() -> Result<()> {
    let postgres = Postgres::start(PostgresOptions::default()).await?;
    let mariadb = Mariadb::start(MariadbOptions::default()).await?;
    let redis = Redis::start(RedisOptions::default()).await?;
    let sql = postgres.connect().await?;
    sql.batch_execute("CREATE TABLE item (id int PRIMARY KEY)").await?;
    let mut shop = mariadb.connect().await?;
    for statement in ["CREATE DATABASE shop", "USE shop", "CREATE TABLE item (id int PRIMARY KEY)"] {
        shop.query_drop(statement).await?;
    }
    let shared = format!(
        "[source.erp]\nkind = \"postgres\"\nurl = \"{}\"\n\n[source.shop]\nkind = \"mysql\"\nurl = \"{}shop\"\n\n\
         [target.cache]\nkind = \"redis\"\nurl = \"{}\"\n",
        postgres.url(),
        mariadb.url(),
        redis.url()
    );
    let mut house = House::new(&shared)?;
    for n in 0..PIPELINES {
        let text = format!(
            "sources = [\"erp\", \"shop\"]\ntables = [\"*.item\"]\n\n[[route]]\nname = \"cache\"\nto = \"cache\"\n\
             key = \"{n}:{{source}}:{{id}}\"\n"
        );
        house = house.pipeline(&format!("p{n}"), &text)?;
    }
    house.start().await?;
    sql.batch_execute("INSERT INTO item VALUES (1)").await?;
    shop.query_drop("INSERT INTO item VALUES (1)").await?;
    let cache = redis.connect().await?;
    house
        .until("every pipeline delivered both rows", async || {
            let keys: Vec<String> = redis::AsyncCommands::keys(&mut cache.clone(), "[0-9]*").await?;
            Ok(keys.len() == PIPELINES * 2)
        })
        .await?;
    let slots: i64 = sql.query_one("SELECT count(*) FROM pg_replication_slots", &[]).await?.get(0);
    let senders: i64 = sql.query_one("SELECT count(*) FROM pg_stat_replication", &[]).await?.get(0);
    ensure!((slots, senders) == (1, 1), "{slots} slots and {senders} walsenders");
    let dumps: Option<i64> = shop
        .query_first("SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
        .await?;
    ensure!(dumps == Some(1), "{dumps:?} binlog dump threads");
    house.stop().await;
    Ok(())
}
