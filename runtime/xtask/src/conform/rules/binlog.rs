//! MySQL's and MariaDB's.

use super::{BINLOG, MARIADB, MYSQL, Place, Rule, Seen, json, unquoted};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const fn rule(name: &'static str, flavours: &'static [super::Flavour], holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours, reshapes: false, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("my-label-comma", BINLOG, |seen| {
        let is_labelled = seen.is_of(|t| t.starts_with("enum(") || t.starts_with("set("));
        let is_of_statement = seen.difference.path.iter().any(|part| part == "enumValues");
        (is_labelled || is_of_statement)
            && (is_of_statement || seen.is_value() || seen.is_attribute("default") || seen.is_attribute("allowed"))
            && bare_label(seen.theirs()) == bare_label(seen.ours())
    }),
    rule("my-default-quote", BINLOG, |seen| {
        let is_comment = seen.difference.path.last().is_some_and(|last| last == "comment");
        let may = seen.is_value() || seen.is_attribute("default") || seen.is_default_of_statement() || is_comment;
        let bare = |text: &str| without_doubled_backslashes(&text.replace("''", "'")).replace("\\\\n", "\\n");
        may && seen.theirs() != seen.ours() && bare(seen.theirs()) == bare(seen.ours())
    }),
    rule("my-charset", BINLOG, |seen| {
        // A charset that Java knows otherwise or not at all.
        let is_text = |raw: &str| raw.starts_with('"') && !raw.is_ascii();
        let names = ["dec8", "hp8", "swe7", "keybcs2", "armscii8", "geostd8", "macce", "koi8u", "latin1"];
        let is_declared = names.iter().any(|name| seen.case.declares(&format!("character set {name}")));
        let is_of_text = seen.is_value() && seen.is_of(|t| t.contains("char") || t.contains("text"));
        is_of_text && (is_text(seen.theirs()) || is_text(seen.ours())) && is_declared
    }),
    rule("my-synonym", BINLOG, |seen| {
        let is_boolean = match (seen.theirs(), seen.ours()) {
            ("true", "1") | ("false", "0") | ("\"boolean\"", "\"int16\"") => seen.case.declares(" bool"),
            _ => false,
        };
        let is_float = seen.is_lost() && seen.is_of(|t| t.starts_with("float"))
            || (seen.theirs(), seen.ours()) == ("\"double\"", "\"float\"");
        let is_json = seen.theirs() == "\"io.debezium.data.Json\""
            || seen.is_attribute("version") && seen.is_of(|t| t == "longtext");
        let is_mariadb = seen.case.flavour() == super::Flavour::Mariadb;
        is_boolean || is_float && seen.case.declares(" float4") || is_json && is_mariadb && seen.case.declares(" json")
    }),
    rule("my-unique-gone", BINLOG, |seen| {
        let is_key = match seen.difference.place {
            Place::Key | Place::KeySchema => true,
            Place::Headers => seen.difference.path.first().is_some_and(|name| name.ends_with("key")),
            _ => seen.difference.path.last().is_some_and(|last| last == "primaryKeyColumnNames"),
        };
        let is_of_statement = seen.difference.path.len() > 1;
        let changes = is_of_statement || seen.case.changes_while_streaming(seen.topic);
        is_key && changes && seen.case.stream.contains("drop index")
    }),
    rule("my-geometry-srid", MYSQL, |seen| {
        seen.is_attribute("optional") && seen.theirs() == "true" && seen.case.declares(" srid ")
    }),
    rule("my-binary-zero", BINLOG, |seen| {
        let is_zeros = BASE64_STANDARD.decode(seen.theirs().trim_matches('"')).is_ok_and(|b| b.iter().all(|b| *b == 0));
        seen.is_value() && seen.ours() == "\"\"" && is_zeros && seen.is_of(|t| t == "binary(0)")
    }),
    rule("my-default-binary", BINLOG, |seen| {
        let may = seen.is_value() || seen.is_attribute("default");
        let is_spelled =
            || has_spelled_zeros(seen.theirs(), seen.ours()) || is_spelled_in_digits(seen.theirs(), seen.ours());
        may && seen.is_of(|t| t.starts_with("binary(") || t.starts_with("varbinary(")) && is_spelled()
    }),
    rule("my-default-large", BINLOG, |seen| {
        let (theirs, ours) = (seen.theirs().parse::<i64>(), seen.ours().parse::<i64>());
        let is_rounded = matches!((theirs, ours), (Ok(theirs), Ok(ours)) if (ours as f64) as i64 == theirs);
        (seen.is_value() || seen.is_attribute("default")) && is_rounded && seen.is_of(|t| t.starts_with("bigint"))
    }),
    rule("my-time-beyond-a-day", BINLOG, |seen| {
        let is_beyond = seen.ours().parse::<i64>().is_ok_and(|n| !(0..=86_400_000_000).contains(&n));
        seen.is_lost() && is_beyond && seen.is_of(|t| t == "time" || t.starts_with("time("))
    }),
    rule("my-json", MYSQL, |seen| {
        let text = |raw: &str| unquoted(raw).and_then(json::Document::read);
        let (Some(theirs), Some(ours)) = (text(seen.theirs()), text(seen.ours())) else { return false };
        seen.is_value() && seen.is_of(|t| t == "json") && is_same_json((&theirs, &theirs.root), (&ours, &ours.root))
    }),
    rule("my-year-zero", BINLOG, |seen| {
        seen.is_value() && seen.theirs() == "1900" && seen.ours() == "0" && seen.is_of(|t| t.starts_with("year"))
    }),
    rule("my-date-year-zero", BINLOG, |seen| {
        let is_dated = seen.is_of(|t| t.starts_with("date") || t.starts_with("timestamp"));
        let is_nothing = matches!(seen.theirs(), "null" | "0" | "\"1970-01-01Z\"" | "\"1970-01-01T00:00:00Z\"");
        is_dated && seen.is_value() && is_nothing && is_in_year_zero(seen.ours())
    }),
    rule("my-uuid-zeros", MARIADB, |seen| {
        seen.is_value() && seen.is_of(|t| t == "uuid") && is_shifted(seen.theirs(), seen.ours())
    }),
    rule("my-uuid-default", MARIADB, |seen| {
        let is_default = seen.is_attribute("default") && seen.difference.theirs.is_none() || seen.is_lost();
        is_default && seen.is_of(|t| t == "uuid")
    }),
    rule("my-add-if-not-exists", MARIADB, |seen| {
        let Some(column) = seen.column().or_else(|| seen.defined_column()).map(str::to_lowercase) else { return false };
        seen.case.stream.contains(&format!("add column if not exists {column} "))
            || seen.case.stream.contains(&format!("add column if not exists `{column}` "))
    }),
    rule("my-xa", MYSQL, |seen| {
        let path: Vec<&str> = seen.difference.path.iter().map(String::as_str).collect();
        let is_of_the_transaction = matches!(path[..], ["source", "thread"] | ["transaction", ..]);
        is_of_the_transaction && seen.theirs() == "null" && seen.case.stream.contains("xa commit")
    }),
    rule("my-default-paren", MARIADB, |seen| {
        let may = seen.is_value() || seen.is_attribute("default") || seen.is_default_of_statement();
        let is_ours_alone = matches!(seen.theirs(), "null" | "") && !matches!(seen.ours(), "null" | "");
        may && is_ours_alone && seen.case.declares("default (")
    }),
    rule("my-catalog-later", BINLOG, |seen| {
        let is_declared = seen.is_attribute("default") || seen.is_attribute("doc");
        // What a null is written as, and what only the catalog knows to be a UUID.
        let is_default =
            seen.is_value() && ["set default", "drop default"].iter().any(|word| seen.case.stream.contains(word));
        let is_uuid = seen.is_value() && seen.is_of(|t| t == "uuid") && is_same_uuid(seen.theirs(), seen.ours());
        (is_declared || is_default || is_uuid) && seen.case.changes_while_streaming(seen.topic)
    }),
];

/// Without the backslash before a comma, and signs that stand for one.
fn bare_label(raw: &str) -> String {
    without_doubled_backslashes(&raw.replace("\\\\,", ",")).replace("\\\"\\\"", "\\\"")
}

/// Backslashes that stand for one, of which JSON makes four.
fn without_doubled_backslashes(raw: &str) -> String {
    raw.replace("\\\\\\\\", "\\\\")
}

/// Bytes whose hexadecimal digits, or the first of them, Debezium takes for the text.
fn is_spelled_in_digits(theirs: &str, ours: &str) -> bool {
    let bytes = |raw: &str| BASE64_STANDARD.decode(unquoted(raw)?).ok();
    let (Some(theirs), Some(ours)) = (bytes(theirs), bytes(ours)) else { return false };
    let digits: String = ours.iter().map(|byte| format!("{byte:02x}")).collect();
    !theirs.is_empty() && digits.as_bytes().starts_with(&theirs)
}

/// A UUID, and its sixteen bytes as base64 or in hexadecimal digits.
fn is_same_uuid(theirs: &str, ours: &str) -> bool {
    let digits: String = theirs.chars().filter(char::is_ascii_hexdigit).collect();
    let Some(ours) = unquoted(ours) else { return false };
    let of_base64 =
        || BASE64_STANDARD.decode(&ours).ok().map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect());
    digits.len() == 32 && (ours == digits || of_base64() == Some(digits))
}

/// Debezium's own spelling of what is not JSON's own: numbers, times, bytes. Everything else is the same.
fn is_same_json((a, x): (&json::Document, &json::Node), (b, y): (&json::Document, &json::Node)) -> bool {
    match (&x.kind, &y.kind) {
        (json::Kind::Object(theirs), json::Kind::Object(ours)) => {
            theirs.len() == ours.len()
                && theirs.iter().zip(ours).all(|((m, x), (n, y))| m == n && is_same_json((a, x), (b, y)))
        }
        (json::Kind::Array(theirs), json::Kind::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(x, y)| is_same_json((a, x), (b, y)))
        }
        (json::Kind::Scalar, json::Kind::Scalar) => is_same_scalar(a.raw(x), b.raw(y)),
        _ => false,
    }
}

fn is_same_scalar(theirs: &str, ours: &str) -> bool {
    if theirs == ours {
        return true;
    }
    if let (Ok(theirs), Ok(ours)) = (theirs.parse::<f64>(), ours.parse::<f64>()) {
        return theirs == ours;
    }
    let (Some(theirs), Some(ours)) = (unquoted(theirs), unquoted(ours)) else { return false };
    let is_bytes = ours.starts_with("base64:type") && ours.rsplit(':').next() == Some(&theirs);
    let is_moment = ours.len() >= "00:00:00.000000".len() && ours.as_bytes()[ours.len() - 7] == b'.';
    let digits = ours.trim_end_matches('0').trim_end_matches('.');
    // A negative time, and minutes of far years, are no times at all there.
    let is_garbage = theirs.contains(":0-") || ours.starts_with('-') || theirs.contains(":-");
    theirs == ours || is_bytes || is_moment && (theirs == digits || is_garbage)
}

/// Bytes of zero that Debezium has as a backslash and a digit.
fn has_spelled_zeros(theirs: &str, ours: &str) -> bool {
    let bytes = |raw: &str| {
        let text = unquoted(raw)?;
        let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let of_hex = || text.as_bytes().chunks(2).map(hex).collect::<Option<Vec<u8>>>();
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && !text.is_empty() { of_hex() } else { BASE64_STANDARD.decode(&text).ok() }
    };
    let (Some(theirs), Some(ours)) = (bytes(theirs), bytes(ours)) else { return false };
    let spelled: Vec<u8> = ours.iter().flat_map(|b| if *b == 0 { b"\\0".to_vec() } else { vec![*b] }).collect();
    theirs == spelled && theirs != ours
}

/// A date, a time in milliseconds or microseconds, or a text between 0000-01-01 and 0001-01-01.
fn is_in_year_zero(raw: &str) -> bool {
    const DAY_S: i64 = 86_400;
    let Ok(number) = raw.parse::<i64>() else { return raw.starts_with("\"0000-") };
    let units = [1, DAY_S * 1_000, DAY_S * 1_000_000];
    units.iter().any(|unit| (-719_528 * unit..-719_162 * unit).contains(&number))
}

/// Zero bytes at the end that Debezium puts in front.
fn is_shifted(theirs: &str, ours: &str) -> bool {
    let digits = |raw: &str| raw.chars().filter(char::is_ascii_hexdigit).collect::<String>();
    let (theirs, ours) = (digits(theirs), digits(ours));
    (1..16).any(|bytes| {
        let zeros = "00".repeat(bytes);
        ours.strip_suffix(&zeros).is_some_and(|rest| theirs == format!("{zeros}{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_but_for_spellings_that_the_page_names() {
        let same = |theirs: &str, ours: &str| {
            let read = |text: &str| json::Document::read(text.to_owned()).expect("JSON");
            let (a, b) = (read(theirs), read(ours));
            is_same_json((&a, &a.root), (&b, &b.root))
        };
        assert!(same(r#"{"a":10000000000}"#, r#"{"a":10000000000.0}"#));
        assert!(same(r#"["13:14:15","AP8Q"]"#, r#"["13:14:15.000000","base64:type15:AP8Q"]"#));
        assert!(same(r#"["839:0-60:0-59"]"#, r#"["-838:59:59.000000"]"#));
        assert!(!same(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!same(r#"{"a":1}"#, r#"{"b":1}"#));
        assert!(!same(r#"["x"]"#, r#"["y"]"#));
        assert!(!same(r#"["13:14:16"]"#, r#"["13:14:15.000000"]"#));
    }

    #[test]
    fn zero_bytes_of_a_default_are_spelled() {
        assert!(has_spelled_zeros("\"YWJcMA==\"", "\"YWIA\"") && has_spelled_zeros("\"61625c30\"", "\"616200\""));
        assert!(!has_spelled_zeros("\"YWI=\"", "\"YWIA\"") && !has_spelled_zeros("null", "\"YWIA\""));
    }

    #[test]
    fn a_shifted_uuid_is_known_by_its_zeros() {
        assert!(is_shifted("\"00123e45-67e8-9b12-d3a4-564266141740\"", "\"123e4567-e89b-12d3-a456-426614174000\""));
        assert!(!is_shifted("\"00123e45-67e8-9b12-d3a4-564266141741\"", "\"123e4567-e89b-12d3-a456-426614174000\""));
    }

    #[test]
    fn the_year_zero_is_one_year_in_every_unit() {
        for raw in ["-719528", "-62167219200000", "-62167219200000000", "\"0000-01-01Z\""] {
            assert!(is_in_year_zero(raw), "{raw}");
        }
        assert!(!is_in_year_zero("-719162") && !is_in_year_zero("null") && !is_in_year_zero("0"));
    }
}
