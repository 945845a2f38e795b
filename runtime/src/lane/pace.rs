//! How fast a lane goes: attempts side by side, which grow while the receiver copes and shrink when it does not, and attempts
//! per second. No clock: time comes in.

use std::time::Duration;
use tokio::time::Instant;

/// Attempts side by side. As congestion control does it: half as many after a failure, one more after a whole round of
/// successes; after the receiver was away it starts with one and doubles.
pub(super) struct Width {
    max: usize,
    now: usize,
    /// Below it every success counts as a round.
    steep_below: usize,
    successes: usize,
    /// Attempts that began before it say nothing about the width as it is.
    narrowed_at: Option<Instant>,
}

impl Width {
    pub(super) fn new(max: usize) -> Self {
        Self { max, now: max, steep_below: 0, successes: 0, narrowed_at: None }
    }

    pub(super) fn get(&self) -> usize {
        self.now
    }

    pub(super) fn set_max(&mut self, max: usize) {
        if self.now == self.max || self.now > max {
            self.now = max;
        }
        self.max = max;
    }

    pub(super) fn succeeded(&mut self) {
        if self.now >= self.max {
            return;
        }
        self.successes += 1;
        if self.now < self.steep_below || self.successes >= self.now {
            self.now += 1;
            self.successes = 0;
        }
    }

    /// An attempt that was sent at `sent_at` failed in passing.
    pub(super) fn failed(&mut self, sent_at: Instant, now: Instant) {
        if self.narrowed_at.is_some_and(|at| sent_at < at) {
            return;
        }
        self.now = (self.now / 2).max(1);
        (self.steep_below, self.successes) = (self.now, 0);
        self.narrowed_at = Some(now);
    }

    /// The receiver is back.
    pub(super) fn restart(&mut self) {
        self.steep_below = (self.max / 2).max(1);
        (self.now, self.successes) = (1, 0);
    }
}

/// At most so many messages per second, with a tenth of a second's worth at once.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    per_message: Duration,
    burst: Duration,
    /// When the messages sent so far would have been sent at an even pace.
    even: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: f64) -> Self {
        let per_message =
            Duration::from_secs_f64(1.0 / per_second.max(f64::MIN_POSITIVE)).min(Duration::from_secs(86_400));
        Self { per_message, burst: Duration::from_millis(100), even: None }
    }

    /// From when on a message may go.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.even.and_then(|even| even.checked_sub(self.burst))
    }

    pub(super) fn sent(&mut self, messages: usize, now: Instant) {
        let from = self.even.map_or(now, |even| even.max(now));
        self.even = Some(from + self.per_message.saturating_mul(u32::try_from(messages).unwrap_or(u32::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_halves_once_per_round_and_grows_back_by_one() {
        let began = Instant::now();
        let mut width = Width::new(16);
        let later = began + Duration::from_secs(1);
        for _ in 0..16 {
            width.failed(began, later);
        }
        assert_eq!(width.get(), 8, "sixteen failures of one round are one sign");
        width.failed(later, later + Duration::from_secs(1));
        assert_eq!(width.get(), 4);
        let rounds = (0..200).take_while(|_| {
            width.succeeded();
            width.get() < 16
        });
        assert_eq!(rounds.count() + 1, (4..16).sum::<usize>());
    }

    #[test]
    fn receiver_that_is_back_is_met_with_one_then_two_then_four() {
        let mut width = Width::new(64);
        width.restart();
        let mut rounds = vec![];
        while width.get() < 32 {
            rounds.push(width.get());
            (0..width.get()).for_each(|_| width.succeeded());
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16]);
        (0..32).for_each(|_| width.succeeded());
        assert_eq!(width.get(), 33, "from half of it on with care");
    }

    #[test]
    fn rate_holds_over_time_and_after_a_pause() {
        let mut now = Instant::now();
        let began = now;
        let mut rate = Rate::new(50.0);
        let mut sent = 0;
        while now < began + Duration::from_secs(10) {
            if rate.opens_at().is_none_or(|at| now >= at) {
                rate.sent(1, now);
                sent += 1;
            }
            now += Duration::from_millis(1);
        }
        assert!((500..=506).contains(&sent), "{sent}");
        now += Duration::from_secs(3600);
        let burst = (0..100).take_while(|_| {
            let opens = rate.opens_at().is_none_or(|at| now >= at);
            rate.sent(1, now);
            opens
        });
        assert_eq!(burst.count(), 6, "an idle hour earns no more than a tenth of a second");
    }
}
