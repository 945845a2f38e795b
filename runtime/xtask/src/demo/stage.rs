//! Everything that runs during the demo, built and started in order, and taken down in order.

use super::DemoOptions;
use super::cast::Cast;
use crate::audit::Record;
use crate::build::{self, Profile};
use crate::customers::Customers;
use crate::host::Host;
use crate::parcels::{Folder, Writer, create_table};
use crate::servers::{Postgres, PostgresOptions};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The customers' answering times are the same in every run.
const SEED: u64 = 7;

/// What runs. Fields are dropped in this order: the host first, the folder last.
pub struct Stage {
    pub host: Host,
    pub writer: Writer,
    pub record: Arc<Record>,
    pub folder: Folder,
    pub postgres: Postgres,
    /// The second version of the guest.
    pub next_guest: PathBuf,
    pub guest_bytes: u64,
    _customers: Customers,
    _place: TempDir,
}

impl Stage {
    pub async fn set(options: &DemoOptions, cast: &Cast) -> Result<Self> {
        let place =
            tempfile::Builder::new().prefix("sluicegate-demo-").tempdir().context("make a folder for the demo")?;
        let (first, second) = (place.path().join("first.wasm"), place.path().join("second.wasm"));
        let profile = if options.release { Profile::Release } else { Profile::Dev };
        let binary = build::sluicegate(profile).await?;
        build::guest("parcels", &[], &first).await?;
        build::guest("parcels", &["v2"], &second).await?;

        let wanted = PostgresOptions { version: options.postgres, fsync: true, ..PostgresOptions::default() };
        let postgres = Postgres::start(wanted).await?;
        eprintln!("started PostgreSQL {} on port {}", postgres.version(), postgres.port());
        create_table(&postgres.connect().await?).await?;
        let record = Arc::new(Record::default());
        let customers = Customers::open(cast.manners().clone(), record.clone(), SEED).await?;
        let pipelines = place.path().join("pipelines");
        let folder = Folder::write(&pipelines, &postgres.url(), &customers, |customer| cast.terms(customer))?;
        folder.put_guest(&first)?;
        let host = start_host(&binary, &folder, place.path()).await?;
        let writer = Writer::connect(&postgres, record.clone()).await?;
        let guest_bytes = std::fs::metadata(&first).context("look at the guest")?.len();
        let next_guest = second;
        Ok(Self {
            host,
            writer,
            record,
            folder,
            postgres,
            next_guest,
            guest_bytes,
            _customers: customers,
            _place: place,
        })
    }

    /// Stops everything in order.
    pub async fn strike(mut self) {
        self.host.stop().await;
        self.postgres.stop().await;
    }
}

async fn start_host(binary: &Path, folder: &Folder, place: &Path) -> Result<Host> {
    let mut host = Host::start(binary, folder.path(), &folder.admin, &place.join("log"))?;
    host.ready().await?;
    eprintln!("started sluicegate, console http://{}", folder.admin);
    Ok(host)
}
