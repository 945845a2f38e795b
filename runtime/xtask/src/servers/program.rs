//! A server's program: installed on the machine, or unpacked beside it.

use super::daemon::as_server;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Linux distributions keep servers, on top of the caller's `PATH`.
const USUAL: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// A program that can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub(super) path: PathBuf,
    /// The root of unpacked packages: everything in it runs on its own loader and libraries.
    root: Option<PathBuf>,
}

impl Program {
    pub fn installed(path: PathBuf) -> Self {
        Self { path, root: None }
    }

    /// The program `inside` of packages that were unpacked in `root`.
    pub fn unpacked(root: PathBuf, inside: &str) -> Self {
        Self { path: root.join(inside), root: Some(root) }
    }

    /// What the environment variable `choice` names; it is an error when there is nothing.
    pub fn chosen(choice: &str) -> Result<Option<Self>> {
        let Some(path) = std::env::var_os(choice).filter(|path| !path.is_empty()).map(PathBuf::from) else {
            return Ok(None);
        };
        if !path.is_file() {
            bail!("{choice} is {}, and there is no such program", path.display());
        }
        Ok(Some(Self::installed(path)))
    }

    /// The first of `names` in the caller's `PATH` or where servers usually are.
    pub fn on_the_machine(names: &[&str]) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(USUAL.map(PathBuf::from)).collect();
        let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        candidates.find(|candidate| candidate.is_file()).map(Self::installed)
    }

    /// Runs it as the server's user.
    pub fn command(&self) -> Command {
        let Some(root) = &self.root else { return as_server(&self.path) };
        let Some(loader) = loader(root) else { return as_server(&self.path) };
        let mut command = as_server(loader);
        command.arg("--library-path").arg(libraries(root)).arg(&self.path);
        command
    }

    /// A folder of the packages that came with the program.
    pub fn beside(&self, inside: &str) -> PathBuf {
        self.root.as_deref().unwrap_or(Path::new("/")).join(inside)
    }

    pub fn is_unpacked(&self) -> bool {
        self.root.is_some()
    }

    /// What it prints about its version.
    pub fn says(&self) -> String {
        let output = self.command().arg("--version").output();
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The dynamic loader of the packages' own C library.
fn loader(root: &Path) -> Option<PathBuf> {
    let name = format!("ld-linux-{}.so", std::env::consts::ARCH.replace('_', "-"));
    for folder in ["usr/lib64", "lib64", "usr/lib", "lib"] {
        let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let mut found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
        if let Some(entry) = found.next() {
            return Some(entry.path());
        }
    }
    None
}

fn libraries(root: &Path) -> String {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|folder| root.join(folder).join(&triple).display().to_string());
    folders.join(":")
}
