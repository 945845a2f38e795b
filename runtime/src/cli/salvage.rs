//! `sluicegate salvage`: everything that is whole of a damaged state.

use super::{Exit, load};
use crate::cli::out::{errln, outln};
use crate::store::SqliteStore;
use std::path::Path;

pub(super) fn salvage(dir: &Path) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let state = &plan.host.state;
    if !state.is_dir() {
        errln!("there is no state folder {}; is host.state right?", state.display());
        return Exit::Failed;
    }
    match SqliteStore::salvage(state) {
        Ok(report) => {
            outln!("{report}");
            Exit::Done
        }
        Err(reason) => {
            errln!("{reason}");
            Exit::Failed
        }
    }
}
