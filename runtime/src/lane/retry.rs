//! When to try again, and when to give up.

use crate::change::MessageId;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::time::Instant;

/// The longest `Retry-After` that is obeyed; a longer one counts as this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Exponential with full jitter: before attempt n + 1 a random time between nothing and `first` x 2^(n - 1), at most `max`.
#[derive(Clone, Copy, Debug)]
pub struct RetrySettings {
    pub first: Duration,
    pub max: Duration,
    /// Age in the lane after which a message that fails again is refused for good.
    pub give_up_after: Duration,
}

impl Default for RetrySettings {
    /// As a customer's is unless set otherwise.
    fn default() -> Self {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(600));
        Self { first, max, give_up_after: Duration::from_secs(3 * 86_400) }
    }
}

/// One message that failed in passing.
pub(super) struct Failure<'a> {
    pub(super) id: &'a MessageId,
    pub(super) arrived_at: Instant,
    pub(super) failed_at: Instant,
    /// Attempts so far, at least 1.
    pub(super) attempts: u32,
    /// What the receiver asked for.
    pub(super) retry_after: Option<Duration>,
}

impl RetrySettings {
    /// When to try again; `None` to give up. The last attempt of our own choice comes at the age limit, not somewhere
    /// before it; a receiver that asks for more patience than is left is not bothered again.
    pub(super) fn again_at(&self, failure: &Failure<'_>) -> Option<Instant> {
        let limit = failure.arrived_at.checked_add(self.give_up_after);
        if limit.is_some_and(|limit| failure.failed_at >= limit) {
            return None;
        }
        let delay = self.ceiling(failure.attempts).mul_f64(jitter(failure.id, failure.attempts));
        let chosen = failure.failed_at + delay;
        let chosen = limit.map_or(chosen, |limit| chosen.min(limit));
        let asked = failure.failed_at + failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let due = chosen.max(asked);
        limit.is_none_or(|limit| due <= limit).then_some(due)
    }

    fn ceiling(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

/// Between 0 and 1. Made from the message and the attempt: messages that failed together spread out, and a failure that was
/// seen once can be seen again.
fn jitter(id: &MessageId, attempts: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (id, attempts).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RetrySettings = RetrySettings {
        first: Duration::from_secs(1),
        max: Duration::from_secs(60),
        give_up_after: Duration::from_secs(3600),
    };

    fn delay(id: &str, attempts: u32, age: Duration, retry_after: Option<Duration>) -> Option<Duration> {
        let arrived_at = Instant::now();
        let failed_at = arrived_at + age;
        let id = MessageId(id.into());
        SETTINGS.again_at(&Failure { id: &id, arrived_at, failed_at, attempts, retry_after }).map(|at| at - failed_at)
    }

    #[test]
    fn delays_fill_the_whole_range_below_a_doubling_ceiling() {
        for (attempts, ceiling_s) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (4_000_000_000, 60.0)] {
            let drawn: Vec<f64> = (0..2000)
                .map(|n| delay(&n.to_string(), attempts, Duration::ZERO, None).expect("young").as_secs_f64())
                .collect();
            let (least, most) = drawn.iter().fold((f64::MAX, 0f64), |(l, m), d| (l.min(*d), m.max(*d)));
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            assert!(least < ceiling_s * 0.01 && most <= ceiling_s && most > ceiling_s * 0.99, "{least} {most}");
            assert!((mean / ceiling_s - 0.5).abs() < 0.03, "{mean} of {ceiling_s}");
        }
    }

    #[test]
    fn receivers_wish_is_a_lower_bound_up_to_a_day() {
        let asked = Duration::from_secs(600);
        assert_eq!(delay("a", 1, Duration::ZERO, Some(asked)), Some(asked));
        let patient = RetrySettings { give_up_after: Duration::MAX, ..SETTINGS };
        let now = Instant::now();
        let id = MessageId("a".into());
        let week = Some(Duration::from_secs(7 * 24 * 3600));
        let failure = Failure { id: &id, arrived_at: now, failed_at: now, attempts: 1, retry_after: week };
        assert_eq!(patient.again_at(&failure), Some(now + RETRY_AFTER_MAX));
    }

    #[test]
    fn last_attempt_comes_at_the_age_limit_and_none_after_it() {
        let almost = SETTINGS.give_up_after - Duration::from_millis(1);
        assert_eq!(delay("a", 9, almost, None), Some(Duration::from_millis(1)));
        assert_eq!(delay("a", 9, SETTINGS.give_up_after, None), None);
        assert_eq!(delay("a", 9, almost, Some(Duration::from_secs(2))), None, "asked for more patience than is left");
    }
}
