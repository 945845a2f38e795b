//! A case through another guest than the one in the folder: what would change.

use super::case::{self, Found, Unplayed, shown, way};
use super::place::{pipeline_folder, pipeline_in};
use super::trial::why;
use crate::config::{CasePlan, load_case};
use crate::guest::HostSettings;
use std::fs;
use std::path::{Path, PathBuf};

/// Both sides of a case.
pub struct Replayed {
    pub case: CasePlan,
    /// Through the guests of the folder; then with the other one in its place.
    pub now: Vec<Found>,
    pub then: Vec<Found>,
    /// The file that the other one took the place of.
    pub replaced: PathBuf,
}

/// Plays a case of a pipeline twice: as it is, and with `wasm` in the place of the guest of its name, or of the only one. A folder for
/// the second is made in `scratch`.
///
/// # Errors
/// What is wrong, for people.
pub async fn replay(case: &Path, wasm: &Path, host: &HostSettings, scratch: &Path) -> Result<Replayed, String> {
    let folder = pipeline_folder(case)
        .ok_or_else(|| format!("{} lies in no pipeline: a case is a file PIPELINE/cases/NAME.toml", case.display()))?;
    let (plan, pipeline) = pipeline_in(&folder)?;
    let case = load_case(case).map_err(|mistakes| mistakes.to_string())?;
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let mut guests = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
        let path = entry.map_err(unreadable(&folder))?.path();
        if path.extension().is_some_and(|end| end == "wasm") {
            guests.push(path);
        }
    }
    let replaced = replaced(&guests, wasm)?;
    let other = scratch.join("replay");
    fs::create_dir_all(&other).map_err(unreadable(&other))?;
    for guest in &guests {
        let from = if *guest == replaced { wasm } else { guest };
        let to = other.join(guest.file_name().unwrap_or_default());
        fs::copy(from, &to).map_err(unreadable(from))?;
    }
    let told = |unplayed: Unplayed| why(&unplayed).trim().to_owned();
    let now = case::play(&case, (&plan, &pipeline), host, None).await.map_err(told)?;
    let then = case::play(&case, (&plan, &pipeline), host, Some(&other)).await;
    let then = then.map_err(|unplayed| format!("with {}: {}", wasm.display(), told(unplayed)))?;
    Ok(Replayed { case, now, then, replaced })
}

fn replaced(guests: &[PathBuf], wasm: &Path) -> Result<PathBuf, String> {
    let same = guests.iter().find(|guest| guest.file_name() == wasm.file_name());
    match (same, guests) {
        (Some(same), _) => Ok(same.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => {
            Err("the pipeline has no guest that it could take the place of; sluicegate build makes them".into())
        }
        (None, several) => {
            let names = several.iter().filter_map(|guest| guest.file_name()).map(|name| name.to_string_lossy());
            let names = names.collect::<Vec<_>>().join(", ");
            Err(format!("the pipeline has several guests ({names}): name the file like the one that it replaces"))
        }
    }
}

/// What a change became, line by line, to be held beside another.
pub fn lines(found: &Found) -> Vec<String> {
    let mut lines = vec![match &found.rejection {
        Some(r) => format!("{}, by {}: {}: {}", found.verdict.name(), r.guest, r.code, r.reason),
        None => found.verdict.name().to_owned(),
    }];
    for message in &found.messages {
        let key = message.key.as_ref().map(|key| format!(" key {key}")).unwrap_or_default();
        let place = if message.place.is_empty() { String::new() } else { format!(" {}", message.place) };
        // Debezium's say which run it was.
        let said = message.headers.iter().filter(|(name, _)| !name.starts_with("__debezium."));
        let headers: String = said.map(|(name, value)| format!(" {name}: {value}")).collect();
        lines.push(format!("{}{key}{place}{headers}  {}", way(message), shown(&message.lasting_body())));
    }
    lines.extend(found.unroutable.iter().cloned());
    lines
}
