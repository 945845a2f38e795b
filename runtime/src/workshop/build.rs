//! Guests' crates become fresh `.wasm` files beside their TOML, in one piece.

use super::toolchain::{GuestCrate, NoToolchain, TARGET, Toolchain};
use crate::config::Plan;
use crate::guest;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A guest that is built from a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub pipeline: String,
    pub guest: String,
    pub crate_folder: PathBuf,
    /// Where the pipeline looks for it.
    pub place: PathBuf,
}

/// A guest that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    pub bytes: usize,
    /// Whether the file is another one than before.
    pub is_new: bool,
    /// Whether a trap can say in which function it was.
    pub has_names: bool,
    pub took: Duration,
}

/// Why a guest was not built. What the compiler said is not repeated where it was shown already.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0}")]
    NoToolchain(#[from] NoToolchain),
    #[error("{0}")]
    Crate(String),
    #[error("it does not compile")]
    Compile {
        /// The compiler's words, if they were not shown.
        said: String,
    },
    #[error("{path} can not be written: {reason}")]
    Place { path: PathBuf, reason: io::Error },
}

/// Whether the compiler's words go to the terminal as they come, or are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    Shown,
    Kept,
}

/// The guests of a plan that name their crates, in order of pipeline and name.
pub fn orders(plan: &Plan) -> Vec<Order> {
    let mut orders = Vec::new();
    for pipeline in &plan.pipelines {
        for guest in &pipeline.guests {
            let Some(crate_folder) = guest.crate_folder.clone() else { continue };
            orders.push(Order {
                pipeline: pipeline.name.clone(),
                guest: guest.stem.clone(),
                crate_folder,
                place: pipeline.folder.join(format!("{}.wasm", guest.stem)),
            });
        }
    }
    orders.sort_by(|a, b| (&a.pipeline, &a.guest).cmp(&(&b.pipeline, &b.guest)));
    orders
}

/// Builds one guest and puts it into its place. `say` hears of what takes long beside the compiler.
///
/// # Errors
/// If there is no compiler for WebAssembly, or it refuses, or the file can not be written.
pub fn build(order: &Order, words: Words, say: impl Fn(&str)) -> Result<Built, BuildError> {
    let compiled = compile(order, words, say)?;
    let is_new = compiled.is_new_at(&order.place);
    compiled.put_at(&order.place)?;
    let Compiled { bytes, took } = compiled;
    Ok(Built { bytes: bytes.len(), is_new, has_names: guest::has_names(&bytes), took })
}

/// A guest that was compiled, and is in no pipeline's folder yet.
pub struct Compiled {
    bytes: Vec<u8>,
    pub took: Duration,
}

impl Compiled {
    /// Whether another file lies there, or none.
    pub fn is_new_at(&self, place: &Path) -> bool {
        fs::read(place).ok().as_deref() != Some(&self.bytes[..])
    }

    /// Puts it there, if it is not there already.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn put_at(&self, place: &Path) -> Result<(), BuildError> {
        if !self.is_new_at(place) {
            return Ok(());
        }
        put(place, &self.bytes).map_err(|reason| BuildError::Place { path: place.to_owned(), reason })
    }
}

/// Builds one guest, and leaves its place as it is.
///
/// # Errors
/// If there is no compiler for WebAssembly, or it refuses.
pub fn compile(order: &Order, words: Words, say: impl Fn(&str)) -> Result<Compiled, BuildError> {
    let began = Instant::now();
    let guest_crate = GuestCrate::look(&order.crate_folder, None).map_err(BuildError::Crate)?;
    let toolchain = Toolchain::find(&order.crate_folder, TARGET, say)?;
    let mut command = guest_crate.build(toolchain, TARGET, &[]);
    let no_cargo = |e: io::Error| BuildError::Crate(format!("cargo can not be started: {e}"));
    let (status, said) = match words {
        Words::Shown => (command.status().map_err(no_cargo)?, Vec::new()),
        Words::Kept => {
            let output = command.env("CARGO_TERM_COLOR", "always").stdout(Stdio::null()).output().map_err(no_cargo)?;
            (output.status, output.stderr)
        }
    };
    if !status.success() {
        return Err(BuildError::Compile { said: String::from_utf8_lossy(&said).into_owned() });
    }
    let module = guest_crate.module(TARGET);
    let bytes = fs::read(&module)
        .map_err(|e| BuildError::Crate(format!("cargo succeeded, but {} can not be read: {e}", module.display())))?;
    Ok(Compiled { bytes, took: began.elapsed() })
}

/// Writes a file that nobody ever sees half of: under a hidden name first, then renamed.
///
/// # Errors
/// If the folder can not be written.
pub fn put(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = place.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&part, place));
    if placed.is_err() {
        // It may not even have been made.
        let _ = fs::remove_file(&part);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_put_in_one_piece_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("g.wasm");
        put(&place, b"one").expect("written");
        put(&place, b"two").expect("written");
        assert_eq!(fs::read(&place).expect("read"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(put(&folder.path().join("nowhere/g.wasm"), b"x").is_err());
    }
}
