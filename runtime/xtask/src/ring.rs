//! The whole ring of story 1 at once: PostgreSQL, the `sluicegate` process, customers, and a writer.

use crate::audit::Record;
use crate::customers::{Customers, Manner};
use crate::host::Host;
use crate::parcels::{Folder, Terms, Writer, create_table};
use crate::servers::{Postgres, PostgresOptions};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
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
    binary: PathBuf,
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
        let binary = options.binary.to_owned();
        Ok(Self { host, writer, record, folder, customers, postgres, binary, place })
    }

    /// Starts the process again after its end, on the same folder.
    pub fn start_host_again(&mut self) -> Result<()> {
        self.host = Host::start(&self.binary, self.folder.path(), &self.folder.admin, &self.place.path().join("log"))?;
        Ok(())
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
