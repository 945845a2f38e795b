//! `cargo xtask simulate`: the ring in memory, as many journeys as wanted, or one of them again.

use crate::build::cargo;
use anyhow::{Context, Result, bail};

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateOptions {
    /// Journeys, one seed each
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    seeds: u64,
    /// One journey only, and what happened in it
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    seed: Option<u64>,
}

/// Runs them. An error when a journey broke a promise; the command that repeats it was printed then.
pub async fn run(SimulateOptions { seeds, seed }: SimulateOptions) -> Result<()> {
    let mut command = tokio::process::Command::from(cargo());
    // All of the workspace, so that nothing is compiled twice with other features.
    command.args(["test", "--workspace", "--test", "simulation", "journeys", "--", "--nocapture"]);
    match seed {
        Some(seed) => command.env("SLUICEGATE_SEED", seed.to_string()),
        None => command.env("SLUICEGATE_SEEDS", seeds.to_string()),
    };
    let status = command.kill_on_drop(true).status().await.context("run cargo")?;
    if !status.success() {
        bail!("a promise was broken, or it could not be built; see above");
    }
    Ok(())
}
