//! One attempt: records go out, answers come back, and what was stopped by the failure of another goes out again.
//!
//! ```text
//!   due ─▶ fly ─▶ failures ─ judge ─▶ refused: an outcome
//!    ▲                          ├───▶ again: its producer broke, or it was held back ──┐
//!    │                          └───▶ suspect: one of its batch is refused ─▶ alone    │
//!    └─────────────────────────────────────────────────────────────────────────────────┘
//! ```

use super::answer::{Verdict, passing, poison, refusal, verdict};
use super::flight::{Failure, Flight, Why};
use super::producer::{Producer, Record};
use super::record::{self, Clerk};
use super::registry::Cargo;
use super::{KafkaSink, Refusal};
use crate::change::{Act, Message};
use crate::fault::Fault;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How often the rest of an attempt goes out again after others failed in it or broke its producer; then the lane decides.
const AGAIN_MAX: usize = 3;

/// How long an attempt waits before it looks whether librdkafka's queue has room again. It has when brokers answer, so the wait is
/// over when the queue is, and not bounded by anything else.
const ROOM_LOOK: Duration = Duration::from_millis(2);

/// Records that are handed over before other tasks of the thread have their turn; each takes about a microsecond.
const TURN_RECORDS: usize = 256;

type Outcome = Result<(), Refusal>;

/// What holds the messages of a key back.
enum Hold {
    Refused(Refusal),
    Again,
    Alone,
}

/// What is left to do after a flight, by index, in order.
#[derive(Default)]
struct Left {
    again: Vec<u32>,
    alone: Vec<u32>,
}

impl KafkaSink {
    pub(super) async fn attempt(&self, messages: &[Message]) -> Vec<Outcome> {
        let mut outcomes = record::check_all(messages);
        self.open_topics(messages, &mut outcomes).await;
        let cargo = Cargo::load(self.registry.as_ref(), messages, &mut outcomes).await;
        let mut due = hold_back(messages, &mut outcomes);
        for _ in 0..=AGAIN_MAX {
            if due.is_empty() {
                return outcomes;
            }
            due = self.round(&cargo, &due, &mut outcomes).await;
        }
        for index in due {
            outcomes[index as usize] =
                Err(passing(format!("stopped by the failures of others, {} times", AGAIN_MAX + 1)));
        }
        outcomes
    }

    /// Asks about topics that are new to the sink, and refuses the messages of those that can not be had.
    async fn open_topics(&self, messages: &[Message], outcomes: &mut [Outcome]) {
        let sendable = messages.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.is_ok());
        for topic in self.topics.unknown(sendable.map(|(message, _)| &*message.place)) {
            let opened = match self.crew.producer() {
                Ok(producer) => self.topics.open(&topic, producer, &self.journal).await,
                Err(error) => Err(passing(error.to_string())),
            };
            let Err(refusal) = opened else { continue };
            for (message, outcome) in messages.iter().zip(&mut *outcomes) {
                if message.place == topic && outcome.is_ok() {
                    *outcome = Err(refusal.clone());
                }
            }
        }
    }

    /// Sends what is due; returns what is to go out again.
    async fn round(&self, cargo: &Cargo<'_>, due: &[u32], outcomes: &mut [Outcome]) -> Vec<u32> {
        let producer = match self.crew.producer() {
            Ok(producer) => producer,
            Err(error) => {
                let refusal = passing(error.to_string());
                due.iter().for_each(|&index| outcomes[index as usize] = Err(refusal.clone()));
                return Vec::new();
            }
        };
        let failures = self.fly(&producer, cargo, due).await;
        if failures.is_empty() {
            return Vec::new();
        }
        let Left { again, alone } = self.judge(&producer, cargo.messages, due, &failures, outcomes);
        if !alone.is_empty() {
            self.one_by_one(cargo, &alone, outcomes).await;
        }
        again
    }

    /// Decides about failures. What is behind a failed message of its key shares its fate, unless that is poison. So does a record that
    /// was acknowledged, if it has a key: a broker that died with its answers knows the last batch, and refuses those before it, which
    /// it has too. Sent again alone they would stand behind what is newer.
    fn judge(
        &self,
        producer: &Producer,
        messages: &[Message],
        due: &[u32],
        failures: &[Failure],
        outcomes: &mut [Outcome],
    ) -> Left {
        let broken = producer.broken().map(|(code, _)| refusal(code, "")).filter(|end| end.fault == Fault::Fatal);
        let mut left = Left::default();
        let mut held: Option<(&[u8], Hold)> = None;
        let mut failures = failures.iter().peekable();
        for &index in due {
            let message = &messages[index as usize];
            let failure = failures.next_if(|failure| failure.index == index);
            let hold = match (held.take(), failure) {
                (Some((key, hold)), Some(_)) if key == message.key => hold,
                (Some((key, hold)), None) if key == message.key => {
                    let has_key = matches!(message.act, Act::Record { key: Some(_), .. });
                    if !has_key || matches!(hold, Hold::Alone) {
                        held = Some((key, hold));
                        continue;
                    }
                    hold
                }
                (_, Some(failure)) => self.sentence(message, failure.why, broken.as_ref()),
                (_, None) => continue,
            };
            match &hold {
                Hold::Refused(refusal) => outcomes[index as usize] = Err(refusal.clone()),
                Hold::Again => left.again.push(index),
                Hold::Alone => left.alone.push(index),
            }
            let is_poison = matches!(&hold, Hold::Refused(refusal) if refusal.fault == Fault::Poison);
            held = (!is_poison).then_some((&*message.key, hold));
        }
        left
    }

    /// What an error asks for.
    fn sentence(&self, message: &Message, why: Why, broken: Option<&Refusal>) -> Hold {
        let again = || broken.cloned().map_or(Hold::Again, Hold::Refused);
        match why {
            Why::HeldBack => again(),
            Why::Rejected(Code::QueueFull) => Hold::Refused(poison(
                "the record is larger than librdkafka's whole queue; raise queue.buffering.max.kbytes".into(),
            )),
            Why::Rejected(Code::MessageSizeTooLarge) => Hold::Refused(poison(
                "the record is larger than librdkafka's message.max.bytes; raise it, and max.message.bytes of the topic"
                    .into(),
            )),
            Why::Rejected(code) | Why::Failed(code) => match verdict(code, &message.place) {
                Verdict::Refused(refusal) => Hold::Refused(self.topics.lost(&message.place, refusal, code)),
                Verdict::Suspect(_) => Hold::Alone,
                Verdict::Again => again(),
            },
        }
    }

    /// Sends messages each in a batch of its own, one after the other, so that a refusal names the right one.
    async fn one_by_one(&self, cargo: &Cargo<'_>, due: &[u32], outcomes: &mut [Outcome]) {
        let alone = match self.crew.alone().await {
            Ok(alone) => alone,
            Err(error) => {
                let refusal = passing(error.to_string());
                due.iter().for_each(|&index| outcomes[index as usize] = Err(refusal.clone()));
                return;
            }
        };
        let mut held: Option<(&[u8], Refusal)> = None;
        for &index in due {
            let message = &cargo.messages[index as usize];
            let refusal = match held.take() {
                Some((key, refusal)) if key == message.key => refusal,
                _ => {
                    let failures = self.fly(alone.producer(), cargo, &[index]).await;
                    let Some(Failure { why, .. }) = failures.first() else { continue };
                    match why {
                        Why::HeldBack => passing("the record was held back".into()),
                        Why::Rejected(code) | Why::Failed(code) => match verdict(*code, &message.place) {
                            Verdict::Refused(refusal) | Verdict::Suspect(refusal) => refusal,
                            Verdict::Again => passing(format!("its producer broke: {code}")),
                        },
                    }
                }
            };
            held = (refusal.fault != Fault::Poison).then(|| (&*message.key, refusal.clone()));
            outcomes[index as usize] = Err(refusal);
        }
    }

    /// Hands messages over in order and waits for every answer. Returns those that were not acknowledged, in order.
    async fn fly(&self, producer: &Producer, cargo: &Cargo<'_>, due: &[u32]) -> Vec<Failure> {
        let flight = Flight::new();
        let mut clerk = Clerk::new(self.headers, self.commit_time);
        for (sent, &index) in due.iter().enumerate() {
            if sent % TURN_RECORDS == TURN_RECORDS - 1 {
                tokio::task::yield_now().await;
            }
            if flight.is_stopped() {
                flight.fail(index, Why::HeldBack);
                continue;
            }
            let message = &cargo.messages[index as usize];
            let numbers = cargo.numbers(index as usize);
            let mut taken = hand_over(producer, clerk.record(message, numbers, flight.receipt(index))).await;
            if taken.is_ok() && Clerk::has_tombstone(message) {
                taken = hand_over(producer, clerk.tombstone(message, numbers, flight.receipt(index))).await;
            }
            if let Err(code) = taken {
                flight.fail(index, Why::Rejected(code));
                // What is too large is so by itself; anything else may be different for the next, which must not overtake.
                if !matches!(code, Code::MessageSizeTooLarge | Code::QueueFull) {
                    flight.stop();
                }
            }
        }
        flight.all_sent();
        self.wait(&flight).await;
        flight.failures()
    }

    /// Waits as long as it takes; complains when nothing was acknowledged for a while.
    async fn wait(&self, flight: &Flight) {
        let mut late = None;
        let mut landed = pin!(flight.landed());
        let mut heard_at = Instant::now();
        loop {
            let before = flight.unanswered();
            if tokio::time::timeout(self.timeout, &mut landed).await.is_ok() {
                return;
            }
            if flight.unanswered() != before {
                late = None;
                heard_at = Instant::now();
            } else if late.is_none() {
                late = Some(self.journal.late(heard_at));
            }
        }
    }
}

/// Waits for room in librdkafka's queue. `QueueFull` comes back only for a record that does not fit into an empty one.
async fn hand_over(producer: &Producer, mut record: Record<'_>) -> Result<(), Code> {
    // Asked only when the queue is full: the answer takes librdkafka's locks.
    let mut was_empty = false;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((Code::QueueFull, back)) if !was_empty => {
                record = back;
                was_empty = producer.in_flight() == 0;
                if !was_empty {
                    tokio::time::sleep(ROOM_LOOK).await;
                }
            }
            Err((code, back)) => {
                back.delivery_opaque.returned();
                return Err(code);
            }
        }
    }
}

/// The messages that may be sent, by index: those that are not refused, and not behind one of their key that may come again.
fn hold_back(messages: &[Message], outcomes: &mut [Outcome]) -> Vec<u32> {
    let mut due = Vec::with_capacity(messages.len());
    let mut held: Option<(&[u8], Refusal)> = None;
    for (index, (message, outcome)) in messages.iter().zip(outcomes).enumerate() {
        if let Some((key, refusal)) = &held
            && *key == message.key
        {
            *outcome = Err(refusal.clone());
            continue;
        }
        held = match outcome {
            Ok(()) => {
                due.push(index as u32);
                None
            }
            Err(refusal) if refusal.fault == Fault::Poison => None,
            Err(refusal) => Some((&*message.key, refusal.clone())),
        };
    }
    due
}
