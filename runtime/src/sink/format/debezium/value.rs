//! A cell in the shape of its column.

use super::super::text::put_text;
use super::decimal::{self, Decimal};
use super::float::{put_double, put_float};
use super::options::BinaryMode;
use super::shape::{Kind, Shape};
use super::text::{put_base64, put_base64_url, put_hex, put_int, put_string};
use super::time::{self, Moment, Unit};
use super::{geometry, list};
use sluicegate_frame::{Array, Cell};

/// Why a value was not written. What it had written so far stays behind in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Nothing of this shape says what the value says: a decimal that is no number, a date that is no day.
    Nothing,
    /// The value is of another kind than the column was declared with.
    Foreign,
}

type Written = Result<(), Misfit>;

/// Appends the value as JSON.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, kind: &Kind, cell: &Cell<'_>) -> Written {
    match (kind, cell) {
        (Kind::Int, Cell::Int(v)) => put_int(out, *v),
        (Kind::Text | Kind::Uuid, Cell::Text(t) | Cell::Enum(t) | Cell::Other(t)) => put_string(out, t),
        (Kind::Timestamp { unit, adjust: false }, Cell::Timestamp(v)) => {
            time::put_timestamp(out, *v, *unit).map_err(|_| Misfit::Nothing)?;
        }
        (Kind::Zoned { digits }, Cell::TimestampTz(v)) => time::put_zoned(out, *v, *digits),
        (Kind::Boolean, Cell::Bool(v)) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
        (Kind::Json { compact: false }, Cell::Json(t)) => put_string(out, t),
        (Kind::Decimal { scale, is_number: false }, Cell::Decimal(t)) => return put_decimal(out, *scale, t),
        (Kind::Bytes { mode, len }, Cell::Bytes(b)) => put_bytes(out, *mode, *len, b),
        (Kind::Uuid, Cell::Uuid(_)) => {
            out.push(b'"');
            put_text(out, cell);
            out.push(b'"');
        }
        _ => return put_rarer(out, kind, cell),
    }
    Ok(())
}

fn put_rarer(out: &mut Vec<u8>, kind: &Kind, cell: &Cell<'_>) -> Written {
    match (kind, cell) {
        // The same bits, as Debezium reads them.
        (Kind::Int, Cell::UInt(v)) => put_int(out, *v as i64),
        (Kind::Float32, Cell::Float32(v)) => put_float(out, *v),
        (Kind::Float64, Cell::Float64(v)) => put_double(out, *v),
        (Kind::Float64, Cell::Float32(v)) => put_double(out, f64::from(*v)),
        (Kind::Boolean, Cell::Bits(bits)) => match *bits {
            "" => return Err(Misfit::Nothing),
            bits => out.extend_from_slice(if bits.contains('1') { b"true" } else { b"false" }),
        },
        (Kind::Bits { all }, Cell::Bits(bits)) => put_bits(out, bits, *all),
        (Kind::Json { compact }, Cell::Json(t) | Cell::Text(t)) => match compact {
            true => put_string(out, &list::without_blanks(t)),
            false => put_string(out, t),
        },
        (Kind::AnyText, _) => {
            let mut text = Vec::new();
            put_text(&mut text, cell);
            put_string(out, &String::from_utf8_lossy(&text));
        }
        (Kind::Unknown(mode), _) => {
            let mut text = Vec::new();
            put_text(&mut text, cell);
            put_bytes(out, *mode, 0, &text);
        }
        (Kind::Date { .. } | Kind::Time(_) | Kind::Timestamp { .. } | Kind::Zoned { .. } | Kind::ZonedTime, _) => {
            return put_moment(out, kind, cell);
        }
        (Kind::Duration, Cell::Interval { months, days, micros }) => time::put_duration(out, *months, *days, *micros),
        (Kind::Interval, Cell::Interval { months, days, micros }) => time::put_interval(out, *months, *days, *micros),
        (Kind::Figure(figure), Cell::Other(t)) => return fits(geometry::put_figure(out, *figure, t)),
        (Kind::Stored { is_point }, Cell::Bytes(b)) => return fits(geometry::put_stored(out, b, *is_point)),
        (Kind::Hstore { is_map }, Cell::Other(t)) => return fits(list::put_hstore(out, t, *is_map)),
        (Kind::NumberList, Cell::Other(t)) => return fits(list::put_numbers(out, t)),
        (Kind::Set, Cell::Text(t) | Cell::Enum(t) | Cell::Other(t)) => put_string(out, t),
        (Kind::Set, Cell::Array(array)) => put_string(out, &list::joined(array)),
        (Kind::Vector, Cell::Bytes(b)) => return fits(list::put_vector(out, b)),
        (Kind::Vector, Cell::Array(array)) => {
            return put_array(out, &Shape::plain(Kind::Float32, "float"), true, array);
        }
        (Kind::Array { item, required }, Cell::Array(array)) => return put_array(out, item, *required, array),
        (Kind::Text, Cell::Bits(t) | Cell::Json(t) | Cell::Decimal(t)) => put_string(out, t),
        (Kind::Money { decimal, digits }, _) => return put_money(out, decimal, *digits, cell),
        (Kind::Decimal { .. } | Kind::VariableDecimal | Kind::DecimalText | Kind::DecimalDouble, _) => {
            return put_number(out, kind, cell);
        }
        _ => return Err(Misfit::Foreign),
    }
    Ok(())
}

fn fits(is_written: bool) -> Written {
    if is_written { Ok(()) } else { Err(Misfit::Foreign) }
}

pub(super) fn put_bytes(out: &mut Vec<u8>, mode: BinaryMode, len: usize, bytes: &[u8]) {
    let padded;
    let bytes = if bytes.len() < len {
        padded = [bytes, &vec![0; len - bytes.len()]].concat();
        &padded
    } else {
        bytes
    };
    out.push(b'"');
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => put_base64(out, bytes),
        BinaryMode::Base64UrlSafe => put_base64_url(out, bytes),
        BinaryMode::Hex => put_hex(out, bytes),
    }
    out.push(b'"');
}

fn put_bits(out: &mut Vec<u8>, bits: &str, all: bool) {
    let mut bytes: Vec<u8> =
        bits.as_bytes().rchunks(8).map(|byte| byte.iter().fold(0, |n, bit| n << 1 | u8::from(*bit == b'1'))).collect();
    if !all {
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        bytes.truncate(used);
    }
    put_bytes(out, BinaryMode::Bytes, 0, &bytes);
}

fn put_decimal(out: &mut Vec<u8>, scale: i32, text: &str) -> Written {
    if let Some(small) = decimal::small(text, scale) {
        let (bytes, from) = decimal::shortest(small);
        put_bytes(out, BinaryMode::Bytes, 0, &bytes[from..]);
        return Ok(());
    }
    let mut decimal = Decimal::parse(text).ok_or(Misfit::Nothing)?;
    if !decimal.rescale(scale) {
        return Err(Misfit::Foreign);
    }
    put_bytes(out, BinaryMode::Bytes, 0, &decimal.unscaled());
    Ok(())
}

/// Decimals of all forms, and what can be read as one.
fn put_number(out: &mut Vec<u8>, kind: &Kind, cell: &Cell<'_>) -> Written {
    let mut text = Vec::new();
    match cell {
        Cell::Decimal(_) | Cell::DecimalUnscaled { .. } | Cell::Int(_) | Cell::UInt(_) => put_text(&mut text, cell),
        _ => return Err(Misfit::Foreign),
    }
    let text = std::str::from_utf8(&text).map_err(|_| Misfit::Foreign)?;
    match kind {
        Kind::Decimal { scale, is_number: false } => return put_decimal(out, *scale, text),
        Kind::Decimal { scale, is_number: true } => {
            let mut decimal = Decimal::parse(text).ok_or(Misfit::Nothing)?;
            if !decimal.rescale(*scale) {
                return Err(Misfit::Foreign);
            }
            decimal.put_number(out);
        }
        Kind::DecimalText => put_decimal_text(out, text),
        Kind::DecimalDouble => match text {
            "Infinity" => put_double(out, f64::INFINITY),
            "-Infinity" => put_double(out, f64::NEG_INFINITY),
            text => put_double(out, text.parse().map_err(|_| Misfit::Foreign)?),
        },
        _ => {
            let mut decimal = Decimal::parse(text).ok_or(Misfit::Nothing)?;
            decimal.strip_zeros();
            out.extend_from_slice(b"{\"scale\":");
            put_int(out, i64::from(decimal.scale));
            out.extend_from_slice(b",\"value\":");
            put_bytes(out, BinaryMode::Bytes, 0, &decimal.unscaled());
            out.push(b'}');
        }
    }
    Ok(())
}

/// What the server shows of an amount of money, or a number that a guest put there.
fn put_money(out: &mut Vec<u8>, decimal: &Kind, digits: i32, cell: &Cell<'_>) -> Written {
    let Cell::Other(shown) = cell else { return put_number(out, decimal, cell) };
    let text = money_digits(shown);
    let mut amount = std::str::from_utf8(&text).ok().and_then(Decimal::parse).ok_or(Misfit::Foreign)?;
    let mut rounded = Vec::new();
    if let Kind::Decimal { .. } = decimal {
        amount.round(digits);
    }
    amount.put_plain(&mut rounded);
    put_number(out, decimal, &Cell::Decimal(&String::from_utf8_lossy(&rounded)))
}

fn put_decimal_text(out: &mut Vec<u8>, text: &str) {
    match (text, Decimal::parse(text)) {
        (_, Some(decimal)) => {
            out.push(b'"');
            decimal.put_plain(out);
            out.push(b'"');
        }
        // The names that Debezium has for them.
        ("Infinity", None) => out.extend_from_slice(b"\"POSITIVE_INFINITY\""),
        ("-Infinity", None) => out.extend_from_slice(b"\"NEGATIVE_INFINITY\""),
        (_, None) => out.extend_from_slice(b"\"NAN\""),
    }
}

/// The digits of `-$1,234.50`, however the server's locale decorates them; the last two are behind the point if a sign of
/// two digits says so.
fn money_digits(text: &str) -> Vec<u8> {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
    let bare = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let (whole, fraction) = match bare.rfind(['.', ',']) {
        Some(at) if bare.len() - at == 3 => (digits(&bare[..at]), digits(&bare[at..])),
        _ => (digits(bare), b"00".to_vec()),
    };
    let sign: &[u8] = if text.contains(['-', '(']) { b"-" } else { b"" };
    [sign, &whole, b".", &fraction].concat()
}

fn put_moment(out: &mut Vec<u8>, kind: &Kind, cell: &Cell<'_>) -> Written {
    // Text: a day that no calendar has, or a default.
    if let Cell::Text(text) | Cell::Other(text) = cell {
        return match kind {
            Kind::Time(unit) => {
                let (micros, _) = time::parse_clock(text).ok_or(Misfit::Foreign)?;
                time::put_time(out, micros, *unit);
                Ok(())
            }
            Kind::ZonedTime => {
                let (micros, offset_seconds) = time::parse_clock(text).ok_or(Misfit::Foreign)?;
                time::put_zoned_time(out, micros, offset_seconds);
                Ok(())
            }
            Kind::Timestamp { .. } if *text == "infinity" => put_moment(out, kind, &Cell::Timestamp(i64::MAX)),
            Kind::Timestamp { .. } if *text == "-infinity" => put_moment(out, kind, &Cell::Timestamp(i64::MIN)),
            _ => put_moment(out, kind, &cell_of(kind, time::parse_moment(text).ok_or(Misfit::Foreign)?)?),
        };
    }
    const DAY_US: i64 = 86_400_000_000;
    match (kind, cell) {
        (Kind::Date { unit, adjust }, Cell::Date(days)) => {
            time::put_date(out, if *adjust { time::adjust_year(*days) } else { *days }, *unit);
        }
        // A span of time rather than a time of day: Connect and ISO 8601 have none.
        (Kind::Time(Unit::Millis | Unit::Iso), Cell::Time(micros)) if !(0..=DAY_US).contains(micros) => {
            return Err(Misfit::Nothing);
        }
        (Kind::Time(unit), Cell::Time(micros)) => time::put_time(out, *micros, *unit),
        (Kind::Timestamp { unit, adjust }, Cell::Timestamp(micros)) => {
            let days = micros.div_euclid(DAY_US);
            let shift = if *adjust { (time::adjust_year(days) - days) * DAY_US } else { 0 };
            time::put_timestamp(out, *micros + shift, *unit).map_err(|_| Misfit::Nothing)?;
        }
        (Kind::Zoned { digits }, Cell::TimestampTz(micros)) => time::put_zoned(out, *micros, *digits),
        (Kind::ZonedTime, Cell::TimeTz { micros, offset_seconds }) => {
            time::put_zoned_time(out, *micros, *offset_seconds);
        }
        _ => return Err(Misfit::Foreign),
    }
    Ok(())
}

/// What was read from text, as the cell that the kind wants.
fn cell_of(kind: &Kind, moment: Moment) -> Result<Cell<'static>, Misfit> {
    let Moment::At { days, .. } = moment else { return Err(Misfit::Nothing) };
    if let Kind::Date { .. } = kind {
        return Ok(Cell::Date(days));
    }
    let micros = moment.micros().ok_or(Misfit::Nothing)?;
    Ok(if let Kind::Zoned { .. } = kind { Cell::TimestampTz(micros) } else { Cell::Timestamp(micros) })
}

/// One bracket per dimension. What the shape can not say (another number of dimensions, a null among what has none) is `Foreign`.
fn put_array(out: &mut Vec<u8>, item: &Shape, required: bool, array: &Array<'_>) -> Written {
    if array.is_empty() {
        out.extend_from_slice(b"[]");
        return Ok(());
    }
    let lens: Vec<usize> = array.dimensions().map(|d| d.len as usize).collect();
    let (mut item, mut required, mut depth) = (item, required, 1);
    while let Kind::Array { item: inner, required: inner_required } = &item.kind {
        (item, required, depth) = (inner, *inner_required, depth + 1);
    }
    if depth != lens.len() {
        return Err(Misfit::Foreign);
    }
    put_dimension(out, &lens, item, required, &mut array.iter())
}

fn put_dimension<'a>(
    out: &mut Vec<u8>,
    lens: &[usize],
    item: &Shape,
    required: bool,
    elements: &mut impl Iterator<Item = Cell<'a>>,
) -> Written {
    let Some((&len, inner)) = lens.split_first() else { return Ok(()) };
    out.push(b'[');
    for i in 0..len {
        if i > 0 {
            out.push(b',');
        }
        if !inner.is_empty() {
            put_dimension(out, inner, item, required, elements)?;
            continue;
        }
        let at = out.len();
        let element = elements.next().unwrap_or(Cell::Null);
        match if element == Cell::Null { Err(Misfit::Nothing) } else { put(out, &item.kind, &element) } {
            Ok(()) => {}
            Err(Misfit::Nothing) if !required => {
                out.truncate(at);
                out.extend_from_slice(b"null");
            }
            Err(_) => return Err(Misfit::Foreign),
        }
    }
    out.push(b']');
    Ok(())
}
