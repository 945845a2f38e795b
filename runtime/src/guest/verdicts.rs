//! From the bytes that a guest gave back to a judgement per row, in the host's own terms.

use super::error::clip;
use super::limits::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX};
use super::project::Projection;
use super::{Emission, Emitted, Judgement, Rejection};
use crate::change::{Cell, Edits, Value};
use sluicegate_frame::{Body, Edit, FrameError, Verdict, Verdicts};

/// A rejection, with everything that a guest wrote cut to size.
pub(super) fn rejection(code: &str, message: &str, backtrace: Option<String>) -> Judgement {
    Judgement::Reject(Box::new(Rejection {
        code: clip(code, CODE_BYTES_MAX),
        message: clip(message, MESSAGE_BYTES_MAX),
        backtrace,
    }))
}

/// Reads the verdicts about `rows` rows, and hands each on with the row's index in the call.
///
/// # Errors
/// If the bytes are no verdicts about that many rows. Verdicts that were handed on before are void then.
pub(super) fn decode<'p>(
    bytes: &[u8],
    rows: usize,
    routes: &[String],
    projection: impl Fn(usize) -> &'p Projection,
    mut judged: impl FnMut(usize, Judgement),
) -> Result<(), FrameError> {
    let mut verdicts = Verdicts::parse(bytes, rows)?;
    let mut row = 0;
    while let Some(verdict) = verdicts.next()? {
        let judgement = match verdict {
            Verdict::Pass => Judgement::Pass,
            Verdict::Drop => Judgement::Drop,
            Verdict::Edit(edits) => match translate(&edits, projection(row))? {
                Ok(edits) => Judgement::Edit(Box::new(edits)),
                Err(rejected) => rejected,
            },
            Verdict::Emit { edits, messages } => match translate(&edits, projection(row))? {
                Ok(edits) => emission(edits, &messages, routes),
                Err(rejected) => rejected,
            },
            Verdict::Reject { code, message } => rejection(code, message, None),
        };
        judged(row, judgement);
        row += 1;
    }
    Ok(())
}

/// The guest counts the columns that it was given; the host counts those of the table.
fn translate(edits: &[Edit<'_>], projection: &Projection) -> Result<Result<Edits, Judgement>, FrameError> {
    let mut ours = Edits::default();
    let column = |index: u16| {
        projection.columns.get(usize::from(index)).copied().ok_or(FrameError::TooLarge("the column of an edit"))
    };
    for edit in edits {
        let (column, value) = match *edit {
            Edit::Set { column: index, value } => (Some(column(index)?), Some(value)),
            Edit::Unset { column: index } => (Some(column(index)?), None),
            Edit::Add { name, value } => match projection.schema.column(name) {
                Some(column) => (Some(column), Some(value)),
                None => {
                    ours.added.retain(|(n, _)| n != name);
                    ours.added.push((name.to_owned(), Value::new(value)));
                    (None, None)
                }
            },
        };
        match (column, value) {
            (None, _) => {}
            (Some(_), Some(Cell::Long(_))) => {
                let text = "an edit sets a value that was too long to cross; leave the column alone";
                return Ok(Err(rejection("garbage", text, None)));
            }
            (Some(column), None | Some(Cell::Absent)) => ours.columns.push((column, None)),
            (Some(column), Some(value)) => ours.columns.push((column, Some(Value::new(value)))),
        }
    }
    Ok(Ok(ours))
}

fn emission(edits: Edits, messages: &[sluicegate_frame::Emitted<'_>], routes: &[String]) -> Judgement {
    if let Some(message) = messages.iter().find(|m| !routes.iter().any(|r| r == m.route)) {
        let text = format!("it names the route {:?}, which this pipeline does not have", clip(message.route, 128));
        return rejection("route", &text, None);
    }
    Judgement::Emit(Box::new(Emission { edits, messages: messages.iter().map(owned).collect() }))
}

fn owned(message: &sluicegate_frame::Emitted<'_>) -> Emitted {
    Emitted {
        route: message.route.to_owned(),
        member: message.member.map(str::to_owned),
        key: message.key.map(str::to_owned),
        headers: message.headers.iter().map(|h| (h.name.to_owned(), h.value.to_owned())).collect(),
        body: match message.body {
            Body::Row => None,
            Body::Bytes { content_type, bytes } => {
                Some((content_type.to_owned(), bytes::Bytes::copy_from_slice(bytes)))
            }
        },
    }
}
