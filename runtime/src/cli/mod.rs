//! The verbs, their arguments and their exit codes. What a verb does stands in its own file.

mod bench;
mod caller;
mod check;
mod dead;
mod run;
mod salvage;
mod status;

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit codes that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// The user's configuration or usage.
    Usage = 2,
    /// A source can not go on without losing changes.
    Loss = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Every row change, through your WebAssembly, to each customer on time.
#[derive(Parser)]
#[command(name = "sluicegate", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// How log lines are written to standard error. What is logged: RUST_LOG, "info" unless set.
    #[arg(long, global = true, value_enum, default_value_t)]
    log: LogForm,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand)]
enum Verb {
    /// Capture changes and deliver them, until Ctrl-C or SIGTERM.
    ///
    /// Example: ERP_URL=postgres://cdc:secret@127.0.0.1/erp sluicegate run pipelines
    Run {
        /// The pipelines folder.
        #[arg(default_value = "pipelines")]
        dir: PathBuf,
    },
    /// Read the configuration and the guests, and show every mistake.
    ///
    /// Example: sluicegate check pipelines --connect
    Check {
        /// The pipelines folder.
        #[arg(default_value = "pipelines")]
        dir: PathBuf,
        /// Ask the databases and targets too.
        #[arg(long)]
        connect: bool,
    },
    /// Show what a running sluicegate does.
    ///
    /// Example: sluicegate status --watch
    Status {
        /// The pipelines folder that it runs.
        #[arg(default_value = "pipelines")]
        dir: PathBuf,
        /// The whole status as JSON.
        #[arg(long)]
        json: bool,
        /// Again and again, twice a second.
        #[arg(long)]
        watch: bool,
    },
    /// Look at what could not be delivered, send it again, or drop it.
    ///
    /// Example: sluicegate dead list --target customers --since 2h
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Make a new state of everything in a damaged one that is whole; the damaged files are moved aside.
    ///
    /// Example: sluicegate salvage pipelines
    Salvage {
        /// The pipelines folder whose state it is.
        #[arg(default_value = "pipelines")]
        dir: PathBuf,
    },
    /// Reads a core module from standard input, writes a component to standard output. For the program itself: untrusted
    /// bytes can bring the encoder down, so it runs in a process of its own.
    #[command(name = "__componentize", hide = true)]
    Componentize,
    /// Figures about the inside of this program, for the project's own benches.
    #[command(name = "__bench", hide = true, subcommand)]
    Bench(bench::Bench),
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One provider for everything in the process that speaks TLS; only another one that is already there makes this fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.verb {
        Verb::Run { dir } => run::run(&dir, arguments.log).into(),
        Verb::Check { dir, connect } => check::check(&dir, connect).into(),
        Verb::Status { dir, json, watch } => status::status(&dir, json, watch).into(),
        Verb::Dead(dead) => dead::dead(dead).into(),
        Verb::Salvage { dir } => salvage::salvage(&dir).into(),
        Verb::Bench(bench) => bench::run(bench).into(),
        Verb::Componentize => crate::guest::componentize_main(),
    }
}

fn load(dir: &std::path::Path) -> Result<crate::config::Plan, Exit> {
    crate::app::read(dir).map_err(|mistakes| {
        eprintln!("{mistakes}");
        Exit::Usage
    })
}

/// The runtime that `run` has.
fn block_on_all<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("threads can be started").block_on(future)
}

/// A runtime for verbs that ask something once.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a timer and a poller can be made").block_on(future)
}
