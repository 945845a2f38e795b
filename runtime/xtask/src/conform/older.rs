//! Recordings on a server older than the one that was recorded: what their statements say and it does not know.
//!
//! It is told something else. Where the recording would have held something else too and that is known, this is put into the
//! recording; where it is not, the table's records are left out and counted as such.

use super::folder::Scenario;
use super::recording::{Record, Topics};
use super::script::Statement;
use std::collections::BTreeMap;

struct Since {
    major: u32,
    /// Of a statement.
    words: &'static str,
    /// What an older server is told.
    instead: &'static str,
    /// Of a recorded value, before and after.
    recorded: Option<(&'static str, &'static str)>,
}

const POSTGRES: &[Since] = &[
    // A scale below zero, or beyond the precision.
    Since { major: 15, words: "numeric(5,-2)", instead: "numeric", recorded: None },
    Since { major: 15, words: "numeric(3,5)", instead: "numeric", recorded: None },
    // An octal number of the type "char".
    Since { major: 15, words: "E'\\\\351'", instead: "'x'", recorded: Some((r#""qc":"\\351""#, r#""qc":"x""#)) },
];

/// A scenario and its recording for a PostgreSQL of version `major`, if it is one, and how many records are left out, by reason.
pub fn fit(scenario: &Scenario, recorded: &mut Topics, major: Option<u32>) -> (Scenario, BTreeMap<String, usize>) {
    let mut scenario = scenario.clone();
    let mut left_out = BTreeMap::new();
    let Some(major) = major else { return (scenario, left_out) };
    for since in POSTGRES.iter().filter(|since| since.major > major) {
        for statement in scenario.script.setup.iter_mut().chain(&mut scenario.script.stream) {
            let (Statement::Sql(sql) | Statement::Copy { sql, .. }) = statement;
            if !sql.contains(since.words) {
                continue;
            }
            match since.recorded {
                Some(change) => recorded.values_mut().flatten().for_each(|record| replace(record, change)),
                None => {
                    let table = made_table(sql).unwrap_or_default();
                    let topics = recorded.iter_mut().filter(|(topic, _)| topic.rsplit('.').next() == Some(table));
                    let count: usize = topics.map(|(_, records)| std::mem::take(records).len()).sum();
                    // Of a table that another column has taken out already there is nothing left.
                    if count > 0 {
                        left_out.insert(format!("PostgreSQL {major} knows no {}: table {table}", since.words), count);
                    }
                }
            }
            *sql = sql.replace(since.words, since.instead);
        }
    }
    (scenario, left_out)
}

/// Takes what is compared of no record out of what came.
pub fn take_out(recorded: &Topics, came: &mut Topics) {
    came.retain(|topic, _| recorded.get(topic).is_none_or(|records| !records.is_empty()));
}

/// The table that `CREATE TABLE` makes, without its schema.
fn made_table(sql: &str) -> Option<&str> {
    let mut words = sql.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty());
    words.find(|word| word.eq_ignore_ascii_case("table"))?;
    words.next()?.rsplit('.').next()
}

fn replace(record: &mut Record, (from, to): (&str, &str)) {
    if let Some(text) = record.value.as_deref().and_then(|value| std::str::from_utf8(value).ok()) {
        record.value = Some(text.replace(from, to).into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::Flavour;
    use super::super::order::Position;
    use super::super::script::Script;
    use super::*;

    fn scenario(sql: &str) -> Scenario {
        let script = Script::read(sql, Flavour::Postgres).expect("a script");
        Scenario { flavour: Flavour::Postgres, name: "postgres/types".into(), script, recordings: Vec::new() }
    }

    fn recorded(topics: &[(&str, &str)]) -> Topics {
        let record = |value: &str| Record {
            key: None,
            value: Some(value.as_bytes().to_vec()),
            headers: Vec::new(),
            at: Position::default(),
        };
        topics.iter().map(|(topic, value)| ((*topic).to_owned(), vec![record(value)])).collect()
    }

    #[test]
    fn table_that_an_older_server_can_not_have_is_made_otherwise_and_not_compared() {
        let scenario =
            scenario("CREATE TABLE public.t_num(id int, n numeric(5,-2));\n-- @stream\nINSERT INTO t_num VALUES (1);");
        let mut topics = recorded(&[("app.public.t_num", "{}"), ("app.public.t_num_2", "{}")]);
        let (older, left_out) = fit(&scenario, &mut topics, Some(14));
        assert_eq!(older.script.setup[0].sql(), "CREATE TABLE public.t_num(id int, n numeric)");
        let reason = "PostgreSQL 14 knows no numeric(5,-2): table t_num".to_owned();
        assert_eq!(left_out, [(reason, 1)].into());
        let mut came = recorded(&[("app.public.t_num", "{}"), ("app.public.t_num_2", "{}"), ("app.else", "{}")]);
        take_out(&topics, &mut came);
        assert_eq!(came.keys().collect::<Vec<_>>(), ["app.else", "app.public.t_num_2"]);
    }

    #[test]
    fn value_that_an_older_server_can_not_read_is_another_on_both_sides() {
        let scenario = scenario("-- @stream\nINSERT INTO t VALUES (E'\\\\351');");
        let mut topics = recorded(&[("app.public.t", r#"{"qc":"\\351"}"#)]);
        let (older, left_out) = fit(&scenario, &mut topics, Some(14));
        assert_eq!((older.script.stream[0].sql(), left_out.len()), ("INSERT INTO t VALUES ('x')", 0));
        assert_eq!(topics, recorded(&[("app.public.t", r#"{"qc":"x"}"#)]));
    }

    #[test]
    fn server_that_was_recorded_is_told_what_was_recorded() {
        let scenario = scenario("CREATE TABLE t (n numeric(5,-2));\n-- @stream\nINSERT INTO t VALUES (1);");
        let mut topics = recorded(&[("app.public.t", "{}")]);
        for major in [Some(15), None] {
            let (same, left_out) = fit(&scenario, &mut topics, major);
            let is_same = same.script == scenario.script;
            assert_eq!((is_same, left_out.len(), topics["app.public.t"].len()), (true, 0, 1));
        }
    }
}
