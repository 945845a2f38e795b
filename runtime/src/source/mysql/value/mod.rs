//! The bytes of a value become a cell. Never null, never another value, never a panic.
//!
//! What a tag can not hold keeps MySQL's own text as `Other`: `0000-00-00`, `2024-00-10`, and characters that are no
//! characters of the column's charset, which become a hexadecimal literal such as `0xC328`. `Bytes` would keep them too, but a
//! reader of a text column would take them for a value of that column; `Other` says that they are something else.

mod charset;
mod json;
mod json_diff;
mod network;
mod number;
mod single_byte;
mod time;

pub(super) use charset::{Charset, charset_of};
pub(super) use json_diff::patched;
pub(super) use number::decimal_len;
pub(super) use time::fraction_len;

use super::bytes::{Cut, little_endian};
use super::compressed;
use crate::change::{Cell, FrameBuf, RawCell, Tag};
use sluicegate_frame::{ArrayWriter, Dimension};

/// How many bytes a value takes in a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Fixed(u16),
    /// Behind a length of so many bytes.
    Prefixed(u8),
}

/// How a value's bytes read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    UInt,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Bits(u16),
    Date,
    /// Packed decimally in three bytes, before MySQL 5.6.
    OldTime,
    OldDateTime,
    OldTimestamp,
    Time(u8),
    DateTime(u8),
    Timestamp(u8),
    Text(Charset),
    Bytes,
    /// BINARY(n): the log leaves out zeros at the end.
    Padded(u16),
    Enum,
    Set,
    Json,
    Vector,
    Uuid,
    Inet4,
    Inet6,
    CompressedText(Charset),
    CompressedBytes,
}

impl Kind {
    pub(super) fn tag(self) -> Tag {
        match self {
            Self::Int | Self::Year => Tag::Int,
            Self::UInt => Tag::UInt,
            Self::Float32 => Tag::Float32,
            Self::Float64 => Tag::Float64,
            Self::Decimal { .. } => Tag::Decimal,
            Self::Bits(_) => Tag::Bits,
            Self::Date => Tag::Date,
            Self::OldTime | Self::Time(_) => Tag::Time,
            Self::OldDateTime | Self::DateTime(_) => Tag::Timestamp,
            Self::OldTimestamp | Self::Timestamp(_) => Tag::TimestampTz,
            Self::Text(_) | Self::CompressedText(_) | Self::Set | Self::Inet4 | Self::Inet6 => Tag::Text,
            Self::Bytes | Self::Padded(_) | Self::CompressedBytes => Tag::Bytes,
            Self::Enum => Tag::Enum,
            Self::Json => Tag::Json,
            Self::Vector => Tag::Array,
            Self::Uuid => Tag::Uuid,
        }
    }
}

/// Appends the value to the frame's cells.
///
/// # Errors
/// If the bytes are no value of this kind. The frame's heap may hold a part of it then.
#[inline]
pub(super) fn push(frame: &mut FrameBuf, kind: Kind, labels: &[String], bytes: &[u8]) -> Result<(), Cut> {
    match kind {
        Kind::Int => frame.cells.push(RawCell::inline(Tag::Int, number::signed(bytes) as u64)),
        Kind::UInt => frame.cells.push(RawCell::inline(Tag::UInt, little_endian(bytes))),
        Kind::Text(charset) => text(frame, charset, bytes),
        Kind::Timestamp(digits) => time::timestamp(frame, digits, bytes)?,
        Kind::DateTime(digits) => time::datetime(frame, digits, bytes)?,
        Kind::Decimal { precision, scale } => {
            heap(frame, Tag::Decimal, |out| number::decimal(out, precision, scale, bytes))?
        }
        Kind::Date => time::date(frame, bytes)?,
        Kind::Time(_) => time::time(frame, bytes)?,
        Kind::Float32 => frame.push(Cell::Float32(f32::from_le_bytes(bytes.try_into().map_err(|_| Cut)?))),
        Kind::Float64 => frame.push(Cell::Float64(f64::from_le_bytes(bytes.try_into().map_err(|_| Cut)?))),
        Kind::Bytes => frame.push_heap(Tag::Bytes, bytes),
        Kind::Json => heap(frame, Tag::Json, |out| json::print(out, bytes))?,
        Kind::Enum => frame.push(Cell::Enum(label(labels, little_endian(bytes))?)),
        other => return push_rare(frame, other, labels, bytes),
    }
    Ok(())
}

fn push_rare(frame: &mut FrameBuf, kind: Kind, labels: &[String], bytes: &[u8]) -> Result<(), Cut> {
    match kind {
        Kind::Year => {
            let year = bytes.first().ok_or(Cut)?;
            frame.push(Cell::Int(if *year == 0 { 0 } else { 1900 + i64::from(*year) }));
        }
        Kind::Bits(count) => heap(frame, Tag::Bits, |out| number::bits(out, count, bytes))?,
        Kind::OldTime => time::old_time(frame, bytes)?,
        Kind::OldDateTime => time::old_datetime(frame, bytes)?,
        Kind::OldTimestamp => time::old_timestamp(frame, bytes)?,
        Kind::Padded(len) => padded(frame, len, bytes),
        Kind::Set => heap(frame, Tag::Text, |out| set(out, labels, little_endian(bytes)))?,
        Kind::Vector => heap(frame, Tag::Array, |out| vector(out, bytes))?,
        Kind::Uuid => frame.push(Cell::Uuid(network::uuid(bytes)?)),
        Kind::Inet4 => heap(frame, Tag::Text, |out| network::inet4(out, bytes))?,
        Kind::Inet6 => heap(frame, Tag::Text, |out| network::inet6(out, bytes))?,
        Kind::CompressedText(charset) => text(frame, charset, &compressed::column(bytes)?),
        Kind::CompressedBytes => frame.push_heap(Tag::Bytes, &compressed::column(bytes)?),
        _ => return Err(Cut),
    }
    Ok(())
}

/// A cell whose heap bytes `write` appends.
fn heap(frame: &mut FrameBuf, tag: Tag, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Cut>) -> Result<(), Cut> {
    let offset = frame.heap.len();
    write(&mut frame.heap)?;
    let len = u32::try_from(frame.heap.len() - offset).map_err(|_| Cut)?;
    frame.cells.push(RawCell::heap(tag, offset as u64, len));
    Ok(())
}

#[inline]
fn text(frame: &mut FrameBuf, charset: Charset, bytes: &[u8]) {
    let offset = frame.heap.len();
    let tag = if charset.decode(&mut frame.heap, bytes) {
        Tag::Text
    } else {
        frame.heap.truncate(offset);
        hexadecimal(&mut frame.heap, bytes);
        Tag::Other
    };
    frame.cells.push(RawCell::heap(tag, offset as u64, (frame.heap.len() - offset) as u32));
}

/// `0xC328`, as MySQL writes bytes in SQL.
fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"0x");
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn padded(frame: &mut FrameBuf, len: u16, bytes: &[u8]) {
    let offset = frame.heap.len();
    frame.heap.extend_from_slice(bytes);
    frame.heap.resize(offset + bytes.len().max(len.into()), 0);
    frame.cells.push(RawCell::heap(Tag::Bytes, offset as u64, (frame.heap.len() - offset) as u32));
}

/// The label that an ENUM's number stands for; 0 is what became of a value that is no label.
fn label(labels: &[String], number: u64) -> Result<&str, Cut> {
    let Some(index) = number.checked_sub(1) else { return Ok("") };
    let index = usize::try_from(index).map_err(|_| Cut)?;
    labels.get(index).map(String::as_str).ok_or(Cut)
}

/// The labels whose bits are set, between commas.
fn set(out: &mut Vec<u8>, labels: &[String], mut bits: u64) -> Result<(), Cut> {
    let start = out.len();
    while bits != 0 {
        let index = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(labels.get(index).ok_or(Cut)?.as_bytes());
    }
    Ok(())
}

/// An array of one dimension, counted from 1, of the numbers.
fn vector(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Cut> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Cut);
    }
    let len = u32::try_from(numbers.len()).map_err(|_| Cut)?;
    let mut array = ArrayWriter::new(out, &[Dimension { len, lower: 1 }]);
    for number in numbers {
        array.push(Cell::Float32(f32::from_le_bytes(*number)));
    }
    Ok(())
}
