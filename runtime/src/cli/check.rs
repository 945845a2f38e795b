//! `sluicegate check`: every mistake of the configuration, then of the guests, then (with `--connect`) what the databases and
//! the customers say.

use super::{Exit, block_on, load};
use crate::app::Inspection;
use crate::cli::out::outln;
use std::path::Path;

pub(super) fn check(dir: &Path, connect: bool) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let inspection = block_on(Inspection::of(&plan, connect));
    for finding in &inspection.findings {
        outln!("{} {}", if finding.ok { "ok   " } else { "WRONG" }, finding.text);
    }
    let wrong = inspection.findings.iter().filter(|f| !f.ok).count();
    if wrong == 0 {
        outln!("{}: nothing wrong was found", dir.display());
        return Exit::Done;
    }
    outln!("{}: {wrong} of {} checks failed", dir.display(), inspection.findings.len());
    Exit::Usage
}
