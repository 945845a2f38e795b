//! `cargo xtask conform`: what we write beside what Debezium wrote.
//!
//! ```text
//!   folder ─▶ script ─▶ server ─▶ sluicegate ─▶ Kafka ─▶ harvest ─┐
//!      └────▶ recording ─▶ mask ─▶ align ─▶ compare ─▶ rules ◀────┘ ─▶ report
//!
//!   folder, script, recording    what was recorded: statements and records
//!   configuration                the connector's settings as ours
//!   older                        what a server before the recorded version is told instead
//!   server, stage, harvest       the same statements on a real server, through the real program, into a real broker
//!   order                        ours in the order of the log, as promised for each key
//!   mask, align, compare         byte by byte, but for what differs from run to run
//!   rules                        why something is different on purpose
//! ```

mod align;
mod compare;
mod configuration;
mod folder;
mod harvest;
mod json;
mod judge;
mod mask;
mod older;
mod order;
mod recording;
mod report;
mod rules;
mod script;
mod server;
mod stage;

use crate::build::{self, Profile, workspace};
use anyhow::{Context, Result, bail};
use configuration::{Need, need};
use folder::{Recording, Scenario, scenarios};
use judge::{Verdict, judge};
use report::Form;
use server::Server;
use stage::Stage;
use std::path::PathBuf;
use std::time::Instant;

/// The recordings that are kept with the project.
const KEPT: &str = "runtime/xtask/recordings";

/// What the command line says.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConformOptions {
    /// The folder of recordings; those of the repository unless given
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Only the recordings whose database/scenario or database/scenario.recording fits, such as 'postgres/types*'
    #[arg(long, value_name = "GLOB")]
    pub only: Option<String>,
    /// Every record that differs, not only each recording's first
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// One JSON object per recording on standard output, everything else on standard error
    #[arg(long)]
    pub json: bool,
}

/// Runs it. An error when anything is different and not explained.
pub async fn run(options: ConformOptions) -> Result<()> {
    let folder = options.folder.clone().unwrap_or_else(|| workspace().join(KEPT));
    let scenarios = scenarios(&folder, options.only.as_deref())?;
    let binary = build::sluicegate(Profile::Dev).await?;
    let begun = Instant::now();
    let stage = Stage::build(binary).await?;
    if !options.json {
        println!("{}", report::head());
    }
    let form = match (options.json, options.all) {
        (true, _) => Form::Json,
        (false, true) => Form::All,
        (false, false) => Form::First,
    };
    let mut verdicts = Vec::new();
    for of_one_server in scenarios.chunk_by(|a, b| a.flavour == b.flavour) {
        let Some(first) = of_one_server.first() else { continue };
        let server = Server::start(first.flavour).await?;
        eprintln!("on {}", server.version());
        for scenario in of_one_server {
            for recording in &scenario.recordings {
                let verdict = one(&stage, &server, scenario, recording).await;
                report::print(&verdict, form)?;
                verdicts.push(verdict);
            }
        }
        server.stop().await;
    }
    stage.stop().await;
    let sum = report::sum(&verdicts);
    if options.json {
        eprint!("{sum}");
    } else {
        print!("\n{sum}");
    }
    eprintln!("took {:.0} s", begun.elapsed().as_secs_f64());
    let wrong = verdicts.iter().filter(|verdict| verdict.different > 0).count();
    if wrong > 0 {
        bail!("{wrong} recordings differ from what Debezium wrote, and docs/debezium.md does not say why");
    }
    Ok(())
}

/// A recording that can not be run is different, as a whole.
async fn one(stage: &Stage, server: &Server, scenario: &Scenario, recording: &Recording) -> Verdict {
    let mut verdict = compared(stage, server, scenario, recording).await.unwrap_or_else(|failure| Verdict {
        different: 1,
        not_run: Some(format!("FAILED: {failure:#}")),
        ..Verdict::default()
    });
    verdict.scenario.clone_from(&scenario.name);
    verdict.recording = recording.name();
    verdict
}

async fn compared(stage: &Stage, server: &Server, scenario: &Scenario, recording: &Recording) -> Result<Verdict> {
    let mut recorded = recording::read(&recording.path)?;
    let records = recorded.values().map(Vec::len).sum();
    let left_out = |why: String| Verdict { records, not_run: Some(why), ..Verdict::default() };
    match need(scenario.flavour, &scenario.script, recording) {
        Need::Snapshot => Ok(left_out("skipped: a snapshot".to_owned())),
        Need::Missing(feature) => Ok(left_out(format!("not supported yet: {feature}"))),
        Need::Ready(configuration) => {
            let (scenario, left_out) = older::fit(scenario, &mut recorded, server.postgres_major());
            let mut run = stage.run(server, &scenario, &configuration, &recorded).await.context("run it")?;
            older::take_out(&recorded, &mut run.topics);
            let mut verdict = judge(&scenario, &recorded, &run);
            verdict.records += left_out.values().sum::<usize>();
            verdict.unsupported.extend(left_out);
            Ok(verdict)
        }
    }
}
