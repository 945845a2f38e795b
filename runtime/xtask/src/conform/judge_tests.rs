//! A comparer that can not fail is worth nothing: whatever is done to one of four records is seen.

use super::*;
use crate::conform::folder::Flavour;
use crate::conform::recording::Record;
use crate::conform::script::Script;
use crate::conform::server::Columns;

const TOPIC: &str = "app.public.t";

fn record(id: u64, text: &str, ts_ms: u64) -> Record {
    let value = format!(
        r#"{{"before":null,"after":{{"id":{id},"v":"{text}"}},"source":{{"connector":"postgresql","schema":"public","table":"t","ts_ms":{ts_ms}}},"op":"c"}}"#
    );
    let headers = vec![("__debezium.context.runId".to_owned(), Some(ts_ms.to_string().into_bytes()))];
    Record { key: Some(format!(r#"{{"id":{id}}}"#).into()), value: Some(value.into()), headers, at: [id, 0, 0, 0] }
}

fn four(ts_ms: u64) -> Vec<Record> {
    (1..=4).map(|id| record(id, "v", ts_ms)).collect()
}

fn topics(records: Vec<Record>) -> Topics {
    [(TOPIC.to_owned(), records)].into()
}

fn judged_on(flavour: Flavour, sql: &str, ours: Topics) -> Verdict {
    let script = Script::read(sql, flavour).expect("a script");
    let scenario = Scenario { flavour, name: "x/y".into(), script, recordings: Vec::new() };
    let run = Run { topics: ours, columns: Columns::default(), last_words: None };
    judge(&scenario, &topics(four(1)), &run)
}

fn judged(ours: Vec<Record>) -> Verdict {
    judged_on(Flavour::Postgres, "", topics(ours))
}

/// Equal, missing, extra, different.
fn counts(verdict: &Verdict) -> [usize; 4] {
    [verdict.equal, verdict.missing, verdict.extra, verdict.different]
}

#[test]
fn what_differs_from_run_to_run_only_is_equal() {
    let verdict = judged(four(2));
    assert_eq!((verdict.records, counts(&verdict)), (4, [4, 0, 0, 0]));
    assert_eq!(verdict.first_difference, None);
}

#[test]
fn a_changed_byte_is_seen_in_value_key_and_header() {
    let mut ours = four(2);
    ours[1] = record(2, "w", 2);
    let verdict = judged(ours);
    assert_eq!(counts(&verdict), [3, 0, 0, 1]);
    let shown = verdict.first_difference.expect("one");
    assert_eq!((shown.topic.as_str(), shown.record, shown.place.as_str()), (TOPIC, 1, "value after.v"));
    let mut ours = four(2);
    ours[3].key = Some(br#"{"id": 4}"#.to_vec());
    assert_eq!(counts(&judged(ours)), [3, 0, 0, 1]);
    let mut ours = four(2);
    ours[0].headers.push(("more".into(), None));
    assert_eq!(counts(&judged(ours)), [3, 0, 0, 1]);
}

#[test]
fn a_missing_record_an_extra_one_and_a_tombstone_too_few_are_seen() {
    let mut ours = four(2);
    ours.remove(2);
    assert_eq!(counts(&judged(ours)), [3, 1, 0, 1]);
    let mut ours = four(2);
    ours.push(record(5, "v", 2));
    assert_eq!(counts(&judged(ours)), [4, 0, 1, 1]);
    let mut ours = four(2);
    ours[3].value = None;
    assert_eq!(counts(&judged(ours)), [3, 1, 1, 2]);
    let mut other = topics(four(2));
    other.insert("app.public.u".into(), vec![record(1, "v", 2)]);
    assert_eq!(counts(&judged_on(Flavour::Postgres, "", other)), [4, 0, 1, 1]);
}

#[test]
fn a_wrong_order_is_seen() {
    let mut ours = four(2);
    ours.swap(1, 2);
    let verdict = judged(ours);
    assert!(verdict.different > 0 && verdict.equal < 4, "{verdict:?}");
}

#[test]
fn what_follows_debeziums_stop_is_explained_and_what_comes_before_is_not() {
    let sql = "-- @stream\nCREATE TABLE t (i inet4);";
    let mut ours = four(2);
    ours.push(record(5, "v", 2));
    let verdict = judged_on(Flavour::Mariadb, sql, topics(ours.clone()));
    assert_eq!((counts(&verdict), verdict.explained), ([4, 0, 0, 0], 1));
    assert_eq!(verdict.rules, [("stop-inet", 1)].into());
    ours[4].at = [2, 0, 0, 0];
    assert_eq!(counts(&judged_on(Flavour::Mariadb, sql, topics(ours))), [4, 0, 1, 1]);
}

/// A record of a statement on `shop.NAME`, which has `columns`.
fn statement(ddl: &str, name: &str, columns: &str, snapshot: &str) -> Record {
    let value = format!(
        r#"{{"source":{{"connector":"mysql","snapshot":"{snapshot}","table":"{name}"}},"ts_ms":1,"databaseName":"shop","ddl":"{ddl}","tableChanges":[{{"type":"ALTER","id":"\"shop\".\"{name}\"","table":{{"columns":[{columns}]}}}}]}}"#
    );
    Record { key: Some(br#"{"databaseName":"shop"}"#.to_vec()), value: Some(value.into()), ..record(1, "v", 1) }
}

fn judged_statements(recorded: Vec<Record>, ours: Vec<Record>) -> Verdict {
    let topics = |records| [("app".to_owned(), records)].into();
    judged_beside(Flavour::Mysql, "", &topics(recorded), topics(ours))
}

#[test]
fn records_of_a_snapshot_are_left_out_and_never_equal() {
    let recorded = vec![statement("CREATE TABLE t", "t", "1", "true"), statement("ALTER TABLE t", "t", "2", "false")];
    let verdict = judged_statements(recorded, vec![statement("ALTER TABLE t", "t", "2", "false")]);
    assert_eq!((verdict.records, counts(&verdict)), (2, [1, 0, 0, 0]));
    assert_eq!(verdict.unsupported, [("initial snapshot".to_owned(), 1)].into());
}

#[test]
fn a_later_state_of_a_table_is_explained_and_an_earlier_or_another_one_is_not() {
    let of = |columns: [&str; 2]| {
        let told = |ddl: &str, columns| statement(ddl, "t", columns, "false");
        vec![told("ALTER TABLE t ADD a", columns[0]), told("ALTER TABLE t ADD b", columns[1])]
    };
    let judged = |ours| judged_statements(of(["1", "1,2"]), of(ours));
    assert_eq!(counts(&judged(["1", "1,2"])), [2, 0, 0, 0]);
    let later = judged(["1,2", "1,2"]);
    assert_eq!((counts(&later), later.rules), ([1, 0, 0, 0], [("my-ddl-later", 1)].into()));
    assert_eq!(counts(&judged(["1", "1"])), [1, 0, 0, 1]);
    assert_eq!(counts(&judged(["3", "1,2"])), [1, 0, 0, 1]);
    let mut ours = of(["1", "1,2"]);
    ours.pop();
    assert_eq!(counts(&judged_statements(of(["1", "1,2"]), ours)), [1, 1, 0, 1]);
}

fn judged_beside(flavour: Flavour, sql: &str, recorded: &Topics, ours: Topics) -> Verdict {
    let script = Script::read(sql, flavour).expect("a script");
    let scenario = Scenario { flavour, name: "x/y".into(), script, recordings: Vec::new() };
    judge(&scenario, recorded, &Run { topics: ours, columns: Columns::default(), last_words: None })
}

fn bounds(all: &[(u64, &str)]) -> Topics {
    let bound = |(id, status): &(u64, &str)| {
        let value =
            format!(r#"{{"status":"{status}","id":"0-1-{id}","event_count":null,"data_collections":null,"ts_ms":1}}"#);
        Record { value: Some(value.into()), headers: Vec::new(), ..record(*id, "", 1) }
    };
    [("app.transaction".to_owned(), all.iter().map(bound).collect())].into()
}

#[test]
fn ends_of_transactions_are_paired_by_which_end_they_are() {
    let theirs = bounds(&[(1, "BEGIN"), (2, "BEGIN"), (2, "END")]);
    let ours = || bounds(&[(2, "BEGIN"), (2, "END")]);
    let verdict = judged_beside(Flavour::Mariadb, "", &theirs, ours());
    assert_eq!((verdict.equal, verdict.explained, verdict.different), (2, 1, 0));
    assert_eq!(verdict.rules, [("my-begin-alone", 1)].into());
    let verdict = judged_beside(Flavour::Mysql, "", &theirs, ours());
    assert_eq!((verdict.equal, verdict.missing), (2, 1), "MySQL's connector begins nothing that it does not end");
    // What is told of a transaction in two phases is ours alone, and only there.
    let two_phases = "-- @stream\nXA START 'x'; XA COMMIT 'x';";
    for (sql, extra) in [(two_phases, 0), ("", 2)] {
        let verdict = judged_beside(
            Flavour::Mysql,
            sql,
            &bounds(&[(1, "BEGIN")]),
            bounds(&[(1, "BEGIN"), (2, "BEGIN"), (2, "END")]),
        );
        assert_eq!((verdict.equal, verdict.extra), (1, extra), "{sql}");
    }
}
