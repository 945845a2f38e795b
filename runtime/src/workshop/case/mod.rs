//! Cases: changes that are given, and what is to become of them.
//!
//! ```text
//!   cases/*.toml ─▶ CasePlan (config) ─▶ batches ─▶ Rehearsal (app) ─▶ Found ─▶ differences, or the file blessed
//! ```

mod batch;
mod bless;
mod compare;
mod found;
mod left_out;
mod recorded;
mod value;
mod written;

pub use bless::{blessed, toml_of, write_expectation};
pub use compare::{Difference, differences};
pub(super) use compare::{shown, way};
pub use found::{Found, FoundBody, FoundMessage, FoundRejection};
pub use left_out::LeftOut;
pub use recorded::RunningRecord;
pub use written::{Recording, made_up, tag_of};

use crate::app::{Rehearsal, Unready};
use crate::change::Batch;
use crate::config::{CasePlan, Mistake, PipelinePlan, Plan};
use crate::guest::HostSettings;
use std::path::{Path, PathBuf};

/// Why a case could not be played.
#[derive(Clone, Debug)]
pub enum Unplayed {
    /// The case itself is wrong.
    Mistaken(Box<Mistake>),
    /// A guest can not be used.
    Unready(Unready),
}

/// The case files of a pipeline, in order of name.
///
/// # Errors
/// If the folder is there and can not be read.
pub fn files(pipeline: &PipelinePlan) -> std::io::Result<Vec<PathBuf>> {
    let folder = pipeline.folder.join("cases");
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The changes of a case as batches of their sources.
///
/// # Errors
/// What the case says that can not be.
pub fn batches(case: &CasePlan, plan: &Plan, pipeline: &PipelinePlan) -> Result<Vec<Batch>, Box<Mistake>> {
    batch::batches(case, plan, pipeline)
}

/// Gives a case to a pipeline, whose guests are loaded anew, from `folder` if not from its own; an item for each change.
///
/// # Errors
/// If it can not be played.
pub async fn play(
    case: &CasePlan,
    (plan, pipeline): (&Plan, &PipelinePlan),
    host: &HostSettings,
    folder: Option<&Path>,
) -> Result<Vec<Found>, Unplayed> {
    let batches = batches(case, plan, pipeline).map_err(Unplayed::Mistaken)?;
    let rehearsal = Rehearsal::open(pipeline, host.clone(), folder.map(Path::to_path_buf)).await;
    let mut rehearsal = rehearsal.map_err(Unplayed::Unready)?;
    let mut found = vec![Found::unseen(); case.changes.len()];
    for batch in batches {
        for rehearsed in rehearsal.play(batch).await.map_err(Unplayed::Unready)? {
            // Marks are counted from 1.
            let index = rehearsed.mark.change as usize - 1;
            found[index] = rehearsed.into();
        }
    }
    Ok(found)
}
