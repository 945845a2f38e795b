//! One turn of somebody's work at guests: everything that is named by `crate` is built, then the cases are played. The running host takes
//! new files by itself.

use super::build::{BuildError, Order, Words, build, orders};
use super::trial::{Mend, Tally, Trial, shown_duration};
use super::{Paint, Snapshot};
use crate::config::Plan;
use crate::guest::HostSettings;
use std::path::{Path, PathBuf};

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Good,
    /// What to leave on the screen until it is mended.
    Broken(String),
}

/// Everything that somebody works on: the pipelines, and the crates that they name.
pub fn watched(dir: &Path, plan: Option<&Plan>) -> Vec<PathBuf> {
    let crates = plan.into_iter().flat_map(orders).map(|order| order.crate_folder);
    std::iter::once(dir.to_owned()).chain(crates).collect()
}

/// How the watched folders look, but for what a turn itself writes.
pub fn look(paths: &[PathBuf]) -> Snapshot {
    Snapshot::of(paths.iter().map(PathBuf::as_path)).without("wasm").without("lock")
}

/// Builds and tests. `say` gets lines for the terminal.
pub async fn turn(plan: &Plan, host: &HostSettings, paint: Paint, say: &mut dyn FnMut(&str)) -> Turn {
    for order in orders(plan) {
        match build(&order, Words::Kept, |_| {}) {
            Ok(built) => {
                let news = if built.is_new { "" } else { ", as it was" };
                say(&format!("{}  {} in {}{news}", paint.good("built"), named(&order), shown_duration(built.took)));
            }
            Err(BuildError::Compile { said }) => {
                return Turn::Broken(format!("{said}\n{} does not compile", named(&order)));
            }
            Err(error) => return Turn::Broken(format!("{}: {error}", named(&order))),
        }
    }
    let trial = Trial { plan, host, mend: Mend::Tell, paint };
    let Tally { failed, .. } = trial.run(None, say).await;
    match failed {
        0 => Turn::Good,
        // They stand above, and the code runs all the same.
        _ => Turn::Broken(String::new()),
    }
}

fn named(order: &Order) -> String {
    format!("{}/{}.wasm", order.pipeline, order.guest)
}
