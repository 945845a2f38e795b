//! `unwrap`, `outbox` and `cloudevents` of a route: the options of Debezium's transformations and converters by their own names, without
//! what a connector's configuration puts before them (`transforms.unwrap.`, `value.converter.`).

use super::debezium::{Values, value_of};
use super::entry::Entry;
use super::mistake::suggestion;
use super::section::Section;
use super::{DebeziumPlan, FormPlan};

/// What a form's table may hold.
pub(super) struct FormRule {
    pub form: FormPlan,
    /// The table's name, and the body's.
    pub key: &'static str,
    options: &'static [(&'static str, Values)],
    /// What is something else's business, and what to do instead.
    elsewhere: &'static [(&'static str, &'static str)],
}

const UNWRAP: &[(&str, Values)] = &[
    (
        "delete.tombstone.handling.mode",
        Values::OneOf(&["tombstone", "drop", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"]),
    ),
    ("add.fields", Values::Text),
    ("add.fields.prefix", Values::Text),
    ("add.headers", Values::Text),
    ("add.headers.prefix", Values::Text),
];
const NOT_UNWRAP: &[(&str, &str)] = &[
    ("drop.tombstones", "write delete.tombstone.handling.mode, which is both"),
    (
        "delete.handling.mode",
        "write delete.tombstone.handling.mode: drop is \"tombstone\", rewrite is \"rewrite-with-tombstone\", or \"rewrite\" with \
         drop.tombstones",
    ),
    ("route.by.field", "write `topic` of the route, a template: topic = \"{column}\""),
    ("replace.null.with.default", "write it in `debezium`"),
];
const OUTBOX: &[(&str, Values)] = &[
    ("table.field.event.id", Values::Text),
    ("table.field.event.key", Values::Text),
    ("table.field.event.payload", Values::Text),
    ("table.fields.additional.placement", Values::Text),
    ("table.fields.additional.error.on.missing", Values::Flag),
    ("table.expand.json.payload", Values::Flag),
    ("table.json.payload.null.behavior", Values::OneOf(&["ignore", "optional_bytes"])),
    ("table.op.invalid.behavior", Values::OneOf(&["warn", "error", "fatal"])),
    ("route.by.field", Values::Text),
    ("route.topic.regex", Values::AsWritten),
    ("route.topic.replacement", Values::AsWritten),
    ("route.tombstone.on.empty.payload", Values::Flag),
];
const NOT_OUTBOX: &[(&str, &str)] = &[
    (
        "table.field.event.timestamp",
        "remove it; the target's `timestamp` says whether a record's time is when it was sent or when its row was committed",
    ),
    ("table.field.event.schema.version", "remove it; a schema has no version here, its registry gives one"),
    ("table.field.event.type", "write table.fields.additional.placement = \"type:header:eventType\""),
];
const CLOUDEVENTS: &[(&str, Values)] = &[
    ("mode", Values::OneOf(&["structured", "binary"])),
    ("extension.attributes.enable", Values::Flag),
    ("serializer.type", Values::OneOf(&["json"])),
    ("data.serializer.type", Values::OneOf(&["json"])),
];
const NOT_CLOUDEVENTS: &[(&str, &str)] = &[
    ("json.schemas.enable", "write \"schemas.enable\" in `debezium`"),
    ("metadata.source", "remove it; an event is made of the change itself"),
    ("schema.name.adjustment.mode", "write it in `debezium`"),
];

pub(super) const FORMS: [FormRule; 3] = [
    FormRule { form: FormPlan::Unwrap, key: "unwrap", options: UNWRAP, elsewhere: NOT_UNWRAP },
    FormRule { form: FormPlan::Outbox, key: "outbox", options: OUTBOX, elsewhere: NOT_OUTBOX },
    FormRule { form: FormPlan::CloudEvents, key: "cloudevents", options: CLOUDEVENTS, elsewhere: NOT_CLOUDEVENTS },
];

/// Columns without which a row of an outbox makes no event, by the option that names them, and what they are called unless it does.
const OUTBOX_COLUMNS: [(&str, &str); 4] = [
    ("table.field.event.id", "id"),
    ("table.field.event.key", "aggregateid"),
    ("table.field.event.payload", "payload"),
    ("route.by.field", "aggregatetype"),
];

impl DebeziumPlan {
    /// The columns that a table has to have for this form.
    pub fn columns(&self) -> Vec<&str> {
        let said =
            |option: &str| self.form_options.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str());
        match self.form {
            FormPlan::Outbox => OUTBOX_COLUMNS.iter().map(|(option, usual)| said(option).unwrap_or(usual)).collect(),
            FormPlan::Envelope | FormPlan::Unwrap | FormPlan::CloudEvents => Vec::new(),
        }
    }
}

/// The options that are known and have values that they can have. What they mean together is looked at by who knows the forms.
pub(super) fn read_form(section: &Section<'_>, rule: &FormRule) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for (name, entry) in section.dotted() {
        let Some((_, values)) = rule.options.iter().find(|(known, _)| *known == name) else {
            not_known(&name, &entry, rule);
            continue;
        };
        let Some(value) = value_of(&entry, &name, values) else { continue };
        let option = (name, value);
        if let Err(reason) = (entry.page.reading.experts.form)(rule.form, std::slice::from_ref(&option)) {
            entry.mistake(format!("`{}` can not be this", option.0), reason);
            continue;
        }
        options.push(option);
    }
    options
}

fn not_known(name: &str, entry: &Entry<'_>, rule: &FormRule) {
    let elsewhere = rule.elsewhere.iter().find(|(known, _)| *known == name);
    let (told, remedy) = match elsewhere {
        Some((_, remedy)) => (format!("this is not said in `{}`", rule.key), (*remedy).to_owned()),
        None => {
            let names = rule.options.iter().map(|(known, _)| *known);
            (
                format!("no option of `{}` that is known here has this name", rule.key),
                suggestion(name, names, "there are"),
            )
        }
    };
    entry.page.mistake(&entry.subject, entry.key_at.clone(), told, remedy);
}
