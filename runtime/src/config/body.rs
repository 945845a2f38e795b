//! `body` of a route, what it is made of, and the options of each.

use super::debezium::{ReadDebezium, read_debezium};
use super::section::Section;
use super::{BodyPlan, Encoding};

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Flat,
    Debezium,
}

const BODIES: [(&str, Body); 2] = [("flat", Body::Flat), ("debezium", Body::Debezium)];
const ENCODINGS: [(&str, Encoding); 2] = [("json", Encoding::Json), ("avro", Encoding::Avro)];

/// What a row's bytes are. `tombstones`, for records, can be said in Debezium's way as well.
pub(super) fn read_body(section: &Section<'_>, mut tombstones: Option<&mut Option<bool>>) -> BodyPlan {
    let body = section.entry("body").and_then(|entry| entry.choice(&BODIES, &["cloudevents"])).unwrap_or(Body::Flat);
    // Only records have a place beside them for a schema.
    let encoding = tombstones.as_ref().and_then(|_| section.entry("encoding"));
    let encoding = encoding.and_then(|entry| Some((entry.choice(&ENCODINGS, &[])?, entry)));
    let options = section.section("debezium");
    let read = options.as_ref().map(read_debezium);
    let ReadDebezium { mut plan, tombstones: said, of_json, names } = read.unwrap_or_default();
    match (said, &mut tombstones) {
        (Some((_, entry)), Some(Some(_))) => {
            entry.mistake("`tombstones` of the route says it already", "remove one of the two")
        }
        (Some((flag, _)), Some(unsaid)) => **unsaid = Some(flag),
        (Some((_, entry)), None) => entry.mistake("only Kafka knows tombstones", "remove it"),
        (None, _) => {}
    }
    if let Some((Encoding::Avro, entry)) = encoding {
        plan.encoding = Encoding::Avro;
        if body == Body::Flat {
            entry.mistake("a flat body is JSON: it has no schema", "add body = \"debezium\", or remove `encoding`");
        }
        if let Some(entry) = of_json {
            entry.mistake("records in Avro never carry their schema: it is in the registry", "remove it");
        }
        for entry in names {
            entry.mistake(
                "Avro knows letters, digits and _ in names, and nothing else",
                "write \"avro\" or \"avro_unicode\"",
            );
        }
    }
    match body {
        Body::Debezium => BodyPlan::Debezium(plan),
        Body::Flat => {
            if let Some(options) = options {
                options
                    .mistake("these are for bodies as Debezium writes them", "add body = \"debezium\", or remove them");
            }
            BodyPlan::Flat
        }
    }
}
