//! `cargo xtask torture`: everything that can be killed is killed under load, and then the receivers are asked what they have.
//!
//! ```text
//!   parcels    PostgreSQL ─▶ ┌────────────┐ ─▶ eight customers, and one who is dead until the end
//!   items      PostgreSQL ─▶ │ sluicegate │ ─▶ Redis, as a cache and as a stream
//!   items      MariaDB ────▶ └────────────┘ ─▶ Kafka
//!
//!   yard      what stands there: servers, customers, the process
//!   load      who writes, and goes on writing after a database came back
//!   faults    who is killed, hangs, refuses, and comes back
//!   verdict   lost, doubled, out of order, road by road
//! ```

mod faults;
mod load;
mod verdict;
mod yard;

use crate::build::{self, Profile};
use crate::kill::{is_of, kill_again_and_again};
use anyhow::{Context, Result, bail};
use faults::Faults;
use load::Load;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use verdict::Verdict;
use yard::{DEAD, Yard};

/// A process lives for a random time in this range, counted from its start: many end before they are ready.
const LIFE_MS: (u64, u64) = (5, 8_000);
/// After the last kill and the last repair everything must have arrived by then. A breaker looks once a minute.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct TortureOptions {
    /// How often sluicegate is killed
    #[arg(long, value_name = "N", default_value_t = 50)]
    kills: u32,
    /// Other moments; the same seed kills after the same times
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Kill the optimised binary
    #[arg(long)]
    release: bool,
    /// One JSON object per road on standard output
    #[arg(long)]
    json: bool,
}

/// Runs it. An error when anything was lost, renamed or out of order.
pub async fn run(options: TortureOptions) -> Result<()> {
    let place = tempfile::tempdir().context("make a folder for the guest")?;
    let guest = place.path().join("parcels.wasm");
    let binary = build::sluicegate(if options.release { Profile::Release } else { Profile::Dev }).await?;
    build::guest("parcels", &[], &guest).await?;
    let mut yard = Yard::open(&binary, &guest, options.seed).await?;
    eprintln!("killing sluicegate {} times, and all around it; seed {} ...", options.kills, options.seed);
    let begun = Instant::now();
    let outcome = torture(&mut yard, &options).await;
    let verdicts = match outcome {
        Ok(verdicts) => verdicts,
        Err(failure) => return Err(failure.context(yard.keep_traces())),
    };
    eprintln!("took {:.0} s", begun.elapsed().as_secs_f64());
    for verdict in &verdicts {
        if options.json {
            println!("{}", serde_json::to_string(verdict).context("write a verdict")?);
        } else {
            println!("{verdict}");
        }
    }
    if !verdicts.iter().all(Verdict::is_clean) {
        bail!("the promise was broken; {}", yard.keep_traces());
    }
    yard.close().await;
    Ok(())
}

async fn torture(yard: &mut Yard, options: &TortureOptions) -> Result<Vec<Verdict>> {
    let (enough, is_enough) = watch::channel(false);
    let load = Load::start(yard, options.seed, is_enough.clone()).await?;
    let mut dice = StdRng::seed_from_u64(options.seed);
    let mut faults = Faults::new(options.seed, is_enough);
    let (host, victims) = yard.victims();
    let killing = async {
        let killed = kill_again_and_again(host, options.kills, LIFE_MS, &mut dice).await;
        // Whoever is away comes back now.
        enough.send_replace(true);
        killed
    };
    let (when_ready, ()) = tokio::try_join!(killing, faults.rage(victims))?;
    let written = load.end().await?;
    eprintln!("{} kills of sluicegate, {when_ready} of them of a process that was ready; {faults}", options.kills);
    yard.ring.host.ready().await?;
    yard.ring.wait_for_all(|customer| customer != DEAD, Instant::now() + SETTLE_LIMIT).await?;
    let lanes = yard.ring.host.door().status().await?.lanes;
    let parked: u64 = lanes.iter().filter(|lane| is_of(lane, DEAD)).map(|lane| lane.parked).sum();
    eprintln!("{parked} messages are on disk for the dead customer, who comes back now");
    yard.revive_the_dead();
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let verdicts = verdict::of_all(yard, &written, options.kills).await;
        let is_all_there = verdicts.as_ref().is_ok_and(|verdicts| verdicts.iter().all(|verdict| verdict.lost == 0));
        if is_all_there || Instant::now() >= deadline {
            return verdicts;
        }
        // A receiver that does not answer at once is asked again, too: an hour of kills is not to end without a verdict.
        yard.ring.host.check_alive()?;
        tokio::time::sleep(LOOK).await;
    }
}
