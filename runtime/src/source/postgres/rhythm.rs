//! When to read: at once while little comes, after a short pause while much does.
//!
//! The walsender sends every row as a packet of its own. A reader that sleeps in the kernel is woken for each; one that
//! lets bytes gather lets the walsender run. Measured on two cores over TCP, 100-row transactions: reading at once 245 k
//! rows/s, pauses of 200 µs 419 k, of 500 µs 468 k, of 1 ms 461 k. Over a Unix socket, whose buffer is small: 328 k, 407 k
//! with 200 µs, 144 k with 1 ms.

use std::time::{Duration, Instant};

/// How a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RhythmMode {
    /// As soon as bytes arrive, as PostgreSQL's own client does.
    Eager,
    /// With pauses that follow what comes.
    Paused,
}

/// The first pause, and the shortest.
const PAUSE_MIN: Duration = Duration::from_micros(125);
const PAUSE_MAX_TCP: Duration = Duration::from_micros(500);
const PAUSE_MAX_UNIX: Duration = PAUSE_MIN;
/// Reads that follow each other this quickly belong to one stream of rows.
const CLOSE: Duration = Duration::from_micros(200);
/// So many of them make a stream: a transaction of a few rows is still read without any pause.
const STREAK_MIN: u32 = 8;
/// What a pause must bring to be kept, and what makes the next one longer. A row is a packet of some 300 bytes.
const WORTH_BYTES: usize = 512;
const MUCH_BYTES: usize = 4 << 10;

pub(super) struct Rhythm {
    mode: RhythmMode,
    pause_max: Duration,
    pause: Duration,
    streak: u32,
    read_at: Instant,
}

impl Rhythm {
    pub(super) fn new(mode: RhythmMode, is_unix: bool) -> Self {
        let pause_max = if is_unix { PAUSE_MAX_UNIX } else { PAUSE_MAX_TCP };
        Self { mode, pause_max, pause: Duration::ZERO, streak: 0, read_at: Instant::now() }
    }

    /// After a read of `bytes` and whatever was done with them: how long to pause before the next.
    pub(super) fn after(&mut self, bytes: usize, read_at: Instant) -> Duration {
        if self.mode == RhythmMode::Eager {
            return Duration::ZERO;
        }
        let gap = read_at.saturating_duration_since(self.read_at);
        self.read_at = read_at;
        if bytes == 0 {
            self.streak = 0;
            self.pause = Duration::ZERO;
        } else if self.pause.is_zero() {
            // One wide gap may be the scheduler's doing; it does not end a stream.
            self.streak = if gap < CLOSE { self.streak + 1 } else { self.streak / 2 };
            if self.streak >= STREAK_MIN || bytes >= MUCH_BYTES {
                self.pause = PAUSE_MIN;
            }
        } else if bytes >= MUCH_BYTES {
            self.pause = (self.pause * 2).min(self.pause_max);
        } else if bytes < WORTH_BYTES {
            self.pause /= 2;
            if self.pause < PAUSE_MIN {
                self.streak = 0;
                self.pause = Duration::ZERO;
            }
        }
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds reads of `bytes` each, `gap_us` apart, and gives back the last pause.
    fn after(rhythm: &mut Rhythm, reads: u32, bytes: usize, gap_us: u64) -> Duration {
        let start = rhythm.read_at;
        (1..=reads).map(|n| rhythm.after(bytes, start + Duration::from_micros(gap_us) * n)).last().unwrap_or_default()
    }

    #[test]
    fn few_bytes_are_read_without_pause() {
        let mut rhythm = Rhythm::new(RhythmMode::Paused, false);
        assert_eq!(after(&mut rhythm, 1000, 340, 1000), Duration::ZERO);
        assert_eq!(after(&mut rhythm, STREAK_MIN - 1, 340, 5), Duration::ZERO);
    }

    #[test]
    fn pause_grows_with_a_stream_and_ends_with_it() {
        let mut rhythm = Rhythm::new(RhythmMode::Paused, false);
        assert_eq!(after(&mut rhythm, STREAK_MIN, 340, 5), PAUSE_MIN);
        assert_eq!(after(&mut rhythm, 10, 100 << 10, 600), PAUSE_MAX_TCP);
        assert_eq!(after(&mut rhythm, 10, 1 << 10, 600), PAUSE_MAX_TCP, "kept while it is worth it");
        assert_eq!(after(&mut rhythm, 1, 340, 600), PAUSE_MAX_TCP / 2);
        assert_eq!(after(&mut rhythm, 2, 340, 600), Duration::ZERO);
        assert_eq!(after(&mut rhythm, STREAK_MIN, 340, 5), PAUSE_MIN);
        assert_eq!(after(&mut rhythm, 1, 0, 50_000), Duration::ZERO, "nothing came");
    }

    #[test]
    fn eager_reader_never_pauses() {
        let mut rhythm = Rhythm::new(RhythmMode::Eager, false);
        assert_eq!(after(&mut rhythm, 1000, 1 << 20, 1), Duration::ZERO);
    }
}
