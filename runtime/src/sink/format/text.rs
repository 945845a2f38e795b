//! The text form of a value: in paths, keys and members, and between the quotes of JSON.

use super::civil;
use crate::change::digits::{put_hex, put_int, put_uint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluicegate_frame::Cell;

/// Appends the text form: numbers in digits, times in ISO 8601, bytes in base64, arrays as JSON.
///
/// Null, unchanged and absent have none; the caller has looked.
pub fn put_text(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Bool(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
        Cell::Int(v) => put_int(out, v),
        Cell::UInt(v) => put_uint(out, v),
        Cell::Float32(v) => put_float(out, f64::from(v), || serde_json::to_string(&v)),
        Cell::Float64(v) => put_float(out, v, || serde_json::to_string(&v)),
        Cell::DecimalUnscaled { scale, unscaled } => put_unscaled(out, scale, unscaled),
        Cell::Bytes(bytes) => out.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        Cell::Date(days) => civil::put_date(out, days),
        Cell::Time(micros) => civil::put_time(out, micros),
        Cell::TimeTz { micros, offset_seconds } => {
            civil::put_time(out, micros);
            civil::put_offset(out, offset_seconds);
        }
        Cell::Timestamp(micros) => civil::put_timestamp(out, micros, ""),
        Cell::TimestampTz(micros) => civil::put_timestamp(out, micros, "Z"),
        Cell::Interval { months, days, micros } => civil::put_interval(out, months, days, micros),
        Cell::Uuid(id) => put_uuid(out, &id),
        Cell::Array(_) => super::json::put_value(out, cell),
        Cell::Decimal(t) | Cell::Text(t) | Cell::Json(t) | Cell::Bits(t) | Cell::Enum(t) | Cell::Other(t) => {
            out.extend_from_slice(t.as_bytes());
        }
        // Not values; and kinds that a later frame version may add.
        _ => {}
    }
}

fn put_float(out: &mut Vec<u8>, value: f64, shortest: impl FnOnce() -> serde_json::Result<String>) {
    if value.is_finite() {
        out.extend_from_slice(shortest().expect("a finite number is JSON").as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
}

fn put_uuid(out: &mut Vec<u8>, id: &[u8; 16]) {
    for (i, byte) in id.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        put_hex(out, u64::from(*byte), 2);
    }
}

/// Two's complement, most significant byte first, as decimal digits with the point `scale` digits from the right.
fn put_unscaled(out: &mut Vec<u8>, scale: i32, unscaled: &[u8]) {
    let negative = unscaled.first().is_some_and(|b| b & 0x80 != 0);
    let mut magnitude = unscaled.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, overflow);
        }
    }
    // Digits, least significant first, by dividing the whole number by ten.
    let mut digits = Vec::new();
    while magnitude.iter().any(|&b| b != 0) {
        let mut rest = 0u16;
        for byte in &mut magnitude {
            let part = rest << 8 | u16::from(*byte);
            *byte = (part / 10) as u8;
            rest = part % 10;
        }
        digits.push(b'0' + rest as u8);
    }
    let places = scale.clamp(0, SCALE_MAX) as usize;
    digits.resize(digits.len().max(places + 1), b'0');
    if negative {
        out.push(b'-');
    }
    let (fraction, whole) = digits.split_at(places);
    out.extend(whole.iter().rev());
    out.extend(std::iter::repeat_n(b'0', scale.clamp(-SCALE_MAX, 0).unsigned_abs() as usize));
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend(fraction.iter().rev());
    }
}

/// The most digits that PostgreSQL's numeric has behind the point; a guest could claim two billion.
const SCALE_MAX: i32 = 16_383;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        put_text(&mut out, &cell);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(text(Cell::UInt(u64::MAX)), "18446744073709551615");
        assert_eq!(text(Cell::Float64(5e-324)), "5e-324");
        assert_eq!(text(Cell::Float32(0.1)), "0.1");
        assert_eq!(text(Cell::Float64(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(text(Cell::DecimalUnscaled { scale: 2, unscaled: &[0xff] }), "-0.01");
        assert_eq!(
            text(Cell::DecimalUnscaled { scale: 0, unscaled: &[0x80, 0, 0, 0, 0, 0, 0, 0] }),
            i64::MIN.to_string()
        );
        assert_eq!(text(Cell::DecimalUnscaled { scale: -2, unscaled: &[12] }), "1200");
        assert_eq!(text(Cell::DecimalUnscaled { scale: 3, unscaled: &[0x04, 0xd2] }), "1.234");
    }

    #[test]
    fn uuid_ends_in_all_its_bytes() {
        let mut id = [0u8; 16];
        id[0] = 0xab;
        assert_eq!(text(Cell::Uuid(id)), "ab000000-0000-0000-0000-000000000000");
    }
}
