//! Writes the changes; half-way the guest is replaced under the running process.
//!
//! With a rate, changes go on flowing while the new guest is loaded. Without one the second half waits for it, or there would be
//! nothing left for the new code to do; and for the healthy customers' answers, because a parcel's next step would wait for them
//! anyway and be measured as slow.

use super::cast::{Cast, Change};
use super::stage::Stage;
use crate::audit::Audit;
use crate::host::Door;
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often `/status` is asked for the generation while the new guest is loaded.
const LOOK: Duration = Duration::from_millis(3);
/// A debug build on a busy machine compiles a guest in less.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(20);

/// How long the second half waits for the healthy customers' answers to the first.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// From the rename of the new guest to its generation in `/status`; `None` when it never stood there.
pub struct Swap {
    took: Option<Duration>,
}

/// The new code at work.
pub struct Takeover {
    /// Changes that went through the old code.
    pub after: usize,
    /// From the rename to the new code being in place.
    pub took: Duration,
}

/// Writes all of `schedule`, `pause` apart, and swaps the guest after half of it.
pub async fn write(stage: &mut Stage, cast: &Cast, schedule: &[Change], pause: Option<Duration>) -> Result<Swap> {
    let (first, second) = schedule.split_at(schedule.len() / 2);
    let (last, rest) = second.split_last().context("a demo has at least four changes")?;
    let begun = Instant::now();
    let mut written = 0;
    for change in first {
        write_one(stage, change, begun, pause, &mut written).await?;
    }
    let door = stage.ring.host.door().clone();
    let before = door.generation().await?;
    let renamed_at = stage.ring.folder.put_guest(&stage.next_guest)?;
    let mut watching = JoinSet::new();
    watching.spawn(watch(door, before, renamed_at));
    let mut took = None;
    if pause.is_none() {
        took = result_of(&mut watching).await?;
        let healthy: HashSet<u32> = cast.healthy().collect();
        let answered_by = Instant::now() + ANSWER_LIMIT;
        stage.ring.wait_for_all(|customer| healthy.contains(&customer), answered_by).await?;
    }
    for change in rest {
        write_one(stage, change, begun, pause, &mut written).await?;
    }
    // At a high rate the changes may be through before the guest is; the last one waits, to be seen with the new mark.
    if took.is_none() {
        took = result_of(&mut watching).await?;
    }
    write_one(stage, last, begun, pause, &mut written).await?;
    Ok(Swap { took })
}

/// Asks for the generation until it is another than `before`.
async fn watch(door: Door, before: String, renamed_at: Instant) -> Result<Option<Duration>> {
    while renamed_at.elapsed() < TAKEOVER_LIMIT {
        if door.generation().await? != before {
            return Ok(Some(renamed_at.elapsed()));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(None)
}

async fn result_of(watching: &mut JoinSet<Result<Option<Duration>>>) -> Result<Option<Duration>> {
    match watching.join_next().await {
        Some(watched) => watched.context("watch the generation")?,
        None => Ok(None),
    }
}

async fn write_one(
    stage: &mut Stage,
    change: &Change,
    begun: Instant,
    pause: Option<Duration>,
    written: &mut u32,
) -> Result<()> {
    if let Some(pause) = pause {
        tokio::time::sleep_until((begun + pause * *written).into()).await;
    }
    *written += 1;
    stage.ring.writer.write(change.customer, change.parcel, change.step).await
}

impl Swap {
    /// What the receivers saw: first the old code's rows, then the new code's, and never the old code's again.
    pub fn judge(&self, audit: &Audit) -> Result<Takeover> {
        let mut through_new = audit.deliveries.iter().skip_while(|delivery| !delivery.marked);
        let Some(after) = through_new.next().map(|delivery| delivery.number) else {
            bail!("the new parcels.wasm did not take over: no row bears its mark");
        };
        if through_new.any(|delivery| !delivery.marked) {
            bail!("after the new parcels.wasm took over, the old one still changed rows");
        }
        let took = self.took.context("the new parcels.wasm took over, but /status never showed its generation")?;
        Ok(Takeover { after, took })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Delivery;

    fn judge(marks: &[bool]) -> Result<Takeover> {
        let committed_at = Instant::now();
        let delivery = |(number, marked): (usize, &bool)| Delivery {
            number,
            customer: 1,
            committed_at,
            latency: Duration::ZERO,
            marked: *marked,
        };
        let audit = Audit { deliveries: marks.iter().enumerate().map(delivery).collect(), ..Audit::default() };
        Swap { took: Some(Duration::from_millis(41)) }.judge(&audit)
    }

    #[test]
    fn the_first_marked_row_is_where_the_new_code_took_over() {
        assert_eq!(judge(&[false, false, true, true]).expect("clean").after, 2);
    }

    #[test]
    fn a_row_of_the_old_code_after_the_takeover_is_an_error() {
        assert!(judge(&[false, true, false]).is_err());
        assert!(judge(&[false, false]).is_err());
    }
}
