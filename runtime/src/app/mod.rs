//! The composition root: the only place that names every adapter. Below it nobody knows who stands at the other end.
//!
//! Start order: state, engine, lanes, guests, corridors, admin, sources: nothing that sends is started before what receives.
//! Drain order is the same way round: sources are held, corridors finish, lanes drain, the last checkpoint is written and
//! confirmed, sources stop.

mod inspection;
mod mapping;
mod members;
mod names;
mod orphans;
mod rehearsal;
mod reload;
mod revival;
mod ring;
mod survey;
mod terminal;

pub use inspection::Inspection;
pub use mapping::stream;
pub use rehearsal::{Rehearsal, Unready};
pub use survey::{slots, survey};
pub use terminal::{Screen, picture};

use crate::admin::dead::{Desk, Sent};
use crate::admin::status::Status;
use crate::admin::{self, Registry};
use crate::config::{self, Experts, Mistakes, Plan};
use crate::guest::{Engine, GuestHost, HostSettings, this_program};
use crate::pipeline::{Corridor, INBOX_LEN_MAX, REVIVED_LEN_MAX};
use crate::sink::format::debezium;
use crate::sink::kafka;
use crate::source::SourceError;
use crate::store::{SqliteStore, Store};
use crate::telemetry::{Note, SourceStats};
use futures_util::future::BoxFuture;
use members::Members;
use orphans::Orphans;
use revival::Revival;
use ring::{Reader, Readers, Ring, RingSettings, Stream};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

/// How long a source is given to tell the database the last position, and to hang up.
const SOURCE_STOP_MAX: Duration = Duration::from_secs(3);
/// A position that was written is told to the database within this time by its source.
const CONFIRM_WAIT: Duration = Duration::from_millis(300);

/// From the end of a drain until what is not delivered is on disk.
const PUT_AWAY_GRACE: Duration = Duration::from_millis(2_500);

/// While what a source read is handed on, it is looked at this often.
const HAND_ON_LOOK: Duration = Duration::from_millis(10);
/// Before an edited configuration is taken, lanes are given this long for what is under way; the rest is read again.
const RELOAD_DRAIN: Duration = Duration::from_secs(3);

/// Reads a folder, with the process's environment, and asks the libraries about the options that are handed on to them.
///
/// # Errors
/// Every mistake at once.
pub fn read(dir: &Path) -> Result<Plan, Mistakes> {
    let form = |form, options: &[(String, String)]| mapping::form(form, options).map(drop);
    let experts = Experts { librdkafka: &kafka::check_option, debezium: &debezium::check_option, form: &form };
    config::load_with(dir, &|name| std::env::var(name).ok(), experts)
}

/// How a run came to its end.
#[derive(Debug)]
pub enum Ending {
    /// Somebody asked for it.
    Asked,
    /// The configuration was edited; this is the new one.
    Edited(Box<Plan>),
    Failed {
        /// What happened and what to do.
        message: String,
        /// Whether going on would lose changes.
        loss: bool,
        /// Whether the configuration is to blame.
        usage: bool,
    },
}

impl Ending {
    fn failed(message: impl ToString) -> Self {
        Self::Failed { message: message.to_string(), loss: false, usage: false }
    }
}

/// What outlives an edit of the configuration: the state, the compiler, the admin address.
pub struct Ground {
    dir: PathBuf,
    store: Arc<dyn Store>,
    guests: HostSettings,
    registry: watch::Sender<Arc<Registry>>,
    /// Whether `/rows` shows rows.
    shows_rows: bool,
    /// Why the last edit was not taken.
    complaint: Arc<Note>,
    /// The way of dead letters back into the house.
    revival: Arc<Revival>,
    orphans: Arc<Orphans>,
    /// How the files of the configuration looked when they were read last.
    read: Mutex<reload::Seen>,
}

impl Ground {
    /// Opens the state and the admin address.
    ///
    /// # Errors
    /// If one of them can not be used.
    pub async fn open(dir: &Path, plan: &Plan) -> Result<Self, Ending> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&plan.host.state).map_err(Ending::failed)?);
        let listener = admin::bind(plan.host.admin).await.map_err(Ending::failed)?;
        let guests = host_settings(plan).map_err(Ending::failed)?;
        let complaint = Arc::new(Note::default());
        let (registry, seen) =
            watch::channel(Arc::new(Registry::empty(plan.host.memory, complaint.clone(), store.clone())));
        let token = plan.host.token.as_ref().map(|t| t.expose().to_owned());
        let revival = Arc::new(Revival::new(store.clone()));
        let orphans = Arc::new(Orphans::new(store.clone(), seen.clone()));
        let desk = desk(store.clone(), revival.clone(), orphans.clone());
        tokio::spawn(admin::serve(listener, seen, token, desk));
        let (dir, read) = (dir.to_owned(), Mutex::default());
        Ok(Self { dir, store, guests, registry, shows_rows: false, complaint, revival, orphans, read })
    }

    /// Lets the admin address show rows with their keys.
    pub fn showing_rows(self) -> Self {
        Self { shows_rows: true, ..self }
    }

    /// Says why an edit was not taken after all.
    pub fn refuse(&self, ending: &Ending) {
        if let Ending::Failed { message, .. } = ending {
            reload::refuse(
                &self.complaint,
                format!("the edited configuration can not be started, the old one goes on: {message}"),
            );
        }
    }

    /// What `/status` reads, as it changes with the configuration.
    pub fn registry(&self) -> watch::Receiver<Arc<Registry>> {
        self.registry.subscribe()
    }
}

/// What people on call reach over HTTP.
fn desk(store: Arc<dyn Store>, revival: Arc<Revival>, orphans: Arc<Orphans>) -> Desk {
    let again = move |revive| -> BoxFuture<'static, Result<Sent, String>> {
        let revival = revival.clone();
        Box::pin(async move { revival.send(revive).await })
    };
    let clear = move |name, reason| -> BoxFuture<'static, Result<u64, String>> {
        let orphans = orphans.clone();
        // On its own: whoever asked may hang up between the state and what is shown of it.
        let cleared = tokio::spawn(async move { orphans.clear(&name, reason).await });
        Box::pin(async move { cleared.await.unwrap_or_else(|error| Err(error.to_string())) })
    };
    Desk::new(store, Box::new(again), Box::new(clear))
}

/// A running house.
pub struct App {
    plan: Plan,
    rings: Vec<Ring>,
    corridors: Vec<JoinHandle<()>>,
    members: Members,
    stop_guests: Arc<AtomicBool>,
    closing: watch::Sender<bool>,
    ended: mpsc::UnboundedReceiver<(String, Result<(), SourceError>)>,
    /// The source that can not go on.
    gave_up: Option<String>,
}

impl App {
    /// Starts everything that the plan names.
    ///
    /// # Errors
    /// If the state, the admin address or a setting that only shows itself now can not be used. A database or a customer
    /// that is away is no error: they are waited for.
    pub async fn start(ground: &Ground, plan: Plan) -> Result<Self, Ending> {
        let _still = ground.orphans.hold().await;
        let mut registry = Registry::empty(plan.host.memory, ground.complaint.clone(), ground.store.clone());
        let (closing, closes) = watch::channel(false);
        let mut members = Members::new(&plan, ground.store.clone());
        let source_stats: HashMap<String, Arc<SourceStats>> =
            plan.sources.iter().map(|source| (source.name.clone(), Arc::default())).collect();
        let mut hosts = Vec::new();
        let mut corridors = Vec::new();
        let mut inboxes = HashMap::new();
        let mut readers: HashMap<String, Readers> = HashMap::new();
        let stop_guests = Arc::new(AtomicBool::new(false));
        for pipeline in &plan.pipelines {
            let roads = members.build(pipeline, &registry).map_err(usage)?;
            let host = GuestHost::start(ground.guests.clone(), mapping::guests(pipeline), stop_guests.clone());
            let host = Arc::new(host.map_err(Ending::failed)?);
            let store = ground.store.clone();
            let settings = mapping::pipeline(pipeline, &roads, (host.clone(), store), &mut registry, &source_stats);
            let settings = settings.map_err(usage)?;
            hosts.push((pipeline.name.clone(), host));
            let (inbox, batches) = mpsc::channel(INBOX_LEN_MAX);
            for source in &pipeline.sources {
                let reader = Reader { inbox: inbox.clone(), narrow: mapping::narrow(pipeline, source) };
                readers.entry(source.clone()).or_default().push(reader);
            }
            let (again, revived) = mpsc::channel(REVIVED_LEN_MAX);
            inboxes.insert(pipeline.name.clone(), again);
            corridors.push(tokio::spawn(Corridor::new(settings).run(batches, revived)));
        }
        registry.guests = mapping::guest_entries(hosts.clone());
        let (ended, has_ended) = mpsc::unbounded_channel();
        let mut rings = Vec::new();
        for source in &plan.sources {
            let Some(readers) = readers.remove(&source.name) else {
                warn!(source = source.name, "no pipeline reads from it; it is left alone");
                continue;
            };
            let stats = source_stats[&source.name].clone();
            let stream = Stream { source: source.name.clone(), stream: mapping::stream(source).to_owned() };
            let known = stream.known(&*ground.store).map_err(Ending::failed)?;
            let adapter = mapping::source(&plan, source, known).map_err(usage)?;
            let (store, closes, ended) = (ground.store.clone(), closes.clone(), ended.clone());
            let settings = RingSettings { stream, store, readers, stats: stats.clone(), closes, ended };
            let ring = Ring::start(adapter, settings).map_err(Ending::failed)?;
            registry.sources.push(admin::SourceEntry {
                name: source.name.clone(),
                kind: mapping::kind(source),
                stats,
                ledger: ring.ledger.clone(),
                unsaved: ring.unsaved.clone(),
            });
            rings.push(ring);
        }
        info!(
            pipelines = plan.pipelines.len(),
            sources = rings.len(),
            lanes = registry.lanes().len(),
            admin = %plan.host.admin,
            "started"
        );
        members.tell_orphans(&registry);
        ground.revival.open(members.reachable(), inboxes);
        if ground.shows_rows {
            registry.pipelines.iter().for_each(|pipeline| pipeline.stats.tap.open());
        }
        ground.registry.send_replace(Arc::new(registry));
        Ok(Self { plan, rings, corridors, members, stop_guests, closing, ended: has_ended, gave_up: None })
    }

    /// Runs until `asked` resolves, the configuration is edited, or a source can not go on; then drains.
    pub async fn run_until(mut self, ground: &Ground, asked: impl Future<Output = ()>) -> Ending {
        let mut asked = pin!(asked);
        let ending = loop {
            let ending = self.next_ending(ground, asked.as_mut()).await;
            match ending {
                Ending::Edited(plan) if members::only_members_differ(&self.plan, &plan) => {
                    self.amend(ground, *plan).await
                }
                ending => break ending,
            }
        };
        let drain = self.plan.host.drain;
        let at_most = if matches!(ending, Ending::Edited(_)) { drain.min(RELOAD_DRAIN) } else { drain };
        info!(?at_most, "draining");
        let deadline = Instant::now() + at_most;
        ground.revival.close();
        self.hand_on(deadline).await;
        self.stop(deadline).await;
        if !matches!(ending, Ending::Edited(_)) {
            let lanes = Status::read(&ground.registry.borrow()).lanes;
            let parked: u64 = lanes.iter().map(|lane| lane.parked).sum();
            let lanes = lanes.iter().filter(|lane| lane.parked > 0).count();
            match parked {
                0 => info!("stopped"),
                _ => info!(parked, lanes, "stopped; what is parked is on disk, and goes on at the next start"),
            }
        }
        ending
    }

    /// What a source had read when it gave up goes to the pipelines: it may be the last that they hear of it for long.
    async fn hand_on(&self, deadline: Instant) {
        let Some(name) = &self.gave_up else { return };
        for ring in self.rings.iter().filter(|ring| ring.name == *name) {
            while !ring.dispatcher.is_finished() && Instant::now() < deadline {
                tokio::time::sleep(HAND_ON_LOOK).await;
            }
        }
    }

    /// Members come, change and go, and nothing else notices.
    async fn amend(&mut self, ground: &Ground, plan: Plan) {
        let _still = ground.orphans.hold().await;
        let registry = ground.registry.borrow().clone();
        if let Err(reason) = self.members.amend(&plan, &registry).await {
            reload::refuse(&ground.complaint, format!("the edited members are not all taken: {reason}"));
        }
        self.plan = plan;
    }

    async fn next_ending(&mut self, ground: &Ground, mut asked: Pin<&mut impl Future<Output = ()>>) -> Ending {
        loop {
            tokio::select! {
                biased;
                // 1. A source that gave up is a reason to stop that somebody must hear of.
                ended = self.ended.recv() => return match ended {
                    Some((name, Err(error))) => {
                        let message = format!("source {name}: {error}");
                        self.gave_up = Some(name);
                        Ending::Failed { message, loss: error.loss, usage: false }
                    }
                    _ => Ending::failed("a source ended without being asked"),
                },
                // 2. Somebody asked.
                () = asked.as_mut() => return Ending::Asked,
                // 3. Somebody edited.
                plan = reload::edited(&ground.dir, &self.plan, &ground.complaint, &ground.read) => return Ending::Edited(Box::new(plan)),
                // 4. A member that was taken out has put away what it had: now it can be told, and decided about.
                () = self.members.one_has_left() => self.members.tell_orphans(&ground.registry.borrow()),
            }
        }
    }

    async fn stop(self, deadline: Instant) {
        self.closing.send_replace(true);
        let mut held = Vec::new();
        let mut waiting = Vec::new();
        for ring in self.rings {
            // The dispatcher's end drops the inboxes' senders, and with the last one of a pipeline its corridor ends.
            held.push(ring.dispatcher.await);
            waiting.push((ring.name, ring.ledger, ring.stop, ring.safe, ring.checkpoint));
        }
        for mut corridor in self.corridors {
            if timeout_at(deadline, &mut corridor).await.is_err() {
                // It waits for a full lane or a guest that is not there. What it holds is unpaid and will be read again.
                corridor.abort();
            }
        }
        self.members.drain(deadline, PUT_AWAY_GRACE).await;
        self.stop_guests.store(true, Relaxed);
        for (name, ledger, stop, mut safe, checkpoint) in waiting {
            let paid = ledger.confirmed().borrow().clone();
            let written = timeout_at(Instant::now() + SOURCE_STOP_MAX, safe.wait_for(|safe| *safe >= paid)).await;
            if written.is_ok() && paid.is_some() {
                tokio::time::sleep(CONFIRM_WAIT).await;
            }
            checkpoint.abort();
            stop.store(true, Relaxed);
            let unpaid = ledger.unpaid();
            if unpaid > 0 {
                info!(
                    source = name,
                    unpaid, "stopped with batches that are not delivered everywhere; they will be read again"
                );
            }
        }
        drop(held);
        let mut ended = self.ended;
        let _ = timeout_at(Instant::now() + SOURCE_STOP_MAX, async { while ended.recv().await.is_some() {} }).await;
    }
}

/// What all guests of the process share.
fn host_settings(plan: &Plan) -> Result<HostSettings, crate::guest::GuestError> {
    Ok(HostSettings { engine: Engine::new()?, state_dir: plan.host.state.clone(), componentizer: this_program() })
}

fn usage(message: String) -> Ending {
    Ending::Failed { message, loss: false, usage: true }
}
