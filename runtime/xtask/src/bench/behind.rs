//! How far the confirmed position stands behind the log's end while something else happens: as PostgreSQL sees it, and as the program
//! says; and what the program holds meanwhile, in memory and on disk.

use crate::host::{Door, LaneStatus};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// How often it is looked at. What is measured in seconds is right to this much.
const LOOK: Duration = Duration::from_millis(100);
/// A look that takes longer is an error.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
const ASK: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0')::int8, (confirmed_flush_lsn - '0/0')::int8 \
                   FROM pg_replication_slots WHERE slot_type = 'logical'";

/// The highest that was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worst {
    /// From what the slot confirms to the end of the log that is on disk.
    pub bytes: u64,
    /// How long ago the log ended where the slot stands now.
    pub seconds: f64,
    /// What `/status` says: the age of the oldest batch that is neither delivered nor on disk.
    pub said_seconds: f64,
    /// What the lanes have on disk.
    pub parked: u64,
    pub looks: u64,
}

/// Looks again and again, until it is asked.
pub(super) struct Behind {
    looking: JoinHandle<Result<Worst>>,
    enough: watch::Sender<bool>,
}

impl Behind {
    /// `client` is a connection of its own to a server with one logical slot.
    pub(super) fn watch(client: Client, door: Door) -> Self {
        let (enough, is_enough) = watch::channel(false);
        Self { looking: tokio::spawn(look(client, door, is_enough)), enough }
    }

    pub(super) async fn worst(self) -> Result<Worst> {
        self.enough.send_replace(true);
        self.looking.await?
    }
}

async fn look(client: Client, door: Door, mut is_enough: watch::Receiver<bool>) -> Result<Worst> {
    let mut worst = Worst::default();
    let mut ends = Ends::default();
    while tokio::time::timeout(LOOK, is_enough.wait_for(|enough| *enough)).await.is_err() {
        let row = tokio::time::timeout(LOOK_LIMIT, client.query_one(ASK, &[])).await;
        let row = row.context("PostgreSQL does not answer")?.context("ask for the slot")?;
        let (end, confirmed): (i64, i64) = (row.get(0), row.get(1));
        let status = door.status().await?;
        let lag_ms = status.sources.iter().map(|source| source.lag_ms).max().unwrap_or(0);
        worst.bytes = worst.bytes.max(end.saturating_sub(confirmed).unsigned_abs());
        worst.seconds = ends.age(Instant::now(), end, confirmed).as_secs_f64().max(worst.seconds);
        worst.said_seconds = (lag_ms as f64 / 1000.0).max(worst.said_seconds);
        worst.parked = status.lanes.iter().map(|lane: &LaneStatus| lane.parked).sum::<u64>().max(worst.parked);
        worst.looks += 1;
    }
    Ok(worst)
}

/// Where the log ended at each look that is not confirmed yet.
#[derive(Default)]
struct Ends(VecDeque<(Instant, i64)>);

impl Ends {
    /// How long ago the first end was seen that lies behind what is confirmed.
    fn age(&mut self, now: Instant, end: i64, confirmed: i64) -> Duration {
        if self.0.back().is_none_or(|(_, last)| *last < end) {
            self.0.push_back((now, end));
        }
        while self.0.front().is_some_and(|(_, end)| *end <= confirmed) {
            self.0.pop_front();
        }
        self.0.front().map_or(Duration::ZERO, |(at, _)| now - *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_end_that_is_not_confirmed() {
        let begun = Instant::now();
        let mut ends = Ends::default();
        let at = |s: u64| begun + Duration::from_secs(s);
        assert_eq!(ends.age(at(0), 100, 100), Duration::ZERO);
        assert_eq!(ends.age(at(1), 200, 100), Duration::ZERO);
        assert_eq!(ends.age(at(2), 300, 100), Duration::from_secs(1));
        assert_eq!(ends.age(at(3), 300, 200), Duration::from_secs(1));
        assert_eq!(ends.age(at(9), 300, 300), Duration::ZERO);
    }
}
