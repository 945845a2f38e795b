//! `[target.NAME]`: one address, or a set of members with an address each. What the target says holds for every member;
//! a member may override everything.

use super::entry::Entry;
use super::page::MEMBERS_LEN_MAX;
use super::postgres::certificates;
use super::section::Section;
use super::{MemberPlan, RetryPlan, Secret, TargetKind, TargetPlan};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);
const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 86_400);
const CONCURRENCY: RangeInclusive<u32> = 1..=1024;
const MEMORY: RangeInclusive<u64> = 64 << 10..=4 << 30;
/// Keys of lanes that park on disk.
const LATER_KEYS: [&str; 3] = ["hold", "breaker", "quota"];
const LATER_REMEDY: &str = "remove it; what waits stays in memory up to `memory`, then the source waits";
/// How Standard Webhooks marks a secret that is base64.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";

/// A target with mistakes still has its name, so that routes to it are not called wrong as well.
pub(super) fn read_target(section: &Section<'_>, name: &str) -> TargetPlan {
    let mut target = TargetPlan { name: name.to_owned(), kind: TargetKind::Http, members: Vec::new() };
    let kind = section.required("kind", "write kind = \"http\"");
    // Without a kind nobody knows which keys are right.
    if kind.and_then(|kind| kind.choice(&[("http", ())], &["kafka", "redis"])).is_none() {
        return target;
    }
    let terms = Terms::default().overridden_by(section);
    let url = section.entry("url");
    let inline = section.entry("member");
    let file = section.entry("members");
    section.explain(&LATER_KEYS, "is not in this version", LATER_REMEDY);
    section.finish();
    match (url, inline.is_some() || file.is_some()) {
        (Some(url), false) => target.members.extend(terms.member(String::new(), &url)),
        (Some(url), true) => {
            let remedy = "remove `url`, or make it a member: member.NAME = { url = \"...\" }";
            url.mistake("a target has one address or members, not both", remedy);
        }
        (None, false) => {
            section.mistake(
                "this target has no address",
                "add url = \"https://...\", or members: member.NAME = { url = \"https://...\" }",
            );
        }
        (None, true) => {
            let mut names = HashSet::new();
            if let Some(inline) = inline.and_then(|entry| entry.section(section.subject.clone())) {
                target.members.extend(read_members(&inline, name, &terms, &mut names));
            }
            if let Some(file) = file {
                target.members.extend(read_members_file(&file, name, &terms, &mut names));
            }
        }
    }
    target
}

fn read_members_file(file: &Entry<'_>, target: &str, terms: &Terms, names: &mut HashSet<String>) -> Vec<MemberPlan> {
    let Some(path) = file.text().map(|name| file.page.folder().join(name)) else { return Vec::new() };
    if !path.is_file() {
        let remedy = format!("it is expected at {}; paths start at the folder of this file", path.display());
        file.mistake("there is no such file", remedy);
        return Vec::new();
    }
    let Some(page) = file.page.reading.open(&path, MEMBERS_LEN_MAX) else { return Vec::new() };
    read_members(&page.root(format!("target \"{target}\"")), target, terms, names)
}

fn read_members(all: &Section<'_>, target: &str, terms: &Terms, names: &mut HashSet<String>) -> Vec<MemberPlan> {
    let entries = all.entries();
    if entries.is_empty() {
        // A file that is written anew is empty for a moment; no members at all is never meant.
        all.mistake("there is no member here", "add one: NAME = { url = \"https://...\" }");
    }
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries {
        entry.check_name(entry.key, &entry.key_at);
        let Some(section) = entry.section(format!("member \"{}\" of target \"{target}\"", entry.key)) else { continue };
        if !names.insert(entry.key.to_owned()) {
            section.page.mistake(
                &section.subject,
                entry.key_at.clone(),
                "there is a member of this name already",
                "remove one of the two",
            );
        }
        let own = terms.overridden_by(&section);
        let url = section.required("url", "add url = \"https://...\"");
        section.explain(&LATER_KEYS, "is not in this version", LATER_REMEDY);
        section.finish();
        members.extend(url.and_then(|url| own.member(entry.key.to_owned(), &url)));
    }
    members
}

/// Everything that a target can say for its members.
#[derive(Clone)]
struct Terms {
    timeout: Duration,
    retry: RetryPlan,
    concurrency: u32,
    memory: u64,
    sign: Vec<Secret>,
    headers: Vec<(String, Secret)>,
    ca: Option<PathBuf>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            retry: RetryPlan::default(),
            concurrency: 16,
            memory: 8 << 20,
            sign: Vec::new(),
            headers: Vec::new(),
            ca: None,
        }
    }
}

impl Terms {
    fn overridden_by(&self, section: &Section<'_>) -> Self {
        let mut terms = self.clone();
        terms.timeout = section.duration("timeout", TIMEOUT).unwrap_or(terms.timeout);
        if let Some(retry) = section.section("retry") {
            terms.retry = read_retry(&retry, terms.retry);
        }
        terms.concurrency = section.integer("concurrency", CONCURRENCY).unwrap_or(terms.concurrency);
        terms.memory = section.size("memory", MEMORY).unwrap_or(terms.memory);
        if let Some(sign) = section.entry("sign") {
            terms.sign = read_sign(&sign);
        }
        if let Some(headers) = section.section("headers") {
            read_headers(&headers, &mut terms.headers);
        }
        if let Some(ca) = section.entry("ca") {
            terms.ca = ca.text().and_then(|path| certificates(ca.page, &path, &ca));
        }
        terms
    }

    fn member(self, name: String, url: &Entry<'_>) -> Option<MemberPlan> {
        let url = read_url(url)?;
        let Self { timeout, retry, concurrency, memory, sign, headers, ca } = self;
        Some(MemberPlan { name, url, timeout, retry, concurrency, memory, sign, headers, ca })
    }
}

fn read_retry(section: &Section<'_>, defaults: RetryPlan) -> RetryPlan {
    let retry = RetryPlan {
        first: section.duration("first", PAUSE).unwrap_or(defaults.first),
        max: section.duration("max", PAUSE).unwrap_or(defaults.max),
        give_up_after: section.duration("give_up_after", AGE).unwrap_or(defaults.give_up_after),
    };
    section.finish();
    if retry.first > retry.max {
        section.mistake("the first pause is longer than the longest", "make `first` at most `max`");
    }
    retry
}

fn read_url(entry: &Entry<'_>) -> Option<Secret> {
    let text = entry.text()?;
    let rule = match Url::parse(&text) {
        Err(error) => format!("this is no address: {error}"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "an address begins with http:// or https://".into(),
        Ok(url) if url.fragment().is_some() => "an address has no # in it; nobody would send what follows".into(),
        Ok(_) => return Some(Secret::new(text)),
    };
    entry.mistake(rule, "write url = \"https://host/path\"");
    None
}

/// One secret, or several while one is replaced by another.
fn read_sign(entry: &Entry<'_>) -> Vec<Secret> {
    let entries = if entry.is_list() { entry.elements().unwrap_or_default() } else { vec![entry.clone()] };
    let mut secrets = Vec::new();
    for entry in entries {
        let Some(secret) = entry.secret() else { continue };
        let encoded = secret.expose().strip_prefix(WEBHOOK_SECRET_PREFIX);
        if encoded.is_some_and(|text| text.is_empty() || BASE64_STANDARD.decode(text).is_err()) {
            entry.mistake("what follows whsec_ is not base64", "copy the secret again; = at its end belongs to it");
        }
        secrets.push(secret);
    }
    secrets
}

/// Adds headers; one that is there already is replaced.
fn read_headers(section: &Section<'_>, headers: &mut Vec<(String, Secret)>) {
    for entry in section.entries() {
        let name = header_name(&entry);
        let (Some(name), Some(value)) = (name, entry.text()) else { continue };
        if HeaderValue::from_str(&value).is_err() {
            entry.mistake(
                "a header's value is one line of visible characters",
                "remove line ends and control characters",
            );
            continue;
        }
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, Secret::new(value)));
    }
}

/// The key of an entry as the name of a header.
pub(super) fn header_name(entry: &Entry<'_>) -> Option<String> {
    /// They follow from the connection, the body or the message.
    const OURS: [&str; 10] = [
        "host",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
        "upgrade",
        "te",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    let (rule, remedy) = match HeaderName::from_bytes(entry.key.as_bytes()) {
        Ok(name) if OURS.contains(&name.as_str()) => ("this header is made for every message", "remove it"),
        Ok(_) => return Some(entry.key.to_owned()),
        Err(_) => ("this is no name of a header", "letters, digits and -, as in X-Api-Version"),
    };
    entry.page.mistake(&entry.subject, entry.key_at.clone(), rule, remedy);
    None
}
