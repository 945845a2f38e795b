//! The door. Everything behind it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluicegate::cli::main()
}
