//! The door.

use sluicegate::guest::{COMPONENTIZE_VERB, componentize_main};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: this child reads hostile bytes and must know nothing of the rest.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == COMPONENTIZE_VERB) {
        return componentize_main();
    }
    ExitCode::SUCCESS
}
