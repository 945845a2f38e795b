//! What stands where the log has no value: the column's default, the type's zero where null is not allowed, and the sign
//! that says that a large value was not touched.

use super::decimal::Decimal;
use super::literal::{Literal, interval};
use super::options::{BinaryMode, DebeziumOptions};
use super::shape::{Kind, Shape};
use super::text::{put_base64, put_hex, put_string};
use super::value::put;
use crate::change::{Column, DatabaseKind};
use md5::{Digest as _, Md5};
use sluicegate_frame::Cell;

/// The default of a column as JSON, as far as a schema of Kafka Connect tells it; `None` without one.
///
/// Debezium does not evaluate: a function is zero (the epoch, the nil UUID), an expression is nothing.
pub(super) fn of_column(column: &Column, shape: &Shape, database: DatabaseKind) -> Option<Vec<u8>> {
    let text = column.detail.default.as_deref()?;
    let literal = match database {
        DatabaseKind::Postgres if !has_default(column) => return None,
        DatabaseKind::Postgres => Literal::of_postgres(text.trim())?,
        DatabaseKind::Mysql | DatabaseKind::Mariadb => Literal::of_mysql(text, &shape.kind, database)?,
    };
    // There the epoch is a date of zeros, which a column that can be null does not have as its default.
    let is_nothing = database != DatabaseKind::Postgres
        && literal == Literal::Function
        && !column.detail.not_null
        && matches!(shape.kind, Kind::Zoned { .. });
    if is_nothing {
        return None;
    }
    let literal = match (literal, &shape.kind, column.detail.modifiers.as_slice()) {
        // MySQL says `b'1'` of ten bits as well.
        (Literal::Value(bits), Kind::Bits { all: true }, [len, ..]) => {
            Literal::Value(format!("{bits:0>len$}", len = usize::try_from(*len).unwrap_or(0)))
        }
        // A decimal's text has its column's digits, as its values have.
        (Literal::Value(text), Kind::DecimalText, [_, scale]) => Literal::Value(scaled(text, *scale)),
        (literal, ..) => literal,
    };
    let mut out = Vec::new();
    let written = match (&literal, &shape.kind) {
        (_, Kind::Array { .. } | Kind::VariableDecimal | Kind::Money { .. } | Kind::Unknown(_) | Kind::Figure(_)) => {
            None
        }
        (_, Kind::Stored { .. } | Kind::Hstore { .. } | Kind::NumberList | Kind::Vector) => None,
        (Literal::Value(text), kind) => put_literal(&mut out, text, kind),
        (Literal::Function, Kind::Text) if !column.detail.labels.is_empty() => None,
        (Literal::Function, kind) => put_function(&mut out, kind, database),
        (Literal::Word(word), Kind::Text) => {
            put_string(&mut out, word);
            Some(())
        }
        (Literal::Word(_), kind) => put_function(&mut out, kind, database),
    };
    // A zero date where null is not allowed is the epoch.
    if written.is_none()
        && column.detail.not_null
        && matches!(&literal, Literal::Value(text) if text.starts_with("0000-"))
    {
        return Some(zero(&shape.kind));
    }
    written.map(|()| out)
}

/// A decimal with so many digits behind the point; as it is where these are too few.
pub(super) fn scaled(text: String, scale: i32) -> String {
    let Some(mut decimal) = Decimal::parse(&text) else { return text };
    if !decimal.rescale(scale) {
        return text;
    }
    let mut out = Vec::new();
    decimal.put_plain(&mut out);
    String::from_utf8(out).unwrap_or(text)
}

/// PostgreSQL's types whose defaults Debezium reads: it goes by the type's name, so it reads none of a domain.
fn has_default(column: &Column) -> bool {
    let name = column.type_name.as_str();
    let word = &name[..name.find(['(', ' ']).unwrap_or(name.len())];
    let known = match column.detail.type_id {
        16 => "boolean",
        20 => "bigint",
        21 => "smallint",
        23 => "integer",
        25 => "text",
        114 => "json",
        142 => "xml",
        700 => "real",
        701 => "double",
        1042 => "character",
        1043 => "character",
        1082 => "date",
        1083 => "time",
        1114 | 1184 => "timestamp",
        1186 => "interval",
        1560 | 1562 => "bit",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        _ => return !column.detail.labels.is_empty(),
    };
    word == known || word == "bpchar"
}

fn put_literal(out: &mut Vec<u8>, text: &str, kind: &Kind) -> Option<()> {
    let is_bits = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0' | b'1'));
    let cell = match kind {
        Kind::Boolean if is_bits => Cell::Bits(text),
        Kind::Boolean => Cell::Bool(matches!(text, "true" | "t" | "yes" | "on" | "y")),
        Kind::Bits { .. } if is_bits || text.is_empty() => Cell::Bits(text),
        Kind::Int => match text {
            "true" => Cell::Int(1),
            "false" => Cell::Int(0),
            // Beyond 63 bits Debezium takes the last number for a default, though it wraps values.
            text => Cell::Int(text.parse().or_else(|_| text.parse::<u64>().map(|_| i64::MAX)).ok()?),
        },
        Kind::Float32 => Cell::Float32(text.parse().ok()?),
        Kind::Float64 => Cell::Float64(text.parse().ok()?),
        Kind::Decimal { .. } | Kind::DecimalText | Kind::DecimalDouble => Cell::Decimal(text),
        Kind::Bytes { .. } => match text.strip_prefix("0x").and_then(unhex) {
            Some(bytes) => return put(out, kind, &Cell::Bytes(&bytes)).ok(),
            None => Cell::Bytes(text.as_bytes()),
        },
        Kind::Duration | Kind::Interval => {
            let (months, days, micros) = interval(text)?;
            Cell::Interval { months, days, micros }
        }
        _ => Cell::Text(text),
    };
    put(out, kind, &cell).ok()
}

/// MySQL's `0x616200`.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What stands for a function that nobody evaluates.
fn put_function(out: &mut Vec<u8>, kind: &Kind, database: DatabaseKind) -> Option<()> {
    let is_postgres = database == DatabaseKind::Postgres;
    match kind {
        Kind::Uuid => put_string(out, "00000000-0000-0000-0000-000000000000"),
        // PostgreSQL's epoch has the digits of its column.
        Kind::Zoned { .. } if is_postgres => put(out, kind, &Cell::Text("1970-01-01")).ok()?,
        Kind::Int
        | Kind::Date { .. }
        | Kind::Time(_)
        | Kind::Timestamp { .. }
        | Kind::Zoned { .. }
        | Kind::ZonedTime => {
            out.extend_from_slice(&zero(kind));
        }
        Kind::Json { .. } if is_postgres => put_string(out, "{}"),
        Kind::DecimalText if is_postgres => put_string(out, "0.0"),
        Kind::Text
        | Kind::Boolean
        | Kind::Float32
        | Kind::Float64
        | Kind::Decimal { .. }
        | Kind::DecimalDouble
        | Kind::Bits { .. }
        | Kind::Duration
        | Kind::Interval
            if is_postgres =>
        {
            out.extend_from_slice(&zero(kind));
        }
        _ => return None,
    }
    Some(())
}

/// What a column that can not be null holds where the log has nothing: an old image that is only a key.
pub(super) fn zero(kind: &Kind) -> Vec<u8> {
    let mut out = Vec::new();
    let cell = match kind {
        Kind::Boolean => Cell::Bool(false),
        Kind::Int => Cell::Int(0),
        Kind::Float32 => Cell::Float32(0.0),
        Kind::Float64 | Kind::DecimalDouble => return b"0.0".to_vec(),
        Kind::Bytes { mode, .. } => {
            return put(&mut out, &Kind::Bytes { mode: *mode, len: 0 }, &Cell::Bytes(&[]))
                .map(|()| out)
                .unwrap_or_default();
        }
        Kind::Decimal { .. } | Kind::VariableDecimal | Kind::DecimalText => Cell::Decimal("0"),
        Kind::Money { decimal, .. } => return zero(decimal),
        Kind::Date { .. } | Kind::Timestamp { .. } => Cell::Text("1970-01-01"),
        Kind::Time(_) => Cell::Time(0),
        Kind::Zoned { .. } => return b"\"1970-01-01T00:00:00Z\"".to_vec(),
        Kind::ZonedTime => Cell::Text("00:00:00"),
        Kind::Duration | Kind::Interval => Cell::Interval { months: 0, days: 0, micros: 0 },
        Kind::Figure(_) | Kind::Stored { .. } => return zero_geometry(kind),
        Kind::Array { .. } | Kind::NumberList | Kind::Vector => return b"[]".to_vec(),
        Kind::Hstore { is_map: true } => return b"{}".to_vec(),
        Kind::Hstore { is_map: false } => return b"\"{}\"".to_vec(),
        Kind::Text
        | Kind::Uuid
        | Kind::AnyText
        | Kind::Json { .. }
        | Kind::Unknown(_)
        | Kind::Bits { .. }
        | Kind::Set => {
            return b"\"\"".to_vec();
        }
    };
    put(&mut out, kind, &cell).map_or_else(|_| b"null".to_vec(), |()| out)
}

fn zero_geometry(kind: &Kind) -> Vec<u8> {
    use super::geometry::{Figure, put_figure, put_point};
    let mut out = Vec::new();
    match kind {
        Kind::Stored { is_point: true } => put_point(&mut out, 0.0, 0.0),
        Kind::Stored { is_point: false } => out.extend_from_slice(b"{\"wkb\":\"\",\"srid\":null}"),
        Kind::Figure(figure) => {
            let text = match figure {
                Figure::Point => "(0,0)",
                Figure::Line | Figure::Circle => "{0,0,0}",
                Figure::Segment | Figure::Box => "(0,0),(0,0)",
                Figure::Path | Figure::Polygon => "((0,0))",
            };
            put_figure(&mut out, *figure, text);
        }
        _ => {}
    }
    out
}

/// What says that a value is large, was not touched by the statement and is not in the log. As far as a type can say it:
/// numbers carry the text's bytes, one each in a list of numbers. `null` where a type can not.
pub(super) fn unchanged(kind: &Kind, options: &DebeziumOptions) -> Vec<u8> {
    let text = options.placeholder.as_str();
    let mut out = Vec::new();
    match kind {
        Kind::Text | Kind::Json { .. } | Kind::DecimalText | Kind::Set | Kind::Interval => put_string(&mut out, text),
        Kind::Uuid => put_string(&mut out, &uuid_of(text)),
        Kind::Bytes { mode, .. } | Kind::Unknown(mode) => put_bytes(&mut out, *mode, text),
        Kind::Bits { .. } | Kind::Decimal { .. } => put_bytes(&mut out, BinaryMode::Bytes, text),
        Kind::VariableDecimal => {
            out.extend_from_slice(b"{\"scale\":0,\"value\":");
            put_bytes(&mut out, BinaryMode::Bytes, text);
            out.push(b'}');
        }
        Kind::Figure(_) => {
            out.extend_from_slice(b"{\"wkb\":");
            put_bytes(&mut out, BinaryMode::Bytes, text);
            out.extend_from_slice(b",\"srid\":null,\"extensions\":null}");
        }
        Kind::Hstore { is_map } => {
            let mut object = Vec::new();
            object.push(b'{');
            put_string(&mut object, text);
            object.push(b':');
            put_string(&mut object, text);
            object.push(b'}');
            match (is_map, std::str::from_utf8(&object)) {
                (false, Ok(text)) => put_string(&mut out, text),
                _ => out = object,
            }
        }
        Kind::Array { item, .. } => put_unchanged_array(&mut out, &item.kind, options),
        Kind::NumberList => put_codes(&mut out, text, ""),
        _ => out.extend_from_slice(b"null"),
    }
    out
}

fn put_unchanged_array(out: &mut Vec<u8>, item: &Kind, options: &DebeziumOptions) {
    match item {
        Kind::Int | Kind::Date { .. } | Kind::Time(_) | Kind::Timestamp { .. } | Kind::Duration => {
            put_codes(out, &options.placeholder, "");
        }
        Kind::Float32 | Kind::Float64 | Kind::DecimalDouble => put_codes(out, &options.placeholder, ".0"),
        Kind::Zoned { .. } | Kind::ZonedTime => {
            out.push(b'[');
            put_string(out, &options.placeholder);
            out.push(b']');
        }
        item => {
            out.push(b'[');
            out.extend_from_slice(&unchanged(item, options));
            out.push(b']');
        }
    }
}

fn put_codes(out: &mut Vec<u8>, text: &str, behind: &str) {
    // Java's bytes have a sign.
    let codes: Vec<String> = text.bytes().map(|b| format!("{}{behind}", b.cast_signed())).collect();
    out.extend_from_slice(format!("[{}]", codes.join(",")).as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, mode: BinaryMode, text: &str) {
    out.push(b'"');
    match mode {
        BinaryMode::Hex => put_hex(out, text.as_bytes()),
        _ => put_base64(out, text.as_bytes()),
    }
    out.push(b'"');
}

/// A UUID of version 3 made from nothing but the text, as Java's `nameUUIDFromBytes`.
fn uuid_of(text: &str) -> String {
    let mut id: [u8; 16] = Md5::digest(text.as_bytes()).into();
    id[6] = id[6] & 0x0f | 0x30;
    id[8] = id[8] & 0x3f | 0x80;
    let mut out = Vec::new();
    super::super::text::put_text(&mut out, &Cell::Uuid(id));
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// postgres/dml, toast_default.
    #[test]
    fn uuid_of_the_placeholder_is_the_recorded_one() {
        assert_eq!(uuid_of("__debezium_unavailable_value"), "b68a35a7-17ad-35b3-af2a-ae46edb4545a");
    }
}
