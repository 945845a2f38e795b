//! A value as a case writes it becomes a cell, by the type of its column.

use crate::change::{Cell, DatabaseKind, FrameBuf, Tag};
use crate::config::CaseValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sluicegate_frame::{ArrayWriter, Dimension};
use toml_edit::Datetime;

const DAY_US: i64 = 86_400_000_000;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnType {
    pub(super) name: String,
    pub(super) tag: Tag,
    /// Of an array.
    pub(super) element: Tag,
}

impl ColumnType {
    /// By the database's name of it.
    pub(super) fn named(name: &str, kind: DatabaseKind) -> Self {
        let (tag, element) = match name.strip_suffix("[]") {
            Some(element) => (Tag::Array, tag_of(element, kind)),
            // Of MySQL and MariaDB; PostgreSQL's is an extension's, and has no kind of its own.
            None if tag_of(name, kind) == Tag::Array => (Tag::Array, Tag::Float32),
            None => (tag_of(name, kind), Tag::Other),
        };
        Self { name: name.to_owned(), tag, element }
    }

    /// Whether a case can hold this value.
    pub(super) fn takes(&self, value: &CaseValue) -> bool {
        match value {
            CaseValue::List(items) if self.tag == Tag::Array => {
                items.iter().all(|item| with_cell(self.element, item, &mut |_| {}).is_ok())
            }
            CaseValue::List(_) => false,
            value => with_cell(self.tag, value, &mut |_| {}).is_ok(),
        }
    }

    /// By its values: what a database would most likely call it.
    pub(super) fn of_values<'v>(values: impl Iterator<Item = &'v CaseValue>) -> Self {
        let mut name = "text".to_owned();
        for (nth, value) in values.enumerate() {
            let shown = shown_by(value);
            let number = |name: &str| name == "bigint" || name == "double precision";
            name = match (nth, number(&name) && number(&shown)) {
                // Whole numbers among others are written without a point.
                (1.., true) if name != shown => "double precision".into(),
                (1.., _) => name,
                (0, _) => shown,
            };
        }
        Self::named(&name, DatabaseKind::Postgres)
    }
}

fn shown_by(value: &CaseValue) -> String {
    match value {
        CaseValue::Bool(_) => "boolean".into(),
        CaseValue::Int(_) => "bigint".into(),
        CaseValue::Float(_) => "double precision".into(),
        CaseValue::Text(_) => "text".into(),
        CaseValue::Time(time) => match (time.date, time.time, time.offset) {
            (Some(_), Some(_), Some(_)) => "timestamp with time zone".into(),
            (Some(_), Some(_), None) => "timestamp without time zone".into(),
            (Some(_), None, _) => "date".into(),
            _ => "time without time zone".into(),
        },
        CaseValue::List(items) => format!("{}[]", items.first().map_or_else(|| "text".into(), shown_by)),
        CaseValue::Json(_) => "jsonb".into(),
    }
}

/// What a source makes of a type. A test holds this against what real servers' rows are.
fn tag_of(name: &str, kind: DatabaseKind) -> Tag {
    let is_postgres = kind == DatabaseKind::Postgres;
    let lower = name.to_lowercase();
    let word = lower.split([' ', '(']).next().unwrap_or_default();
    let has_zone = lower.ends_with("with time zone");
    match word {
        "boolean" | "bool" => Tag::Bool,
        "smallint" | "integer" | "int" | "bigint" | "tinyint" | "mediumint" if lower.contains("unsigned") => Tag::UInt,
        "smallint" | "integer" | "int" | "bigint" | "tinyint" | "mediumint" | "year" => Tag::Int,
        "int2" | "int4" | "int8" | "serial" | "bigserial" => Tag::Int,
        "oid" => Tag::UInt,
        "real" if is_postgres => Tag::Float32,
        "float" | "float4" => Tag::Float32,
        "double" | "real" | "float8" => Tag::Float64,
        "numeric" | "decimal" => Tag::Decimal,
        "text" | "character" | "varchar" | "char" | "\"char\"" | "bpchar" | "name" | "citext" => Tag::Text,
        "tinytext" | "mediumtext" | "longtext" | "set" | "inet4" | "inet6" if !is_postgres => Tag::Text,
        "bytea" | "binary" | "varbinary" | "blob" | "tinyblob" | "mediumblob" | "longblob" => Tag::Bytes,
        shape if !is_postgres && is_shape(shape) => Tag::Bytes,
        "vector" if !is_postgres => Tag::Array,
        "date" => Tag::Date,
        "time" if has_zone => Tag::TimeTz,
        "timetz" => Tag::TimeTz,
        "time" => Tag::Time,
        "timestamp" if has_zone || !is_postgres => Tag::TimestampTz,
        "timestamptz" => Tag::TimestampTz,
        "timestamp" | "datetime" => Tag::Timestamp,
        "interval" => Tag::Interval,
        "uuid" => Tag::Uuid,
        "json" | "jsonb" => Tag::Json,
        "bit" | "varbit" => Tag::Bits,
        "enum" => Tag::Enum,
        extension if extension.ends_with(".citext") => Tag::Text,
        _ => Tag::Other,
    }
}

/// MySQL's spatial types, whose bytes are its own form of them.
fn is_shape(name: &str) -> bool {
    let one = name.strip_prefix("multi").unwrap_or(name);
    matches!(one, "point" | "linestring" | "polygon" | "geometry" | "geometrycollection" | "geomcollection")
}

/// Appends a value to a frame.
///
/// # Errors
/// What a value of this type looks like, if this one does not.
pub(super) fn push(frame: &mut FrameBuf, column: &ColumnType, value: &CaseValue) -> Result<(), &'static str> {
    let CaseValue::List(items) = value else {
        return with_cell(column.tag, value, &mut |cell| frame.push(cell));
    };
    if column.tag != Tag::Array {
        return Err(looks_like(column.tag));
    }
    let mut heap = Vec::new();
    let dimensions = [Dimension { len: items.len() as u32, lower: 1 }];
    let mut writer = ArrayWriter::new(&mut heap, if items.is_empty() { &[] } else { &dimensions });
    for item in items {
        with_cell(column.element, item, &mut |cell| writer.push(cell))?;
    }
    frame.push_heap(Tag::Array, &heap);
    Ok(())
}

fn with_cell(tag: Tag, value: &CaseValue, take: &mut dyn FnMut(Cell<'_>)) -> Result<(), &'static str> {
    use CaseValue as V;
    let made;
    let cell = match (tag, value) {
        (Tag::Bool, V::Bool(v)) => Cell::Bool(*v),
        (Tag::Int, V::Int(v)) => Cell::Int(*v),
        (Tag::UInt, V::Int(v)) if *v >= 0 => Cell::UInt(v.unsigned_abs()),
        (Tag::Float32, V::Float(v)) => Cell::Float32(*v as f32),
        (Tag::Float32, V::Int(v)) => Cell::Float32(*v as f32),
        (Tag::Float64, V::Float(v)) => Cell::Float64(*v),
        (Tag::Float64, V::Int(v)) => Cell::Float64(*v as f64),
        (Tag::Decimal, V::Text(text)) if is_decimal(text) => Cell::Decimal(text),
        (Tag::Decimal, V::Int(v)) => {
            made = v.to_string();
            Cell::Decimal(&made)
        }
        (Tag::Decimal, V::Float(v)) if v.is_finite() => {
            made = v.to_string();
            Cell::Decimal(&made)
        }
        (Tag::Text, V::Text(text)) => Cell::Text(text),
        (Tag::Enum, V::Text(text)) => Cell::Enum(text),
        (Tag::Other, V::Text(text)) => Cell::Other(text),
        (Tag::Bits, V::Text(text)) if text.bytes().all(|b| matches!(b, b'0' | b'1')) => Cell::Bits(text),
        (Tag::Json, V::Text(text)) => Cell::Json(text),
        (Tag::Json, V::Json(json)) => {
            made = json.to_string();
            Cell::Json(&made)
        }
        (Tag::Bytes, V::Text(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| looks_like(tag))?;
            take(Cell::Bytes(&bytes));
            return Ok(());
        }
        (Tag::Uuid, V::Text(text)) => Cell::Uuid(uuid(text).ok_or(looks_like(tag))?),
        (Tag::Interval, V::Json(json)) => interval(json).ok_or(looks_like(tag))?,
        (_, V::Time(time)) => moment(tag, time).ok_or(looks_like(tag))?,
        (_, V::Text(text)) => moment(tag, &text.parse().map_err(|_| looks_like(tag))?).ok_or(looks_like(tag))?,
        _ => return Err(looks_like(tag)),
    };
    take(cell);
    Ok(())
}

fn looks_like(tag: Tag) -> &'static str {
    match tag {
        Tag::Bool => "true or false",
        Tag::Int => "a whole number",
        Tag::UInt => "a whole number that is not negative",
        Tag::Float32 | Tag::Float64 => "a number",
        Tag::Decimal => "an exact number, best in quotes: \"12.50\"",
        Tag::Bytes => "bytes as base64 in quotes",
        Tag::Date => "a date without quotes: 2026-01-31",
        Tag::Time => "a time without quotes: 12:30:00",
        Tag::Timestamp => "a date and time without quotes: 2026-01-31T12:30:00",
        Tag::TimestampTz => "a date and time with a zone, without quotes: 2026-01-31T12:30:00Z",
        Tag::Uuid => "a uuid in quotes",
        Tag::Json => "JSON in quotes, or a table: { a = 1 }",
        Tag::Interval => "{ months = 0, days = 1, micros = 0 }",
        Tag::Bits => "zeros and ones in quotes",
        Tag::Array => "a list: [1, 2]",
        Tag::TimeTz => "a value that a case can not write yet; leave the column out",
        _ => "a text in quotes",
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    matches!(text, "NaN" | "Infinity" | "-Infinity") || all(whole) && all(fraction)
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(id)
}

fn interval(json: &Json) -> Option<Cell<'static>> {
    let part = |name: &str| json.get(name).map_or(Some(0), Json::as_i64);
    let small = |name: &str| i32::try_from(part(name)?).ok();
    Some(Cell::Interval { months: small("months")?, days: small("days")?, micros: part("micros")? })
}

fn moment(tag: Tag, time: &Datetime) -> Option<Cell<'static>> {
    Some(match tag {
        Tag::Date => Cell::Date(days(time).filter(|_| time.time.is_none())?),
        Tag::Time => Cell::Time(micros_of_day(time).filter(|_| time.date.is_none())?),
        Tag::Timestamp if time.offset.is_none() => Cell::Timestamp(micros_since_2000(time)?),
        Tag::TimestampTz => Cell::TimestampTz(micros_since_2000(time)?),
        _ => return None,
    })
}

/// Microseconds since 2000-01-01 UTC; midnight if no time is said, UTC if no zone is.
pub(super) fn micros_since_2000(time: &Datetime) -> Option<i64> {
    let of_day = if time.time.is_some() { micros_of_day(time)? } else { 0 };
    let offset_min = match time.offset {
        Some(toml_edit::Offset::Custom { minutes }) => i64::from(minutes),
        _ => 0,
    };
    Some(days(time)? * DAY_US + of_day - offset_min * 60_000_000)
}

fn micros_of_day(time: &Datetime) -> Option<i64> {
    let time = time.time?;
    let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    Some(seconds * 1_000_000 + i64::from(time.nanosecond.unwrap_or(0)) / 1000)
}

/// Days since 2000-01-01 (Howard Hinnant's `days_from_civil`).
fn days(time: &Datetime) -> Option<i64> {
    let date = time.date?;
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 730_425)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(type_name: &str, value: CaseValue) -> Result<FrameBuf, &'static str> {
        let mut frame = FrameBuf::new();
        push(&mut frame, &ColumnType::named(type_name, DatabaseKind::Postgres), &value)?;
        Ok(frame)
    }

    fn cell_is(type_name: &str, value: CaseValue, wanted: Cell<'_>) {
        let frame = pushed(type_name, value).expect("a value of this type");
        assert_eq!(frame.cells[0].resolve(&frame.heap).expect("a cell"), wanted, "{type_name}");
    }

    fn time(text: &str) -> CaseValue {
        CaseValue::Time(text.parse().expect("a time"))
    }

    #[test]
    fn values_become_what_their_column_holds() {
        cell_is("numeric(10,2)", CaseValue::Text("12.50".into()), Cell::Decimal("12.50"));
        cell_is("numeric", CaseValue::Int(-3), Cell::Decimal("-3"));
        cell_is("date", time("2000-01-02"), Cell::Date(1));
        cell_is("date", CaseValue::Text("1999-12-31".into()), Cell::Date(-1));
        cell_is("timestamp with time zone", time("2000-01-01T01:00:00+01:00"), Cell::TimestampTz(0));
        cell_is("timestamp", time("2000-01-01T00:00:00.5"), Cell::Timestamp(500_000));
        cell_is("time", time("00:00:01"), Cell::Time(1_000_000));
        cell_is("bytea", CaseValue::Text("AAE=".into()), Cell::Bytes(&[0, 1]));
        cell_is("jsonb", CaseValue::Json(serde_json::json!({ "a": 1 })), Cell::Json("{\"a\":1}"));
        cell_is("mood", CaseValue::Text("happy".into()), Cell::Other("happy"));
    }

    #[test]
    fn value_of_another_type_is_told_what_one_looks_like() {
        assert_eq!(pushed("integer", CaseValue::Text("7".into())).err(), Some("a whole number"));
        let local = pushed("date", time("2026-01-01T00:00:00")).expect_err("no date");
        assert!(local.contains("2026-01-31"), "{local}");
        assert!(pushed("numeric", CaseValue::Text("1,5".into())).is_err());
        assert!(pushed("uuid", CaseValue::Text("é".repeat(16))).is_err());
    }

    #[test]
    fn columns_without_a_type_are_known_by_their_values() {
        let of = |values: &[CaseValue]| ColumnType::of_values(values.iter()).name;
        assert_eq!(of(&[CaseValue::Int(1), CaseValue::Float(1.5)]), "double precision");
        assert_eq!(of(&[CaseValue::List(vec![CaseValue::Int(1)])]), "bigint[]");
        assert_eq!(of(&[time("2026-01-01T00:00:00Z")]), "timestamp with time zone");
        assert_eq!(of(&[]), "text");
    }
}
