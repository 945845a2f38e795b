//! The whole ring of story 1 at once: PostgreSQL, the `sluicegate` process, customers, and a writer.

use crate::audit::Record;
use crate::customers::{Customers, Manner};
use crate::host::Host;
use crate::parcels::{Folder, Terms, Writer, create_table};
use crate::servers::{Postgres, PostgresOptions};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the record is looked at while waiting.
const LOOK: Duration = Duration::from_millis(20);

/// What to start.
pub struct RingOptions<'a> {
    /// The `sluicegate` binary.
    pub binary: &'a Path,
    /// The guest; without one the rows pass as they are.
    pub guest: Option<&'a Path>,
    pub postgres: PostgresOptions,
    pub manners: BTreeMap<u32, Manner>,
    pub terms: &'a dyn Fn(u32) -> Terms,
    /// Draws the customers' answering times.
    pub seed: u64,
}

/// What runs. Fields are dropped in this order: the process first, its folder last.
pub struct Ring {
    pub host: Host,
    pub writer: Writer,
    pub record: Arc<Record>,
    pub folder: Folder,
    pub customers: Customers,
    pub postgres: Postgres,
    /// Of the pipelines and the log.
    place: TempDir,
}

impl Ring {
    /// Starts everything; on return the slot exists and the guest runs.
    pub async fn start(options: RingOptions<'_>) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("sluicegate-ring-").tempdir().context("make a folder")?;
        let postgres = Postgres::start(options.postgres).await?;
        create_table(&postgres.connect().await?).await?;
        let record = Arc::new(Record::default());
        let customers = Customers::open(options.manners, record.clone(), options.seed).await?;
        let folder = Folder::write(&place.path().join("pipelines"), &postgres.url(), &customers, options.terms)?;
        if let Some(guest) = options.guest {
            folder.put_guest(guest)?;
        }
        let mut host = Host::start(options.binary, folder.path(), &folder.admin, &place.path().join("log"))?;
        host.ready().await?;
        let writer = Writer::connect(&postgres, record.clone()).await?;
        Ok(Self { host, writer, record, folder, customers, postgres, place })
    }

    /// Adds sources and targets to `sluicegate.toml`, and starts the process again: on them, and on what the caller has put
    /// beside the customers' pipeline. On return it is ready.
    pub async fn extend(&mut self, shared: &str) -> Result<()> {
        self.host.stop().await;
        let file = File::options().append(true).open(self.folder.path().join("sluicegate.toml"));
        file.and_then(|mut file| write!(file, "\n{shared}")).context("add to sluicegate.toml")?;
        self.host.start_again()?;
        self.host.ready().await
    }

    /// Everything that the process has logged.
    pub fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    /// Waits until all changes of customers that `counts` were answered, at most until `deadline`. An error when the
    /// process ends meanwhile.
    pub async fn wait_for_all(&mut self, counts: impl Fn(u32) -> bool, deadline: Instant) -> Result<()> {
        while self.record.missing(&counts) > 0 && Instant::now() < deadline {
            self.host.check_alive()?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Stops everything in order.
    pub async fn stop(mut self) {
        self.host.stop().await;
        self.postgres.stop().await;
    }
}
