//! What to do with a column's values, and how to describe the column to those behind us.

use super::declared::Declared;
use super::rules::CatalogColumn;
use super::table_map::{MappedColumn, type_id};
use super::value::{Charset, Kind, Storage, charset_of, decimal_len, fraction_len};
use crate::change::{Column, ColumnDetail, Tag};

pub(super) struct Plan {
    /// Where the log or the catalog says it; for people.
    pub(super) name: Option<String>,
    /// `None` for a type that is not known: its values' length is not either.
    pub(super) storage: Option<Storage>,
    /// `None` for a column that is left out.
    pub(super) kind: Option<Kind>,
    pub(super) labels: Vec<String>,
    pub(super) is_json: bool,
    pub(super) is_key: bool,
}

impl Plan {
    /// A column whose values are only passed over.
    pub(super) fn left_out(mapped: &MappedColumn) -> Self {
        let (storage, is_json, is_key) = (storage(mapped), mapped.is_json(), mapped.is_key);
        Self { name: mapped.name.clone(), storage, kind: None, labels: Vec::new(), is_json, is_key }
    }
}

impl MappedColumn {
    /// Whether a partial update may say only what changed in it.
    pub(super) fn is_json(&self) -> bool {
        self.type_id == type_id::JSON && !self.is_array
    }
}

/// # Errors
/// Why the column's values can not be read, as the end of a sentence that begins with its name.
pub(super) fn plan_of(mapped: &MappedColumn, known: Option<&CatalogColumn>, is_asked: bool) -> Result<Plan, String> {
    let mut plan = Plan::left_out(mapped);
    plan.name = plan.name.or_else(|| known.map(|known| known.name.clone()));
    plan.is_key = mapped.is_key || mapped.name.is_none() && known.is_some_and(|known| known.primary_key);
    if plan.storage.is_none() {
        let number = mapped.type_id;
        return Err(format!(
            "has the type number {number}, which is not known: take a newer sluicegate, or leave the table out"
        ));
    }
    let is_old_time = matches!(mapped.type_id, type_id::TIME | type_id::DATETIME | type_id::TIMESTAMP);
    if is_old_time && known.is_some_and(|known| known.column_type.contains('(')) {
        return Err("is stored with fractions of seconds in MariaDB's format before 10.1, of which the log does not say how long it \
                    is: run `SET GLOBAL mysql56_temporal_format = ON`, then `ALTER TABLE ... FORCE`"
            .into());
    }
    if !is_asked || mapped.is_array {
        return Ok(plan);
    }
    plan.kind = Some(kind(mapped, known));
    if matches!(plan.kind, Some(Kind::Enum | Kind::Set)) {
        plan.labels = labels(mapped, known).ok_or(
            "has labels that neither the log nor the server's catalog says: run `SET GLOBAL binlog_row_metadata = FULL`, and give \
             the user the right to SELECT from the table",
        )?;
    }
    Ok(plan)
}

/// How many bytes the column's values take.
fn storage(mapped: &MappedColumn) -> Option<Storage> {
    use type_id::*;
    let meta = mapped.meta;
    if mapped.is_array {
        return Some(Storage::Prefixed(4));
    }
    let [low, high] = [meta as u8, (meta >> 8) as u8];
    Some(match mapped.type_id {
        TINY | YEAR => Storage::Fixed(1),
        SHORT => Storage::Fixed(2),
        INT24 | DATE | NEWDATE | TIME => Storage::Fixed(3),
        LONG | FLOAT | TIMESTAMP => Storage::Fixed(4),
        LONGLONG | DOUBLE | DATETIME => Storage::Fixed(8),
        NEWDECIMAL => Storage::Fixed(decimal_len(high, low)? as u16),
        BIT => Storage::Fixed(u16::from(high) + u16::from(low > 0)),
        TIMESTAMP2 => Storage::Fixed(4 + fraction_len(low)),
        DATETIME2 => Storage::Fixed(5 + fraction_len(low)),
        TIME2 => Storage::Fixed(3 + fraction_len(low)),
        ENUM | SET => Storage::Fixed(meta as u16),
        STRING | VARCHAR | VAR_STRING | VARCHAR_COMPRESSED => Storage::Prefixed(if meta > 255 { 2 } else { 1 }),
        BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | GEOMETRY | JSON | VECTOR | BLOB_COMPRESSED => {
            Storage::Prefixed(Some(low).filter(|len| (1..=4).contains(len))?)
        }
        _ => return None,
    })
}

fn kind(mapped: &MappedColumn, known: Option<&CatalogColumn>) -> Kind {
    use type_id::*;
    let meta = mapped.meta;
    let [low, high] = [meta as u8, (meta >> 8) as u8];
    match mapped.type_id {
        TINY | SHORT | INT24 | LONG | LONGLONG => match is_unsigned(mapped, known) {
            true => Kind::UInt,
            false => Kind::Int,
        },
        FLOAT => Kind::Float32,
        DOUBLE => Kind::Float64,
        NEWDECIMAL => Kind::Decimal { precision: high, scale: low },
        YEAR => Kind::Year,
        BIT => Kind::Bits(u16::from(high) * 8 + u16::from(low)),
        DATE | NEWDATE => Kind::Date,
        TIME => Kind::OldTime,
        DATETIME => Kind::OldDateTime,
        TIMESTAMP => Kind::OldTimestamp,
        TIME2 => Kind::Time(low),
        DATETIME2 => Kind::DateTime(low),
        TIMESTAMP2 => Kind::Timestamp(low),
        ENUM => Kind::Enum,
        SET => Kind::Set,
        JSON => Kind::Json,
        VECTOR => Kind::Vector,
        GEOMETRY => Kind::Bytes,
        _ => string(mapped, known),
    }
}

fn is_unsigned(mapped: &MappedColumn, known: Option<&CatalogColumn>) -> bool {
    mapped.is_unsigned.unwrap_or_else(|| known.is_some_and(|known| known.column_type.contains("unsigned")))
}

/// Whatever the log holds as a string.
fn string(mapped: &MappedColumn, known: Option<&CatalogColumn>) -> Kind {
    use type_id::*;
    let is_fixed = mapped.type_id == STRING;
    match known.map_or("", |known| known.data_type.as_str()) {
        "vector" => return Kind::Vector,
        "uuid" if is_fixed => return Kind::Uuid,
        "inet4" if is_fixed => return Kind::Inet4,
        "inet6" if is_fixed => return Kind::Inet6,
        _ => {}
    }
    let is_compressed = matches!(mapped.type_id, VARCHAR_COMPRESSED | BLOB_COMPRESSED);
    match charset(mapped, known) {
        "binary" if is_compressed => Kind::CompressedBytes,
        "binary" if is_fixed => Kind::Padded(mapped.meta as u16),
        "binary" => Kind::Bytes,
        charset if is_compressed => Kind::CompressedText(Charset::by_name(charset)),
        charset => Kind::Text(Charset::by_name(charset)),
    }
}

/// The column's charset as the log says it, or the catalog; `binary` for bytes.
fn charset<'a>(mapped: &MappedColumn, known: Option<&'a CatalogColumn>) -> &'a str {
    if let Some(charset) = mapped.collation.and_then(charset_of) {
        return charset;
    }
    match known {
        Some(known) if !known.charset.is_empty() => &known.charset,
        Some(_) => "binary",
        None => "",
    }
}

/// The labels in UTF-8. The log has them in the column's charset, the catalog between quotes.
fn labels(mapped: &MappedColumn, known: Option<&CatalogColumn>) -> Option<Vec<String>> {
    let from_catalog =
        || known.map(|known| Declared::read(&known.column_type).labels).filter(|labels| !labels.is_empty());
    let Some(labels) = &mapped.labels else { return from_catalog() };
    // Labels of a column in the charset `binary` are bytes that are mostly text.
    let charset =
        Some(charset(mapped, known)).filter(|charset| *charset != "binary").map_or(Charset::Utf8, Charset::by_name);
    let text = |label: &Vec<u8>| {
        let mut out = Vec::new();
        charset.decode(&mut out, label).then(|| String::from_utf8(out).ok())?
    };
    labels.iter().map(text).collect::<Option<Vec<_>>>().or_else(from_catalog)
}

/// A column for those behind us.
pub(super) fn column_of(
    name: String,
    mapped: &MappedColumn,
    known: Option<&CatalogColumn>,
    kind: Kind,
    labels: &[String],
    key: bool,
) -> Column {
    let declared = match known {
        Some(known) => Declared::read(&known.column_type),
        None => Declared { name: type_name(mapped, kind), modifiers: modifiers(mapped, kind), labels: Vec::new() },
    };
    let is_text = matches!(kind, Kind::Text(_) | Kind::CompressedText(_) | Kind::Enum | Kind::Set);
    let detail = ColumnDetail {
        not_null: !mapped.is_nullable,
        modifiers: declared.modifiers,
        default: known.and_then(|known| known.default.clone()),
        labels: labels.to_vec(),
        type_id: mapped.type_id.into(),
        charset: if is_text { charset(mapped, known).into() } else { String::new() },
        key_position: match &mapped.name {
            Some(_) => mapped.key_position,
            None => known.map_or(0, |known| known.key_position),
        },
        comment: known.map_or_else(String::new, |known| known.comment.clone()),
        ..ColumnDetail::default()
    };
    Column { name, type_name: declared.name, tag: kind.tag(), key, detail }
}

/// A column of a table of which no row was seen.
pub(super) fn column_of_catalog(known: &CatalogColumn) -> Column {
    let declared = Declared::read(&known.column_type);
    let tag = match known.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => match declared.name.contains("unsigned") {
            true => Tag::UInt,
            false => Tag::Int,
        },
        "year" => Tag::Int,
        "float" => Tag::Float32,
        "double" => Tag::Float64,
        "decimal" => Tag::Decimal,
        "date" => Tag::Date,
        "time" => Tag::Time,
        "datetime" => Tag::Timestamp,
        "timestamp" => Tag::TimestampTz,
        "bit" => Tag::Bits,
        "enum" => Tag::Enum,
        "json" => Tag::Json,
        "vector" => Tag::Array,
        "uuid" => Tag::Uuid,
        "inet4" | "inet6" => Tag::Text,
        _ if known.charset.is_empty() => Tag::Bytes,
        _ => Tag::Text,
    };
    let detail = ColumnDetail {
        not_null: known.not_null,
        modifiers: declared.modifiers,
        default: known.default.clone(),
        labels: declared.labels,
        type_id: 0,
        charset: known.charset.clone(),
        key_position: known.key_position,
        comment: known.comment.clone(),
        ..ColumnDetail::default()
    };
    Column { name: known.name.clone(), type_name: declared.name, tag, key: known.primary_key, detail }
}

/// The type's name where the catalog does not know the column (any more).
fn type_name(mapped: &MappedColumn, kind: Kind) -> String {
    use type_id::*;
    let is_bytes = kind.tag() == Tag::Bytes;
    let name = match mapped.type_id {
        TINY => "tinyint",
        SHORT => "smallint",
        INT24 => "mediumint",
        LONG => "int",
        LONGLONG => "bigint",
        FLOAT => "float",
        DOUBLE => "double",
        NEWDECIMAL => "decimal",
        YEAR => "year",
        BIT => "bit",
        DATE | NEWDATE => "date",
        TIME | TIME2 => "time",
        DATETIME | DATETIME2 => "datetime",
        TIMESTAMP | TIMESTAMP2 => "timestamp",
        ENUM => "enum",
        SET => "set",
        JSON => "json",
        VECTOR => "vector",
        GEOMETRY => "geometry",
        STRING if is_bytes => "binary",
        STRING => "char",
        VARCHAR | VAR_STRING | VARCHAR_COMPRESSED if is_bytes => "varbinary",
        VARCHAR | VAR_STRING | VARCHAR_COMPRESSED => "varchar",
        _ => match (mapped.meta, is_bytes) {
            (1, true) => "tinyblob",
            (3, true) => "mediumblob",
            (4, true) => "longblob",
            (_, true) => "blob",
            (1, false) => "tinytext",
            (3, false) => "mediumtext",
            (4, false) => "longtext",
            (_, false) => "text",
        },
    };
    match kind {
        Kind::UInt => format!("{name} unsigned"),
        _ => name.into(),
    }
}

/// What the log itself says of precision and length.
fn modifiers(mapped: &MappedColumn, kind: Kind) -> Vec<i32> {
    match kind {
        Kind::Decimal { precision, scale } => vec![precision.into(), scale.into()],
        Kind::Time(digits) | Kind::DateTime(digits) | Kind::Timestamp(digits) if digits > 0 => vec![digits.into()],
        Kind::Bits(len) => vec![len.into()],
        // Bytes, not characters, of a text: of that the log says nothing.
        Kind::Padded(len) => vec![len.into()],
        Kind::Bytes if matches!(mapped.type_id, type_id::VARCHAR) => vec![mapped.meta as i32],
        _ => Vec::new(),
    }
}
