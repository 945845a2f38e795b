//! `cargo xtask torture`: kills under load, and what came of it.

use crate::build::{self, Profile};
use crate::kill::{KillOptions, run as kill};
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct TortureOptions {
    /// How many kills
    #[arg(long, value_name = "N", default_value_t = 50)]
    kills: u32,
    /// Other moments; the same seed kills after the same times
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Kill the optimised binary
    #[arg(long)]
    release: bool,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs it. An error when anything was lost, renamed or out of order.
pub async fn run(options: TortureOptions) -> Result<()> {
    let place = tempfile::tempdir().context("make a folder for the guest")?;
    let guest = place.path().join("parcels.wasm");
    let binary = build::sluicegate(if options.release { Profile::Release } else { Profile::Dev }).await?;
    build::guest("parcels", &[], &guest).await?;
    eprintln!("killing {} times, seed {} ...", options.kills, options.seed);
    let report = kill(KillOptions {
        binary,
        guest: Some(guest),
        kills: options.kills,
        pause: Duration::from_millis(3),
        life_ms: (5, 1_500),
        seed: options.seed,
    })
    .await?;
    let audit = &report.audit;
    if options.json {
        let line = serde_json::json!({
            "torture": "postgres to http",
            "kills": report.kills,
            "changes": audit.changes,
            "lost": audit.lost,
            "doubled": audit.doubled,
            "out_of_order": audit.out_of_order,
        });
        println!("{line}");
    } else {
        println!("{} kills, {} of them of a process that was ready: {audit}", report.kills, report.kills_when_ready);
    }
    if !audit.is_clean() {
        bail!("the promise was broken: {audit}; sluicegate's log ends:\n{}", report.last_log_lines);
    }
    Ok(())
}
