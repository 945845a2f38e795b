//! What comes from the Java package registry, through Maven: it knows the machine's mirrors and proxies, and checks what it
//! fetches.

use super::program::Program;
use super::{daemon::is_root, errand};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// 150 MB over a slow line.
const MAVEN_LIMIT: Duration = Duration::from_secs(14 * 60);
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// What the broker needs.
const JAVA_OLDEST: u32 = 17;

/// Unpacks the archive `artifact` (`group:name:version`) into `folder`.
pub(super) async fn unpack(artifact: &str, folder: &Path) -> Result<()> {
    let mut command = maven(folder).await?;
    command.arg("dependency:unpack").arg(format!("-Dartifact={artifact}"));
    command.arg(format!("-DoutputDirectory={}", folder.display()));
    errand::run("mvn", command, MAVEN_LIMIT).await.map(drop)
}

/// Copies the archive `artifact` and all that it depends on into `folder`.
pub(super) async fn copy_with_dependencies(artifact: &str, folder: &Path) -> Result<()> {
    let mut parts = artifact.split(':');
    let [group, name, version] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let project = folder.with_added_extension("pom.xml");
    let text = format!(
        "<project><modelVersion>4.0.0</modelVersion>\
         <groupId>local</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>\
         <dependencies><dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>\
         </dependency></dependencies></project>"
    );
    std::fs::write(&project, text).context("write a project for Maven")?;
    let mut command = maven(folder).await?;
    command.arg("-f").arg(&project).arg("dependency:copy-dependencies");
    command.arg(format!("-DoutputDirectory={}", folder.display()));
    errand::run("mvn", command, MAVEN_LIMIT).await.map(drop)
}

/// Maven with a repository of its own beside `folder`, so that nothing stays behind in the caller's home.
async fn maven(folder: &Path) -> Result<Command> {
    let program = match Program::on_the_machine(&["mvn"]) {
        Some(found) => found,
        None => {
            install("maven", "Maven").await?;
            Program::on_the_machine(&["mvn"]).context("Maven was installed, and there is no mvn")?
        }
    };
    let mut command = Command::new(&program.path);
    command.args(["-q", "-B"]).stdin(Stdio::null());
    command.current_dir(folder.parent().unwrap_or(folder));
    command.arg(format!("-Dmaven.repo.local={}", folder.with_added_extension("repository").display()));
    Ok(command)
}

/// A Java that is new enough.
pub(super) async fn java() -> Result<PathBuf> {
    if let Some(found) = java_on_the_machine() {
        return Ok(found);
    }
    install("default-jre-headless", &format!("Java {JAVA_OLDEST} or newer")).await?;
    java_on_the_machine().with_context(|| {
        format!(
            "the distribution's Java is older than {JAVA_OLDEST}; install a newer one and set JAVA_HOME to its folder"
        )
    })
}

fn java_on_the_machine() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let candidates = home.into_iter().chain(Program::on_the_machine(&["java"]).map(|found| found.path));
    candidates.into_iter().find(|java| {
        let output = Command::new(java).arg("-version").output();
        let said = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
        java_major(&said).is_some_and(|major| major >= JAVA_OLDEST)
    })
}

/// `openjdk version "17.0.15" 2025-04-15`
fn java_major(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Installs a package of the distribution; only as root, where it needs nobody's password.
async fn install(package: &str, said: &str) -> Result<()> {
    let by_hand = format!("install it (on Debian: apt-get install {package})");
    if !is_root() || !Path::new("/usr/bin/apt-get").is_file() {
        bail!("{said} is needed and is not on this machine: {by_hand}");
    }
    eprintln!("installing the distribution's package {package} ...");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", package]] {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(arguments).stdin(Stdio::null());
        errand::run("apt-get", command, INSTALL_LIMIT).await.with_context(|| format!("{said} is needed: {by_hand}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_says_its_version_in_quotes() {
        assert_eq!(java_major("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime\n"), Some(17));
        assert_eq!(java_major("openjdk version \"25\" 2025-09-16\n"), Some(25));
        assert_eq!(java_major("java version \"1.8.0_402\"\n"), Some(1));
        assert_eq!(java_major("command not found"), None);
    }
}
