//! Dead letters and messages between the port's types and the tables' rows.

use super::codec::{self, Shared};
use super::rows::{Dead, Parked};
use crate::change::Message;
use crate::store::{Buried, Carried, DeadLetter, DeadRow, DeadSummary};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A message that is ready to be written.
pub(super) struct Parcel {
    carried: Carried,
    meta: String,
    pub(super) content_sum: i64,
}

impl Parcel {
    pub(super) fn new(carried: Carried) -> Self {
        let meta = codec::write_message(&carried.message);
        let mut parcel = Self { carried, meta, content_sum: 0 };
        parcel.content_sum = parcel.row().content_sum();
        parcel
    }

    pub(super) fn row(&self) -> Parked<'_> {
        let message = &self.carried.message;
        Parked {
            attempts: self.carried.attempts.into(),
            arrived_us: self.carried.arrived_us,
            bytes: message.byte_len() as i64,
            id: &message.id.0,
            meta: &self.meta,
            key: &message.key,
            body: &message.body,
        }
    }
}

/// # Errors
/// If the row holds no message, in words for people.
pub(super) fn read_parked(row: &Parked<'_>, shared: &mut Shared) -> Result<Carried, String> {
    let message = codec::read_message(row.meta, row.id, [row.key, row.body], shared)?;
    Ok(Carried { message, attempts: count(row.attempts), arrived_us: row.arrived_us })
}

/// A dead letter that is ready to be written.
pub(super) struct Letter {
    letter: DeadLetter,
    table: String,
    meta: String,
    /// Of a row.
    json: Option<String>,
}

impl Letter {
    pub(super) fn new(letter: DeadLetter) -> Self {
        let (table, meta, json) = match &letter.buried {
            Buried::Message(message) => (message.origin.schema.full_name(), codec::write_message(message), None),
            Buried::Row(row) => {
                let json = String::from_utf8_lossy(&row.json).into_owned();
                (row.schema.full_name(), codec::write_row(row.mark, &row.schema), Some(json))
            }
        };
        Self { letter, table, meta, json }
    }

    pub(super) fn row(&self) -> Dead<'_> {
        let letter = &self.letter;
        let (name, key, body, bytes): (&str, &[u8], &[u8], usize) = match &letter.buried {
            Buried::Message(message) => (&message.id.0, &message.key, &message.body, message.byte_len()),
            Buried::Row(row) => (&row.id, &[], &row.frame, row.frame.len() + row.json.len()),
        };
        Dead {
            name: [&letter.pipeline, &letter.target, &letter.member, name],
            is_row: matches!(letter.buried, Buried::Row(_)),
            table: &self.table,
            is_superseded: false,
            reason: &letter.reason,
            attempts: letter.attempts.into(),
            arrived_us: letter.arrived_us,
            died_us: letter.died_us,
            bytes: bytes as i64,
            notes: [
                letter.generation.as_deref(),
                letter.guest.as_deref(),
                letter.last_answer.as_deref(),
                letter.backtrace.as_deref(),
            ],
            meta: &self.meta,
            key,
            body,
            json: self.json.as_deref(),
        }
    }
}

/// # Errors
/// If the row holds no letter, in words for people.
pub(super) fn read_dead(row: &Dead<'_>, shared: &mut Shared) -> Result<DeadLetter, String> {
    let [pipeline, target, member, name] = row.name;
    let [generation, guest, last_answer, backtrace] = row.notes.map(|note| note.map(str::to_owned));
    Ok(DeadLetter {
        pipeline: pipeline.into(),
        target: target.into(),
        member: member.into(),
        buried: match row.is_row {
            true => Buried::Row(Arc::new(read_row(row, name)?)),
            false => Buried::Message(read_message(row, name, shared)?),
        },
        reason: row.reason.to_owned(),
        attempts: count(row.attempts),
        last_answer,
        guest,
        generation,
        backtrace,
        arrived_us: row.arrived_us,
        died_us: row.died_us,
    })
}

fn read_message(row: &Dead<'_>, name: &str, shared: &mut Shared) -> Result<Message, String> {
    codec::read_message(row.meta, name, [row.key, row.body], shared)
}

fn read_row(row: &Dead<'_>, name: &str) -> Result<DeadRow, String> {
    let (mark, schema) = codec::read_row(row.meta)?;
    let json = Bytes::copy_from_slice(row.json.unwrap_or_default().as_bytes());
    Ok(DeadRow { id: name.to_owned(), schema, mark, frame: Bytes::copy_from_slice(row.body), json })
}

/// The columns of [`super::rows::DEAD_NARROW`].
pub(super) fn read_summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeadSummary> {
    let kind: String = row.get(5)?;
    let attempts: i64 = row.get(9)?;
    let bytes: i64 = row.get(12)?;
    Ok(DeadSummary {
        id: crate::store::DeadId(row.get(0)?),
        pipeline: row.get(1)?,
        target: row.get(2)?,
        member: row.get(3)?,
        name: row.get(4)?,
        table: row.get(6)?,
        is_row: kind == "row",
        reason: row.get(8)?,
        attempts: count(attempts),
        generation: row.get(14)?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        arrived_us: row.get(10)?,
        died_us: row.get(11)?,
        is_superseded: row.get(7)?,
    })
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}
