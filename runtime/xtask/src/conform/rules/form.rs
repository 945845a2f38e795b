//! Of what transformations make of records, whatever the database.

use super::{ALL, Place, Rule, Seen};

const fn rule(name: &'static str, holds: fn(&Seen<'_>) -> bool) -> Rule {
    Rule { name, flavours: ALL, reshapes: false, holds }
}

pub(super) const RULES: &[Rule] = &[
    rule("null-header", |seen| {
        let without = |headers: &str| {
            let all = headers.split("; ").filter(|header| !header.ends_with("=(null)"));
            all.collect::<Vec<_>>().join("; ")
        };
        is_of_headers(seen) && seen.theirs().contains("=(null)") && without(seen.theirs()) == seen.ours()
    }),
    rule("unwrap-operation-twice", |seen| {
        let once = seen.theirs().rsplit_once("; ").map(|(before, last)| (before, last.ends_with("op=d")));
        is_of_headers(seen) && once == Some((seen.ours(), true))
    }),
    rule("outbox-schema-name", |seen| {
        // Theirs is of the event that came first with such a payload.
        let stem = |name: &str| name.trim_end_matches("\"").strip_suffix(".Value").map(|name| name.split('.').count());
        let is_name = seen.difference.place == Place::ValueSchema && seen.difference.path == ["name"];
        is_name && seen.topic.contains("outbox") && stem(seen.theirs()).is_some() && stem(seen.ours()).is_some()
    }),
    rule("outbox-list-order", |seen| {
        let sorted = |names: &str| {
            let mut names: Vec<&str> = names.split(',').collect();
            names.sort_unstable();
            names.join(",")
        };
        let is_order = seen.difference.path.last().is_some_and(|last| last == "(order)");
        is_order && seen.topic.contains("outbox") && sorted(seen.theirs()) == sorted(seen.ours())
    }),
];

fn is_of_headers(seen: &Seen<'_>) -> bool {
    seen.difference.place == Place::Headers && seen.difference.path.is_empty()
}
