//! `sluicegate inspect`: what a file is, what it asks for, whether it is taken, and if not, what to do.

use super::Exit;
use crate::cli::out::{errln, outln};
use crate::guest::{Engine, Examination, HostSettings, Subscribed, Taken, World, examine, this_program};
use crate::workshop::Paint;
use std::path::Path;
use std::time::Duration;

pub(super) fn run(wasm: &Path) -> Exit {
    let engine = match Engine::new() {
        Ok(engine) => engine,
        Err(reason) => {
            errln!("{reason}");
            return Exit::Failed;
        }
    };
    // Nothing is kept of an examination.
    let host = HostSettings { engine, state_dir: std::env::temp_dir(), componentizer: this_program() };
    let examination = match examine(wasm, &host) {
        Ok(examination) => examination,
        Err(reason) => {
            errln!("{reason}");
            return Exit::Failed;
        }
    };
    let paint = Paint::of_stdout();
    for line in told(wasm, &examination, paint) {
        outln!("{line}");
    }
    if examination.taken.is_ok() { Exit::Done } else { Exit::Failed }
}

fn told(wasm: &Path, found: &Examination, paint: Paint) -> Vec<String> {
    let name = paint.strong(&wasm.display().to_string());
    let mut lines =
        vec![format!("{name}   {}, generation {}", shown_bytes(found.size_bytes as usize), found.generation)];
    let mut say = |what: &str, text: String| lines.push(format!("  {what:<9} {text}"));
    if let Ok(taken) = &found.taken {
        say_taken(taken, found.kind.unwrap_or_default(), &mut say);
    } else if let Some(kind) = found.kind {
        say("is", kind.to_owned());
    }
    for import in &found.imports {
        let verdict = match &import.refused {
            None => paint.good("allowed"),
            Some(_) => paint.bad("refused"),
        };
        say("imports", format!("{}   {verdict}", import.name));
    }
    if found.kind.is_some() {
        say("names", match found.has_names {
            true => "functions have names: a trap says where it was".to_owned(),
            false => "none, so a trap can not say where it was; in Cargo.toml: [profile.release] with strip = \"debuginfo\"".into(),
        });
    }
    match &found.taken {
        Ok(_) => say("verdict", paint.good("a pipeline can run it")),
        Err(reason) => say("verdict", format!("{}: {reason}", paint.bad("not taken"))),
    }
    lines
}

fn say_taken(taken: &Taken, kind: &str, say: &mut dyn FnMut(&str, String)) {
    let guest = &taken.description;
    say(
        "is",
        match taken.componentize {
            Some(took) => format!("{kind}, of which the host makes a component ({})", shown(took)),
            None => kind.to_owned(),
        },
    );
    say(
        "world",
        match guest.world {
            World::Transform => format!("transform of sluicegate:guest@1, frame {}", guest.frame),
            World::Json => "json of sluicegate:guest@1".into(),
        },
    );
    say("guest", format!("{} {}", guest.name, guest.version));
    guest.subscriptions.iter().for_each(|subscribed| say("wants", wish(subscribed)));
    say("routes", if guest.routes.is_empty() { "none by name".into() } else { guest.routes.join(", ") });
    say(
        "state",
        match guest.stateful {
            true => "kept from row to row, so it gets one row at a time".to_owned(),
            false => "none, so it gets up to 64 rows at a time".into(),
        },
    );
    let (compile, start) = (shown(taken.compile), shown(taken.start));
    say("costs", format!("compiled in {compile}, started in {start}, {} of memory", shown_bytes(taken.memory_bytes)));
}

fn wish(subscribed: &Subscribed) -> String {
    let or_all = |list: &[String], all: &str| if list.is_empty() { all.to_owned() } else { list.join(", ") };
    let operations = or_all(&subscribed.operations, "every operation");
    let columns = or_all(&subscribed.columns, "all columns");
    let old = if subscribed.old { "; the old row too" } else { "" };
    format!("{}: {operations}; {columns}{old}", subscribed.table)
}

fn shown(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..1000 => format!("{micros} µs"),
        micros => format!("{:.1} ms", micros as f64 / 1000.0),
    }
}

/// `812 B`, `66 KB`, `1.1 MB`.
pub(super) fn shown_bytes(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}
