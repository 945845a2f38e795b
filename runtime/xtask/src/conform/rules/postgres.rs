//! PostgreSQL's.

use super::{POSTGRES, Place, Rule, Seen};

/// Of 0001-01-01, as days and seconds from 1970.
const CHRIST_DAYS: i128 = -719_162;
const CHRIST_S: i128 = -62_135_596_800;
const DAY_S: i128 = 86_400;
/// Of 1582-10-15, when the calendar changed.
const GREGORY_S: i128 = -12_219_292_800;
/// The placeholder as base64, as text, and as the numbers of its first signs.
const PLACEHOLDERS: [&str; 3] =
    ["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "__debezium_unavailable_value", "[95.0,95.0,100.0,101.0"];

const fn rule(name: &'static str, reshapes: bool, holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours: POSTGRES, reshapes, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("pg-message-collection", false, |seen| {
        let is_name = seen.difference.path.last().is_some_and(|last| last == "data_collection");
        is_name && seen.theirs().contains("LogicalDecodingMessageId@") && seen.ours() == "\"message\""
    }),
    rule("pg-name", false, |seen| seen.is_lost() && seen.is_of(|t| t == "name")),
    rule("pg-dimensions", true, |seen| {
        let is_unreadable = seen.theirs() == "null" || seen.theirs().contains("[Ljava.lang.");
        seen.is_value() && seen.is_inside() && is_unreadable && seen.ours().starts_with('[') && seen.is_of(is_array)
    }),
    rule("pg-bit-array", false, |seen| {
        let is_bits = seen.is_of(|t| t.starts_with("bit") && is_array(t));
        is_bits && (seen.is_schema() || seen.is_lost() && seen.ours().starts_with('['))
    }),
    rule("pg-null-in-array", true, |seen| {
        let needs_all = seen.is_of(|t| is_array(t) && needs_all_items(t));
        needs_all && seen.is_lost() && has_item(seen.ours(), &["null"])
    }),
    rule("pg-nan-in-array", false, |seen| {
        let not_numbers = ["null", "\"NAN\"", "\"POSITIVE_INFINITY\"", "\"NEGATIVE_INFINITY\"", "\"NaN\""];
        seen.is_lost() && seen.is_of(|t| t.starts_with("numeric") && is_array(t)) && has_item(seen.ours(), &not_numbers)
    }),
    rule("pg-era-in-array", false, |seen| {
        let is_dated = seen.is_of(|t| is_array(t) && (t.starts_with("date") || t.starts_with("timestamp")));
        is_dated && seen.is_value() && seen.is_inside() && has_lost_its_era(seen)
    }),
    rule("pg-time-array", false, |seen| {
        let is_time = seen.is_of(|t| is_array(t) && t.starts_with("time") && !t.starts_with("timestamp"));
        is_time && seen.is_value() && seen.is_inside() && is_cut(seen.theirs(), seen.ours())
    }),
    rule("pg-timestamp-limit", false, |seen| {
        let (theirs, ours) = (number(seen.theirs()), number(seen.ours()));
        // To the past, or to infinity.
        let wraps = theirs.is_some_and(|n| n < 0 || n == i128::from(i64::MAX))
            && ours.is_some_and(|n| n > 9_223_372_036_800_000_000);
        (seen.is_value() || seen.is_attribute("default")) && wraps && seen.is_of(|t| t.starts_with("timestamp"))
    }),
    rule("pg-interval-micros", false, |seen| {
        // A number with a fraction of 53 bits is cut off behind the microseconds.
        let is_beside = |theirs: i128, ours: i128| (theirs - ours).abs() <= 1 + (ours.abs() >> 50);
        let numbers = (number(seen.theirs()), number(seen.ours()));
        let is_cut = matches!(numbers, (Some(theirs), Some(ours)) if is_beside(theirs, ours));
        (seen.is_value() || seen.is_attribute("default")) && is_cut && seen.is_of(|t| t.starts_with("interval"))
    }),
    rule("pg-default-quote", false, |seen| {
        let is_doubled = seen.theirs().replace("''", "'") == seen.ours() && seen.theirs() != seen.ours();
        (seen.is_value() || seen.is_attribute("default")) && is_doubled && seen.is_of(|t| t.starts_with("enum "))
    }),
    rule("pg-dotted-type", false, |seen| seen.is_lost() && seen.case.declares_dotted_domain()),
    rule("pg-partial-index", false, |seen| {
        let is_key = matches!(seen.difference.place, Place::Key | Place::KeySchema);
        is_key
            && seen.difference.path.is_empty()
            && seen.difference.ours.is_none()
            && seen.case.is_indexed_in_part(seen.topic)
    }),
    rule("pg-zone-seconds", false, |seen| {
        seen.is_lost()
            && seen.ours().starts_with('"')
            && seen.is_of(|t| t.starts_with("time") && t.contains("with time zone"))
    }),
    rule("pg-negative-scale", false, |seen| {
        let is_negative = seen.is_of(|t| t.starts_with("numeric(") && t.contains(",-"));
        let is_scale = seen.is_attribute("scale") || seen.is_attribute("__debezium.source.column.scale");
        is_negative && (seen.is_value() && is_much_longer(seen.theirs(), seen.ours()) || is_scale)
    }),
    rule("pg-number-vectors", false, |seen| {
        seen.is_value()
            && seen.theirs() == "[]"
            && seen.ours().starts_with('[')
            && seen.is_of(|t| matches!(t, "int2vector" | "oidvector"))
    }),
    rule("pg-untouched-numbers", false, |seen| {
        let is_number = seen.is_of(|t| t.starts_with("numeric") || matches!(t, "double precision[]" | "real[]"));
        is_number && seen.is_lost() && PLACEHOLDERS.iter().any(|sign| seen.ours().contains(sign))
    }),
    rule("pg-index-identity", false, |seen| {
        let table = seen.case.tables.get(seen.topic);
        let is_key = match seen.difference.place {
            Place::Key | Place::KeySchema => true,
            Place::Headers => seen.difference.path.first().is_some_and(|name| name.ends_with("key")),
            Place::Value | Place::ValueSchema => false,
        };
        is_key && table.is_some_and(|table| seen.case.run.columns.is_known_by_index(table))
    }),
    rule("pg-default-expression", false, |seen| {
        let is_left_out = seen.is_attribute("default") && seen.difference.ours.is_none();
        let is_null = seen.is_value() && !seen.is_inside() && seen.ours() == "null";
        let is_expression = |text: &str| text.starts_with('(');
        (is_left_out || is_null) && seen.has_default(is_expression)
    }),
    rule("pg-catalog-later", false, |seen| {
        let is_whole_key = seen.difference.path.is_empty() && seen.difference.theirs.is_none();
        let is_declared = ["default", "optional", "allowed"].iter().any(|name| seen.is_attribute(name));
        let is_key = matches!(seen.difference.place, Place::Key | Place::KeySchema) && is_whole_key;
        (is_key || is_declared) && seen.case.changes_while_streaming(seen.topic)
    }),
];

fn is_array(type_name: &str) -> bool {
    type_name.ends_with("[]")
}

/// Arrays of which Connect is told that nothing in them is null: of enumerations, and of what Debezium does not know.
fn needs_all_items(type_name: &str) -> bool {
    const KNOWN: [&str; 26] = [
        "bigint",
        "bit",
        "boolean",
        "bytea",
        "\"char\"",
        "character",
        "cidr",
        "citext",
        "date",
        "double",
        "hstore",
        "inet",
        "int",
        "json",
        "mac",
        "money",
        "name",
        "num",
        "oid",
        "point",
        "real",
        "smallint",
        "text",
        "time",
        "ts",
        "uuid",
    ];
    type_name.starts_with("tsvector") || !KNOWN.iter().any(|known| type_name.starts_with(known))
}

fn number(raw: &str) -> Option<i128> {
    raw.parse().ok()
}

/// Whether one of these stands among the items of an array.
fn has_item(array: &str, items: &[&str]) -> bool {
    let inside = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    inside.split(',').any(|item| items.contains(&item))
}

/// A day before Christ that Debezium shows as one after, or a `-infinity` that it shows as a day.
fn has_lost_its_era(seen: &Seen<'_>) -> bool {
    let (theirs, ours) = (seen.theirs(), seen.ours());
    let is_old = |raw: &str| {
        raw.trim_matches('"').get(..4).and_then(|year| year.parse().ok()).is_some_and(|year: u32| year <= 1582)
    };
    if is_old(theirs) && is_old(ours) && theirs.starts_with('"') {
        return true;
    }
    if ours == "\"-infinity\"" || ours.starts_with("\"-") || ours.starts_with("\"0000-") {
        return true;
    }
    let (Some(theirs), Some(ours)) = (number(theirs), number(ours)) else { return false };
    let crosses = |limit: i128| ours < limit && theirs >= limit;
    // Or some days beside it, in the calendar of that time.
    let is_beside = |unit: i128| {
        let apart = (theirs - ours).abs();
        ours < GREGORY_S * unit && apart % (DAY_S * unit) == 0 && apart <= 40 * DAY_S * unit
    };
    crosses(CHRIST_DAYS)
        || [1_000, 1_000_000, 1_000_000_000].iter().any(|unit| crosses(CHRIST_S * unit) || is_beside(*unit))
}

/// The same with two thousand digits behind the point, or multiplied by as many tens.
fn is_much_longer(theirs: &str, ours: &str) -> bool {
    const DIGITS: usize = 800;
    match theirs.split_once('.') {
        Some((whole, zeros)) => whole == ours.trim_end_matches('"') && zeros.trim_matches(['0', '"']).is_empty(),
        None => theirs.len() > ours.len() + DIGITS,
    }
}

/// A time of day without its microseconds, or midnight for the end of the day.
fn is_cut(theirs: &str, ours: &str) -> bool {
    if let (Some(theirs), Some(ours)) = (number(theirs), number(ours)) {
        let ends_the_day = [86_400_000, 86_400_000_000, 86_400_000_000_000].contains(&ours);
        let is_shorter = [1_000, 1_000_000].iter().any(|unit| theirs == ours - ours.rem_euclid(*unit));
        return is_shorter || theirs == 0 && ends_the_day;
    }
    let bare = |text: &str| text.trim_matches('"').trim_end_matches('Z').to_owned();
    bare(ours).starts_with(&bare(theirs)) && bare(theirs).len() >= "00:00:00".len()
}
