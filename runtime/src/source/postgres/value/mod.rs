//! The text of a value becomes a cell. What does not read as its type says keeps its exact text: never null, never a panic.
//!
//! Texts are those of a session with `DateStyle=ISO`, `IntervalStyle=iso_8601`, `TimeZone=UTC`, `extra_float_digits=3`,
//! `bytea_output=hex`; the session is started with these.

mod array;
mod number;
mod time;

use crate::change::{Cell, FrameBuf, RawCell, Tag};

/// How the text of one value reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    /// `oid`: unsigned.
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Bits,
    Enum,
    Other,
}

/// How a column's text reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Array { element: Scalar, delimiter: u8 },
}

impl Scalar {
    /// The types that every server numbers alike (`pg_type.dat`); none for those that the catalog must be asked for.
    pub(super) fn builtin(oid: u32) -> Option<Self> {
        Some(match oid {
            16 => Self::Bool,
            20 | 21 | 23 => Self::Int,
            26 => Self::Oid,
            700 => Self::Float4,
            701 => Self::Float8,
            1700 => Self::Numeric,
            // "char", name, text, bpchar, varchar
            18 | 19 | 25 | 1042 | 1043 => Self::Text,
            17 => Self::Bytea,
            1082 => Self::Date,
            1083 => Self::Time,
            1266 => Self::TimeTz,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            1186 => Self::Interval,
            2950 => Self::Uuid,
            114 | 3802 => Self::Json,
            1560 | 1562 => Self::Bits,
            _ => return None,
        })
    }

    pub(super) fn tag(self) -> Tag {
        match self {
            Self::Bool => Tag::Bool,
            Self::Int => Tag::Int,
            Self::Oid => Tag::UInt,
            Self::Float4 => Tag::Float32,
            Self::Float8 => Tag::Float64,
            Self::Numeric => Tag::Decimal,
            Self::Text => Tag::Text,
            Self::Bytea => Tag::Bytes,
            Self::Date => Tag::Date,
            Self::Time => Tag::Time,
            Self::TimeTz => Tag::TimeTz,
            Self::Timestamp => Tag::Timestamp,
            Self::TimestampTz => Tag::TimestampTz,
            Self::Interval => Tag::Interval,
            Self::Uuid => Tag::Uuid,
            Self::Json => Tag::Json,
            Self::Bits => Tag::Bits,
            Self::Enum => Tag::Enum,
            Self::Other => Tag::Other,
        }
    }
}

impl Kind {
    pub(super) fn tag(self) -> Tag {
        match self {
            Kind::Scalar(scalar) => scalar.tag(),
            Kind::Array { .. } => Tag::Array,
        }
    }
}

/// Memory that is used again for every value.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    element: Vec<u8>,
}

/// Appends the value to the frame's cells.
#[inline]
pub(super) fn push(frame: &mut FrameBuf, kind: Kind, text: &[u8], scratch: &mut Scratch) {
    match kind {
        Kind::Scalar(scalar) => frame.push(cell(scalar, text, &mut scratch.bytes)),
        Kind::Array { element, delimiter } => push_array(frame, element, delimiter, text, scratch),
    }
}

fn push_array(frame: &mut FrameBuf, element: Scalar, delimiter: u8, text: &[u8], scratch: &mut Scratch) {
    let offset = frame.heap.len();
    if array::write(&mut frame.heap, element, delimiter, text, scratch) {
        let len = (frame.heap.len() - offset) as u32;
        frame.cells.push(RawCell::heap(Tag::Array, offset as u64, len));
    } else {
        frame.heap.truncate(offset);
        frame.push(exact(text));
    }
}

/// Reads one value. The cell borrows from the text, or from `scratch` where it had to be decoded.
#[inline]
fn cell<'a>(scalar: Scalar, text: &'a [u8], scratch: &'a mut Vec<u8>) -> Cell<'a> {
    if scalar == Scalar::Bytea {
        return if number::unhex(text, scratch) { Cell::Bytes(scratch) } else { exact(text) };
    }
    read(scalar, text).unwrap_or_else(|| exact(text))
}

#[inline]
fn read(scalar: Scalar, text: &[u8]) -> Option<Cell<'_>> {
    let utf8 = || std::str::from_utf8(text).ok();
    Some(match scalar {
        Scalar::Int => Cell::Int(number::int(text)?),
        Scalar::Text => Cell::Text(utf8()?),
        Scalar::Timestamp => Cell::Timestamp(time::timestamp(text)?),
        Scalar::TimestampTz => Cell::TimestampTz(time::timestamp_tz(text)?),
        Scalar::Numeric => Cell::Decimal(number::decimal(text)?),
        Scalar::Bool => match text {
            b"t" => Cell::Bool(true),
            b"f" => Cell::Bool(false),
            _ => return None,
        },
        Scalar::Oid => Cell::UInt(number::uint(text)?),
        Scalar::Float4 => Cell::Float32(utf8()?.parse().ok()?),
        Scalar::Float8 => Cell::Float64(utf8()?.parse().ok()?),
        Scalar::Date => Cell::Date(time::date(text)?),
        Scalar::Time => Cell::Time(time::time(text)?),
        Scalar::TimeTz => {
            let (micros, offset_seconds) = time::time_tz(text)?;
            Cell::TimeTz { micros, offset_seconds }
        }
        Scalar::Interval => {
            let (months, days, micros) = time::interval(text)?;
            Cell::Interval { months, days, micros }
        }
        Scalar::Uuid => Cell::Uuid(number::uuid(text)?),
        Scalar::Json => Cell::Json(utf8()?),
        Scalar::Bits if text.iter().all(|b| matches!(b, b'0' | b'1')) => Cell::Bits(utf8()?),
        Scalar::Enum => Cell::Enum(utf8()?),
        Scalar::Other => Cell::Other(utf8()?),
        Scalar::Bits | Scalar::Bytea => return None,
    })
}

/// The text itself, or its bytes where it is not UTF-8 (a database with SQL_ASCII holds what it was given).
fn exact(text: &[u8]) -> Cell<'_> {
    match std::str::from_utf8(text) {
        Ok(text) => Cell::Other(text),
        Err(_) => Cell::Bytes(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> Vec<Kind> {
        use Scalar::*;
        let scalars = [
            Bool,
            Int,
            Oid,
            Float4,
            Float8,
            Numeric,
            Text,
            Bytea,
            Date,
            Time,
            TimeTz,
            Timestamp,
            TimestampTz,
            Interval,
            Uuid,
            Json,
            Bits,
            Enum,
            Other,
        ];
        let arrays = scalars.map(|element| Kind::Array { element, delimiter: b',' });
        scalars.into_iter().map(Kind::Scalar).chain(arrays).collect()
    }

    fn pushed(kind: Kind, text: &[u8]) -> FrameBuf {
        let mut frame = FrameBuf::new();
        push(&mut frame, kind, text, &mut Scratch::default());
        frame
    }

    fn reads(scalar: Scalar, text: &str, wanted: Cell<'_>) {
        let frame = pushed(Kind::Scalar(scalar), text.as_bytes());
        let found = frame.cells[0].resolve(&frame.heap).expect("we wrote it");
        // By their text, so that NaN equals NaN and -0 does not equal 0.
        assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{text}");
    }

    #[test]
    fn values_read_as_their_type_says() {
        reads(Scalar::Bool, "t", Cell::Bool(true));
        reads(Scalar::Int, "-9223372036854775808", Cell::Int(i64::MIN));
        reads(Scalar::Oid, "4294967295", Cell::UInt(4294967295));
        reads(Scalar::Float4, "3.4028235e+38", Cell::Float32(f32::MAX));
        reads(Scalar::Float4, "1e-45", Cell::Float32(f32::from_bits(1)));
        reads(Scalar::Float8, "-0", Cell::Float64(-0.0));
        reads(Scalar::Float8, "NaN", Cell::Float64(f64::NAN));
        reads(Scalar::Float8, "-Infinity", Cell::Float64(f64::NEG_INFINITY));
        reads(Scalar::Float8, "5e-324", Cell::Float64(f64::from_bits(1)));
        reads(Scalar::Numeric, "-0.000000000000000000000000000001", Cell::Decimal("-0.000000000000000000000000000001"));
        reads(Scalar::Numeric, "NaN", Cell::Decimal("NaN"));
        reads(Scalar::Numeric, "-Infinity", Cell::Decimal("-Infinity"));
        reads(Scalar::Text, "é\u{1}", Cell::Text("é\u{1}"));
        reads(Scalar::Text, "", Cell::Text(""));
        reads(Scalar::Bytea, "\\x00fF10", Cell::Bytes(&[0, 255, 16]));
        reads(Scalar::Bytea, "\\x", Cell::Bytes(&[]));
        reads(Scalar::Bits, "0101", Cell::Bits("0101"));
        reads(Scalar::Bits, "", Cell::Bits(""));
        reads(Scalar::Json, "{\"a\":  1}", Cell::Json("{\"a\":  1}"));
        reads(Scalar::Enum, "it's, odd", Cell::Enum("it's, odd"));
        let uuid = *b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11";
        reads(Scalar::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", Cell::Uuid(uuid));
    }

    #[test]
    fn value_that_is_not_what_its_type_says_keeps_its_exact_text() {
        for (scalar, text) in [
            (Scalar::Bool, "yes"),
            (Scalar::Int, "9223372036854775808"),
            (Scalar::Int, "-"),
            (Scalar::Oid, "-1"),
            (Scalar::Numeric, "1e5"),
            (Scalar::Numeric, "."),
            (Scalar::Bytea, "\\x0"),
            (Scalar::Bytea, "abc"),
            (Scalar::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"),
            (Scalar::Bits, "012"),
            (Scalar::Date, "2026-13-01"),
            (Scalar::Interval, "infinity"),
            (Scalar::Timestamp, ""),
        ] {
            reads(scalar, text, Cell::Other(text));
        }
    }

    #[test]
    fn text_that_is_not_utf8_becomes_bytes() {
        for kind in kinds() {
            let frame = pushed(kind, b"\xff{\xfe");
            assert_eq!(frame.cells[0].resolve(&frame.heap), Ok(Cell::Bytes(b"\xff{\xfe")), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_become_one_readable_cell(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            for kind in kinds() {
                let frame = pushed(kind, &text);
                prop_assert_eq!(frame.cells.len(), 1);
                prop_assert!(frame.cells[0].resolve(&frame.heap).is_ok());
                prop_assert_ne!(frame.cells[0].tag(), Ok(Tag::Null));
            }
        }

        #[test]
        fn near_misses_become_one_readable_cell(text in "[-+0-9:. TPYMDHSBC{},\"\\\\\\[\\]=infy]{0,40}") {
            for kind in kinds() {
                let frame = pushed(kind, text.as_bytes());
                prop_assert!(frame.cells[0].resolve(&frame.heap).is_ok());
            }
        }

        #[test]
        fn integers_come_back(n in any::<i64>(), f in any::<f64>()) {
            reads(Scalar::Int, &n.to_string(), Cell::Int(n));
            reads(Scalar::Float8, &f.to_string(), Cell::Float64(f));
        }
    }
}
