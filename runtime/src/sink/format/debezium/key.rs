//! A record's key: the key's columns, in the key's order.

use super::image::{Image, cell, is_left_out};
use super::table::{Odd, Table};
use super::{Debezium, EncodeError, value};
use crate::change::Cell;
use crate::sink::format::ShownRow;
use crate::sink::format::avro::Reader;
use crate::sink::format::scratch::Scratch;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) struct Key {
    /// As it goes out.
    pub(super) whole: Bytes,
    pub(super) schema: Option<Arc<str>>,
    /// As JSON without a schema, where that is not what goes out.
    bare: Option<Bytes>,
}

impl Key {
    fn bare(&self) -> &Bytes {
        self.bare.as_ref().unwrap_or(&self.whole)
    }
}

impl Debezium {
    /// The keys before and after, if they differ. An old image that does not hold the key says that it did not.
    pub(super) fn old_key(&self, table: &Table, shown: &ShownRow<'_>) -> Result<Option<(Key, Key)>, EncodeError> {
        let Some(new) = self.key(table, shown, Image::Shown)? else { return Ok(None) };
        let Ok(Some(old)) = self.key(table, shown, Image::Old) else { return Ok(None) };
        Ok((old.bare() != new.bare()).then_some((old, new)))
    }

    /// A key as Connect's `SimpleHeaderConverter` writes it: like JSON, but decimals are numbers, and in a text only quotes and
    /// backslashes are escaped.
    pub(super) fn key_header(&self, table: &Table, shown: &ShownRow<'_>, image: Image) -> String {
        let mut out = String::from("{");
        for (i, index) in table.key.iter().enumerate() {
            let field = &table.fields[*index];
            let cell = &cell(shown, image, field.column);
            let mut value = Vec::new();
            let as_number = field.shape.kind.with_numbers();
            if as_number.is_none_or(|kind| value::put(&mut value, &kind, cell).is_err()) {
                value.clear();
                self.put_field(&mut value, table, *index, cell, &mut Odd::default());
                value.drain(..field.label.len());
            }
            let name = Reader::new(&String::from_utf8_lossy(&field.label)).string().map(Cow::into_owned);
            let value = String::from_utf8_lossy(&value);
            out.push_str(if i > 0 { "," } else { "" });
            push_quoted(&mut out, &name.unwrap_or_default());
            out.push(':');
            match Reader::new(&value).string() {
                Some(text) => push_quoted(&mut out, &text),
                None => out.push_str(&value),
            }
        }
        out.push('}');
        out
    }

    pub(super) fn key(&self, table: &Table, shown: &ShownRow<'_>, image: Image) -> Result<Option<Key>, EncodeError> {
        if table.key.is_empty() {
            return Ok(None);
        }
        let mut out = Scratch::lend();
        out.extend_from_slice(&table.key_part);
        let mut odd = Odd::default();
        out.push(b'{');
        for (i, index) in table.key.iter().enumerate() {
            let field = &table.fields[*index];
            let name = || shown.schema.columns[field.column].name.clone();
            let cell = &cell(shown, image, field.column);
            match cell {
                Cell::Unchanged => return Err(EncodeError::KeyUnchanged(name())),
                Cell::Absent if is_left_out(shown, field.column) => return Err(EncodeError::KeyLeftOut(name())),
                Cell::Absent => return Err(EncodeError::KeyNotLogged(name())),
                _ => {}
            }
            if i > 0 {
                out.push(b',');
            }
            self.put_field(&mut out, table, *index, cell, &mut odd);
        }
        out.push(b'}');
        let is_plain = !self.options.has_schemas();
        let bare = (!is_plain).then(|| Bytes::copy_from_slice(&out[table.key_part.len()..]));
        let odd_head = (!is_plain && !odd.is_empty()).then(|| table.key_schema(&odd));
        let written = self.finish.of(&mut out, &table.key_part, odd_head).map_err(EncodeError::Avro)?;
        Ok(Some(Key { whole: written.bytes, schema: written.schema, bare }))
    }
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
    out.push('"');
}
