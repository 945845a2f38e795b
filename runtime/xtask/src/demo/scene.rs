//! A pipelines folder made for one run, and `sluicegate run` on it: stopped, killed and started again as the story wants.

use crate::build::{self, Profile, workspace};
use crate::host::Host;
use crate::servers::free_port;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The process and its folder. Fields are dropped in this order.
pub struct Scene {
    pub host: Host,
    place: TempDir,
}

/// What is built before servers are started, so that nothing waits for a compiler.
pub struct Built {
    binary: PathBuf,
    guest: Option<(&'static str, TempDir)>,
}

/// Builds the program, and the example guest of that name if the story has one.
pub async fn build(profile: Profile, guest: Option<&'static str>) -> Result<Built> {
    let binary = build::sluicegate(profile).await?;
    let guest = match guest {
        Some(name) => {
            let folder = tempfile::tempdir().context("make a folder for a guest")?;
            build::guest(name, &[], &folder.path().join("guest.wasm")).await?;
            Some((name, folder))
        }
        None => None,
    };
    Ok(Built { binary, guest })
}

impl Scene {
    /// Copies `pipelines/<pipeline>` beside a `sluicegate.toml` with these sources and targets, and starts the process. On
    /// return it is ready.
    pub async fn open(built: Built, pipeline: &str, shared: &str) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("sluicegate-demo-").tempdir().context("make a folder")?;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let folder = place.path().join("pipelines");
        copy_pipeline(pipeline, &folder)?;
        let shared = format!("[host]\nadmin = \"{admin}\"\nstate = \"state\"\n\n{shared}");
        std::fs::write(folder.join("sluicegate.toml"), shared).context("write sluicegate.toml")?;
        if let Some((name, built)) = &built.guest {
            let wasm = folder.join(pipeline).join(format!("{name}.wasm"));
            std::fs::copy(built.path().join("guest.wasm"), wasm).context("put the guest in place")?;
        }
        let mut host = Host::start(&built.binary, &folder, &admin, &place.path().join("log"))?;
        host.ready().await?;
        Ok(Self { host, place })
    }

    /// Starts the process again after its end, on the same folder.
    pub async fn start_again(&mut self) -> Result<()> {
        self.host.start_again()?;
        self.host.ready().await
    }

    /// Everything that the process has written: its log, and the files of its state.
    pub fn traces(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut traces = vec![read(self.place.path().join("log"))?];
        let mut folders = vec![self.place.path().join("pipelines/state")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    traces.push(read(path)?);
                }
            }
        }
        Ok(traces)
    }
}

/// Copies the TOML files of `pipelines/<name>` into the folder `to`.
pub fn copy_pipeline(name: &str, to: &Path) -> Result<()> {
    let from = workspace().join("pipelines").join(name);
    let to = to.join(name);
    std::fs::create_dir_all(&to).with_context(|| format!("make {}", to.display()))?;
    for entry in std::fs::read_dir(&from).with_context(|| format!("list {}", from.display()))?.flatten() {
        if entry.path().extension().is_some_and(|end| end == "toml") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).context("copy a pipeline")?;
        }
    }
    Ok(())
}

fn read(path: PathBuf) -> Result<(PathBuf, Vec<u8>)> {
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    Ok((path, bytes))
}
