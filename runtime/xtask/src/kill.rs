//! `kill -9` at random moments, under load, and then the question: did everything arrive, in order?
//!
//! A writer moves parcels without pause. Again and again `sluicegate` is started, left alone for a random time (sometimes too
//! short to become ready) and killed with its whole process group. One customer hangs all the while, so that what is owed to it waits
//! on disk through every kill. At last the process may run until everything has arrived: to the others first, and to the one that hung
//! when it has come to itself.

use crate::audit::Audit;
use crate::customers::Manner;
use crate::host::{Host, LaneStatus};
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

const CUSTOMERS: u32 = 9;
/// This one takes every request and does not answer until the last kill is over.
const HANGING: u32 = 9;
const PARCELS: i32 = 72;
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
    /// What lay on disk for the hanging customer when the others had everything.
    pub parked: u64,
    pub audit: Audit,
    /// Where the last process logged, quoted when something is wrong.
    pub last_log_lines: String,
}

/// Runs the whole story. An error means that the run could not be made; a loss is in the report.
pub async fn run(options: KillOptions) -> Result<KillReport> {
    let manner = |customer| if customer == HANGING { Manner::Dead } else { Manner::Between(1, 20) };
    // The slot exists before the first change that is expected to arrive.
    let mut ring = Ring::start(RingOptions {
        binary: &options.binary,
        guest: options.guest.as_deref(),
        postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
        manners: (1..=CUSTOMERS).map(|customer| (customer, manner(customer))).collect(),
        terms: &|customer| Terms {
            timeout: Duration::from_secs(if customer == HANGING { 1 } else { 5 }),
            concurrency: 16,
        },
        seed: options.seed,
    })
    .await?;
    let enough = Arc::new(AtomicBool::new(false));
    let writer = Writer::connect(&ring.postgres, ring.record.clone()).await?;
    let writing = tokio::spawn(write_until(writer, enough.clone(), options.pause));
    let mut dice = StdRng::seed_from_u64(options.seed);
    let kills_when_ready = kill_again_and_again(&mut ring.host, options.kills, options.life_ms, &mut dice).await?;
    ring.host.ready().await?;
    enough.store(true, Relaxed);
    writing.await??;
    ring.wait_for_all(|customer| customer != HANGING, Instant::now() + SETTLE_LIMIT).await?;
    let lanes = ring.host.door().status().await?.lanes;
    let parked = lanes.iter().filter(|lane| is_of(lane, HANGING)).map(|lane| lane.parked).sum();
    ring.customers.set_manner(HANGING, Manner::Instant);
    ring.wait_for_all(|_| true, Instant::now() + SETTLE_LIMIT).await?;
    let (audit, last_log_lines) = (ring.record.audit(|_| true), ring.host.last_log_lines());
    ring.stop().await;
    Ok(KillReport { kills: options.kills, kills_when_ready, parked, audit, last_log_lines })
}

/// Whether this is the lane of that customer.
pub fn is_of(lane: &LaneStatus, customer: u32) -> bool {
    lane.target == "customers" && lane.member.as_ref().is_some_and(|member| *member == customer.to_string())
}

/// Kills the process so many times, each time after a life within `life_ms`; then it runs. How many kills met a process that
/// had become ready.
pub async fn kill_again_and_again(host: &mut Host, kills: u32, life_ms: (u64, u64), dice: &mut StdRng) -> Result<u32> {
    let mut kills_when_ready = 0;
    for _ in 0..kills {
        let life = Duration::from_millis(dice.random_range(life_ms.0..=life_ms.1));
        let born = Instant::now();
        if let Ok(ready) = tokio::time::timeout(life, host.ready()).await {
            ready?;
            kills_when_ready += 1;
            tokio::time::sleep(life.saturating_sub(born.elapsed())).await;
        }
        host.check_alive()?;
        host.kill9();
        host.start_again()?;
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
