//! Connection after connection, with pauses that grow between them, until somebody says stop or nothing can go on.

use super::{Intake, SourceError};
use crate::fault::Fault;
use crate::telemetry::count;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Between two attempts to connect: doubling, with full jitter.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A session that lasted this long was a good one: the next backoff begins anew.
const SESSION_GOOD: Duration = Duration::from_secs(10);
/// The same failure is said again after this time, not with every attempt.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// How long a sleep may be before the stop flag is looked at.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// Why a session has ended.
pub(super) enum SessionEnd {
    Stopped,
    Failed(SourceError),
}

/// A source that reads session by session, and keeps what outlives one.
pub(super) trait Sessions {
    /// The source's name in the configuration.
    fn name(&self) -> &str;

    fn intake(&self) -> &Intake;

    /// One connection, from its start to its end.
    fn session(&mut self) -> SessionEnd;
}

/// Reads until stopped, or until nothing can go on.
pub(super) fn run(mut source: impl Sessions) -> Result<(), SourceError> {
    let ended = until_stopped(&mut source);
    let stats = &source.intake().stats;
    stats.state.set("stopped");
    if let Err(error) = &ended {
        stats.last_error.set(error.message.clone());
    }
    ended
}

fn until_stopped(source: &mut impl Sessions) -> Result<(), SourceError> {
    let mut backoff = BACKOFF_MIN;
    let mut said: Option<(String, Instant)> = None;
    while !source.intake().stop.load(Relaxed) {
        source.intake().stats.state.set("connecting");
        let began = Instant::now();
        let error = match source.session() {
            SessionEnd::Stopped => return Ok(()),
            SessionEnd::Failed(error) if error.fault != Fault::Passing => return Err(error),
            SessionEnd::Failed(error) => error,
        };
        if began.elapsed() > SESSION_GOOD {
            backoff = BACKOFF_MIN;
            said = None;
        }
        let wait = backoff.mul_f64(rand::random::<f64>());
        backoff = (backoff * 2).min(BACKOFF_MAX);
        let wait_ms = wait.as_millis() as u64;
        if said.as_ref().is_some_and(|(what, at)| *what == error.message && at.elapsed() < SAID_AGAIN) {
            tracing::debug!(source = source.name(), wait_ms, "{}", error.message);
        } else {
            tracing::warn!(source = source.name(), wait_ms, "{}", error.message);
            said = Some((error.message.clone(), Instant::now()));
        }
        let Intake { stats, .. } = source.intake();
        stats.state.set(format!("connecting: {}", error.message));
        stats.last_error.set(error.message);
        count(&stats.reconnects_total);
        sleep(source.intake(), wait);
    }
    Ok(())
}

fn sleep(intake: &Intake, wait: Duration) {
    let until = Instant::now() + wait;
    while !intake.stop.load(Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(STOP_LOOK));
    }
}
