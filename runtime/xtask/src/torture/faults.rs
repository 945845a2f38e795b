//! Who breaks: databases, brokers, the cache and customers, each at its own random moments, beside the kills of the process.
//!
//! Servers are killed without farewell or stopped in order, stay away for a while, and start again on their data. Customers hang,
//! answer 500, or are gone with their connections cut. When it is enough, everybody comes back.

use super::yard::DEAD;
use crate::customers::{Customers, Manner};
use crate::servers::{Daemon, Kafka, Kind, Mariadb, Postgres, Redis};
use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// Everything that can be killed beside the process.
pub struct Victims<'a> {
    pub postgres: &'a mut Postgres,
    pub mariadb: Option<&'a mut Mariadb>,
    pub redis: &'a mut Redis,
    pub kafka: &'a mut Kafka,
    pub customers: &'a mut Customers,
}

/// How long somebody is well, and how long away, in milliseconds.
struct Rhythm {
    well_ms: (u64, u64),
    away_ms: (u64, u64),
}

const DATABASE: Rhythm = Rhythm { well_ms: (5_000, 20_000), away_ms: (100, 3_000) };
const CACHE: Rhythm = Rhythm { well_ms: (4_000, 15_000), away_ms: (100, 4_000) };
/// A broker needs seconds to come back.
const BROKER: Rhythm = Rhythm { well_ms: (15_000, 40_000), away_ms: (100, 5_000) };
const CUSTOMER: Rhythm = Rhythm { well_ms: (500, 3_000), away_ms: (300, 5_000) };

/// The faults of one run, and how many there were.
pub struct Faults {
    seed: u64,
    is_enough: watch::Receiver<bool>,
    databases: u32,
    caches: u32,
    brokers: u32,
    customers: u32,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { databases, caches, brokers, customers, .. } = self;
        write!(f, "{databases} of databases, {caches} of Redis, {brokers} of Kafka, {customers} faults of customers")
    }
}

impl Faults {
    pub fn new(seed: u64, is_enough: watch::Receiver<bool>) -> Self {
        Self { seed, is_enough, databases: 0, caches: 0, brokers: 0, customers: 0 }
    }

    /// Goes on until it is enough; on return everybody is well, but for the dead customer.
    pub async fn rage(&mut self, victims: Victims<'_>) -> Result<()> {
        let Victims { postgres, mariadb, redis, kafka, customers } = victims;
        let mariadb = async {
            match mariadb {
                Some(mariadb) => outages(mariadb, &DATABASE, self.fate(2)).await,
                None => Ok(0),
            }
        };
        let (postgres, mariadb, caches, brokers, customers) = tokio::try_join!(
            outages(postgres, &DATABASE, self.fate(1)),
            mariadb,
            outages(redis, &CACHE, self.fate(3)),
            outages(kafka, &BROKER, self.fate(4)),
            bad_manners(customers, &CUSTOMER, self.fate(5)),
        )?;
        (self.databases, self.caches, self.brokers, self.customers) = (postgres + mariadb, caches, brokers, customers);
        Ok(())
    }

    fn fate(&self, number: u64) -> Fate {
        // Far from the seeds of the writers.
        let dice = StdRng::seed_from_u64(self.seed.wrapping_add(number * 1_000));
        Fate { dice, is_enough: self.is_enough.clone() }
    }
}

/// Draws one victim's moments.
struct Fate {
    dice: StdRng,
    is_enough: watch::Receiver<bool>,
}

impl Fate {
    /// Sleeps for a time in this range; false if it was enough meanwhile.
    async fn sleep(&mut self, range_ms: (u64, u64)) -> bool {
        let pause = Duration::from_millis(self.dice.random_range(range_ms.0..=range_ms.1));
        // The sender's end means enough as well.
        tokio::time::timeout(pause, self.is_enough.wait_for(|enough| *enough)).await.is_err()
    }
}

async fn outages<K: Kind>(server: &mut Daemon<K>, rhythm: &Rhythm, mut fate: Fate) -> Result<u32> {
    let mut count = 0;
    while fate.sleep(rhythm.well_ms).await {
        // Three of four as a power cut would.
        if fate.dice.random_range(0..4) == 0 {
            server.stop().await;
        } else {
            server.kill9();
        }
        count += 1;
        fate.sleep(rhythm.away_ms).await;
        server.restart().await.with_context(|| format!("start {} again", K::NAME))?;
    }
    Ok(count)
}

async fn bad_manners(customers: &mut Customers, rhythm: &Rhythm, mut fate: Fate) -> Result<u32> {
    let well = Manner::Between(1, 20);
    let mut count = 0;
    while fate.sleep(rhythm.well_ms).await {
        let customer = fate.dice.random_range(1..DEAD);
        let refuses = match fate.dice.random_range(0..4) {
            0 => Some(Manner::Dead),
            1 => Some(Manner::Fails(500)),
            2 => Some(Manner::Fails(503)),
            _ => None,
        };
        count += 1;
        match refuses {
            Some(manner) => customers.set_manner(customer, manner),
            None => customers.shut(customer).await?,
        }
        fate.sleep(rhythm.away_ms).await;
        match refuses {
            Some(_) => customers.set_manner(customer, well),
            None => customers.open_again(customer).await?,
        }
    }
    Ok(count)
}
