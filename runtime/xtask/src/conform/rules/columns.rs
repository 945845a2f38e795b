//! Of what options say about single columns, whatever the database.

use super::{ALL, BINLOG, POSTGRES, Rule, Seen, unquoted};

const fn rule(name: &'static str, flavours: &'static [super::Flavour], holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours, reshapes: false, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("column-cut-half", ALL, |seen| {
        let rest = seen.theirs().trim_end_matches('"').strip_prefix(seen.ours().trim_end_matches('"'));
        seen.is_value() && rest.is_some_and(|rest| rest.len() == 6 && rest.starts_with("\\uD"))
    }),
    rule("column-cut-placeholder", ALL, |seen| {
        let is_placeholder = seen.ours() == "\"__debezium_unavailable_value\"";
        let rest = seen.ours().trim_end_matches('"').strip_prefix(seen.theirs().trim_end_matches('"'));
        seen.is_value() && is_placeholder && rest.is_some()
    }),
    rule("column-mask-first", ALL, |seen| {
        let parameters =
            seen.is_attribute("parameters") || seen.is_attribute("masked") || seen.is_attribute("truncateLength");
        let is_cut = |other: &super::Difference| {
            let of_schema =
                other.place == super::Place::ValueSchema && other.path.get(1).map(String::as_str) == seen.column();
            of_schema && other.path.last().is_some_and(|last| last == "truncateLength")
        };
        parameters && (is_cut(seen.difference) || seen.all.iter().any(is_cut))
            || seen.is_value() && is_masked(seen) && seen.all.iter().any(is_cut)
    }),
    rule("column-mask-text", ALL, |seen| {
        let is_character = |declared: &str| {
            let first = declared.split(['(', ' ']).next().unwrap_or_default();
            matches!(first, "char" | "character" | "varchar" | "text" | "bpchar" | "name" | "enum" | "set")
                || first.ends_with("text") && first != "citext"
        };
        seen.is_value() && is_masked(seen) && seen.column().is_some() && !seen.is_of(is_character)
    }),
    rule("pg-interval-scale", POSTGRES, |seen| {
        seen.is_attribute("__debezium.source.column.scale") && seen.theirs() == "\"65535\""
    }),
    rule("my-type-words", BINLOG, |seen| {
        let is_width =
            seen.is_attribute("__debezium.source.column.length") && seen.is_of(|declared| declared.contains("int"));
        is_width || seen.is_attribute("__debezium.source.column.type")
    }),
];

fn is_masked(seen: &Seen<'_>) -> bool {
    unquoted(seen.ours()).is_some_and(|text| text.bytes().all(|byte| byte == b'*'))
}
