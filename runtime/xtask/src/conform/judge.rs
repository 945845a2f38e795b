//! What is the same, what is explained, what is different: a recording beside a run, topic by topic.

use super::align::{Likeness, align};
use super::compare::{Difference, differences};
use super::folder::{Flavour, Scenario};
use super::mask::{Masked, Part, payload};
use super::recording::Topics;
use super::rules::{self, Rule, Seen};
use super::stage::Run;
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// Why it was not run at all.
    pub not_run: Option<String>,
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
}

pub fn judge(scenario: &Scenario, recorded: &Topics, run: &Run) -> Verdict {
    let mut verdict = Verdict::default();
    let names: std::collections::BTreeSet<&String> = recorded.keys().chain(run.topics.keys()).collect();
    let case = rules::Case::new(scenario, recorded, run);
    for topic in names {
        let entries = |topics: &Topics| -> Vec<Entry> {
            topics.get(topic).into_iter().flatten().map(|r| Entry::of(Masked::of(r, topic, scenario.flavour))).collect()
        };
        let theirs = entries(recorded);
        verdict.records += theirs.len();
        if let Some(feature) = missing_feature(topic, &theirs, scenario.flavour) {
            *verdict.unsupported.entry(feature.to_owned()).or_default() += theirs.len();
            continue;
        }
        let ours = entries(&run.topics);
        verdict.topic(&case, topic, &theirs, &ours);
    }
    verdict
}

/// The feature that a topic's records need and that is not there yet. Whoever adds one of these takes its line out.
fn missing_feature(topic: &str, records: &[Entry], flavour: Flavour) -> Option<&'static str> {
    let has = |name: &str| {
        records.iter().any(|record| match &record.masked.value {
            Some(Part::Json(document)) => payload(&document.root).get(name).is_some(),
            _ => false,
        })
    };
    if flavour == Flavour::Postgres && topic.ends_with(".message") && has("message") {
        return Some("logical messages");
    }
    (flavour != Flavour::Postgres && has("ddl") && has("tableChanges")).then_some("schema-change topic")
}

impl Entry {
    fn of(masked: Masked) -> Self {
        let op = match &masked.value {
            None => "tombstone".to_owned(),
            Some(Part::Json(document)) => {
                payload(&document.root).get("op").map(|op| document.raw(op).to_owned()).unwrap_or_default()
            }
            Some(Part::Bytes(_)) => String::new(),
        };
        let key = match &masked.key {
            Some(Part::Json(document)) => document.raw(payload(&document.root)).as_bytes().to_vec(),
            Some(Part::Bytes(bytes)) => bytes.clone(),
            None => Vec::new(),
        };
        Self { masked, op, key }
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
    fn topic(&mut self, case: &rules::Case<'_>, topic: &str, theirs: &[Entry], ours: &[Entry]) {
        let pairs = align(theirs.len(), ours.len(), |a, b| theirs[a].likeness(&ours[b]));
        for (a, b) in pairs {
            match (a, b) {
                (Some(a), Some(b)) if theirs[a].masked == ours[b].masked => self.equal += 1,
                (Some(a), Some(b)) => self.pair(case, topic, a, (&theirs[a].masked, &ours[b].masked)),
                (Some(a), None) => match case.missing(topic, &theirs[a].masked) {
                    Some(rule) => self.explain(&[rule]),
                    None => {
                        self.missing += 1;
                        self.differ(topic, a, Shown::whole(Some(&theirs[a]), None));
                    }
                },
                (None, Some(b)) => match case.extra(topic, b, &ours[b].masked) {
                    Some(rule) => self.explain(&[rule]),
                    None => {
                        self.extra += 1;
                        self.differ(topic, b, Shown::whole(None, Some(&ours[b])));
                    }
                },
                (None, None) => {}
            }
        }
    }

    fn pair(&mut self, case: &rules::Case<'_>, topic: &str, index: usize, (theirs, ours): (&Masked, &Masked)) {
        let all = differences(theirs, ours);
        let mut found = Vec::new();
        for difference in &all {
            let seen = Seen { case, topic, theirs, ours, difference, all: &all };
            match rules::explain(&seen) {
                Some(rule) => found.push(rule),
                None => return self.differ(topic, index, Shown::of(difference)),
            }
        }
        self.explain(&found);
    }

    fn explain(&mut self, rules: &[&'static Rule]) {
        self.explained += 1;
        let names: std::collections::BTreeSet<&'static str> = rules.iter().map(|rule| rule.name).collect();
        for name in names {
            *self.rules.entry(name).or_default() += 1;
        }
    }

    fn differ(&mut self, topic: &str, record: usize, mut shown: Shown) {
        self.different += 1;
        shown.topic = topic.to_owned();
        shown.record = record;
        self.first_difference.get_or_insert(shown);
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
