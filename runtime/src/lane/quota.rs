//! The room on disk. Finite disk, "never hold the log" and "never lose" can not all three hold for ever, so there is a quota per
//! lane and one for all of them, and somebody says beforehand what gives way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one lane may park unless set otherwise, in bytes.
pub const LANE_DISK_BYTES: u64 = 1 << 30;
/// What all lanes together may park unless set otherwise, in bytes.
pub const HOST_DISK_BYTES: u64 = 10 << 30;

/// What happens to a lane's messages when there is no more room for them on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in memory, and when that is full, the source waits: its log grows, nothing is lost.
    #[default]
    PauseSource,
    /// They are set aside.
    DeadLetter,
    /// The oldest that wait are given up.
    DropOldest,
}

/// The room of all lanes.
#[derive(Clone)]
pub struct Quota(Arc<Room>);

struct Room {
    limit: u64,
    used: AtomicU64,
}

impl Default for Quota {
    fn default() -> Self {
        Self::new(HOST_DISK_BYTES)
    }
}

impl Quota {
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Room { limit: limit_bytes, used: AtomicU64::new(0) }))
    }

    pub fn used(&self) -> u64 {
        self.0.used.load(Relaxed)
    }

    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    pub(super) fn share(&self, limit_bytes: u64, used_bytes: u64) -> Share {
        self.0.used.fetch_add(used_bytes, Relaxed);
        Share { quota: self.clone(), limit: limit_bytes, used: used_bytes, alarmed: 0 }
    }
}

/// How full it is, in percent, when somebody is to hear of it.
const ALARMS: [u64; 3] = [50, 80, 95];

/// What one lane uses.
pub(super) struct Share {
    quota: Quota,
    limit: u64,
    used: u64,
    /// The greatest of [`ALARMS`] that was said and still holds; 0 for none.
    alarmed: u64,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    Lane,
    Host,
}

impl Share {
    /// Whether `bytes` more would fit. An empty lane may always park, or one large message could never be.
    pub(super) fn room_for(&self, bytes: u64) -> Result<(), NoRoom> {
        if self.quota.used().saturating_add(bytes) > self.quota.limit() {
            return Err(NoRoom::Host);
        }
        if self.used > 0 && self.used.saturating_add(bytes) > self.limit { Err(NoRoom::Lane) } else { Ok(()) }
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.used += bytes;
        self.quota.0.used.fetch_add(bytes, Relaxed);
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        let bytes = bytes.min(self.used);
        self.used -= bytes;
        self.quota.0.used.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn set_limit(&mut self, limit_bytes: u64) {
        self.limit = limit_bytes;
    }

    /// The alarm that is due, in percent: each once on the way up, again only after it was well below.
    pub(super) fn alarm(&mut self) -> Option<u64> {
        const WELL_BELOW: u64 = 10;
        let part = |used: u64, limit: u64| used.saturating_mul(100) / limit.max(1);
        let full = part(self.used, self.limit).max(part(self.quota.used(), self.quota.limit()));
        if full + WELL_BELOW < self.alarmed {
            self.alarmed = 0;
        }
        let reached = ALARMS.into_iter().rfind(|alarm| full >= *alarm)?;
        (reached > self.alarmed).then(|| {
            self.alarmed = reached;
            reached
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.0.used.fetch_sub(self.used, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lane_and_host_have_their_limits_and_a_lane_with_nothing_may_park_one() {
        let quota = Quota::new(100);
        let mut one = quota.share(50, 0);
        assert_eq!(one.room_for(80), Ok(()));
        one.take(80);
        assert_eq!(one.room_for(1), Err(NoRoom::Lane));
        let other = quota.share(50, 0);
        assert_eq!(other.room_for(21), Err(NoRoom::Host));
        one.give_back(80);
        assert_eq!((other.room_for(21), quota.used()), (Ok(()), 0));
    }

    #[test]
    fn alarms_come_once_on_the_way_up() {
        let quota = Quota::new(1 << 20);
        let mut share = quota.share(100, 0);
        let heard: Vec<u64> = (0..100)
            .filter_map(|_| {
                share.take(1);
                share.alarm()
            })
            .collect();
        assert_eq!(heard, ALARMS);
        share.give_back(3);
        share.take(3);
        assert_eq!(share.alarm(), None, "at the edge it does not flap");
        share.give_back(90);
        assert_eq!(share.alarm(), None);
        share.take(50);
        assert_eq!(share.alarm(), Some(50));
    }
}
