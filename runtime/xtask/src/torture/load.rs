//! Who writes: parcels to PostgreSQL, items to both databases. A writer whose database goes away waits for it, finds out whether
//! what was under way had been committed, and goes on: the audit knows exactly what there is.

use super::yard::{CUSTOMERS, Yard};
use crate::items::burst::{Burst, Statement};
use crate::items::shelf::{Address, Database};
use crate::parcels::{Step, Writer};
use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A database that was killed recovers within this, on a busy machine too.
const AWAY_LIMIT: Duration = Duration::from_secs(120);
/// One statement.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to reach a database.
const KNOCK: Duration = Duration::from_millis(100);
/// Between two changes of a writer.
const PAUSE: Duration = Duration::from_millis(5);
const PARCELS: i32 = 90;

/// The writers at work.
pub struct Load {
    parcels: JoinHandle<Result<()>>,
    items: Vec<(Address, JoinHandle<Result<Burst>>)>,
}

impl Load {
    /// Begins to write, until it is enough.
    pub async fn start(yard: &Yard, seed: u64, is_enough: watch::Receiver<bool>) -> Result<Self> {
        let writer = Writer::connect(&yard.ring.postgres, yard.ring.record.clone()).await?;
        let parcels = move_parcels(writer, yard.ring.postgres.url(), seed, is_enough.clone());
        let mut load = Self { parcels: tokio::spawn(parcels), items: Vec::new() };
        for (number, address) in (1..).zip(&yard.addresses) {
            let database = Database::connect(address).await?;
            let writer = ItemWriter { address: address.clone(), database };
            let burst = Burst::new(seed.wrapping_add(number), Default::default());
            load.items.push((address.clone(), tokio::spawn(writer.write(burst, is_enough.clone()))));
        }
        Ok(load)
    }

    /// Waits for the writers, who have been told that it is enough; what each database was made to hold.
    pub async fn end(self) -> Result<Vec<(Address, Burst)>> {
        self.parcels.await?.context("move parcels")?;
        let mut written = Vec::new();
        for (address, writing) in self.items {
            written.push((address, writing.await?.context("change items")?));
        }
        Ok(written)
    }
}

async fn move_parcels(mut writer: Writer, url: String, seed: u64, is_enough: watch::Receiver<bool>) -> Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    while !*is_enough.borrow() {
        let parcel = dice.random_range(0..PARCELS);
        let customer = parcel.unsigned_abs() % CUSTOMERS + 1;
        let writing = tokio::time::timeout(WRITE_LIMIT, writer.write(customer, parcel, Step::InTransit));
        if writing.await.context("PostgreSQL does not answer")?.is_err() {
            let deadline = Instant::now() + AWAY_LIMIT;
            while let Err(failure) = writer.resume(&url).await {
                if Instant::now() > deadline {
                    return Err(failure).context("wait for PostgreSQL");
                }
                tokio::time::sleep(KNOCK).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

struct ItemWriter {
    address: Address,
    database: Database,
}

impl ItemWriter {
    async fn write(mut self, mut burst: Burst, is_enough: watch::Receiver<bool>) -> Result<Burst> {
        while !*is_enough.borrow() {
            let statement = burst.change();
            let running = tokio::time::timeout(WRITE_LIMIT, self.database.run(&statement.sql));
            if running.await.context("a database does not answer")?.is_err() {
                let deadline = Instant::now() + AWAY_LIMIT;
                while let Err(failure) = self.write_again(&statement).await {
                    if Instant::now() > deadline {
                        return Err(failure).context("wait for a database");
                    }
                    tokio::time::sleep(KNOCK).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(burst)
    }

    /// On a new connection: runs the statement, unless it had been committed before the old one broke.
    async fn write_again(&mut self, statement: &Statement) -> Result<()> {
        self.database = Database::connect(&self.address).await?;
        if self.database.stock(statement.id).await? != statement.leaves {
            self.database.run(&statement.sql).await?;
        }
        Ok(())
    }
}
