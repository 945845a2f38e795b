//! One turn of somebody's work at guests: everything that is named by `crate` is built aside, the cases are played with it, and what
//! its pipeline's cases hold for is put where the running host takes it by itself.

use super::build::{BuildError, Compiled, Order, Words, compile, orders};
use super::trial::{Mend, Trial, shown_duration};
use super::{Paint, Snapshot};
use crate::config::Plan;
use crate::guest::HostSettings;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Good,
    /// Cases do not hold, which was told; new code that is kept out of its pipeline for it.
    Failed(Vec<String>),
    /// What to leave on the screen until it is mended.
    Broken(String),
}

/// What a turn is made with.
pub struct Desk<'a> {
    pub plan: &'a Plan,
    pub host: &'a HostSettings,
    pub paint: Paint,
    /// A folder of this desk's own, for code that no case has held for yet.
    pub staging: &'a Path,
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

impl Desk<'_> {
    /// Builds and tests. `say` gets lines for the terminal.
    pub async fn turn(&self, say: &mut dyn FnMut(&str)) -> Turn {
        let mut built = Vec::new();
        for order in orders(self.plan) {
            match compile(&order, Words::Kept, |_| {}) {
                Ok(compiled) => {
                    let news = if compiled.is_new_at(&order.place) { "" } else { ", as it was" };
                    let took = shown_duration(compiled.took);
                    say(&format!("{}  {} in {took}{news}", self.paint.good("built"), named(&order)));
                    built.push((order, compiled));
                }
                Err(BuildError::Compile { said }) => {
                    return Turn::Broken(format!("{said}\n{} does not compile", named(&order)));
                }
                Err(error) => return Turn::Broken(format!("{}: {error}", named(&order))),
            }
        }
        match self.try_and_place(&built, say).await {
            Ok(turn) => turn,
            Err(reason) => Turn::Broken(reason),
        }
    }

    /// A pipeline's new code is placed when all its cases hold with it.
    async fn try_and_place(&self, built: &[(Order, Compiled)], say: &mut dyn FnMut(&str)) -> Result<Turn, String> {
        self.stage(built)?;
        let Self { plan, host, paint, staging } = *self;
        let trial = Trial { plan, host, mend: Mend::Tell, paint, staged: Some(staging) };
        let (mut is_good, mut kept_out) = (true, Vec::new());
        for pipeline in &plan.pipelines {
            let failed = trial.run(Some(&pipeline.name), say).await.failed;
            is_good &= failed == 0;
            for (order, compiled) in built.iter().filter(|(order, _)| order.pipeline == pipeline.name) {
                if failed == 0 {
                    compiled.put_at(&order.place).map_err(|error| format!("{}: {error}", named(order)))?;
                } else if compiled.is_new_at(&order.place) {
                    kept_out.push(named(order));
                }
            }
        }
        Ok(if is_good { Turn::Good } else { Turn::Failed(kept_out) })
    }

    /// Lays out the guests of each pipeline that has new code: that, and what else lies in its folder.
    fn stage(&self, built: &[(Order, Compiled)]) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", self.staging.display());
        for pipeline in &self.plan.pipelines {
            let folder = self.staging.join(&pipeline.name);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(failed)?;
            }
            let new: Vec<_> = built.iter().filter(|(order, _)| order.pipeline == pipeline.name).collect();
            if new.is_empty() {
                continue;
            }
            fs::create_dir_all(&folder).map_err(failed)?;
            for entry in fs::read_dir(&pipeline.folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let is_other = new.iter().all(|(order, _)| order.place.file_name() != path.file_name());
                if is_other && path.extension().is_some_and(|end| end == "wasm") {
                    fs::copy(&path, folder.join(path.file_name().unwrap_or_default())).map_err(failed)?;
                }
            }
            for (order, compiled) in new {
                let place = folder.join(order.place.file_name().unwrap_or_default());
                compiled.put_at(&place).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

fn named(order: &Order) -> String {
    format!("{}/{}.wasm", order.pipeline, order.guest)
}
