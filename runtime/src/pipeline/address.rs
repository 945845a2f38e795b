//! A judged row to each route that it takes: all that match, or those that a guest named.

use super::chain::Outcome;
use super::route::{Addressed, Route, Routed, Unroutable};
use crate::change::Batch;
use crate::guest::Emitted;
use crate::sink::format::ShownRow;
use std::collections::HashMap;
use std::ops::Range;

/// What one route made of a row.
pub(super) struct Attempt<'a> {
    pub(super) routed: &'a Routed<'a>,
    /// `None` if a guest named one that is not there.
    pub(super) route: Option<&'a Route>,
    pub(super) emitted: Option<&'a Emitted>,
    /// Which of the messages it made.
    pub(super) messages: Range<usize>,
    pub(super) made: Result<(), Unroutable>,
}

/// Appends the row's messages to `out`, and tells of every attempt. The last of the three says whether the row was dead before.
pub(super) fn address(
    routes: &[Route],
    (batch, row, again): (&Batch, usize, bool),
    outcome: &Outcome,
    out: &mut Vec<Addressed>,
    tell: &mut dyn FnMut(Attempt<'_>),
) {
    let edits = match outcome {
        Outcome::Pass(edits) | Outcome::Emit { edits, .. } => edits.as_deref(),
        Outcome::Drop | Outcome::Reject { .. } => return,
    };
    let shown = ShownRow { schema: batch.schema_of(row), row: batch.row(row), edits };
    let routed = Routed { batch, row, shown, first: out.len(), again, transaction: None };
    let mut attempt = |route: Option<&Route>, emitted: Option<&Emitted>, index: &mut u32| {
        let first = out.len();
        let made = match (route, emitted) {
            (Some(route), emitted) => route.messages(&routed, emitted, index, out),
            (None, Some(emitted)) => Err(Unroutable::NoRoute { route: emitted.route.clone() }),
            (None, None) => Ok(()),
        };
        tell(Attempt { routed: &routed, route, emitted, messages: first..out.len(), made });
    };
    match outcome {
        Outcome::Emit { messages, .. } => {
            let mut made: HashMap<&str, u32> = HashMap::new();
            for emitted in messages {
                let route = routes.iter().find(|route| route.name() == emitted.route);
                attempt(route, Some(emitted), made.entry(&emitted.route).or_default());
            }
        }
        _ => {
            let op = shown.row.head.op;
            for route in routes.iter().filter(|route| route.takes(shown.schema, op)) {
                attempt(Some(route), None, &mut 0);
            }
        }
    }
}
