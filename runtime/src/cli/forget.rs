//! `sluicegate forget`: a source that can not go on without loss begins anew, because somebody said so.

use super::out::{errln, outln};
use super::{Exit, load};
use crate::app;
use crate::store::{SqliteStore, Store, StoreError};
use std::path::Path;

pub(super) fn forget(dir: &Path, source: &str) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let Some(found) = plan.sources.iter().find(|found| found.name == source) else {
        let names: Vec<&str> = plan.sources.iter().map(|source| source.name.as_str()).collect();
        errln!("there is no source {source:?} in {}; there are: {}", dir.display(), names.join(", "));
        return Exit::Usage;
    };
    let state = &plan.host.state;
    if !state.is_dir() {
        outln!(
            "there is no state folder {} yet, and so no checkpoint: source {source} begins anew anyway",
            state.display()
        );
        return Exit::Done;
    }
    match remove(state, source, app::stream(found)) {
        Ok(said) => {
            outln!("{said}");
            Exit::Done
        }
        Err(reason) => {
            errln!("{reason}");
            Exit::Failed
        }
    }
}

fn remove(state: &Path, source: &str, stream: &str) -> Result<String, StoreError> {
    let store = SqliteStore::open(state)?;
    let Some(known) = store.checkpoint(source, stream)? else {
        return Ok(format!("source {source} has no checkpoint: it begins anew anyway"));
    };
    store.forget(source, stream)?;
    Ok(format!(
        "removed the checkpoint of source {source} ({stream}), which stood at {}. At the next start it begins anew; what was changed in between is \
         not delivered, and has to come from the tables. What waits for lanes stays",
        known.position
    ))
}
