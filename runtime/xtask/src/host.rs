//! The `sluicegate` binary, run as a user would run it: `sluicegate run DIR`, watched over HTTP.

use crate::process::Process;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::Deserialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// From start to a green `/ready`: slot and publication are made, the guest is compiled.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// The process drains for at most 10 s before it stops.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// One look at `/ready` or `/status`.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How many of its last log lines a failure quotes.
const LOG_LINES: usize = 12;

/// A running `sluicegate run`; stopped on drop.
pub struct Host {
    process: Process,
    binary: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    door: Door,
}

/// Its admin address; may be asked from other tasks, and outlives the process.
#[derive(Clone)]
pub struct Door {
    admin: String,
    client: reqwest::Client,
}

/// The part of `/status` that we rely on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    pub sources: Vec<SourceStatus>,
    pub guests: Vec<GuestStatus>,
    pub lanes: Vec<LaneStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    pub name: String,
    pub state: String,
    pub lag_bytes: Option<u64>,
    /// Age of the oldest batch that is not delivered everywhere, nor on disk.
    pub lag_ms: u64,
    pub rows_total: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GuestStatus {
    pub file: String,
    pub generation: Option<String>,
    pub state: String,
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LaneStatus {
    pub target: String,
    pub member: Option<String>,
    pub state: String,
    pub in_flight: u64,
    pub waiting: u64,
    /// What waits on disk.
    pub parked: u64,
    pub delivered_total: u64,
    /// Messages that went to disk since the start.
    pub parked_total: u64,
    pub dead_total: u64,
}

impl Host {
    /// Starts `binary run folder`. Its log goes to the file `log`, at the end of what is there.
    pub fn start(binary: &Path, folder: &Path, admin: &str, log: &Path) -> Result<Self> {
        install_tls();
        let process = spawn(binary, folder, log)?;
        let client = reqwest::Client::builder().timeout(LOOK_LIMIT).build().context("make an HTTP client")?;
        let door = Door { admin: admin.to_owned(), client };
        Ok(Self { process, binary: binary.to_owned(), folder: folder.to_owned(), log: log.to_owned(), door })
    }

    /// Starts it again after its end, on the same folder.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.binary, &self.folder, &self.log)?;
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until `/ready` is green.
    pub async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            self.check_alive()?;
            if self.door.is_ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("sluicegate was not ready after {} s:\n{}", READY_LIMIT.as_secs(), self.last_log_lines());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An error with its last words when the process has ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.process.ended() {
            None => Ok(()),
            Some(how) => bail!("sluicegate ended by itself ({how}):\n{}", self.last_log_lines()),
        }
    }

    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Ends it as an operator would, and waits for its drain.
    pub async fn stop(&mut self) {
        self.process.stop(&[(Signal::SIGTERM, STOP_LIMIT)]).await;
    }

    /// No farewell.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Resident memory in bytes; `None` where the system has no `/proc`.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
    }

    /// Processor time that it has used so far, in seconds; `None` where the system has no `/proc`.
    pub fn processor_s(&self) -> Option<f64> {
        // The kernel's unit for programs, on every system of today (proc(5), sysconf(3)).
        const TICKS_PER_S: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        // Behind the name, which may hold anything, user time and system time are the twelfth and the thirteenth.
        let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Some(ticks.sum::<Result<f64, _>>().ok()? / TICKS_PER_S)
    }

    pub fn last_log_lines(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

fn spawn(binary: &Path, folder: &Path, log: &Path) -> Result<Process> {
    let output = File::options().create(true).append(true).open(log).context("open the log of sluicegate")?;
    let mut command = Command::new(binary);
    command.arg("run").arg(folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    Process::spawn("sluicegate", command, (Signal::SIGTERM, Duration::from_secs(2)))
}

impl Door {
    async fn is_ready(&self) -> bool {
        let asked = self.client.get(format!("http://{}/ready", self.admin)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    pub async fn status(&self) -> Result<Status> {
        let answer = self.client.get(format!("http://{}/status", self.admin)).send().await.context("ask /status")?;
        answer.error_for_status().context("ask /status")?.json().await.context("read /status")
    }

    /// The generation of the first guest, as `/status` names it.
    pub async fn generation(&self) -> Result<String> {
        let status = self.status().await?;
        let guest = status.guests.first().context("/status lists no guest")?;
        guest.generation.clone().with_context(|| {
            let reason = guest.last_error.as_deref().unwrap_or("it gave no reason");
            format!("no guest is running, state {}: {reason}", guest.state)
        })
    }
}

/// The HTTP client wants to know once per process whose cryptography it uses, even where it will not use any.
pub fn install_tls() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
