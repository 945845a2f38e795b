//! The private folder for what was fetched once, and the lock under which it is fetched.

use anyhow::{Context, Result, bail};
use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Overrides the cache folder.
pub(super) const CACHE: &str = "SLUICEGATE_CACHE";
/// 150 MB over a slow line; everything beyond is a hang.
const FETCH_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How often another process that fetches the same is asked whether it is done.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The folder `name` of the cache, fetched if it is not there: `fetch` gets an empty folder beside it and returns the part
/// of it that becomes `name`. `said` is how the thing is called on the screen: `Redis (7 MB)`. Of several processes only
/// one fetches, and none ever sees half of it.
pub(crate) async fn once<F>(name: &str, said: &str, fetch: impl FnOnce(PathBuf) -> F) -> Result<PathBuf>
where
    F: Future<Output = Result<PathBuf>>,
{
    let place = folder()?.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let parent = place.parent().context("a place in the cache has a folder around it")?;
    std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    let _lock = locked(&place.with_added_extension("lock"), said).await?;
    if place.is_dir() {
        return Ok(place);
    }
    let begun = Instant::now();
    eprintln!("fetching {said} into {} ...", place.display());
    let beside =
        tempfile::Builder::new().prefix(".fetch-").permissions(Permissions::from_mode(0o755)).tempdir_in(parent);
    let beside = beside.context("make a folder to unpack in")?;
    let fetched = tokio::time::timeout(FETCH_LIMIT, fetch(beside.path().to_owned())).await;
    let fetched = fetched.with_context(|| format!("fetching took more than {} s", FETCH_LIMIT.as_secs()))??;
    std::fs::set_permissions(&fetched, Permissions::from_mode(0o755)).context("open the folder")?;
    std::fs::rename(&fetched, &place).with_context(|| format!("move what was fetched to {}", place.display()))?;
    eprintln!("fetched {said} in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(place)
}

/// Held until dropped; the kernel lets go of it when its holder dies.
async fn locked(path: &Path, said: &str) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    let deadline = Instant::now() + FETCH_LIMIT;
    let mut waiting = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                if !std::mem::replace(&mut waiting, true) {
                    eprintln!("another process is fetching {said}; waiting for it ...");
                }
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(failure) => return Err(failure).with_context(|| format!("lock {}", path.display())),
        }
    }
}

/// The folder for what was fetched once. As root the server runs as another user, who must be able to pass through all
/// folders above it; root's home is usually closed.
pub(super) fn folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(chosen) = variable(CACHE) {
        std::fs::create_dir_all(&chosen).with_context(|| format!("make {}, which {CACHE} names", chosen.display()))?;
        return Ok(chosen);
    }
    let usual = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    if let Some(usual) = usual.map(|folder| folder.join("sluicegate"))
        && (!nix::unistd::geteuid().is_root() || is_passable(&usual))
        && std::fs::create_dir_all(&usual).is_ok()
    {
        return Ok(usual);
    }
    private_folder_for_all_to_read()
}

fn private_folder_for_all_to_read() -> Result<PathBuf> {
    let uid = nix::unistd::geteuid();
    let folder = PathBuf::from(format!("/var/tmp/sluicegate-{uid}"));
    if let Err(failure) = std::fs::DirBuilder::new().mode(0o755).create(&folder)
        && failure.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(failure).with_context(|| format!("make {}; {CACHE} can name another folder", folder.display()));
    }
    // Everyone may create names in /var/tmp: what somebody else made there is not ours to start programs from.
    let found = std::fs::symlink_metadata(&folder).with_context(|| format!("look at {}", folder.display()))?;
    if !found.is_dir() || found.uid() != uid.as_raw() || found.mode() & 0o022 != 0 {
        bail!(
            "{} belongs to somebody else, or others may write to it; name another folder in {CACHE}",
            folder.display()
        );
    }
    Ok(folder)
}

/// Whether any user may pass through all existing folders on the way to `path`.
pub(super) fn is_passable(path: &Path) -> bool {
    path.ancestors().filter_map(|folder| std::fs::metadata(folder).ok()).all(|found| found.mode() & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_is_noticed() {
        let closed = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(!is_passable(&closed.path().join("not/there/yet")));
        std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o711)).expect("ours");
        assert_eq!(is_passable(&closed.path().join("not/there/yet")), is_passable(&std::env::temp_dir()));
    }
}
