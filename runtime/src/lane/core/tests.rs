//! Decisions of a lane without a task: time is whatever the test says it is.

use super::super::gate::PROBE_EVERY;
use super::*;
use crate::change::{Content, MessageId, Origin};
use crate::ledger::Ledger;
use crate::store::LaneName;

const HOUR: Duration = Duration::from_secs(3600);

struct Bench {
    core: Core,
    ledger: Ledger,
    now: Instant,
    /// Grows with every message.
    arrived_us: i64,
}

fn bench(concurrency: usize) -> Bench {
    bench_of_batches(concurrency, 1)
}

fn bench_of_batches(concurrency: usize, batch_max: usize) -> Bench {
    let retry = RetrySettings { first: Duration::from_secs(1), max: Duration::from_secs(8), give_up_after: HOUR };
    let settings = LaneSettings { concurrency, batch_max, retry, ..LaneSettings::new(LaneName::new("p", "t", "m")) };
    Bench {
        core: Core::new(&settings, &Slots::new(100_000)),
        ledger: Ledger::new(),
        now: Instant::now(),
        arrived_us: 0,
    }
}

impl Bench {
    fn admit(&mut self, id: &str, key: &'static str) {
        let message = Content::new(MessageId(id.into()), Bytes::from_static(key.as_bytes()), Origin::default()).into();
        self.arrived_us += 1;
        let owed = Owed::Source(self.ledger.open(None, 1));
        self.take_in(message, owed);
    }

    /// As it comes from the disk.
    fn load(&mut self, id: &str, key: &'static str, seq: i64) {
        let message = Content::new(MessageId(id.into()), Bytes::from_static(key.as_bytes()), Origin::default()).into();
        self.arrived_us += 1;
        self.take_in(message, Owed::Disk(Seq(seq)));
    }

    fn take_in(&mut self, message: Message, owed: Owed) {
        let (arrived_at, arrived_us) = (self.now, self.arrived_us);
        self.core.admit(Arrival { message, owed, attempts: 0, arrived_at, arrived_us });
    }

    /// Everything that may be sent now.
    fn send(&mut self) -> Vec<Flight> {
        std::iter::from_fn(|| self.core.next(self.now)).collect()
    }

    fn send_one(&mut self) -> Flight {
        let mut flights = self.send();
        assert_eq!(flights.len(), 1);
        flights.pop().expect("one")
    }

    fn finish(&mut self, flight: Flight, outcome: Result<(), Refusal>) -> Finish {
        let mut finishes = self.finish_all(flight, vec![outcome]);
        assert_eq!(finishes.len(), 1);
        finishes.pop().expect("one")
    }

    fn finish_all(&mut self, flight: Flight, outcomes: Vec<Result<(), Refusal>>) -> Vec<Finish> {
        let mut finishes = Vec::new();
        self.core.finish(flight, outcomes, self.now, &mut finishes);
        finishes
    }

    /// Lets time pass until the core wants to be woken.
    fn sleep(&mut self) -> Duration {
        let wake_at = self.core.wake_at().expect("something to wake for");
        assert!(wake_at > self.now, "a time that has come would make the task spin");
        let slept = wake_at - self.now;
        self.now = wake_at;
        slept
    }
}

fn ids(flights: &[Flight]) -> Vec<&str> {
    flights.iter().flat_map(|flight| &flight.messages).map(|message| &*message.id.0).collect()
}

fn number(flight: &Flight) -> i64 {
    flight.messages[0].id.0.parse().expect("a number")
}

fn refused(fault: Fault) -> Result<(), Refusal> {
    Err(Refusal { fault, reason: "no".into(), retry_after: None, answer: None })
}

#[test]
fn keys_go_in_parallel_and_one_key_one_at_a_time() {
    let mut bench = bench(10);
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")] {
        bench.admit(id, key);
    }
    let mut first = bench.send();
    assert_eq!(ids(&first), ["a1", "b1"]);
    let b1 = first.pop().expect("b1");
    assert!(matches!(bench.finish(b1, Ok(())), Finish::Delivered(leaver) if &*leaver.message.id.0 == "b1"));
    assert_eq!(ids(&bench.send()), ["b2"], "b goes on while a1 is still out");
}

#[test]
fn concurrency_bounds_what_is_in_flight() {
    let mut bench = bench(2);
    for (id, key) in [("a", "a"), ("b", "b"), ("c", "c")] {
        bench.admit(id, key);
    }
    let mut first = bench.send();
    assert_eq!(ids(&first), ["a", "b"]);
    assert_eq!(bench.core.in_flight().messages, 2);
    let b = first.pop().expect("b");
    bench.finish(b, Ok(()));
    assert_eq!(ids(&bench.send()), ["c"]);
}

#[test]
fn failing_key_waits_alone_and_keeps_its_order() {
    let mut bench = bench(1);
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        bench.admit(id, key);
    }
    let a1 = bench.send_one();
    assert!(matches!(bench.finish(a1, refused(Fault::Passing)), Finish::Waits { attempts: 1, .. }));
    for expected in ["b1", "b2"] {
        let flight = bench.send_one();
        assert_eq!(&*flight.messages[0].id.0, expected);
        bench.finish(flight, Ok(()));
    }
    assert!(bench.send().is_empty(), "a2 does not overtake a1");
    bench.sleep();
    for expected in ["a1", "a2"] {
        let flight = bench.send_one();
        assert_eq!(&*flight.messages[0].id.0, expected);
        bench.finish(flight, Ok(()));
    }
    assert!(bench.core.is_empty());
}

#[test]
fn retry_that_is_due_while_all_slots_are_taken_does_not_ask_to_be_woken() {
    let mut bench = bench(1);
    bench.admit("a", "a");
    bench.admit("b", "b");
    let a = bench.send_one();
    bench.finish(a, refused(Fault::Passing));
    let _b = bench.send_one();
    bench.now += HOUR;
    assert!(bench.send().is_empty());
    assert_eq!(bench.core.wake_at(), None);
}

#[test]
fn refused_message_is_over_and_the_next_of_its_key_goes() {
    let mut bench = bench(1);
    bench.admit("a1", "a");
    bench.admit("a2", "a");
    let a1 = bench.send_one();
    let Finish::Dead { leaver, .. } = bench.finish(a1, refused(Fault::Poison)) else { panic!("it is dead") };
    assert_eq!((&*leaver.message.id.0, leaver.attempts), ("a1", 1));
    assert_eq!(ids(&bench.send()), ["a2"]);
}

#[test]
fn message_is_given_up_at_its_age_limit_with_the_last_reason() {
    let mut bench = bench(1);
    bench.admit("a", "a");
    let began = bench.now;
    let (attempts, reason) = loop {
        let flight = bench.send_one();
        match bench.finish(flight, refused(Fault::Passing)) {
            Finish::Waits { delay, .. } => assert!(delay <= Duration::from_secs(8) && bench.sleep() <= PROBE_EVERY),
            Finish::Dead { leaver, refusal } => break (leaver.attempts, refusal.reason),
            Finish::Delivered(_) | Finish::Halts { .. } => panic!("it fails in passing"),
        }
    };
    let late = bench.now - began - HOUR;
    assert!(late <= PROBE_EVERY, "the first probe after the limit is the last attempt, not {late:?} later");
    assert!(reason.starts_with("given up after 36") && reason.ends_with(" s; the last answer: no"), "{reason}");
    assert!(
        (430..480).contains(&attempts),
        "{attempts}: a probe every eight seconds is all that a receiver gets that is away"
    );
}

#[test]
fn halted_lane_sends_nothing_but_a_probe_a_minute() {
    let mut bench = bench(2);
    for (id, key) in [("a", "a"), ("b", "b"), ("c", "c")] {
        bench.admit(id, key);
    }
    let mut flights = bench.send();
    let b = flights.pop().expect("b");
    assert!(matches!(bench.finish(b, refused(Fault::Fatal)), Finish::Halts { .. }));
    assert!(bench.core.shut() == Some(Shut::Halted) && bench.send().is_empty());
    let a = flights.pop().expect("a");
    assert!(matches!(bench.finish(a, Ok(())), Finish::Delivered(_)), "what was out may still arrive");
    assert!(bench.core.shut().is_some(), "but it was sent before the refusal and proves nothing");
    for fault in [Fault::Fatal, Fault::Passing] {
        assert_eq!(bench.sleep(), PROBE_EVERY);
        let probe = bench.send_one();
        assert_eq!(&*probe.messages[0].id.0, "b");
        assert_eq!(bench.core.wake_at(), None, "one probe at a time");
        bench.finish(probe, refused(fault));
        assert_eq!(bench.core.shut(), Some(Shut::Halted));
    }
    bench.sleep();
    let probe = bench.send_one();
    bench.finish(probe, Ok(()));
    assert_eq!(bench.core.shut(), None);
    assert_eq!(ids(&bench.send()), ["c"]);
}

#[test]
fn drain_waits_for_what_can_still_happen_before_its_deadline() {
    let mut bench = bench(1);
    let soon = bench.now + Duration::from_secs(2);
    assert!(!bench.core.busy_until(soon));
    bench.admit("a", "a");
    assert!(bench.core.busy_until(soon));
    let a = bench.send_one();
    assert!(bench.core.busy_until(soon));
    let asked = Some(Duration::from_secs(60));
    bench.finish(a, Err(Refusal { fault: Fault::Passing, reason: "no".into(), retry_after: asked, answer: None }));
    assert!(!bench.core.busy_until(soon), "its retry comes later");
    assert!(bench.core.busy_until(bench.now + Duration::from_secs(61)));
}

#[test]
fn oldest_is_the_first_that_is_not_over_and_an_empty_lane_owns_little() {
    let mut bench = bench(1000);
    for n in 0..1000 {
        bench.admit(&n.to_string(), Box::leak(n.to_string().into_boxed_str()));
    }
    let mut flights = bench.send();
    // From both ends and the middle: every way of leaving a chain.
    for round in 0.. {
        assert_eq!(bench.core.oldest_us(), flights.iter().map(|flight| number(flight) + 1).min());
        if flights.is_empty() {
            break;
        }
        let at = [0, flights.len() / 2, flights.len() - 1][round % 3];
        let flight = flights.remove(at);
        bench.finish(flight, Ok(()));
    }
    assert_eq!(bench.core.oldest_us(), None);
    assert_eq!(bench.core.in_flight(), Held::default());
    bench.core.shrink();
    assert!(bench.core.tails.capacity() <= 8 && bench.core.ready.capacity() <= 8);
}

#[test]
fn flight_takes_the_chain_behind_a_head_and_other_keys_up_to_its_limit() {
    let mut bench = bench_of_batches(2, 4);
    for (id, key) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("b2", "b"), ("c1", "c")] {
        bench.admit(id, key);
    }
    let first = bench.core.next(bench.now).expect("something to send");
    assert_eq!(ids(std::slice::from_ref(&first)), ["a1", "a2", "a3", "b1"]);
    bench.admit("a4", "a");
    let second = bench.core.next(bench.now).expect("something to send");
    assert_eq!(ids(std::slice::from_ref(&second)), ["c1"], "b2 waits for b1, a4 for a3");
    assert_eq!(bench.core.in_flight().messages, 5);
    assert_eq!(bench.finish_all(first, vec![Ok(()), Ok(()), Ok(()), Ok(())]).len(), 4);
    let third = bench.core.next(bench.now).expect("something to send");
    assert_eq!(ids(std::slice::from_ref(&third)), ["a4", "b2"]);
    bench.finish_all(second, vec![Ok(())]);
    bench.finish_all(third, vec![Ok(()), Ok(())]);
    assert!(bench.core.is_empty());
    assert_eq!(bench.core.in_flight(), Held::default());
}

#[test]
fn those_behind_a_failure_of_their_key_go_again_and_others_are_over() {
    let mut bench = bench_of_batches(1, 8);
    for (id, key) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b")] {
        bench.admit(id, key);
    }
    let flight = bench.core.next(bench.now).expect("something to send");
    // The receiver took a3 although a2 failed.
    let finishes = bench.finish_all(flight, vec![Ok(()), refused(Fault::Passing), Ok(()), Ok(())]);
    assert!(
        matches!(&finishes[..], [Finish::Delivered(_), Finish::Waits { .. }, Finish::Delivered(b1)] if &*b1.message.id.0 == "b1")
    );
    assert!(bench.core.next(bench.now).is_none(), "a3 does not overtake a2");
    bench.sleep();
    let flight = bench.core.next(bench.now).expect("something to send");
    assert_eq!(ids(std::slice::from_ref(&flight)), ["a2", "a3"]);
    let finishes = bench.finish_all(flight, vec![refused(Fault::Poison), Ok(())]);
    assert!(matches!(&finishes[..], [Finish::Dead { .. }, Finish::Delivered(_)]), "what is behind a dead one stands");
    assert!(bench.core.is_empty());
}

#[test]
fn halted_lane_probes_with_one_message_and_then_fills_its_flights_again() {
    let mut bench = bench_of_batches(1, 8);
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        bench.admit(id, key);
    }
    let flight = bench.core.next(bench.now).expect("something to send");
    bench.finish_all(flight, vec![refused(Fault::Fatal), refused(Fault::Fatal), refused(Fault::Fatal)]);
    bench.sleep();
    let probe = bench.send_one();
    assert_eq!(probe.messages.len(), 1);
    bench.finish(probe, Ok(()));
    let mut rest = Vec::new();
    while let Some(flight) = bench.core.next(bench.now) {
        rest.extend(ids(std::slice::from_ref(&flight)).into_iter().map(str::to_owned));
        let all = flight.messages.iter().map(|_| Ok(())).collect();
        bench.finish_all(flight, all);
    }
    rest.sort();
    assert!(rest == ["a1", "a2"] || rest == ["a2", "b1"], "{rest:?}");
}

#[test]
fn receiver_that_fails_five_times_in_a_row_gets_the_oldest_message_now_and_then() {
    let mut bench = bench(8);
    for n in 0..8 {
        bench.admit(&n.to_string(), Box::leak(n.to_string().into_boxed_str()));
    }
    for flight in bench.send() {
        bench.finish(flight, refused(Fault::Passing));
    }
    assert_eq!(bench.core.shut(), Some(Shut::Away));
    for pause_s in [1, 2, 4] {
        assert_eq!(bench.sleep(), Duration::from_secs(pause_s));
        let probe = bench.send_one();
        assert_eq!(&*probe.messages[0].id.0, "0");
        bench.finish(probe, refused(Fault::Passing));
    }
    bench.sleep();
    let probe = bench.send_one();
    bench.finish(probe, Ok(()));
    let mut widths = Vec::new();
    bench.now += HOUR / 2;
    while !bench.core.is_empty() {
        let flights = bench.send();
        widths.push(flights.len());
        for flight in flights {
            bench.finish(flight, Ok(()));
        }
    }
    assert_eq!(widths, [1, 2, 4], "it is met gently when it is back");
}

#[test]
fn what_is_handed_to_the_disk_stays_in_order_and_its_tickets_are_free() {
    let mut bench = bench(1);
    for (id, key) in [("a1", "a"), ("b1", "b"), ("a2", "a")] {
        bench.admit(id, key);
    }
    let a1 = bench.send_one();
    let (guests, carried) = bench.core.unpaid();
    assert_eq!(carried.iter().map(|c| &*c.message.id.0).collect::<Vec<_>>(), ["a1", "b1", "a2"], "oldest first");
    // It lands while it is being written.
    assert!(matches!(bench.finish(a1, Ok(())), Finish::Delivered(Leaver { owed: Owed::Source(_), .. })));
    bench.admit("c1", "c");
    let handed = bench.core.hand_over(&guests, Seq(7));
    assert_eq!((handed.tickets.len(), handed.held.messages, handed.over.len()), (2, 2, 1));
    assert_eq!(handed.over[0].0, Seq(7));
    let (guests, _) = bench.core.unpaid();
    assert_eq!(guests.len(), 1, "what came meanwhile is still the source's");
    let handed = bench.core.hand_over(&guests, Seq(10));
    assert_eq!(handed.tickets.len(), 1);
    let b1 = bench.send_one();
    assert!(matches!(bench.finish(b1, Ok(())), Finish::Delivered(Leaver { owed: Owed::Disk(Seq(8)), .. })));
    assert_eq!(ids(&bench.send()), ["a2"]);
}

#[test]
fn youngest_leave_memory_and_come_back_behind_their_keys() {
    let mut bench = bench(1);
    for (n, (id, key)) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")].into_iter().enumerate() {
        bench.load(id, key, n as i64 + 1);
    }
    let (evicted, behind) = bench.core.evict(2);
    assert_eq!((evicted.messages, behind, bench.core.ready()), (3, Some(Seq(2)), 1));
    let a1 = bench.send_one();
    bench.admit("c1", "c");
    assert_eq!(bench.core.evict(0).0.messages, 0, "what the source answers for stays, and so does all before it");
    bench.finish(a1, Ok(()));
    let sent = std::iter::from_fn(|| {
        let flight = bench.core.next(bench.now)?;
        let id = flight.messages[0].id.to_string();
        bench.finish(flight, Ok(()));
        Some(id)
    });
    assert_eq!(sent.collect::<Vec<_>>(), ["c1", "a2"]);
}

#[test]
fn oldest_are_given_up_first_but_not_what_is_in_flight() {
    let mut bench = bench(1);
    for n in 0..5 {
        bench.load(&n.to_string(), ["a", "b"][n % 2], n as i64 + 1);
    }
    let first = bench.send_one();
    let one = bench.core.held().bytes as u64 / 5;
    let dropped = bench.core.drop_oldest(2 * one);
    assert_eq!(dropped.iter().map(|l| &*l.message.id.0).collect::<Vec<_>>(), ["1", "3"]);
    bench.finish(first, Ok(()));
    assert_eq!(ids(&bench.send()), ["2"]);
}

#[test]
fn rate_spreads_what_is_sent_and_asks_to_be_woken() {
    let settings =
        LaneSettings { concurrency: 100, rate: Some(10.0), ..LaneSettings::new(LaneName::new("p", "t", "m")) };
    let core = Core::new(&settings, &Slots::default());
    let mut bench = Bench { core, ledger: Ledger::new(), now: Instant::now(), arrived_us: 0 };
    let began = bench.now;
    for n in 0..21 {
        bench.admit(&n.to_string(), Box::leak(n.to_string().into_boxed_str()));
    }
    let mut sent = 0;
    while sent < 21 {
        sent += bench.send().len();
        if sent < 21 {
            bench.sleep();
        }
    }
    assert_eq!((bench.now - began).as_millis(), 1900, "two at once, then ten a second");
}
