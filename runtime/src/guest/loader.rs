//! From a file to code that is ready to take over: read, checked, compiled, described, initialised, tried.

use super::cache::{Cache, hex};
use super::check::{self, Kind};
use super::code::{Blueprint, Code};
use super::componentize::componentize;
use super::imports::Voice;
use super::instance::{Instance, Manifest};
use super::recent::{Kept, Recent};
use super::subscription::{Subscribed, Subscriptions};
use super::world::Linked;
use super::{Description, Engine, Generation, GuestError, Judgement, Limits, World};
use crate::change::Schema;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::component::Component;

/// What all guests of a process share.
#[derive(Clone)]
pub struct HostSettings {
    pub engine: Engine,
    /// Compiled guests are kept in a private folder in here.
    pub state_dir: PathBuf,
    /// Started as `PROGRAM __componentize`; `this_program()` outside of tests.
    pub componentizer: PathBuf,
}

/// A file's bytes with their name.
pub(super) struct ModuleFile {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: [u8; 32],
}

impl ModuleFile {
    pub(super) fn read(path: &Path) -> Result<Self, GuestError> {
        let bytes = check::read(path)?;
        let hash = Sha256::digest(&bytes).into();
        Ok(Self { bytes, hash })
    }

    /// The first six digits of the hash: enough to tell the versions of one file apart.
    pub(super) fn generation(&self) -> Generation {
        Generation(hex(&self.hash[..3]).into())
    }
}

/// What the pipeline says about a guest.
pub(super) struct Terms {
    pub(super) pipeline: Arc<str>,
    pub(super) guest: Arc<str>,
    pub(super) config: Vec<(String, String)>,
    pub(super) routes: Vec<String>,
    pub(super) limits: Limits,
}

pub(super) struct Loader {
    settings: HostSettings,
    cache: Cache,
}

impl Loader {
    pub(super) fn new(settings: HostSettings) -> Self {
        let cache = Cache::open(&settings.state_dir);
        Self { settings, cache }
    }

    /// Everything up to compiled and described code.
    pub(super) fn blueprint(&self, file: &ModuleFile, terms: &Terms) -> Result<Blueprint, GuestError> {
        let kind = check::file(&file.bytes)?;
        let (component, imports) = self.component(file, kind)?;
        let pre = Linked::new(&self.settings.engine, &component)?;
        let generation = file.generation();
        let voice = terms.voice(&generation);
        let mut instance = Instance::new(&pre, voice, terms.limits).map_err(|b| b.in_step("its start"))?;
        let manifest = instance.describe().map_err(|b| b.in_step("describe"))?;
        let subscriptions = Subscriptions::new(&manifest, &terms.routes)?;
        let world = pre.world();
        Ok(Blueprint {
            pre,
            description: description((world, manifest), &generation, file.bytes.len() as u64, imports),
            generation,
            subscriptions,
            config: terms.config.clone(),
            routes: terms.routes.clone(),
            limits: terms.limits,
        })
    }

    /// Compiled code, from the cache if it was seen before.
    fn component(&self, file: &ModuleFile, kind: Kind) -> Result<(Component, Vec<String>), GuestError> {
        let engine = &self.settings.engine;
        if let Some(component) = self.cache.load(engine, &file.hash) {
            // Only what passed every check is ever stored.
            let component_type = component.component_type();
            let names = component_type.imports(engine.wasmtime()).map(|(name, _)| name.to_owned());
            let imports = names.filter(|name| name.contains('/')).collect();
            return Ok((component, imports));
        }
        let made;
        let bytes = match kind {
            Kind::Component => &file.bytes,
            Kind::Module => {
                made = componentize(&self.settings.componentizer, &file.bytes)?;
                check::component(&made)?;
                &made
            }
        };
        let component = Component::from_binary(engine.wasmtime(), bytes)
            .map_err(|e| GuestError::Compile { reason: super::error::one_line(&e) })?;
        self.cache.store(engine, &file.hash, &component);
        Ok((component, check::imports(bytes)))
    }

    /// Code that knows the tables, has been tried on recent rows, and is as fresh as if it had not.
    pub(super) fn ready(&self, blueprint: Blueprint, voice: Voice, recent: Memory) -> Result<Code, GuestError> {
        let blueprint = Arc::new(blueprint);
        let silent = Voice { audience: None, ..voice.clone() };
        let mut trial = Code::start(blueprint.clone(), silent)?;
        for (source, schema) in &recent.tables {
            trial.announce(source, schema)?;
        }
        probe(&mut trial, &recent.rows)?;
        let mut code = Code::start(blueprint, voice)?;
        for (source, schema) in &recent.tables {
            code.announce(source, schema)?;
        }
        Ok(code)
    }
}

/// What the slot has seen, copied out so that nothing waits for a probe.
#[derive(Default)]
pub(super) struct Memory {
    tables: Vec<(Arc<str>, Arc<Schema>)>,
    rows: Vec<Kept>,
}

impl Memory {
    pub(super) fn of(recent: &Recent) -> Self {
        Self { tables: recent.tables(), rows: recent.rows() }
    }
}

impl Terms {
    /// A voice that nobody hears.
    fn voice(&self, generation: &Generation) -> Voice {
        Voice {
            pipeline: self.pipeline.clone(),
            guest: self.guest.clone(),
            generation: generation.clone(),
            audience: None,
        }
    }
}

/// New code must not break at a row that the old code could handle. Its verdicts are thrown away.
fn probe(code: &mut Code, rows: &[Kept]) -> Result<(), GuestError> {
    for kept in rows {
        let outcome = code.judge(&kept.batch, std::slice::from_ref(&kept.offered)).map_err(|held| held.0)?;
        if kept.broke {
            continue;
        }
        if outcome.broken > 0
            && let Some(Judgement::Reject(rejection)) = outcome.judgements.into_iter().next()
        {
            return Err(GuestError::Probe { code: rejection.code, reason: rejection.message });
        }
    }
    Ok(())
}

pub(super) fn description(
    (world, manifest): (World, Manifest),
    generation: &Generation,
    size_bytes: u64,
    imports: Vec<String>,
) -> Description {
    let subscribed = |s: super::instance::WireSubscription| Subscribed {
        table: s.table,
        operations: s.operations,
        columns: s.columns,
        old: s.old,
    };
    Description {
        world,
        name: manifest.name,
        version: manifest.version,
        frame: manifest.frame,
        generation: generation.0.to_string(),
        size_bytes,
        subscriptions: manifest.subscriptions.into_iter().map(subscribed).collect(),
        routes: manifest.routes,
        stateful: manifest.stateful,
        imports,
    }
}

/// What a file is, as the verb `check` shows it: everything up to `describe`, and `init` with the given configuration.
///
/// # Errors
/// The sentence that says why it can not be used, and what to do.
pub fn inspect(
    path: &Path,
    settings: &HostSettings,
    config: &[(String, String)],
    routes: &[String],
    limits: Limits,
) -> Result<Description, GuestError> {
    let file = ModuleFile::read(path)?;
    let guest = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let terms =
        Terms { pipeline: "".into(), guest: guest.into(), config: config.to_vec(), routes: routes.to_vec(), limits };
    let blueprint = Loader::new(settings.clone()).blueprint(&file, &terms)?;
    let voice = terms.voice(&blueprint.generation);
    let code = Code::start(Arc::new(blueprint), voice)?;
    Ok(code.blueprint.description.clone())
}
