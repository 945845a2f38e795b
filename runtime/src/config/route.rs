//! `[[route]]`: which rows go where, and how they look there.

use super::mistake::suggestion;
use super::section::Section;
use super::target::header_name;
use super::{BodyFormat, RoutePlan, TargetPlan};
use crate::change::{Op, Template, TemplatePart};

const OPS: [Op; 5] = [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Read];
const METHODS: [(&str, &str); 4] = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

/// The targets that a route can name; `None` if nobody knows them all, because a file could not be read.
pub(super) type Targets<'t> = Option<Vec<&'t TargetPlan>>;

pub(super) fn read_route(section: &Section<'_>, name: &str, targets: &Targets<'_>) -> RoutePlan {
    let target = read_to(section, targets);
    let route = RoutePlan {
        name: name.to_owned(),
        to: target.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        member: section.entry("member").and_then(|entry| entry.template()),
        key: section.entry("key").and_then(|entry| entry.template()),
        body: read_body(section),
        method: section.entry("method").and_then(|e| e.choice(&METHODS, &[])).unwrap_or("POST").to_owned(),
        path: read_path(section),
        headers: section.section("headers").map(|headers| read_headers(&headers)).unwrap_or_default(),
        tables: section.entry("tables").and_then(|entry| entry.globs(1, "tables = [\"public.orders\"]")),
        ops: read_ops(section),
        only_named: section.flag("only_named").unwrap_or_default(),
    };
    section.explain(
        &["topic", "as", "value"],
        "is not in this version",
        "it belongs to kafka and redis targets; this version has http",
    );
    section.finish();
    if let Some((_, Some(target))) = target {
        check_member(section, &route, target);
    }
    route
}

fn read_to<'t>(section: &Section<'_>, targets: &Targets<'t>) -> Option<(String, Option<&'t TargetPlan>)> {
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

fn read_body(section: &Section<'_>) -> BodyFormat {
    let entry = section.entry("body");
    let choices = [("flat", BodyFormat::Flat)];
    entry.and_then(|entry| entry.choice(&choices, &["debezium", "cloudevents"])).unwrap_or_default()
}

fn read_path(section: &Section<'_>) -> Option<Template> {
    let entry = section.entry("path")?;
    let path = entry.template()?;
    let begins = matches!(path.parts().first(), Some(TemplatePart::Literal(text)) if text.starts_with('/'));
    if !begins {
        entry.mistake("a path begins with /", "write path = \"/{id}\"; it is put behind the path of the member's url");
    }
    Some(path)
}

fn read_headers(section: &Section<'_>) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for entry in section.entries() {
        let (Some(name), Some(value)) = (header_name(&entry), entry.template()) else { continue };
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            entry.mistake("this header stands above, in other letters", "remove one of the two");
        }
        headers.push((name, value));
    }
    headers
}

fn read_ops(section: &Section<'_>) -> Option<Vec<Op>> {
    let entry = section.entry("ops")?;
    let elements = entry.elements()?;
    if elements.is_empty() {
        entry.mistake("`ops` is an empty list, so no row takes this route", "remove it to take all, or name some");
    }
    let choices = OPS.map(|op| (op.name(), op));
    Some(elements.iter().filter_map(|element| element.choice(&choices, &[])).collect())
}
