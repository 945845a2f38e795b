//! The bytes that cross the border into a guest, and the bytes that come back.
//!
//! ```text
//!   log decoder ──▶ FrameBuf ──(project)──▶ bytes ──▶ guest: Frame ──▶ Verdicts bytes ──▶ host: Verdicts
//! ```
//!
//! One codec serves the log decoder, the SDK and the encoders: a row has one representation from the socket to the sink.
//! The layout is written down byte by byte in `wit/FRAME.md`; vectors stand in `wit/frame/vectors`. Nothing here panics on
//! bytes from outside, and nothing here allocates while reading.
#![no_std]

extern crate alloc;

mod array;
mod cell;
mod frame;
mod judge;
mod verdict;
mod wire;

pub use array::{Array, ArrayWriter, Dimension};
pub use cell::{Cell, RawCell, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, Tag, UNIX_EPOCH_TO_2000_US};
pub use frame::{Frame, FrameBuf, Op, RowHead, RowView};
pub use judge::{EditBuf, VerdictWriter};
pub use verdict::{Body, Edit, Emitted, Header, Verdict, Verdicts};

/// The version of both layouts. The host speaks this one and the one before.
pub const VERSION: u16 = 1;

/// Why bytes are not a frame. Never carries a value of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end before the named part does.
    Truncated(&'static str),
    /// The first four bytes are not the magic of this layout.
    Magic,
    /// A version that this codec does not speak.
    Version(u16),
    /// A byte that names no tag, operation, verdict or edit.
    Unknown { what: &'static str, byte: u8 },
    /// Text that is not UTF-8.
    Utf8,
    /// A number of rows other than the one asked for.
    RowCount { expected: u32, found: u32 },
    /// Bytes behind the end.
    Trailing,
    /// Something larger than the layout can say.
    TooLarge(&'static str),
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated(part) => write!(f, "the bytes end inside {part}"),
            Self::Magic => f.write_str("the bytes do not begin with the magic of a frame"),
            Self::Version(v) => write!(f, "frame version {v}; this codec speaks {VERSION}"),
            Self::Unknown { what, byte } => write!(f, "{byte} is no {what}"),
            Self::Utf8 => f.write_str("text that is not UTF-8"),
            Self::RowCount { expected, found } => write!(f, "{found} verdicts for {expected} rows"),
            Self::Trailing => f.write_str("bytes behind the end"),
            Self::TooLarge(what) => write!(f, "{what} is too large for the layout"),
        }
    }
}

impl core::error::Error for FrameError {}
