//! The verbs, their arguments and their exit codes. What a verb does stands in its own file.

mod bench;
mod build;
mod caller;
mod check;
mod cost;
mod dead;
mod dev;
mod forget;
mod inspect;
mod listen;
mod new;
mod out;
mod record;
mod replay;
mod run;
mod salvage;
mod status;
mod test;

use clap::{Parser, Subcommand, ValueEnum};
use out::errln;
use std::path::{Path, PathBuf};
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
        /// Let the admin address show the last rows, with their keys, at /rows: for `sluicegate dev`.
        #[arg(long)]
        show_rows: bool,
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
    /// Make a guest with a test and a case, and a pipeline that runs it; for a table of yours, if you name one.
    ///
    /// Example: sluicegate new orders --source postgres://me@127.0.0.1/shop --table public.orders
    New(new::New),
    /// Compile the guests that name their crates, and put the .wasm files beside their TOML.
    ///
    /// Example: sluicegate build pipelines --only orders
    Build(build::Build),
    /// Give the changes of every cases/*.toml to its pipeline, and compare what comes of them with what is expected.
    ///
    /// Example: sluicegate test pipelines --watch
    Test(test::Test),
    /// Say what a .wasm file is, what it asks for, and whether it would be taken.
    ///
    /// Example: sluicegate inspect pipelines/orders/orders.wasm
    Inspect {
        /// A guest, or what should be one.
        wasm: PathBuf,
    },
    /// Measure what a guest costs per row, in batches of 1, 16, 64 and 256.
    ///
    /// Example: sluicegate bench pipelines/orders/orders.wasm
    #[command(name = "bench")]
    Cost(cost::Cost),
    /// Write rows of a table, or of a pipeline that runs, into a case, with columns masked that should stay where they are.
    ///
    /// Example: sluicegate record orders --source db --table public.orders --mask note
    ///
    /// Example: sluicegate record orders --running --rows 20 --mask note
    Record(record::Record),
    /// Play a case through another .wasm than the one in the folder, and show what would come out otherwise.
    ///
    /// Example: sluicegate replay pipelines/orders/cases/first.toml /tmp/orders.wasm
    Replay {
        /// A case of a pipeline.
        case: PathBuf,
        /// The guest that takes the place of the one of its name, or of the only one.
        wasm: PathBuf,
    },
    /// Build, test and swap at every change of a source, and show the rows that pass: one command to work with.
    ///
    /// Example: DB_URL=postgres://me@127.0.0.1/shop sluicegate dev pipelines
    Dev(dev::Dev),
    /// Take HTTP requests, show them, and answer that all is well: a receiver to try a pipeline with.
    ///
    /// Example: sluicegate listen 127.0.0.1:8099
    Listen {
        /// Where to listen.
        #[arg(default_value = "127.0.0.1:8099", value_parser = listen::address)]
        address: std::net::SocketAddr,
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
    /// Remove the checkpoint of a source that can not go on without loss, so that it begins anew.
    ///
    /// Example: sluicegate forget erp pipelines
    Forget {
        /// The source's name in sluicegate.toml.
        source: String,
        /// The pipelines folder that it is a source of.
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
        Verb::Run { dir, show_rows } => {
            let rows = if show_rows { run::Rows::Shown } else { run::Rows::Hidden };
            run::run(&dir, arguments.log, rows).into()
        }
        Verb::Dev(dev) => dev::run(&dev).into(),
        Verb::Check { dir, connect } => check::check(&dir, connect).into(),
        Verb::Status { dir, json, watch } => status::status(&dir, json, watch).into(),
        Verb::New(arguments) => new::run(&arguments).into(),
        Verb::Record(arguments) => record::run(&arguments).into(),
        Verb::Replay { case, wasm } => replay::run(&case, &wasm).into(),
        Verb::Listen { address } => listen::run(address).into(),
        Verb::Build(arguments) => build::run(&arguments).into(),
        Verb::Test(arguments) => test::run(&arguments).into(),
        Verb::Inspect { wasm } => inspect::run(&wasm).into(),
        Verb::Cost(arguments) => cost::run(&arguments).into(),
        Verb::Dead(dead) => dead::dead(dead).into(),
        Verb::Salvage { dir } => salvage::salvage(&dir).into(),
        Verb::Forget { source, dir } => forget::forget(&dir, &source).into(),
        Verb::Bench(bench) => bench::run(bench).into(),
        Verb::Componentize => crate::guest::componentize_main(),
    }
}

fn load(dir: &std::path::Path) -> Result<crate::config::Plan, Exit> {
    crate::app::read(dir).map_err(|mistakes| {
        errln!("{mistakes}");
        Exit::Usage
    })
}

/// Says so if `--only` names no pipeline.
fn unknown_pipeline(plan: &crate::config::Plan, only: Option<&str>) -> Option<Exit> {
    let only = only?;
    let names: Vec<&str> = plan.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    if names.contains(&only) {
        return None;
    }
    errln!("there is no pipeline {only:?} in {}; there are: {}", plan.dir.display(), names.join(", "));
    Some(Exit::Usage)
}

/// Somebody in the folder of pipelines, or above it, may name one of them where a folder is asked for.
fn meant(dir: &Path, only: Option<&str>) -> (PathBuf, Option<String>) {
    let is_pipeline = |folder: &Path| folder.join("pipeline.toml").is_file();
    let usual = Path::new("pipelines");
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    match (only, name) {
        (None, Some(name)) if is_pipeline(dir) => {
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (above.to_owned(), Some(name))
        }
        (None, Some(name)) if !dir.exists() && is_pipeline(&usual.join(dir)) => (usual.to_owned(), Some(name)),
        (only, _) => (dir.to_owned(), only.map(str::to_owned)),
    }
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

/// A folder of this run's own, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(verb: &str) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("sluicegate-{verb}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every verb that people see, with those below it.
    fn verbs(command: &clap::Command, way: &str, found: &mut Vec<(String, String)>) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
            let way = format!("{way} {}", verb.get_name());
            match verb.has_subcommands() {
                true => verbs(verb, &way, found),
                false => {
                    let help = verb.get_long_about().map(ToString::to_string).unwrap_or_default();
                    found.push((way, help));
                }
            }
        }
    }

    #[test]
    fn pipeline_is_understood_where_a_folder_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipeline = folder.path().join("orders");
        std::fs::create_dir(&pipeline).expect("a folder");
        assert_eq!(meant(&pipeline, None), (pipeline.clone(), None));
        std::fs::write(pipeline.join("pipeline.toml"), "").expect("written");
        assert_eq!(meant(&pipeline, None), (folder.path().to_owned(), Some("orders".into())));
        assert_eq!(meant(folder.path(), Some("x")), (folder.path().to_owned(), Some("x".into())));
    }

    #[test]
    fn every_verb_shows_an_example_that_it_understands() {
        let mut found = Vec::new();
        verbs(&Arguments::command(), "sluicegate", &mut found);
        assert!(found.len() > 15, "{found:?}");
        for (verb, help) in found {
            let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("Example: ")).collect();
            assert!(!examples.is_empty(), "{verb} shows no example: {help}");
            for example in examples {
                let words: Vec<&str> = example.split(' ').collect();
                // What is set for the command stands before it.
                let from = words.iter().position(|word| *word == "sluicegate");
                let words = &words[from.unwrap_or_else(|| panic!("{verb}: {example}"))..];
                assert!(words.join(" ").starts_with(&verb), "{verb} shows an example of something else: {example}");
                if let Err(refused) = Arguments::try_parse_from(words) {
                    panic!("{example}\n{refused}");
                }
            }
        }
    }
}
