//! Everything that can be said of a file that may be a guest, also of one that can not be used: for `sluicegate inspect`.

use super::check::{self, Kind};
use super::componentize::componentize;
use super::error::one_line;
use super::imports::Voice;
use super::instance::Instance;
use super::loader::{HostSettings, ModuleFile, description};
use super::subscription::Subscriptions;
use super::world::Linked;
use super::{Description, Generation, GuestError, Limits};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::component::Component;

/// What a file is.
#[derive(Debug)]
pub struct Examination {
    pub size_bytes: u64,
    /// The first digits of its hash.
    pub generation: String,
    /// `a core module`, `a component`; `None` if it is neither.
    pub kind: Option<&'static str>,
    /// Whether a trap can say in which function it was.
    pub has_names: bool,
    pub imports: Vec<Import>,
    /// What it says of itself; or why it can not be used, and what to do.
    pub taken: Result<Taken, GuestError>,
}

#[derive(Debug)]
pub struct Import {
    pub name: String,
    /// Why guests do not get it, and what to do.
    pub refused: Option<String>,
}

/// A file that a pipeline with its routes and tables could run.
#[derive(Debug)]
pub struct Taken {
    pub description: Description,
    /// Making a component of a core module, in a process of its own.
    pub componentize: Option<Duration>,
    pub compile: Duration,
    /// `describe`, on a fresh instance.
    pub start: Duration,
    pub memory_bytes: usize,
}

/// Looks at a file as closely as it lets one. Nothing is read from the cache, so that times are those of a first load.
///
/// # Errors
/// If it can not be read.
pub fn examine(path: &Path, host: &HostSettings) -> Result<Examination, GuestError> {
    let file = ModuleFile::read(path)?;
    let kind = check::kind(&file.bytes);
    let imports = kind
        .iter()
        .flat_map(|kind| check::all_imports(&file.bytes, *kind))
        .map(|(name, refused)| Import { name, refused: refused.map(|reason| reason.to_string()) });
    Ok(Examination {
        size_bytes: file.bytes.len() as u64,
        generation: file.generation().0.to_string(),
        kind: kind.map(|kind| match kind {
            Kind::Module => "a core module",
            Kind::Component => "a component",
        }),
        has_names: check::has_names(&file.bytes),
        imports: imports.collect(),
        taken: take(&file, host),
    })
}

fn take(file: &ModuleFile, host: &HostSettings) -> Result<Taken, GuestError> {
    let kind = check::file(&file.bytes)?;
    let began = Instant::now();
    let made;
    let (bytes, componentize) = match kind {
        Kind::Component => (&file.bytes, None),
        Kind::Module => {
            made = componentize(&host.componentizer, &file.bytes)?;
            check::component(&made)?;
            (&made, Some(began.elapsed()))
        }
    };
    let began = Instant::now();
    let component = Component::from_binary(host.engine.wasmtime(), bytes)
        .map_err(|e| GuestError::Compile { reason: one_line(&e) })?;
    let compile = began.elapsed();
    let generation = file.generation();
    let pre = Linked::new(&host.engine, &component)?;
    let began = Instant::now();
    let mut instance =
        Instance::new(&pre, nobody(&generation), Limits::default()).map_err(|b| b.in_step("its start"))?;
    let manifest = instance.describe().map_err(|b| b.in_step("describe"))?;
    let (start, memory_bytes) = (began.elapsed(), instance.memory_bytes());
    // Whether a pipeline has its routes is the pipeline's matter.
    Subscriptions::new(&manifest, &manifest.routes)?;
    let description = description((pre.world(), manifest), &generation, file.bytes.len() as u64, check::imports(bytes));
    Ok(Taken { description, componentize, compile, start, memory_bytes })
}

fn nobody(generation: &Generation) -> Voice {
    Voice { pipeline: "".into(), guest: "".into(), generation: generation.clone(), audience: None }
}
