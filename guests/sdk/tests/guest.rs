//! A guest as its author tests it: what getters answer, what edits, state and messages become, and what is refused.

use sluicegate_guest::prelude::*;
use sluicegate_guest::testing::{Outcome, TestGuest, TestRow, run};
use sluicegate_guest::{AsCell, Cell, Date, Decimal, Json, Level, Message, Tag, Time, Timestamp, Transform, Uuid};

const TABLE: &str = "public.t";

/// Asks one question of the column `c` and rejects with what came of it, so that a test sees both.
macro_rules! asks {
    ($name:ident, |$row:ident| $question:expr) => {
        mod $name {
            use super::*;

            #[transform(table = "public.t", old = true)]
            pub fn guest($row: &mut Row, _: &Ctx) -> Result<Verdict> {
                let answer = $question?;
                Ok(reject("answer", format_args!("{answer:?}")))
            }
        }
    };
}

asks!(int, |row| row.int("c"));
asks!(uint, |row| row.uint("c"));
asks!(float, |row| row.float("c"));
asks!(boolean, |row| row.bool("c"));
asks!(text, |row| row.text("c"));
asks!(bytes, |row| row.bytes("c"));
asks!(decimal, |row| row.decimal("c"));
asks!(date, |row| row.date("c"));
asks!(time, |row| row.time("c"));
asks!(timestamp, |row| row.timestamp("c").map(|t| t.to_string()));
asks!(uuid, |row| row.uuid("c").map(|id| id.to_string()));
asks!(json, |row| row.json("c"));
asks!(array, |row| row.array("c"));
asks!(opt_int, |row| row.opt_int("c"));
asks!(opt_text, |row| row.opt_text("c"));
asks!(unchanged, |row| row.is_unchanged("c"));
asks!(null, |row| row.is_null("c"));
asks!(kind, |row| row.cell("c").map(|cell| cell.tag()));
asks!(before, |row| row.old().map(|old| old.text("c")).transpose());

fn answer<T: Transform>(value: impl AsCell) -> String {
    said(&run::<T>(&TestRow::insert(TABLE).set("c", value)))
}

/// `answer: ...` or the refusal with its code.
fn said(outcome: &Outcome) -> String {
    outcome
        .rejection()
        .unwrap_or_else(|| panic!("a rejection was expected, and the verdict is {outcome:?}"))
        .to_string()
}

#[test]
fn getters_answer_with_the_value_and_nothing_else() {
    assert_eq!(answer::<int::guest>(-7i64), "answer: -7");
    assert_eq!(answer::<int::guest>(7u64), "answer: 7");
    assert_eq!(answer::<uint::guest>(u64::MAX), format!("answer: {}", u64::MAX));
    assert_eq!(answer::<uint::guest>(7i64), "answer: 7");
    assert_eq!(answer::<float::guest>(0.5f32), "answer: 0.5");
    assert_eq!(answer::<boolean::guest>(true), "answer: true");
    assert_eq!(answer::<text::guest>("x"), "answer: \"x\"");
    assert_eq!(answer::<text::guest>(Cell::Enum("shipped")), "answer: \"shipped\"");
    assert_eq!(answer::<bytes::guest>(&[1u8, 2][..]), "answer: [1, 2]");
    assert_eq!(answer::<decimal::guest>(Decimal("12.50")), "answer: \"12.50\"");
    assert_eq!(answer::<decimal::guest>(Cell::DecimalUnscaled { scale: 2, unscaled: &[4, 0xe2] }), "answer: \"12.50\"");
    assert_eq!(answer::<date::guest>(Date::new(2000, 1, 2)), "answer: Date(1)");
    let noon = Time { micros: 43_200_000_000, offset_seconds: Some(3600) };
    assert_eq!(answer::<time::guest>(noon), format!("answer: {noon:?}"));
    assert_eq!(answer::<timestamp::guest>(Timestamp::utc(1)), "answer: \"2000-01-01T00:00:00.000001Z\"");
    assert_eq!(answer::<timestamp::guest>(Timestamp::local(0)), "answer: \"2000-01-01T00:00:00\"");
    assert_eq!(answer::<uuid::guest>(Uuid([0xab; 16])), "answer: \"abababab-abab-abab-abab-abababababab\"");
    assert_eq!(answer::<json::guest>(Json("{}")), "answer: \"{}\"");
}

#[test]
fn null_is_never_a_value_unless_it_was_asked_for() {
    let null = || None::<i64>;
    for refused in [
        answer::<int::guest>(null()),
        answer::<uint::guest>(null()),
        answer::<float::guest>(null()),
        answer::<boolean::guest>(null()),
        answer::<text::guest>(null()),
        answer::<bytes::guest>(null()),
        answer::<decimal::guest>(null()),
        answer::<date::guest>(null()),
        answer::<time::guest>(null()),
        answer::<timestamp::guest>(null()),
        answer::<uuid::guest>(null()),
        answer::<json::guest>(null()),
        answer::<array::guest>(null()),
    ] {
        assert!(refused.starts_with("null-value: column `c` of public.t is null; "), "{refused}");
    }
    assert_eq!(answer::<opt_int::guest>(null()), "answer: None");
    assert_eq!(answer::<opt_int::guest>(3i64), "answer: Some(3)");
    assert_eq!(answer::<null::guest>(null()), "answer: true");
    assert_eq!(answer::<null::guest>(Cell::Unchanged), "answer: false");
}

#[test]
fn a_value_that_the_log_does_not_hold_is_neither_null_nor_empty() {
    for refused in [answer::<text::guest>(Cell::Unchanged), answer::<opt_text::guest>(Cell::Unchanged)] {
        assert!(
            refused.starts_with("unchanged-value: column `c` of public.t was not touched by this update"),
            "{refused}"
        );
        assert!(refused.contains("is_unchanged"), "{refused}");
    }
    assert_eq!(answer::<unchanged::guest>(Cell::Unchanged), "answer: true");
    assert_eq!(answer::<unchanged::guest>(None::<i64>), "answer: false");
    for refused in [answer::<opt_text::guest>(Cell::Absent), answer::<text::guest>(Cell::Absent)] {
        assert!(refused.starts_with("absent-value: "), "{refused}");
    }
    let refused = answer::<opt_text::guest>(Cell::Long(9_000_000));
    assert!(refused.starts_with("long-value: ") && refused.contains("9000000 bytes"), "{refused}");
}

#[test]
fn a_wrong_question_names_the_column_its_kind_and_what_was_asked() {
    assert_eq!(answer::<int::guest>("seven"), "wrong-kind: column `c` of public.t is a text; an int was asked for");
    assert_eq!(answer::<text::guest>(Json("{}")), "wrong-kind: column `c` of public.t is json; a text was asked for");
    assert_eq!(answer::<opt_int::guest>(1.5f64), "wrong-kind: column `c` of public.t is a float; an int was asked for");
    let beyond = "out-of-range: column `c` of public.t holds a number that does not fit into";
    assert_eq!(answer::<int::guest>(u64::MAX), format!("{beyond} an int"));
    assert_eq!(answer::<uint::guest>(-1i64), format!("{beyond} a uint"));
    let absurd = Cell::DecimalUnscaled { scale: i32::MAX, unscaled: &[1] };
    assert!(answer::<decimal::guest>(absurd).starts_with("out-of-range: "), "a decimal of two billion digits");
    let missing = said(&run::<int::guest>(&TestRow::insert(TABLE).int("a", 1).int("b", 2)));
    assert!(
        missing.starts_with("no-such-column: this guest gets no column `c` of public.t; it gets: a, b."),
        "{missing}"
    );
}

#[test]
fn refusals_never_hold_the_value() {
    for refused in [answer::<int::guest>("secret"), answer::<bytes::guest>("secret"), answer::<uuid::guest>("secret")] {
        assert!(!refused.contains("secret"), "{refused}");
    }
}

#[test]
fn after_a_delete_the_row_is_what_it_was() {
    assert_eq!(said(&run::<int::guest>(&TestRow::delete(TABLE).int("c", 4))), "answer: 4");
    assert_eq!(said(&run::<before::guest>(&TestRow::delete(TABLE).text("c", "x"))), "answer: Some(\"x\")");
}

#[test]
fn the_old_image_is_there_when_the_log_holds_it() {
    let update = TestRow::update(TABLE).text("c", "new");
    assert_eq!(said(&run::<before::guest>(&update)), "answer: None");
    assert_eq!(said(&run::<before::guest>(&update.clone().was("c", "old"))), "answer: Some(\"old\")");
    let refused = said(&run::<before::guest>(&update.int("id", 1).was("id", 1i64)));
    assert!(refused.starts_with("absent-value: column `c` of public.t (old image) is not part"), "{refused}");
}

#[test]
fn a_truncated_table_has_no_row_to_ask() {
    assert_eq!(said(&run::<kind::guest>(&TestRow::truncate(TABLE).int("c", 1))), format!("answer: {:?}", Tag::Absent));
}

mod edits {
    use super::*;

    #[transform(table = "public.*", columns = ["b", "a"])]
    pub fn guest(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
        row.set("a", 1i64)?;
        row.set("a", row.text("b")?.to_uppercase())?;
        row.unset("b")?;
        row.add("made", Timestamp::utc(5))?;
        row.add("a", None::<i64>)?;
        match cx.config("then") {
            Some("drop") => Ok(drop_row()),
            Some("route") => Ok(route("r").into()),
            Some("fail") => Err(Rejection::new("late", "after the edits")),
            Some("missing") => row.set("z", 1i64).map(|()| pass()),
            _ => Ok(pass()),
        }
    }
}

fn edited(then: &str) -> Outcome {
    let mut guest = TestGuest::<edits::guest>::new([("then", then)]).expect("a guest without init");
    guest.run(&TestRow::insert("public.u").text("a", "x").text("b", "y").text("not subscribed", "z"))
}

#[test]
fn edits_travel_with_a_row_that_goes_on_and_vanish_with_one_that_does_not() {
    for then in ["pass", "route"] {
        let outcome = edited(then);
        assert_eq!(outcome.edits().len(), 5, "{then}");
        assert!(outcome.sets("a", Cell::Null), "{then}: a column that the table has is set, and the last edit wins");
        assert!(outcome.unsets("b") && outcome.sets("made", Timestamp::utc(5)), "{then}");
        assert!(outcome.edits().iter().any(|e| e.value.as_ref().is_some_and(|value| *value == "Y")), "{then}");
    }
    assert!(edited("drop").is_drop());
    assert_eq!(said(&edited("fail")), "late: after the edits");
    assert!(said(&edited("missing")).starts_with("no-such-column: "));
}

#[test]
fn edits_of_one_row_do_not_reach_the_next() {
    mod guest {
        use super::*;

        #[transform(table = "public.t", columns = ["c"])]
        pub fn first_only(row: &mut Row, _: &Ctx) -> Result<Verdict> {
            if row.int("c")? == 1 {
                row.set("c", 10i64)?;
            }
            Ok(if row.int("c")? == 2 { drop_row() } else { pass() })
        }
    }
    let rows: Vec<_> = [1, 2, 3].map(|c| TestRow::insert(TABLE).int("c", c)).into();
    let outcomes = TestGuest::<guest::first_only>::new::<&str, &str>([]).expect("no init").run_batch(&rows);
    assert!(outcomes[0].sets("c", 10i64) && outcomes[1].is_drop() && outcomes[2].is_pass(), "{outcomes:?}");
}

mod counting {
    use super::*;
    use std::cell::Cell;

    pub struct State {
        step: i64,
        total: Cell<i64>,
    }

    pub fn start(config: &Config) -> std::result::Result<State, String> {
        let step = config.required("step")?.parse().map_err(|_| "config `step` is no number".to_owned())?;
        Ok(State { step, total: Cell::new(0) })
    }

    #[transform(table = "public.t", stateful = true, init = start)]
    pub fn guest(row: &mut Row, cx: &Ctx<State>) -> Result<Verdict> {
        let total = cx.state().total.get() + cx.state().step;
        cx.state().total.set(total);
        cx.info(format_args!("{} rows", total));
        row.add("total", total)?;
        Ok(pass())
    }
}

#[test]
fn state_lasts_from_row_to_row_and_init_may_refuse() {
    let mut guest = TestGuest::<counting::guest>::new([("step", "5")]).expect("a good configuration");
    assert!(guest.run(&TestRow::insert(TABLE)).sets("total", 5i64));
    assert!(guest.run(&TestRow::insert(TABLE)).sets("total", 10i64));
    assert_eq!(guest.log(), [(Level::Info, "5 rows".to_owned()), (Level::Info, "10 rows".to_owned())]);
    assert!(guest.manifest().stateful);
    assert_eq!(TestGuest::<counting::guest>::new([("step", "x")]).err().as_deref(), Some("config `step` is no number"));
    let missing = TestGuest::<counting::guest>::new::<&str, &str>([]).err().expect("a refusal");
    assert!(missing.contains("`step` is missing"), "{missing}");
}

mod manifest {
    use super::*;

    #[transform(tables = ["public.a", "shop.*"], columns = ["id"], operations = ["insert", "delete"], old = true, routes = ["x", "y"], name = "named")]
    pub fn guest(_: &mut Row, _: &Ctx) -> Verdict {
        pass()
    }
}

#[test]
fn the_manifest_says_what_the_attribute_says() {
    let guest = TestGuest::<manifest::guest>::new::<&str, &str>([]).expect("no init");
    let m = guest.manifest();
    assert_eq!((m.name, m.version), ("named", env!("CARGO_PKG_VERSION")));
    assert_eq!((m.tables, m.columns, m.routes), (&["public.a", "shop.*"][..], &["id"][..], &["x", "y"][..]));
    assert_eq!(m.operations, [Op::Insert, Op::Delete]);
    assert!(m.old && !m.stateful);
    assert!(guest.wants(&TestRow::insert("shop.items")) && guest.wants(&TestRow::delete("public.a")));
    assert!(!guest.wants(&TestRow::update("public.a")) && !guest.wants(&TestRow::insert("public.b")));
}

#[test]
#[should_panic(expected = "the host would not call this guest for update of public.a")]
fn a_test_with_a_row_that_the_host_would_not_offer_fails() {
    run::<manifest::guest>(&TestRow::update("public.a"));
}

mod meta {
    use super::*;

    #[transform(table = "public.t")]
    pub fn guest(row: &mut Row, _: &Ctx) -> Result<Verdict> {
        let columns: Vec<&str> = row.columns().iter().filter(|c| c.key).map(|c| c.name.as_str()).collect();
        let (schema, table, at) = (row.schema(), row.table(), row.committed_at());
        Ok(reject("meta", format_args!("{:?} {schema} {table} {at} {} {columns:?}", row.op(), row.position())))
    }
}

#[test]
fn a_row_knows_where_it_comes_from() {
    let row = TestRow::read(TABLE).int("id", 1).key("id").int("x", 2).position(77).committed_at(Timestamp::utc(0));
    assert_eq!(said(&run::<meta::guest>(&row)), "meta: Read public t 2000-01-01T00:00:00Z 77 [\"id\"]");
}

mod large {
    use super::*;

    #[transform(table = "public.t", columns = ["c"], routes = ["r"])]
    pub fn guest(row: &mut Row, _: &Ctx) -> Result<Verdict> {
        let member = "x".repeat(row.int("c")? as usize);
        let messages: Vec<Message> = vec![route("r"), route("r").member(member)];
        Ok(emit(messages))
    }
}

#[test]
fn a_message_that_does_not_fit_costs_its_row_and_not_the_batch() {
    let rows = [65_536, 65_535].map(|c| TestRow::insert(TABLE).int("c", c));
    let outcomes = TestGuest::<large::guest>::new::<&str, &str>([]).expect("no init").run_batch(&rows);
    assert!(said(&outcomes[0]).starts_with("too-large: "), "{:?}", outcomes[0].rejection());
    assert_eq!(outcomes[1].messages().len(), 2);
}

#[test]
fn bytes_that_are_no_frame_fail_as_a_whole() {
    let mut guest = TestGuest::<int::guest>::new::<&str, &str>([]).expect("no init");
    assert_eq!(guest.judge(b"sgf").expect_err("too short").code, "bad-frame");
    let mut frame = sluicegate_frame::FrameBuf::new();
    frame.rows.push(sluicegate_frame::RowHead {
        schema: 99,
        op: Op::Insert,
        old_is_key: false,
        first_cell: 0,
        new_cells: 0,
        old_cells: 0,
        committed_at: 0,
        position: 0,
    });
    let mut bytes = Vec::new();
    frame.write_to(&mut bytes);
    assert_eq!(guest.judge(&bytes).expect_err("an unknown schema").code, "unknown-schema");
}
