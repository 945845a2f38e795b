//! What to do with a column's values, and how to describe the column to those behind us.

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

/// A type's text taken apart: `decimal(10,2) unsigned`, `enum('a','it''s')`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declared {
    /// Without what stands between parentheses.
    name: String,
    modifiers: Vec<i32>,
    labels: Vec<String>,
}

impl Declared {
    fn read(column_type: &str) -> Self {
        let Some((name, rest)) = column_type.split_once('(') else {
            return Self { name: column_type.into(), ..Self::default() };
        };
        let mut declared = Self { name: name.into(), ..Self::default() };
        if rest.starts_with('\'') {
            declared.labels = quoted(rest);
            return declared;
        }
        let (inside, behind) = rest.split_once(')').unwrap_or((rest, ""));
        declared.modifiers = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        declared.name.push_str(behind);
        declared
    }
}

/// What stands between single quotes, a doubled one being a quote.
fn quoted(text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\'' {
            continue;
        }
        let mut label = String::new();
        while let Some(c) = chars.next() {
            if c == '\'' && chars.next_if_eq(&'\'').is_none() {
                break;
            }
            label.push(c);
        }
        labels.push(label);
    }
    labels
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

/// Whether the catalog speaks of the column as the log has it; somebody may have altered it since.
pub(super) fn is_as_logged(mapped: &MappedColumn, known: &CatalogColumn) -> bool {
    use type_id::*;
    let declared = Declared::read(&known.column_type);
    let [low, high] = [mapped.meta as u8, (mapped.meta >> 8) as u8];
    let is_sign_same = mapped.is_unsigned.is_none_or(|is| declared.name.contains("unsigned") == is);
    let digits_are = |n: u8| declared.modifiers.first().copied().unwrap_or(0) == i32::from(n);
    let word = known.data_type.as_str();
    let of_size =
        |all: [&str; 8]| all.chunks(2).nth(usize::from(low.saturating_sub(1))).is_some_and(|c| c.contains(&word));
    match mapped.type_id {
        TINY => word == "tinyint" && is_sign_same,
        SHORT => word == "smallint" && is_sign_same,
        INT24 => word == "mediumint" && is_sign_same,
        LONG => word == "int" && is_sign_same,
        LONGLONG => word == "bigint" && is_sign_same,
        FLOAT => word == "float",
        DOUBLE => word == "double",
        NEWDECIMAL => word == "decimal" && declared.modifiers == [i32::from(high), i32::from(low)],
        YEAR => word == "year",
        BIT => word == "bit" && digits_are(high.saturating_mul(8).saturating_add(low)),
        DATE | NEWDATE => word == "date",
        TIME2 => word == "time" && digits_are(low),
        DATETIME2 => word == "datetime" && digits_are(low),
        TIMESTAMP2 => word == "timestamp" && digits_are(low),
        ENUM => word == "enum",
        SET => word == "set",
        JSON => word == "json",
        STRING => matches!(word, "char" | "binary" | "uuid" | "inet4" | "inet6"),
        VARCHAR | VAR_STRING => matches!(word, "varchar" | "varbinary" | "vector"),
        BLOB => {
            let sizes = ["tinytext", "tinyblob", "text", "blob", "mediumtext", "mediumblob", "longtext", "longblob"];
            of_size(sizes) || word == "json"
        }
        _ => true,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_not_believed_about_a_column_that_was_altered_since() {
        use type_id::*;
        let known = |data_type: &str, column_type: &str| CatalogColumn {
            name: "c".into(),
            data_type: data_type.into(),
            column_type: column_type.into(),
            not_null: false,
            default: None,
            charset: String::new(),
            primary_key: false,
            key_position: 0,
            comment: String::new(),
        };
        let mapped =
            |type_id, meta, is_unsigned| MappedColumn { type_id, meta, is_unsigned, ..MappedColumn::default() };
        for (mapped, data_type, column_type, is) in [
            (mapped(LONG, 0, Some(false)), "int", "int(11)", true),
            (mapped(LONG, 0, Some(false)), "bigint", "bigint unsigned", false),
            (mapped(LONG, 0, Some(true)), "int", "int(10)", false),
            (mapped(NEWDECIMAL, 10 << 8 | 2, None), "decimal", "decimal(10,2)", true),
            (mapped(NEWDECIMAL, 10 << 8 | 2, None), "decimal", "decimal(12,4)", false),
            (mapped(DATETIME2, 3, None), "datetime", "datetime(3)", true),
            (mapped(DATETIME2, 0, None), "datetime", "datetime(3)", false),
            (mapped(BLOB, 2, None), "text", "text", true),
            (mapped(BLOB, 4, None), "text", "text", false),
            (mapped(STRING, 16, None), "uuid", "uuid", true),
            (mapped(GEOMETRY, 4, None), "point", "point", true),
        ] {
            assert_eq!(is_as_logged(&mapped, &known(data_type, column_type)), is, "{mapped:?} {column_type}");
        }
    }

    #[test]
    fn declared_types_are_taken_apart() {
        for (text, name, modifiers, labels) in [
            ("bigint unsigned", "bigint unsigned", vec![], vec![]),
            ("decimal(10,2) unsigned zerofill", "decimal unsigned zerofill", vec![10, 2], vec![]),
            ("datetime(6)", "datetime", vec![6], vec![]),
            ("enum('a','b,c','it''s','(x)','')", "enum", vec![], vec!["a", "b,c", "it's", "(x)", ""]),
            ("set('é')", "set", vec![], vec!["é"]),
        ] {
            let labels = labels.into_iter().map(Into::into).collect();
            assert_eq!(Declared::read(text), Declared { name: name.into(), modifiers, labels }, "{text}");
        }
    }
}
