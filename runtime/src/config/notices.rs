//! `ops` and `messages` of a route: which rows it takes, and whether it takes what a program wrote into PostgreSQL's log; and whether what
//! Debezium tells beside rows finds its way.

use super::debezium::HEARTBEAT;
use super::section::Section;
use super::{BodyPlan, FormPlan, Globs, RoutePlan, ShapePlan};
use crate::change::{Op, Template};

const OPS: [Op; 5] = [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Read];
const MESSAGE: &str = "message";
const SCHEMA_CHANGES: &str = "include.schema.changes";

/// What a route takes.
pub(super) struct ReadOps {
    /// `None`: every operation on rows.
    pub ops: Option<Vec<Op>>,
    /// The prefixes of the messages that it takes.
    pub messages: Option<Globs>,
}

pub(super) fn read_ops(section: &Section<'_>) -> ReadOps {
    let prefixes = section.entry("messages");
    let globs = prefixes.as_ref().and_then(|entry| entry.globs(0, "messages = [\"audit.*\"]"));
    let read = section.entry("ops").and_then(|entry| Some((entry.elements()?, entry)));
    let Some((elements, entry)) = read else {
        if let Some(entry) = prefixes {
            entry.mistake("`messages` says which ones, and the route takes none", NAME_IT);
        }
        return ReadOps { ops: None, messages: None };
    };
    if elements.is_empty() {
        entry.mistake("`ops` is an empty list, so no row takes this route", "remove it to take all, or name some");
    }
    let choices = OPS.map(|op| (op.name(), Some(op))).into_iter().chain([(MESSAGE, None)]).collect::<Vec<_>>();
    let named: Vec<Option<Op>> = elements.iter().filter_map(|element| element.choice(&choices, &[])).collect();
    let takes_messages = named.contains(&None);
    if let (false, Some(entry)) = (takes_messages, prefixes) {
        entry.mistake("`messages` says which ones, and the route takes none", NAME_IT);
    }
    let messages = globs.or_else(|| Globs::new(vec!["*".to_owned()]).ok()).filter(|_| takes_messages);
    ReadOps { ops: Some(named.into_iter().flatten().collect()), messages }
}

const NAME_IT: &str = "add \"message\" to `ops`: ops = [\"insert\", \"update\", \"delete\", \"message\"]; or remove it";

/// What the sources of a pipeline may have beside rows.
#[derive(Clone, Copy)]
pub(super) struct Logs {
    /// One is PostgreSQL's, or nobody knows whose it is.
    pub has_messages: bool,
    /// One is MySQL's or MariaDB's, or nobody knows whose it is.
    pub has_statements: bool,
}

/// Whether what is no row finds its way.
pub(super) fn check_notices(section: &Section<'_>, route: &RoutePlan, Logs { has_messages, has_statements }: Logs) {
    let is_record = matches!(route.shape, ShapePlan::Record { .. });
    if route.tells_schema_changes() {
        check_schema_changes(section, is_record, has_statements);
    }
    let has_own = route.tells_transactions()
        || route.tells_schema_changes()
        || route.debezium_option(HEARTBEAT).is_some_and(|every| every != "0");
    if route.messages.is_none() && !(has_own && is_record) {
        return;
    }
    needs_no_row(section, "member", route.member.as_ref());
    if route.messages.is_none() {
        return;
    }
    let Some(ops) = section.entry("ops") else { return };
    if !has_messages {
        ops.mistake("no source of this pipeline has messages: they are PostgreSQL's", "remove \"message\"");
    }
    let (key, place) = match &route.shape {
        ShapePlan::Request { path, .. } => ("path", path.as_ref()),
        ShapePlan::Record { topic, .. } => ("topic", topic.as_ref()),
        ShapePlan::Stream { stream, .. } => ("stream", Some(stream)),
        ShapePlan::Publish { channel } => ("channel", Some(channel)),
        ShapePlan::List { list } => ("list", Some(list)),
        ShapePlan::Cache { .. } => {
            ops.mistake("a cache holds rows; a message has no key there", "send messages to a stream: as = \"stream\"");
            return;
        }
    };
    needs_no_row(section, key, place);
    let form = match &route.body {
        BodyPlan::Debezium(plan) => plan.form,
        BodyPlan::Flat => FormPlan::Envelope,
    };
    if let (FormPlan::Outbox | FormPlan::CloudEvents, Some(entry)) = (form, section.entry("body")) {
        entry.mistake(
            "this body is made of rows, and a message is none",
            "give messages a route of their own, with ops = [\"message\"] and body = \"debezium\" or \"flat\"",
        );
    }
}

fn check_schema_changes(section: &Section<'_>, is_record: bool, has_statements: bool) {
    let options = section.section("debezium");
    let Some(entry) = options.as_ref().and_then(|options| options.entry(SCHEMA_CHANGES)) else { return };
    if !is_record {
        entry.mistake(
            "schema changes go to a topic of their own, and only Kafka has topics",
            "remove it, or send them to a Kafka target",
        );
    } else if !has_statements {
        entry.mistake("no source of this pipeline has schema changes: they are MySQL's and MariaDB's", "remove it");
    }
}

fn needs_no_row(section: &Section<'_>, key: &'static str, template: Option<&Template>) {
    if template.is_none_or(|template| template.literal().is_some()) {
        return;
    }
    if let Some(entry) = section.entry(key) {
        entry.mistake(
            "messages, transactions, schema changes and heartbeats are no rows, so there is nothing to fill in",
            format!("write `{key}` without places, or ask for them in a route of their own"),
        );
    }
}

impl RoutePlan {
    /// Whether Debezium's transaction metadata is asked for.
    pub fn tells_transactions(&self) -> bool {
        self.debezium_option("provide.transaction.metadata") == Some("true")
    }

    /// Whether records of schema changes are asked for.
    pub fn tells_schema_changes(&self) -> bool {
        self.debezium_option(SCHEMA_CHANGES) == Some("true")
    }

    /// What is said of one of Debezium's own options.
    fn debezium_option(&self, wanted: &str) -> Option<&str> {
        let BodyPlan::Debezium(plan) = &self.body else { return None };
        let said = plan.options.iter().find(|(name, _)| name == wanted);
        said.map(|(_, value)| value.as_str())
    }
}
