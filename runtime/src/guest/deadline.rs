//! How long a call may take, in processor time of its thread: a busy machine does not make a good guest look endless.
//!
//! The epoch runs by the wall clock and says when to look; what is looked at is the thread's own clock. Reading that clock is
//! a system call, so it is read at most once per tick and not once per call; the limit is that imprecise.

use super::engine::TICK;
use std::time::{Duration, Instant};

/// Wall time, as multiples of the limit, after which a call is ended whatever its thread's clock says.
const STRETCH_MAX: u32 = 100;

/// The clock of one instance.
pub(super) struct Deadline {
    limit: Duration,
    began: Instant,
    /// Processor time of the thread, and when it was read.
    read: Option<(Duration, Instant)>,
}

impl Deadline {
    pub(super) fn new() -> Self {
        Self { limit: Duration::ZERO, began: Instant::now(), read: None }
    }

    /// A call begins. Gives the number of ticks after which `spent` is to be asked.
    pub(super) fn begin(&mut self, limit: Duration, now: Instant) -> u64 {
        self.limit = limit;
        self.began = now;
        if self.read.is_none_or(|(_, at)| now.duration_since(at) > TICK) {
            self.read = Some((thread_time(), now));
        }
        ticks(limit)
    }

    /// The instance goes to another thread, whose clock is another one.
    pub(super) fn forget(&mut self) {
        self.read = None;
    }

    /// `None` if the time is up, else the number of ticks after which to ask again.
    pub(super) fn remaining(&self) -> Option<u64> {
        let spent = match self.read {
            Some((then, _)) => thread_time().saturating_sub(then),
            None => self.limit,
        };
        let left = self.limit.checked_sub(spent).filter(|left| !left.is_zero())?;
        (self.began.elapsed() < self.limit * STRETCH_MAX).then(|| ticks(left))
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }
}

fn ticks(time: Duration) -> u64 {
    // One more, for the tick that is already running.
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1) + 1
}

/// Processor time of the calling thread.
pub(super) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs().try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_thread_is_not_charged_and_a_busy_one_is() {
        let mut deadline = Deadline::new();
        let limit = Duration::from_millis(20);
        assert!(deadline.begin(limit, Instant::now()) >= 5);
        std::thread::sleep(Duration::from_millis(40));
        assert!(deadline.remaining().is_some(), "no processor time was spent");
        let busy = Instant::now();
        while deadline.remaining().is_some() {
            assert!(busy.elapsed() < Duration::from_secs(10), "the busy thread is charged");
        }
    }
}
