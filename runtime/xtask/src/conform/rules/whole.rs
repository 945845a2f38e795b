//! Records that one side has alone: beyond where Debezium stopped, and what one of the two never sees.

use super::definition::is_elsewhere;
use super::{Alone, BINLOG, Case, Flavour, MARIADB, MYSQL, Position, Record, Rule, document, payload};

/// The placeholder of a large value that was not touched, as the bytes of a number.
const UNTOUCHED: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

const fn rule(name: &'static str, flavours: &'static [Flavour]) -> Rule {
    Rule { name, flavours, reshapes: false, holds: |_| false }
}

const PARTIAL_JSON: &Rule = &rule("my-partial-json", MYSQL);
const STATEMENT: &Rule = &rule("my-statement", BINLOG);
const XA: &Rule = &rule("my-xa", BINLOG);
const BEGIN_ALONE: &Rule = &rule("my-begin-alone", MARIADB);
const NOT_NULL: &Rule = &rule("stop-not-null", super::POSTGRES);

const ROW_IMAGE: &Rule = &rule("stop-row-image", BINLOG);
const REPLACE_TABLE: &Rule = &rule("stop-replace-table", MARIADB);
const INET: &Rule = &rule("stop-inet", MARIADB);
const COMPRESSED: &Rule = &rule("stop-compressed", MARIADB);
const INVALID_DATE: &Rule = &rule("stop-invalid-date", BINLOG);
const DUALITY_VIEW: &Rule = &rule("stop-duality-view", MYSQL);

/// What the statements hold, and which rule says that it stops Debezium.
const STOPS: [(&str, &Rule); 8] = [
    ("binlog_row_image = minimal", ROW_IMAGE),
    ("binlog_row_image = noblob", ROW_IMAGE),
    ("create or replace table", REPLACE_TABLE),
    (" inet4", INET),
    (" inet6", INET),
    (" compressed", COMPRESSED),
    ("allow_invalid_dates", INVALID_DATE),
    ("relational duality view", DUALITY_VIEW),
];

const ELSEWHERE: &Rule = &rule("my-ddl-elsewhere", BINLOG);

#[cfg(test)]
pub(super) const RULES: [&Rule; 11] = [
    ELSEWHERE,
    PARTIAL_JSON,
    STATEMENT,
    BEGIN_ALONE,
    NOT_NULL,
    ROW_IMAGE,
    REPLACE_TABLE,
    INET,
    COMPRESSED,
    INVALID_DATE,
    DUALITY_VIEW,
];

/// What in the scenario stops Debezium.
pub(super) fn stop(case: &Case<'_>, text: &str) -> Option<&'static Rule> {
    let text = text.replace('\'', "").replace("binlog_row_image=", "binlog_row_image = ");
    let found = STOPS.iter().find(|(words, rule)| rule.flavours.contains(&case.flavour()) && text.contains(words));
    found.map(|(_, rule)| *rule)
}

/// Ours goes on where Debezium stopped: everything of ours that follows is behind all that both have.
pub(super) fn extra(case: &Case<'_>, alone: &Alone<'_>) -> Option<&'static Rule> {
    let is_behind = alone.both_until.is_none_or(|until| alone.at > until);
    if let Some(rule) = case.stop.filter(|_| is_behind) {
        return Some(rule);
    }
    if is_behind && case.flavour() == Flavour::Postgres && loses_what_may_not_be_null(case, alone.both_until) {
        return Some(NOT_NULL);
    }
    if is_of_transactions(alone) && case.is_of_binlog() && case.stream.contains("xa commit") {
        return Some(XA);
    }
    let is_partial = case.flavour() == Flavour::Mysql && case.stream.contains("partial_json");
    (is_partial && has_json_column(case, alone.topic)).then_some(PARTIAL_JSON)
}

fn is_of_transactions(alone: &Alone<'_>) -> bool {
    alone.topic.ends_with(".transaction")
}

/// Ours has stopped where a change was logged as a statement, and said so; it tells nothing of what never was; or nobody asked for the
/// table of a definition.
pub(super) fn missing(case: &Case<'_>, alone: &Alone<'_>) -> Option<&'static Rule> {
    if is_elsewhere(case, alone.masked) {
        return Some(ELSEWHERE);
    }
    if case.flavour() == Flavour::Mariadb && is_of_transactions(alone) && alone.op == "\"BEGIN\"" {
        return Some(BEGIN_ALONE);
    }
    if case.is_of_binlog() && !is_of_transactions(alone) && case.stream.contains("xa rollback") {
        return Some(XA);
    }
    let text = case.stream.replace('\'', "").replace("binlog_format=", "binlog_format = ");
    let is_statement = ["statement", "mixed"].iter().any(|format| text.contains(&format!("binlog_format = {format}")));
    let has_stopped = case.run.last_words.as_deref().is_some_and(|words| words.contains("as a statement, not as rows"));
    (case.flavour() != Flavour::Postgres && is_statement && has_stopped && alone.is_behind_all).then_some(STATEMENT)
}

fn has_json_column(case: &Case<'_>, topic: &str) -> bool {
    case.tables.get(topic).is_some_and(|table| case.run.columns.of_table(table).any(|d| d.type_name == "json"))
}

/// Whether a column that may not be null has, behind all that both sides have, a value that Debezium makes null of.
fn loses_what_may_not_be_null(case: &Case<'_>, both_until: Option<Position>) -> bool {
    let is_behind = |record: &&Record| both_until.is_none_or(|until| record.at > until);
    let loses = |topic: &str, record: &Record| {
        let Some(document) = record.value.as_deref().and_then(document) else { return false };
        let Some(after) = payload(&document.root).get("after") else { return false };
        after.members().iter().any(|(column, node)| {
            let mut declared = case.declared(topic, column).iter().filter(|d| d.not_null);
            declared.any(|d| is_lost(&d.type_name, document.raw(node)))
        })
    };
    case.run.topics.iter().any(|(topic, records)| records.iter().filter(is_behind).any(|record| loses(topic, record)))
}

/// As the rules of single values have it.
fn is_lost(type_name: &str, ours: &str) -> bool {
    let is_array = type_name.ends_with("[]");
    let has = |words: &[&str]| words.iter().any(|word| ours.contains(word));
    match type_name {
        "name" => ours.starts_with('"'),
        _ if type_name.starts_with("bit") && is_array => ours.starts_with('['),
        _ if type_name.starts_with("enum ") || type_name.starts_with("tsvector") => is_array && has(&["null"]),
        _ if type_name.starts_with("numeric") => {
            has(&["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", UNTOUCHED]) || is_array && has(&["null"])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debezium_makes_null_of_goes_by_type_and_value() {
        for (type_name, ours, is) in [
            ("name", "\"a\"", true),
            ("text", "\"a\"", false),
            ("numeric(5,2)", "\"NaN\"", true),
            ("numeric(5,2)", "\"BNI=\"", false),
            ("enum mood[]", "[\"ok\",null]", true),
            ("enum mood[]", "[\"ok\"]", false),
            ("bit(3)[]", "[]", true),
        ] {
            assert_eq!(is_lost(type_name, ours), is, "{type_name} {ours}");
        }
    }
}
