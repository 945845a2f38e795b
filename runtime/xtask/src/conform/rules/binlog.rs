//! MySQL's and MariaDB's.

use super::{BINLOG, MARIADB, MYSQL, Rule, Seen, json, unquoted};

const fn rule(name: &'static str, flavours: &'static [super::Flavour], holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours, reshapes: false, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("my-label-comma", BINLOG, |seen| {
        let is_labelled = seen.is_of(|t| t.starts_with("enum(") || t.starts_with("set("));
        is_labelled
            && (seen.is_value() || seen.is_attribute("default"))
            && seen.theirs().replace("\\\\,", ",") == seen.ours()
    }),
    rule("my-default-quote", BINLOG, |seen| {
        let may = seen.is_value() || seen.is_attribute("default");
        may && seen.theirs().contains("''") && seen.theirs().replace("''", "'") == seen.ours()
    }),
    rule("my-default-binary", BINLOG, |seen| {
        let may = seen.is_value() || seen.is_attribute("default");
        may && seen.is_of(|t| t.starts_with("binary("))
            && seen.theirs().starts_with('"')
            && seen.ours().starts_with('"')
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
        let Some(column) = seen.column().map(str::to_lowercase) else { return false };
        seen.case.stream.contains(&format!("add column if not exists {column} "))
            || seen.case.stream.contains(&format!("add column if not exists `{column}` "))
    }),
    rule("my-catalog-later", BINLOG, |seen| {
        (seen.is_attribute("default") || seen.is_attribute("doc")) && seen.case.changes_while_streaming(seen.topic)
    }),
];

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
