//! A PostgreSQL with one table, the optimised program on one pipeline, and rows in bulk: what the benches of parking stand on.

use super::Bench;
use super::receiver::KEYS;
use crate::host::Host;
use crate::servers::{Postgres, PostgresOptions, free_port};
use anyhow::{Context, Result};
use std::path::Path;
use tempfile::TempDir;
use tokio_postgres::Client;

/// The columns in the order in which the receivers expect them.
const TABLE: &str = "CREATE TABLE load (id bigint PRIMARY KEY, parcel integer NOT NULL, payload text)";
/// What a checkpoint writes would be measured as well; autovacuum has no part in this.
const QUIET: [&str; 3] = ["max_wal_size = '8GB'", "checkpoint_timeout = '1h'", "autovacuum = off"];
/// Rows of one transaction, when they are written as fast as it goes.
const ROWS_EACH: u64 = 1_000;

/// Fields are dropped in this order: the process first, its folder last.
pub(super) struct Rig {
    pub host: Host,
    pub postgres: Postgres,
    client: Client,
    folder: TempDir,
    /// Of the last row.
    last: u64,
}

impl Rig {
    /// Starts everything; `pipeline` is the part of `pipeline.toml` below `tables`. On return the program is ready.
    pub(super) async fn start(bench: &Bench, pipeline: &str) -> Result<Self> {
        let conf = QUIET.map(str::to_owned).to_vec();
        let postgres = Postgres::start(PostgresOptions { version: None, fsync: true, conf }).await?;
        let client = postgres.connect().await?;
        client.batch_execute(TABLE).await.context("create the table")?;
        let folder = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir().context("make a folder")?;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let pipelines = folder.path().join("pipelines");
        std::fs::create_dir_all(pipelines.join("load")).context("make the pipeline's folder")?;
        let shared = format!(
            "[host]\nadmin = \"{admin}\"\nstate = \"state\"\n\n[source.erp]\nkind = \"postgres\"\nurl = \"{}\"\n",
            postgres.url()
        );
        std::fs::write(pipelines.join("sluicegate.toml"), shared).context("write sluicegate.toml")?;
        let text = format!("sources = [\"erp\"]\ntables = [\"public.load\"]\n\n{pipeline}");
        std::fs::write(pipelines.join("load/pipeline.toml"), text).context("write pipeline.toml")?;
        let mut host = Host::start(bench.binary(), &pipelines, &admin, &folder.path().join("log"))?;
        host.ready().await?;
        Ok(Self { host, postgres, client, folder, last: 0 })
    }

    /// Rows written so far; their ids are 1 and up.
    pub(super) fn rows(&self) -> u64 {
        self.last
    }

    /// Writes so many rows with a payload of so many bytes, in one transaction.
    pub(super) async fn write(&mut self, rows: u64, payload_len: usize) -> Result<()> {
        let (first, last) = (self.last + 1, self.last + rows);
        let insert = format!(
            "INSERT INTO load SELECT id, id % {KEYS}, repeat('x', {payload_len}) FROM generate_series({first}, {last}) id"
        );
        self.client.batch_execute(&insert).await.context("write rows")?;
        self.last = last;
        Ok(())
    }

    /// The same in many transactions.
    pub(super) async fn write_many(&mut self, rows: u64, payload_len: usize) -> Result<()> {
        let end = self.last + rows;
        while self.last < end {
            self.write(ROWS_EACH.min(end - self.last), payload_len).await?;
        }
        Ok(())
    }

    /// What the state takes of the disk.
    pub(super) fn state_bytes(&self) -> u64 {
        folder_bytes(&self.folder.path().join("pipelines/state"))
    }

    pub(super) async fn stop(mut self) {
        self.host.stop().await;
        self.postgres.stop().await;
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
