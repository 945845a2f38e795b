//! One value: the tags, the sixteen bytes that stand for it in the cell table, and the view that a reader gets.

use crate::{Array, FrameError, wire};
use alloc::vec::Vec;

/// Microseconds from the Unix epoch to 2000-01-01, where the timestamps of a frame begin.
///
/// A frame counts from 2000, as PostgreSQL does: its last timestamp, in the year 294276, overflows 64 bits when it is
/// counted from 1970.
pub const UNIX_EPOCH_TO_2000_US: i64 = 946_684_800_000_000;
/// `infinity`, of timestamps (and of dates, where the cell holds the same number).
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// `-infinity`.
pub const TIMESTAMP_NEGATIVE_INFINITY: i64 = i64::MIN;

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $byte:literal,)*) => {
        /// What kind of value a cell holds. A number is never given a second meaning and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Tag { $($(#[$doc])* $name = $byte,)* }

        impl Tag {
            /// Every tag of this version, in order of its number.
            pub const ALL: &'static [Tag] = &[$(Tag::$name,)*];

            /// # Errors
            /// `Unknown` for a byte that is no tag.
            #[inline]
            pub fn from_byte(byte: u8) -> Result<Tag, FrameError> {
                match byte {
                    $($byte => Ok(Tag::$name),)*
                    _ => Err(FrameError::Unknown { what: "tag", byte }),
                }
            }
        }
    };
}

tags! {
    /// SQL null.
    Null = 0,
    /// A large value that the statement did not touch, and that the log therefore does not hold (PostgreSQL's TOAST). Not null.
    Unchanged = 1,
    /// A column that this row image does not carry: an old row that is only its key, a minimal row image.
    Absent = 2,
    /// The value is there, but longer than the guest's limit for a cell: only its length crosses. The host holds the original.
    Long = 3,
    /// Inline 0 or 1.
    Bool = 4,
    /// A signed integer of up to 64 bits, inline.
    Int = 5,
    /// An unsigned integer of up to 64 bits, inline.
    UInt = 6,
    /// IEEE 754 of 32 bits, inline in the low half.
    Float32 = 7,
    /// IEEE 754 of 64 bits, inline.
    Float64 = 8,
    /// A decimal as exact text, `NaN`, `Infinity` and `-Infinity` included.
    Decimal = 9,
    /// A decimal as scale (i32) and two's complement bytes, most significant first.
    DecimalUnscaled = 10,
    /// Text, UTF-8.
    Text = 11,
    /// Bytes.
    Bytes = 12,
    /// Days since 2000-01-01, inline and signed; the two infinities as for timestamps.
    Date = 13,
    /// Microseconds since midnight, inline and signed; 24:00 is 86,400,000,000, and MySQL's TIME goes beyond a day and below zero.
    Time = 14,
    /// Microseconds since midnight inline, seconds east of UTC in the length.
    TimeTz = 15,
    /// Microseconds since 2000-01-01 00:00:00 without a zone, inline.
    Timestamp = 16,
    /// Microseconds since 2000-01-01 00:00:00 UTC, inline.
    TimestampTz = 17,
    /// Months (i32), days (i32), microseconds (i64): 16 bytes.
    Interval = 18,
    /// 16 bytes.
    Uuid = 19,
    /// JSON text.
    Json = 20,
    /// An array of one or more dimensions; see `Array`.
    Array = 21,
    /// A bit string, as text of `0` and `1`.
    Bits = 22,
    /// A label of an enumeration.
    Enum = 23,
    /// Any other type, as its text; the schema says which.
    Other = 24,
}

impl Tag {
    /// Whether the value stands in the cell table itself and takes nothing from the heap.
    #[inline]
    pub const fn is_inline(self) -> bool {
        matches!(
            self,
            Tag::Null
                | Tag::Unchanged
                | Tag::Absent
                | Tag::Long
                | Tag::Bool
                | Tag::Int
                | Tag::UInt
                | Tag::Float32
                | Tag::Float64
                | Tag::Date
                | Tag::Time
                | Tag::TimeTz
                | Tag::Timestamp
                | Tag::TimestampTz
        )
    }
}

/// A value as a reader sees it. Borrows from the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell<'a> {
    Null,
    Unchanged,
    Absent,
    /// Length in bytes of the value that did not cross.
    Long(u64),
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float32(f32),
    Float64(f64),
    Decimal(&'a str),
    DecimalUnscaled {
        scale: i32,
        unscaled: &'a [u8],
    },
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days since 2000-01-01.
    Date(i64),
    /// Microseconds since midnight.
    Time(i64),
    TimeTz {
        micros: i64,
        offset_seconds: i32,
    },
    /// Microseconds since 2000-01-01 00:00:00.
    Timestamp(i64),
    /// Microseconds since 2000-01-01 00:00:00 UTC.
    TimestampTz(i64),
    Interval {
        months: i32,
        days: i32,
        micros: i64,
    },
    Uuid([u8; 16]),
    Json(&'a str),
    Array(Array<'a>),
    Bits(&'a str),
    Enum(&'a str),
    Other(&'a str),
}

impl<'a> Cell<'a> {
    /// The tag that this value is written with.
    pub fn tag(&self) -> Tag {
        match self {
            Cell::Null => Tag::Null,
            Cell::Unchanged => Tag::Unchanged,
            Cell::Absent => Tag::Absent,
            Cell::Long(_) => Tag::Long,
            Cell::Bool(_) => Tag::Bool,
            Cell::Int(_) => Tag::Int,
            Cell::UInt(_) => Tag::UInt,
            Cell::Float32(_) => Tag::Float32,
            Cell::Float64(_) => Tag::Float64,
            Cell::Decimal(_) => Tag::Decimal,
            Cell::DecimalUnscaled { .. } => Tag::DecimalUnscaled,
            Cell::Text(_) => Tag::Text,
            Cell::Bytes(_) => Tag::Bytes,
            Cell::Date(_) => Tag::Date,
            Cell::Time(_) => Tag::Time,
            Cell::TimeTz { .. } => Tag::TimeTz,
            Cell::Timestamp(_) => Tag::Timestamp,
            Cell::TimestampTz(_) => Tag::TimestampTz,
            Cell::Interval { .. } => Tag::Interval,
            Cell::Uuid(_) => Tag::Uuid,
            Cell::Json(_) => Tag::Json,
            Cell::Array(_) => Tag::Array,
            Cell::Bits(_) => Tag::Bits,
            Cell::Enum(_) => Tag::Enum,
            Cell::Other(_) => Tag::Other,
        }
    }

    /// The inline half of the value, and its length field: what the cell table holds for tags without heap bytes.
    pub(crate) fn inline(&self) -> Option<(u32, u64)> {
        Some(match *self {
            Cell::Null | Cell::Unchanged | Cell::Absent => (0, 0),
            Cell::Long(len) => (0, len),
            Cell::Bool(v) => (0, u64::from(v)),
            Cell::Int(v) | Cell::Date(v) | Cell::Time(v) | Cell::Timestamp(v) | Cell::TimestampTz(v) => (0, v as u64),
            Cell::UInt(v) => (0, v),
            Cell::Float32(v) => (0, u64::from(v.to_bits())),
            Cell::Float64(v) => (0, v.to_bits()),
            Cell::TimeTz { micros, offset_seconds } => (offset_seconds as u32, micros as u64),
            _ => return None,
        })
    }

    /// Writes the heap bytes of the value; nothing for inline tags.
    pub(crate) fn write_heap(&self, heap: &mut Vec<u8>) {
        match *self {
            Cell::Decimal(t) | Cell::Text(t) | Cell::Json(t) | Cell::Bits(t) | Cell::Enum(t) | Cell::Other(t) => {
                heap.extend_from_slice(t.as_bytes());
            }
            Cell::DecimalUnscaled { scale, unscaled } => {
                heap.extend_from_slice(&scale.to_le_bytes());
                heap.extend_from_slice(unscaled);
            }
            Cell::Bytes(b) => heap.extend_from_slice(b),
            Cell::Interval { months, days, micros } => {
                heap.extend_from_slice(&months.to_le_bytes());
                heap.extend_from_slice(&days.to_le_bytes());
                heap.extend_from_slice(&micros.to_le_bytes());
            }
            Cell::Uuid(id) => heap.extend_from_slice(&id),
            Cell::Array(a) => heap.extend_from_slice(a.as_bytes()),
            _ => {}
        }
    }

    /// Reads a value back from its tag, its inline half and its heap bytes.
    #[inline]
    pub(crate) fn from_parts(tag: Tag, len: u32, payload: u64, bytes: &'a [u8]) -> Result<Cell<'a>, FrameError> {
        Ok(match tag {
            Tag::Null => Cell::Null,
            Tag::Unchanged => Cell::Unchanged,
            Tag::Absent => Cell::Absent,
            Tag::Long => Cell::Long(payload),
            Tag::Bool => Cell::Bool(payload != 0),
            Tag::Int => Cell::Int(payload as i64),
            Tag::UInt => Cell::UInt(payload),
            Tag::Float32 => Cell::Float32(f32::from_bits(payload as u32)),
            Tag::Float64 => Cell::Float64(f64::from_bits(payload)),
            Tag::Decimal => Cell::Decimal(wire::text(bytes)?),
            Tag::DecimalUnscaled => {
                let mut r = wire::Reader::new(bytes);
                let scale = r.u32("the scale of a decimal")? as i32;
                Cell::DecimalUnscaled { scale, unscaled: &bytes[4..] }
            }
            Tag::Text => Cell::Text(wire::text(bytes)?),
            Tag::Bytes => Cell::Bytes(bytes),
            Tag::Date => Cell::Date(payload as i64),
            Tag::Time => Cell::Time(payload as i64),
            Tag::TimeTz => Cell::TimeTz { micros: payload as i64, offset_seconds: len as i32 },
            Tag::Timestamp => Cell::Timestamp(payload as i64),
            Tag::TimestampTz => Cell::TimestampTz(payload as i64),
            Tag::Interval => {
                let mut r = wire::Reader::new(bytes);
                let part = "an interval";
                let (months, days) = (r.u32(part)? as i32, r.u32(part)? as i32);
                let micros = r.u64(part)? as i64;
                if !r.is_empty() {
                    return Err(FrameError::Trailing);
                }
                Cell::Interval { months, days, micros }
            }
            Tag::Uuid => Cell::Uuid(bytes.try_into().map_err(|_| FrameError::Truncated("a uuid"))?),
            Tag::Json => Cell::Json(wire::text(bytes)?),
            Tag::Array => Cell::Array(Array::parse(bytes)?),
            Tag::Bits => Cell::Bits(wire::text(bytes)?),
            Tag::Enum => Cell::Enum(wire::text(bytes)?),
            Tag::Other => Cell::Other(wire::text(bytes)?),
        })
    }

    /// Writes the value by itself, as edits and array elements hold it: tag, three zero bytes, length, then the bytes
    /// (eight for an inline value, twelve for a time with zone).
    pub(crate) fn write_alone(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.tag() as u8, 0, 0, 0]);
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        match self.inline() {
            Some((len, payload)) => {
                out.extend_from_slice(&payload.to_le_bytes());
                if let Cell::TimeTz { .. } = self {
                    out.extend_from_slice(&len.to_le_bytes());
                }
            }
            None => self.write_heap(out),
        }
        let len = u32::try_from(out.len() - at - 4).expect("a value under 4 GiB");
        out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }

    pub(crate) fn read_alone(r: &mut wire::Reader<'a>) -> Result<Cell<'a>, FrameError> {
        let part = "a value";
        let tag = Tag::from_byte(r.u8(part)?)?;
        r.take(3, part)?;
        let bytes = r.bytes32(part)?;
        if !tag.is_inline() {
            return Cell::from_parts(tag, 0, 0, bytes);
        }
        let mut inner = wire::Reader::new(bytes);
        let payload = inner.u64(part)?;
        let len = if tag == Tag::TimeTz { inner.u32(part)? } else { 0 };
        if !inner.is_empty() {
            return Err(FrameError::Trailing);
        }
        Cell::from_parts(tag, len, payload, &[])
    }
}

/// The sixteen bytes of a value in the cell table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RawCell {
    /// The tag, in as many bits as the length has: three bytes beside it would be copied one by one.
    tag: u32,
    /// Bytes on the heap; for a time with zone its offset.
    len: u32,
    /// The value itself, or where its bytes begin on the heap.
    payload: u64,
}

impl RawCell {
    /// Size of a cell in the table.
    pub const SIZE: usize = 16;
    /// SQL null.
    pub const NULL: RawCell = RawCell::inline(Tag::Null, 0);
    /// Not in the log because the statement did not touch it.
    pub const UNCHANGED: RawCell = RawCell::inline(Tag::Unchanged, 0);
    /// Not part of this row image.
    pub const ABSENT: RawCell = RawCell::inline(Tag::Absent, 0);

    /// A value that needs no heap.
    #[inline]
    pub const fn inline(tag: Tag, payload: u64) -> Self {
        Self { tag: tag as u32, len: 0, payload }
    }

    /// A time with its zone.
    #[inline]
    pub const fn time_tz(micros: i64, offset_seconds: i32) -> Self {
        Self { tag: Tag::TimeTz as u32, len: offset_seconds as u32, payload: micros as u64 }
    }

    /// A value whose `len` bytes begin at `offset` of the heap.
    #[inline]
    pub const fn heap(tag: Tag, offset: u64, len: u32) -> Self {
        Self { tag: tag as u32, len, payload: offset }
    }

    /// # Errors
    /// `Unknown` for a byte that is no tag.
    #[inline]
    pub fn tag(&self) -> Result<Tag, FrameError> {
        Tag::from_byte(self.tag as u8)
    }

    /// Whether the log does not hold the value because the statement did not touch it.
    #[inline]
    pub const fn is_unchanged(&self) -> bool {
        self.tag == Tag::Unchanged as u32
    }

    /// Length of the heap bytes, zero for inline values.
    #[inline]
    pub fn heap_len(&self) -> u32 {
        match Tag::from_byte(self.tag as u8) {
            Ok(tag) if !tag.is_inline() => self.len,
            _ => 0,
        }
    }

    /// Where the value's bytes stand on its heap: offset and length. `None` for inline values.
    ///
    /// # Errors
    /// `Unknown` for a byte that is no tag.
    #[inline]
    pub fn heap_place(&self) -> Result<Option<(u64, u32)>, FrameError> {
        Ok(if self.tag()?.is_inline() { None } else { Some((self.payload, self.len)) })
    }

    /// The same value, its bytes moved to `offset`. Only for values that have bytes on a heap.
    #[inline]
    pub fn at(mut self, offset: u64) -> Self {
        self.payload = offset;
        self
    }

    /// The heap bytes of the value, empty for inline ones.
    ///
    /// # Errors
    /// `Truncated` if they lie outside the heap.
    #[inline]
    pub fn heap_bytes<'a>(&self, heap: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let start = usize::try_from(self.payload).map_err(|_| FrameError::Truncated("the heap"))?;
        let end = start.checked_add(self.len as usize).ok_or(FrameError::Truncated("the heap"))?;
        heap.get(start..end).ok_or(FrameError::Truncated("the heap"))
    }

    /// The value, read from this cell and the heap.
    ///
    /// # Errors
    /// If the cell's bytes are not what its tag says.
    #[inline]
    pub fn resolve<'a>(&self, heap: &'a [u8]) -> Result<Cell<'a>, FrameError> {
        let tag = self.tag()?;
        let bytes = if tag.is_inline() { &[] } else { self.heap_bytes(heap)? };
        Cell::from_parts(tag, self.len, self.payload, bytes)
    }

    /// The value as its writer reads it, who knows that the bytes are what the tag says: if they are not, it is `Absent`.
    ///
    /// Built where it is to stand: a `Result` of it would be copied, and a copy waits for the stores of what it copies.
    #[inline(always)]
    pub fn resolve_own<'a>(&self, heap: &'a [u8]) -> Cell<'a> {
        let text = || self.heap_bytes(heap).and_then(wire::text);
        match self.tag() {
            Ok(Tag::Null) => Cell::Null,
            Ok(Tag::Bool) => Cell::Bool(self.payload != 0),
            Ok(Tag::Int) => Cell::Int(self.payload as i64),
            Ok(Tag::Float64) => Cell::Float64(f64::from_bits(self.payload)),
            Ok(Tag::Decimal) => text().map_or(Cell::Absent, Cell::Decimal),
            Ok(Tag::Text) => text().map_or(Cell::Absent, Cell::Text),
            Ok(Tag::Json) => text().map_or(Cell::Absent, Cell::Json),
            Ok(Tag::Timestamp) => Cell::Timestamp(self.payload as i64),
            Ok(Tag::TimestampTz) => Cell::TimestampTz(self.payload as i64),
            _ => self.resolve(heap).unwrap_or(Cell::Absent),
        }
    }

    // Both ways as one number: written field by field into an array, the copy of that array waits for its stores, which
    // made encoding four times slower.
    #[inline]
    pub(crate) fn to_bytes(self) -> [u8; Self::SIZE] {
        (u128::from(self.tag) | u128::from(self.len) << 32 | u128::from(self.payload) << 64).to_le_bytes()
    }

    #[inline]
    pub(crate) fn from_bytes(b: &[u8; Self::SIZE]) -> Self {
        let all = u128::from_le_bytes(*b);
        Self { tag: u32::from(all as u8), len: (all >> 32) as u32, payload: (all >> 64) as u64 }
    }
}
