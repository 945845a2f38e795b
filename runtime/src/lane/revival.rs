//! Dead letters that somebody sends again. An older state must not be put over a newer one, so that before a letter stands in line
//! its lane has to know whether something newer of its key is there.
//!
//! ```text
//!   newer was delivered, or went to the disk after the letter died   the store marks the letter    (disk: supersede)
//!   newer is in memory                                               its key shows it              (core: has_newer)
//!   newer was on disk already when the letter died                   its key shows it once it is loaded, so that is waited for
//! ```

use super::driver::Driver;
use super::inbox::Revival;
use crate::store::Revived;
use std::time::Duration;
use tokio::time::Instant;

/// A letter waits for so long until what waited on disk when it died is loaded.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// Letters about which it is not known yet whether something newer waits.
#[derive(Default)]
pub(super) struct Revivals {
    asked: Vec<Revival>,
    ends_at: Option<Instant>,
    /// It was waited for in vain; nobody waits again until the lane has caught up.
    gave_up: bool,
}

impl Revivals {
    pub(super) fn ask(&mut self, asked: Vec<Revival>, now: Instant) {
        if !asked.is_empty() {
            self.asked.extend(asked);
            self.ends_at.get_or_insert(now + CATCH_UP_MAX);
        }
    }
}

impl Driver {
    /// Lets letters stand in line, or says why they may not. Returns when it will have been waited for long enough.
    pub(super) fn look_after_revivals(&mut self, now: Instant) -> Option<Instant> {
        let has_seen_all = self.disk.has_seen_all();
        self.revivals.gave_up &= !has_seen_all;
        let ends_at = self.revivals.ends_at?;
        self.revivals.gave_up |= !has_seen_all && now >= ends_at;
        for revival in std::mem::take(&mut self.revivals.asked) {
            if revival.revive.superseded || has_seen_all && !self.core.has_newer(&revival.message) {
                self.disk.revivals.push_back(revival);
            } else if has_seen_all {
                // Nobody listens any more when the asker has gone.
                drop(revival.done.send(Ok(Revived::Superseded)));
            } else if self.revivals.gave_up {
                let parked = self.disk.parked();
                let reason = format!(
                    "{parked} messages wait for its lane, and something newer of its key may be among them; send it again when the lane \
                     has caught up, or with --superseded"
                );
                drop(revival.done.send(Err(reason)));
            } else {
                self.revivals.asked.push(revival);
            }
        }
        if self.revivals.asked.is_empty() {
            self.revivals.ends_at = None;
        }
        self.revivals.ends_at
    }
}

#[cfg(test)]
mod tests;
