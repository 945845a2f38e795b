//! Who may know whom. Reads the `use` lines and paths of every room and holds the table of `docs/ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may name. Longer names win: `sink/format` is not `sink`.
const TABLE: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("change", &[]),
    ("fault", &[]),
    ("whole", &[]),
    ("config", &["address", "change", "whole"]),
    ("telemetry", &[]),
    ("source", &["change", "fault", "telemetry"]),
    ("guest", &["change", "fault", "sink/format", "telemetry"]),
    ("sink", &["address", "change", "fault", "telemetry", "whole"]),
    ("sink/format", &["change", "whole"]),
    ("store", &["change", "fault", "telemetry"]),
    ("ledger", &["change"]),
    ("lane", &["change", "fault", "ledger", "sink", "store", "telemetry"]),
    ("pipeline", &["change", "fault", "guest", "lane", "ledger", "sink/format", "store", "telemetry"]),
    ("admin", &["ledger", "store", "telemetry"]),
    ("workshop", &["app", "change", "config", "guest", "pipeline", "source"]),
];
/// The composition root, the door and the map name whom they like.
const FREE: &[&str] = &["app", "cli", "lib", "main"];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        // Tests put stand-ins in the place of other rooms.
        } else if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().ends_with("tests.rs") {
            into.push(path);
        }
    }
}

/// The room that a path (`sink/format/flat.rs`, or `crate::sink::format::flat` as segments) lies in.
fn room(segments: &[&str]) -> String {
    let names = TABLE.iter().map(|(name, _)| *name).chain(FREE.iter().copied());
    let fits = |name: &&str| name.split('/').zip(segments).filter(|(a, b)| a == *b).count() == name.split('/').count();
    let found = names.filter(fits).max_by_key(|name| name.len());
    found.unwrap_or_else(|| panic!("{segments:?} is in no room; put the room into the table")).to_owned()
}

/// What a line of code names of this crate: the segments behind each `crate::`.
fn named(line: &str) -> Vec<Vec<&str>> {
    let code = line.split("//").next().unwrap_or_default();
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .map(|(at, word)| code[at + word.len()..].split(ends).next().unwrap_or_default().split("::").collect())
        .collect()
}

#[test]
fn no_room_knows_more_than_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the rooms were not found");
    let mut wrong = BTreeSet::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("below the root").with_extension("");
        let segments: Vec<&str> = inside.iter().map(|s| s.to_str().expect("ASCII")).collect();
        let here = room(&segments);
        if FREE.contains(&here.as_str()) {
            continue;
        }
        let may = TABLE.iter().find(|(name, _)| *name == here).expect("from the table").1;
        for (number, line) in fs::read_to_string(&file).expect("readable").lines().enumerate() {
            for segments in named(line) {
                assert!(
                    !segments[0].is_empty(),
                    "{}:{}: use one `use crate::room` per line",
                    file.display(),
                    number + 1
                );
                let there = room(&segments);
                if there != here && !may.contains(&there.as_str()) {
                    wrong.insert(format!("{}:{}: {here} may not know {there}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_forbidden_line_would_be_seen() {
    assert_eq!(named("use crate::sink::format::{flat, json}; // crate::app"), [["sink", "format", ""]]);
    assert_eq!(room(&["sink", "format", "flat"]), "sink/format");
    assert_eq!(room(&["sink", "http"]), "sink");
    assert_eq!(named("let x = crate::lane::spawn(y);"), [["lane", "spawn"]]);
    assert!(named("pub(in crate::guest) fn x(); my_crate::x()").len() == 1);
}
