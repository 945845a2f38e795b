//! Debian's packages, unpacked beside the system instead of installed: no root, nothing changed, and a server of a newer
//! release than the machine's, because its own loader and libraries come along.
//!
//! ```text
//!   the machine's apt sources ─▶ apt-get --download-only, with lists and archives of our own ─▶ dpkg -x ─▶ cache
//! ```

use super::{cache, errand};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The package lists of a whole release are 10 MB.
const APT_LIMIT: Duration = Duration::from_secs(10 * 60);
const UNPACK_LIMIT: Duration = Duration::from_secs(120);
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// From which release packages come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Release {
    /// What the machine installs from.
    OfTheMachine,
    /// Debian's newest, from the same mirror; the machine's own where that is not Debian.
    Unstable,
}

/// The packages `name` and all that it depends on, unpacked below the returned folder.
pub(super) async fn packages(name: &str, said: &str, release: Release) -> Result<PathBuf> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        bail!("this machine has no apt-get");
    }
    cache::once(&format!("debian/{name}"), said, async |beside| {
        let apt = beside.join("apt");
        let configuration = configure(&apt, release)?;
        run_apt(&configuration, &["update"]).await?;
        let install = ["install", "-y", "--download-only", "--no-install-recommends", name];
        run_apt(&configuration, &install).await.with_context(|| format!("fetch Debian's package {name}"))?;
        let root = beside.join("root");
        unpack(&apt.join("cache/archives"), &root).await?;
        Ok(root)
    })
    .await
}

/// Folders and a configuration file that keep apt away from everything of the machine but its mirrors and keys. With an
/// empty list of installed packages, all dependencies are fetched.
fn configure(apt: &Path, release: Release) -> Result<PathBuf> {
    for folder in ["state/lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(apt.join(folder)).context("make a folder for apt")?;
    }
    std::fs::write(apt.join("state/status"), "").context("write apt's status")?;
    let mut settings = vec![
        ("Dir::State", apt.join("state")),
        ("Dir::State::status", apt.join("state/status")),
        ("Dir::Cache", apt.join("cache")),
        // As root, apt would hand the work to a user who may not write here.
        ("APT::Sandbox::User", PathBuf::new()),
    ];
    if release == Release::Unstable
        && let Some(mirror) = debian_mirror()
    {
        let sources = apt.join("sources.list");
        std::fs::write(&sources, format!("deb [signed-by={KEYRING}] {mirror} unstable main\n"))
            .context("write apt's sources")?;
        settings.extend([("Dir::Etc::sourcelist", sources), ("Dir::Etc::sourceparts", PathBuf::from("-"))]);
    }
    let mut text = String::new();
    for (name, value) in settings {
        writeln!(text, "{name} \"{}\";", value.display()).expect("a String takes everything");
    }
    // Hooks of the machine would look after the machine's folders.
    text += "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n";
    let path = apt.join("apt.conf");
    std::fs::write(&path, text).context("write apt's configuration")?;
    Ok(path)
}

async fn run_apt(configuration: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", configuration).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    command.arg("-qq").args(arguments).stdin(Stdio::null());
    errand::run("apt-get", command, APT_LIMIT).await.map(drop)
}

async fn unpack(archives: &Path, root: &Path) -> Result<()> {
    std::fs::create_dir(root).context("make a folder to unpack in")?;
    let entries = std::fs::read_dir(archives).context("list the fetched packages")?;
    for package in entries.flatten().map(|entry| entry.path()) {
        let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Perl is there for the packages' scripts, which do not run.
        if name.ends_with(".deb") && !name.contains("perl") {
            let mut command = Command::new("dpkg");
            command.arg("-x").arg(&package).arg(root).stdin(Stdio::null());
            errand::run("dpkg", command, UNPACK_LIMIT).await.with_context(|| format!("unpack {name}"))?;
        }
    }
    Ok(())
}

/// The first Debian mirror in the machine's apt sources.
fn debian_mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|e| e.path()));
    let usual = files.iter().filter(|file| file.extension().is_some_and(|end| end == "list" || end == "sources"));
    usual.filter_map(|file| mirror_in(&std::fs::read_to_string(file).ok()?)).next()
}

fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    words.find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_kinds_of_source_files() {
        let old = "# deb http://old.example/debian sid main\ndeb http://mirror.example/debian/ bookworm main\n";
        assert_eq!(mirror_in(old).as_deref(), Some("http://mirror.example/debian/"));
        let new = "Types: deb\n# http://frozen.example/archive/debian/2025\nURIs: https://mirror.example/debian\nSuites: sid\n";
        assert_eq!(mirror_in(new).as_deref(), Some("https://mirror.example/debian"));
    }

    #[test]
    fn security_updates_and_other_systems_are_no_debian_mirror() {
        assert_eq!(mirror_in("URIs: http://mirror.example/debian-security\n"), None);
        assert_eq!(mirror_in("deb http://mirror.example/ubuntu noble main\n"), None);
    }
}
