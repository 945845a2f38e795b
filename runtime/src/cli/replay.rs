//! `sluicegate replay`: what another guest would make of a case.

use super::Exit;
use crate::cli::out::{errln, outln};
use crate::guest::{Engine, HostSettings, this_program};
use crate::workshop::Paint;
use crate::workshop::replay::{Replayed, lines, replay};
use crate::workshop::trial::{counted, cut};
use std::path::Path;

pub(super) fn run(case: &Path, wasm: &Path) -> Exit {
    let outcome = super::Scratch::new("replay").map_err(|e| e.to_string()).and_then(|scratch| {
        let engine = Engine::new().map_err(|e| e.to_string())?;
        let host = HostSettings { engine, state_dir: scratch.0.clone(), componentizer: this_program() };
        super::block_on_all(replay(case, wasm, &host, &scratch.0))
    });
    match outcome {
        Ok(replayed) => {
            print(&replayed, wasm, Paint::of_stdout());
            Exit::Done
        }
        Err(reason) => {
            errln!("{reason}");
            Exit::Failed
        }
    }
}

fn print(replayed: &Replayed, wasm: &Path, paint: Paint) {
    let Replayed { case, now, then, replaced } = replayed;
    outln!("{}", paint.bad(&format!("- {}", replaced.display())));
    outln!("{}", paint.good(&format!("+ {}", wasm.display())));
    let mut changed = 0;
    for (nth, ((change, now), then)) in case.changes.iter().zip(now).zip(then).enumerate() {
        let (now, then) = (lines(now), lines(then));
        if now == then {
            continue;
        }
        changed += 1;
        let place = format!("{}:{}", case.path.display(), change.place.line);
        outln!("{}  change {}: {} {}", paint.strong(&place), nth + 1, change.op.name(), change.table);
        now.iter()
            .filter(|line| !then.contains(line))
            .for_each(|l| outln!("  {}", paint.bad(&format!("- {}", cut(l)))));
        then.iter()
            .filter(|line| !now.contains(line))
            .for_each(|l| outln!("  {}", paint.good(&format!("+ {}", cut(l)))));
    }
    match changed {
        0 => outln!("{}, and nothing comes out otherwise", counted(case.changes.len(), "change")),
        _ => outln!("{changed} of {} come out otherwise", counted(case.changes.len(), "change")),
    }
}
