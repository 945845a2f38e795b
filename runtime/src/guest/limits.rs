//! What a guest may use. Each limit is proven by a test, and each violation names guest, limit and row.

use std::time::Duration;

/// Limits of one guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, all of the guest's memories together.
    pub memory_bytes: usize,
    /// Processor time for one row.
    pub row: Duration,
    /// Processor time for one call, however many rows it carries.
    pub batch: Duration,
    /// What one call may give back.
    pub output_bytes: usize,
    /// Longer values cross as their length only.
    pub cell_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            row: Duration::from_millis(50),
            batch: Duration::from_secs(1),
            output_bytes: 4 << 20,
            cell_bytes: 8 << 20,
        }
    }
}

impl Limits {
    /// Processor time for a call with `rows` rows: what its rows may take together, and never more than a batch may.
    pub(super) fn call(&self, rows: usize) -> Duration {
        self.row.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX)).min(self.batch)
    }
}

/// A file larger than this is not even read. Guests in Python have 18 MB, those in JavaScript 12, and grow with what they bring along.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;
/// The same for what has no interpreter inside: a core module, and a component of the world `transform`.
pub(super) const MODULE_BYTES_MAX: u64 = 32 << 20;
/// The most that `Limits::memory_bytes` may be: the size of the pool's slots.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Elements of all tables of a guest; interpreters have about ten thousand.
pub(super) const TABLE_ELEMENTS_MAX: usize = 50_000;
/// Processor time for `describe`, `init` and one `on-schema`: interpreters need a second to wake up.
pub(super) const START_LIMIT: Duration = Duration::from_secs(5);
/// Rows of one call. 64 is where a larger batch stops to pay (44 ns per row at 16, 32 at 64), and what one trap makes us
/// run again row by row.
pub(super) const CALL_ROWS_MAX: usize = 64;
/// Encoded bytes of one call, unless a single row has more: far below the guest's memory, large enough to be rare.
pub(super) const CALL_BYTES_MAX: usize = 1 << 20;
/// Lines per second that a guest may log.
pub(super) const LOG_LINES_PER_SECOND_MAX: u32 = 200;
/// Bytes of one line.
pub(super) const LOG_LINE_BYTES_MAX: usize = 1024;
/// Counters that a guest may have; labels of metrics are of bounded number.
pub const COUNTERS_MAX: usize = 64;
/// Bytes of a counter's name.
pub(super) const COUNTER_NAME_BYTES_MAX: usize = 64;
/// Subscriptions, and columns of one subscription, in a manifest.
pub(super) const SUBSCRIPTIONS_MAX: usize = 256;
pub(super) const COLUMNS_MAX: usize = 4096;
/// Bytes of a rejection's code and message.
pub(super) const CODE_BYTES_MAX: usize = 64;
pub(super) const MESSAGE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_has_the_time_of_its_rows_up_to_the_batch() {
        let limits = Limits::default();
        assert_eq!(limits.call(1), Duration::from_millis(50));
        assert_eq!(limits.call(4), Duration::from_millis(200));
        assert_eq!(limits.call(64), Duration::from_secs(1));
        assert_eq!(Limits { batch: Duration::from_millis(10), ..limits }.call(1), Duration::from_millis(10));
    }
}
