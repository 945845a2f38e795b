//! From the core module that cargo makes to a component, in a process of its own.
//!
//! ```text
//!   parent ── module ──▶ stdin  [sluicegate __componentize]  stdout ── component ──▶ parent
//! ```
//!
//! Of 294 truncated modules 271 made the encoder panic, and some flipped bits abort the whole process. In a child that is an
//! exit status. The child has a limit of memory, of time and of output, and an empty environment.

use super::GuestError;
use super::error::clip;
use super::limits::MODULE_BYTES_MAX;
use rustix::process::{Resource, Rlimit};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use wit_component::ComponentEncoder;

/// The hidden argument of our own binary.
pub const COMPONENTIZE_VERB: &str = "__componentize";

/// A Rust guest takes 2 ms, one of 18 MB half a second.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Address space of the child: the module several times over, and this program.
const CHILD_BYTES_MAX: u64 = 2 << 30;
/// What the child may answer: the module and its wrapping.
const COMPONENT_BYTES_MAX: u64 = MODULE_BYTES_MAX + (4 << 20);
/// What is kept of a child's last words.
const STDERR_BYTES_MAX: u64 = 16 << 10;
/// How often the parent looks whether the child is done; its pipes are read on threads meanwhile.
const POLL: Duration = Duration::from_millis(1);

/// The program to start as `PROGRAM __componentize`: this one, also after its file was replaced by an upgrade.
pub fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}

/// The child: a module on standard input becomes a component on standard output.
pub fn componentize_main() -> ExitCode {
    for (resource, most) in
        [(Resource::As, CHILD_BYTES_MAX), (Resource::Core, 0), (Resource::Cpu, TIME_LIMIT.as_secs() + 1)]
    {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        if rustix::process::setrlimit(resource, limit).is_err() {
            // A lower limit is in force already, or the system knows none; the parent's clock remains.
            continue;
        }
    }
    let mut module = Vec::new();
    if let Err(error) = std::io::stdin().lock().take(MODULE_BYTES_MAX).read_to_end(&mut module) {
        return failed(&error.to_string());
    }
    let component = ComponentEncoder::default().validate(true).module(&module).and_then(|mut encoder| encoder.encode());
    match component {
        Ok(component) => match std::io::stdout().lock().write_all(&component) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        },
        Err(error) => failed(&format!("{error:#}")),
    }
}

fn failed(reason: &str) -> ExitCode {
    // Standard error may be closed already; the exit code says enough then.
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::FAILURE
}

/// Makes a component of a core module. Blocks for at most 10 seconds.
pub(super) fn componentize(program: &Path, module: &[u8]) -> Result<Vec<u8>, GuestError> {
    let mut child = Command::new(program)
        .arg(COMPONENTIZE_VERB)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| GuestError::Child { reason: format!("{}: {e}", program.display()) })?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        end(&mut child);
        return Err(GuestError::Child { reason: "its pipes are missing".into() });
    };
    let (status, output, words) = thread::scope(|scope| {
        scope.spawn(move || {
            // A child that died early has closed its end: its status tells the story.
            let _ = stdin.write_all(module);
        });
        let output = scope.spawn(move || bounded(stdout, COMPONENT_BYTES_MAX));
        let words = scope.spawn(move || bounded(stderr, STDERR_BYTES_MAX));
        let status = wait(&mut child);
        (status, output.join().unwrap_or_default(), words.join().unwrap_or_default())
    });
    let status = status?;
    if !status.success() {
        return Err(GuestError::Componentize { reason: last_words(status, &words) });
    }
    if output.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(GuestError::Componentize {
            reason: format!("the result has more than {COMPONENT_BYTES_MAX} bytes"),
        });
    }
    Ok(output)
}

/// Everything up to one byte more than the limit; then the pipe is closed, and its writer ends by itself.
fn bounded(pipe: impl Read, limit_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could not be read is missing at the end, where validation notices.
    let _ = pipe.take(limit_bytes + 1).read_to_end(&mut bytes);
    bytes
}

fn wait(child: &mut Child) -> Result<ExitStatus, GuestError> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if began.elapsed() < TIME_LIMIT => thread::sleep(POLL),
            Ok(None) => {
                end(child);
                return Err(GuestError::Componentize {
                    reason: format!("it takes longer than {} s", TIME_LIMIT.as_secs()),
                });
            }
            Err(error) => {
                end(child);
                return Err(GuestError::Child { reason: error.to_string() });
            }
        }
    }
}

/// Ends the child and takes its status, so that no zombie stays.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn last_words(status: ExitStatus, words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let reason = words.lines().find(|line| {
        let line = line.trim();
        // A panic says where it was first, and why in the next line.
        !line.is_empty() && !line.starts_with("thread '")
    });
    match (status.signal(), reason) {
        (Some(signal), _) => format!("reading it ended with signal {signal}, so it is damaged"),
        (None, Some(reason)) => clip(reason.trim(), 300),
        (None, None) => format!("reading it ended with {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_is_no_componentizer_gives_a_sentence() {
        for program in ["/nonexistent/program", "/bin/false"] {
            let error = componentize(Path::new(program), b"\0asm").expect_err("no component comes of it");
            assert!(error.to_string().len() > 20, "{error}");
        }
    }

    #[test]
    fn child_that_floods_us_is_cut_off() {
        // `yes __componentize` writes without end and reads nothing.
        let error = componentize(Path::new("/usr/bin/yes"), b"\0asm").expect_err("no component comes of it");
        assert!(matches!(error, GuestError::Componentize { .. }), "{error}");
    }
}
