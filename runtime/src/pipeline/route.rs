//! From a row and its outcome to messages: which routes, which lane of the target, which id. What a message says to its kind of
//! target is made in `shape`.

use super::ids::{RouteTag, message_id};
use super::render::{Escape, RenderError, render};
use super::shape::{Draft, Shape};
use super::tally::Tally;
use crate::change::{Batch, Content, Header, Message, Op, Origin, RowMark, Schema, SchemaChange, Template};
use crate::guest::Emitted;
use crate::lane::Lane;
use crate::sink::format::ShownRow;
use crate::sink::format::debezium::{Debezium, TransactionPlace};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Decides by a table's full name.
pub type TableFilter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A target's lanes, by member. A target without members has one, whose name is empty. Members come and go while messages
/// are made.
pub struct Road {
    target: String,
    lanes: RwLock<HashMap<String, Lane>>,
}

impl Road {
    pub fn new(target: &str, lanes: impl IntoIterator<Item = (String, Lane)>) -> Self {
        Self { target: target.to_owned(), lanes: RwLock::new(lanes.into_iter().collect()) }
    }

    pub fn lane(&self, member: &str) -> Option<Lane> {
        self.lanes.read().expect("no panic while members change").get(member).cloned()
    }

    pub fn add(&self, member: &str, lane: Lane) {
        self.lanes.write().expect("no panic while members change").insert(member.to_owned(), lane);
    }

    /// Takes a member out; what is made for it from now on has no receiver.
    pub fn remove(&self, member: &str) -> Option<Lane> {
        self.lanes.write().expect("no panic while members change").remove(member)
    }
}

/// One `[[route]]`, checked.
pub struct RouteSettings {
    pub name: String,
    pub road: Arc<Road>,
    /// Tables that it takes of those that the pipeline takes; `None` for all.
    pub tables: Option<TableFilter>,
    /// `None` for all.
    pub ops: Option<Vec<Op>>,
    /// Whether only guests send to it.
    pub only_named: bool,
    /// Which messages of programs it takes, by prefix; `None` for none.
    pub messages: Option<TableFilter>,
    pub member: Option<Template>,
    pub key: Option<Template>,
    pub headers: Vec<(String, Template)>,
    pub shape: Shape,
}

/// A route, with what its messages share.
pub struct Route {
    settings: RouteSettings,
    tag: RouteTag,
    header_names: Vec<Arc<str>>,
    /// If it tells of transactions.
    tally: Option<Mutex<Tally>>,
}

/// A message and where it goes.
pub struct Addressed {
    pub lane: Lane,
    pub message: Message,
}

/// Why a row's message could not be made. Names columns and members, no other value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    #[error("route {route}: {what} can not be made: {reason}")]
    Template { route: String, what: &'static str, reason: RenderError },
    #[error("route {route}: the body can not be made: {reason}")]
    Body { route: String, reason: String },
    #[error("route {route}: target {target} has no member {member:?}")]
    NoMember { route: String, target: String, member: String },
    #[error("a guest names the route {route:?}, which this pipeline does not have")]
    NoRoute { route: String },
}

/// A row on its way through the routes.
#[derive(Clone, Copy)]
pub struct Routed<'a> {
    pub batch: &'a Batch,
    pub row: usize,
    pub shown: ShownRow<'a>,
    /// How many messages had been made before the row's first one.
    pub first: usize,
    /// The row was dead: lanes must not take it for one that they had.
    pub again: bool,
    /// Where the row stands in its transaction, if the route tells of them.
    pub transaction: Option<&'a TransactionPlace>,
}

impl<'a> Routed<'a> {
    pub fn mark(&self) -> &'a RowMark {
        &self.batch.marks[self.row]
    }
}

impl Route {
    pub fn new(pipeline: &str, settings: RouteSettings) -> Self {
        Self {
            tag: RouteTag::new([pipeline, &settings.name]),
            header_names: settings.headers.iter().map(|(name, _)| name.as_str().into()).collect(),
            tally: settings.shape.tells_transactions().then(Mutex::default),
            settings,
        }
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The name of the target that it leads to.
    pub fn target(&self) -> &str {
        &self.settings.road.target
    }

    /// Whether a row that the guests passed goes here.
    pub fn takes(&self, schema: &Schema, op: Op) -> bool {
        !self.settings.only_named
            && self.settings.ops.as_ref().is_none_or(|ops| ops.contains(&op))
            && self.settings.tables.as_ref().is_none_or(|tables| tables(&schema.full_name()))
    }

    /// The messages of a row, mostly one; `emitted` is what a guest said of it, `index` counts the row's messages to this route.
    ///
    /// # Errors
    /// If a template can not be filled from this row, its values can not be written, or the target has no such member.
    pub fn messages(
        &self,
        routed: &Routed<'_>,
        emitted: Option<&Emitted>,
        index: &mut u32,
        out: &mut Vec<Addressed>,
    ) -> Result<(), Unroutable> {
        let place = self.tally().and_then(|tally| tally.place());
        let routed = &Routed { transaction: place.as_ref(), ..*routed };
        let filler = self.filler(routed);
        let lane = self.lane(&self.member(routed, emitted)?)?;
        let mut headers = Vec::with_capacity(self.header_names.len());
        for (name, (_, template)) in self.header_names.iter().zip(&self.settings.headers) {
            headers.push((name.clone(), filler.fill(template, "a header", Escape::Plain)?));
        }
        headers.extend(emitted.iter().flat_map(|e| &e.headers).map(|(n, v)| (Arc::from(n.as_str()), v.clone())));
        let head = routed.shown.row.head;
        let batch = routed.batch;
        let mut finish = |draft: Draft| {
            let message = Content {
                id: message_id(&batch.source, routed.mark(), self.tag, *index),
                key: draft.key,
                body: draft.body,
                content_type: draft.content_type,
                headers: draft.headers,
                place: draft.place,
                act: draft.act,
                form: draft.form,
                origin: Origin {
                    schema: batch.schema_of(routed.row).clone(),
                    op: Some(head.op),
                    mark: *routed.mark(),
                    index: *index,
                    nth: (out.len() - routed.first) as u32,
                    again: routed.again,
                },
                committed_at_us: head.committed_at.saturating_add(UNIX_EPOCH_TO_2000_US),
            };
            *index += 1;
            out.push(Addressed { lane: lane.clone(), message: message.into() });
        };
        for mut draft in self.settings.shape.drafts(routed, emitted, self.settings.key.as_ref(), &filler)? {
            if !headers.is_empty() {
                draft.headers = headers.iter().chain(&draft.headers).cloned().collect();
            }
            finish(draft);
        }
        Ok(())
    }

    /// The member of the target that a row is for; empty if it has none.
    ///
    /// # Errors
    /// If the route's template can not be filled from this row.
    pub fn member(&self, routed: &Routed<'_>, emitted: Option<&Emitted>) -> Result<String, Unroutable> {
        match (emitted.and_then(|e| e.member.as_ref()), &self.settings.member) {
            (Some(member), _) => Ok(member.clone()),
            (None, Some(template)) => self.filler(routed).fill(template, "the member", Escape::Plain),
            (None, None) => Ok(String::new()),
        }
    }

    /// What it counts of transactions; nobody else holds it for longer than a moment.
    pub(super) fn tally(&self) -> Option<MutexGuard<'_, Tally>> {
        self.tally.as_ref().map(|tally| tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a row that the pipeline captures, whatever guests make of it. One that is tried again was counted once already, and
    /// nobody knows any more which number it had.
    pub(super) fn count(&self, shown: &ShownRow<'_>, mark: &RowMark, again: bool) {
        let (Some(mut tally), Some(debezium)) = (self.tally(), self.settings.shape.debezium()) else { return };
        let op = shown.row.head.op;
        if again {
            return tally.skip();
        }
        // As Debezium, which does not count what `skipped.operations` leaves out.
        let is_taken = self.settings.ops.as_ref().is_none_or(|ops| ops.contains(&op));
        let events = if is_taken { debezium.events(shown) } else { 0 };
        tally.count(&shown.schema.full_name(), events, mark.change);
    }

    /// Who writes its heartbeats, and how often.
    pub(super) fn heartbeat(&self) -> Option<(&Debezium, Duration)> {
        let Shape::Record { debezium, .. } = &self.settings.shape else { return None };
        debezium.heartbeat_every().map(|every| (&**debezium, every))
    }

    pub(super) fn takes_messages(&self, prefix: &str) -> bool {
        self.settings.messages.as_ref().is_some_and(|messages| messages(prefix))
    }

    /// Whether it tells of statements, and takes a table that this one is about.
    pub(super) fn takes_schema_change(&self, change: &SchemaChange) -> bool {
        let tells = self.settings.shape.debezium().is_some_and(Debezium::tells_schema_changes);
        tells && self.settings.tables.as_ref().is_none_or(|tables| change.may_be_about(|name| tables(name)))
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.settings.shape
    }

    pub(super) fn tag(&self) -> RouteTag {
        self.tag
    }

    /// The lane of what is no row.
    pub(super) fn own_lane(&self) -> Result<Lane, Unroutable> {
        self.lane(self.settings.member.as_ref().and_then(Template::literal).unwrap_or_default())
    }

    /// The headers that name nothing of a row.
    pub(super) fn own_headers(&self) -> impl Iterator<Item = Header> {
        let named = self.header_names.iter().zip(&self.settings.headers);
        named.filter_map(|(name, (_, value))| value.literal().map(|value| (name.clone(), value.to_owned())))
    }

    pub(super) fn no_body(&self, reason: String) -> Unroutable {
        Unroutable::Body { route: self.settings.name.clone(), reason }
    }

    fn filler<'a>(&'a self, routed: &'a Routed<'_>) -> Filler<'a> {
        Filler { route: &self.settings.name, shown: &routed.shown }
    }

    fn lane(&self, member: &str) -> Result<Lane, Unroutable> {
        self.settings.road.lane(member).ok_or_else(|| Unroutable::NoMember {
            route: self.settings.name.clone(),
            target: self.settings.road.target.clone(),
            member: member.to_owned(),
        })
    }
}

/// Fills a route's templates from one row, and says which route it was when that fails.
pub struct Filler<'a> {
    pub route: &'a str,
    pub shown: &'a ShownRow<'a>,
}

impl Filler<'_> {
    pub fn fill(&self, template: &Template, what: &'static str, escape: Escape) -> Result<String, Unroutable> {
        render(template, self.shown, escape).map_err(|reason| Unroutable::Template {
            route: self.route.to_owned(),
            what,
            reason,
        })
    }

    pub fn body(&self, reason: impl ToString) -> Unroutable {
        Unroutable::Body { route: self.route.to_owned(), reason: reason.to_string() }
    }
}
