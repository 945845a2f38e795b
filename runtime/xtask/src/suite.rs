//! `cargo xtask test`: everything that CI runs, in the order in which mistakes are cheapest to find.
//!
//! A failed step does not end the run: one run shows all that is wrong. The last line is `N passed, N failed`, counting each
//! test of the test runner and each other step as one. What a test could not try here, it says why, and that counts as nothing.

use crate::build::{self, cargo, workspace};
use crate::conform::{self, ConformOptions};
use crate::process::Process;
use crate::servers::{Installation, POSTGRES_VERSIONS};
use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::Command;
use std::time::{Duration, Instant};

/// Everything from nothing takes less on two cores.
const STEP_LIMIT: Duration = Duration::from_secs(35 * 60);
/// From the end of a step to the end of its output.
const OUTPUT_LIMIT: Duration = Duration::from_secs(20);
/// Of one step in the summary; all of them are in its output.
const SHOWN_REASONS: usize = 20;
/// The oldest server is tried in every run, beside the newest.
const OLDEST: u32 = POSTGRES_VERSIONS[0];
const NEWEST: u32 = POSTGRES_VERSIONS[POSTGRES_VERSIONS.len() - 1];

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct SuiteOptions {
    /// Formatting, clippy and what needs no server
    #[arg(long, conflicts_with = "all")]
    pub quick: bool,
    /// Every PostgreSQL version instead of the oldest and the newest
    #[arg(long)]
    pub all: bool,
}

/// The results so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// What was not tried, and why.
    skipped: Vec<String>,
    steps: Vec<Outcome>,
}

struct Outcome {
    label: String,
    took: Duration,
    passed: u64,
    failed: u64,
    /// What failed, as far as the step named it: tests, or its own error.
    reasons: Vec<String>,
}

/// Runs all steps. An error when any of them failed.
pub async fn run(options: SuiteOptions) -> Result<()> {
    let mut tally = Tally::default();
    check_style(&mut tally).await;
    check_guests(&mut tally).await?;
    check_pipelines(&mut tally).await;
    if options.quick {
        tally.step("unit and property tests", tests(&["--workspace", "--lib", "--bins"])).await;
    } else {
        check_with_servers(&mut tally, options.all).await;
        check_records(&mut tally).await;
    }
    tally.finish()
}

async fn check_style(tally: &mut Tally) {
    let mut format = cargo();
    format.args(["fmt", "--all", "--check"]);
    tally.step("formatting", format).await;
    let mut clippy = cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    tally.step("clippy", clippy).await;
}

/// Each guest by itself, as its author would: natively first, then to WebAssembly.
async fn check_guests(tally: &mut Tally) -> Result<()> {
    let folder = workspace().join("guests");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "sdk" && entry.path().join("Cargo.toml").is_file() {
            names.push(name);
        }
    }
    names.sort();
    let target = workspace().join("target/guests");
    for name in names {
        let manifest = folder.join(&name).join("Cargo.toml");
        let on = |arguments: &[&str]| {
            let mut command = cargo();
            command.arg(arguments[0]).arg("--manifest-path").arg(&manifest).args(&arguments[1..]);
            if arguments[0] != "fmt" {
                command.env("CARGO_TARGET_DIR", &target);
            }
            command
        };
        tally.step(&format!("guest {name}: formatting"), on(&["fmt", "--check"])).await;
        let clippy = on(&["clippy", "--all-targets", "--all-features", "--", "-D", "warnings"]);
        tally.step(&format!("guest {name}: clippy"), clippy).await;
        tally.step(&format!("guest {name}: native tests"), on(&["test", "--no-fail-fast"])).await;
        let place = tempfile::NamedTempFile::new().context("make a file for a guest")?;
        let begun = Instant::now();
        let built = build::guest(&name, &[], place.path()).await;
        tally.note(&format!("guest {name}: WebAssembly"), begun, built);
    }
    Ok(())
}

/// The cases of every pipeline, as their authors would run them.
async fn check_pipelines(tally: &mut Tally) {
    let begun = Instant::now();
    let binary = match build::sluicegate(build::Profile::Dev).await {
        Ok(binary) => binary,
        Err(failure) => return tally.note("pipelines: sluicegate", begun, Err(failure)),
    };
    for verb in ["build", "test"] {
        let mut command = Command::new(&binary);
        command.current_dir(workspace()).args([verb, "pipelines"]);
        // What was compiled for the guests by themselves need not be compiled again.
        command.env("CARGO_TARGET_DIR", workspace().join("target/guests"));
        tally.step(&format!("pipelines: sluicegate {verb}"), command).await;
    }
}

/// Everything against the newest server, then what needs a server against the others.
async fn check_with_servers(tally: &mut Tally, all: bool) {
    let begun = Instant::now();
    let newest = match Installation::obtain(Some(NEWEST)).await {
        Ok(_) => Some(NEWEST),
        // Without a network the distribution's server is better than none; which one it is, is printed.
        Err(failure) => {
            eprintln!("{failure:#}");
            match Installation::obtain(None).await {
                Ok(found) => Some(found.major),
                Err(failure) => {
                    tally.note("a PostgreSQL", begun, Err(failure));
                    None
                }
            }
        }
    };
    let arguments = ["--workspace"];
    let mut everything = tests(&arguments);
    if let Some(major) = newest {
        everything.env("SLUICEGATE_POSTGRES", major.to_string());
    }
    let server = newest.map_or("no PostgreSQL".to_owned(), |major| format!("PostgreSQL {major}"));
    tally.step(&format!("all tests, {server}"), everything).await;

    let wanted = |major: &u32| Some(*major) != newest && (all || *major == OLDEST);
    for major in POSTGRES_VERSIONS.into_iter().filter(wanted) {
        let label = format!("integration tests, PostgreSQL {major}");
        let begun = Instant::now();
        if let Err(failure) = Installation::obtain(Some(major)).await {
            tally.note(&label, begun, Err(failure));
            continue;
        }
        // The whole workspace is named so that nothing is compiled again with other features.
        let with_servers = ["postgres", "run", "kill"].map(|name| ["--test", name]);
        let mut command = tests(&["--workspace"]);
        command.args(with_servers.as_flattened());
        command.env("SLUICEGATE_POSTGRES", major.to_string());
        tally.step(&label, command).await;
    }
}

/// What Debezium wrote for the recordings that are kept here, beside what is written now. In this process: the file of this program
/// is another since the tests were built, or gone.
async fn check_records(tally: &mut Tally) {
    let begun = Instant::now();
    let compared = tokio::time::timeout(STEP_LIMIT, conform::run(ConformOptions::default())).await;
    let outcome = compared.unwrap_or_else(|_| Err(anyhow!("did not end within {} minutes", STEP_LIMIT.as_secs() / 60)));
    tally.note("records as Debezium writes them", begun, outcome);
}

fn tests(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.arg("test").arg("--no-fail-fast").args(arguments);
    command
}

impl Tally {
    /// Runs a command and shows what it says. The tests that it reports are counted; if it reports none, it counts itself.
    async fn step(&mut self, label: &str, command: Command) {
        println!("\n=== {label}");
        let begun = Instant::now();
        let (passed, failed, reasons) = match run_shown(command).await {
            Ok((is_good, Shown { passed, failed, skipped, reasons })) => {
                let said_nothing = passed + failed == 0 && skipped.is_empty();
                self.skipped.extend(skipped);
                match is_good {
                    true if said_nothing => (1, 0, reasons),
                    true => (passed, failed, reasons),
                    false => (passed, failed.max(1), reasons),
                }
            }
            Err(failure) => {
                println!("error: {failure:#}");
                (0, 1, vec![format!("{failure:#}")])
            }
        };
        self.add(label, begun, (passed, failed), reasons);
    }

    fn note(&mut self, label: &str, begun: Instant, outcome: Result<()>) {
        if let Err(failure) = &outcome {
            println!("error: {failure:#}");
        }
        let counts = (u64::from(outcome.is_ok()), u64::from(outcome.is_err()));
        let reasons = outcome.err().map(|failure| format!("{failure:#}"));
        self.add(label, begun, counts, reasons.into_iter().collect());
    }

    fn add(&mut self, label: &str, begun: Instant, (passed, failed): (u64, u64), reasons: Vec<String>) {
        let took = begun.elapsed();
        println!("--- {label}: {} in {:.1} s", if failed == 0 { "passed" } else { "FAILED" }, took.as_secs_f64());
        self.passed += passed;
        self.failed += failed;
        self.steps.push(Outcome { label: label.to_owned(), took, passed, failed, reasons });
    }

    fn finish(self) -> Result<()> {
        println!("\n=== summary");
        for Outcome { label, took, passed, failed, reasons } in &self.steps {
            let state = if *failed == 0 { "ok    " } else { "FAILED" };
            println!("{state}  {:>6.1} s  {label} ({passed} passed, {failed} failed)", took.as_secs_f64());
            for reason in reasons.iter().take(SHOWN_REASONS) {
                println!("                  {reason}");
            }
        }
        for skipped in &self.skipped {
            println!("skipped           {skipped}");
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 {
            // The reasons are above; the exit code is what is missing.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// What a step reported of its tests.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
    reasons: Vec<String>,
}

/// Whether it succeeded, and what it reported.
async fn run_shown(mut command: Command) -> Result<(bool, Shown)> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut process = Process::spawn("a step", command, (Signal::SIGTERM, Duration::from_secs(2)))?;
    let shown = tokio::task::spawn_blocking(move || show(reader));
    let Some(status) = process.wait(STEP_LIMIT).await else {
        bail!("did not end within {} minutes", STEP_LIMIT.as_secs() / 60);
    };
    // A step that leaves a process behind, which holds the pipe, must not hold the run.
    let shown = tokio::time::timeout(OUTPUT_LIMIT, shown).await;
    let shown = shown.context("it ended, but something that it started still runs")?.context("show the output")?;
    Ok((status.success(), shown))
}

fn show(reader: PipeReader) -> Shown {
    let mut shown = Shown::default();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{line}");
        if let Some((passed, failed)) = counts_of(&line) {
            shown.passed += passed;
            shown.failed += failed;
        }
        shown.skipped.extend(skipped_of(&line));
        shown.reasons.extend(failed_of(&line));
    }
    shown
}

/// `test lane::tests::order ... FAILED`
fn failed_of(line: &str) -> Option<String> {
    Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned())
}

/// `test python ... ignored, pip is not there`
fn skipped_of(line: &str) -> Option<String> {
    let (name, reason) = line.strip_prefix("test ")?.split_once(" ... ignored, ")?;
    Some(format!("{name}: {reason}"))
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; ...`
fn counts_of(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut numbers = counts.split("; ").map(|part| part.split(' ').next().and_then(|number| number.parse().ok()));
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_runners_counts_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s";
        assert_eq!(counts_of(line), Some((12, 3)));
        assert_eq!(skipped_of("test python ... ignored, no pip"), Some("python: no pip".into()));
        assert_eq!(skipped_of("test python ... ok"), None);
        assert_eq!(failed_of("test python ... FAILED"), Some("python".into()));
        assert_eq!(failed_of("test python ... ok"), None);
        assert_eq!(counts_of("running 12 tests"), None);
        assert_eq!(counts_of("test result: who knows"), None);
    }

    #[tokio::test]
    async fn a_step_that_fails_without_tests_counts_as_one_failure() {
        let mut tally = Tally::default();
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        tally.step("good", shell("exit 0")).await;
        tally.step("bad", shell("exit 3")).await;
        tally.step("tests", shell("echo 'test result: ok. 5 passed; 0 failed; 0 ignored'")).await;
        tally
            .step(
                "crash",
                shell("echo 'test python ... FAILED'; echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; exit 1"),
            )
            .await;
        tally.step("missing", Command::new("/no/such/program")).await;
        let skipping = "echo 'test python ... ignored, no pip'; echo 'test result: ok. 0 passed; 0 failed; 1 ignored'";
        tally.step("skipping", shell(skipping)).await;
        assert_eq!((tally.passed, tally.failed), (8, 3), "what is skipped is not passed");
        assert_eq!(tally.skipped, ["python: no pip"]);
        let reasons: Vec<&String> = tally.steps.iter().flat_map(|step| &step.reasons).collect();
        assert_eq!(reasons.len(), 2, "the test that failed, and why a program could not be started: {reasons:?}");
        assert_eq!(reasons[0], "python");
    }
}
