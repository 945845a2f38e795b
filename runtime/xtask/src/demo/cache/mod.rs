//! Story 2 on real servers: items of a PostgreSQL and a MariaDB in one Redis, equal to the tables after every step, and
//! after a kill in the middle of a burst.

use super::StoryOptions;
use super::picture::duration;
use super::scene::{self, Built, Scene};
use crate::build::workspace;
use crate::items::burst::{self, Burst, Told};
use crate::items::shelf::{self, Database, Item, Pair};
use crate::servers::{Kafka, KafkaOptions, Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions};
use crate::topic::{self, Event};
use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};

/// From the last commit to a Redis that equals the tables, a start of the process included.
const EQUAL_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
/// How long a log reader that was cut off may be seen by its database.
const READERS_LIMIT: Duration = Duration::from_secs(30);
/// Changes in each database; the kill comes in the middle.
const BURST: usize = 900;
const SEEDS: [u64; 2] = [7, 8];
/// The stock of item 1 is one more when it is created, and so on: no two changes of a table write the same.
const CREATED: i64 = 10;
const EDITED: i64 = 100;
/// The topic's records that are shown.
const SHOWN: usize = 1;

/// Everything that runs. Fields are dropped in this order: the process first.
struct House {
    scene: Scene,
    databases: [Database; 2],
    cache: MultiplexedConnection,
    titles: [String; 2],
    postgres: Postgres,
    mariadb: Mariadb,
    kafka: Kafka,
    redis: Redis,
}

/// Runs the demo. An error when Redis or the topics differ from the tables.
pub async fn run(options: StoryOptions) -> Result<()> {
    let built = scene::build(options.profile(), None).await?;
    let begun = Instant::now();
    let mut house = House::open(built, options.postgres).await?;
    println!(
        "\ncache: items of {} and {} -> sluicegate -> Redis {} and Kafka {}, ready after {}",
        house.titles[0],
        house.titles[1],
        house.redis.version(),
        house.kafka.version(),
        duration(begun.elapsed())
    );
    create_edit_delete(&mut house).await?;
    let bursts = kill_in_a_burst(&mut house).await?;
    println!("\nthe same changes on Kafka");
    for (source, burst) in bursts.iter().enumerate() {
        judge_topic(&mut house, source, burst).await?;
    }
    let readers = house.readers().await?;
    println!(
        "\nLog readers, two targets behind each: {} in PostgreSQL, {} in MariaDB.\n\
         After every step, and after the kill, Redis held what the tables hold.\n",
        readers[0], readers[1]
    );
    ensure!(readers == [1, 1], "a database is read once, whatever hangs behind it");
    house.scene.host.stop().await;
    Ok(())
}

async fn create_edit_delete(house: &mut House) -> Result<()> {
    for (title, statements) in steps() {
        for (database, statements) in house.databases.iter_mut().zip(&statements) {
            for statement in statements {
                database.run(statement).await?;
            }
        }
        let (pairs, took) = house.wait_until_equal().await?;
        let keys: usize = pairs.iter().map(|pair| pair.cache.len()).sum();
        println!("\n{title}: {keys} keys in Redis, equal after {}\n", duration(took));
        print!("{}", shelf::side_by_side([&house.titles[0], &house.titles[1]], &pairs));
    }
    Ok(())
}

/// What is done to each database, step by step.
fn steps() -> [(&'static str, [Vec<String>; 2]); 3] {
    let created = |source: usize, id: i64| Item {
        name: burst::name_of(id).to_owned(),
        price: format!("{}.{}", 10 * id + 5, ["90", "50"][source]),
        stock: CREATED + id,
    };
    let edited = |source: usize, id: i64| Item { stock: EDITED + id, price: format!("{id}.99"), ..created(source, id) };
    // Not the same two in both, so that one prefix taken for the other would show.
    let first = |source: usize| [2, 5][source];
    let both = |of: &dyn Fn(usize) -> Vec<String>| [of(0), of(1)];
    [
        (
            "ten created in each database",
            both(&|source| (1..=10).map(|id| burst::insert(id, &created(source, id))).collect()),
        ),
        (
            "two edited in each",
            both(&|source| {
                [first(source), first(source) + 2].map(|id| burst::update(id, &edited(source, id))).to_vec()
            }),
        ),
        ("two deleted in each", both(&|source| [first(source), first(source) + 1].map(burst::delete).to_vec())),
    ]
}

/// A third of the burst, the kill, a third while nobody listens, and the last third while the process starts again.
async fn kill_in_a_burst(house: &mut House) -> Result<[Burst; 2]> {
    let [erp, shop] = &mut house.databases;
    let mut bursts = [Burst::new(SEEDS[0], erp.items().await?), Burst::new(SEEDS[1], shop.items().await?)];
    let begun = Instant::now();
    write(&mut house.databases, &mut bursts, BURST / 3).await?;
    house.scene.host.kill9();
    write(&mut house.databases, &mut bursts, BURST / 3).await?;
    let behind: usize = house.look().await?.iter().map(Pair::differences).sum();
    println!(
        "\na burst of {} changes, and kill -9 after {}\n\n    down    {behind} items in Redis are not as in the tables",
        BURST / 3 * 3 * 2,
        BURST / 3 * 2
    );
    ensure!(behind > 0, "the kill did not fall into the burst: nothing was left to do");
    let House { scene, databases, .. } = &mut *house;
    tokio::try_join!(scene.start_again(), write(databases, &mut bursts, BURST / 3))?;
    let written_in = begun.elapsed();
    let (pairs, took) = house.wait_until_equal().await?;
    for (pair, burst) in pairs.iter().zip(&bursts) {
        ensure!(pair.table == *burst.items(), "a table does not hold what was written to it");
    }
    println!(
        "    again   equal {} after the last of them, which took {} to write: {} and {} items",
        duration(took),
        duration(written_in),
        pairs[0].cache.len(),
        pairs[1].cache.len()
    );
    Ok(bursts)
}

async fn write(databases: &mut [Database; 2], bursts: &mut [Burst; 2], changes: usize) -> Result<()> {
    for _ in 0..changes {
        for (database, burst) in databases.iter_mut().zip(bursts.iter_mut()) {
            database.run(&burst.change().sql).await?;
        }
    }
    Ok(())
}

/// Compares a topic with what was written: everything is in it, in order, and its end is the table.
async fn judge_topic(house: &mut House, source: usize, burst: &Burst) -> Result<()> {
    let topic = format!("items.{}", house.databases[source].source());
    let records = house.kafka.read_all(&topic).await?;
    let events = Event::of_all(&records)?;
    let told = Told::by(&events).with_context(|| format!("read {topic}"))?;
    let steps = (1..=10).map(|id| CREATED + id).chain([2, 4].map(|id| EDITED + id + 3 * source as i64));
    let missing = steps.chain(burst.stocks()).filter(|stock| !told.stocks.contains(stock)).count();
    println!("\n    {topic}: {}; {} came twice, because of the kill", topic::counts(&events), told.repeated);
    print!("{}", topic::shown(&records[..SHOWN.min(records.len())]));
    ensure!(missing == 0, "{missing} changes are missing in the topic {topic}");
    ensure!(told.out_of_order == 0, "{} changes came after a later one of their item", told.out_of_order);
    ensure!(told.items == *burst.items(), "the events of {topic}, applied in their order, do not end at the table");
    Ok(())
}

impl House {
    async fn open(built: Built, version: Option<u32>) -> Result<Self> {
        eprintln!("starting PostgreSQL, MariaDB, Redis, Kafka and sluicegate ...");
        let of_postgres = PostgresOptions { version, fsync: true, ..PostgresOptions::default() };
        let of_mariadb = MariadbOptions { fsync: true, ..MariadbOptions::default() };
        let (postgres, mariadb, redis, kafka) = tokio::try_join!(
            Postgres::start(of_postgres),
            Mariadb::start(of_mariadb),
            Redis::start(RedisOptions::default()),
            Kafka::start(KafkaOptions::default())
        )?;
        let mut shop = mariadb.connect().await?;
        for statement in ["CREATE DATABASE shop", "USE shop"] {
            shop.query_drop(statement).await.context("make a database")?;
        }
        let mut databases = [Database::Erp(postgres.connect().await?), Database::Shop(shop)];
        for database in &mut databases {
            let table = workspace().join(format!("pipelines/cache/{}.sql", database.source()));
            let table = std::fs::read_to_string(&table).with_context(|| format!("read {}", table.display()))?;
            database.run(&table).await?;
        }
        let shared = format!(
            "[source.erp]\nkind = \"postgres\"\nurl = \"{}\"\n\n[source.shop]\nkind = \"mysql\"\nurl = \"{}shop\"\n\n\
             [target.cache]\nkind = \"redis\"\nurl = \"{}\"\n\n[target.events]\nkind = \"kafka\"\nbrokers = \"{}\"\n",
            postgres.url(),
            mariadb.url(),
            redis.url(),
            kafka.brokers()
        );
        let scene = Scene::open(built, "cache", &shared).await?;
        let cache = redis.connect().await?;
        let titles = [format!("PostgreSQL {}", postgres.version()), format!("MariaDB {}", number(mariadb.version()))];
        Ok(Self { scene, databases, cache, titles, postgres, mariadb, kafka, redis })
    }

    /// Both tables beside their parts of the cache, now.
    async fn look(&mut self) -> Result<[Pair; 2]> {
        let mut pairs = [Pair::default(), Pair::default()];
        for (pair, database) in pairs.iter_mut().zip(&mut self.databases) {
            let cache = shelf::cached(&mut self.cache, database.source()).await?;
            *pair = Pair { table: database.items().await?, cache };
        }
        Ok(pairs)
    }

    /// Waits until Redis equals the tables; says what it then holds and how long that took.
    async fn wait_until_equal(&mut self) -> Result<([Pair; 2], Duration)> {
        let begun = Instant::now();
        loop {
            self.scene.host.check_alive()?;
            let pairs = self.look().await?;
            if pairs.iter().all(Pair::is_equal) {
                return Ok((pairs, begun.elapsed()));
            }
            if begun.elapsed() > EQUAL_LIMIT {
                print!("{}", shelf::side_by_side([&self.titles[0], &self.titles[1]], &pairs));
                let log = self.scene.host.last_log_lines();
                bail!(
                    "Redis is not what the tables are, {} s later; sluicegate's log ends:\n{log}",
                    EQUAL_LIMIT.as_secs()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many read the log of PostgreSQL and of MariaDB. One that was cut off by the kill may be seen for a moment.
    async fn readers(&mut self) -> Result<[i64; 2]> {
        let begun = Instant::now();
        let postgres = self.postgres.connect().await?;
        let mut mariadb = self.mariadb.connect().await?;
        loop {
            let slots =
                postgres.query_one("SELECT count(*) FROM pg_replication_slots", &[]).await.context("count slots")?;
            let dumps = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
            let dumps: Option<i64> = mariadb.query_first(dumps).await.context("count dump threads")?;
            let readers = [slots.get(0), dumps.unwrap_or(0)];
            if readers == [1, 1] || begun.elapsed() > READERS_LIMIT {
                return Ok(readers);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// `11.4.5` of `11.4.5-MariaDB`
fn number(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}
