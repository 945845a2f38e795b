//! The door. Everything behind it is in the library.

use std::process::ExitCode;

/// Messages are made by one thread and given up by another, for which the system's allocator pays with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sluicegate::cli::main()
}
