//! Whether files that somebody works on have changed: looked at by their times, because that works on every disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often it is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Files that are looked at; more is no folder of sources.
const FILES_MAX: usize = 20_000;

/// How files looked at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Snapshot {
    /// Every file below the folders, and the named files themselves, but for hidden ones and what cargo makes.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut snapshot = Self::default();
        let mut open: Vec<PathBuf> = paths.into_iter().map(Path::to_path_buf).collect();
        while let Some(path) = open.pop() {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if !metadata.is_dir() {
                snapshot.0.insert(path, (metadata.modified().ok(), metadata.len()));
            } else if let Ok(entries) = fs::read_dir(&path) {
                let names = entries.flatten().filter(|entry| {
                    let name = entry.file_name();
                    !name.as_encoded_bytes().starts_with(b".") && name != "target"
                });
                open.extend(names.map(|entry| entry.path()));
            }
            if snapshot.0.len() >= FILES_MAX {
                break;
            }
        }
        snapshot
    }

    /// But for files with this ending.
    pub fn without(mut self, extension: &str) -> Self {
        self.0.retain(|path, _| path.extension().is_none_or(|other| other != extension));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_removed_and_added_files_are_seen_and_built_ones_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let look = || Snapshot::of([folder.path()]);
        fs::create_dir(folder.path().join("target")).expect("a folder");
        fs::write(folder.path().join("a"), "1").expect("written");
        let first = look();
        fs::write(folder.path().join("target/b"), "1").expect("written");
        fs::write(folder.path().join(".c"), "1").expect("written");
        assert_eq!(look(), first);
        fs::write(folder.path().join("a"), "12").expect("written");
        assert_ne!(look(), first);
        fs::remove_file(folder.path().join("a")).expect("removed");
        assert_ne!(look(), first);
    }
}
