//! What a seed decides before a journey begins: the log, the lanes, and how each receiver behaves.

use crate::disk::Temper;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::lane::{RetrySettings, WhenFull};
use std::ops::Range;
use std::time::Duration;

/// Whether receivers keep what they say they keep. The dishonest prove that the checks see something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    Honest,
    SaysYesKeepsNothing,
    SwapsNeighbours,
}

#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub honesty: Honesty,
    /// In the order of the log; a row's number is its index.
    pub rows: Vec<Row>,
    pub batches: Vec<Batch>,
    pub lanes: Vec<LanePlan>,
    pub budget_bytes: usize,
    pub slots: usize,
    pub disk: Temper,
    /// When a lane is given other settings and its member another address, in every life; and when one is taken out and put back.
    pub renewals: Vec<(usize, Duration)>,
    pub retirements: Vec<(usize, Duration)>,
    /// When every dead letter is sent again, in every life.
    pub revivals: Vec<Duration>,
    /// How each life before the last one ends, and after which virtual time.
    pub ends: Vec<(End, Duration)>,
}

#[derive(Clone)]
pub struct Row {
    /// Position of its transaction's commit.
    pub commit: u64,
    pub key: u8,
    /// Each gets a message.
    pub lanes: Vec<usize>,
    pub body_len: usize,
}

#[derive(Clone)]
pub struct Batch {
    pub rows: Range<usize>,
    /// The last commit in it, unless it ends inside a transaction.
    pub confirms: Option<u64>,
    /// The source reads the next one this much later.
    pub pause: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything is dropped where it stands.
    Crash,
    /// The lanes are given this long.
    Drain(Duration),
}

#[derive(Clone)]
pub struct LanePlan {
    pub concurrency: usize,
    pub batch_max: usize,
    pub memory_bytes: usize,
    pub messages_max: usize,
    pub hold: Duration,
    pub disk_bytes: u64,
    pub when_full: WhenFull,
    pub retry: RetrySettings,
    pub timeout: Duration,
    pub answers_within: Duration,
    /// Everything fails until then, counted from the start of the journey.
    pub down_until: Duration,
    pub fails: f64,
    pub hangs: f64,
    pub accepts_silently: f64,
    pub accepts_late: f64,
    pub refuses: f64,
    pub gone: f64,
}

impl Plan {
    pub fn draw(seed: u64, honesty: Honesty) -> Self {
        let rng = &mut SmallRng::seed_from_u64(seed);
        let lanes: Vec<LanePlan> = (0..rng.random_range(1..=4)).map(|_| LanePlan::draw(rng)).collect();
        let rows = draw_rows(rng, lanes.len());
        let batches = draw_batches(rng, &rows);
        let budget_bytes = if rng.random_bool(0.3) { rng.random_range(500..5000) } else { 1 << 20 };
        let ends = (0..rng.random_range(0..4)).map(|_| draw_end(rng)).collect();
        let disk = draw_disk(rng);
        let mut changes = |odds: f64| {
            let count = if rng.random_bool(odds) { rng.random_range(1..4) } else { 0 };
            let scale_ms = [200, 5_000, 60_000][rng.random_range(0..3)];
            let change = |_| (rng.random_range(0..lanes.len()), Duration::from_millis(rng.random_range(0..scale_ms)));
            (0..count).map(change).collect()
        };
        let (renewals, retirements) = (changes(0.3), changes(0.2));
        let slots = [1, 5, 1_000][rng.random_range(0..3)];
        let revivals = if rng.random_bool(0.3) { rng.random_range(1..6) } else { 0 };
        let revivals = (0..revivals).map(|_| Duration::from_millis(rng.random_range(0..30_000))).collect();
        Self { seed, honesty, rows, batches, lanes, budget_bytes, slots, disk, renewals, retirements, revivals, ends }
    }
}

impl LanePlan {
    fn draw(rng: &mut SmallRng) -> Self {
        let small = rng.random_bool(0.4);
        // Bad at some things, never so bad at all of them that nothing gets through.
        let mut odds = |bad: f64| if rng.random_bool(0.4) { rng.random_range(0.0..bad) } else { 0.0 };
        let (fails, hangs, accepts_silently) = (odds(0.4), odds(0.15), odds(0.15));
        let (accepts_late, refuses, gone) = (odds(0.15), odds(0.1), odds(0.02));
        Self {
            concurrency: [1, 2, 8, 64][rng.random_range(0..4)],
            batch_max: [1, 1, 3, 32][rng.random_range(0..4)],
            memory_bytes: if small { rng.random_range(1..4000) } else { 1 << 20 },
            messages_max: if rng.random_bool(0.2) { rng.random_range(1..8) } else { 65_536 },
            hold: Duration::from_millis([10, 500, 500, 100_000][rng.random_range(0..4)]),
            disk_bytes: if rng.random_bool(0.1) { 10_000 } else { 1 << 30 },
            when_full: if rng.random_bool(0.5) { WhenFull::PauseSource } else { WhenFull::DeadLetter },
            retry: RetrySettings {
                first: Duration::from_millis(rng.random_range(1..2000)),
                max: Duration::from_secs(rng.random_range(2..60)),
                give_up_after: Duration::from_secs(365 * 24 * 3600),
            },
            timeout: Duration::from_millis(rng.random_range(500..30_000)),
            answers_within: Duration::from_millis([0, 20, 400][rng.random_range(0..3)]),
            down_until: Duration::from_secs(if rng.random_bool(0.1) { rng.random_range(1..600) } else { 0 }),
            fails,
            hangs,
            accepts_silently,
            accepts_late,
            refuses,
            gone,
        }
    }
}

fn draw_rows(rng: &mut SmallRng, lanes: usize) -> Vec<Row> {
    let (count, keys) = (rng.random_range(1..120), rng.random_range(1..=12));
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    let mut commit = 1;
    while rows.len() < count {
        commit += rng.random_range(1..50);
        let transaction_len = if rng.random_bool(0.05) { 40 } else { rng.random_range(1..5) };
        for _ in 0..transaction_len {
            rows.push(Row {
                commit,
                key: rng.random_range(0..keys),
                lanes: (0..lanes).filter(|_| rng.random_bool(0.7)).collect(),
                body_len: rng.random_range(0..300),
            });
        }
    }
    rows
}

fn draw_batches(rng: &mut SmallRng, rows: &[Row]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut first = 0;
    while first < rows.len() {
        let last = (first + rng.random_range(1..16)).min(rows.len());
        let is_complete = |end: usize| rows.get(end).is_none_or(|next| next.commit != rows[end - 1].commit);
        let confirms = (first + 1..=last).rev().find(|end| is_complete(*end)).map(|end| rows[end - 1].commit);
        let pause =
            if rng.random_bool(0.3) { Duration::from_millis(rng.random_range(0..2000)) } else { Duration::ZERO };
        batches.push(Batch { rows: first..last, confirms, pause });
        first = last;
    }
    batches
}

fn draw_disk(rng: &mut SmallRng) -> Temper {
    let takes = Duration::from_millis([0, 5, 200][rng.random_range(0..3)]);
    let fails = if rng.random_bool(0.3) { 0.2 } else { 0.0 };
    let full_from = Duration::from_millis(rng.random_range(0..20_000));
    let full_for = if rng.random_bool(0.2) { Duration::from_secs(rng.random_range(1..60)) } else { Duration::ZERO };
    Temper { takes, fails, full: (full_from, full_from + full_for) }
}

fn draw_end(rng: &mut SmallRng) -> (End, Duration) {
    let scale_us = [10_000, 1_000_000, 60_000_000][rng.random_range(0..3)];
    let after = Duration::from_micros(rng.random_range(0..scale_us));
    let end =
        if rng.random_bool(0.25) { End::Drain(Duration::from_millis(rng.random_range(0..10_000))) } else { End::Crash };
    (end, after)
}
