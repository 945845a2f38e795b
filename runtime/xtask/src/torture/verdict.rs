//! What the receivers have, beside what was written: a line for every road.

use super::yard::{STREAM, TOPIC, Yard};
use crate::audit::Audit;
use crate::items::burst::{Burst, Told};
use crate::items::shelf::{self, Address, Database, Pair};
use crate::topic::{Change, Event};
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::fmt;

/// Entries of a stream that are read at once.
const SLICE: u32 = 5_000;

/// One road's line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    #[serde(rename = "torture")]
    pub road: String,
    pub kills: u32,
    pub changes: u64,
    /// Changes that are missing; of a cache, items that are not as in the table.
    pub lost: u64,
    /// Changes that came again, under the same id.
    pub doubled: u64,
    pub out_of_order: u64,
    /// Changes that came again under another id, or to the wrong receiver, or were never written.
    pub strange: u64,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0 && self.strange == 0
    }

    fn of_audit(road: String, kills: u32, audit: &Audit) -> Self {
        let Audit { changes, lost, doubled, out_of_order, renamed, strange, .. } = *audit;
        Self { road, kills, changes, lost, doubled, out_of_order, strange: renamed + strange }
    }

    /// Of a topic or a stream, whose events end at what was written last.
    fn of_told(road: String, kills: u32, told: &Told, burst: &Burst) -> Self {
        let missing = burst.stocks().filter(|stock| !told.stocks.contains(stock)).count() as u64;
        let strange = told.stocks.iter().filter(|stock| !burst.stocks().contains(*stock)).count() as u64;
        let end = Pair { table: burst.items().clone(), cache: told.items.clone() };
        // A change that is missing may be why the end is another: both are shown, and either is too many.
        let lost = missing + end.differences() as u64;
        let Told { repeated: doubled, out_of_order, .. } = *told;
        Self { road, kills, changes: burst.changes(), lost, doubled, out_of_order, strange }
    }

    /// Of a cache, which holds the last word only.
    fn of_pair(road: String, kills: u32, pair: &Pair, burst: &Burst) -> Self {
        let lost = pair.differences() as u64;
        let end = Pair { table: burst.items().clone(), cache: pair.table.clone() };
        let strange = end.differences() as u64;
        Self { road, kills, changes: burst.changes(), lost, doubled: 0, out_of_order: 0, strange }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { road, kills, changes, lost, doubled, out_of_order, strange } = self;
        write!(f, "{road:<24} {kills} kills, {changes} changes, {lost} lost, {doubled} doubled, ")?;
        write!(f, "{out_of_order} out of order, {strange} strange")
    }
}

/// Asks every receiver.
pub async fn of_all(yard: &Yard, written: &[(Address, Burst)], kills: u32) -> Result<Vec<Verdict>> {
    let audit = yard.ring.record.audit(|_| true);
    let mut verdicts = vec![Verdict::of_audit("postgres to http".to_owned(), kills, &audit)];
    let mut redis = yard.redis.connect().await?;
    for (address, burst) in written {
        let (from, source) = (address.kind(), address.source());
        let table = Database::connect(address).await?.items().await?;
        let pair = Pair { table, cache: shelf::cached(&mut redis, source).await? };
        verdicts.push(Verdict::of_pair(format!("{from} to redis"), kills, &pair, burst));
        let told = Told::by(&streamed(&mut redis, source).await?).context("read a stream")?;
        verdicts.push(Verdict::of_told(format!("{from} to redis stream"), kills, &told, burst));
        let records = yard.kafka.read_all(&format!("{TOPIC}.{source}")).await?;
        let told = Told::by(&Event::of_all(&records)?).context("read a topic")?;
        verdicts.push(Verdict::of_told(format!("{from} to kafka"), kills, &told, burst));
    }
    Ok(verdicts)
}

/// The events of a source's stream, in its order. After hours there are hundreds of thousands, so they are read in slices.
async fn streamed(redis: &mut redis::aio::MultiplexedConnection, source: &str) -> Result<Vec<Event>> {
    let (mut events, mut from) = (Vec::new(), "-".to_owned());
    loop {
        let range =
            redis::cmd("XRANGE").arg(format!("{STREAM}.{source}")).arg(&from).arg("+").arg("COUNT").arg(SLICE).take();
        let entries: Vec<(String, HashMap<String, Vec<u8>>)> =
            range.query_async(redis).await.context("read a stream")?;
        let Some((last, _)) = entries.last() else { return Ok(events) };
        from = format!("({last}");
        for (_, fields) in entries {
            let change = Change::of(fields.get("body").context("an entry without a body")?)?;
            let row = if change.after.is_null() { &change.before } else { &change.after };
            events.push(Event { key: json!({ "id": row["id"] }), change: Some(change) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::shelf::Items;

    #[test]
    fn a_verdict_has_the_documented_json_form() {
        let audit = Audit { changes: 9, doubled: 2, ..Audit::default() };
        let verdict = Verdict::of_audit("postgres to http".to_owned(), 3, &audit);
        let json = serde_json::to_string(&verdict).expect("plain data");
        assert_eq!(
            json,
            r#"{"torture":"postgres to http","kills":3,"changes":9,"lost":0,"doubled":2,"out_of_order":0,"strange":0}"#
        );
    }

    #[test]
    fn what_is_missing_at_a_receiver_is_lost_on_its_road() {
        let mut burst = Burst::new(7, Items::new());
        let statements: Vec<_> = (0..50).map(|_| burst.change()).collect();
        let nothing = Verdict::of_told("a".to_owned(), 1, &Told::default(), &burst);
        let written = statements.iter().filter(|statement| statement.leaves.is_some()).count();
        assert_eq!(nothing.lost as usize, written + burst.items().len());
        let told = Told { items: burst.items().clone(), stocks: burst.stocks().collect(), ..Told::default() };
        assert!(Verdict::of_told("a".to_owned(), 1, &told, &burst).is_clean());
        let mut behind = Pair { table: burst.items().clone(), cache: burst.items().clone() };
        assert!(Verdict::of_pair("b".to_owned(), 1, &behind, &burst).is_clean());
        behind.cache.pop_first();
        assert_eq!(Verdict::of_pair("b".to_owned(), 1, &behind, &burst).lost, 1);
    }
}
