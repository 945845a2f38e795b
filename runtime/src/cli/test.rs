//! `sluicegate test`: the cases of all pipelines, through the real engine, with the real limits.

use super::Exit;
use crate::cli::out::{errln, outln};
use crate::config::Plan;
use crate::guest::{Engine, HostSettings, this_program};
use crate::workshop::trial::{Mend, Tally, Trial, counted};
use crate::workshop::{self, LOOK_EVERY, Paint, Snapshot};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Test {
    /// The pipelines folder, or one of its pipelines.
    #[arg(default_value = "pipelines")]
    dir: PathBuf,
    /// Play the cases of this pipeline alone.
    #[arg(long, value_name = "PIPELINE")]
    only: Option<String>,
    /// Write what came into the cases where it was expected differently, or not at all.
    #[arg(long)]
    bless: bool,
    /// Again whenever a case, a guest or a TOML file changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(arguments: &Test) -> Exit {
    let mut host = None;
    let (dir, only) = super::meant(&arguments.dir, arguments.only.as_deref());
    let arguments = &Test { dir, only, ..*arguments };
    loop {
        let before = Snapshot::of([arguments.dir.as_path()]);
        let exit = once(arguments, &mut host);
        if !arguments.watch {
            return exit;
        }
        // Blessing writes files itself.
        let mut seen = if arguments.bless { Snapshot::of([arguments.dir.as_path()]) } else { before };
        outln!("\nwaiting for a change in {} (Ctrl-C ends it)", arguments.dir.display());
        loop {
            std::thread::sleep(LOOK_EVERY);
            let now = Snapshot::of([arguments.dir.as_path()]);
            if now != seen {
                break;
            }
            seen = now;
        }
        outln!();
    }
}

fn once(arguments: &Test, host: &mut Option<HostSettings>) -> Exit {
    let plan = match workshop::plan(&arguments.dir) {
        Ok(plan) => plan,
        Err(mistakes) => {
            errln!("{mistakes}");
            return Exit::Usage;
        }
    };
    if let Some(exit) = super::unknown_pipeline(&plan, arguments.only.as_deref()) {
        return exit;
    }
    let host = match host_of(&plan, host) {
        Ok(host) => host,
        Err(reason) => {
            errln!("{reason}");
            return Exit::Failed;
        }
    };
    let mend = if arguments.bless { Mend::Bless } else { Mend::Tell };
    let trial = Trial { plan: &plan, host: &host, mend, paint: Paint::of_stdout(), staged: None };
    let tally = super::block_on_all(trial.run(arguments.only.as_deref(), &mut |text| outln!("{text}")));
    outln!("{}", summary(&tally, &arguments.dir));
    if tally.failed == 0 { Exit::Done } else { Exit::Failed }
}

fn host_of(plan: &Plan, known: &mut Option<HostSettings>) -> Result<HostSettings, crate::guest::GuestError> {
    if let Some(host) = known {
        return Ok(host.clone());
    }
    let host = HostSettings {
        engine: Engine::new()?,
        // What is compiled here need not be compiled again by `run`.
        state_dir: plan.host.state.clone(),
        componentizer: this_program(),
    };
    Ok(known.insert(host).clone())
}

fn summary(tally: &Tally, dir: &Path) -> String {
    let Tally { held, failed, blessed } = *tally;
    match (held + failed + blessed, blessed) {
        (0, _) => format!("no case in {}; a case is a file PIPELINE/cases/NAME.toml", dir.display()),
        (_, 0) => format!("{} held, {failed} failed", counted(held, "case")),
        _ => format!("{} held, {blessed} blessed, {failed} failed", counted(held, "case")),
    }
}
