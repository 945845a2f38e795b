//! Which pipeline a file lies in.

use crate::config::{PipelinePlan, Plan};
use std::path::{Path, PathBuf};

/// The folder of the pipeline that a guest or a case belongs to, if it lies in one.
pub fn pipeline_folder(file: &Path) -> Option<PathBuf> {
    // A name alone lies in the folder that we are in.
    let file = file.canonicalize().ok()?;
    let folders = file.ancestors().skip(1).take(2);
    folders.filter(|folder| folder.join("pipeline.toml").is_file()).map(Path::to_path_buf).next()
}

/// Reads the plan that a pipeline's folder is part of, and finds the pipeline in it.
///
/// # Errors
/// What is wrong with it, for people.
pub fn pipeline_in(folder: &Path) -> Result<(Plan, PipelinePlan), String> {
    let above = folder.parent().ok_or("a pipeline's folder lies in another one")?;
    let plan = super::plan(above).map_err(|mistakes| mistakes.to_string())?;
    let found = plan.pipelines.iter().find(|pipeline| pipeline.folder == folder).cloned();
    let pipeline = found.ok_or_else(|| format!("{} is no pipeline of {}", folder.display(), above.display()))?;
    Ok((plan, pipeline))
}
