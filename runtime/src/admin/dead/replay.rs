//! Sends dead letters again, one after the other at a rate, in the background: one such job at a time.
//!
//! ```text
//!   POST ─▶ choice ─▶ job: next letter, in the order of the log ─▶ Again ─▶ its lane or pipeline
//!                      └─▶ progress (a watch value) ◀── GET          DELETE ─▶ stop
//! ```

use super::{Choice, Desk, DeskError, Sent};
use crate::store::{DeadId, Revive};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::info;

/// Letters per second unless set otherwise: a receiver that was just mended is not flooded.
pub const RATE: u32 = 50;
const RATE_MAX: u32 = 10_000;
/// Reasons that are kept, one for each letter that could not be sent; all of them are counted.
const FAILURES_MAX: usize = 100;
/// A job that is done within this time is answered at once; a longer one with how far it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A letter that is on its way when somebody wants no more is waited for so long.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What is to be sent again, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayAsked {
    pub ids: Vec<i64>,
    pub all: bool,
    pub filter: super::Narrow,
    /// Letters per second.
    pub rate: Option<u32>,
    /// Those too over which something newer of their key was delivered, or waits.
    pub superseded: bool,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Running,
    Done,
    /// Somebody asked for it; what was sent is sent.
    Stopped,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Counts the jobs since the start of the process.
    pub number: u64,
    pub state: State,
    /// Letters that it has to do with, those that are left out not among them.
    pub letters: u64,
    /// In their lane's line, or through their pipeline.
    pub sent: u64,
    pub failed: u64,
    /// Why, for the first of them.
    pub failures: Vec<Failure>,
    /// Left out: something newer of their key was delivered since, or waits.
    pub superseded: u64,
    /// Letters that were meant too, and were too many for one time.
    pub left: u64,
}

/// A letter that could not be sent, and stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub id: i64,
    pub reason: String,
}

impl Progress {
    fn fail(&mut self, id: i64, reason: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failure { id, reason });
        }
    }
}

/// The job of now, or the last one.
#[derive(Default)]
pub(super) struct Replays(Mutex<Book>);

#[derive(Default)]
struct Book {
    started: u64,
    last: Option<Job>,
}

#[derive(Clone)]
struct Job {
    progress: watch::Receiver<Progress>,
    stop: watch::Sender<bool>,
}

impl Replays {
    /// How far the job of now, or the last one, is.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.job().map(|job| job.progress.borrow().clone())
    }

    /// Stops the job of now, if there is one; how far it came.
    pub(super) async fn stop(&self) -> Option<Progress> {
        let mut job = self.job()?;
        job.stop.send_replace(true);
        // A job that is gone has said its last word.
        drop(job.progress.wait_for(|progress| progress.state != State::Running).await);
        Some(job.progress.borrow().clone())
    }

    fn job(&self) -> Option<Job> {
        self.0.lock().expect("no panic over the book of jobs").last.clone()
    }

    /// Enters a job, unless one is running.
    fn enter(&self, mut progress: Progress) -> Result<(watch::Sender<Progress>, watch::Receiver<bool>), DeskError> {
        let mut book = self.0.lock().expect("no panic over the book of jobs");
        if book.last.as_ref().is_some_and(|job| job.progress.borrow().state == State::Running) {
            let reason =
                "dead letters are being sent again already: wait (GET /dead/replay), or stop it (DELETE /dead/replay)";
            return Err(DeskError::Conflict(reason.to_owned()));
        }
        book.started += 1;
        progress.number = book.started;
        let ((tell, progress), (stop, stopped)) = (watch::channel(progress), watch::channel(false));
        book.last = Some(Job { progress, stop });
        Ok((tell, stopped))
    }
}

/// Begins to send letters again; how far it is when it is done, or after a moment.
///
/// # Errors
/// If it is not clear which are meant, another job is running, or the state can not be read.
pub(super) async fn begin(desk: &Arc<Desk>, asked: ReplayAsked) -> Result<Progress, DeskError> {
    let ReplayAsked { ids, all, filter, rate, superseded } = asked;
    let rate = rate.unwrap_or(RATE);
    if !(1..=RATE_MAX).contains(&rate) {
        return Err(DeskError::Question(format!("rate = {rate}: 1 to {RATE_MAX} letters per second")));
    }
    let chosen = Choice { ids, all, filter }.find(&*desk.store).await?;
    let is_meant = |(_, is_superseded): &&(DeadId, bool)| superseded || !is_superseded;
    let letters: Vec<DeadId> = chosen.letters.iter().filter(is_meant).map(|(id, _)| *id).collect();
    let mut progress = Progress {
        letters: (letters.len() + chosen.unknown.len()) as u64,
        superseded: (chosen.letters.len() - letters.len()) as u64,
        left: chosen.left,
        ..Progress::default()
    };
    for id in chosen.unknown {
        progress.fail(id, DeskError::Unknown(id).to_string());
    }
    let (tell, stopped) = desk.replays.enter(progress)?;
    let mut seen = tell.subscribe();
    info!(letters = letters.len(), rate, "dead letters are sent again");
    let errand = Errand { letters, rate, superseded };
    tokio::spawn(send_all(desk.clone(), errand, tell, stopped));
    // Whoever asked for many asks again how far it is.
    drop(timeout(ANSWER_WAIT, seen.wait_for(|progress| progress.state != State::Running)).await);
    let progress = seen.borrow().clone();
    Ok(progress)
}

async fn given_up(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
    sleep(STOP_GRACE).await;
}

/// What a job has to do.
struct Errand {
    letters: Vec<DeadId>,
    rate: u32,
    superseded: bool,
}

async fn send_all(
    desk: Arc<Desk>,
    Errand { letters, rate, superseded }: Errand,
    tell: watch::Sender<Progress>,
    mut stopped: watch::Receiver<bool>,
) {
    let begun = Instant::now();
    let mut beat = interval(Duration::from_secs(1) / rate);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = State::Done;
    for id in letters {
        tokio::select! {
            biased;
            // 1. Somebody wants no more.
            _ = stopped.wait_for(|stopped| *stopped) => {
                state = State::Stopped;
                break;
            }
            // 2. It is time for the next letter.
            _ = beat.tick() => {}
        }
        let sent = tokio::select! {
            biased;
            // 1. What is on its way is counted, also when somebody wants no more.
            sent = (desk.again)(Revive { id, superseded }) => sent,
            // 2. But not when it waits for a state that can not be written.
            () = given_up(&mut stopped) => Err("stopped while it was on its way; it may have been sent".to_owned()),
        };
        tell.send_modify(|progress| match sent {
            Ok(Sent::InLine) => progress.sent += 1,
            Ok(Sent::Superseded) => progress.superseded += 1,
            Err(reason) => progress.fail(id.0, reason),
        });
    }
    tell.send_modify(|progress| progress.state = state);
    let Progress { sent, failed, .. } = *tell.borrow();
    info!(sent, failed, ?state, took = ?begun.elapsed(), "dead letters were sent again");
}
