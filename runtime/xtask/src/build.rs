//! Builds what a command needs, with visible progress: the `sluicegate` binary and the example guests.

use crate::process::Process;
use crate::toolchain::{GuestCrate, TARGET, Toolchain};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// From nothing on two slow cores; everything beyond is a hang.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
/// How often a build that draws nothing itself says that it still lives.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How many lines a failed build may print when its output was not shown.
const FAILURE_LINES: usize = 60;

/// The two profiles that we use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    Dev,
    Release,
}

/// The root of the workspace that this program was built from.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("xtask lies two folders deep")
}

/// `cargo`, the one that runs us where there is one.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).stdin(Stdio::null());
    // Set by the cargo that runs us, about our own package; a build script of another one must not see them.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CARGO_PKG_")) {
        command.env_remove(name);
    }
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command
}

fn target_folder() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    chosen.map_or_else(|| workspace().join("target"), |folder| workspace().join(folder))
}

/// Builds the `sluicegate` binary and returns its path.
pub async fn sluicegate(profile: Profile) -> Result<PathBuf> {
    let mut command = cargo();
    // With the features that the whole workspace asks for, so that tests and demo share what is compiled.
    command.args(["build", "--workspace", "--bin", "sluicegate"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    step("sluicegate", command).await?;
    let folder = if profile == Profile::Release { "release" } else { "debug" };
    Ok(target_folder().join(folder).join("sluicegate"))
}

/// Builds `guests/<name>` to WebAssembly, with `features`, and copies the result to `place`.
pub async fn guest(name: &str, features: &[&str], place: &Path) -> Result<()> {
    let folder = workspace().join("guests").join(name);
    let toolchain = Toolchain::find(&folder, TARGET, |doing| eprintln!("{doing} ..."))?;
    let guest = GuestCrate::look(&folder, Some(&target_folder().join("guests"))).map_err(anyhow::Error::msg)?;
    let label = if features.is_empty() { name.to_owned() } else { format!("{name} ({})", features.join(", ")) };
    step(&format!("guest {label}"), guest.build(toolchain, TARGET, features)).await?;
    let built = guest.module(TARGET);
    std::fs::copy(&built, place).with_context(|| format!("copy {}", built.display()))?;
    Ok(())
}

/// Runs one build step. On a terminal it draws its own progress; elsewhere we say when it began, that it lives, and when it ended.
async fn step(label: &str, mut command: Command) -> Result<()> {
    let begun = Instant::now();
    let shown = std::io::stderr().is_terminal();
    let output = tempfile::NamedTempFile::new().context("make a file for the build's output")?;
    if !shown {
        let file = File::options().append(true).open(output.path()).context("open the build's output")?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    eprintln!("building {label} ...");
    let mut process = Process::spawn("the build", command, (Signal::SIGTERM, Duration::from_secs(2)))?;
    let status = wait_with_heartbeat(label, &mut process, begun).await?;
    if !status.success() {
        let text = std::fs::read_to_string(output.path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("{}", lines[lines.len().saturating_sub(FAILURE_LINES)..].join("\n"));
        bail!("building {label} failed ({status})");
    }
    eprintln!("built {label} in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn wait_with_heartbeat(label: &str, process: &mut Process, begun: Instant) -> Result<ExitStatus> {
    while begun.elapsed() < BUILD_LIMIT {
        if let Some(status) = process.wait(HEARTBEAT).await {
            return Ok(status);
        }
        eprintln!("building {label}, {:.0} s so far (the first time takes minutes)", begun.elapsed().as_secs_f64());
    }
    bail!("building {label} took more than {} minutes", BUILD_LIMIT.as_secs() / 60)
}
