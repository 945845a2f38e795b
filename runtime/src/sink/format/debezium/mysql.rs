//! Which shape a column of MySQL or MariaDB has, by its declared type; where that is not known, by the type's number in the
//! binary log.

use super::options::{DebeziumOptions, TimeMode};
use super::postgres::{clock, date, timestamp, zoned};
use super::shape::{Kind, Shape, allowed};
use crate::change::Column;
use sluicegate_frame::Tag;

pub(super) fn shape(column: &Column, options: &DebeziumOptions) -> Option<Shape> {
    let detail = &column.detail;
    let declared = column.type_name.to_ascii_lowercase();
    let word_end = declared.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(declared.len());
    let word = match &declared[..word_end] {
        "" => by_number(detail.type_id),
        word => word,
    };
    let unsigned = declared.contains("unsigned") || declared.contains("zerofill") || column.tag == Tag::UInt;
    let written = modifiers(&declared);
    let modifiers = if detail.modifiers.is_empty() { &written } else { &detail.modifiers };
    let first = modifiers.first().copied();
    let mode = options.time.unwrap_or(TimeMode::AdaptiveTimeMicroseconds);
    let int = |connect_type| Shape::plain(Kind::Int, connect_type);
    let is_binary = column.tag == Tag::Bytes || detail.charset == "binary";
    Some(match word {
        "bool" | "boolean" | "tinyint" => int("int16"),
        "smallint" => int(if unsigned { "int32" } else { "int16" }),
        "mediumint" => int("int32"),
        "int" | "integer" => int(if unsigned { "int64" } else { "int32" }),
        "bigint" | "serial" if unsigned && options.unsigned_precise => Shape::exact_decimal(options, 0, Some(20)),
        "bigint" | "serial" => int("int64"),
        "float" if modifiers.len() == 2 || column.tag == Tag::Float64 => Shape::plain(Kind::Float64, "double"),
        "float" => Shape::plain(Kind::Float32, "float"),
        "double" | "real" => Shape::plain(Kind::Float64, "double"),
        "decimal" | "numeric" | "dec" | "fixed" => {
            Shape::decimal(options, modifiers.get(1).copied().unwrap_or(0), Some(first.unwrap_or(10)))
        }
        "bit" => Shape::bits(i64::from(first.unwrap_or(1)), true),
        "year" => Shape::named(Kind::Int, "int32", "io.debezium.time.Year"),
        "date" => date(mode, options.adjust_years),
        "time" => clock(mode, first.unwrap_or(0)),
        "datetime" => timestamp(mode, first.unwrap_or(0), options.adjust_years),
        "timestamp" => zoned(first.unwrap_or(0)),
        // The log strips zeros at the end of what has a fixed length.
        "binary" => Shape::bytes(options.binary, length(first)),
        "char" if is_binary => Shape::bytes(options.binary, length(first)),
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Shape::bytes(options.binary, 0),
        "varchar" | "text" if is_binary => Shape::bytes(options.binary, 0),
        "enum" => Shape::labels(Kind::Text, "io.debezium.data.Enum", &allowed(&detail.labels, true)),
        "set" => Shape::labels(Kind::Set, "io.debezium.data.EnumSet", &allowed(&detail.labels, true)),
        "json" if column.tag != Tag::Text => Shape::json(true),
        "point" => Shape::stored_geometry(true),
        "geometry" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => Shape::stored_geometry(false),
        "vector" => Shape::vector(),
        "uuid" => Shape::named(Kind::Uuid, "string", "io.debezium.data.Uuid"),
        _ => by_tag(column.tag, options),
    })
}

fn length(modifier: Option<i32>) -> usize {
    modifier.map_or(1, |n| usize::try_from(n).unwrap_or(0))
}

/// The numbers between the parentheses of `decimal(10,2) unsigned`; none from the labels of an enumeration.
fn modifiers(declared: &str) -> Vec<i32> {
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    inside.and_then(|list| list.split(',').map(|n| n.trim().parse().ok()).collect()).unwrap_or_default()
}

/// The types of the binary log, without those that only old servers write.
fn by_number(number: u32) -> &'static str {
    match number {
        1 => "tinyint",
        2 => "smallint",
        9 => "mediumint",
        3 => "int",
        8 => "bigint",
        4 => "float",
        5 => "double",
        246 => "decimal",
        16 => "bit",
        13 => "year",
        10 | 14 => "date",
        11 | 19 => "time",
        12 | 18 => "datetime",
        7 | 17 => "timestamp",
        15 | 253 => "varchar",
        254 => "char",
        252 => "text",
        245 => "json",
        247 => "enum",
        248 => "set",
        255 => "geometry",
        242 => "vector",
        _ => "",
    }
}

fn by_tag(tag: Tag, options: &DebeziumOptions) -> Shape {
    match tag {
        Tag::Bytes => Shape::bytes(options.binary, 0),
        Tag::Int | Tag::UInt => Shape::plain(Kind::Int, "int64"),
        Tag::Float32 => Shape::plain(Kind::Float32, "float"),
        Tag::Float64 => Shape::plain(Kind::Float64, "double"),
        Tag::Decimal | Tag::DecimalUnscaled => Shape::variable_decimal(options),
        Tag::Json => Shape::json(true),
        Tag::Uuid => Shape::named(Kind::Uuid, "string", "io.debezium.data.Uuid"),
        _ => Shape::text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_numbers_only() {
        assert_eq!(modifiers("decimal(10,2) unsigned"), [10, 2]);
        assert!(modifiers("enum('1','2')").is_empty());
        assert!(modifiers("int").is_empty());
    }
}
