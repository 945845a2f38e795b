//! Any history of reorder across keys, repeat, crash and restart ends equal to the table.
//!
//! A table in memory changes; its log is delivered by a process that crashes at random and begins again at an earlier
//! checkpoint, in flights of random size whose keys come in any order, each key's changes in the order of the log. In some
//! histories the server is killed in the middle of flights as well. A few old changes come once more, very late.
//! `SLUICEGATE_HISTORIES` says how many histories are tried.

use super::server::{Server, Witness};
use super::writer::{At, HASH, TEXT, fields, message, sink};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use sluicegate::change::{Act, Message, Op};
use sluicegate::sink::Sink;
use sluicegate::sink::redis::RedisSink;
use std::collections::BTreeMap;
use std::time::Duration;

const HISTORIES: u64 = 300;
const COLUMNS: [&str; 3] = ["a", "b", "c"];

type Row = BTreeMap<&'static str, String>;

struct History {
    rng: SmallRng,
    prefix: String,
    as_hash: bool,
    /// The server is killed now and then.
    is_rough: bool,
    /// What the table holds at the end.
    table: BTreeMap<u64, Row>,
    log: Vec<(u64, Message)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut history = Self {
            rng: SmallRng::seed_from_u64(seed),
            prefix: format!("h{seed}"),
            as_hash: seed.is_multiple_of(2),
            is_rough: seed % 30 < 2,
            table: BTreeMap::new(),
            log: Vec::new(),
        };
        let len = history.rng.random_range(5..60);
        for commit in 1..=len {
            history.change(commit);
        }
        history
    }

    fn change(&mut self, commit: u64) {
        let key = self.rng.random_range(0..6);
        let mut say = |column: &str| (self.rng.random_range(0..4) > 0).then(|| format!("{column}{commit}"));
        let said: Vec<(&'static str, Option<String>)> =
            COLUMNS.into_iter().map(|column| (column, say(column))).collect();
        let place = format!("{}:{key}", self.prefix);
        let (op, mut said) = match self.table.get(&key) {
            None => (Op::Insert, said),
            Some(_) if self.rng.random_range(0..4) == 0 => {
                self.table.remove(&key);
                self.log.push((key, message(At(commit, Op::Delete), Act::Remove, &place, b"")));
                return;
            }
            Some(_) => (Op::Update, said),
        };
        let row = self.table.entry(key).or_default();
        // What a log does not hold of an update is unchanged; a text is always whole.
        if op == Op::Update && self.as_hash {
            let kept = self.rng.random_range(0..3);
            said.remove(kept);
        }
        for (column, value) in &said {
            match value {
                Some(value) => row.insert(column, value.clone()),
                None => row.remove(column),
            };
        }
        let step = if self.as_hash {
            let pairs: Vec<_> = said.iter().map(|(column, value)| (*column, value.as_deref())).collect();
            message(At(commit, op), HASH, &place, &fields(&pairs))
        } else {
            message(At(commit, op), TEXT, &place, format!("{row:?}").as_bytes())
        };
        self.log.push((key, step));
    }

    async fn deliver(&mut self, sink: &RedisSink, server: &mut Server) {
        let mut begin = 0;
        loop {
            let crashes = self.rng.random_range(0..3) > 0;
            let end = if crashes { self.rng.random_range(begin..=self.log.len()) } else { self.log.len() };
            self.deliver_range(begin, end, sink, server).await;
            if !crashes {
                break;
            }
            // A checkpoint is never ahead of what was delivered, and may be far behind.
            begin = self.rng.random_range(0..=end);
        }
        let late: Vec<Message> = (0..3).map(|_| self.log[self.rng.random_range(0..self.log.len())].1.clone()).collect();
        for step in late {
            sink.deliver(&step).await.expect("delivered");
        }
    }

    /// Everything from `begin` to `end`: keys in any order, those of one key in theirs.
    async fn deliver_range(&mut self, begin: usize, end: usize, sink: &RedisSink, server: &mut Server) {
        let mut chains: BTreeMap<u64, Vec<Message>> = BTreeMap::new();
        for (key, step) in &self.log[begin..end] {
            chains.entry(*key).or_default().push(step.clone());
        }
        let mut chains: Vec<std::vec::IntoIter<Message>> = chains.into_values().map(Vec::into_iter).collect();
        while !chains.is_empty() {
            let mut flight = Vec::new();
            chains.shuffle(&mut self.rng);
            for chain in &mut chains {
                let some = self.rng.random_range(0..4);
                flight.extend(chain.take(some));
            }
            if self.is_rough && self.rng.random_range(0..20) == 0 {
                let wait = Duration::from_micros(self.rng.random_range(0..800));
                let kill = async {
                    tokio::time::sleep(wait).await;
                    server.0.kill9();
                };
                // Whatever became of it: a lane sends again what was not delivered, in order.
                let (_outcomes, ()) = tokio::join!(sink.deliver_all(&flight), kill);
                server.0.restart().await.expect("restarted");
            }
            for outcome in sink.deliver_all(&flight).await {
                outcome.expect("delivered");
            }
            chains.retain(|chain| !chain.as_slice().is_empty());
        }
    }

    fn compare(&self, witness: &mut Witness, seed: u64) {
        for key in 0..6 {
            let place = format!("{}:{key}", self.prefix);
            let again = format!("\nSLUICEGATE_HISTORY={seed} cargo test --test redis -- history");
            match self.table.get(&key) {
                None => assert_eq!(witness.ask::<i64>(&["EXISTS", &place]), 0, "{place} is deleted{again}"),
                Some(row) if self.as_hash => {
                    let held = witness.hash(&place);
                    let expected: BTreeMap<String, String> =
                        row.iter().map(|(column, value)| ((*column).to_owned(), value.clone())).collect();
                    assert_eq!(held, expected, "{place}{again}");
                }
                Some(row) => assert_eq!(witness.get(&place), Some(format!("{row:?}")), "{place}{again}"),
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn any_history_of_reorder_repeat_and_crash_ends_equal_to_the_table() {
    let mut server = Server::start().await;
    let seeds = match number("SLUICEGATE_HISTORY") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SLUICEGATE_HISTORIES").unwrap_or(HISTORIES),
    };
    let mut sink = sink(&server);
    for seed in seeds {
        let mut history = History::new(seed);
        history.deliver(&sink, &mut server).await;
        let mut witness = server.witness();
        history.compare(&mut witness, seed);
        if seed % 50 == 7 {
            // Another process, and a server that knows no script.
            sink = super::writer::sink(&server);
            witness.ask::<()>(&["SCRIPT", "FLUSH"]);
        }
    }
}

/// The property must be able to fail: without the guard it does.
#[tokio::test]
async fn without_the_guard_a_replay_does_harm() {
    let server = Server::start().await;
    let settings = sluicegate::sink::redis::RedisSettings { guard: None, ..super::writer::settings(&server) };
    let sink = RedisSink::new(settings).expect("good settings");
    let mut witness = server.witness();
    let insert = message(At(1, Op::Insert), TEXT, "a", b"1");
    let steps = [insert.clone(), message(At(2, Op::Delete), Act::Remove, "a", b""), insert];
    super::writer::all(&sink, &steps).await;
    assert_eq!(witness.get("a").as_deref(), Some("1"), "raised from the dead");
}
