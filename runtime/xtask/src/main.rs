//! `cargo xtask`: the project's own commands.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Sluicegate's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The stories on real servers; story 1 unless another is named: a slow customer hurts nobody
    Demo(xtask::demo::DemoOptions),
    /// Everything that CI runs
    Test(xtask::suite::SuiteOptions),
    /// Our figure, the reference's from the same run, the ratio
    Bench(xtask::bench::BenchOptions),
    /// Kills sluicegate again and again under load; says what was lost, doubled, out of order
    Torture(xtask::torture::TortureOptions),
    /// The ring in memory, under a paused clock: thousands of journeys with crashes, faults and full disks
    Simulate(xtask::simulate::SimulateOptions),
    /// What we write beside what Debezium wrote, byte by byte
    Conform(xtask::conform::ConformOptions),
    /// Real servers for hands-on work, with their addresses; Ctrl-C stops them
    Servers(xtask::servers::ServersOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let work = async {
        match command {
            Verb::Demo(options) => xtask::demo::run(options).await,
            Verb::Test(options) => xtask::suite::run(options).await,
            Verb::Bench(options) => xtask::bench::run(options).await,
            Verb::Torture(options) => xtask::torture::run(options).await,
            Verb::Simulate(options) => xtask::simulate::run(options).await,
            Verb::Conform(options) => xtask::conform::run(options).await,
            Verb::Servers(options) => xtask::servers::serve(options).await,
        }
    };
    // Whichever comes first, the other is dropped, and with it every server and every folder that it owns.
    let outcome = tokio::select! {
        outcome = work => outcome,
        interrupted = interrupted() => match interrupted {
            Ok(name) => {
                eprintln!("\nstopped by {name}");
                return ExitCode::from(130);
            }
            Err(failure) => Err(failure),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Result<&'static str> {
    let listen = |kind| signal(kind).context("listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        Some(()) = interrupt.recv() => Ok("Ctrl-C"),
        Some(()) = terminate.recv() => Ok("SIGTERM"),
        Some(()) = hangup.recv() => Ok("SIGHUP"),
        else => bail!("signals can no longer be received"),
    }
}
