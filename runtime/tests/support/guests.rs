//! The example guests, compiled for WebAssembly as their authors would do it, once per test run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `guests/NAME` and gives the path of its module. Later calls find everything fresh and take a moment.
///
/// # Panics
/// If the guest can not be compiled: nothing that needs it can be tested then.
pub fn module(name: &str) -> PathBuf {
    build(name, None, MODULE)
}

/// The same for `wasm32-wasip2`: a component, linked to WASI.
pub fn component(name: &str) -> PathBuf {
    build(name, None, COMPONENT)
}

const MODULE: &str = "wasm32-unknown-unknown";
const COMPONENT: &str = "wasm32-wasip2";

/// The same with a cargo feature of the guest, `v2` for example; a file of its own.
pub fn module_with(name: &str, feature: &str) -> PathBuf {
    build(name, Some(feature), MODULE)
}

fn build(name: &str, feature: Option<&str>, machine: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/guests");
    let kept = target.join("modules");
    fs::create_dir_all(kept.join(machine)).expect("a folder for modules");
    // Two features of one guest have the same file name, so that nobody else may build until ours is copied.
    let lock = File::create(target.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    add_target(machine);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root.join("guests").join(name))
        .args(["build", "--quiet", "--release", "--target", machine, "--target-dir"])
        .arg(&target)
        .args(feature.iter().flat_map(|f| ["--features", f]))
        // Coverage and lints of the host's build are not for WebAssembly.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "guests/{name} does not compile; if the target is missing: rustup target add {machine}");
    let made = target.join(machine).join("release").join(format!("{name}.wasm"));
    let file = feature.map_or_else(|| format!("{name}.wasm"), |feature| format!("{name}-{feature}.wasm"));
    let kept = kept.join(machine).join(file);
    let bytes = fs::read(&made).expect("the module that cargo made");
    if fs::read(&kept).ok().as_deref() != Some(&bytes[..]) {
        // Renamed into place: another test process may be reading the one before.
        let part = kept.with_extension(format!("{}.part", std::process::id()));
        fs::write(&part, &bytes).expect("a copy of the module");
        fs::rename(&part, &kept).expect("the copy in its place");
    }
    kept
}

/// Asks rustup for the target's standard library, unless the compiler has it.
fn add_target(machine: &str) {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", machine]).output();
    let folder = asked.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    if !Path::new(&folder).is_dir() {
        let added = Command::new("rustup").args(["target", "add", machine]).status();
        assert!(
            added.is_ok_and(|status| status.success()),
            "this machine can not compile for {machine}; with rustup: rustup target add {machine}"
        );
    }
}
