//! `sluicegate bench`: what a guest costs per row, and which part of it is the border's.

use super::Exit;
use super::inspect::shown_bytes;
use crate::cli::out::{errln, outln};
use crate::workshop::bench::{Weighed, bench};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Cost {
    /// The guest, best in its pipeline's folder: the rows are those of its cases.
    wasm: PathBuf,
    /// Take the rows of this case.
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
}

pub(super) fn run(arguments: &Cost) -> Exit {
    let scratch = match super::Scratch::new("cost") {
        Ok(scratch) => scratch,
        Err(error) => {
            errln!("a folder for compiled code can not be made: {error}");
            return Exit::Failed;
        }
    };
    match bench(&arguments.wasm, arguments.case.as_deref(), &scratch.0) {
        Ok(weighed) => {
            print(&arguments.wasm, &weighed);
            Exit::Done
        }
        Err(reason) => {
            errln!("{reason}");
            Exit::Failed
        }
    }
}

fn print(wasm: &Path, weighed: &Weighed) {
    let (name, folder) = (wasm.display(), weighed.pipeline.join("cases"));
    outln!("{name} on {} different changes of {}", weighed.changes, folder.display());
    if cfg!(debug_assertions) {
        outln!("this sluicegate is a debug build: the border's part is several times what it is in a release");
    }
    outln!("\n  rows in a batch    ns per row    border     guest      goes in    comes out       memory");
    for weight in &weighed.weights {
        let calls = if weight.calls > 1 { format!(" in {} calls", weight.calls) } else { String::new() };
        outln!(
            "  {:<15} {:>13.0} {:>9.0} {:>9.0} {:>12} {:>12} {:>12}",
            format!("{}{calls}", weight.rows),
            weight.all_ns,
            weight.border_ns,
            weight.all_ns - weight.border_ns,
            shown_bytes(weight.frame_bytes),
            shown_bytes(weight.answer_bytes),
            shown_bytes(weight.memory_bytes)
        );
        if weight.rejected > 0 {
            outln!("  {:<15} {} of them are rejected, which costs more than passing", "", weight.rejected);
        }
    }
    outln!(
        "\nBorder: encoding the rows, a call without any, reading the verdicts. Guest: the rest. Time of one processor."
    );
}
