//! What is true outside of the process and outlives its crashes: what receivers have, what is durable, and what was broken.

use crate::disk::Disk;
use crate::plan::Plan;
use sluicegate::change::Message;
use sluicegate::store::LaneName;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use tokio::time::Instant;

/// What happened in a journey; equal for equal seeds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub crashes: u64,
    pub drains: u64,
    pub delivered: u64,
    pub repeats: u64,
    pub failures: u64,
    pub refused: u64,
    pub halts: u64,
    pub full: u64,
    pub parked: u64,
    pub disk_failures: u64,
    pub renewals: u64,
    pub retirements: u64,
    pub revivals: u64,
    /// Virtual time.
    pub took_ms: u128,
    /// Of every event with its time.
    pub trace: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Summary) {
        self.crashes += other.crashes;
        self.drains += other.drains;
        self.delivered += other.delivered;
        self.repeats += other.repeats;
        self.failures += other.failures;
        self.refused += other.refused;
        self.halts += other.halts;
        self.full += other.full;
        self.parked += other.parked;
        self.disk_failures += other.disk_failures;
        self.renewals += other.renewals;
        self.retirements += other.retirements;
        self.revivals += other.revivals;
        self.took_ms += other.took_ms;
        self.trace ^= other.trace;
    }
}

pub struct World {
    began: Instant,
    tells: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Per lane: rows in the order in which they were first accepted.
    accepted: Vec<Vec<usize>>,
    /// Per lane: every acceptance.
    heard: Vec<Vec<usize>>,
    /// Per lane: dead letters that somebody wanted to send again. Their receiver was mended before.
    mended: Vec<HashSet<usize>>,
    /// Per lane: what was dead when a life ended. The log may bring it again, and then it may find room, and be delivered after all,
    /// behind what was delivered meanwhile and is read again too.
    died: Vec<HashSet<usize>>,
    /// Those among the mended that their lane let stand in line.
    again: Vec<HashSet<usize>>,
    /// Per lane: rows that are accepted, so that nothing more is owed for them.
    over: Vec<HashSet<usize>>,
    broken: Vec<String>,
    summary: Summary,
    /// Rows below it are known to be over wherever they belong.
    checked: usize,
}

/// What a receiver or the process did.
#[derive(Clone, Copy, Debug, Hash)]
pub enum Event {
    Accepts { lane: usize, row: usize },
    Fails { lane: usize, row: usize },
    Refuses { lane: usize, row: usize },
    Halts { lane: usize, row: usize },
    Full { lane: usize },
    Parks { lane: i64, messages: usize },
    DiskFails,
    Renews { lane: usize },
    Retires { lane: usize },
    Revives { lane: usize, row: usize },
    Confirms { commit: u64 },
    Durable { commit: u64 },
    Crashes,
    Drains,
}

/// The same for a row and a lane in every life.
pub fn message_id(plan: &Plan, lane: usize, row: usize) -> String {
    format!("{:x}-{row}-{lane}", plan.rows[row].commit)
}

/// The name under which the disk knows a lane.
pub fn lane_name(lane: usize) -> LaneName {
    LaneName::new("simulation", "receivers", &lane.to_string())
}

/// Which row a message is made of, by its body.
pub fn row_of(message: &Message) -> usize {
    let digits = message.body.split(|byte| *byte == b' ').next().unwrap_or_default();
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .expect("a body begins with its row's number")
}

impl World {
    pub fn new(plan: &Plan) -> Self {
        let accepted = vec![Vec::new(); plan.lanes.len()];
        let over = vec![HashSet::new(); plan.lanes.len()];
        let tells = std::env::var("SLUICEGATE_SEED").is_ok();
        let (heard, mended, died, again) = (accepted.clone(), over.clone(), over.clone(), over.clone());
        Self {
            began: Instant::now(),
            tells,
            state: Mutex::new(State { accepted, heard, over, mended, died, again, ..State::default() }),
        }
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn note(&self, event: Event) {
        let at = self.began.elapsed();
        if self.tells {
            println!("{at:>12.3?} {event:?}");
        }
        let state = &mut *self.state();
        let mut hasher = DefaultHasher::new();
        (state.summary.trace, at, event).hash(&mut hasher);
        state.summary.trace = hasher.finish();
        let summary = &mut state.summary;
        match event {
            Event::Accepts { lane, row } => {
                state.heard[lane].push(row);
                if state.accepted[lane].contains(&row) {
                    summary.repeats += 1;
                } else {
                    summary.delivered += 1;
                    state.accepted[lane].push(row);
                    state.over[lane].insert(row);
                }
            }
            Event::Revives { lane, row } => {
                summary.revivals += 1;
                state.again[lane].insert(row);
            }
            Event::Refuses { .. } => summary.refused += 1,
            Event::Parks { messages, .. } => summary.parked += messages as u64,
            Event::DiskFails => summary.disk_failures += 1,
            Event::Renews { .. } => summary.renewals += 1,
            Event::Retires { .. } => summary.retirements += 1,
            Event::Fails { .. } => summary.failures += 1,
            Event::Halts { .. } => summary.halts += 1,
            Event::Full { .. } => summary.full += 1,
            Event::Crashes => summary.crashes += 1,
            Event::Drains => summary.drains += 1,
            Event::Confirms { .. } | Event::Durable { .. } => {}
        }
    }

    /// From now on the receiver takes a row that it refused before.
    pub fn mend(&self, lane: usize, row: usize) {
        self.state().mended[lane].insert(row);
    }

    /// A life ends.
    pub fn note_dead(&self, disk: &Disk) {
        let state = &mut *self.state();
        for (member, id) in disk.all_dead() {
            let lane: usize = member.parse().expect("a member is its lane's number");
            let row = id.split('-').nth(1).and_then(|row| row.parse().ok()).expect("an id names its row");
            state.died[lane].insert(row);
        }
    }

    pub fn is_mended(&self, lane: usize, row: usize) -> bool {
        self.state().mended[lane].contains(&row)
    }

    pub fn broke(&self, what: String) {
        self.state().broken.push(what);
    }

    pub fn is_broken(&self) -> bool {
        !self.state().broken.is_empty()
    }

    /// Everything up to `commit` may be forgotten by the database from now on: receivers have it, or the disk.
    pub fn check_confirmed(&self, plan: &Plan, commit: u64, disk: &Disk) {
        let state = &mut *self.state();
        while let Some(row) = plan.rows.get(state.checked).filter(|row| row.commit <= commit) {
            for lane in row.lanes.iter().filter(|lane| !state.over[**lane].contains(&state.checked)) {
                if !disk.holds(&lane_name(*lane), &message_id(plan, *lane, state.checked)) {
                    state
                        .broken
                        .push(format!("{commit} is confirmed, but nobody has row {} for lane {lane}", state.checked));
                }
            }
            state.checked += 1;
        }
    }

    /// The end of a journey in which nothing else broke.
    pub fn finish(&self, plan: &Plan, disk: &Disk) -> Result<Summary, String> {
        let state = &mut *self.state();
        for (lane, accepted) in state.accepted.iter().enumerate() {
            for key in 0..=u8::MAX {
                let rows: Vec<usize> = accepted.iter().copied().filter(|row| plan.rows[*row].key == key).collect();
                let is_ordinary = |row: &&usize| !state.mended[lane].contains(row) && !state.died[lane].contains(row);
                if !rows.iter().filter(is_ordinary).is_sorted() {
                    state.broken.push(format!("lane {lane} got the rows of key {key} in this order: {rows:?}"));
                }
            }
            let stale = state.again[lane].iter().filter(|row| is_stale(plan, &state.heard[lane], **row));
            let stale: Vec<String> =
                stale.map(|row| format!("lane {lane} got row {row} again after newer ones of its key")).collect();
            state.broken.extend(stale);
        }
        for (number, row) in plan.rows.iter().enumerate() {
            for lane in row.lanes.iter().filter(|lane| !state.over[**lane].contains(&number)) {
                if !disk.is_dead(&lane_name(*lane), &message_id(plan, *lane, number)) {
                    state.broken.push(format!("lane {lane} never got row {number}, and it is no dead letter"));
                }
            }
        }
        if state.broken.is_empty() {
            state.summary.took_ms = self.began.elapsed().as_millis();
            return Ok(std::mem::take(&mut state.summary));
        }
        Err(format!("seed {} broke:\n  {}", plan.seed, state.broken.join("\n  ")))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the world changes")
    }
}

/// Whether a dead letter that went again put an older state over a newer one for good. A newer one that the process did not know to be
/// delivered, for it was killed in that moment, comes again itself.
fn is_stale(plan: &Plan, heard: &[usize], row: usize) -> bool {
    let is_newer = |other: &&usize| plan.rows[**other].key == plan.rows[row].key && **other > row;
    let Some(first) = heard.iter().position(|other| *other == row) else { return false };
    let (before, after) = heard.split_at(first);
    before.iter().any(|other| is_newer(&other)) && !after.iter().any(|other| is_newer(&other))
}
