//! Programs that run to their end on the way to a server or a guest: they fetch, unpack, initialise, build.

use crate::process::Process;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs::File;
use std::process::Command;
use std::time::Duration;

/// How long an interrupted program has to tidy up.
const FAREWELL: (Signal, Duration) = (Signal::SIGTERM, Duration::from_secs(2));
/// How much of a failed program's output is quoted.
const LAST_LINES: usize = 8;

/// Runs `command` to its end and returns what it printed. An error quotes its last lines.
pub(crate) async fn run(name: &'static str, mut command: Command, limit: Duration) -> Result<String> {
    let output = tempfile::NamedTempFile::new().context("make a file for a program's output")?;
    let file = File::options().append(true).open(output.path()).context("open the file for a program's output")?;
    command.stdout(file.try_clone()?).stderr(file);
    let mut process = Process::spawn(name, command, FAREWELL)?;
    let ended = process.wait(limit).await;
    let printed = std::fs::read(output.path()).context("read a program's output")?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ");
    match ended {
        Some(status) if status.success() => Ok(printed),
        Some(status) => bail!("{name} failed ({status}): {last}"),
        None => bail!("{name} took more than {} s: {last}", limit.as_secs()),
    }
}
