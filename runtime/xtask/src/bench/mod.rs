//! `cargo xtask bench`: our figure, the reference's from the same run, the ratio.
//!
//! | bench | ours | beside |
//! |---|---|---|
//! | `capture` | rows per second through a filter guest | `pg_recvlogical`, and a bare reader with the same rhythm |
//! | `binlog` | the same out of MySQL and MariaDB | a plain loop of `mysql_async` that reads every row and discards it |
//! | `deliver` | rows per second from PostgreSQL to Redis and to Kafka | `pg_recvlogical`; librdkafka's own producer |
//! | `durable` | signed deliveries per second of what was parked | the same when nothing is parked |
//! | `encode` | nanoseconds per row as Debezium's JSON, and from the frame to a sink | serde_json; the goal |
//! | `guest` | nanoseconds per row across the border | the goal |
//! | `held` | how far the confirmed position is behind while every target is dead | the goal |
//! | `isolation` | p50, p95, p99 of healthy customers while another hangs | the same customers when none hangs |
//! | `latency` | milliseconds from a commit to a consumer of Kafka, at 1,000 rows/s | librdkafka alone |
//! | `memory` | resident bytes at rest, and behind a customer that never answers | the goal |
//! | `reload` | rename of a guest to the first row through it | the goal |
//!
//! Figures belong to the machine and the minute they were taken in. Only the ratios travel.

mod behind;
mod binlog;
mod capture;
mod deliver;
mod durable;
mod encode;
mod guest;
mod held;
mod isolation;
mod latency;
mod memory;
mod receiver;
mod reload;
mod rig;

use crate::build::{self, Profile};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

const NAMES: [&str; 11] =
    ["binlog", "capture", "deliver", "durable", "encode", "guest", "held", "isolation", "latency", "memory", "reload"];
/// For how long `held` writes.
const HELD_S: u64 = 600;
/// One call of a hidden verb.
const PROBE_LIMIT: Duration = Duration::from_secs(300);

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchOptions {
    /// Which ones: binlog, capture, deliver, durable, encode, guest, held, isolation, latency, memory, reload; all unless given
    #[arg(value_name = "NAME", value_parser = NAMES)]
    names: Vec<String>,
    /// Measures this program instead of what the workspace builds: an older one, to compare with
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// For how long `held` writes
    #[arg(long, value_name = "SECONDS", default_value_t = HELD_S)]
    seconds: u64,
    /// One JSON object per figure on standard output, everything else on standard error
    #[arg(long)]
    json: bool,
}

/// Whether a figure is good when it is small or when it is large.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Better {
    /// There is no goal.
    Shown,
    /// `goal` is the most that `ours` may be.
    Less,
    /// `goal` is the least that `ours` may be.
    More,
    /// `goal` is the least that `ratio` may be.
    Ratio,
    /// `goal` is the most by which `ours` may exceed the reference.
    Difference,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Figure {
    bench: &'static str,
    case: String,
    unit: &'static str,
    ours: f64,
    reference: Option<f64>,
    reference_is: Option<String>,
    ratio: Option<f64>,
    /// `None` for what is only shown beside.
    goal: Option<f64>,
    met: bool,
    #[serde(skip)]
    better: Better,
}

impl Figure {
    /// A figure by itself, which should be at most `goal`.
    fn at_most(bench: &'static str, case: impl Into<String>, unit: &'static str, ours: f64, goal: f64) -> Self {
        let met = ours <= goal;
        let case = case.into();
        Self {
            bench,
            case,
            unit,
            ours,
            reference: None,
            reference_is: None,
            ratio: None,
            goal: Some(goal),
            met,
            better: Better::Less,
        }
    }

    /// A figure by itself, which should be at least `goal`.
    fn at_least(bench: &'static str, case: impl Into<String>, unit: &'static str, ours: f64, goal: f64) -> Self {
        Self { met: ours >= goal, better: Better::More, ..Self::at_most(bench, case, unit, ours, goal) }
    }

    /// A figure without a goal.
    fn shown(bench: &'static str, case: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { goal: None, met: true, better: Better::Shown, ..Self::at_most(bench, case, unit, ours, 0.0) }
    }

    /// A figure that should be at least `goal` times the reference.
    fn times(self, reference_is: &str, reference: f64, goal: f64) -> Self {
        let ratio = self.ours / reference;
        Self { goal: Some(goal), met: ratio >= goal, better: Better::Ratio, ..self.beside(reference_is, reference) }
    }

    /// A figure that should exceed the reference by at most `goal`.
    fn within(self, reference_is: &str, reference: f64, goal: f64) -> Self {
        let met = self.ours - reference <= goal;
        Self { goal: Some(goal), met, better: Better::Difference, ..self.beside(reference_is, reference) }
    }

    fn beside(self, reference_is: &str, reference: f64) -> Self {
        let ratio = Some(self.ours / reference);
        Self { reference: Some(reference), reference_is: Some(reference_is.to_owned()), ratio, ..self }
    }

    fn line(&self) -> String {
        let reference = match (self.reference, &self.reference_is) {
            (Some(reference), Some(name)) => format!("{} {name}", shown(reference)),
            _ => "-".to_owned(),
        };
        let goal = self.goal.unwrap_or_default();
        let goal = match self.better {
            Better::Shown => "-".to_owned(),
            Better::Less => format!("at most {}", shown(goal)),
            Better::More => format!("at least {}", shown(goal)),
            Better::Ratio => format!("{goal:.2} times"),
            Better::Difference => format!("{} more", shown(goal)),
        };
        let ratio = self.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = match (self.better, self.met) {
            (Better::Shown, _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        };
        let ours = format!("{} {}", shown(self.ours), self.unit);
        format!("{:<10} {:<44} {ours:>16} {reference:>38} {ratio:>6} {goal:>16}  {met}", self.bench, self.case)
    }
}

/// As many digits as mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{:.1} k", value / 1000.0),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// What every bench gets: the optimised binary and optimised guests.
struct Bench {
    binary: PathBuf,
    guests: TempDir,
}

impl Bench {
    /// Builds an example guest and returns its path.
    async fn guest(&self, name: &str, features: &[&str]) -> Result<PathBuf> {
        let place = self.guests.path().join(format!("{name}{}.wasm", features.join("-")));
        if !place.is_file() {
            build::guest(name, features, &place).await?;
        }
        Ok(place)
    }

    /// Runs a hidden verb of the binary and reads one JSON object per line of its output.
    async fn probe<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<Vec<T>> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.arg("__bench").args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PROBE_LIMIT, command.output()).await;
        let output = output.with_context(|| format!("`__bench {}` took too long", arguments[0]))??;
        if !output.status.success() {
            bail!("`__bench {}` failed: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let read = lines.map(|line| serde_json::from_str(line).with_context(|| format!("read {line}")));
        let read: Vec<T> = read.collect::<Result<_>>()?;
        anyhow::ensure!(!read.is_empty(), "`__bench {}` printed no figure", arguments[0]);
        Ok(read)
    }

    fn binary(&self) -> &Path {
        &self.binary
    }
}

/// Runs the benches. A missed goal is a figure, not an error.
pub async fn run(options: BenchOptions) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => std::path::absolute(binary).context("find the program")?,
        None => build::sluicegate(Profile::Release).await?,
    };
    let guests = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir().context("make a folder for guests")?;
    let bench = Bench { binary, guests };
    let wanted = |name: &&str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    let mut figures = Vec::new();
    for name in NAMES.into_iter().filter(wanted) {
        eprintln!("bench {name} ...");
        let fresh = match name {
            "binlog" => binlog::run(&bench).await,
            "capture" => capture::run(&bench).await,
            "deliver" => deliver::run(&bench).await,
            "durable" => durable::run(&bench).await,
            "encode" => encode::run(&bench).await,
            "guest" => guest::run(&bench).await,
            "held" => held::run(&bench, options.seconds).await,
            "isolation" => isolation::run(&bench).await,
            "latency" => latency::run(&bench).await,
            "memory" => memory::run(&bench).await,
            _ => reload::run(&bench).await,
        };
        for figure in fresh.with_context(|| format!("bench {name}"))? {
            if options.json {
                println!("{}", serde_json::to_string(&figure).context("write a figure")?);
            }
            figures.push(figure);
        }
    }
    if !options.json {
        println!("\n{:<10} {:<44} {:>16} {:>38} {:>6} {:>16}", "bench", "case", "ours", "reference", "ratio", "goal");
        for figure in &figures {
            println!("{}", figure.line());
        }
    }
    Ok(())
}

/// The middle one; `values` is not empty.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_in_the_direction_that_is_good() {
        let figure = |ours| Figure::at_most("x", "y", "ms", ours, 150.0);
        assert!(figure(149.0).met && !figure(151.0).met);
        assert!(figure(400.0).times("pg_recvlogical", 200.0, 2.0).met);
        assert!(!figure(399.0).times("pg_recvlogical", 200.0, 2.0).met);
        assert!(figure(310.0).within("none hangs", 300.0, 10.0).met);
        assert!(!figure(311.0).within("none hangs", 300.0, 10.0).met);
    }

    #[test]
    fn a_figure_has_the_documented_json_form() {
        let figure = Figure::at_most("capture", "case", "rows/s", 400.0, 0.0).times("pg_recvlogical", 200.0, 2.0);
        let json = serde_json::to_string(&figure).expect("plain data");
        assert_eq!(
            json,
            r#"{"bench":"capture","case":"case","unit":"rows/s","ours":400.0,"reference":200.0,"reference_is":"pg_recvlogical","ratio":2.0,"goal":2.0,"met":true}"#
        );
    }

    #[test]
    fn what_has_no_goal_keeps_the_form() {
        let figure = Figure::shown("deliver", "case", "rows/s", 400.0).beside("librdkafka alone", 800.0);
        let json = serde_json::to_string(&figure).expect("plain data");
        assert_eq!(
            json,
            r#"{"bench":"deliver","case":"case","unit":"rows/s","ours":400.0,"reference":800.0,"reference_is":"librdkafka alone","ratio":0.5,"goal":null,"met":true}"#
        );
        assert!(!figure.line().contains("MISSED") && !figure.line().contains("met"), "{}", figure.line());
    }

    #[test]
    fn the_median_of_three_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
