//! Records that one side has alone: beyond where Debezium stopped, and what one of the two never sees.

use super::{Alone, BINLOG, Case, Flavour, MARIADB, MYSQL, Part, Rule, payload};

const fn rule(name: &'static str, flavours: &'static [Flavour]) -> Rule {
    Rule { name, flavours, reshapes: false, holds: |_| false }
}

const PARTIAL_JSON: &Rule = &rule("my-partial-json", MYSQL);
const STATEMENT: &Rule = &rule("my-statement", BINLOG);
const NAN: &Rule = &rule("pg-nan-not-null", super::POSTGRES);

/// What the statements hold, and which rule says that it stops Debezium.
const STOPS: [(&str, &Rule); 10] = [
    ("binlog_row_image = 'minimal'", &rule("stop-row-image", BINLOG)),
    ("binlog_row_image = minimal", &rule("stop-row-image", BINLOG)),
    ("binlog_row_image = 'noblob'", &rule("stop-row-image", BINLOG)),
    ("binlog_row_image = noblob", &rule("stop-row-image", BINLOG)),
    ("create or replace table", &rule("stop-replace-table", MARIADB)),
    (" inet4", &rule("stop-inet", MARIADB)),
    (" inet6", &rule("stop-inet", MARIADB)),
    (" compressed", &rule("stop-compressed", MARIADB)),
    ("allow_invalid_dates", &rule("stop-invalid-date", BINLOG)),
    ("relational duality view", &rule("stop-duality-view", MYSQL)),
];

#[cfg(test)]
pub(super) const RULES: [&Rule; 9] =
    [PARTIAL_JSON, STATEMENT, NAN, STOPS[0].1, STOPS[4].1, STOPS[5].1, STOPS[7].1, STOPS[8].1, STOPS[9].1];

/// What in the scenario stops Debezium.
pub(super) fn stop(case: &Case<'_>, text: &str) -> Option<&'static Rule> {
    let text = text.replace("binlog_row_image=", "binlog_row_image = ").replace("global ", "session ");
    let found = STOPS.iter().find(|(words, rule)| rule.flavours.contains(&case.flavour()) && text.contains(words));
    found.map(|(_, rule)| *rule)
}

/// Ours goes on where Debezium stopped: everything of ours that follows is behind all that both have.
pub(super) fn extra(case: &Case<'_>, alone: &Alone<'_>) -> Option<&'static Rule> {
    let is_behind = alone.both_until.is_none_or(|until| alone.at > until);
    if let Some(rule) = case.stop.filter(|_| is_behind) {
        return Some(rule);
    }
    if is_behind && case.flavour() == Flavour::Postgres && says_not_a_number(case, alone) {
        return Some(NAN);
    }
    let is_partial = case.flavour() == Flavour::Mysql && case.stream.contains("partial_json");
    (is_partial && has_json_column(case, alone.topic)).then_some(PARTIAL_JSON)
}

/// Ours has stopped where a change was logged as a statement, and said so.
pub(super) fn missing(case: &Case<'_>, alone: &Alone<'_>) -> Option<&'static Rule> {
    let is_statement =
        case.stream.contains("binlog_format = 'statement'") || case.stream.contains("binlog_format = statement");
    let has_stopped = case.run.last_words.as_deref().is_some_and(|words| words.contains("as a statement, not as rows"));
    (case.flavour() != Flavour::Postgres && is_statement && has_stopped && alone.is_behind_all).then_some(STATEMENT)
}

fn has_json_column(case: &Case<'_>, topic: &str) -> bool {
    case.tables.get(topic).is_some_and(|table| case.run.columns.of_table(table).any(|d| d.type_name == "json"))
}

/// A value of a decimal column that may not be null is no number.
fn says_not_a_number(case: &Case<'_>, alone: &Alone<'_>) -> bool {
    let Some(Part::Json(document)) = &alone.masked.value else { return false };
    let Some(after) = payload(&document.root).get("after") else { return false };
    after.members().iter().any(|(column, node)| {
        let is_decimal =
            case.declared(alone.topic, column).iter().any(|d| d.not_null && d.type_name.starts_with("numeric"));
        is_decimal && matches!(document.raw(node), "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"")
    })
}
