//! What recordings of the real connector say of keys, decimals and defaults, beyond the first ones.

use super::*;

fn key_text(debezium: &Debezium, columns: Vec<Column>, row: &Row) -> String {
    let found = records(debezium, &keyed(columns), row);
    String::from_utf8_lossy(found[0].key.as_deref().unwrap_or_default()).into_owned()
}

fn decimal(name: &str, key: bool) -> Column {
    let mut column = column(name, "numeric(8,3)", 1700, Tag::Decimal, key);
    column.detail.modifiers = vec![8, 3];
    column
}

/// A key stands in a header as Connect writes structs into headers: decimals are numbers, and texts keep their signs.
#[test]
fn key_in_a_header_has_numbers_and_raw_text() {
    let columns = || vec![decimal("n", true), column("t", "text", 25, Tag::Text, true)];
    let changed = update(
        &[Cell::Decimal("3.000"), Cell::Text("a\"b\\c\u{1f6a2}\n")],
        &[Cell::Decimal("-0.001"), Cell::Text("é")],
    );
    let found = records(&plain(), &keyed(columns()), &changed);
    assert_eq!(header(&found[0], NEW_KEY), Some("{\"n\":3.000,\"t\":\"a\\\"b\\\\c\u{1f6a2}\n\"}"));
    assert_eq!(header(&found[1], OLD_KEY), Some("{\"n\":-0.001,\"t\":\"é\"}"));
    assert_eq!(found[0].key.as_deref(), Some("{\"n\":\"/w==\",\"t\":\"é\"}".as_bytes()));
}

#[test]
fn column_that_is_there_for_the_key_alone_is_in_no_image() {
    let columns = || {
        let mut key = column("id", "integer", 23, Tag::Int, true);
        key.detail.key_only = true;
        vec![key, column("note", "text", 25, Tag::Text, false)]
    };
    let row = insert(&[Cell::Int(7), Cell::Text("x")]);
    assert_eq!(key_text(&plain(), columns(), &row), r#"{"id":7}"#);
    let found = records(&plain(), &keyed(columns()), &row);
    assert_eq!(images(&found[0]), r#"c null,"after":{"note":"x"}"#);
    let told = key_text(&with(true, &[]), columns(), &row);
    assert!(told.contains(r#"{"type":"int32","optional":true,"field":"id"}"#), "{told}");
}

#[test]
fn decimals_are_numbers_where_that_is_asked_for() {
    // Each knows its tables by their numbers.
    let numeric = || with(false, &[("decimal.format", "NUMERIC")]);
    assert_eq!(after(&numeric(), decimal("n", false), Cell::Decimal("2.500")), "2.500");
    assert_eq!(after(&numeric(), decimal("n", false), Cell::Decimal("NaN")), "null");
    let mut price = decimal("n", false);
    price.detail.default = Some("1.5".into());
    assert_eq!(after(&numeric(), price, Cell::Null), "1.500");
    let tiny = |scale| {
        let mut column = decimal("n", false);
        column.detail.modifiers = vec![20, scale];
        column
    };
    assert_eq!(after(&numeric(), tiny(10), Cell::Decimal("0.0000000001")), "1E-10");
    let money = || column("m", "money", 790, Tag::Other, false);
    assert_eq!(after(&numeric(), money(), Cell::Other("-$1,234.50")), "-1234.50");
    let whole = with(false, &[("decimal.format", "NUMERIC"), ("money.fraction.digits", "0")]);
    assert_eq!(after(&whole, money(), Cell::Other("$1,234.50")), "1235");
}

/// What a key-only image shows of a column that is never null has the column's digits.
#[test]
fn zero_of_a_decimal_as_text_has_its_columns_digits() {
    let debezium = with(false, &[("decimal.handling.mode", "string")]);
    let mut n = decimal("n", false);
    n.detail.not_null = true;
    let mut money = column("m", "money", 790, Tag::Other, false);
    money.detail.not_null = true;
    let schema = keyed(vec![column("id", "integer", 23, Tag::Int, true), n, money]);
    let found = records(&debezium, &schema, &delete(&[Cell::Int(1), Cell::Absent, Cell::Absent]));
    assert_eq!(images(&found[0]), r#"d {"id":1,"n":"0.000","m":"0.00"},"after":null"#);
}

/// The block's field has a default, which is what a null is written as; where nulls stay nulls it is one.
#[test]
fn what_streams_is_of_no_snapshot() {
    let shown = |options: &[(&str, &str)]| {
        let found = records(&with(false, options), &id_and_note(), &insert(&[Cell::Int(1), Cell::Null]));
        let value = String::from_utf8_lossy(&found[0].value);
        value.contains(r#""snapshot":null,"#)
    };
    assert!(!shown(&[]) && shown(&[("replace.null.with.default", "false")]));
}

/// Nanoseconds of 64 bits reach from 1677 to 2262; Debezium stops at what is beyond in a column that is never null.
#[test]
fn moment_that_nanoseconds_do_not_hold_is_null_or_the_last_one_and_never_the_epoch() {
    let shown = |not_null: bool, years: i64| {
        let mut column = column("t", "timestamp without time zone", 1114, Tag::Timestamp, false);
        column.detail.not_null = not_null;
        after(
            &with(false, &[("time.precision.mode", "nanoseconds")]),
            column,
            Cell::Timestamp(years * 31_557_600_000_000),
        )
    };
    assert_eq!((shown(true, 7_000), shown(false, 7_000)), ("9223372036854775806".into(), "null".into()));
    assert_eq!(shown(true, -1_000), "-9223372036854775807");
    assert_eq!(shown(true, 0), "946684800000000000");
}

#[test]
fn a_domain_is_known_by_the_extension_type_that_it_stands_for() {
    let mut mail = column("a", "mail", 90_001, Tag::Text, false);
    mail.detail.base_type = "citext".into();
    assert_eq!(after(&plain(), mail, Cell::Text("A@x")), "\"A@x\"");
}

#[test]
fn closed_ring_is_not_closed_again() {
    let polygon = |text| after(&plain(), column("p", "polygon", 604, Tag::Other, false), Cell::Other(text));
    assert_eq!(polygon("((1,2),(3,4),(5,6),(1,2))"), polygon("((1,2),(3,4),(5,6))"));
}

#[test]
fn json_within_a_text_keeps_characters_of_two_units() {
    let hstore = |options: &[(&str, &str)]| {
        let column = column("h", "hstore", 90_002, Tag::Other, false);
        after(&with(false, options), column, Cell::Other("\"a\"=>\"\u{1f6a2}\""))
    };
    assert_eq!(hstore(&[]), r#""{\"a\":\"\uD83D\uDEA2\"}""#);
    assert_eq!(hstore(&[("hstore.handling.mode", "map")]), r#"{"a":"\uD83D\uDEA2"}"#);
}
