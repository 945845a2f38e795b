//! Which shape a column of PostgreSQL has. Types that every server numbers alike go by their number, those of extensions by
//! their name. `None` is a type that Debezium leaves out.

use super::geometry::Figure;
use super::options::{DebeziumOptions, TimeMode};
use super::shape::{Kind, Shape, allowed};
use super::time::Unit;
use crate::change::Column;
use sluicegate_frame::Tag;

/// What is known of a column when its shape is looked for.
struct Declared<'a> {
    oid: u32,
    /// The type's bare name: no schema, no brackets, no modifiers.
    name: &'a str,
    modifiers: &'a [i32],
    labels: &'a [String],
}

pub(super) fn shape(column: &Column, options: &DebeziumOptions) -> Option<Shape> {
    let detail = &column.detail;
    let declared = Declared {
        oid: detail.type_id,
        name: bare_name(if detail.base_type.is_empty() { &column.type_name } else { &detail.base_type }),
        modifiers: &detail.modifiers,
        labels: &detail.labels,
    };
    let known = match column.tag {
        Tag::Array => array(&declared, options),
        _ if detail.type_id == 0 && detail.labels.is_empty() => by_tag(column.tag, &declared, options),
        _ => scalar(&declared, options),
    };
    // Arrays that Debezium leaves out, it leaves out even then.
    let is_left_out = column.tag == Tag::Array && element(detail.type_id) == Some(0);
    known.or_else(|| (options.unknown && !is_left_out).then(|| unknown(column.tag, options)))
}

fn unknown(tag: Tag, options: &DebeziumOptions) -> Shape {
    match tag {
        // Without nulls, as Connect is told of all arrays whose elements it is not told of.
        Tag::Array => Shape::array(Shape::unknown(options), true),
        _ => Shape::unknown(options),
    }
}

/// `public.hstore[]`, `character varying(10)` without what is around the name.
pub(super) fn bare_name(type_name: &str) -> &str {
    let name = type_name.trim_end_matches("[]");
    let name = name.split('(').next().unwrap_or(name);
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}

fn array(declared: &Declared<'_>, options: &DebeziumOptions) -> Option<Shape> {
    let element = element(declared.oid);
    if declared.oid != 0 && element == Some(0) {
        return None;
    }
    let item = scalar(&Declared { oid: element.unwrap_or(0), ..*declared }, options)?;
    // Connect is told that these have no nulls; a row that has one says otherwise for itself.
    let required = !declared.labels.is_empty() || element == Some(TSVECTOR) || declared.name == "isbn";
    Some(Shape::array(item, required))
}

const TSVECTOR: u32 = 3614;

/// The element of an array type that every server numbers alike; zero for arrays that Debezium leaves out.
pub(super) fn element(oid: u32) -> Option<u32> {
    Some(match oid {
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1040 => 829,
        775 => 774,
        1041 => 869,
        651 => 650,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1231 => 1700,
        1270 => 1266,
        1561 => 1560,
        199 => 114,
        3807 => 3802,
        2951 => 2950,
        3643 => TSVECTOR,
        3905 => 3904,
        3907 => 3906,
        3909 => 3908,
        3911 => 3910,
        3913 => 3912,
        3927 => 3926,
        // money, name, interval, varbit, xml, point, refcursor
        791 | 1003 | 1187 | 1563 | 143 | 1017 | 2201 => 0,
        _ => return None,
    })
}

fn scalar(declared: &Declared<'_>, options: &DebeziumOptions) -> Option<Shape> {
    let text = |name: &str| Shape::named(Kind::Text, "string", name);
    let time = options.time.unwrap_or(TimeMode::Adaptive);
    let digits = declared.modifiers.first().copied().unwrap_or(6);
    if !declared.labels.is_empty() {
        return Some(Shape::labels(Kind::Text, "io.debezium.data.Enum", &allowed(declared.labels, false)));
    }
    Some(match declared.oid {
        16 => Shape::plain(Kind::Boolean, "boolean"),
        21 => Shape::plain(Kind::Int, "int16"),
        23 => Shape::plain(Kind::Int, "int32"),
        20 | 26 => Shape::plain(Kind::Int, "int64"),
        700 => Shape::plain(Kind::Float32, "float"),
        701 => Shape::plain(Kind::Float64, "double"),
        1700 => match *declared.modifiers {
            [precision, scale] => Shape::decimal(options, scale, Some(precision)),
            [precision] => Shape::decimal(options, 0, Some(precision)),
            _ => Shape::variable_decimal(options),
        },
        790 => Shape::money(options),
        // "char", name, text, bpchar, varchar; the network's; the ranges
        18 | 19 | 25 | 1042 | 1043 | 650 | 774 | 829 | 869 | 3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Shape::text(),
        17 => Shape::bytes(options.binary, 0),
        114 | 3802 => Shape::json(false),
        142 => text("io.debezium.data.Xml"),
        2950 => Shape::named(Kind::Uuid, "string", "io.debezium.data.Uuid"),
        TSVECTOR => text("io.debezium.data.Tsvector"),
        1560 => Shape::bits(declared.modifiers.first().map_or(1, |n| i64::from(*n)), false),
        1562 => Shape::bits(declared.modifiers.first().map_or(i64::from(i32::MAX), |n| i64::from(*n)), false),
        1082 => date(time, false),
        1083 => clock(time, digits),
        1114 => timestamp(time, digits, false),
        1184 => zoned(digits),
        1266 => Shape::named(Kind::ZonedTime, "string", "io.debezium.time.ZonedTime"),
        1186 if options.interval_text => Shape::named(Kind::Interval, "string", "io.debezium.time.Interval"),
        1186 => Shape::named(Kind::Duration, "int64", "io.debezium.time.MicroDuration"),
        600 => Shape::figure(Figure::Point),
        628 => Shape::figure(Figure::Line),
        601 => Shape::figure(Figure::Segment),
        603 => Shape::figure(Figure::Box),
        602 => Shape::figure(Figure::Path),
        604 => Shape::figure(Figure::Polygon),
        718 => Shape::figure(Figure::Circle),
        22 => number_list("int16"),
        30 => number_list("int64"),
        _ => match declared.name {
            "citext" | "isbn" => Shape::text(),
            "hstore" => Shape::hstore(options.hstore_map),
            "ltree" => text("io.debezium.data.Ltree"),
            _ => return None,
        },
    })
}

/// `int2vector` and `oidvector`: Debezium gives them as arrays that are always empty; here they hold their numbers.
fn number_list(connect_type: &str) -> Shape {
    let mut shape = Shape::array(Shape::plain(Kind::Int, connect_type), true);
    shape.kind = Kind::NumberList;
    shape
}

pub(super) fn date(mode: TimeMode, adjust: bool) -> Shape {
    let kind = |unit| Kind::Date { unit, adjust };
    match mode {
        TimeMode::Connect => Shape::named(kind(Unit::Millis), "int32", "org.apache.kafka.connect.data.Date"),
        TimeMode::IsoString => Shape::named(kind(Unit::Iso), "string", "io.debezium.time.IsoDate"),
        _ => Shape::named(kind(Unit::Millis), "int32", "io.debezium.time.Date"),
    }
}

pub(super) fn clock(mode: TimeMode, digits: i32) -> Shape {
    match mode {
        TimeMode::Connect => Shape::named(Kind::Time(Unit::Millis), "int32", "org.apache.kafka.connect.data.Time"),
        TimeMode::IsoString => Shape::named(Kind::Time(Unit::Iso), "string", "io.debezium.time.IsoTime"),
        TimeMode::Nanoseconds => Shape::named(Kind::Time(Unit::Nanos), "int64", "io.debezium.time.NanoTime"),
        TimeMode::Adaptive if digits <= 3 => Shape::named(Kind::Time(Unit::Millis), "int32", "io.debezium.time.Time"),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            Shape::named(Kind::Time(Unit::Micros), "int64", "io.debezium.time.MicroTime")
        }
    }
}

pub(super) fn timestamp(mode: TimeMode, digits: i32, adjust: bool) -> Shape {
    let kind = |unit| Kind::Timestamp { unit, adjust };
    let millis = |name| Shape::named(kind(Unit::Millis), "int64", name);
    match mode {
        TimeMode::Connect => millis("org.apache.kafka.connect.data.Timestamp"),
        TimeMode::IsoString => Shape::named(kind(Unit::Iso), "string", "io.debezium.time.IsoTimestamp"),
        TimeMode::Nanoseconds => Shape::named(kind(Unit::Nanos), "int64", "io.debezium.time.NanoTimestamp"),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds if digits <= 3 => millis("io.debezium.time.Timestamp"),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            Shape::named(kind(Unit::Micros), "int64", "io.debezium.time.MicroTimestamp")
        }
    }
}

pub(super) fn zoned(digits: i32) -> Shape {
    let digits = usize::try_from(digits).unwrap_or(6).min(6);
    Shape::named(Kind::Zoned { digits }, "string", "io.debezium.time.ZonedTimestamp")
}

/// A column of which no more is known than how its values read.
fn by_tag(tag: Tag, declared: &Declared<'_>, options: &DebeziumOptions) -> Option<Shape> {
    let oid = match tag {
        Tag::Bool => 16,
        Tag::Int => 20,
        Tag::UInt => 26,
        Tag::Float32 => 700,
        Tag::Float64 => 701,
        Tag::Decimal | Tag::DecimalUnscaled => 1700,
        Tag::Text | Tag::Enum => 25,
        Tag::Bytes => 17,
        Tag::Date => 1082,
        Tag::Time => 1083,
        Tag::TimeTz => 1266,
        Tag::Timestamp => 1114,
        Tag::TimestampTz => 1184,
        Tag::Interval => 1186,
        Tag::Uuid => 2950,
        Tag::Json => 3802,
        Tag::Bits => 1562,
        _ => 0,
    };
    scalar(&Declared { oid, ..*declared }, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare_without_schema_brackets_and_modifiers() {
        for (full, bare) in [
            ("public.hstore[]", "hstore"),
            ("character varying(10)", "character varying"),
            ("\"Odd\"", "Odd"),
            ("citext", "citext"),
        ] {
            assert_eq!(bare_name(full), bare);
        }
    }
}
