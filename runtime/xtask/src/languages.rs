//! What guests in other languages are built with: fetched once, by the languages' own package managers, into the cache of the servers.

use crate::servers::{cache, errand};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// 400 MB of small files over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Both put an interpreter into a file and let it read the source: 10 to 20 s on two slow cores.
const BUILD_LIMIT: Duration = Duration::from_secs(5 * 60);
/// The versions that were tried. They say of themselves that they may change.
const COMPONENTIZE_PY: &str = "0.25.1";
const COMPONENTIZE_JS: &str = "0.23.0";

/// A language that has an example among the guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
}

/// What builds guests of one language.
pub struct Builder {
    language: Language,
    /// Where it was installed.
    folder: PathBuf,
}

impl Language {
    pub const ALL: [Language; 2] = [Language::Python, Language::JavaScript];

    pub const fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::JavaScript => "javascript",
        }
    }

    /// The example's source, from the root of the workspace.
    pub const fn example(self) -> &'static str {
        match self {
            Language::Python => "guests/python-filter/filter.py",
            Language::JavaScript => "guests/js-filter/filter.js",
        }
    }

    /// Finds the builder in the cache, or fetches it.
    ///
    /// # Errors
    /// If the language is not on this machine, or its registry can not be reached.
    pub async fn obtain(self) -> Result<Builder> {
        let folder = match self {
            Language::Python => {
                let (place, said) = (format!("python/{COMPONENTIZE_PY}"), "componentize-py (17 MB)");
                cache::once(&place, said, |beside| async move { pip(&beside).await }).await?
            }
            Language::JavaScript => {
                let (place, said) = (format!("javascript/{COMPONENTIZE_JS}"), "componentize-js (385 MB)");
                cache::once(&place, said, |beside| async move { npm(&beside).await }).await?
            }
        };
        Ok(Builder { language: self, folder })
    }
}

/// Into a folder, and not into an environment, which would know the path that it was made at.
async fn pip(beside: &Path) -> Result<PathBuf> {
    let folder = beside.join("packages");
    let mut command = program("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder);
    command.arg(format!("componentize-py=={COMPONENTIZE_PY}"));
    errand::run("pip", command, FETCH_LIMIT).await.context("python3 with pip is needed, and PyPI")?;
    Ok(folder)
}

async fn npm(beside: &Path) -> Result<PathBuf> {
    let folder = beside.join("packages");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut command = program("npm");
    command.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&folder);
    command.arg(format!("@bytecodealliance/componentize-js@{COMPONENTIZE_JS}"));
    errand::run("npm", command, FETCH_LIMIT).await.context("Node.js with npm is needed, and its registry")?;
    Ok(folder)
}

fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

impl Builder {
    /// Builds the guest whose source is `source`, which is copied first: Python leaves files beside what it reads.
    ///
    /// # Errors
    /// What the builder says.
    pub async fn build(&self, wit: &Path, source: &Path, wasm: &Path) -> Result<()> {
        let desk = tempfile::tempdir().context("make a folder to build in")?;
        let file = source.file_name().context("a source has a name")?;
        std::fs::copy(source, desk.path().join(file)).with_context(|| format!("copy {}", source.display()))?;
        let mut command = match self.language {
            Language::Python => self.python(wit, source, wasm),
            Language::JavaScript => self.javascript(wit, source, wasm),
        };
        command.current_dir(desk.path());
        let name = match self.language {
            Language::Python => "componentize-py",
            Language::JavaScript => "componentize-js",
        };
        errand::run(name, command, BUILD_LIMIT).await.map(drop)
    }

    fn python(&self, wit: &Path, source: &Path, wasm: &Path) -> Command {
        let mut command = program("python3");
        command.env("PYTHONPATH", &self.folder).arg(self.folder.join("bin/componentize-py"));
        command.arg("--wit-path").arg(wit).args(["--world", "json", "componentize", "--stub-wasi"]);
        command.arg(source.file_stem().unwrap_or_default()).arg("--output").arg(wasm);
        command
    }

    fn javascript(&self, wit: &Path, source: &Path, wasm: &Path) -> Command {
        let mut command = program("node");
        command.arg(self.folder.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"));
        command.arg(source.file_name().unwrap_or_default()).arg("--wit").arg(wit).args(["--world-name", "json"]);
        command.arg("--out").arg(wasm).args(["--disable", "stdio", "random", "clocks", "http", "fetch-event"]);
        command
    }
}
