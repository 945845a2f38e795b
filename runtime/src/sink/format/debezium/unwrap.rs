//! The row alone, as Debezium's `ExtractNewRecordState` leaves it: columns as the envelope has them, and what was asked for of the
//! change beside them.

use super::form::{Options, listed, unknown};
use super::options::{Encoding, YES_NO, choose};
use super::part::{Part, Written};
use super::source;
use super::table::{Odd, Table};
use super::text::{put_int, put_string};
use super::{Change, Debezium, EncodeError, Told};
use crate::change::{DatabaseKind, Header, Op};
use crate::sink::format::avro::{AvroError, Reader};
use crate::sink::format::scratch::Scratch;

/// See `delete.tombstone.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletes {
    /// Nothing comes of them.
    Drop,
    /// The row is null. In JSON that is the text `null`, as Debezium has it, and no tombstone to Kafka.
    Null,
    /// They become Kafka's tombstones.
    Tombstone,
    /// The old row, with `__deleted`; a tombstone behind it or not.
    Rewrite { tombstone: bool },
}

#[derive(Clone, Debug)]
pub struct Unwrap {
    deletes: Deletes,
    fields: Vec<Added>,
    headers: Vec<Added>,
}

/// Where something about a change stands in the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Envelope,
    Source,
    Transaction,
}

/// Something about a change, by the name that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Added {
    place: Place,
    field: String,
    name: String,
}

const PREFIX: &str = "__";

impl Unwrap {
    /// Reads options by their names, without `transforms.unwrap.` before them.
    ///
    /// # Errors
    /// A sentence that names the option and what it may be.
    pub fn parse(options: &Options) -> Result<Self, String> {
        let mut deletes = Deletes::Null;
        let (mut fields, mut headers) = (("", PREFIX), ("", PREFIX));
        for (name, value) in options {
            match name.as_str() {
                "delete.tombstone.handling.mode" => {
                    let choices = [
                        ("drop", Deletes::Drop),
                        ("tombstone", Deletes::Null),
                        ("rewrite", Deletes::Rewrite { tombstone: false }),
                        ("rewrite-with-tombstone", Deletes::Rewrite { tombstone: true }),
                        ("delete-to-tombstone", Deletes::Tombstone),
                    ];
                    deletes = choose(name, value, &choices)?;
                }
                "add.fields" => fields.0 = value,
                "add.fields.prefix" => fields.1 = value,
                "add.headers" => headers.0 = value,
                "add.headers.prefix" => headers.1 = value,
                "replace.null.with.default" => drop(choose(name, value, &YES_NO[..1])?),
                _ => return Err(unknown(name, "the unwrap body")),
            }
        }
        let all = |(list, prefix): (&str, &str)| -> Result<Vec<Added>, String> {
            listed(list).map(|one| Added::parse(one, prefix)).collect()
        };
        Ok(Self { deletes, fields: all(fields)?, headers: all(headers)? })
    }

    fn rewrites(&self) -> bool {
        matches!(self.deletes, Deletes::Rewrite { .. })
    }

    /// What stands in front of a value whose image is odd.
    pub(super) fn schema(&self, table: &Table, odd: &Odd) -> Vec<u8> {
        let mut tail = String::new();
        if self.rewrites() {
            tail.push_str(",{\"type\":\"string\",\"optional\":true,\"field\":\"__deleted\"}");
        }
        for added in &self.fields {
            let kind = added.schema(table.database).unwrap_or(source::TEXT);
            tail.push_str(&format!(",{{{},\"optional\":true{},\"field\":\"{}\"}}", kind.0, kind.1, added.escaped()));
        }
        table.row_schema(odd, &tail, false)
    }
}

impl Added {
    /// `op`, `source.ts_ms`, `lsn:position`.
    fn parse(text: &str, prefix: &str) -> Result<Self, String> {
        let (path, alias) = text.split_once(':').map_or((text, None), |(path, alias)| (path, Some(alias)));
        let (place, field) = match path.split_once('.') {
            Some(("source", field)) => (Place::Source, field),
            Some(("transaction", field)) => (Place::Transaction, field),
            Some((other, _)) => {
                return Err(format!(
                    "{other} is no part of an envelope that fields are taken from: source or transaction"
                ));
            }
            None if matches!(path, "op" | "ts_ms" | "ts_us" | "ts_ns") => (Place::Envelope, path),
            None if matches!(path, "id" | "total_order" | "data_collection_order") => (Place::Transaction, path),
            None => (Place::Source, path),
        };
        let is_known = match place {
            Place::Envelope => true,
            Place::Transaction => matches!(field, "id" | "total_order" | "data_collection_order"),
            Place::Source => source::knows(field),
        };
        if !is_known || alias == Some("") {
            return Err(format!(
                "{text:?} names nothing of a change; write op, ts_ms, ts_us, ts_ns, or a field of source or transaction"
            ));
        }
        Ok(Self {
            place,
            field: field.to_owned(),
            name: format!("{prefix}{}", alias.unwrap_or(&path.replace('.', "_"))),
        })
    }

    fn escaped(&self) -> String {
        super::shape::escaped(&self.name)
    }

    /// What stands before and behind `"optional"` in the field's schema; `None` if this kind of database has no such field.
    fn schema(&self, database: DatabaseKind) -> Option<source::FieldSchema> {
        match (self.place, self.field.as_str()) {
            (Place::Envelope, "op") | (Place::Transaction, "id") => Some(source::TEXT),
            (Place::Envelope | Place::Transaction, _) => Some(source::LONG),
            (Place::Source, field) => source::field_schema(database, field),
        }
    }

    /// Appends the value as JSON. `block` is the source's.
    fn put(&self, out: &mut Vec<u8>, block: &str, change: &Change<'_>, told: &Told) -> Result<(), EncodeError> {
        match (self.place, self.field.as_str()) {
            (Place::Envelope, "op") => put_string(out, told.op),
            (Place::Envelope, "ts_ns") => put_int(out, change.now_ns),
            (Place::Envelope, "ts_us") => put_int(out, change.now_ns.div_euclid(1_000)),
            (Place::Envelope, _) => put_int(out, change.now_ns.div_euclid(1_000_000)),
            (Place::Transaction, field) => match change.transaction {
                Some(place) => out.extend_from_slice(place.field(field).as_bytes()),
                None => out.extend_from_slice(b"null"),
            },
            // What streams is of no snapshot: the block says so by the field's default, which is not taken here.
            (Place::Source, "snapshot") if change.shown.row.head.op != Op::Read => out.extend_from_slice(b"null"),
            (Place::Source, field) => {
                let value = field_of(block, field);
                out.extend_from_slice(value.ok_or_else(|| EncodeError::NoField(field.to_owned()))?.as_bytes());
            }
        }
        Ok(())
    }
}

/// The value of a flat object's field, as JSON.
pub(super) fn field_of<'a>(object: &'a str, field: &str) -> Option<&'a str> {
    fields_of(object).find(|(name, _)| name == field).map(|(_, value)| value)
}

/// The fields of a flat object, values as JSON.
pub(super) fn fields_of(object: &str) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, &str)> {
    let mut reader = Reader::new(object);
    reader.takes("{");
    std::iter::from_fn(move || {
        let name = reader.string()?;
        reader.takes(":");
        let value = reader.scalar();
        reader.takes(",");
        Some((name, value))
    })
}

impl Debezium {
    /// The value of a record; `None` if there is no record.
    pub(super) fn unwrapped(
        &self,
        unwrap: &Unwrap,
        table: &Table,
        change: &Change<'_>,
        told: &Told,
    ) -> Result<Option<Unwrapped>, EncodeError> {
        let is_delete = told.op == "d";
        let headers = |block: &str| self.added_headers(&unwrap.headers, block, change, told);
        let block = source_block(table, change);
        match unwrap.deletes {
            _ if told.op == "t" => return Ok(None),
            Deletes::Drop if is_delete => return Ok(None),
            Deletes::Null if is_delete => {
                let value = self.absent(table).map_err(EncodeError::Avro)?;
                return Ok(Some(Unwrapped { value, headers: headers(&block)?, tombstone: false }));
            }
            Deletes::Tombstone if is_delete => {
                return Ok(Some(Unwrapped { value: None, headers: headers(&block)?, tombstone: false }));
            }
            _ => {}
        }
        let image = if is_delete { told.before } else { told.after };
        let mut out = Scratch::lend();
        out.extend_from_slice(&table.value_part);
        let mut odd = Odd::default();
        self.put_image(&mut out, table, change.shown, image, &mut odd);
        // The object goes on.
        out.pop();
        let mut comma = if out.last() == Some(&b'{') { "" } else { "," };
        if unwrap.rewrites() {
            out.extend_from_slice(comma.as_bytes());
            let deleted: &[u8] = if is_delete { b"\"__deleted\":\"true\"" } else { b"\"__deleted\":\"false\"" };
            out.extend_from_slice(deleted);
            comma = ",";
        }
        for added in &unwrap.fields {
            out.extend_from_slice(comma.as_bytes());
            put_string(&mut out, &added.name);
            out.push(b':');
            added.put(&mut out, &block, change, told)?;
            comma = ",";
        }
        out.push(b'}');
        let odd_head = (self.options.has_schemas() && !odd.is_empty()).then(|| unwrap.schema(table, &odd));
        let value = self.finish.of(&mut out, &table.value_part, odd_head).map_err(EncodeError::Avro)?;
        let tombstone = is_delete && unwrap.deletes == Deletes::Rewrite { tombstone: true };
        Ok(Some(Unwrapped { value: Some(value), headers: headers(&block)?, tombstone }))
    }

    /// A row that is null. Avro has no bytes for it: there it is Kafka's null.
    fn absent(&self, table: &Table) -> Result<Option<Written>, AvroError> {
        if self.options.encoding == Encoding::Avro {
            return Ok(None);
        }
        let mut out = b"null".to_vec();
        let head = self.options.has_schemas().then(|| table.row_schema(&Odd::default(), "", true));
        self.finish.of(&mut out, &Part::default(), head).map(Some)
    }

    fn added_headers(
        &self,
        all: &[Added],
        block: &str,
        change: &Change<'_>,
        told: &Told,
    ) -> Result<Vec<Header>, EncodeError> {
        let mut headers = Vec::with_capacity(all.len());
        for added in all {
            let mut json = Vec::new();
            added.put(&mut json, block, change, told)?;
            let json = String::from_utf8_lossy(&json);
            headers.extend(header_text(&json).map(|text| (added.name.as_str().into(), text)));
        }
        Ok(headers)
    }
}

/// What becomes of a change.
pub(super) struct Unwrapped {
    /// `None`: Kafka's null.
    pub(super) value: Option<Written>,
    pub(super) headers: Vec<Header>,
    pub(super) tombstone: bool,
}

/// A value as Connect's `SimpleHeaderConverter` writes it: text as it is, and the rest as in JSON. `None` for null: a header here
/// is text, so there is none.
pub(super) fn header_text(json: &str) -> Option<String> {
    match Reader::new(json).string() {
        Some(text) => Some(text.into_owned()),
        None => (json != "null").then(|| json.to_owned()),
    }
}

pub(super) fn source_block(table: &Table, change: &Change<'_>) -> String {
    let mut block = Scratch::lend();
    table.source.put(&mut block, change);
    String::from_utf8_lossy(&block).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> Result<(Place, String, String), String> {
        Added::parse(text, "__").map(|added| (added.place, added.field, added.name))
    }

    #[test]
    fn what_is_added_is_found_and_named_as_debezium_does_it() {
        for (text, place, field, name) in [
            ("op", Place::Envelope, "op", "__op"),
            ("table", Place::Source, "table", "__table"),
            ("source.ts_ms", Place::Source, "ts_ms", "__source_ts_ms"),
            ("ts_ms", Place::Envelope, "ts_ms", "__ts_ms"),
            ("ts_ns", Place::Envelope, "ts_ns", "__ts_ns"),
            ("lsn:position", Place::Source, "lsn", "__position"),
            ("transaction.id", Place::Transaction, "id", "__transaction_id"),
            ("total_order", Place::Transaction, "total_order", "__total_order"),
        ] {
            assert_eq!(added(text), Ok((place, field.into(), name.into())), "{text}");
        }
        for wrong in ["before.id", "lns", "source.", "op:", "transaction.lsn"] {
            assert!(added(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_hold_text_without_quotes() {
        assert_eq!(header_text("\"a\\\"b\"").as_deref(), Some("a\"b"));
        assert_eq!(header_text("17").as_deref(), Some("17"));
        assert_eq!(header_text("null"), None);
    }

    #[test]
    fn fields_of_a_flat_object_are_found_as_json() {
        let block = r#"{"a":"x,\"}","b":null,"c":-1}"#;
        assert_eq!(
            (field_of(block, "a"), field_of(block, "b"), field_of(block, "c"), field_of(block, "d")),
            (Some(r#""x,\"}""#), Some("null"), Some("-1"), None)
        );
    }
}
