//! From a row and its outcome to messages: which routes, which lane of the target, which key, body and id.

use super::ids::{RouteTag, message_id};
use super::render::{Escape, RenderError, default_key, render};
use crate::change::{Act, Batch, Message, Op, Origin, Schema, Template};
use crate::guest::Emitted;
use crate::lane::Lane;
use crate::sink::format::{ShownRow, flat};
use bytes::Bytes;
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::collections::HashMap;
use std::sync::Arc;

/// Decides by a table's full name.
pub type TableFilter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A target's lanes, by member. A target without members has one, whose name is empty.
pub struct Road {
    pub target: String,
    pub lanes: HashMap<String, Lane>,
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
    pub member: Option<Template>,
    pub key: Option<Template>,
    pub method: String,
    pub path: Option<Template>,
    pub headers: Vec<(String, Template)>,
}

/// A route, with what its messages share.
pub struct Route {
    settings: RouteSettings,
    tag: RouteTag,
    method: Arc<str>,
    content_type: Arc<str>,
    header_names: Vec<Arc<str>>,
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
}

impl Route {
    pub fn new(pipeline: &str, settings: RouteSettings) -> Self {
        Self {
            tag: RouteTag::new([pipeline, &settings.name]),
            method: settings.method.as_str().into(),
            content_type: flat::CONTENT_TYPE.into(),
            header_names: settings.headers.iter().map(|(name, _)| name.as_str().into()).collect(),
            settings,
        }
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether a row that the guests passed goes here.
    pub fn takes(&self, schema: &Schema, op: Op) -> bool {
        !self.settings.only_named
            && self.settings.ops.as_ref().is_none_or(|ops| ops.contains(&op))
            && self.settings.tables.as_ref().is_none_or(|tables| tables(&schema.full_name()))
    }

    /// The message of a row; `emitted` is what a guest said of it, `index` counts the row's messages to this route.
    ///
    /// # Errors
    /// If a template can not be filled from this row, or the target has no such member.
    pub fn message(
        &self,
        routed: &Routed<'_>,
        emitted: Option<&Emitted>,
        index: usize,
    ) -> Result<Addressed, Unroutable> {
        let shown = &routed.shown;
        let fill = |template: &Template, what, escape| {
            render(template, shown, escape).map_err(|reason| Unroutable::Template {
                route: self.settings.name.clone(),
                what,
                reason,
            })
        };
        let member = match (emitted.and_then(|e| e.member.as_ref()), &self.settings.member) {
            (Some(member), _) => member.clone(),
            (None, Some(template)) => fill(template, "the member", Escape::Plain)?,
            (None, None) => String::new(),
        };
        let lane = self.lane(&member)?;
        let key = match (emitted.and_then(|e| e.key.as_ref()), &self.settings.key) {
            (Some(key), _) => Bytes::copy_from_slice(key.as_bytes()),
            (None, Some(template)) => Bytes::from(fill(template, "the key", Escape::Plain)?),
            (None, None) => Bytes::from(default_key(shown)),
        };
        let place = match &self.settings.path {
            Some(template) => fill(template, "the path", Escape::PathSegment)?,
            None => String::new(),
        };
        let mut headers = Vec::with_capacity(self.header_names.len());
        for (name, (_, template)) in self.header_names.iter().zip(&self.settings.headers) {
            headers.push((name.clone(), fill(template, "a header", Escape::Plain)?));
        }
        headers.extend(emitted.iter().flat_map(|e| &e.headers).map(|(n, v)| (Arc::from(n.as_str()), v.clone())));
        let (content_type, body) = match emitted.and_then(|e| e.body.as_ref()) {
            Some((content_type, body)) => (content_type.as_str().into(), body.clone()),
            None => (self.content_type.clone(), encode(shown)),
        };
        let head = shown.row.head;
        let message = Message {
            id: message_id(&routed.batch.source, &routed.batch.marks[routed.row], self.tag, index),
            key,
            body,
            content_type,
            headers,
            place,
            act: Act::Request { method: self.method.clone() },
            origin: Origin {
                schema: routed.batch.schema_of(routed.row).clone(),
                op: head.op,
                mark: routed.batch.marks[routed.row],
                index: index as u32,
            },
            committed_at_us: head.committed_at.saturating_add(UNIX_EPOCH_TO_2000_US),
        };
        Ok(Addressed { lane, message })
    }

    fn lane(&self, member: &str) -> Result<Lane, Unroutable> {
        self.settings.road.lanes.get(member).cloned().ok_or_else(|| Unroutable::NoMember {
            route: self.settings.name.clone(),
            target: self.settings.road.target.clone(),
            member: member.to_owned(),
        })
    }
}

fn encode(shown: &ShownRow<'_>) -> Bytes {
    let mut body = Vec::with_capacity(256);
    flat::put_row(&mut body, shown);
    body.into()
}
