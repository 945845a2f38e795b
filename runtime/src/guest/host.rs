//! The guests of one pipeline: a slot per file, and the thread that loads what changes in the folder.
//!
//! ```text
//!   folder ─▶ watch ─▶ loader ─▶ Successor ─▶ slot's worker (swap between two batches)
//! ```

use super::imports::Voice;
use super::limits::MEMORY_BYTES_MAX;
use super::loader::{HostSettings, Loader, Memory, ModuleFile, Terms};
use super::slot::{Slot, Successor};
use super::watch::{Changed, FolderWatch};
use super::worker::{STACK_BYTES, Worker};
use super::{GuestError, Limits, Transform};
use crate::telemetry::GuestStats;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Stop is looked at ten times a second.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// Guests of one pipeline; each has a thread.
const GUESTS_MAX: usize = 32;
/// A file that could not be read is tried again after this long, if nothing changes before.
const READ_RETRY: Duration = Duration::from_secs(2);

/// One pipeline's guests.
pub struct GuestSettings {
    pub pipeline: String,
    /// Every `.wasm` in it runs, in order of name, unless `listed` says which.
    pub folder: PathBuf,
    /// File names, with or without `.wasm`, in the order in which they run.
    pub listed: Option<Vec<String>>,
    /// Stems of guests that must be there even while their files are not: rows wait for them instead of passing by.
    pub expected: Vec<String>,
    /// By file stem: configuration and limits. Guests without an entry have no configuration and the default limits.
    pub per_guest: HashMap<String, (Vec<(String, String)>, Limits)>,
    /// Names of the pipeline's routes.
    pub routes: Vec<String>,
}

/// Runs the guests of one pipeline until it is dropped or told to stop.
pub struct GuestHost {
    shared: Arc<Shared>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the loading thread and the pipeline both look at.
#[derive(Default)]
struct Shared {
    /// In the order in which they run.
    chain: RwLock<Vec<Arc<Slot>>>,
    /// Of every file, also of newcomers that were refused.
    stats: Mutex<BTreeMap<String, Arc<GuestStats>>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl GuestHost {
    /// Starts the threads and returns at once; guests are loaded behind it, and rows wait for them. `stop` ends everything.
    ///
    /// # Errors
    /// If the folder can not be read, a limit is beyond what the engine gives, or a thread can not be started.
    pub fn start(host: HostSettings, settings: GuestSettings, stop: Arc<AtomicBool>) -> Result<GuestHost, GuestError> {
        let unreadable = |e: std::io::Error| GuestError::Read { path: settings.folder.clone(), reason: e.to_string() };
        for (guest, (_, limits)) in &settings.per_guest {
            if limits.memory_bytes > MEMORY_BYTES_MAX {
                let reason = format!("limits.memory of {guest} is more than 1 GiB, the most that a guest can have");
                return Err(GuestError::Engine { reason });
            }
        }
        let (watch, found) = FolderWatch::new(&settings.folder).map_err(unreadable)?;
        let ended = Arc::new(AtomicBool::new(false));
        let mut keeper = Keeper {
            shared: Arc::default(),
            loader: Loader::new(host),
            pipeline: settings.pipeline.as_str().into(),
            settings,
            watch,
            files: BTreeMap::new(),
            retry: BTreeMap::new(),
            stop,
            ended: ended.clone(),
        };
        let first = keeper.first(found)?;
        let shared = keeper.shared.clone();
        let name = super::error::clip(&format!("guests-{}", keeper.pipeline), 15);
        let spawned = Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || keeper.run(first));
        let thread = spawned.map_err(|e| GuestError::Engine { reason: e.to_string() })?;
        Ok(GuestHost { shared, ended, threads: vec![thread] })
    }

    /// The guests in the order in which a row passes them. Ask once per batch; it is a few reference counts.
    pub fn chain(&self) -> Vec<Arc<dyn Transform>> {
        let chain = self.shared.chain.read().expect("no panic while the chain is written");
        chain.iter().map(|slot| slot.clone() as Arc<dyn Transform>).collect()
    }

    /// The counters of every file, by its name.
    pub fn stats(&self) -> Vec<(String, Arc<GuestStats>)> {
        let stats = self.shared.stats.lock().expect("no panic while a guest is noted");
        stats.iter().map(|(name, stats)| (name.clone(), stats.clone())).collect()
    }
}

impl Drop for GuestHost {
    /// Ends the threads and waits for them: at most as long as the running batch takes.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let workers = std::mem::take(&mut *self.shared.workers.lock().expect("no panic while a worker is noted"));
        for slot in self.shared.chain.read().expect("no panic while the chain is written").iter() {
            slot.stop();
        }
        for thread in self.threads.drain(..).chain(workers) {
            // A panic was logged by its thread.
            let _ = thread.join();
        }
    }
}

/// The loading thread.
struct Keeper {
    shared: Arc<Shared>,
    loader: Loader,
    settings: GuestSettings,
    pipeline: Arc<str>,
    watch: FolderWatch,
    /// By file name.
    files: BTreeMap<String, Known>,
    /// Files that could not be read, and when to try again.
    retry: BTreeMap<PathBuf, Instant>,
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

/// What is known of a file.
struct Known {
    slot: Arc<Slot>,
    /// Of the last version that was looked at, taken or not.
    hash: Option<[u8; 32]>,
    /// Whether rows pass it. A newcomer joins when it has been loaded.
    joined: bool,
    /// Whether some version of it was taken.
    loaded: bool,
}

impl Keeper {
    /// The slots that must be there before the first row: without them rows would pass by guests that are still loading.
    fn first(&mut self, found: Vec<PathBuf>) -> Result<Vec<Changed>, GuestError> {
        let folder = self.settings.folder.clone();
        let names: Vec<String> = match &self.settings.listed {
            Some(listed) => listed.iter().map(|name| file_name(name)).collect(),
            None => {
                let expected = self.settings.expected.iter().map(|stem| file_name(stem));
                let all: BTreeSet<String> = found.iter().filter_map(|p| name_of(p)).chain(expected).collect();
                all.into_iter().collect()
            }
        };
        if names.len() > GUESTS_MAX {
            return Err(GuestError::Engine {
                reason: format!("a pipeline can have {GUESTS_MAX} guests, this one has {}", names.len()),
            });
        }
        for name in &names {
            self.join(name).map_err(|e| GuestError::Engine { reason: e.to_string() })?;
        }
        let at = Instant::now();
        Ok(names.iter().map(|name| Changed { path: folder.join(name), at }).collect())
    }

    fn run(mut self, first: Vec<Changed>) {
        for changed in first {
            if self.is_over() {
                break;
            }
            self.look(changed);
        }
        while !self.is_over() {
            for changed in self.watch.next(STOP_LOOK) {
                self.look(changed);
            }
            let now = Instant::now();
            let due: Vec<PathBuf> = self.retry.iter().filter(|(_, at)| **at <= now).map(|(p, _)| p.clone()).collect();
            for path in due {
                self.look(Changed { path, at: now });
            }
        }
        for known in self.files.values() {
            known.slot.stop();
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed)
    }

    /// A slot in the chain, with its thread, at the place that its name gives it.
    fn join(&mut self, name: &str) -> std::io::Result<()> {
        let known = self.files.entry(name.to_owned()).or_insert_with(|| Known::new(name));
        if known.joined {
            return Ok(());
        }
        let worker = Worker::spawn(known.slot.clone(), self.pipeline.clone())?;
        known.joined = true;
        self.shared.workers.lock().expect("no panic while a worker is noted").push(worker);
        let stats = known.slot.stats.clone();
        self.shared.stats.lock().expect("no panic while a guest is noted").insert(name.to_owned(), stats);
        let order: Vec<String> = match &self.settings.listed {
            Some(listed) => listed.iter().map(|name| file_name(name)).collect(),
            None => self.files.keys().cloned().collect(),
        };
        let joined = order.iter().filter_map(|name| self.files.get(name)).filter(|known| known.joined);
        let chain: Vec<Arc<Slot>> = joined.map(|known| known.slot.clone()).collect();
        *self.shared.chain.write().expect("no panic while the chain is written") = chain;
        Ok(())
    }

    /// A file has changed, or is looked at for the first time.
    fn look(&mut self, changed: Changed) {
        self.retry.remove(&changed.path);
        let Some(name) = name_of(&changed.path) else { return };
        let listed = self.settings.listed.as_ref();
        if listed.is_some_and(|listed| !listed.iter().any(|l| file_name(l) == name)) {
            return;
        }
        let loaded = self.load(&name, &changed);
        let Some(known) = self.files.get_mut(&name) else { return };
        match loaded {
            Ok(()) => {}
            Err(error @ GuestError::Read { .. }) if !changed.path.exists() => {
                known.hash = None;
                self.gone(&name, &error);
            }
            Err(error) => {
                if error.fault() == crate::fault::Fault::Passing {
                    known.hash = None;
                    self.retry.insert(changed.path.clone(), Instant::now() + READ_RETRY);
                }
                self.refuse(&name, &error);
            }
        }
    }

    fn load(&mut self, name: &str, changed: &Changed) -> Result<(), GuestError> {
        let file = ModuleFile::read(&changed.path);
        let known = self.files.entry(name.to_owned()).or_insert_with(|| Known::new(name));
        let file = file?;
        if known.hash == Some(file.hash) {
            return Ok(());
        }
        known.hash = Some(file.hash);
        let slot = known.slot.clone();
        if slot.stats.state.get().as_deref() == Some("kept") && known.loaded && slot.runs(&file.generation()) {
            // Taken away and put back: it never stopped.
            slot.stats.state.set("running");
            slot.stats.last_error.clear();
            return Ok(());
        }
        let terms = self.terms(name);
        let blueprint = self.loader.blueprint(&file, &terms)?;
        let memory = Memory::of(&slot.recent.lock().expect("no panic while rows are remembered"));
        let voice = Voice {
            pipeline: terms.pipeline,
            guest: terms.guest,
            generation: file.generation(),
            audience: Some(slot.audience.clone()),
        };
        let code = self.loader.ready(blueprint, voice, memory)?;
        slot.offer(Box::new(Successor { code, changed_at: changed.at }));
        if let Some(known) = self.files.get_mut(name) {
            known.loaded = true;
        }
        self.join(name).map_err(|e| GuestError::Engine { reason: e.to_string() })
    }

    fn terms(&self, name: &str) -> Terms {
        let stem = name.trim_end_matches(".wasm");
        let (config, limits) = self.settings.per_guest.get(stem).cloned().unwrap_or_default();
        Terms {
            pipeline: self.pipeline.clone(),
            guest: stem.into(),
            config,
            routes: self.settings.routes.clone(),
            limits,
        }
    }

    /// One line, and the same in `status`. What runs goes on.
    fn refuse(&self, name: &str, error: &GuestError) {
        let Some(known) = self.files.get(name) else { return };
        let consequence = match (known.loaded, known.joined) {
            (true, _) => "the code before it goes on",
            (false, true) => "its pipeline waits",
            (false, false) => "it does not join the pipeline",
        };
        let stats = &known.slot.stats;
        stats.state.set(if known.loaded || !known.joined { "refused" } else { "waiting" });
        stats.last_error.set(error.to_string());
        let mut all = self.shared.stats.lock().expect("no panic while a guest is noted");
        all.entry(name.to_owned()).or_insert_with(|| stats.clone());
        tracing::warn!(pipeline = %self.pipeline, guest = name, "{name} is not taken, {consequence}: {error}");
    }

    /// The file is not there, or not there any more.
    fn gone(&mut self, name: &str, error: &GuestError) {
        let Some(known) = self.files.get(name) else { return };
        if !known.joined {
            // A newcomer that never ran left again.
            self.shared.stats.lock().expect("no panic while a guest is noted").remove(name);
            self.files.remove(name);
            return;
        }
        let stats = &known.slot.stats;
        let text = if known.loaded {
            stats.state.set("kept");
            "its file is gone; the code goes on until another file comes, or a restart".to_owned()
        } else {
            stats.state.set("waiting");
            format!("{error}; its pipeline waits for it")
        };
        // One removal is heard of several times.
        if stats.last_error.get().as_ref() != Some(&text) {
            tracing::warn!(pipeline = %self.pipeline, guest = name, "{name}: {text}");
            stats.last_error.set(text);
        }
    }
}

impl Known {
    fn new(name: &str) -> Self {
        let slot = Arc::new(Slot::new(name.trim_end_matches(".wasm")));
        Self { slot, hash: None, joined: false, loaded: false }
    }
}

fn file_name(listed: &str) -> String {
    if listed.ends_with(".wasm") { listed.to_owned() } else { format!("{listed}.wasm") }
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}
