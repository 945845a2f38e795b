//! `[target.NAME]`: one address, or a set of members with an address each. What the target says holds for every member;
//! a member may override everything. What only one kind needs is read beside this file: `http.rs`, `kafka.rs`, `redis.rs`.

use super::entry::Entry;
use super::http::HttpTerms;
use super::kafka::{KafkaTerms, read_prefix};
use super::page::MEMBERS_LEN_MAX;
use super::redis::RedisTerms;
use super::section::Section;
use super::{Door, MemberPlan, RetryPlan, TargetKind, TargetPlan, WhenFull};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);
const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 86_400);
const MEMORY: RangeInclusive<u64> = 64 << 10..=4 << 30;
const HOLD: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const DISK: RangeInclusive<u64> = 1 << 20..=1 << 50;
const RATE: RangeInclusive<u32> = 1..=1_000_000;
/// By their spelling in the configuration.
const WHEN_FULL: [(&str, WhenFull); 3] = [
    ("pause-source", WhenFull::PauseSource),
    ("dead-letter", WhenFull::DeadLetter),
    ("drop-oldest", WhenFull::DropOldest),
];
/// Keys that other programs have for what needs no setting, or another one, here.
const FOREIGN_KEYS: [(&str, &str, &str); 2] = [
    ("breaker", "is no setting", "remove it: after five failures in a row a lane only tries its receiver now and then"),
    (
        "quota",
        "is not known here",
        "write disk = \"1 GiB\" for what may wait on disk, and when_full for what happens then",
    ),
];
const KINDS: [(&str, TargetKind); 3] =
    [("http", TargetKind::Http), ("kafka", TargetKind::Kafka), ("redis", TargetKind::Redis)];

/// A target as it was read. One with mistakes still has its name, so that routes to it are not called wrong as well.
pub(super) struct ReadTarget {
    pub name: String,
    /// `None` if it does not say its kind: then nobody knows which keys are right, here and in routes to it.
    pub plan: Option<TargetPlan>,
    /// What routes to a Kafka have before a topic's name unless they say it themselves.
    pub prefix: Option<String>,
}

pub(super) fn read_target(section: &Section<'_>, name: &str) -> ReadTarget {
    let kind = section.required("kind", "write kind = \"http\", \"kafka\" or \"redis\"");
    let kind = kind.and_then(|kind| kind.choice(&KINDS, &[]));
    // Of the target only: a topic's name is made before anybody knows the member.
    let prefix = kind.filter(|kind| *kind == TargetKind::Kafka).and_then(|_| section.entry("prefix"));
    let prefix = prefix.and_then(|entry| read_prefix(&entry));
    let plan = kind.map(|kind| TargetPlan { name: name.to_owned(), kind, members: read_doors(section, name, kind) });
    ReadTarget { name: name.to_owned(), plan, prefix }
}

fn read_doors(section: &Section<'_>, name: &str, kind: TargetKind) -> Vec<MemberPlan> {
    let terms = Terms::of(kind).overridden_by(section);
    let (key, example) = (terms.door.address_key(), terms.door.address_example());
    let address = section.entry(key);
    let inline = section.entry("member");
    let file = section.entry("members");
    terms.finish(section);
    let mut members = Vec::new();
    match (address, inline.is_some() || file.is_some()) {
        (Some(address), false) => members.extend(terms.member(String::new(), &address)),
        (Some(address), true) => {
            let remedy = format!("remove `{key}`, or make it a member: member.NAME = {{ {example} }}");
            address.mistake("a target has one address or members, not both", remedy);
        }
        (None, false) => {
            let remedy = format!("add {example}, or members: member.NAME = {{ {example} }}");
            section.mistake("this target has no address", remedy);
        }
        (None, true) => {
            let mut names = HashSet::new();
            if let Some(inline) = inline.and_then(|entry| entry.section(section.subject.clone())) {
                members.extend(read_members(&inline, name, &terms, &mut names));
            }
            if let Some(file) = file {
                members.extend(read_members_file(&file, name, &terms, &mut names));
            }
        }
    }
    members
}

fn read_members_file(file: &Entry<'_>, target: &str, terms: &Terms, names: &mut HashSet<String>) -> Vec<MemberPlan> {
    let Some(path) = file.text().map(|name| file.page.folder().join(name)) else { return Vec::new() };
    if !path.is_file() {
        let remedy = format!("it is expected at {}; paths start at the folder of this file", path.display());
        file.mistake("there is no such file", remedy);
        return Vec::new();
    }
    let Some(page) = file.page.reading.open(&path, MEMBERS_LEN_MAX) else { return Vec::new() };
    read_members(&page.root(format!("target \"{target}\"")), target, &terms.of_customers(), names)
}

fn read_members(all: &Section<'_>, target: &str, terms: &Terms, names: &mut HashSet<String>) -> Vec<MemberPlan> {
    let (key, example) = (terms.door.address_key(), terms.door.address_example());
    let entries = all.entries();
    if entries.is_empty() {
        // A file that is written anew is empty for a moment; no members at all is never meant.
        all.mistake("there is no member here", format!("add one: NAME = {{ {example} }}"));
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
        let address = section.required(key, format!("add {example}"));
        own.finish(&section);
        members.extend(address.and_then(|address| own.member(entry.key.to_owned(), &address)));
    }
    members
}

/// Everything that a target can say for its members.
#[derive(Clone)]
struct Terms {
    kind: TargetKind,
    timeout: Duration,
    retry: RetryPlan,
    concurrency: u32,
    rate: Option<u32>,
    memory: u64,
    hold: Duration,
    disk: u64,
    when_full: WhenFull,
    door: DoorTerms,
}

/// What it can say because of its kind.
#[derive(Clone)]
enum DoorTerms {
    Http(HttpTerms),
    Kafka(KafkaTerms),
    Redis(RedisTerms),
}

impl DoorTerms {
    fn address_key(&self) -> &'static str {
        match self {
            Self::Http(_) | Self::Redis(_) => "url",
            Self::Kafka(_) => "brokers",
        }
    }

    fn address_example(&self) -> &'static str {
        match self {
            Self::Http(_) => "url = \"https://...\"",
            Self::Kafka(_) => "brokers = \"host:9092\"",
            Self::Redis(_) => "url = \"redis://host:6379\"",
        }
    }

    fn overridden_by(self, section: &Section<'_>) -> Self {
        match self {
            Self::Http(terms) => Self::Http(terms.overridden_by(section)),
            Self::Kafka(terms) => Self::Kafka(terms.overridden_by(section)),
            Self::Redis(terms) => Self::Redis(terms.overridden_by(section)),
        }
    }

    fn door(self, address: &Entry<'_>) -> Option<Door> {
        Some(match self {
            Self::Http(terms) => Door::Http(terms.plan(address)?),
            Self::Kafka(terms) => Door::Kafka(terms.plan(address)?),
            Self::Redis(terms) => Door::Redis(terms.plan(address)?),
        })
    }
}

/// Flights at the same time: a request is one message, a flight to Redis or Kafka up to thousands, and librdkafka holds 100 000.
fn concurrency(kind: TargetKind) -> RangeInclusive<u32> {
    match kind {
        TargetKind::Http => 1..=1024,
        TargetKind::Kafka => 1..=16,
        TargetKind::Redis => 1..=64,
    }
}

/// The keys of each kind that not every kind has.
fn own_keys(kind: TargetKind) -> &'static [&'static str] {
    match kind {
        TargetKind::Http => {
            &["url", "sign", "headers", "basic", "bearer", "oauth2", "ca", "cert", "cert_key", "allow", "compress"]
        }
        TargetKind::Kafka => &["brokers", "librdkafka", "topics", "headers", "timestamp", "prefix", "registry"],
        TargetKind::Redis => &["url", "nodes", "cluster", "sentinel", "ca", "cert", "cert_key", "guard"],
    }
}

impl Terms {
    /// What holds unless it is said otherwise. Customers come back after days or not at all; a broker or a cache is the user's
    /// own and comes back, and what it did not get would be missing there for ever.
    fn of(kind: TargetKind) -> Self {
        let own =
            RetryPlan { first: Duration::from_millis(100), max: Duration::from_secs(5), give_up_after: Duration::MAX };
        let customers = RetryPlan {
            first: Duration::from_secs(1),
            max: Duration::from_secs(10 * 60),
            give_up_after: Duration::from_secs(3 * 86_400),
        };
        let (timeout_s, retry, concurrency, memory, door) = match kind {
            TargetKind::Http => (10, customers, 16, 8 << 20, DoorTerms::Http(HttpTerms::default())),
            TargetKind::Kafka => (30, own, 8, 24 << 20, DoorTerms::Kafka(KafkaTerms::default())),
            // What a Redis takes in half of `hold` when it shares two cores with us: with twice as much a healthy one would now and then
            // be taken for one that is behind, and the way over the disk costs three times as much.
            TargetKind::Redis => (5, own, 4, 12 << 20, DoorTerms::Redis(RedisTerms::default())),
        };
        let (timeout, hold) = (Duration::from_secs(timeout_s), Duration::from_millis(500));
        let (disk, when_full) = (1 << 30, WhenFull::default());
        Self { kind, timeout, retry, concurrency, rate: None, memory, hold, disk, when_full, door }
    }

    /// For what stands in a file of members.
    fn of_customers(&self) -> Self {
        let mut terms = self.clone();
        terms.door = match terms.door {
            DoorTerms::Http(http) => DoorTerms::Http(http.of_customers()),
            DoorTerms::Kafka(kafka) => DoorTerms::Kafka(kafka.of_customers()),
            DoorTerms::Redis(redis) => DoorTerms::Redis(redis),
        };
        terms
    }

    fn overridden_by(&self, section: &Section<'_>) -> Self {
        let mut terms = self.clone();
        terms.timeout = section.duration("timeout", TIMEOUT).unwrap_or(terms.timeout);
        if let Some(retry) = section.section("retry") {
            terms.retry = read_retry(&retry, terms.retry);
        }
        terms.concurrency = section.integer("concurrency", concurrency(self.kind)).unwrap_or(terms.concurrency);
        terms.rate = section.integer("rate", RATE).or(terms.rate);
        terms.memory = section.size("memory", MEMORY).unwrap_or(terms.memory);
        terms.hold = section.duration("hold", HOLD).unwrap_or(terms.hold);
        terms.disk = section.size("disk", DISK).unwrap_or(terms.disk);
        terms.when_full =
            section.entry("when_full").and_then(|entry| entry.choice(&WHEN_FULL, &[])).unwrap_or(terms.when_full);
        terms.door = terms.door.overridden_by(section);
        terms
    }

    /// Ends the reading of a target or member.
    fn finish(&self, section: &Section<'_>) {
        for (key, rule, remedy) in FOREIGN_KEYS {
            section.explain(&[key], rule, remedy);
        }
        let remedy = format!(
            "remove it; this is a {} target, and its address is `{}`",
            self.kind.name(),
            self.door.address_key()
        );
        for (name, other) in KINDS.into_iter().filter(|(_, other)| *other != self.kind) {
            section.explain(own_keys(other), &format!("is for {name} targets"), &remedy);
        }
        section.finish();
    }

    fn member(self, name: String, address: &Entry<'_>) -> Option<MemberPlan> {
        let Self { kind: _, timeout, retry, concurrency, rate, memory, hold, disk, when_full, door } = self;
        let door = door.door(address)?;
        Some(MemberPlan { name, timeout, retry, concurrency, rate, memory, hold, disk, when_full, door })
    }
}

fn read_retry(section: &Section<'_>, defaults: RetryPlan) -> RetryPlan {
    let retry = RetryPlan {
        first: section.duration("first", PAUSE).unwrap_or(defaults.first),
        max: section.duration("max", PAUSE).unwrap_or(defaults.max),
        give_up_after: read_age(section).unwrap_or(defaults.give_up_after),
    };
    section.finish();
    if retry.first > retry.max {
        section.mistake("the first pause is longer than the longest", "make `first` at most `max`");
    }
    retry
}

fn read_age(section: &Section<'_>) -> Option<Duration> {
    let entry = section.entry("give_up_after")?;
    if entry.says("never") { Some(Duration::MAX) } else { entry.duration(AGE) }
}
