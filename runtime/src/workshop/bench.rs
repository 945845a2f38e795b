//! What a guest costs on the rows of its pipeline's cases, in batches of several sizes.

use super::case;
use super::place::{pipeline_folder, pipeline_in};
use crate::change::Batch;
use crate::config::{CaseChange, CasePlan, PipelinePlan, Plan, load_case};
use crate::guest::{Engine, HostSettings, Limits, Subscribed, WeighTerms, Weight, examine, this_program, weigh};
use globset::Glob;
use std::path::{Path, PathBuf};

/// Rows of a batch. The host takes what is queued: few rows while little happens, 256 at the most.
const SIZES: [usize; 4] = [1, 16, 64, 256];

/// Where the rows come from, and what was weighed.
pub struct Weighed {
    pub pipeline: PathBuf,
    /// Different rows; a batch that is larger has them again and again.
    pub changes: usize,
    pub weights: Vec<Weight>,
}

/// Weighs a guest with the rows of `case`, or of all cases of the pipeline that it lies in. Compiled code is kept in `scratch`.
///
/// # Errors
/// A sentence that says what is missing or wrong.
pub fn bench(wasm: &Path, case: Option<&Path>, scratch: &Path) -> Result<Weighed, String> {
    if !wasm.is_file() {
        return Err(format!("{} does not exist", wasm.display()));
    }
    let folder = pipeline_folder(wasm).or_else(|| pipeline_folder(case?));
    let folder = folder.ok_or_else(|| {
        format!("{} lies in no pipeline; name rows for it: --case PIPELINE/cases/NAME.toml", wasm.display())
    })?;
    let (plan, pipeline) = pipeline_in(&folder)?;
    let engine = Engine::new().map_err(|e| e.to_string())?;
    let host = HostSettings { engine, state_dir: scratch.to_owned(), componentizer: this_program() };
    let examined = examine(wasm, &host).and_then(|examined| examined.taken).map_err(|e| e.to_string())?;
    let files = match case {
        Some(case) => vec![case.to_owned()],
        None => case::files(&pipeline).map_err(|e| format!("{}/cases can not be read: {e}", folder.display()))?,
    };
    let wanted = wanted(&files, &examined.description.subscriptions)?;
    let (template, changes) = wanted.ok_or_else(|| {
        let wants: Vec<&str> = examined.description.subscriptions.iter().map(|s| s.table.as_str()).collect();
        let cases = folder.join("cases");
        format!(
            "no case in {} has a row that this guest wants ({}); add one, or record some",
            cases.display(),
            wants.join(", ")
        )
    })?;
    let batches = SIZES.iter().map(|size| repeated(&template, &changes, *size, (&plan, &pipeline)));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let terms = terms(&pipeline, wasm);
    let weights = weigh(wasm, &host, terms, &batches).map_err(|e| e.to_string())?;
    Ok(Weighed { pipeline: folder, changes: changes.len(), weights })
}

/// The changes that the guest wants, of one table: those of the table that has most. With the case that describes it.
fn wanted(files: &[PathBuf], wishes: &[Subscribed]) -> Result<Option<(CasePlan, Vec<CaseChange>)>, String> {
    let mut best: Option<(CasePlan, Vec<CaseChange>)> = None;
    for file in files {
        let case = load_case(file).map_err(|mistakes| mistakes.to_string())?;
        for table in case.changes.iter().map(|change| &change.table) {
            let fits = |change: &&CaseChange| change.table == *table && wishes.iter().any(|w| wants(w, change));
            let changes: Vec<CaseChange> = case.changes.iter().filter(fits).cloned().collect();
            if !changes.is_empty() && best.as_ref().is_none_or(|(_, most)| most.len() < changes.len()) {
                best = Some((case.clone(), changes));
            }
        }
    }
    Ok(best)
}

fn wants(wish: &Subscribed, change: &CaseChange) -> bool {
    let table = Glob::new(&wish.table).is_ok_and(|glob| glob.compile_matcher().is_match(&change.table));
    table && (wish.operations.is_empty() || wish.operations.iter().any(|op| op == change.op.name()))
}

fn repeated(
    template: &CasePlan,
    changes: &[CaseChange],
    size: usize,
    (plan, pipeline): (&Plan, &PipelinePlan),
) -> Result<Batch, String> {
    let changes = changes.iter().cycle().take(size).cloned().collect();
    let case = CasePlan { changes, ..template.clone() };
    let batches = case::batches(&case, plan, pipeline).map_err(|mistake| mistake.to_string())?;
    // Of one table, and so of one source unless the case says otherwise.
    batches.into_iter().next().ok_or_else(|| "the case has no change".to_owned())
}

fn terms(pipeline: &PipelinePlan, wasm: &Path) -> WeighTerms {
    let stem = wasm.file_stem().unwrap_or_default().to_string_lossy();
    let Some(guest) = pipeline.guests.iter().find(|guest| guest.stem == stem) else { return WeighTerms::default() };
    let limits = Limits {
        memory_bytes: guest.limits.memory as usize,
        row: guest.limits.row,
        batch: guest.limits.batch,
        output_bytes: guest.limits.output as usize,
        cell_bytes: guest.limits.cell as usize,
    };
    WeighTerms { config: guest.config.clone(), limits }
}
