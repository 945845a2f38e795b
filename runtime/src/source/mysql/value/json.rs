//! MySQL's binary JSON becomes the text that `SELECT` prints.
//!
//! A document is a byte for its type and then the value. Objects and arrays hold a table of entries (small ones with
//! offsets of two bytes, large ones of four), and behind it the keys and the values that do not fit into an entry.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html>

use super::super::bytes::{Cut, Reader};
use super::super::table_map::type_id;
use super::number;
use super::time::{Clock, unpack};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Write;

/// MySQL refuses deeper documents (`JSON_DOCUMENT_MAX_DEPTH`); so bytes from outside do not decide how deep we recurse.
pub(super) const DEPTH_MAX: usize = 100;
/// No value's text is longer than so many times its bytes: offsets that point to one place again and again end here.
const TEXT_PER_BYTE_MAX: usize = 16;

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const INT16: u8 = 5;
const UINT16: u8 = 6;
const INT32: u8 = 7;
const UINT32: u8 = 8;
const INT64: u8 = 9;
const UINT64: u8 = 10;
const DOUBLE: u8 = 11;
const STRING: u8 = 12;
const OPAQUE: u8 = 15;

/// A value inside a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    kind: u8,
    /// From the value's beginning to the end of what it stands in.
    bytes: &'a [u8],
}

/// An object or an array.
#[derive(Clone, Copy)]
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    is_large: bool,
    pub(super) is_object: bool,
    pub(super) count: usize,
}

impl<'a> Value<'a> {
    /// A whole document. One without bytes is `null`, as MySQL reads it.
    pub(super) fn document(bytes: &'a [u8]) -> Result<Self, Cut> {
        match bytes.split_first() {
            Some((kind, bytes)) => Ok(Self { kind: *kind, bytes }),
            None => Ok(Self { kind: LITERAL, bytes: &[0] }),
        }
    }

    pub(super) fn container(self) -> Result<Option<Container<'a>>, Cut> {
        let (is_large, is_object) = match self.kind {
            SMALL_OBJECT => (false, true),
            LARGE_OBJECT => (true, true),
            SMALL_ARRAY => (false, false),
            LARGE_ARRAY => (true, false),
            _ => return Ok(None),
        };
        let width = if is_large { 4 } else { 2 };
        let mut r = Reader::new(self.bytes);
        let (count, len) = (r.uint(width)? as usize, r.uint(width)? as usize);
        let bytes = self.bytes.get(..len).ok_or(Cut)?;
        let container = Container { bytes, is_large, is_object, count };
        if container.values_at() + count * (1 + width) > len { Err(Cut) } else { Ok(Some(container)) }
    }
}

impl<'a> Container<'a> {
    fn width(&self) -> usize {
        if self.is_large { 4 } else { 2 }
    }

    /// Where the table of values begins: behind count and size, and an object's keys.
    fn values_at(&self) -> usize {
        let keys = if self.is_object { self.count * (self.width() + 2) } else { 0 };
        2 * self.width() + keys
    }

    pub(super) fn key(&self, index: usize) -> Result<&'a [u8], Cut> {
        let mut r = Reader::new(self.bytes);
        r.skip(2 * self.width() + index * (self.width() + 2))?;
        let (offset, len) = (r.uint(self.width())? as usize, usize::from(r.u16()?));
        self.bytes.get(offset..).and_then(|rest| rest.get(..len)).ok_or(Cut)
    }

    pub(super) fn value(&self, index: usize) -> Result<Value<'a>, Cut> {
        let mut r = Reader::new(self.bytes);
        r.skip(self.values_at() + index * (1 + self.width()))?;
        let kind = r.u8()?;
        let is_inline = matches!(kind, LITERAL | INT16 | UINT16) || self.is_large && matches!(kind, INT32 | UINT32);
        if is_inline {
            return Ok(Value { kind, bytes: r.take(self.width())? });
        }
        let offset = r.uint(self.width())? as usize;
        // A value behind its entry is shorter than what it stands in: no document holds itself.
        let bytes = self.bytes.get(offset..).filter(|_| offset > self.values_at()).ok_or(Cut)?;
        Ok(Value { kind, bytes })
    }
}

/// Appends the text of a document.
pub(super) fn print(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Cut> {
    Printer::new(out, bytes.len()).value(Value::document(bytes)?, 0)
}

/// Writes text up to a limit that follows from the bytes that it stands for.
pub(super) struct Printer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    len_max: usize,
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, bytes_len: usize) -> Self {
        const AROUND: usize = 256;
        let len_max = out.len() + AROUND + bytes_len * TEXT_PER_BYTE_MAX;
        Self { out, len_max }
    }

    pub(super) fn value(&mut self, value: Value<'_>, depth: usize) -> Result<(), Cut> {
        if depth > DEPTH_MAX || self.out.len() > self.len_max {
            return Err(Cut);
        }
        let Some(container) = value.container()? else { return self.scalar(value) };
        self.out.push(if container.is_object { b'{' } else { b'[' });
        for index in 0..container.count {
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            if container.is_object {
                self.string(container.key(index)?)?;
                self.out.extend_from_slice(b": ");
            }
            self.value(container.value(index)?, depth + 1)?;
        }
        self.out.push(if container.is_object { b'}' } else { b']' });
        Ok(())
    }

    fn scalar(&mut self, Value { kind, bytes }: Value<'_>) -> Result<(), Cut> {
        let mut r = Reader::new(bytes);
        let out = &mut *self.out;
        let written = match kind {
            LITERAL => match r.u8()? {
                0 => out.write_all(b"null"),
                1 => out.write_all(b"true"),
                2 => out.write_all(b"false"),
                _ => return Err(Cut),
            },
            INT16 => write!(out, "{}", r.u16()? as i16),
            UINT16 => write!(out, "{}", r.u16()?),
            INT32 => write!(out, "{}", r.u32()? as i32),
            UINT32 => write!(out, "{}", r.u32()?),
            INT64 => write!(out, "{}", r.u64()? as i64),
            UINT64 => write!(out, "{}", r.u64()?),
            DOUBLE => return double(out, f64::from_bits(r.u64()?)),
            STRING => {
                let len = length(&mut r)?;
                return self.string(r.take(len)?);
            }
            OPAQUE => {
                let (field, len) = (r.u8()?, length(&mut r)?);
                return opaque(out, field, r.take(len)?);
            }
            _ => return Err(Cut),
        };
        written.map_err(|_| Cut)
    }

    /// Text between quotes: what JSON must escape, and nothing else.
    pub(super) fn string(&mut self, text: &[u8]) -> Result<(), Cut> {
        if self.out.len() > self.len_max {
            return Err(Cut);
        }
        std::str::from_utf8(text).map_err(|_| Cut)?;
        let out = &mut *self.out;
        out.push(b'"');
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
            out.extend_from_slice(&rest[..at]);
            let short = match rest[at] {
                b'"' => b'"',
                b'\\' => b'\\',
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                other => {
                    write!(out, "\\u{other:04x}").map_err(|_| Cut)?;
                    0
                }
            };
            if short != 0 {
                out.extend([b'\\', short]);
            }
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.push(b'"');
        Ok(())
    }
}

/// A length of one to five bytes: seven bits each, least significant first, the upper bit says that another follows.
fn length(r: &mut Reader<'_>) -> Result<usize, Cut> {
    let mut len = 0u64;
    for place in 0..5 {
        let byte = r.u8()?;
        len |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(len).ok().filter(|len| u32::try_from(*len).is_ok()).ok_or(Cut);
        }
    }
    Err(Cut)
}

/// The shortest digits that give the number again, placed as MySQL's `my_gcvt` places them; a whole number gets `.0`.
fn double(out: &mut Vec<u8>, n: f64) -> Result<(), Cut> {
    /// Beyond so many places before the point, or zeros behind it, MySQL writes an exponent.
    const PLACES_MAX: i32 = 15;
    if !n.is_finite() {
        return Err(Cut);
    }
    let scientific = format!("{:e}", n.abs());
    let (mantissa, exponent) = scientific.split_once('e').ok_or(Cut)?;
    let exponent: i32 = exponent.parse().map_err(|_| Cut)?;
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    if n.is_sign_negative() {
        out.push(b'-');
    }
    // Where the point stands, counted from before the first digit.
    let point = exponent + 1;
    if !(-PLACES_MAX + 1..=PLACES_MAX).contains(&point) && n != 0.0 {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        return write!(out, "e{exponent}").map_err(|_| Cut);
    }
    match usize::try_from(point).ok().filter(|point| *point > 0) {
        None => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(&digits);
        }
        Some(point) if point >= digits.len() => {
            out.extend_from_slice(&digits);
            out.resize(out.len() + point - digits.len(), b'0');
            out.extend_from_slice(b".0");
        }
        Some(point) => {
            out.extend_from_slice(&digits[..point]);
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }
    Ok(())
}

/// A value of a type that JSON lacks.
fn opaque(out: &mut Vec<u8>, field: u8, bytes: &[u8]) -> Result<(), Cut> {
    match field {
        type_id::NEWDECIMAL => {
            let (&[precision, scale], digits) = bytes.split_first_chunk::<2>().ok_or(Cut)?;
            return number::decimal(out, precision, scale, digits);
        }
        type_id::DATE | type_id::TIME | type_id::DATETIME | type_id::TIMESTAMP => {
            let packed = i64::from_le_bytes(bytes.try_into().map_err(|_| Cut)?);
            let mut text = String::new();
            temporal(&mut text, field, packed).map_err(|_| Cut)?;
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
        }
        _ => write!(out, "\"base64:type{field}:{}", STANDARD.encode(bytes)).map_err(|_| Cut)?,
    }
    out.push(b'"');
    Ok(())
}

/// A packed date or time: 24 bits of microseconds below what a DATETIME or a TIME is packed into.
fn temporal(text: &mut String, field: u8, packed: i64) -> std::fmt::Result {
    use std::fmt::Write;
    const DIGITS: u8 = 6;
    let micros = (packed.unsigned_abs() & 0xff_ffff) as i64;
    let whole = packed.unsigned_abs() >> 24;
    if field == type_id::TIME {
        let part = |shift: u32, mask: u64| (whole >> shift & mask) as u32;
        let clock = Clock { hour: part(12, 0x3ff), minute: part(6, 0x3f), second: part(0, 0x3f), micros };
        text.push_str(if packed < 0 { "-" } else { "" });
        return clock.print(text, DIGITS);
    }
    let (day, clock) = unpack(whole, micros);
    write!(text, "{day}")?;
    if field == type_id::DATE {
        return Ok(());
    }
    text.push(' ');
    clock.print(text, DIGITS)
}
