//! What is the same for all rows of one version of a table: names, shapes, defaults, and the schema that stands in front of
//! each record. Made once, copied from then on.

use super::columns::{Change, Said};
use super::form::Form;
use super::options::DebeziumOptions;
use super::part::Part;
use super::shape::{Kind, Shape, escaped};
use super::text::{Piece, put_string};
use super::{default, mysql, postgres, source, transaction};
use crate::change::{DatabaseKind, Headers, Schema, SchemaId};

/// A column that records have.
pub(super) struct Field {
    /// Index in the table's schema.
    pub(super) column: usize,
    /// `"name":`, as it stands in front of the value.
    pub(super) label: Piece,
    pub(super) shape: Shape,
    /// The same with what options say of the column, as the schemas of values show it; those of keys do not.
    told: Option<Box<Shape>>,
    /// What becomes of its values, but in keys.
    pub(super) change: Option<Change>,
    pub(super) optional: bool,
    /// Whether images have it; keys do either way.
    pub(super) is_shown: bool,
    /// The default as the schema says it; empty without one.
    default: Vec<u8>,
    /// The column's comment as the schema says it; empty without one.
    doc: String,
    /// What a null is written as.
    pub(super) null: Vec<u8>,
    /// What is written when the image does not hold the column.
    pub(super) absent: Vec<u8>,
    /// What is written when the log does not hold the value.
    pub(super) unchanged: Vec<u8>,
    /// What is written in place of a day that no calendar has.
    pub(super) zero: Vec<u8>,
}

impl Field {
    /// The schema of its values, in the shape that a row has it, without closing brace.
    pub(super) fn open_schema(&self, shape: Option<&Shape>) -> String {
        match shape {
            None => self.told().open(self.optional, &self.doc, &self.default),
            Some(shape) => shape.open(self.optional, &self.doc, b""),
        }
    }

    /// The field's schema, in the shape that a row has it.
    fn schema(&self, shape: Option<&Shape>, of_key: bool) -> String {
        let name = &self.label[..self.label.len() - 1];
        match shape {
            None if of_key => self.shape.commented_field(name, self.optional, &self.doc, &self.default),
            None => self.told().commented_field(name, self.optional, &self.doc, &self.default),
            Some(shape) => shape.commented_field(name, self.optional, &self.doc, b""),
        }
    }

    fn told(&self) -> &Shape {
        self.told.as_deref().unwrap_or(&self.shape)
    }
}

/// How a row's fields differ from the table's, because of a guest or of a value: a shape in place of the field's own, `None` for
/// a field that is left out; and the schemas of those that were added.
#[derive(Clone, Default)]
pub(super) struct Odd {
    pub(super) fields: Vec<(usize, Option<Shape>)>,
    pub(super) added: Vec<String>,
}

impl Odd {
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.added.is_empty()
    }
}

pub(super) struct Table {
    pub(super) id: SchemaId,
    /// The source and the table's names: ids are given by each source for itself.
    names: [String; 3],
    pub(super) topic: String,
    /// The topic as the beginning of schemas' names, inside JSON.
    pub(super) schema_name: String,
    pub(super) database: DatabaseKind,
    pub(super) fields: Vec<Field>,
    /// Indexes of the key's fields, in the key's order.
    pub(super) key: Vec<usize>,
    pub(super) key_part: Part,
    pub(super) value_part: Part,
    pub(super) source: source::Parts,
    pub(super) headers: Headers,
}

impl Table {
    pub(super) fn new(schema: &Schema, options: &DebeziumOptions, form: &Form, [prefix, topic]: [&str; 2]) -> Self {
        let database = schema.database.kind;
        let fields: Vec<Field> = (0..schema.columns.len()).filter_map(|i| field(schema, i, options)).collect();
        let columns = options.columns.key(schema);
        let key = columns.iter().filter_map(|c| fields.iter().position(|f| f.column == *c)).collect();
        let mut table = Self {
            id: schema.id,
            names: [&schema.source, &schema.namespace, &schema.table].map(Clone::clone),
            schema_name: escaped(&options.schema_names.schema(topic)),
            topic: topic.to_owned(),
            database,
            fields,
            key,
            key_part: Part::default(),
            value_part: Part::default(),
            source: source::Parts::new(schema, prefix, options),
            headers: Headers::default(),
        };
        if options.has_schemas() {
            table.key_part = Part::new(table.key_schema(&Odd::default()), options);
            let none = Odd::default();
            table.value_part = match form {
                Form::Envelope => Part::new(table.value_schema(&none, &none), options),
                Form::Unwrap(unwrap) => Part::new(unwrap.schema(&table, &none), options),
                // An event has its schema inside, and what a row of an outbox says is each row's own.
                Form::CloudEvents(_) | Form::Outbox(_) => Part::default(),
            };
        }
        table
    }

    pub(super) fn is_of(&self, schema: &Schema) -> bool {
        let names = [&schema.source, &schema.namespace, &schema.table];
        self.id == schema.id && self.names.iter().zip(names).all(|(ours, theirs)| ours == theirs)
    }

    /// What stands in front of a key whose fields are odd.
    pub(super) fn key_schema(&self, odd: &Odd) -> Vec<u8> {
        let fields = self.fields_schema(&self.key, odd, true);
        let name = &self.schema_name;
        format!(
            "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{fields}],\"optional\":false,\"name\":\"{name}.Key\"}},\"payload\":"
        )
        .into_bytes()
    }

    /// What stands in front of a row alone, which may be `optional`; `tail` is the schema of what stands behind its fields.
    pub(super) fn row_schema(&self, odd: &Odd, tail: &str, optional: bool) -> Vec<u8> {
        let (fields, topic) = (self.fields_schema(&self.all(), odd, false), &self.schema_name);
        let tail = if fields.is_empty() { tail.trim_start_matches(',') } else { tail };
        format!(
            "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{fields}{tail}],\"optional\":{optional},\"name\":\"{topic}.Value\"}},\"payload\":"
        )
        .into_bytes()
    }

    /// The schema of an image, as the field `name`.
    pub(super) fn image_schema(&self, odd: &Odd, name: &str) -> String {
        format!(
            "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":true,\"name\":\"{}.Value\",\"field\":\"{name}\"}}",
            self.fields_schema(&self.all(), odd, false),
            self.schema_name
        )
    }

    fn all(&self) -> Vec<usize> {
        (0..self.fields.len()).filter(|index| self.fields[*index].is_shown).collect()
    }

    /// What stands in front of a value whose images are odd.
    pub(super) fn value_schema(&self, before: &Odd, after: &Odd) -> Vec<u8> {
        let topic = &self.schema_name;
        let (before, after) = (self.image_schema(before, "before"), self.image_schema(after, "after"));
        let (source, block) = (source::schema(self.database), transaction::BLOCK);
        format!(
            "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{before},{after},{source},{block},{TAIL}],\
             \"optional\":false,\"name\":\"{topic}.Envelope\",\"version\":2}},\"payload\":"
        )
        .into_bytes()
    }

    fn fields_schema(&self, fields: &[usize], odd: &Odd, of_key: bool) -> String {
        let mut all = Vec::with_capacity(fields.len());
        for i in fields {
            match odd.fields.iter().find(|(field, _)| field == i) {
                None => all.push(self.fields[*i].schema(None, of_key)),
                Some((_, Some(shape))) => all.push(self.fields[*i].schema(Some(shape), of_key)),
                Some((_, None)) => {}
            }
        }
        all.extend(odd.added.iter().cloned());
        all.join(",")
    }
}

const TAIL: &str = "{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},\
    {\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"}";

fn field(schema: &Schema, column: usize, options: &DebeziumOptions) -> Option<Field> {
    let declared = &schema.columns[column];
    let kind = schema.database.kind;
    let shape = match kind {
        DatabaseKind::Postgres => postgres::shape(declared, options)?,
        DatabaseKind::Mysql | DatabaseKind::Mariadb => mysql::shape(declared, options)?,
    };
    let Said { parameters, change } = options.columns.of(schema, declared, options.tells_comments(kind));
    let change = change.filter(|change| match change {
        Change::Cut(_) => shape.is_text() || matches!(shape.kind, Kind::Bytes { .. }),
        Change::Mask(_) => shape.is_text(),
    });
    // Of a column that is not asked for PostgreSQL's connector does not know whether it can be null.
    let optional = !declared.detail.not_null || declared.detail.key_only && kind == DatabaseKind::Postgres;
    let default = default::of_column(declared, &shape, kind).unwrap_or_default();
    let zero = match (&shape.kind, declared.detail.modifiers.as_slice()) {
        // As a value of this column is written.
        (Kind::DecimalText, [_, scale]) => format!("\"{}\"", default::scaled("0".into(), *scale)).into_bytes(),
        (Kind::Money { decimal, digits }, _) if **decimal == Kind::DecimalText => {
            format!("\"{}\"", default::scaled("0".into(), *digits)).into_bytes()
        }
        (kind, _) => default::zero(kind),
    };
    let null = if default.is_empty() || !options.null_is_default { b"null".to_vec() } else { default.clone() };
    let absent = match (optional, default.is_empty()) {
        (true, _) => null.clone(),
        (false, true) => zero.clone(),
        (false, false) => default.clone(),
    };
    let mut label = Vec::with_capacity(declared.name.len() + 3);
    put_string(&mut label, &options.field_names.field(&declared.name));
    label.push(b':');
    let label = Piece::new(label);
    let unchanged = default::unchanged(&shape.kind, options);
    let comment = if options.tells_comments(kind) { declared.detail.comment.as_str() } else { "" };
    let doc = if comment.is_empty() { String::new() } else { format!(",\"doc\":\"{}\"", escaped(comment)) };
    let is_shown = !declared.detail.key_only;
    let told = (!parameters.is_empty()).then(|| Box::new(shape.clone().with_parameters(&parameters)));
    Some(Field { column, label, shape, told, change, optional, is_shown, default, doc, null, absent, unchanged, zero })
}
