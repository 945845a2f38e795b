//! `kill -9` at random moments, under load, and then the question: did everything arrive, in order?
//!
//! A writer moves parcels without pause. Again and again `sluicegate` is started, left alone for a random time (sometimes too
//! short to become ready) and killed with its whole process group. At last it may run until everything has arrived.

use crate::audit::Audit;
use crate::customers::Manner;
use crate::parcels::{Step, Terms, Writer};
use crate::ring::{Ring, RingOptions};
use crate::servers::PostgresOptions;
use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const CUSTOMERS: u32 = 8;
const PARCELS: i32 = 64;
/// After the last kill everything must have arrived by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// What to kill, how often.
#[derive(Clone, Debug)]
pub struct KillOptions {
    /// The `sluicegate` binary.
    pub binary: PathBuf,
    /// The guest of the parcels pipeline; none means that rows pass as they are.
    pub guest: Option<PathBuf>,
    pub kills: u32,
    /// Pause of the writer between two changes.
    pub pause: Duration,
    /// A process lives for a random time in this range, in milliseconds, counted from its start.
    pub life_ms: (u64, u64),
    /// Repeats the same moments.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct KillReport {
    pub kills: u32,
    /// Of those, kills of a process that had been ready.
    pub kills_when_ready: u32,
    pub audit: Audit,
    /// Where the last process logged, quoted when something is wrong.
    pub last_log_lines: String,
}

/// Runs the whole story. An error means that the run could not be made; a loss is in the report.
pub async fn run(options: KillOptions) -> Result<KillReport> {
    // The slot exists before the first change that is expected to arrive.
    let mut ring = Ring::start(RingOptions {
        binary: &options.binary,
        guest: options.guest.as_deref(),
        postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
        manners: (1..=CUSTOMERS).map(|customer| (customer, Manner::Between(1, 20))).collect(),
        terms: &|_| Terms { timeout: Duration::from_secs(5), concurrency: 16 },
        seed: options.seed,
    })
    .await?;
    let enough = Arc::new(AtomicBool::new(false));
    let writer = Writer::connect(&ring.postgres, ring.record.clone()).await?;
    let writing = tokio::spawn(write_until(writer, enough.clone(), options.pause));
    let kills_when_ready = kill_again_and_again(&mut ring, &options).await?;
    ring.host.ready().await?;
    enough.store(true, Relaxed);
    writing.await??;
    ring.wait_for_all(|_| true, Instant::now() + SETTLE_LIMIT).await?;
    let (audit, last_log_lines) = (ring.record.audit(|_| true), ring.host.last_log_lines());
    ring.stop().await;
    Ok(KillReport { kills: options.kills, kills_when_ready, audit, last_log_lines })
}

async fn kill_again_and_again(ring: &mut Ring, options: &KillOptions) -> Result<u32> {
    let mut dice = StdRng::seed_from_u64(options.seed);
    let mut kills_when_ready = 0;
    for _ in 0..options.kills {
        let life = Duration::from_millis(dice.random_range(options.life_ms.0..=options.life_ms.1));
        let born = Instant::now();
        if let Ok(ready) = tokio::time::timeout(life, ring.host.ready()).await {
            ready?;
            kills_when_ready += 1;
            tokio::time::sleep(life.saturating_sub(born.elapsed())).await;
        }
        ring.host.check_alive()?;
        ring.host.kill9();
        ring.start_host_again()?;
    }
    Ok(kills_when_ready)
}

async fn write_until(mut writer: Writer, enough: Arc<AtomicBool>, pause: Duration) -> Result<()> {
    let mut dice = StdRng::seed_from_u64(1);
    while !enough.load(Relaxed) {
        let parcel = dice.random_range(0..PARCELS);
        let customer = parcel.unsigned_abs() % CUSTOMERS + 1;
        writer.write(customer, parcel, Step::InTransit).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
