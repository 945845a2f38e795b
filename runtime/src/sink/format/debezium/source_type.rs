//! What the database calls a column's type, as `column.propagate.source.type` tells it: name, length and scale as the server's drivers see
//! them.

use super::postgres::{bare_name, element};
use crate::change::{Column, DatabaseKind};
use sluicegate_frame::Tag;

/// A type as it was declared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceType {
    /// In the server's own letters: `int4`, `INT UNSIGNED`.
    pub(super) name: String,
    pub(super) length: Option<i64>,
    pub(super) scale: Option<i64>,
}

pub(super) fn of(column: &Column, database: DatabaseKind) -> SourceType {
    match database {
        DatabaseKind::Postgres => of_postgres(column),
        DatabaseKind::Mysql | DatabaseKind::Mariadb => of_mysql(column),
    }
}

/// What has no length of its own.
const UNBOUNDED: i64 = i32::MAX as i64;
/// The digits in front of the point that a `numeric` can have.
const NUMERIC_DIGITS: i64 = 131_089;

fn of_postgres(column: &Column) -> SourceType {
    let detail = &column.detail;
    let is_array = column.tag == Tag::Array;
    // Of arrays that are left out the element is not known, and zero.
    let oid = if is_array { element(detail.type_id).unwrap_or(0) } else { detail.type_id };
    let bare = bare_name(&column.type_name);
    // A domain has a name of its own.
    let word = bare.split(' ').next().unwrap_or(bare);
    let built_in = BUILT_IN.iter().find(|(number, sql, _)| *number == oid && *sql == word);
    let own = built_in.map_or(bare, |(.., own)| own);
    let is_counted = detail.default.as_deref().is_some_and(|default| default.contains("nextval("));
    let name = match own {
        "int2" if is_counted => "smallserial".to_owned(),
        "int4" if is_counted => "serial".to_owned(),
        "int8" if is_counted => "bigserial".to_owned(),
        own if is_array && column.type_name.ends_with("[]") => format!("_{own}"),
        own => own.to_owned(),
    };
    let modifiers: Vec<i64> = detail.modifiers.iter().map(|modifier| i64::from(*modifier)).collect();
    let (length, scale) = extent(oid, &modifiers);
    SourceType { name, length: Some(length), scale: Some(scale) }
}

/// Types that SQL calls otherwise than the server: number, the first word of SQL's name, the server's name.
const BUILT_IN: [(u32, &str, &str); 16] = [
    (16, "boolean", "bool"),
    (18, "char", "char"),
    (20, "bigint", "int8"),
    (21, "smallint", "int2"),
    (23, "integer", "int4"),
    (700, "real", "float4"),
    (701, "double", "float8"),
    (1042, "character", "bpchar"),
    (1043, "character", "varchar"),
    (1083, "time", "time"),
    (1114, "timestamp", "timestamp"),
    (1184, "timestamp", "timestamptz"),
    (1186, "interval", "interval"),
    (1266, "time", "timetz"),
    (1560, "bit", "bit"),
    (1562, "bit", "varbit"),
];

/// Length and scale.
fn extent(oid: u32, modifiers: &[i64]) -> (i64, i64) {
    let first = modifiers.first().copied();
    let digits = first.unwrap_or(6);
    // A point and two digits at least.
    let fraction = if digits == 0 { 0 } else { 1 + digits.max(2) };
    match oid {
        16 | 18 => (1, 0),
        21 => (5, 0),
        23 | 26 => (10, 0),
        20 => (19, 0),
        700 => (8, 8),
        701 => (17, 17),
        1700 => (first.unwrap_or(NUMERIC_DIGITS), modifiers.get(1).copied().unwrap_or(0)),
        1042 | 1043 | 1562 => (first.unwrap_or(UNBOUNDED), 0),
        1560 => (first.unwrap_or(1), 0),
        1082 => (13, 0),
        1083 => (8 + fraction, digits),
        1266 => (14 + fraction, digits),
        1114 => (22 + fraction, digits),
        1184 => (28 + fraction, digits),
        1186 => (49, digits),
        _ => (UNBOUNDED, 0),
    }
}

/// As it was declared, without numbers, labels and MariaDB's comments, in capitals.
fn of_mysql(column: &Column) -> SourceType {
    let (declared, detail) = (column.type_name.as_str(), &column.detail);
    let name = declared[..declared.find(['(', '/']).unwrap_or(declared.len())].trim().to_ascii_uppercase();
    let labels_len = i64::try_from(detail.labels.len()).unwrap_or(i64::MAX);
    let length = match name.as_str() {
        "ENUM" => Some(1),
        // The longest value: every label, and commas between them, at one character each.
        "SET" => Some(labels_len.saturating_mul(2) - 1),
        _ => detail.modifiers.first().map(|n| i64::from(*n)),
    };
    SourceType { name, length, scale: detail.modifiers.get(1).map(|n| i64::from(*n)) }
}
