//! What stands where the log has no value: the column's default, the type's zero where null is not allowed, and the sign
//! that says that a large value was not touched.

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
    let text = column.detail.default.as_deref()?.trim();
    let literal = match database {
        DatabaseKind::Postgres if !has_default(column) => return None,
        DatabaseKind::Postgres => Literal::of_postgres(text)?,
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
    let literal = match (literal, &shape.kind, column.detail.modifiers.first()) {
        // MySQL says `b'1'` of ten bits as well.
        (Literal::Value(bits), Kind::Bits { all: true }, Some(len)) => {
            Literal::Value(format!("{bits:0>len$}", len = usize::try_from(*len).unwrap_or(0)))
        }
        (literal, ..) => literal,
    };
    let mut out = Vec::new();
    let written = match (&literal, &shape.kind) {
        (_, Kind::Array { .. } | Kind::VariableDecimal | Kind::Money(_) | Kind::Unknown(_) | Kind::Figure(_)) => None,
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

/// A default's text, understood.
#[derive(Debug, PartialEq, Eq)]
enum Literal {
    Value(String),
    /// `now()`, `nextval('s'::regclass)`.
    Function,
    /// `CURRENT_USER`, a function without parentheses.
    Word(String),
}

impl Literal {
    /// The text that `pg_get_expr` gives: `7`, `'-7'::integer`, `'it''s'::text`, `now()`. `None` for null and for what must be
    /// evaluated.
    fn of_postgres(text: &str) -> Option<Self> {
        if begins_with_call(text) {
            return Some(Self::Function);
        }
        let bare = text.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(text, |(inside, _)| inside);
        let (number, rest) =
            bare.split_at(bare.find(|c: char| !matches!(c, '0'..='9' | '.' | '-')).unwrap_or(bare.len()));
        if !number.is_empty() && number.parse::<f64>().is_ok() {
            return is_cast(rest).then(|| Self::Value(number.to_owned()));
        }
        let prefix = usize::from(text.starts_with(['B', 'E', 'b', 'e']));
        if text[prefix..].starts_with('\'') {
            let (inside, rest) = quoted(&text[prefix..], text.starts_with(['E', 'e']))?;
            return is_cast(rest).then_some(Self::Value(inside));
        }
        let word = &text[..text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(text.len())];
        let rest = &text[word.len()..];
        match word {
            "" | "NULL" => None,
            "true" | "false" if is_cast(rest) => Some(Self::Value(word.to_owned())),
            _ if rest.is_empty() => Some(Self::Word(word.to_owned())),
            _ => None,
        }
    }

    /// What `information_schema` gives: MySQL the bare value, MariaDB a literal, or an expression as it is; bits as `b'1010'`.
    fn of_mysql(text: &str, kind: &Kind, database: DatabaseKind) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        if text == "NULL" {
            return None;
        }
        if matches!(kind, Kind::Date { .. } | Kind::Time(_) | Kind::Timestamp { .. } | Kind::Zoned { .. })
            && (lower.starts_with("current_timestamp") || lower.starts_with("curdate") || lower.starts_with("now("))
        {
            return Some(Self::Function);
        }
        let prefix = usize::from(lower.starts_with("b'"));
        if text[prefix..].starts_with('\'') {
            let (inside, rest) = quoted(&text[prefix..], false)?;
            return rest.is_empty().then_some(Self::Value(inside));
        }
        let is_literal = database == DatabaseKind::Mysql || text.parse::<f64>().is_ok();
        is_literal.then(|| Self::Value(text.to_owned()))
    }
}

/// `now()`, `(now() AT TIME ZONE 'utc'::text)`: Debezium takes both for a function, whatever stands behind.
fn begins_with_call(text: &str) -> bool {
    let bare = text.strip_prefix('(').unwrap_or(text);
    let name = bare.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(bare.len());
    name > 0 && bare[name..].strip_prefix('(').is_some_and(|rest| rest.contains(')'))
}

/// Nothing, or a cast to a type and nothing behind.
fn is_cast(rest: &str) -> bool {
    let is_of_a_name =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | '"' | '.' | '(' | ')' | ',' | ':' | '[' | ']');
    rest.is_empty() || rest.starts_with("::") && rest.chars().all(is_of_a_name)
}

/// A text in single quotes, doubled inside: the text and what stands behind it.
fn quoted(text: &str, has_backslashes: bool) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('\'')?.char_indices().peekable();
    let mut inside = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                inside.push('\'');
            }
            '\'' => return Some((inside, &text[at + 2..])),
            '\\' if has_backslashes => inside.push(chars.next()?.1),
            c => inside.push(c),
        }
    }
    None
}

fn put_literal(out: &mut Vec<u8>, text: &str, kind: &Kind) -> Option<()> {
    let is_bits = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0' | b'1'));
    let cell = match kind {
        Kind::Boolean if is_bits => Cell::Bits(text),
        Kind::Boolean => Cell::Bool(matches!(text, "true" | "t" | "yes" | "on" | "y")),
        Kind::Bits { .. } if is_bits => Cell::Bits(text),
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

/// `P1Y2M3DT4H5M6.789S`, as the catalog's session prints intervals: months, days, microseconds.
fn interval(text: &str) -> Option<(i32, i32, i64)> {
    let (mut months, mut days, mut micros) = (0i32, 0i32, 0i64);
    let (mut number, mut in_time) = (String::new(), false);
    for c in text.strip_prefix('P')?.chars() {
        let whole = || number.parse::<i32>().ok();
        match (c, in_time) {
            ('T', _) => in_time = true,
            ('Y', false) => months = months.checked_add(whole()?.checked_mul(12)?)?,
            ('M', false) => months = months.checked_add(whole()?)?,
            ('W', false) => days = days.checked_add(whole()?.checked_mul(7)?)?,
            ('D', false) => days = days.checked_add(whole()?)?,
            ('H', true) => micros = micros.checked_add(i64::from(whole()?) * 3_600_000_000)?,
            ('M', true) => micros = micros.checked_add(i64::from(whole()?) * 60_000_000)?,
            ('S', true) => micros = micros.checked_add((number.parse::<f64>().ok()? * 1e6).round() as i64)?,
            ('0'..='9' | '-' | '.', _) => {
                number.push(c);
                continue;
            }
            _ => return None,
        }
        number.clear();
    }
    number.is_empty().then_some((months, days, micros))
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
        Kind::Decimal { .. } | Kind::VariableDecimal | Kind::DecimalText | Kind::Money(_) => Cell::Decimal("0"),
        Kind::Date { .. } | Kind::Timestamp { .. } => Cell::Text("1970-01-01"),
        Kind::Time(_) => Cell::Time(0),
        Kind::Zoned { .. } => return b"\"1970-01-01T00:00:00Z\"".to_vec(),
        Kind::ZonedTime => Cell::Text("00:00:00"),
        Kind::Duration | Kind::Interval => Cell::Interval { months: 0, days: 0, micros: 0 },
        Kind::Figure(_) | Kind::Stored { .. } => return zero_geometry(kind),
        Kind::Array { .. } | Kind::NumberList | Kind::Vector => return b"[]".to_vec(),
        Kind::Hstore { is_map: true } => return b"{}".to_vec(),
        Kind::Text
        | Kind::Uuid
        | Kind::AnyText
        | Kind::Json { .. }
        | Kind::Unknown(_)
        | Kind::Bits { .. }
        | Kind::Hstore { .. }
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
    let codes: Vec<String> = text.bytes().map(|b| format!("{b}{behind}")).collect();
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

    fn value(text: &str) -> Option<Literal> {
        Some(Literal::Value(text.to_owned()))
    }

    #[test]
    fn expressions_of_postgresql_are_values_functions_or_nothing() {
        for (text, found) in [
            ("7", value("7")),
            ("'-7'::integer", value("-7")),
            ("(-7)", value("-7")),
            ("12.34", value("12.34")),
            ("(1.5)::real", value("1.5")),
            ("'it''s \"x\"'::text", value("it's \"x\"")),
            ("''::character varying(10)", value("")),
            ("true", value("true")),
            ("'1010'::\"bit\"", value("1010")),
            ("B'1010'::\"bit\"", value("1010")),
            ("E'a\\\\b'::text", value("a\\b")),
            ("now()", Some(Literal::Function)),
            ("nextval('dflt_id_seq'::regclass)", Some(Literal::Function)),
            ("CURRENT_USER", Some(Literal::Word("CURRENT_USER".into()))),
            ("(now() AT TIME ZONE 'utc'::text)", Some(Literal::Function)),
            ("(CURRENT_TIMESTAMP(3))::text", Some(Literal::Function)),
            ("lower('A'::text) || 'b'::text", Some(Literal::Function)),
            ("(1 + 2)", None),
            ("(0)::numeric(6,2)", value("0")),
            ("('a'::text || 'b'::text)", None),
            ("'a'::text || 'b'::text", None),
            ("NULL::character varying", None),
            ("'open", None),
            ("", None),
        ] {
            assert_eq!(Literal::of_postgres(text), found, "{text}");
        }
    }

    #[test]
    fn defaults_of_mysql_are_bare_or_quoted() {
        let zoned = Kind::Zoned { digits: 0 };
        let of = |text: &str, kind: &Kind| Literal::of_mysql(text, kind, DatabaseKind::Mysql);
        assert_eq!(of("it's \"x\"", &Kind::Text), value("it's \"x\""));
        assert_eq!(of("'it''s'", &Kind::Text), value("it's"));
        assert_eq!(of("b'1010'", &Kind::Bits { all: true }), value("1010"));
        assert_eq!(of("current_timestamp()", &zoned), Some(Literal::Function));
        assert_eq!(of("CURRENT_TIMESTAMP", &Kind::Text), value("CURRENT_TIMESTAMP"));
        assert_eq!(of("NULL", &Kind::Int), None);
        let of = |text: &str| Literal::of_mysql(text, &Kind::Text, DatabaseKind::Mariadb);
        assert_eq!((of("'a'"), of("-7"), of("concat('a','b')"), of("(1 + 2)")), (value("a"), value("-7"), None, None));
    }

    #[test]
    fn intervals_are_read_as_iso_8601() {
        assert_eq!(interval("P1Y2M3DT4H5M6.789S"), Some((14, 3, 14_706_789_000)));
        assert_eq!(interval("P-1MT-0.5S"), Some((-1, 0, -500_000)));
        assert_eq!(interval("PT0S"), Some((0, 0, 0)));
        for wrong in ["1 day", "P1", "P1X", "PT1Y", "P99999999999Y"] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }

    /// postgres/dml, toast_default.
    #[test]
    fn uuid_of_the_placeholder_is_the_recorded_one() {
        assert_eq!(uuid_of("__debezium_unavailable_value"), "b68a35a7-17ad-35b3-af2a-ae46edb4545a");
    }
}
