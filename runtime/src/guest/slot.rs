//! The place of one file in the chain. Its generations come and go behind it; the pipeline holds the slot.

use super::code::Code;
use super::imports::Audience;
use super::recent::Recent;
use super::subscription::{Subscriptions, bit};
use super::{Judged, OfferedRow, Transform};
use crate::change::{Batch, Op, Schema, SchemaId};
use crate::telemetry::GuestStats;
use futures_util::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Batches that may stand before one guest, the running one included.
const JOBS_MAX: usize = 4;

/// One batch to be judged.
pub(super) struct Job {
    pub(super) batch: Arc<Batch>,
    pub(super) rows: Vec<OfferedRow>,
    pub(super) reply: oneshot::Sender<Judged>,
    /// Given back when the batch is judged.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// New code, ready to take over.
pub(super) struct Successor {
    pub(super) code: Code,
    /// When its file changed.
    pub(super) changed_at: Instant,
}

/// What lies before the worker.
#[derive(Default)]
struct Inbox {
    jobs: VecDeque<Job>,
    successor: Option<Box<Successor>>,
    stop: bool,
}

/// What the worker does next.
pub(super) enum Next {
    Swap(Box<Successor>),
    Judge(Job),
    /// Nothing came in time.
    Idle,
    Stop,
}

pub(super) struct Slot {
    name: Arc<str>,
    pub(super) stats: Arc<GuestStats>,
    pub(super) audience: Arc<Audience>,
    pub(super) recent: Mutex<Recent>,
    inbox: Mutex<Inbox>,
    bell: Condvar,
    room: Arc<Semaphore>,
    wanted: RwLock<Wanted>,
}

/// What the running code asks for, with the answers that were given already.
#[derive(Default)]
struct Wanted {
    code: Option<Arc<super::code::Blueprint>>,
    ops: HashMap<SchemaId, Vec<(String, u8)>>,
}

/// Remembered answers; more tables than this are asked anew.
const ANSWERS_MAX: usize = 4096;

impl Slot {
    pub(super) fn new(name: &str) -> Self {
        let stats = Arc::new(GuestStats::default());
        stats.state.set("waiting");
        Self {
            name: name.into(),
            audience: Arc::new(Audience::new(stats.clone())),
            stats,
            recent: Mutex::default(),
            inbox: Mutex::default(),
            bell: Condvar::new(),
            room: Arc::new(Semaphore::new(JOBS_MAX)),
            wanted: RwLock::default(),
        }
    }

    /// Hands new code over; it takes over between two batches. An older successor that still waits is thrown away.
    pub(super) fn offer(&self, successor: Box<Successor>) {
        self.inbox().successor = Some(successor);
        self.bell.notify_one();
    }

    pub(super) fn stop(&self) {
        self.inbox().stop = true;
        self.bell.notify_one();
    }

    /// Puts a batch that could not be judged back to where it was.
    pub(super) fn put_back(&self, job: Job) {
        self.inbox().jobs.push_front(job);
    }

    /// Waits for something to do. Jobs are left where they are while there is no code that could judge them.
    pub(super) fn next(&self, can_judge: bool, timeout: Option<Duration>) -> Next {
        let mut inbox = self.inbox();
        let until = timeout.map(|t| Instant::now() + t);
        loop {
            // A swap comes before the next batch, never inside one.
            if inbox.stop {
                return Next::Stop;
            }
            if let Some(successor) = inbox.successor.take() {
                return Next::Swap(successor);
            }
            if can_judge && let Some(job) = inbox.jobs.pop_front() {
                return Next::Judge(job);
            }
            inbox = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return Next::Idle,
                Some(left) => self.bell.wait_timeout(inbox, left).expect("no panic while the inbox is open").0,
                None => self.bell.wait(inbox).expect("no panic while the inbox is open"),
            };
        }
    }

    /// The worker says whose subscriptions hold from now on.
    pub(super) fn now_runs(&self, code: &Code) {
        let wanted = Wanted { code: Some(code.blueprint.clone()), ops: HashMap::new() };
        *self.wanted.write().expect("no panic while answers are written") = wanted;
    }

    /// Whether this generation is the one that runs.
    pub(super) fn runs(&self, generation: &super::Generation) -> bool {
        let wanted = self.wanted.read().expect("no panic while answers are written");
        wanted.code.as_ref().is_some_and(|code| code.generation == *generation)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("no panic while the inbox is open")
    }
}

impl Wanted {
    fn subscriptions(&self) -> Option<&Subscriptions> {
        self.code.as_ref().map(|code| &code.subscriptions)
    }

    fn known(&self, schema: &Schema) -> Option<u8> {
        let sources = self.ops.get(&schema.id)?;
        sources.iter().find(|(source, _)| *source == schema.source).map(|(_, ops)| *ops)
    }
}

impl Transform for Slot {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, schema: &Schema, op: Op) -> bool {
        let wanted = self.wanted.read().expect("no panic while answers are written");
        // Before the first code nobody knows: everything waits.
        let Some(subscriptions) = wanted.subscriptions() else { return true };
        if let Some(ops) = wanted.known(schema) {
            return ops & bit(op) != 0;
        }
        let ops = subscriptions.ops_of(schema);
        drop(wanted);
        let mut wanted = self.wanted.write().expect("no panic while answers are written");
        if wanted.ops.len() >= ANSWERS_MAX {
            wanted.ops.clear();
        }
        // New code may have come in between: its answer is found the next time, this one was right when it was asked.
        if wanted.subscriptions().is_some_and(|s| s.ops_of(schema) == ops) && wanted.known(schema).is_none() {
            wanted.ops.entry(schema.id).or_default().push((schema.source.clone(), ops));
        }
        ops & bit(op) != 0
    }

    fn judge(&self, batch: Arc<Batch>, rows: Vec<OfferedRow>) -> BoxFuture<'_, Judged> {
        Box::pin(async move {
            let permit = self.room.clone().acquire_owned().await.expect("the semaphore is never closed");
            let (reply, judged) = oneshot::channel();
            self.inbox().jobs.push_back(Job { batch, rows, reply, _permit: permit });
            self.bell.notify_one();
            match judged.await {
                Ok(judged) => judged,
                // Only when the process stops: unjudged rows are not acknowledged, and will be read again.
                Err(_) => std::future::pending().await,
            }
        })
    }
}
