//! Counters of a source, a guest and a lane.

use super::{Latency, Recorder, Tap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A short text that a person may want to see: a state, the last error. Never a row value.
#[derive(Default)]
pub struct Note(Mutex<Option<String>>);

impl Note {
    pub fn set(&self, text: impl Into<String>) {
        *self.0.lock().expect("no panic while a note is written") = Some(text.into());
    }

    pub fn clear(&self) {
        *self.0.lock().expect("no panic while a note is written") = None;
    }

    /// Sets or clears the note; whether there was one before.
    pub fn replace(&self, text: Option<String>) -> bool {
        std::mem::replace(&mut *self.0.lock().expect("no panic while a note is written"), text).is_some()
    }

    pub fn get(&self) -> Option<String> {
        self.0.lock().expect("no panic while a note is written").clone()
    }
}

/// One source.
#[derive(Default)]
pub struct SourceStats {
    /// `connecting`, `streaming`, `held` (the intake is full), `stopped`.
    pub state: Note,
    /// The server's kind and version, once known.
    pub server: Note,
    /// Positions as plain numbers of the source: end of the server's log as last heard, read, confirmed.
    pub end: AtomicU64,
    pub received: AtomicU64,
    pub confirmed: AtomicU64,
    pub rows_total: AtomicU64,
    pub transactions_total: AtomicU64,
    pub reconnects_total: AtomicU64,
    /// Commit to read of the last transaction, in microseconds by the two clocks.
    pub lag_us: AtomicU64,
    pub last_error: Note,
    /// What was lost since it started, if anything was: the last such thing.
    pub lost: Note,
}

/// One guest of one pipeline.
#[derive(Default)]
pub struct GuestStats {
    /// `waiting`, `running`, `held` (the file is gone), `refused` (a new file was not taken).
    pub state: Note,
    pub generation: Note,
    pub rows_total: AtomicU64,
    pub dropped_total: AtomicU64,
    pub rejected_total: AtomicU64,
    pub traps_total: AtomicU64,
    pub reloads_total: AtomicU64,
    pub recycles_total: AtomicU64,
    pub log_dropped_total: AtomicU64,
    /// Time inside the guest, border included, in nanoseconds.
    pub busy_ns: AtomicU64,
    /// From the file's change to the first batch through the new code, in microseconds; of the last reload.
    pub reload_us: AtomicU64,
    pub last_error: Note,
    /// Counters that the guest itself keeps: name and value, at most `COUNTERS_MAX` of them.
    pub counters: Mutex<std::collections::BTreeMap<String, u64>>,
}

/// One pipeline.
#[derive(Default)]
pub struct PipelineStats {
    pub rows_total: AtomicU64,
    pub messages_total: AtomicU64,
    /// Rows that a guest refused.
    pub dead_total: AtomicU64,
    /// Messages that could not be addressed.
    pub unroutable_total: AtomicU64,
    /// Why it halted, while it does.
    pub halted: Note,
    pub tap: Tap,
    pub recorder: Recorder,
}

/// One lane.
#[derive(Default)]
pub struct LaneStats {
    pub in_flight: AtomicU64,
    pub waiting: AtomicU64,
    pub waiting_bytes: AtomicU64,
    pub delivered_total: AtomicU64,
    pub attempts_total: AtomicU64,
    /// Set aside, never delivered.
    pub dead_total: AtomicU64,
    /// What waits on disk.
    pub parked: AtomicU64,
    pub parked_bytes: AtomicU64,
    /// Messages that went to disk.
    pub parked_total: AtomicU64,
    /// Messages that came again with the log and were delivered, or on disk, already.
    pub known_total: AtomicU64,
    /// Messages given up to make room on disk.
    pub dropped_total: AtomicU64,
    /// How often the receiver was found to be away.
    pub opened_total: AtomicU64,
    /// Unix time in microseconds of the oldest undelivered message's arrival; 0 if there is none.
    pub oldest_at_us: AtomicU64,
    /// Commit to answer.
    pub latency: Latency,
    /// `flowing`, `parked`, `full` (pushers wait), `open` (the receiver is away), `halted`.
    pub state: Note,
    pub last_error: Note,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
