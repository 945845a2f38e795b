//! Everything that runs during the demo, built and started with visible progress.

use super::DemoOptions;
use super::cast::Cast;
use super::listener::Listener;
use crate::build;
use crate::ring::{Ring, RingOptions};
use crate::servers::PostgresOptions;
use anyhow::{Context, Result};
use std::path::PathBuf;
use tempfile::TempDir;

/// The customers' answering times are the same in every run.
const SEED: u64 = 7;

/// The ring, the second version of its guest, and who listens at the topic.
pub struct Stage {
    pub ring: Ring,
    pub listener: Option<Listener>,
    pub next_guest: PathBuf,
    pub guest_bytes: u64,
    _guests: TempDir,
}

impl Stage {
    pub async fn set(options: &DemoOptions, cast: &Cast) -> Result<Self> {
        let guests =
            tempfile::Builder::new().prefix("sluicegate-demo-").tempdir().context("make a folder for guests")?;
        let (first, next_guest) = (guests.path().join("first.wasm"), guests.path().join("second.wasm"));
        let binary = build::sluicegate(super::profile(options.release)).await?;
        build::guest("parcels", &[], &first).await?;
        build::guest("parcels", &["v2"], &next_guest).await?;
        let guest_bytes = std::fs::metadata(&first).context("look at the guest")?.len();
        eprintln!("starting PostgreSQL, {} customers and sluicegate ...", cast.manners().len());
        let mut ring = Ring::start(RingOptions {
            binary: &binary,
            guest: Some(&first),
            postgres: PostgresOptions { version: options.postgres, fsync: true, ..PostgresOptions::default() },
            manners: cast.manners().clone(),
            terms: &|customer| cast.terms(customer),
            seed: SEED,
        })
        .await?;
        let listener = if options.kafka { Some(Listener::join(&mut ring).await?) } else { None };
        Ok(Self { ring, listener, next_guest, guest_bytes, _guests: guests })
    }
}
