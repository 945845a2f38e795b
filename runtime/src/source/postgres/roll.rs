//! What the publications were seen to publish: kept for as long as the source runs, so that a table which somebody else takes out
//! is missed, and what is lost by that is said.

use super::publication::quoted;
use super::survey::{Name, Wanted};
use crate::change::Lsn;
use crate::telemetry::SourceStats;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(super) struct Roll {
    source: String,
    publication: String,
    stats: Arc<SourceStats>,
    /// The checkpoint that the source began with: some tables were captured up to there, nobody remembers which.
    resumed: Option<Lsn>,
    seen: Option<Seen>,
    /// Tables that were said to be without identity.
    told: HashSet<Name>,
}

struct Seen {
    /// With their numbers in the catalog.
    tables: HashMap<Name, u32>,
    /// They were published up to here at least.
    at: Lsn,
}

/// Tables that are asked for and not published.
pub(super) struct Missing {
    /// They were published.
    taken_out: Vec<Name>,
    /// They were dropped and made again.
    made_again: Vec<Name>,
    /// Whether they were published before this program was started is not known.
    perhaps: Vec<Name>,
    /// What is lost is behind it.
    from: Lsn,
}

impl Roll {
    pub(super) fn new(source: &str, publication: &str, resumed: Option<Lsn>, stats: Arc<SourceStats>) -> Self {
        let (source, publication) = (source.to_owned(), publication.to_owned());
        Self { source, publication, stats, resumed, seen: None, told: HashSet::new() }
    }

    pub(super) fn missing(&self, wanted: &Wanted, is_published: impl Fn(&Name) -> bool) -> Missing {
        let from = self.seen.as_ref().map_or(self.resumed, |seen| Some(seen.at)).unwrap_or_default();
        let mut missing = Missing { taken_out: Vec::new(), made_again: Vec::new(), perhaps: Vec::new(), from };
        for name in wanted.names().filter(|name| !is_published(name)) {
            let before = self.seen.as_ref().map(|seen| seen.tables.get(name));
            let list = match before {
                Some(Some(oid)) if wanted.oids.get(name) == Some(oid) => &mut missing.taken_out,
                Some(Some(_)) => &mut missing.made_again,
                None if self.resumed.is_some() => &mut missing.perhaps,
                // It is new.
                Some(None) | None => continue,
            };
            list.push(name.clone());
        }
        missing
    }

    /// Says what is lost. The tables are back at `until`, if they could be put back.
    pub(super) fn tell(&self, missing: &Missing, until: Option<Lsn>) {
        let Missing { taken_out, from, .. } = missing;
        if !taken_out.is_empty() {
            let tables = taken_out.iter().map(full).collect::<Vec<_>>().join(", ");
            let what = match until {
                Some(until) => format!("changes between {from} and {until} are lost, then they were put back"),
                None => format!("changes from {from} on are lost, until they are there again"),
            };
            let sentence = format!(
                "somebody else took tables out of publication {:?}: {tables}; {what}. Take what is lost from the tables themselves, and see who else \
                 uses the slot or the publication; this is said until the next start",
                self.publication
            );
            // Once, not with every look at what can not be put back.
            if self.stats.lost.get().as_ref() != Some(&sentence) {
                tracing::error!(source = self.source, "{sentence}");
                self.stats.lost.set(sentence);
            }
        }
        let until = until.map(|until| until.to_string()).unwrap_or_default();
        for name in &missing.made_again {
            tracing::warn!(
                source = self.source,
                table = full(name),
                until,
                "table was dropped and made again; what was written to it before it was published again is not sent"
            );
        }
        for name in &missing.perhaps {
            tracing::warn!(
                source = self.source,
                table = full(name),
                %from,
                until,
                "table was not published: changes before it was are not sent. That is as it should be for a table that pipelines newly ask \
                 for; if it was captured before, somebody took it out of the publication while this program was away, and changes \
                 in between are lost"
            );
        }
    }

    pub(super) fn saw(&mut self, wanted: &Wanted, is_published: impl Fn(&Name) -> bool, at: Lsn) {
        let published = wanted.oids.iter().filter(|(name, _)| is_published(name));
        self.seen = Some(Seen { tables: published.map(|(name, oid)| (name.clone(), *oid)).collect(), at });
    }

    /// Each table once.
    pub(super) fn warn_of_keyless<'a>(&mut self, tables: impl Iterator<Item = &'a Name>) {
        for name in tables {
            if self.told.insert(name.clone()) {
                tracing::warn!(
                    source = self.source,
                    table = full(name),
                    "table has no replica identity: only its inserts are captured; give it a primary key, or: ALTER TABLE {} REPLICA IDENTITY FULL;",
                    quoted(name)
                );
            }
        }
    }
}

fn full((namespace, table): &Name) -> String {
    format!("{namespace}.{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(table: &str) -> Name {
        ("public".into(), table.into())
    }

    fn wanted(tables: &[(&str, u32)]) -> Wanted {
        Wanted {
            with_identity: tables.iter().map(|(table, _)| name(table)).collect(),
            without_identity: Vec::new(),
            oids: tables.iter().map(|(table, oid)| (name(table), *oid)).collect(),
        }
    }

    #[test]
    fn table_that_was_seen_is_missed_and_a_new_one_is_not() {
        let stats = Arc::new(SourceStats::default());
        let mut roll = Roll::new("erp", "erp", None, stats.clone());
        roll.saw(&wanted(&[("orders", 1), ("again", 2)]), |_| true, Lsn(16));
        let missing = roll.missing(&wanted(&[("orders", 1), ("again", 7), ("new", 3)]), |_| false);
        assert_eq!((&missing.taken_out, &missing.made_again), (&vec![name("orders")], &vec![name("again")]));
        assert!(missing.perhaps.is_empty());
        roll.tell(&missing, Some(Lsn(32)));
        let said = stats.lost.get().expect("it is said");
        assert!(said.contains("public.orders") && said.contains("between 0/10 and 0/20"), "{said}");
        roll.tell(&missing, None);
        let said = stats.lost.get().expect("it is said");
        assert!(said.contains("changes from 0/10 on are lost"), "{said}");
    }

    #[test]
    fn what_was_captured_before_a_start_is_not_known() {
        let first = Roll::new("erp", "erp", None, Arc::default());
        assert!(first.missing(&wanted(&[("orders", 1)]), |_| false).perhaps.is_empty());
        let resumed = Roll::new("erp", "erp", Some(Lsn(16)), Arc::default());
        let missing = resumed.missing(&wanted(&[("orders", 1), ("there", 2)]), |(_, table)| table == "there");
        assert_eq!((missing.perhaps, missing.from), (vec![name("orders")], Lsn(16)));
    }
}
