//! How this machine compiles guests, whatever toolchain it has. The only place that knows; `xtask`, which must not wait for this
//! crate to be compiled, includes the file as a module of its own.
//!
//! ```text
//!   the compiler's own target ── missing ─▶ rustup adds it ── no rustup ─▶ Debian's compiler ── not there ─▶ one sentence
//! ```

use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_COMPILER: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-19";

/// A way to compile to WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler in use has the target.
    Own,
    /// Debian's compiler, which brings no standard library for the target: it is compiled from its sources.
    Debian,
}

/// Why nothing can be compiled: a sentence that says what to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoToolchain(String);

impl fmt::Display for NoToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoToolchain {}

impl Toolchain {
    /// Finds a way to compile for `target` what lies in `folder`, whose toolchain file counts. Asks rustup for a target that is missing;
    /// `say` hears of it before, because that takes seconds.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(folder: &Path, target: &str, say: impl Fn(&str)) -> Result<Self, NoToolchain> {
        if has_target(folder, target) {
            return Ok(Self::Own);
        }
        say(&format!("rustup target add {target}"));
        let added = Command::new("rustup")
            .current_dir(folder)
            .args(["target", "add", target])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        if has_target(folder, target) {
            return Ok(Self::Own);
        }
        if target == TARGET && [DEBIAN_COMPILER, DEBIAN_LINKER].iter().all(|program| Path::new(program).is_file()) {
            return Ok(Self::Debian);
        }
        Err(NoToolchain(what_to_install(folder, target, added.is_ok())))
    }

    fn apply(self, command: &mut Command) {
        if self == Self::Debian {
            command.env("RUSTC", DEBIAN_COMPILER).env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
            command.arg("-Zbuild-std=std,panic_abort");
        }
    }
}

fn what_to_install(folder: &Path, target: &str, has_rustup: bool) -> String {
    let is_there = |program: OsString| Command::new(program).current_dir(folder).arg("--version").output().is_ok();
    if !is_there(program("CARGO", "cargo")) || !is_there(program("RUSTC", "rustc")) {
        return "there is no Rust on this machine; install it from https://rustup.rs, or name its folder in PATH"
            .into();
    }
    let debian = "on Debian without rustup: apt-get install rustc-web rust-web-src lld-19";
    match has_rustup {
        true => format!("rustup could not add {target}; try `rustup target add {target}` to see why, or, {debian}"),
        false => format!("this compiler can not make {target}; with rustup: rustup target add {target}; {debian}"),
    }
}

fn program(variable: &str, otherwise: &str) -> OsString {
    std::env::var_os(variable).filter(|program| !program.is_empty()).unwrap_or_else(|| otherwise.into())
}

fn has_target(folder: &Path, target: &str) -> bool {
    let mut command = Command::new(program("RUSTC", "rustc"));
    let asked = command.current_dir(folder).args(["--print", "target-libdir", "--target", target]).output();
    asked.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

/// A crate that a guest is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestCrate {
    folder: PathBuf,
    /// The name of the library, which is that of its file.
    library: String,
    target_dir: PathBuf,
}

impl GuestCrate {
    /// Asks cargo what it would build in `folder`; `target_dir` instead of the one that cargo would take.
    ///
    /// # Errors
    /// A sentence, or what cargo says of a manifest that it can not read.
    pub fn look(folder: &Path, target_dir: Option<&Path>) -> Result<Self, String> {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(format!("{} is not there; `crate` names the folder that holds it", manifest.display()));
        }
        let output = cargo(folder)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::piped())
            .output()
            .map_err(|e| format!("cargo can not be started: {e}; install Rust from https://rustup.rs"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("cargo says something else than its metadata: {e}"))?;
        let library = library_in(&metadata, &manifest)?;
        let own = metadata["target_directory"].as_str().map(PathBuf::from);
        let target_dir = target_dir.map(Path::to_path_buf).or(own).ok_or("cargo names no target folder")?;
        Ok(Self { folder: folder.to_owned(), library, target_dir })
    }

    /// Builds it when it is run: `cargo build --release` for `target`, with cargo's own words on standard error.
    pub fn build(&self, toolchain: Toolchain, target: &str, features: &[&str]) -> Command {
        let mut command = cargo(&self.folder);
        command.args(["build", "--release", "--lib", "--target", target, "--target-dir"]).arg(&self.target_dir);
        if !features.is_empty() {
            command.arg("--features").arg(features.join(","));
        }
        toolchain.apply(&mut command);
        command
    }

    /// Where the build puts the module.
    pub fn module(&self, target: &str) -> PathBuf {
        self.target_dir.join(target).join("release").join(format!("{}.wasm", self.library))
    }
}

/// `cargo` in a folder, without what another cargo or its build scripts, which run us, have set for themselves.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(program("CARGO", "cargo"));
    command.current_dir(folder).stdin(Stdio::null());
    let about_us = |name: &OsString| name.as_encoded_bytes().starts_with(b"CARGO_PKG_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| about_us(name)) {
        command.env_remove(name);
    }
    // Coverage and lints of the host's own build are not for WebAssembly.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

fn library_in(metadata: &Value, manifest: &Path) -> Result<String, String> {
    let same = |package: &&Value| {
        let path = package["manifest_path"].as_str().unwrap_or_default();
        manifest.canonicalize().is_ok_and(|manifest| Path::new(path).canonicalize().is_ok_and(|path| path == manifest))
    };
    let shown = manifest.display();
    let package = metadata["packages"].as_array().and_then(|all| all.iter().find(same));
    let package = package.ok_or_else(|| format!("{shown} is no package; a guest is a crate of its own"))?;
    let is_cdylib = |target: &&Value| {
        target["crate_types"].as_array().is_some_and(|types| types.iter().any(|t| t.as_str() == Some("cdylib")))
    };
    let library = package["targets"].as_array().and_then(|targets| targets.iter().find(is_cdylib));
    let library = library.and_then(|library| library["name"].as_str()).map(|name| name.replace('-', "_"));
    library.ok_or_else(|| {
        format!("{shown} makes no module that could be loaded: add [lib] with crate-type = [\"cdylib\", \"rlib\"]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(manifest: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("src")).expect("a folder");
        std::fs::write(folder.path().join("src/lib.rs"), "").expect("written");
        std::fs::write(folder.path().join("Cargo.toml"), manifest).expect("written");
        folder
    }

    const PACKAGE: &str = "[package]\nname = \"my-guest\"\nversion = \"1.0.0\"\n[workspace]\n";

    #[test]
    fn crate_without_a_cdylib_is_told_what_to_add() {
        let wrong = GuestCrate::look(folder(PACKAGE).path(), None).expect_err("no cdylib");
        assert!(wrong.ends_with("add [lib] with crate-type = [\"cdylib\", \"rlib\"]"), "{wrong}");
    }

    #[test]
    fn module_lies_where_cargo_puts_it() {
        let folder = folder(&format!("{PACKAGE}[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n"));
        let found = GuestCrate::look(folder.path(), Some(Path::new("/t"))).expect("a guest's crate");
        assert_eq!(found.module(TARGET), Path::new("/t/wasm32-unknown-unknown/release/my_guest.wasm"));
    }

    #[test]
    fn manifest_that_cargo_can_not_read_is_told_in_its_words() {
        let wrong = GuestCrate::look(folder("[package\n").path(), None).expect_err("no manifest");
        assert!(wrong.contains("unclosed table") || wrong.contains("invalid table header"), "{wrong}");
        let wrong = GuestCrate::look(Path::new("/nowhere"), None).expect_err("no folder");
        assert!(wrong.starts_with("/nowhere/Cargo.toml is not there"), "{wrong}");
    }
}
