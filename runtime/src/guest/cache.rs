//! Compiled guests on disk, so that a restart or a known file need not be compiled again.

use super::Engine;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::component::Component;

/// Entries in the folder; the ones that were used longest ago go first.
const ENTRIES_MAX: usize = 64;
/// An entry larger than this is not read: the largest guests compile to about 60 MB.
const ENTRY_BYTES_MAX: u64 = 256 << 20;
const CHECKSUM_BYTES: usize = 32;

/// A folder that only we may read and write. Without one there is no cache, and everything still works.
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Opens or makes `state_dir/guests`.
    pub(super) fn open(state_dir: &Path) -> Self {
        let folder = state_dir.join("guests");
        match private_folder(&folder) {
            Ok(()) => Self { folder: Some(folder) },
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "compiled guests are not kept: the folder is not private to this user");
                Self { folder: None }
            }
        }
    }

    /// Compiled code of the module with this hash, if this very engine's configuration made it.
    pub(super) fn load(&self, engine: &Engine, module: &[u8; 32]) -> Option<Component> {
        let path = self.path(engine, module)?;
        let mut file = File::open(&path).ok()?;
        if file.metadata().ok()?.len() > ENTRY_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (checksum, code) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
        if Sha256::digest(code).as_slice() != checksum {
            tracing::warn!(entry = %path.display(), "a compiled guest is damaged on disk; compiling it again");
            let _ = fs::remove_file(&path);
            return None;
        }
        // The order of use decides who goes when the folder is full.
        let _ = file.set_modified(SystemTime::now());
        // SAFETY: deserialize trusts the bytes to be what `Component::serialize` gave. They come from a folder with mode
        // 0700 that belongs to this user (`private_folder`), where only `store` writes, under a name that holds the hash of
        // the module and of the engine's configuration; the checksum over the very bytes that are handed over is right, so
        // they are what `store` wrote. Whoever can forge that can already write into this process.
        unsafe { Component::deserialize(engine.wasmtime(), code) }.ok()
    }

    /// Keeps compiled code. A failure costs the next start some milliseconds and nothing else.
    pub(super) fn store(&self, engine: &Engine, module: &[u8; 32], component: &Component) {
        let Some(path) = self.path(engine, module) else { return };
        let stored =
            component.serialize().map_err(|e| io::Error::other(e.to_string())).and_then(|code| write(&path, &code));
        match stored {
            Ok(()) => self.trim(),
            Err(error) => tracing::warn!(entry = %path.display(), %error, "a compiled guest can not be kept on disk"),
        }
    }

    fn path(&self, engine: &Engine, module: &[u8; 32]) -> Option<PathBuf> {
        let mut hasher = DefaultHasher::new();
        engine.wasmtime().precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let name = format!("{}-{:016x}.bin", hex(module), hasher.finish());
        Some(self.folder.as_ref()?.join(name))
    }

    fn trim(&self) {
        let Some(Ok(entries)) = self.folder.as_ref().map(fs::read_dir) else { return };
        let mut entries: Vec<(SystemTime, PathBuf)> =
            entries.flatten().filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(ENTRIES_MAX);
        for (_, path) in &entries[..surplus] {
            let _ = fs::remove_file(path);
        }
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if !ours || metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other("it must be a folder of this user with mode 0700"));
    }
    Ok(())
}

/// Written under another name and renamed, so that nobody reads half of it.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(Sha256::digest(code).as_slice())?;
    file.write_all(code)?;
    drop(file);
    fs::rename(&temporary, path)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const HASH: [u8; 32] = [7; 32];

    #[test]
    fn damaged_entry_is_forgotten_and_not_run() {
        let state = tempfile::tempdir().expect("a folder");
        let engine = Engine::new().expect("an engine");
        let cache = Cache::open(state.path());
        let component = Component::new(engine.wasmtime(), EMPTY).expect("an empty component");
        cache.store(&engine, &HASH, &component);
        assert!(cache.load(&engine, &HASH).is_some(), "what was stored is found");
        let path = cache.path(&engine, &HASH).expect("a path");
        let mut bytes = fs::read(&path).expect("the entry");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).expect("damage");
        assert!(cache.load(&engine, &HASH).is_none());
        assert!(!path.exists(), "the damaged entry is gone");
    }

    #[test]
    fn folder_that_others_may_write_is_not_used() {
        let state = tempfile::tempdir().expect("a folder");
        let folder = state.path().join("guests");
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("permissions");
        assert!(Cache::open(state.path()).folder.is_none());
    }

    #[test]
    fn number_of_entries_is_bounded() {
        let state = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(state.path());
        for n in 0..ENTRIES_MAX + 5 {
            write(&state.path().join("guests").join(format!("{n}.bin")), b"code").expect("an entry");
        }
        cache.trim();
        assert_eq!(fs::read_dir(state.path().join("guests")).expect("entries").count(), ENTRIES_MAX);
    }
}
