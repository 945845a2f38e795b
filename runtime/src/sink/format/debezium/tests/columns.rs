//! What options say about single columns.

use super::*;
use crate::sink::format::debezium::{CloudEvents, Form, Outbox, Unwrap};

fn line() -> Schema {
    let columns = vec![
        column("id", "integer", 23, Tag::Int, true),
        column("order_no", "integer", 23, Tag::Int, false),
        column("sku", "text", 25, Tag::Text, false),
    ];
    schema(DatabaseKind::Postgres, "public", "order_line", columns)
}

const ROW: [Cell<'_>; 3] = [Cell::Int(7), Cell::Int(5), Cell::Text("a")];

fn key(rule: &str, row: &Row<'_>) -> String {
    let found = records(&with(false, &[("message.key.columns", rule)]), &line(), row);
    found.iter().map(|record| text(record.key.as_deref().unwrap_or_default())).collect::<Vec<_>>().join(" ")
}

#[test]
fn key_is_made_of_the_columns_that_are_named_in_the_order_in_which_they_are() {
    for (rule, expected) in [
        ("public.order_line:sku,order_no", r#"{"sku":"a","order_no":5}"#),
        (r" PUBLIC\.(.*)_line :Order_No ; other:id", r#"{"order_no":5}"#),
        ("public.order_line:sku;public.order_.+:order_no,sku", r#"{"sku":"a","order_no":5}"#),
        // Of other tables, and of columns that are not there: the primary key stays.
        ("public.order:sku", r#"{"id":7}"#),
        ("public.order_line:colour", r#"{"id":7}"#),
        ("public.order_line:colour,sku", r#"{"sku":"a"}"#),
    ] {
        assert_eq!(key(rule, &insert(&ROW)), expected, "{rule}");
    }
}

#[test]
fn schema_of_the_key_has_the_columns_that_are_named() {
    let found = records(&with(true, &[("message.key.columns", "public.order_line:sku")]), &line(), &insert(&ROW));
    let expected = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":true,"field":"sku"}],"optional":false,"name":"app.public.order_line.Key"},"payload":{"sku":"a"}}"#;
    assert_eq!(text(found[0].key.as_deref().expect("a key")), expected);
}

/// A row whose primary key changes and whose named columns do not keeps its records' key, and the other way round.
#[test]
fn update_of_the_columns_that_are_named_moves_the_record() {
    let moved = [Cell::Int(7), Cell::Int(5), Cell::Text("b")];
    assert_eq!(key("public.order_line:sku", &update(&moved, &ROW)), r#"{"sku":"a"} {"sku":"b"}"#);
    let renumbered = [Cell::Int(8), Cell::Int(5), Cell::Text("a")];
    assert_eq!(key("public.order_line:sku", &update(&renumbered, &ROW)), r#"{"sku":"a"}"#);
    // All that the log has of the old row is its primary key.
    let old = [Cell::Int(7), Cell::Absent, Cell::Absent];
    assert_eq!(key("public.order_line:sku", &update(&renumbered, &old)), r#"{"sku":"a"}"#);
}

#[test]
fn delete_that_does_not_hold_the_key_is_refused_with_the_remedy() {
    let debezium = with(false, &[("message.key.columns", "public.order_line:sku")]);
    let found = try_records(&debezium, &line(), &delete(&[Cell::Int(7), Cell::Absent, Cell::Absent]));
    let error = found.expect_err("no key");
    assert_eq!(error, EncodeError::KeyNotLogged("sku".into()));
    assert!(error.to_string().contains("REPLICA IDENTITY FULL"));
}

#[test]
fn rule_that_is_none_is_refused_with_its_form() {
    for (rule, reason) in [
        ("", "is not TABLE:COLUMN"),
        ("public.item", "is not TABLE:COLUMN"),
        ("public.item:", "is not TABLE:COLUMN"),
        (":sku", "is not TABLE:COLUMN"),
        ("public.a,public.b:sku", "is not TABLE:COLUMN"),
        ("public.item:a,,b", "is not TABLE:COLUMN"),
        ("public.item:a;", "is not TABLE:COLUMN"),
        ("a:b:c", "is not TABLE:COLUMN"),
        ("public.(item:sku", "no regular expression"),
    ] {
        let told = check_option("message.key.columns", rule).expect_err(rule);
        assert!(told.contains(reason), "{rule}: {told}");
    }
}

/// A column's field in the schema of `after`, and its value, for one row.
fn told(options: &[(&str, &str)], column: Column, cell: Cell<'_>) -> (String, String) {
    let name = format!("\"field\":\"{}\"}}", column.name);
    let schema = schema(DatabaseKind::Postgres, "public", "t", vec![column]);
    let found = text(&records(&with(true, options), &schema, &insert(&[cell]))[0].value);
    let (_, payload) = found.split_once("\"payload\":").expect("a payload");
    let (_, value) = payload.split_once("\"after\":{").expect("an image");
    let (value, _) = value.split_once("},\"source\":").expect("a source");
    let end = found.find(&name).expect("the field") + name.len();
    let begin = found[..end].rfind("{\"type\"").expect("a schema");
    (found[begin..end].to_owned(), value.split_once(':').map_or(String::new(), |(_, value)| value.to_owned()))
}

fn note() -> Column {
    column("note", "text", 25, Tag::Text, false)
}

#[test]
fn cut_takes_whole_characters_and_says_so_in_the_schema() {
    let cut =
        |max: &str, column, cell| told(&[(&format!("column.truncate.to.{max}.chars"), r"public\.t\..*")], column, cell);
    let (schema, value) = cut("4", note(), Cell::Text("é東x\u{1f6a2}"));
    assert_eq!(value, r#""é東x""#, "the ship takes two, and half of one is none");
    assert!(schema.contains(r#""parameters":{"truncateLength":"4"},"field""#), "{schema}");
    for (max, text, expected) in [
        ("5", "é東x\u{1f6a2}", r#""é東x\uD83D\uDEA2""#),
        ("4", "abcd", "\"abcd\""),
        ("2", "a\"b", r#""a\"""#),
        ("0", "x", "\"\""),
    ] {
        assert_eq!(cut(max, note(), Cell::Text(text)).1, expected);
    }
    assert_eq!(cut("4", note(), Cell::Null).1, "null");
    assert_eq!(cut("4", note(), Cell::Unchanged).1, "\"__debezium_unavailable_value\"");
    assert_eq!(cut("2", column("data", "bytea", 17, Tag::Bytes, false), Cell::Bytes(&[1, 2, 3])).1, "\"AQI=\"");
    // What is never longer is as it was, and what is no text has the mark alone.
    let mut short = column("code", "character varying(3)", 1043, Tag::Text, false);
    short.detail.modifiers = vec![3];
    assert!(!cut("3", short, Cell::Text("abc")).0.contains("parameters"));
    let (schema, value) = cut("2", column("n", "integer", 23, Tag::Int, false), Cell::Int(12345));
    assert_eq!((schema.contains("truncateLength"), value.as_str()), (true, "12345"));
}

#[test]
fn mask_stands_for_values_and_nulls_but_not_in_a_key() {
    let options = [("column.mask.with.3.chars", r"public\.t\..*")];
    let (schema, value) = told(&options, note(), Cell::Text("secret"));
    assert_eq!(value, "\"***\"");
    assert!(schema.contains(r#""parameters":{"masked":"true"}"#), "{schema}");
    for cell in [Cell::Null, Cell::Unchanged, Cell::Absent] {
        assert_eq!(told(&options, note(), cell).1, "\"***\"");
    }
    let json = column("j", "jsonb", 3802, Tag::Json, false);
    assert_eq!(told(&options, json, Cell::Json("{}")).1, "\"***\"");
    let id = vec![column("id", "text", 25, Tag::Text, true)];
    let found = records(&with(false, &options), &keyed(id), &insert(&[Cell::Text("7")]));
    assert_eq!(images(&found[0]), r#"c null,"after":{"id":"***"}"#);
    assert_eq!(found[0].key.as_deref(), Some(br#"{"id":"7"}"#.as_slice()));
}

#[test]
fn mask_goes_before_a_cut_and_a_cut_before_a_type() {
    let options = [
        ("column.propagate.source.type", ".*"),
        ("column.mask.with.3.chars", r"public\.t\.note"),
        ("column.truncate.to.2.chars", r"public\.t\.note"),
    ];
    let (schema, value) = told(&options, note(), Cell::Text("secret"));
    assert_eq!((schema.contains("{\"masked\":\"true\"}"), value.as_str()), (true, "\"***\""));
    let (schema, value) = told(&[options[0], options[2]], note(), Cell::Text("secret"));
    assert_eq!((schema.contains("{\"truncateLength\":\"2\"}"), value.as_str()), (true, "\"se\""));
}

#[test]
fn schema_says_what_a_column_is_in_the_database() {
    let mut price = column("price", "public.price", 1700, Tag::Decimal, false);
    (price.detail.modifiers, price.detail.base_type) = (vec![8, 3], "numeric".into());
    let mut serial = column("n", "integer", 23, Tag::Int, false);
    serial.detail.default = Some("nextval('t_n_seq'::regclass)".into());
    let cases = [
        (note(), "TEXT", 2_147_483_647, 0),
        (price, "PRICE", 8, 3),
        (serial, "SERIAL", 10, 0),
        (column("at", "timestamp without time zone", 1114, Tag::Timestamp, false), "TIMESTAMP", 29, 6),
        (column("codes", "integer[]", 1007, Tag::Array, false), "_INT4", 10, 0),
        (column("mood", "public.\"Mood\"", 0, Tag::Text, false), "MOOD", 2_147_483_647, 0),
    ];
    for (declared, name, length, scale) in cases {
        let expected = format!(
            "\"__debezium.source.column.type\":\"{name}\",\"__debezium.source.column.length\":\"{length}\",\
             \"__debezium.source.column.scale\":\"{scale}\",\"__debezium.source.column.name\":\"{}\"}}",
            declared.name
        );
        let by_type = format!(r".*\.{}", name.to_lowercase());
        for options in
            [[("column.propagate.source.type", ".*")], [("datatype.propagate.source.type", by_type.as_str())]]
        {
            let (schema, _) = told(&options, declared.clone(), Cell::Null);
            assert!(schema.contains(&expected), "{schema}\n{expected}");
        }
        let other = told(&[("datatype.propagate.source.type", r".*\.nothing")], declared, Cell::Null);
        assert!(!other.0.contains("__debezium"), "{}", other.0);
    }
}

#[test]
fn number_of_characters_has_a_limit() {
    for name in ["column.mask.with.x.chars", "column.truncate.to.65536.chars", "column.mask.with..chars"] {
        let told = check_option(name, ".*").expect_err(name);
        assert!(told.contains("0 to 65535"), "{told}");
    }
}

#[test]
fn mask_holds_in_every_form() {
    let options = [("column.mask.with.3.chars".to_owned(), r".*\.note".to_owned())];
    let row = insert(&[Cell::Int(7), Cell::Text("secret")]);
    let outbox = [
        ("table.field.event.id", "id"),
        ("table.field.event.key", "id"),
        ("table.field.event.payload", "note"),
        ("route.by.field", "id"),
    ];
    let own =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    for form in [
        Form::Envelope,
        Form::Unwrap(Unwrap::parse(&[]).expect("options")),
        Form::CloudEvents(CloudEvents::parse(&[]).expect("options")),
        Form::Outbox(Box::new(Outbox::parse(&own(&outbox)).expect("options"))),
    ] {
        for encoding in [Encoding::Plain, Encoding::Schemas] {
            let parsed = DebeziumOptions::parse(encoding, &options).expect("options");
            let debezium = Debezium::new(parsed, None).of_form(form.clone());
            let value = text(&records(&debezium, &id_and_note(), &row)[0].value);
            assert!(value.contains("***") && !value.contains("secret"), "{value}");
        }
    }
}
