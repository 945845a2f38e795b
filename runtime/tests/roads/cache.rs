//! Items live in two databases and are shown by one Redis and two topics: equal after every step, after a kill in the middle of
//! a burst, and after the stop of everything that stands behind the program.

use crate::house::House;
use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use std::collections::BTreeMap;
use xtask::servers::{Kafka, KafkaOptions, Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions};

const ITEM: &str = "CREATE TABLE item (id int PRIMARY KEY, name varchar(60) NOT NULL, price decimal(10, 2), stock int)";
const PIPELINE: &str = r#"
sources = ["erp", "shop"]
tables = ["*.item"]

[target.cache]
kind = "redis"
url = "REDIS"

[target.events]
kind = "kafka"
brokers = "KAFKA"

[[route]]
name = "cache"
to = "cache"
as = "cache"
key = "{source}:item:{id}"
value = "hash"

[[route]]
name = "changes"
to = "events"
topic = "items.{source}"
body = "debezium"
"#;

type Items = BTreeMap<String, BTreeMap<String, String>>;

struct Servers {
    postgres: Postgres,
    mariadb: Mariadb,
    redis: Redis,
    kafka: Kafka,
    sql: tokio_postgres::Client,
    shop: mysql_async::Conn,
    cache: MultiplexedConnection,
}

impl Servers {
    async fn start() -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        let mariadb = Mariadb::start(MariadbOptions::default()).await?;
        let redis = Redis::start(RedisOptions::default()).await?;
        let kafka = Kafka::start(KafkaOptions::default()).await?;
        let sql = postgres.connect().await?;
        sql.batch_execute(ITEM).await?;
        let mut shop = mariadb.connect().await?;
        shop.query_drop("CREATE DATABASE shop").await?;
        shop.query_drop("USE shop").await?;
        shop.query_drop(ITEM).await?;
        let cache = redis.connect().await?;
        Ok(Self { postgres, mariadb, redis, kafka, sql, shop, cache })
    }

    fn house(&self) -> Result<House> {
        let shared = format!(
            "[source.erp]\nkind = \"postgres\"\nurl = \"{}\"\n\n[source.shop]\nkind = \"mysql\"\nurl = \"{}shop\"\n",
            self.postgres.url(),
            self.mariadb.url()
        );
        let pipeline = PIPELINE.replace("REDIS", &self.redis.url()).replace("KAFKA", &self.kafka.brokers());
        House::new(&shared)?.pipeline("cache", &pipeline)
    }

    /// The same statement in both.
    async fn both(&mut self, sql: &str) -> Result<()> {
        self.sql.batch_execute(sql).await?;
        self.shop.query_drop(sql).await?;
        Ok(())
    }

    /// What the tables hold, as the cache should.
    async fn tables(&mut self) -> Result<Items> {
        const ALL: &str = "SELECT id, name, CAST(price AS char(20)), stock FROM item";
        let mut items = Items::new();
        let mut put = |source: &str, id: i32, name: String, price: Option<String>, stock: Option<i32>| {
            let mut fields = BTreeMap::from([("id".to_owned(), id.to_string()), ("name".to_owned(), name)]);
            fields.extend(price.map(|price| ("price".to_owned(), price.trim().to_owned())));
            fields.extend(stock.map(|stock| ("stock".to_owned(), stock.to_string())));
            items.insert(format!("{source}:item:{id}"), fields);
        };
        for row in self.sql.query(ALL, &[]).await? {
            put("erp", row.get(0), row.get(1), row.get(2), row.get(3));
        }
        let rows: Vec<(i32, String, Option<String>, Option<i32>)> = self.shop.query(ALL).await?;
        for (id, name, price, stock) in rows {
            put("shop", id, name, price, stock);
        }
        Ok(items)
    }

    async fn cached(&self) -> Result<Items> {
        let mut cache = self.cache.clone();
        let keys: Vec<String> = cache.keys("*:item:*").await?;
        let mut items = Items::new();
        for key in keys {
            // Versions stand under names of their own.
            if !key.starts_with("sg:") {
                items.insert(key.clone(), cache.hgetall(&key).await?);
            }
        }
        Ok(items)
    }

    async fn equal(&mut self, house: &mut House, after: &str) -> Result<usize> {
        let tables = self.tables().await?;
        let this = &*self;
        house
            .until(&format!("the cache equals the tables after {after}"), async || Ok(this.cached().await? == tables))
            .await?;
        Ok(tables.len())
    }

    /// The ids that live at the end of a topic, by its last record for each key.
    async fn living(&self, topic: &str) -> Result<Vec<String>> {
        let mut last = BTreeMap::new();
        for record in self.kafka.read_all(topic).await? {
            let key = String::from_utf8(record.key.context("a record without a key")?)?;
            last.insert(key, record.value.is_some());
        }
        Ok(last.into_iter().filter(|(_, lives)| *lives).map(|(key, _)| key).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cache_and_topics_equal_the_tables_after_every_step_and_after_a_kill() -> Result<()> {
    let mut servers = Servers::start().await?;
    let mut house = servers.house()?;
    house.start().await?;
    for id in 1..=10 {
        servers.both(&format!("INSERT INTO item VALUES ({id}, 'item {id}', {id}.50, {})", id * 3)).await?;
    }
    ensure!(servers.equal(&mut house, "ten were created in each").await? == 20);
    servers.both("UPDATE item SET name = 'renamed', price = NULL WHERE id IN (3, 4)").await?;
    ensure!(servers.equal(&mut house, "two were edited in each").await? == 20);
    servers.both("DELETE FROM item WHERE id IN (5, 6)").await?;
    ensure!(servers.equal(&mut house, "two were deleted in each").await? == 16);
    servers.both("UPDATE item SET id = 100 WHERE id = 1").await?;
    ensure!(servers.equal(&mut house, "one was given another key in each").await? == 16);

    for round in 0..4 {
        for n in 0..60 {
            let (id, stock) = (n % 20 + 200, round * 100 + n);
            let sql = match n % 4 {
                3 => format!("DELETE FROM item WHERE id = {id}"),
                _ => format!("UPDATE item SET stock = {stock} WHERE id = {id}"),
            };
            servers.both(&sql).await?;
            let insert = format!(
                "INSERT INTO item SELECT {id}, 'burst', 1.00, {stock} WHERE NOT EXISTS (SELECT 1 FROM item WHERE id = {id})"
            );
            servers.both(&insert).await?;
            if n == 20 + round * 7 {
                house.kill9();
                house.start().await?;
            }
        }
        servers.equal(&mut house, "a kill in the middle of a burst").await?;
    }
    let tables = servers.tables().await?;
    for source in ["erp", "shop"] {
        let of_source = tables.keys().filter(|key| key.starts_with(source)).count();
        let servers = &servers;
        let topic = format!("items.{source}");
        house
            .until("the topic's last records equal the table", async || {
                Ok(servers.living(&topic).await?.len() == of_source)
            })
            .await?;
    }
    house.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_redis_and_kafka_are_killed_and_come_back() -> Result<()> {
    let mut servers = Servers::start().await?;
    let mut house = servers.house()?;
    house.start().await?;
    servers.both("INSERT INTO item VALUES (1, 'first', 1.00, 1)").await?;
    servers.equal(&mut house, "a first item").await?;
    servers.kafka.kill9();
    for id in 2..=50 {
        servers.both(&format!("INSERT INTO item VALUES ({id}, 'while Kafka was away', 1.00, 1)")).await?;
    }
    // The cache's lane goes on as if nothing had happened.
    servers.equal(&mut house, "Kafka was killed").await?;
    servers.kafka.restart().await?;
    servers.redis.kill9();
    for id in 51..=99 {
        servers.both(&format!("INSERT INTO item VALUES ({id}, 'while Redis was away', 1.00, 1)")).await?;
    }
    servers.redis.restart().await?;
    servers.cache = servers.redis.connect().await?;
    // A Redis that was killed may have forgotten what it held: what is written now, and what was on its way, is there.
    servers.both("UPDATE item SET stock = 2").await?;
    servers.equal(&mut house, "Redis was killed").await?;
    let this = &servers;
    for topic in ["items.erp", "items.shop"] {
        // A broker that was killed at once may not even have the topic yet.
        let all_stand = async || Ok(this.living(topic).await.is_ok_and(|living| living.len() == 99));
        house.until("every item stands in the topic", all_stand).await?;
    }
    house.stop().await;
    Ok(())
}
