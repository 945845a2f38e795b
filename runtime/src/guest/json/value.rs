//! A value in JSON becomes a cell, by what the column holds.

use super::Unreadable;
use super::moment;
use super::said::{Look, Raw, look, text, unreadable, word};
use crate::change::{Cell, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a value of no known column is taken for.
pub(super) fn tag_of(raw: Raw<'_>) -> Tag {
    match look(raw) {
        Look::Null => Tag::Null,
        Look::Bool => Tag::Bool,
        Look::Text => Tag::Text,
        Look::List | Look::Object => Tag::Json,
        Look::Number if raw.get().parse::<i64>().is_ok() => Tag::Int,
        Look::Number if raw.get().parse::<u64>().is_ok() => Tag::UInt,
        Look::Number => Tag::Float64,
    }
}

/// Hands a value on as the cell that a column of this tag holds.
///
/// # Errors
/// What such a column takes, if this is none. `column` is its name, for the message.
pub(super) fn with_cell(
    tag: Tag,
    raw: Raw<'_>,
    column: &str,
    take: &mut dyn FnMut(Cell<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let wrong = || unreadable(format!("column {column} takes {}", takes(tag)));
    if look(raw) == Look::Null {
        return take(Cell::Null);
    }
    let (said, what) = (look(raw), column);
    match tag {
        Tag::Json => return take(Cell::Json(raw.get())),
        Tag::Bool if said == Look::Bool => return take(Cell::Bool(raw.get() == "true")),
        Tag::Bool | Tag::Interval | Tag::Array => return Err(wrong()),
        _ => {}
    }
    let is_number =
        matches!(tag, Tag::Int | Tag::UInt | Tag::Float32 | Tag::Float64 | Tag::Decimal | Tag::DecimalUnscaled);
    if said != Look::Text && !(is_number && said == Look::Number) {
        return Err(wrong());
    }
    let text = if is_number { word(raw, what)? } else { text(raw, what)? };
    let cell = match tag {
        Tag::Bytes => {
            let bytes = STANDARD.decode(&text).map_err(|_| wrong())?;
            return take(Cell::Bytes(&bytes));
        }
        _ => of_text(tag, &text).ok_or_else(wrong)?,
    };
    take(cell)
}

fn of_text(tag: Tag, text: &str) -> Option<Cell<'_>> {
    Some(match tag {
        Tag::Int => Cell::Int(text.parse().ok()?),
        Tag::UInt => Cell::UInt(text.parse().ok()?),
        Tag::Float32 => Cell::Float32(float(text)? as f32),
        Tag::Float64 => Cell::Float64(float(text)?),
        Tag::Decimal | Tag::DecimalUnscaled => Cell::Decimal(Some(text).filter(|text| is_decimal(text))?),
        Tag::Enum => Cell::Enum(text),
        Tag::Bits => Cell::Bits(Some(text).filter(|text| text.bytes().all(|b| matches!(b, b'0' | b'1')))?),
        Tag::Other => Cell::Other(text),
        Tag::Uuid => Cell::Uuid(uuid(text)?),
        Tag::Date => Cell::Date(moment::date(text)?),
        Tag::Time => Cell::Time(moment::time(text)?),
        Tag::TimeTz => {
            let (micros, offset_seconds) = moment::time_with_zone(text)?;
            Cell::TimeTz { micros, offset_seconds }
        }
        Tag::Timestamp => Cell::Timestamp(moment::timestamp(text)?),
        Tag::TimestampTz => Cell::TimestampTz(moment::timestamp_with_zone(text)?),
        _ => Cell::Text(text),
    })
}

fn takes(tag: Tag) -> &'static str {
    match tag {
        Tag::Bool => "true or false",
        Tag::Int | Tag::UInt => "a whole number within its range, or the same as a text",
        Tag::Float32 | Tag::Float64 => "a number",
        Tag::Decimal | Tag::DecimalUnscaled => "an exact number as a text, such as \"12.50\"",
        Tag::Bytes => "bytes in base64",
        Tag::Date => "a date, such as \"2026-01-31\"",
        Tag::Time => "a time, such as \"08:05:30\"",
        Tag::TimeTz => "a time with its zone, such as \"08:05:30+02:00\"",
        Tag::Timestamp => "a date and time, such as \"2026-01-31T12:30:00\"",
        Tag::TimestampTz => "a date and time with its zone, such as \"2026-01-31T12:30:00Z\"",
        Tag::Uuid => "a uuid",
        Tag::Bits => "zeros and ones as a text",
        Tag::Interval | Tag::Array => "no value from a guest in JSON: intervals and arrays can not be set",
        _ => "a text",
    }
}

/// What Rust reads besides, such as `inf`, is no form of ours.
fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)).then(|| text.parse().ok()).flatten(),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    matches!(text, "NaN" | "Infinity" | "-Infinity") || all(whole) && all(fraction)
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    let mut id = [0; 16];
    if digits.len() != 2 * id.len() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(id)
}
