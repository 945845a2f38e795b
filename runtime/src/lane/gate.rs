//! Whether the receiver takes messages at all. Shut, nothing is sent but a probe now and then, which is the next message itself:
//! nothing is discarded, and nobody is bothered with an artificial request.
//!
//! ```text
//!   open ── five failures in a row, or half of twenty ──▶ away ── probe after 1, 2, 4 ... 60 s ──▶ open
//!     └──── refused for good (410) ──▶ halted ── probe every minute ──▶ open
//! ```

use super::retry::RETRY_AFTER_MAX;
use std::time::Duration;
use tokio::time::Instant;

/// How often a halted lane tries whether its receiver takes messages again.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(60);
const PROBE_FIRST: Duration = Duration::from_secs(1);

/// Failed attempts without a success between them.
const FAILURES_IN_A_ROW: u32 = 5;
/// Half of at least so many attempts within [`SPAN`].
const ATTEMPTS_MIN: u32 = 20;
const SPAN: Duration = Duration::from_secs(30);

/// Why the gate is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// Attempts fail.
    Away,
    /// The receiver said that it never wants anything again.
    Halted,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Waiting {
        why: Shut,
        probe_at: Instant,
        pause: Duration,
    },
    /// The probe is in the air.
    Probing {
        why: Shut,
        pause: Duration,
    },
}

/// What an attempt said about its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is there: it took the message, or refused this one for good.
    There,
    /// The attempt failed in passing; not before this long, if the receiver said so.
    Failed {
        retry_after: Option<Duration>,
    },
    Gone,
}

pub(super) struct Gate {
    /// The longest pause between two probes of a receiver that is away.
    pause_max: Duration,
    state: State,
    in_a_row: u32,
    /// Attempts and failures of this half of the span, and of the one before.
    halves: [(u32, u32); 2],
    half_ends_at: Option<Instant>,
}

impl Gate {
    /// Nobody is asked more seldom than once a minute, nor more often than his messages would be tried again: `retry_max`.
    pub(super) fn new(retry_max: Duration) -> Self {
        Self {
            pause_max: retry_max.clamp(PROBE_FIRST, PROBE_EVERY),
            state: State::Open,
            in_a_row: 0,
            halves: [(0, 0); 2],
            half_ends_at: None,
        }
    }

    pub(super) fn shut(&self) -> Option<Shut> {
        match self.state {
            State::Open => None,
            State::Waiting { why, .. } | State::Probing { why, .. } => Some(why),
        }
    }

    /// Whether a probe may be sent at `now`.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting { probe_at, .. } if now >= probe_at)
    }

    /// When it will want one, if nothing else happens.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { probe_at, .. } => Some(probe_at),
            State::Open | State::Probing { .. } => None,
        }
    }

    pub(super) fn probe_sent(&mut self) {
        if let State::Waiting { why, pause, .. } = self.state {
            self.state = State::Probing { why, pause };
        }
    }

    /// Takes an answer; whether the gate opened or shut with it.
    pub(super) fn hear(&mut self, answer: Answer, is_probe: bool, now: Instant) -> bool {
        match (self.state, answer) {
            (State::Open, Answer::There) => {
                self.count(false, now);
                false
            }
            (State::Open, Answer::Failed { retry_after }) => {
                self.count(true, now);
                let trips = self.trips();
                if trips {
                    self.wait(Shut::Away, PROBE_FIRST, retry_after, now);
                }
                trips
            }
            (State::Open, Answer::Gone) => {
                self.wait(Shut::Halted, PROBE_EVERY, None, now);
                true
            }
            // What was sent before the gate was shut proves nothing.
            (_, _) if !is_probe => {
                if let (State::Waiting { why: Shut::Away, .. }, Answer::Gone) = (self.state, answer) {
                    self.wait(Shut::Halted, PROBE_EVERY, None, now);
                }
                false
            }
            (_, Answer::There) => {
                *self = Self::new(self.pause_max);
                true
            }
            (
                State::Probing { why: Shut::Away, pause } | State::Waiting { why: Shut::Away, pause, .. },
                Answer::Failed { retry_after },
            ) => {
                self.wait(Shut::Away, (pause * 2).min(self.pause_max), retry_after, now);
                false
            }
            (_, Answer::Failed { .. } | Answer::Gone) => {
                self.wait(Shut::Halted, PROBE_EVERY, None, now);
                false
            }
        }
    }

    fn wait(&mut self, why: Shut, pause: Duration, retry_after: Option<Duration>, now: Instant) {
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        self.state = State::Waiting { why, probe_at: now + pause.max(asked), pause };
    }

    fn count(&mut self, failed: bool, now: Instant) {
        let half = SPAN / 2;
        match self.half_ends_at {
            Some(ends_at) if now < ends_at => {}
            Some(ends_at) if now < ends_at + half => {
                self.halves = [(0, 0), self.halves[0]];
                self.half_ends_at = Some(ends_at + half);
            }
            _ => {
                self.halves = [(0, 0); 2];
                self.half_ends_at = Some(now + half);
            }
        }
        let (attempts, failures) = &mut self.halves[0];
        *attempts = attempts.saturating_add(1);
        *failures = failures.saturating_add(u32::from(failed));
        self.in_a_row = if failed { self.in_a_row.saturating_add(1) } else { 0 };
    }

    fn trips(&self) -> bool {
        let attempts = self.halves[0].0.saturating_add(self.halves[1].0);
        let failures = self.halves[0].1.saturating_add(self.halves[1].1);
        self.in_a_row >= FAILURES_IN_A_ROW || attempts >= ATTEMPTS_MIN && failures >= attempts / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const FAILED: Answer = Answer::Failed { retry_after: None };

    fn tripped(now: Instant) -> Gate {
        let mut gate = Gate::new(HOUR);
        let shuts = (0..5).map(|_| gate.hear(FAILED, false, now)).collect::<Vec<_>>();
        assert_eq!(shuts, [false, false, false, false, true]);
        gate
    }

    #[test]
    fn probes_come_after_one_two_four_seconds_up_to_a_minute() {
        let mut now = Instant::now();
        let mut gate = tripped(now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let at = gate.probe_at().expect("it waits");
            pauses.push((at - now).as_secs());
            assert!(!gate.wants_probe(at - Duration::from_millis(1)) && gate.wants_probe(at));
            now = at;
            gate.probe_sent();
            assert_eq!(gate.probe_at(), None, "one at a time");
            gate.hear(FAILED, true, now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        gate.probe_sent();
        assert!(gate.hear(Answer::There, true, now));
        assert_eq!(gate.shut(), None);
        assert!(!gate.hear(FAILED, false, now), "what was counted before is forgotten");
    }

    #[test]
    fn own_server_that_is_tried_every_five_seconds_is_probed_as_often() {
        let mut now = Instant::now();
        let mut gate = Gate::new(Duration::from_secs(5));
        (0..5).for_each(|_| assert!(!gate.hear(FAILED, false, now) || gate.shut().is_some()));
        let pauses: Vec<u64> = (0..5)
            .map(|_| {
                let at = gate.probe_at().expect("it waits");
                let pause = (at - now).as_secs();
                now = at;
                gate.probe_sent();
                gate.hear(FAILED, true, now);
                pause
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn half_of_twenty_within_thirty_seconds_shuts_it_and_slow_failures_do_not() {
        let mut now = Instant::now();
        let mut gate = Gate::new(HOUR);
        let shut_after = (1..100).find(|n| gate.hear(if n % 2 == 0 { FAILED } else { Answer::There }, false, now));
        assert_eq!(shut_after, Some(20));
        let mut gate = Gate::new(HOUR);
        for n in 0..1000 {
            now += Duration::from_secs(4);
            assert!(!gate.hear(if n % 2 == 0 { FAILED } else { Answer::There }, false, now), "{n}");
        }
    }

    #[test]
    fn answers_to_what_was_sent_before_do_not_open_it() {
        let now = Instant::now();
        let mut gate = tripped(now);
        assert!(!gate.hear(Answer::There, false, now));
        assert_eq!(gate.shut(), Some(Shut::Away));
        assert!(!gate.hear(Answer::Gone, false, now));
        assert_eq!(gate.shut(), Some(Shut::Halted));
    }

    #[test]
    fn receiver_that_asks_for_patience_gets_it() {
        let now = Instant::now();
        let mut gate = Gate::new(HOUR);
        for asked in [0, 0, 0, 0, 20] {
            gate.hear(Answer::Failed { retry_after: Some(Duration::from_secs(asked)) }, false, now);
        }
        assert_eq!(gate.probe_at(), Some(now + Duration::from_secs(20)));
    }
}
