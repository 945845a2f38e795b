//! From what is no row to messages, for the routes that ask for it: bounds of transactions, messages of programs, changes of
//! definitions.
//!
//! Guests do not see any of it. A notice has a place in the log of its own, so its messages have ids, and a place among those of the
//! rows around it, that are the same after every restart.

use super::ids::message_id;
use super::route::{Addressed, Route, Unroutable};
use super::{Corridor, Walked};
use crate::change::{Batch, Content, LogicalMessage, Notice, NoticeKind, Origin, SchemaChange, TransactionId};
use crate::sink::format::ShownRow;
use crate::sink::format::debezium::{MESSAGE_COLLECTION, TransactionCounts, TransactionPlace};
use crate::telemetry::count;
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use tracing::warn;

/// What a route is to say of a notice.
pub(super) enum Said<'a> {
    Begin(&'a TransactionId),
    End(&'a TransactionId, TransactionCounts),
    Message(&'a LogicalMessage, Option<TransactionPlace>),
    SchemaChange(&'a SchemaChange),
}

impl Corridor {
    /// Appends the messages of one notice.
    pub(super) fn notice(&mut self, batch: &Batch, notice: &Notice, out: &mut Vec<Addressed>) {
        match &notice.kind {
            NoticeKind::Begin { id } => {
                self.settings.routes.iter().filter_map(Route::tally).for_each(|mut tally| tally.begin(notice, id));
            }
            NoticeKind::Commit { id } => {
                let told = |route: &Route| route.tally().and_then(|mut tally| tally.end(notice));
                let said = |route: &Route| told(route).map(|counts| Said::End(id, counts));
                self.say(batch, notice, said, out);
            }
            NoticeKind::Message(message) => {
                if message.transactional && self.settings.routes.iter().any(|r| r.takes_messages(&message.prefix)) {
                    self.tell_begin(batch, out);
                }
                let said = |route: &Route| {
                    let is_taken = route.takes_messages(&message.prefix);
                    let place = route.tally().and_then(|mut tally| {
                        tally.count(MESSAGE_COLLECTION, u64::from(is_taken && message.transactional), message.lsn);
                        tally.place()
                    });
                    is_taken.then_some(Said::Message(message, place))
                };
                self.say(batch, notice, said, out);
            }
            NoticeKind::SchemaChange(change) => {
                let said = |route: &Route| route.takes_schema_change(change).then_some(Said::SchemaChange(change));
                self.say(batch, notice, said, out);
            }
        }
    }

    /// Counts a row for the routes that tell of transactions, and says that its own began if it is the first.
    pub(super) fn count(&mut self, walked: &Walked<'_>, out: &mut Vec<Addressed>) {
        let Walked { batch, row, again } = *walked;
        if !again {
            self.tell_begin(batch, out);
        }
        let shown = ShownRow { schema: batch.schema_of(row), row: batch.row(row), edits: None };
        self.settings.routes.iter().for_each(|route| route.count(&shown, &batch.marks[row], again));
    }

    /// Something of the open transaction is captured: says that it began, unless that was said.
    fn tell_begin(&mut self, batch: &Batch, out: &mut Vec<Addressed>) {
        let mut begun = None;
        for route in &self.settings.routes {
            begun = route.tally().and_then(|mut tally| tally.tell()).or(begun);
        }
        if let Some((begin, id)) = begun {
            self.say(batch, &begin, |route| route.tally().is_some().then_some(Said::Begin(&id)), out);
        }
    }

    fn say<'a>(
        &mut self,
        batch: &Batch,
        notice: &Notice,
        mut said: impl FnMut(&Route) -> Option<Said<'a>>,
        out: &mut Vec<Addressed>,
    ) {
        let first = out.len();
        let mut refused = Vec::new();
        for route in &self.settings.routes {
            let Some(said) = said(route) else { continue };
            match route.say(batch, notice, &said) {
                Ok(Some(mut addressed)) => {
                    addressed.message.origin.nth = (out.len() - first) as u32;
                    out.push(addressed);
                }
                Ok(None) => {}
                Err(reason) => refused.push(reason),
            }
        }
        for reason in refused {
            self.lose("what the log says beside rows", &reason);
        }
    }

    /// Whatever a message needs was looked at when the configuration was read. What can go wrong then is that its member is gone.
    pub(super) fn lose(&mut self, what: &'static str, reason: &Unroutable) {
        count(&self.settings.stats.unroutable_total);
        let reason = reason.to_string();
        if let Some(held_back) = self.complaints.due(&reason) {
            warn!(pipeline = self.settings.name, held_back, "{what} has no receiver: {reason}");
        }
    }
}

impl Route {
    /// The message that is made of it, if this route's target has a place for it.
    fn say(&self, batch: &Batch, notice: &Notice, said: &Said<'_>) -> Result<Option<Addressed>, Unroutable> {
        let Some(draft) = self.shape().said(notice, said).map_err(|reason| self.no_body(reason))? else {
            return Ok(None);
        };
        let lane = self.own_lane()?;
        let message = Content {
            id: message_id(&batch.source, &notice.mark, self.tag(), 0),
            key: draft.key,
            body: draft.body,
            content_type: draft.content_type,
            headers: draft.headers.iter().cloned().chain(self.own_headers()).collect(),
            place: draft.place,
            act: draft.act,
            form: draft.form,
            origin: Origin {
                schema: notice.schema.clone(),
                op: None,
                mark: notice.mark,
                index: 0,
                nth: 0,
                again: false,
            },
            committed_at_us: notice.committed_at.saturating_add(UNIX_EPOCH_TO_2000_US),
        };
        Ok(Some(Addressed { lane, message: message.into() }))
    }
}
