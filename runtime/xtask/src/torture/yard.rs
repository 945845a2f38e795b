//! What stands there: two databases, a Redis, a Kafka, nine customers, and the process in their middle.

use super::faults::Victims;
use crate::customers::Manner;
use crate::host::Host;
use crate::items::shelf::{Address, Database};
use crate::parcels::Terms;
use crate::ring::{Ring, RingOptions};
use crate::servers::{Kafka, KafkaOptions, Mariadb, MariadbOptions, PostgresOptions, Redis, RedisOptions};
use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use std::path::Path;
use std::time::Duration;

/// Customers of the parcels' story; the last one takes requests and never answers until the end.
pub const CUSTOMERS: u32 = 9;
pub const DEAD: u32 = 9;
/// Where items go, beside the cache.
pub const TOPIC: &str = "items";
pub const STREAM: &str = "log:items";

/// Of the items; the sources are filled in.
const PIPELINE: &str = r#"
sources = [SOURCES]
tables  = ["*.items"]

[[route]]
name  = "cache"
to    = "cache"
as    = "cache"
key   = "{source}:item:{id}"
value = "json"

[[route]]
name  = "stream"
to    = "cache"
as    = "stream"
stream = "log:items.{source}"
body  = "debezium"
debezium."decimal.handling.mode" = "string"

[[route]]
name  = "events"
to    = "events"
topic = "items.{source}"
body  = "debezium"
debezium."decimal.handling.mode" = "string"
"#;

/// Everything. Fields are dropped in this order: the process and its customers first.
pub struct Yard {
    pub ring: Ring,
    /// Not every machine can have one.
    pub mariadb: Option<Mariadb>,
    pub redis: Redis,
    pub kafka: Kafka,
    /// Of the databases that have items, PostgreSQL's first.
    pub addresses: Vec<Address>,
}

impl Yard {
    /// Starts everything; on return the process has read nothing yet and is ready.
    pub async fn open(binary: &Path, guest: &Path, seed: u64) -> Result<Self> {
        eprintln!("starting PostgreSQL, MariaDB, Redis, Kafka, {CUSTOMERS} customers and sluicegate ...");
        let manner = |customer| if customer == DEAD { Manner::Dead } else { Manner::Between(1, 20) };
        let (ring, redis, kafka) = tokio::try_join!(
            Ring::start(RingOptions {
                binary,
                guest: Some(guest),
                postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
                manners: (1..=CUSTOMERS).map(|customer| (customer, manner(customer))).collect(),
                terms: &|_| Terms { timeout: Duration::from_secs(2), concurrency: 16 },
                seed,
            }),
            Redis::start(RedisOptions::default()),
            Kafka::start(KafkaOptions::default()),
        )?;
        let mariadb = match Mariadb::start(MariadbOptions { fsync: true, ..MariadbOptions::default() }).await {
            Ok(mariadb) => Some(mariadb),
            Err(failure) => {
                eprintln!("without MariaDB: {failure:#}");
                None
            }
        };
        let mut addresses = vec![Address::Erp(ring.postgres.url())];
        if let Some(mariadb) = &mariadb {
            mariadb.connect().await?.query_drop("CREATE DATABASE shop").await.context("make a database")?;
            addresses.push(Address::Shop(format!("{}shop", mariadb.url())));
        }
        for address in &addresses {
            let (mut database, table) = (Database::connect(address).await?, address.table());
            database.run(table).await?;
        }
        let mut yard = Self { ring, mariadb, redis, kafka, addresses };
        yard.add_items().await?;
        Ok(yard)
    }

    /// Puts the pipeline of the items beside that of the parcels.
    async fn add_items(&mut self) -> Result<()> {
        let folder = self.ring.folder.path();
        let names: Vec<String> = self.addresses.iter().map(|address| format!("\"{}\"", address.source())).collect();
        std::fs::create_dir_all(folder.join("items")).context("make a pipeline's folder")?;
        std::fs::write(folder.join("items/pipeline.toml"), PIPELINE.replace("SOURCES", &names.join(", ")))
            .context("write a pipeline")?;
        // The story's pauses grow to ten minutes; nobody waits that long for the end of a test.
        let parcels = folder.join("parcels/pipeline.toml");
        let story = std::fs::read_to_string(&parcels).context("read the parcels' pipeline")?;
        let quicker = story.replace("max = \"10m\"", "max = \"2s\"");
        ensure!(quicker != story, "the parcels' pipeline says nothing about the longest pause");
        std::fs::write(&parcels, quicker).context("write the parcels' pipeline")?;
        let mut shared = format!(
            "[target.cache]\nkind = \"redis\"\nurl = \"{}\"\n\n[target.events]\nkind = \"kafka\"\nbrokers = \"{}\"\n",
            self.redis.url(),
            self.kafka.brokers()
        );
        if let Some(Address::Shop(url)) = self.addresses.get(1) {
            shared += &format!("\n[source.shop]\nkind = \"mysql\"\nurl = \"{url}\"\n");
        }
        self.ring.extend(&shared).await
    }

    /// The process, and apart from it everything else that can be killed.
    pub fn victims(&mut self) -> (&mut Host, Victims<'_>) {
        let Self { ring, mariadb, redis, kafka, .. } = self;
        let Ring { host, postgres, customers, .. } = ring;
        (host, Victims { postgres, mariadb: mariadb.as_mut(), redis, kafka, customers })
    }

    pub fn revive_the_dead(&self) {
        self.ring.customers.set_manner(DEAD, Manner::Instant);
    }

    /// Copies the log and the state to where they outlive the run, and says so.
    pub fn keep_traces(&self) -> String {
        let kept = tempfile::Builder::new().prefix("sluicegate-torture-").tempdir().map(tempfile::TempDir::keep);
        let Ok(kept) = kept else { return self.ring.host.last_log_lines() };
        let state = self.ring.folder.path().join("state");
        let files = std::fs::read_dir(&state).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.chain([self.ring.log()]).filter(|path| path.is_file()) {
            let to = kept.join(file.file_name().unwrap_or_default());
            if let Err(failure) = std::fs::copy(&file, &to) {
                eprintln!("{} was not kept: {failure}", file.display());
            }
        }
        format!("the log and the state lie in {}; the log ends:\n{}", kept.display(), self.ring.host.last_log_lines())
    }

    pub async fn close(self) {
        let Self { ring, mariadb, .. } = self;
        ring.stop().await;
        if let Some(mut mariadb) = mariadb {
            mariadb.stop().await;
        }
    }
}
