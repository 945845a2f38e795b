//! A histogram small enough for ten thousand lanes: eight buckets per doubling, from one millisecond to over an hour.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

const PER_DOUBLING: u32 = 8;
const BUCKETS: usize = 180;

/// Durations in buckets of about 9 %. Counts since the start of the process.
pub struct Latency {
    buckets: [AtomicU32; BUCKETS],
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [const { AtomicU32::new(0) }; BUCKETS] }
    }
}

impl Latency {
    pub fn record(&self, duration: Duration) {
        self.buckets[bucket(duration)].fetch_add(1, Relaxed);
    }

    /// The duration below which the share `quantile` (0 to 1) of all recorded ones lies; `None` before the first.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let counts: Vec<u64> = self.buckets.iter().map(|b| u64::from(b.load(Relaxed))).collect();
        let total: u64 = counts.iter().sum();
        let wanted = ((total as f64 * quantile).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(middle(index));
            }
        }
        None
    }
}

/// Below 8 ms one bucket per millisecond would waste them: the first doubling starts at 125 µs.
const UNIT_US: f64 = 125.0;

fn bucket(duration: Duration) -> usize {
    let units = duration.as_micros() as f64 / UNIT_US;
    if units <= 1.0 {
        return 0;
    }
    ((units.log2() * f64::from(PER_DOUBLING)) as usize + 1).min(BUCKETS - 1)
}

fn middle(bucket: usize) -> Duration {
    let exponent = (bucket as f64 - 0.5).max(0.0) / f64::from(PER_DOUBLING);
    Duration::from_micros((UNIT_US * exponent.exp2()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (quantile, truth) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = latency.quantile(quantile).expect("recorded").as_secs_f64() * 1000.0;
            assert!((found / truth - 1.0).abs() < 0.1, "{quantile}: {found} ms");
        }
    }

    #[test]
    fn hours_end_in_the_last_buckets() {
        let latency = Latency::default();
        latency.record(Duration::from_secs(600));
        let found = latency.quantile(0.5).expect("recorded").as_secs_f64();
        assert!((540.0..660.0).contains(&found), "{found} s");
    }
}
