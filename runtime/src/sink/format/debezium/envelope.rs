//! The value as Debezium's connectors write it: both images, where the change comes from, and what it was.

use super::image::Image;
use super::options::Encoding;
use super::part::Written;
use super::table::{Odd, Table};
use super::text::{put_finer, put_int};
use super::transaction::put_block;
use super::{Change, Debezium, EncodeError, Told};
use crate::sink::format::scratch::Scratch;

impl Debezium {
    pub(super) fn envelope(&self, table: &Table, change: &Change<'_>, told: &Told) -> Result<Written, EncodeError> {
        let mut out = Scratch::lend();
        out.extend_from_slice(&table.value_part);
        out.push(b'{');
        let (mut odd_before, mut odd_after) = self.put_images(&mut out, table, change, told);
        out.extend_from_slice(b",\"source\":");
        table.source.put(&mut out, change);
        if change.transaction.is_none() {
            out.extend_from_slice(b",\"transaction\":null,\"op\":\"");
        } else {
            out.extend_from_slice(b",\"transaction\":");
            put_block(&mut out, change.transaction);
            out.extend_from_slice(b",\"op\":\"");
        }
        out.extend_from_slice(told.op.as_bytes());
        out.extend_from_slice(b"\",\"ts_ms\":");
        let begin = out.len();
        put_int(&mut out, change.now_ns.div_euclid(1_000_000));
        let millis = begin..out.len();
        out.extend_from_slice(b",\"ts_us\":");
        let micros = put_finer(&mut out, millis, change.now_ns.div_euclid(1_000));
        out.extend_from_slice(b",\"ts_ns\":");
        put_finer(&mut out, micros, change.now_ns);
        out.push(b'}');
        let is_odd = self.options.has_schemas() && !(odd_before.is_empty() && odd_after.is_empty());
        let odd_head = is_odd.then(|| {
            if self.options.encoding == Encoding::Avro {
                // Both images have one name in Avro, so the one that is not there says nothing else than the other.
                match (told.before, told.after) {
                    (Image::None, _) => odd_before = odd_after.clone(),
                    (_, Image::None) => odd_after = odd_before.clone(),
                    _ => {}
                }
            }
            table.value_schema(&odd_before, &odd_after)
        });
        self.finish.of(&mut out, &table.value_part, odd_head).map_err(EncodeError::Avro)
    }

    /// `"before":..,"after":..`, and how their fields differ from the table's.
    pub(super) fn put_images(&self, out: &mut Vec<u8>, table: &Table, change: &Change<'_>, told: &Told) -> (Odd, Odd) {
        let (mut odd_before, mut odd_after) = (Odd::default(), Odd::default());
        out.extend_from_slice(b"\"before\":");
        self.put_image(out, table, change.shown, told.before, &mut odd_before);
        out.extend_from_slice(b",\"after\":");
        self.put_image(out, table, change.shown, told.after, &mut odd_after);
        (odd_before, odd_after)
    }
}
