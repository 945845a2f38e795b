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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::project::tests::projection;
    use sluicegate_frame::VerdictWriter;

    /// What becomes of one verdict about a row of columns `a`, `b`, `c`, of which the guest was given `c` and `a`.
    fn judged(verdict: &Verdict<'_>) -> Result<Judgement, FrameError> {
        let mut writer = VerdictWriter::new(1);
        writer.push(verdict);
        let bytes = writer.finish().expect("a verdict");
        let projection = projection(&["c", "a"], false).expect("columns");
        let mut judgement = None;
        decode(&bytes, 1, &["customer".to_owned()], |_| &projection, |_, j| judgement = Some(j))?;
        Ok(judgement.expect("one row, one judgement"))
    }

    #[test]
    fn edits_are_of_the_table_and_not_of_what_the_guest_was_given() {
        let edits = vec![
            Edit::Set { column: 0, value: Cell::Int(3) },
            Edit::Unset { column: 1 },
            Edit::Add { name: "b", value: Cell::Int(2) },
            Edit::Add { name: "new", value: Cell::Int(1) },
            Edit::Add { name: "new", value: Cell::Int(4) },
        ];
        let Ok(Judgement::Edit(edits)) = judged(&Verdict::Edit(edits)) else { panic!("an edit") };
        let cell = |column| edits.of(column).map(|value| value.map(|v| format!("{:?}", v.cell())));
        assert_eq!(cell(2), Some(Some("Int(3)".into())));
        assert_eq!(cell(0), Some(None));
        assert_eq!(cell(1), Some(Some("Int(2)".into())), "a column that exists is set and not added");
        assert_eq!(edits.added.len(), 1);
        assert_eq!(edits.added[0].1.cell(), Cell::Int(4), "the later one wins");
    }

    #[test]
    fn column_outside_the_row_makes_the_answer_unreadable() {
        assert!(judged(&Verdict::Edit(vec![Edit::Unset { column: 2 }])).is_err());
    }

    #[test]
    fn message_to_an_unknown_route_rejects_its_row_by_name() {
        let message =
            sluicegate_frame::Emitted { route: "nowhere", member: None, key: None, headers: vec![], body: Body::Row };
        let verdict = Verdict::Emit { edits: vec![], messages: vec![message] };
        let Ok(Judgement::Reject(rejection)) = judged(&verdict) else { panic!("a rejection") };
        assert_eq!(rejection.code, "route");
        assert!(rejection.message.contains("nowhere"));
    }

    #[test]
    fn what_a_guest_writes_is_cut_to_size() {
        let long = "x".repeat(100_000);
        let Ok(Judgement::Reject(rejection)) = judged(&Verdict::Reject { code: &long, message: &long }) else {
            panic!("a rejection")
        };
        assert!(rejection.code.len() < 100 && rejection.message.len() < 5000);
    }
}
