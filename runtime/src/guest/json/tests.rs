//! Both ways of the translation, for every kind of value, and for whatever a guest may answer.

use super::Translator;
use crate::change::{Cell, FrameBuf, Op, RawCell, RowHead, Tag};
use crate::guest::instance::{TableSchema, WireColumn};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluicegate_frame::{Body, Edit, Verdict, Verdicts};
use std::collections::BTreeMap;

/// The columns of the one table, with what a value of each looks like in a row.
const COLUMNS: [(&str, Tag); 16] = [
    ("id", Tag::Int),
    ("big", Tag::UInt),
    ("ratio", Tag::Float64),
    ("price", Tag::Decimal),
    ("note", Tag::Text),
    ("data", Tag::Bytes),
    ("day", Tag::Date),
    ("clock", Tag::Time),
    ("zoned", Tag::TimeTz),
    ("local", Tag::Timestamp),
    ("at", Tag::TimestampTz),
    ("uuid", Tag::Uuid),
    ("doc", Tag::Json),
    ("flag", Tag::Bool),
    ("bits", Tag::Bits),
    ("mood", Tag::Enum),
];

fn translator() -> Translator {
    let column = |(name, tag): (&str, Tag)| WireColumn {
        name: name.into(),
        type_name: "x".into(),
        tag: tag as u8,
        key: name == "id",
    };
    let mut translator = Translator::default();
    translator.learn(&TableSchema {
        id: 3,
        source: "erp".into(),
        namespace: "public".into(),
        table: "orders".into(),
        columns: COLUMNS.map(column).into(),
        extra: Vec::new(),
    });
    translator
}

/// One row of the table: these cells, and null for the others.
fn frame(op: Op, new: &[Cell<'_>], old: &[Cell<'_>]) -> Vec<u8> {
    let mut buf = FrameBuf::new();
    for image in [new, old].into_iter().filter(|image| !image.is_empty()) {
        image.iter().for_each(|cell| buf.push(*cell));
        (image.len()..COLUMNS.len()).for_each(|_| buf.cells.push(RawCell::NULL));
    }
    let count = |image: &[Cell<'_>]| if image.is_empty() { 0 } else { COLUMNS.len() as u16 };
    buf.rows.push(RowHead {
        schema: 3,
        op,
        old_is_key: false,
        first_cell: 0,
        new_cells: count(new),
        old_cells: count(old),
        committed_at: 500_000,
        position: u64::MAX,
    });
    let mut bytes = Vec::new();
    buf.write_to(&mut bytes);
    bytes
}

fn told(frame: &[u8]) -> Value {
    let rows = translator().rows(frame).expect("a good frame");
    let rows: Value = serde_json::from_str(&rows).expect("rows are JSON");
    rows[0].clone()
}

/// What becomes of an answer about one row.
fn read(answer: &str) -> Result<Vec<u8>, String> {
    let frame = frame(Op::Insert, &[Cell::Int(7)], &[]);
    translator().verdicts(&frame, answer).map_err(|unreadable| unreadable.to_string())
}

/// An answer that can be read, as the verdict that it is.
fn verdict(answer: &str, check: impl FnOnce(Verdict<'_>)) {
    let bytes = read(answer).unwrap_or_else(|reason| panic!("{answer}: {reason}"));
    let mut verdicts = Verdicts::parse(&bytes, 1).expect("verdicts");
    check(verdicts.next().expect("readable").expect("one"));
    assert_eq!(verdicts.next(), Ok(None));
}

#[test]
fn update_is_told_with_both_rows_and_what_they_lack() {
    let new = [Cell::Int(1 << 53), Cell::UInt(5), Cell::Float64(f64::NAN), Cell::Long(9_000_000), Cell::Unchanged];
    let old = [Cell::Int(-7), Cell::Absent, Cell::Unchanged];
    let row = told(&frame(Op::Update, &new, &old));
    let head = json!({ "op": "update", "source": "erp", "table": "public.orders", "position": "18446744073709551615",
        "committed_at": "2000-01-01T00:00:00.5Z" });
    for (member, value) in head.as_object().expect("an object") {
        assert_eq!(row[member], *value, "{member}");
    }
    assert_eq!(row["row"]["id"], "9007199254740992", "JavaScript would round the next one");
    assert_eq!((&row["row"]["big"], &row["row"]["ratio"]), (&json!(5), &json!("NaN")));
    assert_eq!((row["row"].get("price"), row["row"].get("note")), (None, None));
    assert_eq!((&row["long"], &row["unchanged"]), (&json!(["price"]), &json!(["note"])));
    assert_eq!((&row["old"]["id"], row["old"].get("big"), row["old"].get("ratio")), (&json!(-7), None, None));
    assert_eq!(row["old"]["data"], Value::Null);
}

#[test]
fn deleted_row_is_told_as_it_was_and_a_truncated_table_has_none() {
    let row = told(&frame(Op::Delete, &[], &[Cell::Int(7), Cell::Absent]));
    assert_eq!((&row["row"]["id"], row.get("old"), row.get("unchanged")), (&json!(7), None, None));
    assert_eq!(told(&frame(Op::Truncate, &[], &[]))["row"], json!({}));
}

#[test]
fn json_that_is_none_does_not_break_the_rows_around_it() {
    let cells = |text| {
        let mut cells = vec![Cell::Null; COLUMNS.len()];
        cells[12] = Cell::Json(text);
        cells
    };
    assert_eq!(told(&frame(Op::Insert, &cells(" {\"a\": [1.50, null]}"), &[]))["row"]["doc"]["a"][0], json!(1.5));
    for broken in ["", "{", "1 2", "]", "NaN"] {
        assert_eq!(told(&frame(Op::Insert, &cells(broken), &[]))["row"]["doc"], json!(broken));
    }
}

#[test]
fn every_verdict_is_understood() {
    verdict("[\"pass\"]", |v| assert_eq!(v, Verdict::Pass));
    verdict(" [ \"drop\" ] ", |v| assert_eq!(v, Verdict::Drop));
    verdict(r#"[{"set":{"note":"x","doc":{"a":1},"new":1.5,"id":null},"unset":["price"]}]"#, |v| {
        let Verdict::Edit(edits) = v else { panic!("{v:?}") };
        let expected = [
            Edit::Set { column: 12, value: Cell::Json("{\"a\":1}") },
            Edit::Set { column: 0, value: Cell::Null },
            Edit::Add { name: "new", value: Cell::Float64(1.5) },
            Edit::Set { column: 4, value: Cell::Text("x") },
            Edit::Unset { column: 3 },
        ];
        assert_eq!(edits.len(), expected.len());
        assert!(expected.iter().all(|edit| edits.contains(edit)), "{edits:?}");
    });
    let message = r#"{"route":"out","member":7,"key":"k","headers":{"a":"b","n":1},"body":{"exact": 1.50}}"#;
    verdict(&format!("[{{\"emit\":[{message},{{\"route\":\"r\",\"key\":null}}]}}]"), |v| {
        let Verdict::Emit { messages, .. } = v else { panic!("{v:?}") };
        let first = &messages[0];
        assert_eq!((first.route, first.member, first.key, first.headers.len()), ("out", Some("7"), Some("k"), 2));
        assert_eq!(first.body, Body::Bytes { content_type: "application/json", bytes: b"{\"exact\": 1.50}" });
        assert_eq!((messages[1].key, messages[1].body), (None, Body::Row));
    });
    verdict(r#"[{"emit":[{"route":"r","bytes":"AAE=","content_type":"x/y"}],"set":{"flag":true}}]"#, |v| {
        let Verdict::Emit { edits, messages } = v else { panic!("{v:?}") };
        assert_eq!(edits, [Edit::Set { column: 13, value: Cell::Bool(true) }]);
        assert_eq!(messages[0].body, Body::Bytes { content_type: "x/y", bytes: &[0, 1] });
    });
    verdict(r#"[{"reject":"no owner"}]"#, |v| {
        assert_eq!(v, Verdict::Reject { code: "rejected", message: "no owner" });
    });
    verdict(r#"[{"reject":{"code":"c","message":"m"}}]"#, |v| {
        assert_eq!(v, Verdict::Reject { code: "c", message: "m" });
    });
}

#[test]
fn slip_in_an_answer_is_named_and_no_value_is_repeated() {
    let secret = "hush-4711";
    for (answer, words) in [
        ("".to_owned(), "it is not JSON (line 1, column 0)"),
        (format!("[\"pass\"] {secret}"), "it is not JSON"),
        (format!("{{\"pass\":\"{secret}\"}}"), "it is not a list of verdicts"),
        ("[]".into(), "0 verdicts for 1 rows"),
        ("[\"pass\",\"pass\"]".into(), "2 verdicts for 1 rows"),
        ("[null]".into(), "a function that returns nothing gives null"),
        ("[true]".into(), "a number, boolean or list is no verdict"),
        ("[\"passed\"]".into(), "`passed` is no verdict; it is \"pass\", \"drop\", or an object"),
        ("[{}]".into(), "\"pass\" lets a row pass"),
        (
            format!("[{{\"sett\":\"{secret}\"}}]"),
            "a verdict has no member `sett`; it may have set, unset, emit, reject",
        ),
        (format!("[{{\"set\":\"{secret}\"}}]"), "`set` of a verdict is not an object"),
        (format!("[{{\"set\":{{\"id\":\"{secret}\"}}}}]"), "column `id` takes a whole number"),
        ("[{\"set\":{\"id\":1.5}}]".into(), "column `id` takes a whole number"),
        ("[{\"set\":{\"price\":1e3}}]".into(), "column `price` takes an exact number as a text"),
        ("[{\"set\":{\"day\":\"2026-02-30\"}}]".into(), "column `day` takes a date, such as"),
        ("[{\"set\":{\"note\":7}}]".into(), "column `note` takes a text"),
        (format!("[{{\"unset\":\"{secret}\"}}]"), "`unset` of a verdict is not a list"),
        ("[{\"unset\":[\"phone\"]}]".into(), "`unset` names `phone`, a column that the guest does not get"),
        (format!("[{{\"emit\":{{\"route\":\"{secret}\"}}}}]"), "`emit` of a verdict is not a list"),
        ("[{\"emit\":[{\"key\":\"1\"}]}]".into(), "a message names no `route`"),
        ("[{\"emit\":[{\"route\":\"r\",\"to\":1}]}]".into(), "a message has no member `to`; it may have route, member"),
        ("[{\"emit\":[{\"route\":\"r\",\"body\":1,\"text\":\"\"}]}]".into(), "more than one of body, text and bytes"),
        (format!("[{{\"emit\":[{{\"route\":\"r\",\"bytes\":\"{secret}\"}}]}}]"), "`bytes` of a message is not base64"),
        ("[{\"emit\":[{\"route\":\"r\",\"content_type\":\"a/b\"}]}]".into(), "no body, text or bytes"),
        (format!("[{{\"reject\":[\"{secret}\"]}}]"), "`reject` is not an object"),
        ("[{\"reject\":\"x\",\"set\":{}}]".into(), "a rejected row goes nowhere"),
    ] {
        let reason = read(&answer).expect_err(&answer);
        assert!(reason.contains(words) && !reason.contains(secret), "{answer}\n{reason}");
    }
    let deep = format!("[{{\"set\":{{\"doc\":{}{}}}}}]", "[".repeat(100_000), "]".repeat(100_000));
    // However it is read, it ends: JSON is handed on and not walked into.
    verdict(&deep, |v| assert!(matches!(v, Verdict::Edit(_))));
}

#[test]
fn manifest_needs_subscriptions_and_nothing_else() {
    let manifest = super::manifest(r#"{"subscriptions":[{"table":"public.*"}]}"#).expect("enough");
    assert_eq!((manifest.subscriptions[0].table.as_str(), manifest.frame), ("public.*", sluicegate_frame::VERSION));
    for (said, words) in [
        ("{}", "missing field `subscriptions`"),
        (r#"{"subscriptions":[{"tables":"a"}]}"#, "unknown field `tables`, expected one of `table`, `operations`"),
        ("", "wit/JSON.md says what belongs there"),
    ] {
        let Err(reason) = super::manifest(said) else { panic!("{said} is no manifest") };
        assert!(reason.to_string().contains(words), "{reason}");
    }
}

/// A value, and the index of a column that holds such.
fn any_value() -> impl Strategy<Value = (usize, crate::change::Value)> {
    use crate::change::Value as Kept;
    let kept = |index: usize| move |cell: Cell<'_>| (index, Kept::new(cell));
    let day = -2_451_545..2_145_031_948_i64;
    prop_oneof![
        any::<i64>().prop_map(move |v| kept(0)(Cell::Int(v))),
        any::<u64>().prop_map(move |v| kept(1)(Cell::UInt(v))),
        any::<f64>().prop_filter("equal to itself", |v| !v.is_nan()).prop_map(move |v| kept(2)(Cell::Float64(v))),
        "-?[0-9]{1,30}(\\.[0-9]{1,9})?".prop_map(move |v| kept(3)(Cell::Decimal(&v))),
        ".*".prop_map(move |v| kept(4)(Cell::Text(&v))),
        any::<Vec<u8>>().prop_map(move |v| kept(5)(Cell::Bytes(&v))),
        day.prop_map(move |v| kept(6)(Cell::Date(v))),
        (-3_020_399_999_999..=3_020_399_999_999_i64).prop_map(move |v| kept(7)(Cell::Time(v))),
        (0..=86_400_000_000_i64, -57_599..=57_599)
            .prop_map(move |(micros, offset_seconds)| kept(8)(Cell::TimeTz { micros, offset_seconds })),
        any::<i64>().prop_map(move |v| kept(9)(Cell::Timestamp(v))),
        any::<i64>().prop_map(move |v| kept(10)(Cell::TimestampTz(v))),
        any::<[u8; 16]>().prop_map(move |v| kept(11)(Cell::Uuid(v))),
        any::<bool>().prop_map(move |v| kept(13)(Cell::Bool(v))),
        "[01]*".prop_map(move |v| kept(14)(Cell::Bits(&v))),
        ".*".prop_map(move |v| kept(15)(Cell::Enum(&v))),
    ]
}

/// Something that begins as a verdict does.
fn any_answer() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\"pass\""),
        Just("\"drop\""),
        Just("null"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\"set\""),
        Just("\"unset\""),
        Just("\"emit\""),
        Just("\"reject\""),
        Just("\"note\""),
        Just("\"route\""),
        Just("\"body\""),
        Just("1"),
        Just("-1e999"),
        Just("\"\\ud800\""),
        Just("\"x"),
        Just("\\"),
        Just("true"),
    ];
    prop_oneof![
        ".*",
        prop::collection::vec(word, 0..24).prop_map(|words| words.concat()),
        (r#"\[\{"set":\{"[a-z]{1,5}":"#, ".*").prop_map(|(begin, rest)| format!("{begin}{rest}}}}}]")),
    ]
}

proptest! {
    #[test]
    fn value_that_is_set_as_it_was_told_is_the_same_value((column, value) in any_value()) {
        let mut cells = vec![Cell::Null; COLUMNS.len()];
        cells[column] = value.cell();
        let rows = translator().rows(&frame(Op::Insert, &cells, &[])).expect("a good frame");
        let (name, _) = COLUMNS[column];
        // As it is written: a reader of numbers could round them.
        let rows: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(&rows).expect("rows are JSON");
        let row: BTreeMap<String, &RawValue> = serde_json::from_str(rows[0]["row"].get()).expect("an object");
        let answer = format!("[{{\"set\":{{\"{name}\":{}}}}}]", row[name].get());
        let bytes = read(&answer).unwrap_or_else(|reason| panic!("{answer}: {reason}"));
        let mut verdicts = Verdicts::parse(&bytes, 1).expect("verdicts");
        let edit = Edit::Set { column: column as u16, value: value.cell() };
        prop_assert_eq!(verdicts.next(), Ok(Some(Verdict::Edit(vec![edit]))));
    }

    #[test]
    fn whatever_a_guest_answers_is_verdicts_or_a_sentence(answer in any_answer()) {
        match read(&answer) {
            Ok(bytes) => {
                let mut verdicts = Verdicts::parse(&bytes, 1).expect("verdicts about one row");
                prop_assert!(verdicts.next().expect("readable").is_some());
                prop_assert_eq!(verdicts.next(), Ok(None));
            }
            Err(reason) => prop_assert!(!reason.is_empty() && reason.len() < 400, "{}", reason),
        }
    }
}
