//! What Confluent's converter writes, and what a reader of Avro understands of it.

use super::*;
use apache_avro::types::Value;

fn writer(schema: &str) -> Writer {
    Writer::new(schema).expect("a schema")
}

/// Read by another's library, which takes no default for a decimal, though bytes may have one.
fn parsed(schema: &str) -> apache_avro::Schema {
    let without = schema.replace(",\"logicalType\":\"decimal\"", "");
    apache_avro::Schema::parse_str(&without).expect("a schema that others understand")
}

fn decoded(writer: &Writer, datum: &[u8]) -> Value {
    let schema = parsed(writer.schema());
    let mut rest = datum;
    let value = apache_avro::from_avro_datum(&schema, &mut rest, None).expect("a datum");
    assert!(rest.is_empty(), "bytes are left");
    value
}

/// The one field of a struct.
fn field(schema: &str, payload: &str) -> Value {
    let writer =
        writer(&format!(r#"{{"type":"struct","fields":[{schema}],"optional":false,"name":"app.public.t.Value"}}"#));
    let datum = writer.datum(&format!(r#"{{"f":{payload}}}"#)).expect("a value");
    match decoded(&writer, &datum) {
        Value::Record(mut fields) => fields.remove(0).1,
        other => panic!("{other:?}"),
    }
}

fn some(index: u32, value: Value) -> Value {
    Value::Union(index, Box::new(value))
}

/// Whitespace is the test's.
fn squeezed(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

#[test]
fn schema_is_what_the_converter_makes_of_it() {
    let connect = squeezed(
        r#"{"type":"struct","fields":[
            {"type":"int32","optional":false,"field":"id"},
            {"type":"int16","optional":true,"field":"small"},
            {"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,
             "parameters":{"scale":"2","connect.decimal.precision":"10"},"default":"AJY=","field":"amount"},
            {"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,
             "parameters":{"scale":"2"},"field":"money"},
            {"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"tags"},
            {"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,
             "parameters":{"allowed":"true,false"},"default":"false","field":"snapshot"},
            {"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Date","version":1,"field":"day"},
            {"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},
             "optional":true,"field":"pairs"}
        ],"optional":false,"name":"app.public.t.Value","version":2}"#,
    );
    let avro = squeezed(
        r#"{"type":"record","name":"Value","namespace":"app.public.t","fields":[
            {"name":"id","type":"int"},
            {"name":"small","type":["null",{"type":"int","connect.type":"int16"}],"default":null},
            {"name":"amount","type":[{"type":"bytes","scale":2,"precision":10,"connect.version":1,
             "connect.parameters":{"scale":"2","connect.decimal.precision":"10"},"connect.default":"\u0000\u0096",
             "connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"},"null"],"default":"\u0000\u0096"},
            {"name":"money","type":{"type":"bytes","scale":2,"precision":64,"connect.version":1,
             "connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}},
            {"name":"tags","type":["null",{"type":"array","items":["null","string"]}],"default":null},
            {"name":"snapshot","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":"true,false"},
             "connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},
            {"name":"day","type":["null",{"type":"int","connect.version":1,
             "connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}],"default":null},
            {"name":"pairs","type":["null",{"type":"map","values":["null","string"]}],"default":null}
        ],"connect.version":2,"connect.name":"app.public.t.Value"}"#,
    );
    // Jackson escapes a zero, and writes what is not ASCII as it is.
    let avro = avro.replace("\\u0096", "\u{96}");
    assert_eq!(&**writer(&connect).schema(), avro);
    parsed(&avro);
}

#[test]
fn record_that_comes_again_is_named_and_one_that_differs_gets_a_name_of_its_own() {
    let image = |field: &str, kind: &str| {
        format!(
            r#"{{"type":"struct","fields":[{{"type":"{kind}","optional":false,"field":"id"}}],"optional":true,"name":"a.t.Value","field":"{field}"}}"#
        )
    };
    let envelope = |before: &str, after: &str| {
        let fields = [image("before", before), image("after", after)].join(",");
        writer(&format!(r#"{{"type":"struct","fields":[{fields}],"optional":false,"name":"a.t.Envelope"}}"#))
    };
    let same = envelope("int32", "int32");
    assert!(same.schema().contains(r#"{"name":"after","type":["null","Value"],"default":null}"#), "{}", same.schema());
    assert_eq!(&*same.datum(r#"{"before":null,"after":{"id":1}}"#).expect("a value"), [0, 2, 2]);
    let other = envelope("int32", "string");
    assert!(other.schema().contains(r#"{"type":"record","name":"Value_2","fields""#), "{}", other.schema());
    let datum = other.datum(r#"{"before":{"id":1},"after":{"id":"x"}}"#).expect("a value");
    decoded(&other, &datum);
}

#[test]
fn record_of_no_namespace_says_so_inside_one_that_has_one() {
    let inner = r#"{"type":"struct","fields":[{"type":"double","optional":true,"field":"total"}],"optional":true,"name":"payload","field":"payload"}"#;
    let outer =
        writer(&format!(r#"{{"type":"struct","fields":[{inner}],"optional":false,"name":"app.outbox.Value"}}"#));
    assert!(outer.schema().contains(r#"{"type":"record","name":"payload","namespace":"","fields""#));
    decoded(&outer, &outer.datum(r#"{"payload":{"total":12.5}}"#).expect("a value"));
}

#[test]
fn values_are_read_back_as_they_were() {
    let optional = |kind: &str| format!(r#"{{"type":"{kind}","optional":true,"field":"f"}}"#);
    assert_eq!(field(&optional("boolean"), "true"), some(1, Value::Boolean(true)));
    assert_eq!(field(&optional("int16"), "-32768"), some(1, Value::Int(-32768)));
    assert_eq!(field(&optional("int64"), "-9223372036854775808"), some(1, Value::Long(i64::MIN)));
    assert_eq!(field(&optional("double"), "4.9E-324"), some(1, Value::Double(5e-324)));
    assert_eq!(field(&optional("float"), "\"-Infinity\""), some(1, Value::Float(f32::NEG_INFINITY)));
    assert_eq!(field(&optional("string"), r#""a\"\uD83D\uDEA2""#), some(1, Value::String("a\"🚢".into())));
    assert_eq!(field(&optional("bytes"), "\"AP8=\""), some(1, Value::Bytes(vec![0, 255])));
    assert_eq!(field(&optional("bytes"), "null"), some(0, Value::Null));
}

#[test]
fn lists_and_maps_are_read_back_as_they_were() {
    let array = r#"{"type":"array","items":{"type":"int32","optional":true},"optional":false,"field":"f"}"#;
    let items = vec![some(1, Value::Int(1)), some(0, Value::Null)];
    assert_eq!(field(array, "[1,null]"), Value::Array(items));
    assert_eq!(field(array, "[]"), Value::Array(Vec::new()));
    let map = r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":false,"field":"f"}"#;
    let pairs = [("a".to_owned(), some(1, Value::String("1".into()))), ("b".to_owned(), some(0, Value::Null))];
    assert_eq!(field(map, r#"{"a":"1","b":null}"#), Value::Map(pairs.into()));
}

#[test]
fn null_where_there_is_none_is_an_error_that_names_the_column_and_not_the_value() {
    let schema = r#"{"type":"struct","fields":[{"type":"struct","fields":[
        {"type":"int32","optional":false,"field":"id"}],"optional":true,"name":"V","field":"after"}],"optional":false,"name":"E"}"#;
    let writer = writer(schema);
    for payload in ["null", "\"secret\"", "99999999999"] {
        let error = writer.datum(&format!(r#"{{"after":{{"id":{payload}}}}}"#)).expect_err("no number of 32 bits");
        assert_eq!(error, AvroError::Value { field: "after.id".into(), wanted: "a number of 32 bits" });
        assert!(!error.to_string().contains("secret"));
    }
    for payload in ["", "{}", "{\"after\":null", "{\"after\":null}}", "{\"before\":null}"] {
        assert!(writer.datum(payload).is_err(), "{payload}");
    }
}

#[test]
fn name_that_avro_does_not_know_is_refused_with_what_to_do() {
    for name in ["größe", "1st", "a b", ""] {
        let schema = format!(
            r#"{{"type":"struct","fields":[{{"type":"int32","optional":false,"field":"{name}"}}],"optional":false,"name":"V"}}"#
        );
        let error = Writer::new(&schema).expect_err(name);
        assert_eq!(error, AvroError::Name(name.into()));
        assert!(error.to_string().contains("rename it"));
    }
}

#[test]
fn default_that_is_no_number_of_json_is_left_out_with_null_first_again() {
    let schema = r#"{"type":"double","optional":true,"default":"NaN","field":"f"}"#;
    assert_eq!(field(schema, "null"), some(0, Value::Null));
    assert!(
        matches!(field(schema, "\"NaN\""), Value::Union(1, inner) if matches!(*inner, Value::Double(v) if v.is_nan()))
    );
}

#[test]
fn plain_text_has_a_schema_of_one_word() {
    let schema = apache_avro::Schema::parse_str(&TEXT_SCHEMA).expect("a schema");
    let datum = text_datum("c-7");
    let value = apache_avro::from_avro_datum(&schema, &mut &datum[..], None).expect("a datum");
    assert_eq!(value, Value::String("c-7".into()));
}
