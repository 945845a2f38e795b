//! A pipelines folder, the program that runs it, and what tests ask of both. Servers are the test's own.

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::host::{Host, Status};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

pub struct House {
    folder: TempDir,
    admin: String,
    host: Option<Host>,
}

impl House {
    /// `shared` is the rest of `sluicegate.toml`.
    pub fn new(shared: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluicegate-roads-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let admin = format!("127.0.0.1:{port}");
        std::fs::create_dir(folder.path().join("pipelines"))?;
        let text = format!("[host]\nadmin = \"{admin}\"\nstate = \"state\"\n\n{shared}");
        std::fs::write(folder.path().join("pipelines/sluicegate.toml"), text)?;
        Ok(Self { folder, admin, host: None })
    }

    /// Adds a pipeline.
    pub fn pipeline(self, name: &str, text: &str) -> Result<Self> {
        let place = self.pipelines().join(name);
        std::fs::create_dir(&place)?;
        std::fs::write(place.join("pipeline.toml"), text)?;
        Ok(self)
    }

    fn pipelines(&self) -> PathBuf {
        self.folder.path().join("pipelines")
    }

    /// Starts the program and waits until it is ready.
    pub async fn start(&mut self) -> Result<()> {
        let binary = Path::new(env!("CARGO_BIN_EXE_sluicegate"));
        let host = Host::start(binary, &self.pipelines(), &self.admin, &self.folder.path().join("log"))?;
        self.host.insert(host).ready().await
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().expect("the program runs")
    }

    pub async fn stop(&mut self) {
        self.host().stop().await;
    }

    pub fn kill9(&mut self) {
        self.host().kill9();
    }

    pub async fn status(&mut self) -> Result<Status> {
        self.host().door().status().await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until it is so.
    pub async fn until(&mut self, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await.with_context(|| format!("while waiting: {what}"))? {
            self.host().check_alive()?;
            if Instant::now() > deadline {
                let status = self.status().await;
                bail!("never: {what}\n{status:?}\n{}", self.log());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
