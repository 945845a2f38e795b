//! The thread of one guest: a batch, a swap, a batch. New code is watched for a while, and the old code is kept until then.

use super::code::{Code, Held, Outcome};
use super::error::clip;
use super::recent::is_breakage;
use super::slot::{Job, Next, Slot, Successor};
use super::{Judged, Judgement};
use crate::telemetry::count;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// WebAssembly may use 512 KiB of it, and running out of a thread's stack ends the process.
pub(super) const STACK_BYTES: usize = 8 << 20;
/// How long the old code is kept beside the new.
const WARM: Duration = Duration::from_secs(30);
/// How long a batch that can not be judged lies before it is tried again.
const HELD_RETRY: Duration = Duration::from_secs(1);
/// New code is not judged by its rejections before it has seen this many rows.
const JUMP_ROWS_MIN: u64 = 32;
/// Rejected rows of new code, beyond what the old code rejected, at which it is a mistake: a quarter.
const JUMP_SHARE: f64 = 0.25;

pub(super) struct Worker {
    slot: Arc<Slot>,
    pipeline: Arc<str>,
    running: Option<Running>,
    /// The generation before, while the new one is watched.
    warm: Option<Warm>,
    /// The front batch could not be judged and is left alone for a moment.
    held: bool,
    /// The same, until a batch is judged again.
    stalled: bool,
}

struct Running {
    code: Code,
    rows: u64,
    rejected: u64,
}

struct Warm {
    old: Running,
    until: Instant,
}

impl Running {
    fn new(code: Code) -> Self {
        Self { code, rows: 0, rejected: 0 }
    }

    fn note(&mut self, outcome: &Outcome) {
        self.rows += outcome.called;
        self.rejected += outcome.rejected;
    }

    fn share(&self) -> f64 {
        self.rejected as f64 / self.rows.max(1) as f64
    }
}

impl Worker {
    pub(super) fn spawn(slot: Arc<Slot>, pipeline: Arc<str>) -> io::Result<JoinHandle<()>> {
        use super::Transform;
        // The kernel shows fifteen characters.
        let name = clip(&format!("guest-{}", slot.name()), 15);
        let worker = Worker { slot, pipeline, running: None, warm: None, held: false, stalled: false };
        Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || worker.run())
    }

    fn run(mut self) {
        loop {
            let timeout = match &self.warm {
                _ if self.held => Some(HELD_RETRY),
                Some(warm) => Some(warm.until.saturating_duration_since(Instant::now())),
                None => None,
            };
            match self.slot.next(self.running.is_some() && !self.held, timeout) {
                Next::Swap(successor) => self.swap(*successor),
                Next::Judge(job) => self.judge(job),
                Next::Idle => self.held = false,
                Next::Stop => return,
            }
            if self.warm.as_ref().is_some_and(|warm| warm.until <= Instant::now()) {
                self.warm = None;
            }
        }
    }

    fn swap(&mut self, successor: Successor) {
        let Successor { mut code, changed_at } = successor;
        code.change_thread();
        let stats = &self.slot.stats;
        stats.generation.set(&*code.generation().0);
        stats.state.set("running");
        stats.last_error.clear();
        (self.held, self.stalled) = (false, false);
        self.slot.now_runs(&code);
        let old = self.running.replace(Running::new(code));
        if let Some(old) = old {
            count(&stats.reloads_total);
            self.warm = Some(Warm { old, until: Instant::now() + WARM });
        }
        stats.reload_us.store(changed_at.elapsed().as_micros() as u64, Relaxed);
        self.say("guest runs");
    }

    fn judge(&mut self, job: Job) {
        let began = Instant::now();
        let Some(running) = &mut self.running else {
            return self.slot.put_back(job);
        };
        let outcome = running.code.judge(&job.batch, &job.rows);
        let outcome = match self.on_second_thought(&job, outcome) {
            Ok(outcome) => outcome,
            Err(Held(error)) => return self.hold(job, &error.to_string()),
        };
        self.settle(job, outcome, began);
    }

    /// Looks at what new code did, and goes back to the old one if that does better with this very batch.
    fn on_second_thought(&mut self, job: &Job, outcome: Result<Outcome, Held>) -> Result<Outcome, Held> {
        let (Some(running), Some(warm)) = (&mut self.running, &mut self.warm) else {
            return outcome;
        };
        let doubt = match &outcome {
            Err(held) => Some(held.0.to_string()),
            Ok(new) => doubt(running, new, warm.old.share()),
        };
        let Some(reason) = doubt else { return outcome };
        let Ok(old) = warm.old.code.judge(&job.batch, &job.rows) else { return outcome };
        let better = match &outcome {
            Err(_) => true,
            Ok(new) => {
                old.broken < new.broken || (old.rejected as f64) < new.rejected as f64 - new.called as f64 * JUMP_SHARE
            }
        };
        if !better {
            return outcome;
        }
        let failed = running.code.generation().clone();
        self.running = self.warm.take().map(|warm| warm.old);
        if let Some(running) = &self.running {
            self.slot.now_runs(&running.code);
            let generation = running.code.generation();
            let stats = &self.slot.stats;
            stats.generation.set(&*generation.0);
            stats.state.set("refused");
            let sentence = format!(
                "generation {} failed on real rows ({reason}); went back to {}, which handles them: correct the guest and drop it in again",
                failed.0, generation.0
            );
            stats.last_error.set(&*sentence);
            use super::Transform;
            tracing::warn!(pipeline = %self.pipeline, guest = self.slot.name(), generation = %generation.0, "{sentence}");
        }
        Ok(old)
    }

    fn settle(&mut self, job: Job, outcome: Outcome, began: Instant) {
        let Some(running) = &mut self.running else { return };
        running.note(&outcome);
        let stats = &self.slot.stats;
        if std::mem::take(&mut self.stalled) {
            stats.state.set("running");
            stats.last_error.clear();
        }
        stats.rows_total.fetch_add(outcome.called, Relaxed);
        stats.dropped_total.fetch_add(outcome.dropped, Relaxed);
        stats.rejected_total.fetch_add(outcome.rejected, Relaxed);
        if outcome.broken > 0 {
            stats.last_error.set(first_breakage(&outcome));
        }
        let mut recent = self.slot.recent.lock().expect("no panic while rows are remembered");
        recent.see(&job.batch, &job.rows, &outcome.judgements);
        drop(recent);
        stats.busy_ns.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
        let generation = running.code.generation().clone();
        // The pipeline may be gone already; its rows were not acknowledged then.
        let _ = job.reply.send(Judged { generation, judgements: outcome.judgements });
        running.code.recycle_if_bloated();
    }

    /// The batch stays, and with it the source, until there is code that can judge it.
    fn hold(&mut self, job: Job, reason: &str) {
        self.slot.put_back(job);
        (self.held, self.stalled) = (true, true);
        let stats = &self.slot.stats;
        if stats.last_error.get().as_deref() != Some(reason) {
            stats.last_error.set(reason);
            use super::Transform;
            tracing::error!(pipeline = %self.pipeline, guest = self.slot.name(), "guest holds its pipeline: {reason}");
        }
        stats.state.set("held");
    }

    fn say(&self, what: &str) {
        use super::Transform;
        let Some(running) = &self.running else { return };
        let ms = self.slot.stats.reload_us.load(Relaxed) / 1000;
        tracing::info!(pipeline = %self.pipeline, guest = self.slot.name(), generation = %running.code.generation().0, after_ms = ms, "{what}");
    }
}

/// Why new code should not be trusted, if there is a reason.
fn doubt(running: &Running, new: &Outcome, old_share: f64) -> Option<String> {
    if new.broken > 0 {
        return Some(first_breakage(new));
    }
    let (rows, rejected) = (running.rows + new.called, running.rejected + new.rejected);
    let share = rejected as f64 / rows.max(1) as f64;
    (rows >= JUMP_ROWS_MIN && share > old_share + JUMP_SHARE).then(|| format!("it rejects {rejected} of {rows} rows"))
}

fn first_breakage(outcome: &Outcome) -> String {
    let broken = outcome.judgements.iter().find_map(|j| match j {
        Judgement::Reject(r) if is_breakage(&r.code) => Some(clip(&format!("{}: {}", r.code, r.message), 512)),
        _ => None,
    });
    broken.unwrap_or_default()
}
