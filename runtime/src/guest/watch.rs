//! Which files of a folder have changed and are at rest: news from the system, and a look of our own every two seconds.
//!
//! The folder is watched and not the file, because a file that is renamed over another is another file. The look of our own
//! is for what the system does not tell: an overflowing queue, what other machines do to a network disk, a file behind a link.

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Nothing is read until its path has been quiet for so long.
const QUIET: Duration = Duration::from_millis(50);
/// A file that was renamed into place, or closed by its writer, is complete: only its companions are waited for.
const QUIET_COMPLETE: Duration = Duration::from_millis(5);
/// A path that is never quiet is read after this long all the same.
const RESTLESS_MAX: Duration = Duration::from_secs(1);
/// How often the folder is read through.
const RESCAN: Duration = Duration::from_secs(2);
/// News that wait to be looked at. What does not fit is found by the next look of our own, which is called for at once.
const NEWS_MAX: usize = 256;

/// What the folder said about one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) path: PathBuf,
    /// When it first changed, as far as we heard.
    pub(super) at: Instant,
}

pub(super) struct FolderWatch {
    folder: PathBuf,
    news: Receiver<News>,
    /// Held for its thread; `None` if the system can not watch.
    _watcher: Option<RecommendedWatcher>,
    restless: BTreeMap<PathBuf, Restless>,
    seen: BTreeMap<PathBuf, Stamp>,
    rescan_at: Instant,
}

enum News {
    Path {
        path: PathBuf,
        complete: bool,
        at: Instant,
    },
    /// Something was missed.
    Lost,
}

struct Restless {
    first: Instant,
    last: Instant,
    complete: bool,
}

/// Two files with equal stamps are taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Whether a name is one that a guest may have: no dotfile, no name that editors and copying programs use on the way.
pub(super) fn is_guest(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let unfinished = [".tmp", ".part", ".swp", "~"].iter().any(|end| name.trim_end_matches(".wasm").ends_with(end));
    name.ends_with(".wasm") && !name.starts_with('.') && name.len() > ".wasm".len() && !unfinished
}

impl FolderWatch {
    /// Begins to watch; every guest that is there already counts as seen and is returned.
    ///
    /// # Errors
    /// If the folder can not be read.
    pub(super) fn new(folder: &Path) -> io::Result<(Self, Vec<PathBuf>)> {
        let (tell, news) = sync_channel(NEWS_MAX);
        // Watched before it is read, or a file could come in between.
        let watcher = watch(folder, tell);
        if let Some(disk) = network_disk(folder) {
            tracing::info!(folder = %folder.display(), "{}", untold(disk));
        }
        let seen = scan(folder)?;
        let paths = seen.keys().cloned().collect();
        let rescan_at = Instant::now() + RESCAN;
        let watch =
            Self { folder: folder.to_owned(), news, _watcher: watcher, restless: BTreeMap::new(), seen, rescan_at };
        Ok((watch, paths))
    }

    /// Waits for at most `timeout` for files that have changed and come to rest.
    pub(super) fn next(&mut self, timeout: Duration) -> Vec<Changed> {
        let until = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            if now >= self.rescan_at {
                self.rescan(now);
            }
            let due = self.take_due(now);
            if !due.is_empty() || now >= until {
                return due;
            }
            let wake = self.restless.values().map(Restless::due_at).fold(until.min(self.rescan_at), Instant::min);
            match self.news.recv_timeout(wake.saturating_duration_since(now)) {
                Ok(news) => self.hear(news),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody tells anything; the look of our own remains.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wake.saturating_duration_since(now)),
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Lost => self.rescan_at = Instant::now(),
            News::Path { path, complete, at } => self.stir(path, complete, at),
        }
    }

    fn stir(&mut self, path: PathBuf, complete: bool, at: Instant) {
        let restless = self.restless.entry(path).or_insert(Restless { first: at, last: at, complete });
        restless.last = at;
        restless.complete = complete;
    }

    fn take_due(&mut self, now: Instant) -> Vec<Changed> {
        let due: Vec<PathBuf> =
            self.restless.iter().filter(|(_, r)| r.due_at() <= now).map(|(path, _)| path.clone()).collect();
        let mut changed = Vec::new();
        for path in due {
            let Some(restless) = self.restless.remove(&path) else { continue };
            match stamp(&path) {
                Some(stamp) => self.seen.insert(path.clone(), stamp),
                None => self.seen.remove(&path),
            };
            changed.push(Changed { path, at: restless.first });
        }
        changed
    }

    fn rescan(&mut self, now: Instant) {
        self.rescan_at = now + RESCAN;
        // An unreadable folder is a folder whose files are gone for the moment: what runs is held.
        let found = scan(&self.folder).unwrap_or_default();
        let paths: Vec<PathBuf> = found.keys().chain(self.seen.keys()).cloned().collect();
        for path in paths {
            if found.get(&path) != self.seen.get(&path) && !self.restless.contains_key(&path) {
                self.stir(path, false, now);
            }
        }
    }
}

impl Restless {
    fn due_at(&self) -> Instant {
        let quiet = if self.complete { QUIET_COMPLETE } else { QUIET };
        (self.last + quiet).min(self.first + RESTLESS_MAX)
    }
}

/// `None` where the system can not watch; the two-second look is enough then.
fn watch(folder: &Path, tell: SyncSender<News>) -> Option<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let news = match event {
            Ok(event) if event.need_rescan() => vec![News::Lost],
            Ok(event) => told(event),
            Err(_) => vec![News::Lost],
        };
        for news in news {
            match tell.try_send(news) {
                // Full: the receiver is busy loading. It rescans within two seconds, and finds what it was not told.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    });
    let watching = watcher
        .as_mut()
        .map_err(|e| e.to_string())
        .and_then(|w| w.watch(folder, RecursiveMode::NonRecursive).map_err(|e| e.to_string()));
    if let Err(error) = watching {
        tracing::warn!(folder = %folder.display(), %error, "the folder can not be watched; it is read every two seconds instead");
        return None;
    }
    watcher.ok()
}

/// What is said of a folder whose changes are not all told.
fn untold(disk: &str) -> String {
    format!(
        "the folder lies on {disk}, where nobody tells what other machines change: it is read every {} seconds",
        RESCAN.as_secs()
    )
}

/// The kind of network disk that a folder lies on, if it does. There the system takes the watch and tells of this machine's own
/// changes only.
fn network_disk(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // Its width and sign are the platform's.
    network_disk_named(found.f_type as u32)
}

/// By the magic number of the file system: `man 2 statfs`.
fn network_disk_named(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "smb",
        0x0102_1997 => "9p",
        0x00C3_6400 => "ceph",
        0x5346_414F | 0x6B41_4653 => "afs",
        0x7461_636F => "ocfs2",
        0x0116_1970 => "gfs2",
        0x0BD0_0BD0 => "lustre",
        0x6573_5546 => "fuse",
        _ => return None,
    })
}

fn told(event: Event) -> Vec<News> {
    let complete = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        // Reading is no change, and we read ourselves.
        EventKind::Access(_) => return Vec::new(),
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
        _ => false,
    };
    let at = Instant::now();
    let guests = event.paths.into_iter().filter(|p| p.file_name().is_some_and(is_guest));
    guests.map(|path| News::Path { path, complete, at }).collect()
}

fn scan(folder: &Path) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_guest(&entry.file_name())
            && let Some(stamp) = stamp(&entry.path())
        {
            found.insert(entry.path(), stamp);
        }
    }
    Ok(found)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let m = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: m.ino(),
        len: m.len(),
        modified: (m.mtime(), m.mtime_nsec()),
        changed: (m.ctime(), m.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(watch: &mut FolderWatch) -> Vec<PathBuf> {
        watch.next(Duration::from_secs(5)).into_iter().map(|c| c.path).collect()
    }

    #[test]
    fn unfinished_and_hidden_names_are_no_guests() {
        for name in ["a.wasm", "parcels-2.wasm"] {
            assert!(is_guest(OsStr::new(name)), "{name}");
        }
        for name in
            [".a.wasm", "a.wasm~", "a.wasm.tmp", "a.tmp.wasm", "a.wasm.part", ".a.wasm.swp", "a.cwasm", ".wasm", "a"]
        {
            assert!(!is_guest(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn renamed_file_is_reported_once_and_soon() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, there) = FolderWatch::new(folder.path()).expect("a watch");
        assert!(there.is_empty());
        let (part, whole) = (folder.path().join("a.wasm.part"), folder.path().join("a.wasm"));
        fs::write(&part, b"one").expect("a file");
        fs::rename(&part, &whole).expect("a rename");
        let renamed = Instant::now();
        assert_eq!(quiet(&mut watch), [whole]);
        assert!(renamed.elapsed() < RESTLESS_MAX, "a rename is not waited for");
        assert!(watch.next(Duration::from_millis(200)).is_empty(), "once");
    }

    #[test]
    fn file_that_never_rests_is_read_after_a_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, _) = FolderWatch::new(folder.path()).expect("a watch");
        let path = folder.path().join("a.wasm");
        let start = Instant::now();
        for _ in 0..200 {
            watch.stir(path.clone(), false, Instant::now());
            if !watch.take_due(Instant::now()).is_empty() {
                assert!(start.elapsed() >= RESTLESS_MAX);
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the path was never read");
    }

    #[test]
    fn network_disk_is_said_once_with_what_follows() {
        assert_eq!(
            network_disk_named(0x6969).map(untold).as_deref(),
            Some("the folder lies on nfs, where nobody tells what other machines change: it is read every 2 seconds")
        );
        // ext4 and tmpfs tell everything.
        assert_eq!((network_disk_named(0xEF53), network_disk_named(0x0102_1994)), (None, None));
    }

    #[test]
    fn look_of_our_own_finds_what_nobody_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut watch, _) = FolderWatch::new(folder.path()).expect("a watch");
        watch._watcher = None;
        let path = folder.path().join("a.wasm");
        fs::write(&path, b"one").expect("a file");
        assert_eq!(quiet(&mut watch), std::slice::from_ref(&path));
        fs::remove_file(&path).expect("removed");
        assert_eq!(quiet(&mut watch), [path], "a removal is a change too");
    }
}
