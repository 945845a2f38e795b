//! A receiver that does what real ones do: fails, hangs, answers late, accepts and then says nothing, refuses for good.

use crate::plan::{Honesty, LanePlan, Plan};
use crate::world::{Event, World, message_id, row_of};
use futures_util::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::change::Message;
use sluicegate::fault::Fault;
use sluicegate::sink::{Refusal, Sink};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// One lane's receiver. It outlives the process that sends to it.
pub struct Receiver {
    pub plan: Arc<Plan>,
    pub world: Arc<World>,
    pub lane: usize,
    rng: Mutex<SmallRng>,
    /// For the dishonest one: per key, a row that is accepted but not yet noted.
    held_back: Mutex<HashMap<u8, usize>>,
}

/// The receiver as one life of the process sees it.
pub struct Road {
    receiver: Arc<Receiver>,
    keys_in_flight: Mutex<HashSet<u8>>,
}

/// One attempt; also over when its future is dropped.
struct Attempt<'a> {
    road: &'a Road,
    key: u8,
}

impl Receiver {
    pub fn new(plan: Arc<Plan>, world: Arc<World>, lane: usize) -> Self {
        let rng = Mutex::new(SmallRng::seed_from_u64(plan.seed.wrapping_mul(31) + lane as u64));
        Self { plan, world, lane, rng, held_back: Mutex::default() }
    }

    fn temper(&self) -> &LanePlan {
        &self.plan.lanes[self.lane]
    }

    fn accept(&self, row: usize) {
        let lane = self.lane;
        match self.plan.honesty {
            Honesty::Honest => self.world.note(Event::Accepts { lane, row }),
            Honesty::SaysYesKeepsNothing => {}
            Honesty::SwapsNeighbours => {
                let mut held_back = self.held_back.lock().expect("no panic here");
                match held_back.remove(&self.plan.rows[row].key) {
                    None => drop(held_back.insert(self.plan.rows[row].key, row)),
                    Some(before) => {
                        [row, before].into_iter().for_each(|row| self.world.note(Event::Accepts { lane, row }))
                    }
                }
            }
        }
    }

    /// A refusal for good is decided by the message, or a repeat after a crash would be accepted behind its successors.
    fn refuses(&self, row: usize) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.plan.seed, self.lane, row).hash(&mut hasher);
        (hasher.finish() as f64) < self.temper().refuses * u64::MAX as f64
    }

    async fn answer(self: &Arc<Self>, row: usize) -> Result<(), Refusal> {
        let (lane, temper) = (self.lane, self.temper());
        let (mut drawn, takes, late_by, asks) = {
            let rng = &mut *self.rng.lock().expect("no panic here");
            let takes = temper.answers_within.mul_f64(rng.random());
            let late_by = Duration::from_millis(rng.random_range(0..5000));
            let asks = rng.random_bool(0.2).then(|| Duration::from_secs(rng.random_range(0..600)));
            (rng.random::<f64>(), takes, late_by, asks)
        };
        let mut is = |odds: f64| {
            drawn -= odds;
            drawn < 0.0
        };
        sleep(takes).await;
        if self.world.began().elapsed() < temper.down_until || is(temper.fails) {
            self.world.note(Event::Fails { lane, row });
            return refusal(Fault::Passing, asks);
        }
        if self.refuses(row) && !self.world.is_mended(lane, row) {
            self.world.note(Event::Refuses { lane, row });
            return refusal(Fault::Poison, None);
        }
        if is(temper.gone) {
            self.world.note(Event::Halts { lane, row });
            return refusal(Fault::Fatal, None);
        }
        let (hangs, silent, late) = (is(temper.hangs), is(temper.accepts_silently), is(temper.accepts_late));
        if silent {
            self.accept(row);
        } else if late {
            let receiver = self.clone();
            tokio::spawn(async move {
                sleep(receiver.temper().timeout + late_by).await;
                receiver.accept(row);
            });
        }
        if hangs || silent || late {
            sleep(temper.timeout.saturating_sub(takes)).await;
            self.world.note(Event::Fails { lane, row });
            return refusal(Fault::Passing, None);
        }
        self.accept(row);
        // The answer takes its way back: a crash in this moment leaves a message that was delivered but not settled.
        sleep(takes / 4).await;
        Ok(())
    }
}

fn refusal(fault: Fault, retry_after: Option<Duration>) -> Result<(), Refusal> {
    Err(Refusal { fault, reason: format!("{fault:?}"), retry_after, answer: None })
}

impl Road {
    pub fn new(receiver: Arc<Receiver>) -> Self {
        Self { receiver, keys_in_flight: Mutex::default() }
    }

    fn begin(&self, message: &Message, row: usize) -> Attempt<'_> {
        let Receiver { plan, world, lane, .. } = &*self.receiver;
        let key = plan.rows[row].key;
        if *message.id.0 != *message_id(plan, *lane, row) || *message.key != [key] {
            world.broke(format!("row {row} came to lane {lane} as {} with key {:?}", message.id, message.key));
        }
        let mut keys = self.keys_in_flight.lock().expect("no panic here");
        if !keys.insert(key) {
            world.broke(format!("lane {lane} had two messages of key {key} in flight"));
        }
        if keys.len() > plan.lanes[*lane].concurrency {
            world.broke(format!("lane {lane} had {} messages in flight", keys.len()));
        }
        Attempt { road: self, key }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.road.keys_in_flight.lock().expect("no panic here").remove(&self.key);
    }
}

impl Sink for Road {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let row = row_of(message);
            let _attempt = self.begin(message, row);
            self.receiver.answer(row).await
        })
    }

    /// One after the other, as a pipeline of commands is: what is behind a failure of its key is not tried.
    fn deliver_all<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Vec<Result<(), Refusal>>> {
        Box::pin(async move {
            let mut outcomes: Vec<Result<(), Refusal>> = Vec::new();
            let mut failed: Option<&[u8]> = None;
            for message in messages {
                let outcome = if failed == Some(&*message.key) {
                    Err(Refusal {
                        fault: Fault::Passing,
                        reason: "behind a failure".into(),
                        retry_after: None,
                        answer: None,
                    })
                } else {
                    self.deliver(message).await
                };
                if matches!(&outcome, Err(refusal) if refusal.fault != Fault::Poison) {
                    failed = Some(&message.key);
                }
                outcomes.push(outcome);
            }
            outcomes
        })
    }
}
