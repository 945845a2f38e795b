//! The example guests, compiled for WebAssembly as their authors would do it, once per test run.

use sluicegate::workshop::toolchain::{GuestCrate, Toolchain};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

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
    // Cargo runs in the guest's own folder.
    let target = root.canonicalize().expect("the workspace").join("target/guests");
    let kept = target.join("modules");
    fs::create_dir_all(kept.join(machine)).expect("a folder for modules");
    // Two features of one guest have the same file name, so that nobody else may build until ours is copied.
    let lock = File::create(target.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let folder = root.join("guests").join(name);
    let toolchain =
        Toolchain::find(&folder, machine, |doing| eprintln!("{doing} ...")).unwrap_or_else(|e| panic!("{e}"));
    let guest = GuestCrate::look(&folder, Some(&target)).unwrap_or_else(|e| panic!("guests/{name}: {e}"));
    let features: Vec<&str> = feature.into_iter().collect();
    let status = guest.build(toolchain, machine, &features).arg("--quiet").status().expect("cargo starts");
    assert!(status.success(), "guests/{name} does not compile");
    let made = guest.module(machine);
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
