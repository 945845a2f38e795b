//! `pipeline.toml`: what a pipeline takes from its sources, and where it goes.

use super::entry::Entry;
use super::guest::read_guest;
use super::host::{HOST_FILE, HostFile};
use super::mistake::{nearest, suggestion};
use super::notices::Logs;
use super::page::Page;
use super::route::{Targets, read_route};
use super::section::Section;
use super::target::{ReadTarget, read_target};
use super::{ColumnRule, Globs, OnError, PipelinePlan, SourceKind, TableRule};

pub(super) const PIPELINE_FILE: &str = "pipeline.toml";
const TABLES_EXAMPLE: &str = "tables = [\"public.orders\", \"audit.*\"]";

/// `shared` is what `sluicegate.toml` says; `None` if it could not be read: then nothing is said about names in it.
pub(super) fn read_pipeline(page: &Page<'_>, name: &str, shared: Option<&HostFile>) -> PipelinePlan {
    let root = page.root("");
    let about = root.text("about").unwrap_or_default();
    let sources = read_sources(&root, shared);
    let tables = read_tables(&root, &sources);
    let columns = root.section("columns").map(|columns| read_columns(&columns)).unwrap_or_default();
    // Who restricts columns wants to hear of these alone.
    let skip_unchanged = root.flag("skip_unchanged").unwrap_or_else(|| columns.restricts());
    let on_error = root.entry("on_error").and_then(|entry| entry.choice(&ON_ERROR, &[])).unwrap_or_default();
    let guests_listed = root.entry("guests").and_then(|entry| read_listed(&entry));
    let guest_sections = root.named("guest", "guest");
    let target_sections = root.named("target", "target");
    let route_sections = root.listed("route");
    root.explain(&["source", "host"], "belongs to sluicegate.toml, because pipelines share it", "move it there");
    root.finish();

    let guests = guest_sections.iter().map(|(stem, section)| {
        check_listed(section, stem, guests_listed.as_deref());
        read_guest(section, stem)
    });
    let guests = guests.collect();
    let targets: Vec<ReadTarget> = target_sections.iter().map(|(name, s)| read_target(s, name)).collect();
    check_shadowing(&target_sections, shared);
    let routes = {
        let known: Targets<'_> = shared.map(|shared| targets.iter().chain(&shared.targets).collect());
        let rule = (&tables, logs(&sources, shared));
        route_sections.iter().map(|(name, section)| read_route(section, name, &known, rule)).collect::<Vec<_>>()
    };
    if routes.is_empty() && root.entry("route").is_none() {
        root.mistake(
            "this pipeline has no route, so nothing leaves it",
            "add [[route]] with name = \"...\" and to = \"TARGET\"",
        );
    }
    let used = |target: &&ReadTarget| routes.iter().any(|route| route.to == target.name);
    let shared_targets = shared.into_iter().flat_map(|shared| shared.targets.iter().filter(used));
    let targets = targets.iter().chain(shared_targets).filter_map(|target| target.plan.clone()).collect();
    PipelinePlan {
        name: name.to_owned(),
        folder: page.folder().to_path_buf(),
        about,
        sources,
        tables,
        columns,
        skip_unchanged,
        on_error,
        guests_listed,
        guests,
        targets,
        routes,
    }
}

const ON_ERROR: [(&str, OnError); 3] =
    [("dead-letter", OnError::DeadLetter), ("skip", OnError::Skip), ("halt", OnError::Halt)];

fn read_sources(root: &Section<'_>, shared: Option<&HostFile>) -> Vec<String> {
    let declared = || shared.into_iter().flat_map(|shared| shared.source_names.iter().map(String::as_str));
    let who_has = format!("{HOST_FILE} declares");
    let remedy = format!("name the databases: sources = [\"...\"]; {}", suggestion("", declared(), &who_has));
    let Some(entry) = root.required("sources", remedy) else { return Vec::new() };
    let Some(texts) = entry.texts() else { return Vec::new() };
    if texts.is_empty() {
        entry.mistake("a pipeline has at least one source", suggestion("", declared(), &who_has));
    }
    let mut names: Vec<String> = Vec::new();
    for (name, element) in texts {
        if names.contains(&name) {
            element.mistake("this source stands here twice", "remove one of the two");
        } else if shared.is_some() && !declared().any(|other| other == name) {
            element.mistake("no source has this name", suggestion(&name, declared(), &who_has));
        }
        names.push(name);
    }
    names
}

/// What the logs of these sources may hold.
fn logs(names: &[String], shared: Option<&HostFile>) -> Logs {
    let kind = |name: &String| shared?.sources.iter().find(|source| source.name == *name).map(|source| &source.kind);
    let may_be = |is: fn(&SourceKind) -> bool| names.iter().map(kind).any(|kind| kind.is_none_or(is));
    Logs {
        has_messages: may_be(|kind| matches!(kind, SourceKind::Postgres(_))),
        has_statements: may_be(|kind| matches!(kind, SourceKind::Mysql(_))),
    }
}

fn read_tables(root: &Section<'_>, sources: &[String]) -> TableRule {
    let Some(entry) = root.required("tables", format!("say which tables: {TABLES_EXAMPLE}")) else {
        return TableRule::default();
    };
    if !entry.is_table() {
        let globs = entry.globs(1, TABLES_EXAMPLE).unwrap_or_default();
        return TableRule(sources.iter().map(|name| (name.clone(), globs.clone())).collect());
    }
    let Some(section) = entry.section("tables".into()) else { return TableRule::default() };
    let entries = section.entries();
    for stray in entries.iter().filter(|entry| !sources.iter().any(|name| name == entry.key)) {
        let remedy = suggestion(stray.key, sources.iter().map(String::as_str), "`sources` has");
        stray.page.mistake("tables", stray.key_at.clone(), "this pipeline has no such source", remedy);
    }
    for source in sources.iter().filter(|name| !entries.iter().any(|entry| entry.key == *name)) {
        section.mistake(
            format!("nothing is said about source \"{source}\""),
            format!("add {source} = [\"schema.table\"]"),
        );
    }
    let rule = |entry: &Entry<'_>| (entry.key.to_owned(), entry.globs(1, TABLES_EXAMPLE).unwrap_or_default());
    TableRule(entries.iter().map(rule).collect())
}

fn read_columns(section: &Section<'_>) -> ColumnRule {
    const EXAMPLE: &str = "[\"public.users.password\", \"*.secret\"]";
    let globs = |key| section.entry(key).and_then(|entry| entry.globs(2, EXAMPLE));
    let rule = ColumnRule { include: globs("include"), exclude: globs("exclude").unwrap_or_else(Globs::default) };
    section.finish();
    rule
}

/// The guests that run, in order.
fn read_listed(entry: &Entry<'_>) -> Option<Vec<String>> {
    let mut stems: Vec<String> = Vec::new();
    for (stem, element) in entry.texts()? {
        if let Some(bare) = stem.strip_suffix(".wasm") {
            element.mistake("a guest is named without its ending", format!("write \"{bare}\""));
        } else if stems.contains(&stem) {
            element.mistake("this guest stands here twice", "remove one of the two");
        } else {
            element.check_name(&stem, &element.at);
        }
        stems.push(stem);
    }
    Some(stems)
}

/// Settings for a guest that would never run are a slip.
fn check_listed(section: &Section<'_>, stem: &str, listed: Option<&[String]>) {
    let Some(listed) = listed.filter(|listed| !listed.iter().any(|name| name == stem)) else { return };
    let names = listed.iter().map(String::as_str);
    let remedy = match nearest(stem, names.clone()) {
        Some(_) => suggestion(stem, names, "`guests` has"),
        None => format!("add \"{stem}\" to `guests`, or remove this table"),
    };
    section.mistake("this guest is not listed in `guests`, so it would not run", remedy);
}

fn check_shadowing(own: &[(String, Section<'_>)], shared: Option<&HostFile>) {
    for (name, section) in own {
        if shared.is_some_and(|shared| shared.targets.iter().any(|target| target.name == *name)) {
            let rule = format!("{HOST_FILE} has a target of this name");
            section.mistake(rule, "rename or remove one of the two; a route can use the shared one as it is");
        }
    }
}
