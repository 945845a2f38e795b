//! What is the same, what is explained, what is different: a recording beside a run, topic by topic.

use super::align::{Likeness, align};
use super::compare::{Difference, differences};
use super::folder::Scenario;
use super::mask::{Masked, Part, payload};
use super::order::Position;
use super::recording::Topics;
use super::rules::{self, Alone, Case, Rule, Seen};
use super::stage::Run;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What came of one recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    pub scenario: String,
    pub recording: String,
    /// Debezium's.
    pub records: usize,
    pub equal: usize,
    /// Not the same, and every difference has its line in `docs/debezium.md`.
    pub explained: usize,
    /// Not the same, and not explained; `missing` and `extra` are among them.
    pub different: usize,
    /// Debezium's that we did not write.
    pub missing: usize,
    /// Ours that Debezium did not write.
    pub extra: usize,
    /// Debezium's that need a feature which is not there yet: counted in none of the above.
    pub unsupported: BTreeMap<String, usize>,
    /// How many records each rule explains, by the rule's name.
    pub rules: BTreeMap<&'static str, usize>,
    pub first_difference: Option<Shown>,
    /// All of them, the first of each record.
    #[serde(skip)]
    pub differences: Vec<Shown>,
    /// Why it was not run at all.
    pub not_run: Option<String>,
    /// The last place in the log of which both sides have a record.
    #[serde(skip)]
    pub both_until: Option<Position>,
}

/// A difference for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub topic: String,
    /// The number of Debezium's record within its topic, or of ours where Debezium has none.
    pub record: usize,
    pub place: String,
    pub theirs: Option<String>,
    pub ours: Option<String>,
}

/// A record, masked, and what tells it from others.
struct Entry {
    masked: Masked,
    op: String,
    key: Vec<u8>,
    at: Position,
}

/// A record without a counterpart.
struct Lone {
    topic: String,
    record: usize,
    is_ours: bool,
    is_behind_all: bool,
    entry: Entry,
}

pub fn judge(scenario: &Scenario, recorded: &Topics, run: &Run) -> Verdict {
    let mut verdict = Verdict::default();
    let case = Case::new(scenario, recorded, run);
    let names: BTreeSet<&String> = recorded.keys().chain(run.topics.keys()).collect();
    let mut alone = Vec::new();
    for topic in names {
        let entries = |topics: &Topics| -> Vec<Entry> {
            let records = topics.get(topic).into_iter().flatten();
            records.map(|r| Entry::of(Masked::of(r, topic, scenario.flavour), r.at)).collect()
        };
        let (mut theirs, ours) = (entries(recorded), entries(&run.topics));
        verdict.records += theirs.len();
        let all = theirs.len();
        // The connector reads the tables that are there before it streams.
        theirs.retain(|entry| !entry.masked.is_of_snapshot());
        if theirs.len() < all {
            *verdict.unsupported.entry("initial snapshot".to_owned()).or_default() += all - theirs.len();
        }
        alone.extend(verdict.topic(&case, topic, theirs, ours));
    }
    for one in &alone {
        verdict.alone(&case, one);
    }
    verdict
}

impl Entry {
    fn of(masked: Masked, at: Position) -> Self {
        let op = match &masked.value {
            None => "tombstone".to_owned(),
            // A statement is known by itself.
            Some(Part::Json(document)) => {
                let payload = payload(&document.root);
                let told = payload.get("op").or(payload.get("status")).or(payload.get("ddl"));
                // However its strings are quoted.
                told.map(|told| rules::without_quotes(document.raw(told))).unwrap_or_default()
            }
            Some(Part::Bytes(_)) => String::new(),
        };
        let key = match &masked.key {
            Some(Part::Json(document)) => document.raw(payload(&document.root)).as_bytes().to_vec(),
            Some(Part::Bytes(bytes)) => bytes.clone(),
            None => Vec::new(),
        };
        Self { masked, op, key, at }
    }

    fn likeness(&self, other: &Entry) -> Likeness {
        if self.masked == other.masked {
            Likeness::Equal
        } else if self.op == other.op && self.key == other.key {
            Likeness::Row
        } else if self.op == other.op {
            Likeness::Operation
        } else {
            Likeness::None
        }
    }
}

impl Verdict {
    /// Compares what both have; what one has alone is judged when all topics are known.
    fn topic(&mut self, case: &Case<'_>, topic: &str, theirs: Vec<Entry>, ours: Vec<Entry>) -> Vec<Lone> {
        let pairs = align(theirs.len(), ours.len(), |a, b| theirs[a].likeness(&ours[b]));
        let last = pairs.iter().rposition(|(a, b)| a.is_some() && b.is_some());
        let (mut theirs, mut ours): (Vec<_>, Vec<_>) =
            (theirs.into_iter().map(Some).collect(), ours.into_iter().map(Some).collect());
        let mut alone = Vec::new();
        for (at, (a, b)) in pairs.into_iter().enumerate() {
            let index = a.or(b).unwrap_or_default();
            let entries = (a.and_then(|a| theirs[a].take()), b.and_then(|b| ours[b].take()));
            match entries {
                (Some(a), Some(b)) => {
                    self.both_until = self.both_until.max(Some(b.at));
                    if a.masked == b.masked {
                        self.equal += 1;
                    } else {
                        self.pair(case, (topic, index), (&a.masked, &b.masked));
                    }
                }
                (Some(entry), None) | (None, Some(entry)) => alone.push(Lone {
                    topic: topic.to_owned(),
                    record: index,
                    is_ours: b.is_some(),
                    is_behind_all: last.is_none_or(|last| at > last),
                    entry,
                }),
                (None, None) => {}
            }
        }
        alone
    }

    fn alone(&mut self, case: &Case<'_>, lone: &Lone) {
        let Lone { topic, record, is_ours, is_behind_all, entry } = lone;
        let Entry { masked, op, at, .. } = entry;
        let (both_until, is_behind_all) = (self.both_until, *is_behind_all);
        let alone = Alone { topic, masked, op, at: *at, both_until, is_behind_all };
        let rule = if *is_ours { case.extra(&alone) } else { case.missing(&alone) };
        match rule {
            Some(rule) => self.explain(&[rule]),
            None if *is_ours => {
                self.extra += 1;
                self.differ(topic, *record, Shown::whole(None, Some(entry)));
            }
            None => {
                self.missing += 1;
                self.differ(topic, *record, Shown::whole(Some(entry), None));
            }
        }
    }

    fn pair(&mut self, case: &Case<'_>, (topic, record): (&str, usize), (theirs, ours): (&Masked, &Masked)) {
        let all = differences(theirs, ours);
        let mut found = Vec::new();
        for difference in &all {
            let seen = Seen { case, topic, record, difference, all: &all };
            match rules::explain(&seen) {
                Some(rule) => found.push(rule),
                None => return self.differ(topic, record, Shown::of(difference)),
            }
        }
        self.explain(&found);
    }

    fn explain(&mut self, rules: &[&'static Rule]) {
        self.explained += 1;
        let names: BTreeSet<&'static str> = rules.iter().map(|rule| rule.name).collect();
        for name in names {
            *self.rules.entry(name).or_default() += 1;
        }
    }

    fn differ(&mut self, topic: &str, record: usize, mut shown: Shown) {
        self.different += 1;
        shown.topic = topic.to_owned();
        shown.record = record;
        self.first_difference.get_or_insert_with(|| shown.clone());
        self.differences.push(shown);
    }
}

impl Shown {
    fn of(difference: &Difference) -> Self {
        let place = [difference.place.name().to_owned(), difference.path.join(".")].join(" ");
        Self {
            topic: String::new(),
            record: 0,
            place: place.trim_end().to_owned(),
            theirs: difference.theirs.clone(),
            ours: difference.ours.clone(),
        }
    }

    fn whole(theirs: Option<&Entry>, ours: Option<&Entry>) -> Self {
        let text = |entry: &Entry| {
            let part = |part: &Option<Part>| {
                part.as_ref().map_or("(none)".to_owned(), |part| String::from_utf8_lossy(part.bytes()).into_owned())
            };
            format!("key {} value {}", part(&entry.masked.key), part(&entry.masked.value))
        };
        Self {
            topic: String::new(),
            record: 0,
            place: "the record".to_owned(),
            theirs: theirs.map(text),
            ours: ours.map(text),
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
