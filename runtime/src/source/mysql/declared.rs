//! What the catalog says of a column's type, and whether it is still what the log says.

use super::rules::CatalogColumn;
use super::table_map::{MappedColumn, type_id};

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

/// A type's text taken apart: `decimal(10,2) unsigned`, `enum('a','it''s')`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// Without what stands between parentheses.
    pub(super) name: String,
    pub(super) modifiers: Vec<i32>,
    pub(super) labels: Vec<String>,
}

impl Declared {
    pub(super) fn read(column_type: &str) -> Self {
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
            extra: String::new(),
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
