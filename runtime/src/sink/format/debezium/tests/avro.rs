//! Records in Avro where rows are not as their table: what guests did, and what nothing can say.

use super::*;
use apache_avro::types::Value as Avro;

fn avro(options: &[(&str, &str)]) -> Debezium {
    let options: Vec<_> = options.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Debezium::new(DebeziumOptions::parse(Encoding::Avro, &options).expect("options"), None)
}

/// One image of a record, as another's library reads it.
fn image(record: &Record, name: &str) -> Vec<(String, Avro)> {
    let schema = apache_avro::Schema::parse_str(record.form.value_schema.as_deref().expect("a schema"));
    let value = apache_avro::from_avro_datum(&schema.expect("a schema"), &mut &record.value[..], None);
    let Ok(Avro::Record(fields)) = value else { panic!("{value:?}") };
    match fields.into_iter().find(|(field, _)| field == name).map(|(_, image)| image) {
        Some(Avro::Union(_, inner)) => match *inner {
            Avro::Record(fields) => fields,
            _ => Vec::new(),
        },
        other => panic!("{other:?}"),
    }
}

fn names(image: &[(String, Avro)]) -> Vec<&str> {
    image.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_a_guest_did_is_in_the_schema_of_that_row_and_of_no_other() {
    let edits = Edits {
        columns: vec![(1, Some(Value::new(Cell::Int(5))))],
        added: vec![("score".into(), Value::new(Cell::Float64(0.5)))],
    };
    let debezium = avro(&[]);
    let cells = [Cell::Int(1), Cell::Text("x")];
    let plain = records(&debezium, &id_and_note(), &insert(&cells)).remove(0);
    let edited = records(&debezium, &id_and_note(), &Row { edits: Some(&edits), ..insert(&cells) }).remove(0);
    assert_eq!(names(&image(&plain, "after")), ["id", "note"]);
    let after = image(&edited, "after");
    assert_eq!((names(&after), &after[1].1), (vec!["id", "note", "score"], &Avro::Long(5)));
    let schema = |record: &Record| record.form.value_schema.clone().expect("a schema");
    assert!(!schema(&edited).contains("Value_2"), "the image that is not there says the same: {}", schema(&edited));
    // Later rows share the texts.
    let again = records(&debezium, &id_and_note(), &insert(&cells)).remove(0);
    let edited_again = records(&debezium, &id_and_note(), &Row { edits: Some(&edits), ..insert(&cells) }).remove(0);
    assert!(Arc::ptr_eq(&schema(&plain), &schema(&again)) && Arc::ptr_eq(&schema(&edited), &schema(&edited_again)));
    let both = records(&debezium, &id_and_note(), &Row { edits: Some(&edits), ..update(&cells, &cells) }).remove(0);
    assert!(schema(&both).contains("Value_2"), "{}", schema(&both));
    assert_eq!((names(&image(&both, "before")).len(), names(&image(&both, "after")).len()), (2, 3));
}

#[test]
fn key_has_a_schema_of_its_own_and_stays_json_in_headers() {
    let found = records(&avro(&[]), &id_and_note(), &{
        let (new, old) = (&[Cell::Int(2), Cell::Text("x")], &[Cell::Int(1), Cell::Text("x")]);
        update(new, old)
    });
    assert_eq!(found[0].form.key_schema.as_deref(), found[1].form.key_schema.as_deref());
    assert!(found[0].form.key_schema.as_deref().expect("a schema").contains("\"connect.name\":\"app.public.t.Key\""));
    assert_eq!((found[0].key.as_deref(), found[1].key.as_deref()), (Some(&[2][..]), Some(&[4][..])));
    assert_eq!(header(&found[0], "__debezium.newkey"), Some("{\"id\":2}"));
}

#[test]
fn names_that_avro_does_not_know_are_adjusted() {
    let table = schema(DatabaseKind::Postgres, "public", "nd-t", vec![column("ünï", "text", 25, Tag::Text, false)]);
    let field = |debezium: &Debezium| {
        let record = records(debezium, &table, &insert(&[Cell::Text("x")])).remove(0);
        let after = image(&record, "after");
        (record.form.value_schema.expect("a schema"), after[0].0.clone())
    };
    let (schema, name) = field(&avro(&[]));
    assert!(schema.contains("\"namespace\":\"app.public.nd_t\""), "{schema}");
    assert_eq!(name, "_n_");
    assert_eq!(field(&avro(&[("field.name.adjustment.mode", "avro_unicode")])).1, "_u00fcn_u00ef");
}

#[test]
fn value_that_nothing_can_say_is_an_error_with_the_columns_name() {
    let mut day = column("day", "date", 1082, Tag::Date, false);
    day.detail.not_null = true;
    let table = schema(DatabaseKind::Postgres, "public", "t", vec![day]);
    let error = try_records(&avro(&[]), &table, &insert(&[Cell::Unchanged])).expect_err("no sign for it");
    assert!(error.to_string().contains("column after.day "), "{error}");
}
