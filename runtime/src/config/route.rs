//! `[[route]]`: which rows go where, and how they look there.

use super::entry::Entry;
use super::http::header_name;
use super::mistake::suggestion;
use super::notices::{Logs, ReadOps, check_notices, read_ops};
use super::section::Section;
use super::shape::{ReadShape, read_shape};
use super::target::ReadTarget;
use super::{Door, Encoding, RoutePlan, ShapePlan, TableRule, TargetKind, TargetPlan};
use crate::change::{Template, TemplatePart};

/// The targets that a route can name; `None` if nobody knows them all, because a file could not be read.
pub(super) type Targets<'t> = Option<Vec<&'t ReadTarget>>;

/// `tables` is what the pipeline takes of each of its sources; `logs`, what they may have beside rows.
pub(super) fn read_route(
    section: &Section<'_>,
    name: &str,
    targets: &Targets<'_>,
    (tables, logs): (&TableRule, Logs),
) -> RoutePlan {
    let to = read_to(section, targets);
    let (to, target) = to.map_or((String::new(), None), |(name, target)| (name, target));
    let plan = target.and_then(|target| target.plan.as_ref());
    let kind = plan.map(|plan| plan.kind);
    let only_named = section.flag("only_named").unwrap_or_default();
    let headers = match kind {
        Some(TargetKind::Http) => read_headers(section, header_name),
        Some(TargetKind::Kafka) => read_headers(section, record_header_name),
        Some(TargetKind::Redis) | None => Vec::new(),
    };
    let member = section.entry("member").and_then(|entry| entry.template());
    let prefix = target.and_then(|target| target.prefix.clone());
    let ReadShape { shape, body, key } = read_shape(section, kind, prefix, only_named);
    let ReadOps { ops, messages } = read_ops(section);
    let route = RoutePlan {
        name: name.to_owned(),
        to,
        member,
        key,
        headers,
        tables: section.entry("tables").and_then(|entry| entry.globs(1, "tables = [\"public.orders\"]")),
        ops,
        messages,
        only_named,
        body,
        shape,
    };
    section.finish();
    if let Some(plan) = plan {
        check_member(section, &route, plan);
        check_sources(section, &route, plan, tables);
        check_registry(section, &route, plan);
        check_notices(section, &route, logs);
    }
    route
}

fn read_to<'t>(section: &Section<'_>, targets: &Targets<'t>) -> Option<(String, Option<&'t ReadTarget>)> {
    let entry = section.required("to", "name the target: to = \"...\"")?;
    let name = entry.text()?;
    let Some(targets) = targets else { return Some((name, None)) };
    let found = targets.iter().find(|target| target.name == name).copied();
    if found.is_none() {
        let names = targets.iter().map(|target| target.name.as_str());
        entry.mistake("no target has this name", suggestion(&name, names, "this pipeline has"));
    }
    Some((name, found))
}

/// Whether messages of the route can find a member.
fn check_member(section: &Section<'_>, route: &RoutePlan, target: &TargetPlan) {
    // A target with mistakes has no members yet.
    if target.members.is_empty() {
        return;
    }
    let entry = section.entry("member");
    match (&route.member, entry) {
        (None, None) if target.is_set() && !route.only_named => {
            let rule = format!("target \"{}\" has members, and nothing says which one a row is for", target.name);
            section.mistake(rule, "add member = \"{column}\", or only_named = true if guests say it");
        }
        (Some(_), Some(entry)) if !target.is_set() => {
            let rule = format!("target \"{}\" has an address of its own and no members", target.name);
            entry.mistake(rule, "remove `member`");
        }
        (Some(member), Some(entry)) => {
            let Some(name) = member.literal() else { return };
            if !target.members.iter().any(|m| m.name == name) {
                let names = target.members.iter().map(|m| m.name.as_str());
                entry.mistake(
                    format!("target \"{}\" has no such member", target.name),
                    suggestion(name, names, "it has"),
                );
            }
        }
        _ => {}
    }
}

/// Positions of two databases can not be compared, so each needs keys and streams of its own.
fn check_sources(section: &Section<'_>, route: &RoutePlan, target: &TargetPlan, tables: &TableRule) {
    let guarded = |door: &Door| matches!(door, Door::Redis(redis) if redis.guard.is_some());
    let (key, place) = match &route.shape {
        ShapePlan::Cache { key, .. } if target.members.iter().any(|member| guarded(&member.door)) => ("key", key),
        ShapePlan::Stream { stream, .. } => ("stream", stream),
        _ => return,
    };
    let says_source = |template: &Template| template.parts().contains(&TemplatePart::Source);
    let writers = tables.sources_of(route.tables.as_ref());
    if place.parts().is_empty()
        || writers.len() < 2
        || says_source(place)
        || route.member.as_ref().is_some_and(says_source)
    {
        return;
    }
    if let Some(entry) = section.entry(key) {
        let rule = format!("sources {} would write to the same {key}", writers.join(" and "));
        let remedy = format!(
            "begin it with {{source}}: {key} = \"{{source}}:{place}\"; which of two databases' changes is newer can not be told"
        );
        entry.mistake(rule, remedy);
    }
}

/// Avro is read with its schema, which has to be kept somewhere.
fn check_registry(section: &Section<'_>, route: &RoutePlan, target: &TargetPlan) {
    let has_none = |door: &Door| matches!(door, Door::Kafka(kafka) if kafka.registry.is_none());
    let without = target.members.iter().any(|member| has_none(&member.door));
    if let (true, Encoding::Avro, Some(entry)) = (without, route.body.encoding(), section.entry("encoding")) {
        let rule = format!("the schemas of Avro are kept in a registry, and target \"{}\" names none", target.name);
        entry.mistake(rule, "add registry = \"http://host:8081\" to the target");
    }
}

/// The key of an entry as the name of a record's header.
fn record_header_name(entry: &Entry<'_>) -> Option<String> {
    if entry.key.is_empty() || entry.key.contains(char::is_control) {
        let rule = "this is no name of a header";
        entry.page.mistake(&entry.subject, entry.key_at.clone(), rule, "letters, digits and -, as in X-Api-Version");
        return None;
    }
    Some(entry.key.to_owned())
}

fn read_headers(section: &Section<'_>, name_of: fn(&Entry<'_>) -> Option<String>) -> Vec<(String, Template)> {
    let Some(section) = section.section("headers") else { return Vec::new() };
    let mut headers: Vec<(String, Template)> = Vec::new();
    for entry in section.entries() {
        let (Some(name), Some(value)) = (name_of(&entry), entry.template()) else { continue };
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            entry.mistake("this header stands above, in other letters", "remove one of the two");
        }
        headers.push((name, value));
    }
    headers
}
