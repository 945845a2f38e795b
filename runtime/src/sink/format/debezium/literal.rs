//! What the catalog says of a default: a value, a function, a word, or what nobody here evaluates.

use super::shape::Kind;
use crate::change::DatabaseKind;

/// A default's text, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Value(String),
    /// `now()`, `nextval('s'::regclass)`.
    Function,
    /// `CURRENT_USER`, a function without parentheses.
    Word(String),
}

impl Literal {
    /// The text that `pg_get_expr` gives: `7`, `'-7'::integer`, `'it''s'::text`, `now()`. `None` for null and for what must be
    /// evaluated.
    pub(super) fn of_postgres(text: &str) -> Option<Self> {
        if begins_with_call(text) {
            return Some(Self::Function);
        }
        // A number in parentheses or with a cast behind it is an expression to Debezium.
        if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-')) && text.parse::<f64>().is_ok() {
            return Some(Self::Value(text.to_owned()));
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
    pub(super) fn of_mysql(text: &str, kind: &Kind, database: DatabaseKind) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        // MySQL's catalog has no text where there is no default.
        if text == "NULL" && database == DatabaseKind::Mariadb {
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

/// `P1Y2M3DT4H5M6.789S`, as the catalog's session prints intervals: months, days, microseconds.
pub(super) fn interval(text: &str) -> Option<(i32, i32, i64)> {
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
            ("12.34", value("12.34")),
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
            ("(-7)", None),
            ("(1.5)::real", None),
            ("(0)::numeric(6,2)", None),
            ("1.5::numeric(4,1)", None),
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
        assert_eq!(of("NULL", &Kind::Text), value("NULL"));
        let of = |text: &str| Literal::of_mysql(text, &Kind::Text, DatabaseKind::Mariadb);
        assert_eq!(of("NULL"), None);
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
}
