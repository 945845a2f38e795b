//! `dead replay`: begins, and watches until it is over.

use super::arguments::{Form, Meant};
use super::way::{Refusal, Way};
use super::{choice, from_json};
use crate::admin::dead::{Choice, Progress, ReplayAsked, ReplayState};
use crate::cli::Exit;
use crate::cli::out::{errln, outln};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn asked(meant: Meant, rate: u32, superseded: bool) -> Result<ReplayAsked, Refusal> {
    let Choice { ids, all, filter } = choice(meant)?;
    Ok(ReplayAsked { ids, all, filter, rate: Some(rate), superseded })
}

pub(super) async fn replay(way: &Way, asked: ReplayAsked, form: Form) -> Result<Exit, Refusal> {
    // Before it begins, or Ctrl-C in the first moment would end us and leave it running.
    let mut enough = signal(SignalKind::interrupt()).map_err(Refusal::failed)?;
    let mut text = way.replay(&asked).await?;
    let mut progress: Progress = from_json(&text)?;
    let number = progress.number;
    while progress.state == ReplayState::Running {
        errln!("{} of {} queued, {} failed; Ctrl-C stops it", progress.sent, progress.letters, progress.failed);
        tokio::select! {
            biased;
            // 1. Enough.
            _ = enough.recv() => text = way.stop_replay().await?,
            // 2. How far it is.
            () = tokio::time::sleep(LOOK_EVERY) => text = way.replay_progress().await?,
        }
        progress = from_json(&text)?;
        if progress.number != number {
            return Err(Refusal::failed(
                "it is over, and somebody else sends others again; see `sluicegate dead list`",
            ));
        }
    }
    if form.json {
        outln!("{text}");
    } else {
        tell(&progress);
    }
    Ok(if progress.failed == 0 && progress.state == ReplayState::Done { Exit::Done } else { Exit::Failed })
}

fn tell(progress: &Progress) {
    let Progress { sent, failed, superseded, left, letters, .. } = progress;
    outln!("{sent} queued for another delivery");
    if *sent > 0 {
        // A receiver may take hours; nobody waits for it here.
        outln!("what is refused again becomes a new letter: `sluicegate dead list`; what waits: `sluicegate status`");
    }
    if *superseded > 0 {
        outln!(
            "{superseded} left out: something newer of their key was delivered since, or waits; --superseded sends them all the same"
        );
    }
    if *failed > 0 {
        outln!("{failed} could not be queued, and stay:");
        for failure in &progress.failures {
            outln!("  {}: {}", failure.id, failure.reason);
        }
    }
    if progress.state == ReplayState::Stopped {
        outln!("stopped; {} were not queued", letters.saturating_sub(sent + failed));
    }
    if *left > 0 {
        outln!("{left} more are meant; run it again");
    }
}
