//! What the house counts, and every name under which it is shown.
//!
//! Rooms hold an `Arc` of their own struct and add to atomics; `admin` reads them when asked.

mod latency;
mod recorder;
mod stats;
mod tap;

pub use latency::Latency;
pub use recorder::{RECORDED_ROWS_MAX, RecordedColumn, RecordedRow, Recorder, Session, Wanted};
pub use stats::{GuestStats, LaneStats, Note, PipelineStats, SourceStats, count};
pub use tap::{Tap, TappedRow};
