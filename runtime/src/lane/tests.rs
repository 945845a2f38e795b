//! A lane as its pushers see it, with sinks in memory and a paused clock.

use super::*;
use crate::change::{Content, MessageId, Origin, RowMark, Schema};
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::sink::Refusal;
use crate::store::{DeadFilter, MemoryStore};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Answers as its script says, one line per attempt; `Ok` at once when that is over.
#[derive(Default)]
struct Scripted {
    script: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<String>>,
}

pub(super) enum Answer {
    Yes,
    After(Duration),
    No(Fault),
    Late(Duration, Fault),
    Panic,
}

impl Sink for Scripted {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.seen.lock().expect("no panic here").push(message.id.to_string());
            let answer = self.script.lock().expect("no panic here").pop_front();
            match answer {
                None | Some(Answer::Yes) => Ok(()),
                Some(Answer::After(wait)) => {
                    tokio::time::sleep(wait).await;
                    Ok(())
                }
                Some(Answer::No(fault)) => Err(refusal(fault)),
                Some(Answer::Late(wait, fault)) => {
                    tokio::time::sleep(wait).await;
                    Err(refusal(fault))
                }
                Some(Answer::Panic) => panic!("a bug in a sink"),
            }
        })
    }
}

fn refusal(fault: Fault) -> Refusal {
    Refusal { fault, reason: format!("{fault:?}"), retry_after: None, answer: None }
}

pub(super) struct Bench {
    lane: Lane,
    pub(super) task: JoinHandle<()>,
    sink: Arc<Scripted>,
    stats: Arc<LaneStats>,
    ledger: Ledger,
    budget: Budget,
    pub(super) store: Arc<MemoryStore>,
}

pub(super) const HANGS: Answer = Answer::After(Duration::from_secs(1 << 30));

pub(super) fn settings() -> LaneSettings {
    let retry = RetrySettings {
        first: Duration::from_secs(1),
        max: Duration::from_secs(10),
        give_up_after: Duration::from_secs(3600),
    };
    let name = LaneName::new("p", "t", "m");
    LaneSettings { concurrency: 4, memory_bytes: 1 << 20, retry, ..LaneSettings::new(name) }
}

pub(super) fn bench(settings: LaneSettings, budget: Budget, script: impl IntoIterator<Item = Answer>) -> Bench {
    bench_on(Arc::new(MemoryStore::default()), settings, budget, script)
}

/// With a state that outlived another.
pub(super) fn bench_on(
    store: Arc<MemoryStore>,
    settings: LaneSettings,
    budget: Budget,
    script: impl IntoIterator<Item = Answer>,
) -> Bench {
    let sink = Arc::new(Scripted { script: Mutex::new(script.into_iter().collect()), seen: Mutex::default() });
    let stats = Arc::new(LaneStats::default());
    let ground = Ground { budget: budget.clone(), ..Ground::alone(store.clone(), &settings.name).expect("a lane") };
    let (lane, task) = spawn(settings, sink.clone(), ground, stats.clone());
    Bench { lane, task, sink, stats, ledger: Ledger::new(), budget, store }
}

fn parcel(ledger: &Ledger, id: usize, key: &str) -> Parcel {
    let mut message =
        Content::new(MessageId(id.to_string().into()), Bytes::copy_from_slice(key.as_bytes()), origin(id as u64 + 1));
    message.body = Bytes::from_static(b"{}");
    Parcel { message: message.into(), ticket: ledger.open(None, 1) }
}

/// Of the change in this place of the log.
fn origin(commit: u64) -> Origin {
    origin_of("erp", commit)
}

fn origin_of(source: &str, commit: u64) -> Origin {
    let schema = Arc::new(Schema { source: source.to_owned(), ..Schema::default() });
    Origin { schema, mark: RowMark { commit, change: commit, sub: 0, transaction: 0 }, ..Origin::default() }
}

impl Bench {
    fn parcel(&self, id: usize, key: &str) -> Parcel {
        parcel(&self.ledger, id, key)
    }

    pub(super) async fn push(&self, id: usize, key: &str) {
        // A closed lane takes nothing: the ticket stays unpaid.
        let _turned = self.lane.push(self.parcel(id, key)).await;
    }

    /// Lets the lane do all that it can at this moment.
    async fn settle_down(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.sink.seen.lock().expect("no panic here").clone()
    }

    /// Sends the dead letter of this message again.
    pub(super) async fn revive(&self, name: &str, superseded: bool) -> Result<Revived, String> {
        let dead = self.store.dead(DeadFilter::default()).await.expect("memory can be read");
        let id = dead.iter().find(|letter| letter.name == name).expect("it is dead").id;
        let letter = self.store.dead_letter(id).await.expect("memory can be read").expect("it is there");
        let Buried::Message(message) = letter.buried else { panic!("it is a message") };
        self.lane.revive(Revive { id, superseded }, message).await
    }

    /// What waits in the state.
    pub(super) fn parked(&self) -> u64 {
        self.store.lanes().expect("memory can be read")[0].1.parked
    }

    fn state(&self) -> Option<String> {
        self.stats.state.get()
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_caller_and_key_arrive_in_order_and_are_counted() {
    let bench = bench(settings(), Budget::default(), []);
    for id in 0..5000 {
        bench.push(id, "k").await;
    }
    bench.settle_down().await;
    assert_eq!(bench.seen(), (0..5000).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(bench.stats.delivered_total.load(Relaxed), 5000);
    assert_eq!(bench.stats.attempts_total.load(Relaxed), 5000);
    assert_eq!((bench.ledger.unpaid(), bench.lane.held(), bench.budget.taken()), (0, Held::default(), 0));
    assert!(bench.stats.latency.quantile(0.5).is_some());
}

#[tokio::test(start_paused = true)]
async fn full_lane_makes_push_wait_says_so_and_goes_on_when_there_is_room() {
    let answers = [Answer::After(Duration::from_secs(5)), Answer::After(Duration::from_secs(5))];
    let bench = bench(LaneSettings { messages_max: 2, ..settings() }, Budget::default(), answers);
    bench.push(1, "a").await;
    bench.push(2, "b").await;
    bench.settle_down().await;
    assert_eq!(bench.state().as_deref(), Some("flowing"));
    let mut third = Box::pin(bench.push(3, "c"));
    assert!(third.as_mut().now_or_never().is_none());
    bench.settle_down().await;
    assert_eq!(bench.state().as_deref(), Some("full"));
    assert_eq!(bench.stats.in_flight.load(Relaxed), 2);
    assert!(bench.stats.oldest_at_us.load(Relaxed) > 0);
    let began = Instant::now();
    third.await;
    assert!(began.elapsed() <= HOLD, "then the two that are out are on disk");
    assert_eq!(bench.state().as_deref(), Some("parked"));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(bench.state().as_deref(), Some("flowing"));
    assert_eq!(bench.seen(), ["1", "2", "3"]);
    assert_eq!((bench.ledger.unpaid(), bench.parked()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn push_that_is_given_up_leaves_no_trace() {
    let bench = bench(LaneSettings { messages_max: 1, ..settings() }, Budget::default(), [HANGS]);
    bench.push(1, "a").await;
    let second = tokio::time::timeout(HOLD / 2, bench.push(2, "b"));
    second.await.expect_err("the lane is full");
    assert_eq!(bench.state().as_deref(), Some("flowing"), "nobody waits any more");
    assert_eq!(bench.lane.held().messages, 1);
}

#[tokio::test(start_paused = true)]
async fn message_larger_than_all_limits_still_passes_alone() {
    let budget = Budget::new(10);
    let bench = bench(LaneSettings { memory_bytes: 10, ..settings() }, budget.clone(), [Answer::Yes, HANGS]);
    bench.push(1, "a").await;
    bench.push(2, "b").await;
    bench.settle_down().await;
    assert_eq!(bench.seen(), ["1", "2"], "one after the other");
    assert_eq!(bench.lane.held().messages, 1);
    assert!(bench.push(3, "c").now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn lane_that_waits_for_the_shared_budget_is_woken_by_another_lane() {
    let budget = Budget::new(1000);
    let hog = bench(settings(), budget.clone(), (0..3).map(|_| Answer::After(Duration::from_secs(30))));
    for id in 0..3 {
        hog.push(id, &id.to_string()).await;
    }
    let other = bench(settings(), budget.clone(), [HANGS]);
    other.push(7, "a").await;
    assert!(budget.taken() > 1000, "an empty lane takes one message over the limit");
    let began = Instant::now();
    other.push(8, "b").await;
    assert!(began.elapsed() < Duration::from_secs(31), "the hog gave back");
    hog.task.abort();
    other.task.abort();
    let _ended = (hog.task.await, other.task.await);
    assert_eq!(budget.taken(), 0, "lanes that are gone hold nothing");
}

#[tokio::test(start_paused = true)]
async fn failing_message_is_tried_again_and_settled_once() {
    let script = [Answer::No(Fault::Passing), Answer::No(Fault::Passing), Answer::Yes];
    let bench = bench(settings(), Budget::default(), script);
    bench.push(1, "a").await;
    bench.push(2, "a").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.seen(), ["1", "1", "1", "2"]);
    assert_eq!(bench.stats.last_error.get().as_deref(), Some("Passing"));
    assert_eq!(bench.ledger.unpaid(), 0);
}

#[tokio::test(start_paused = true)]
async fn message_refused_for_good_is_counted_and_settled() {
    let bench = bench(settings(), Budget::default(), [Answer::No(Fault::Poison)]);
    bench.push(1, "a").await;
    bench.push(2, "a").await;
    bench.settle_down().await;
    assert_eq!(bench.seen(), ["1", "2"]);
    assert_eq!(bench.stats.dead_total.load(Relaxed), 1);
    assert_eq!((bench.ledger.unpaid(), bench.stats.last_error.get().as_deref()), (0, Some("Poison")));
}

#[tokio::test(start_paused = true)]
async fn halted_lane_keeps_its_messages_and_goes_on_after_a_probe() {
    let bench = bench(settings(), Budget::default(), [Answer::No(Fault::Fatal), Answer::No(Fault::Fatal)]);
    bench.push(1, "a").await;
    bench.settle_down().await;
    bench.push(2, "b").await;
    bench.settle_down().await;
    assert_eq!((bench.state().as_deref(), bench.ledger.unpaid()), (Some("halted"), 2));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((bench.state().as_deref(), bench.seen().len()), (Some("halted"), 2));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((bench.state().as_deref(), bench.ledger.unpaid()), (Some("flowing"), 0));
    assert_eq!(bench.seen(), ["1", "1", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn drain_ends_when_all_is_done_and_takes_nothing_more() {
    let bench = bench(settings(), Budget::default(), [Answer::After(Duration::from_secs(3))]);
    bench.push(1, "a").await;
    bench.push(2, "a").await;
    bench.settle_down().await;
    let began = Instant::now();
    bench.lane.drain(began + Duration::from_secs(10));
    bench.push(3, "b").await;
    assert_eq!(began.elapsed(), Duration::ZERO, "a push into a closed lane does not wait");
    bench.task.await.expect("no panic");
    assert_eq!(began.elapsed().as_secs(), 2, "as soon as the answer is there");
    let seen = bench.sink.seen.lock().expect("no panic here").clone();
    assert_eq!(seen, ["1", "2"]);
    assert_eq!(bench.ledger.unpaid(), 1, "the third will be read again");
}

#[tokio::test(start_paused = true)]
async fn drain_leaves_what_can_not_be_done_by_its_deadline() {
    let bench = bench(settings(), Budget::default(), [HANGS, Answer::No(Fault::Passing)]);
    bench.push(1, "a").await;
    bench.push(2, "b").await;
    bench.settle_down().await;
    let began = Instant::now();
    bench.lane.drain(began + Duration::from_secs(10));
    bench.task.await.expect("no panic");
    assert_eq!(began.elapsed().as_secs(), 10);
    let seen = bench.sink.seen.lock().expect("no panic here").clone();
    assert_eq!(seen, ["1", "2", "2"], "the retry was due in time");
    assert_eq!((bench.stats.delivered_total.load(Relaxed), bench.budget.taken()), (1, 0));
    assert_eq!(*bench.ledger.confirmed().borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn pusher_is_not_left_waiting_for_a_lane_that_is_gone() {
    let bench = bench(LaneSettings { messages_max: 1, ..settings() }, Budget::default(), [Answer::Panic]);
    bench.push(1, "a").await;
    bench.push(2, "b").await;
    bench.push(3, "b").await;
    assert!(bench.task.await.expect_err("it ended").is_panic());
    assert_eq!(bench.ledger.unpaid(), 3, "nothing was delivered");
}

#[tokio::test(start_paused = true)]
async fn lane_ends_when_its_last_handle_is_dropped() {
    let Bench { lane, task, ledger, .. } = bench(settings(), Budget::default(), [HANGS]);
    let ticket = ledger.open(None, 1);
    drop(lane.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!task.is_finished());
    drop((lane, ticket));
    task.await.expect("no panic");
}

/// Threads that really race; the paused clock knows only one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushers_and_lanes_on_several_threads_lose_no_wake_up() {
    const LANES: usize = 3;
    const PUSHERS: usize = 4;
    const MESSAGES: usize = 3000;
    let budget = Budget::new(1500);
    let tight = LaneSettings { messages_max: 3, memory_bytes: 900, concurrency: 2, ..settings() };
    let benches: Vec<Bench> = (0..LANES).map(|_| bench(tight.clone(), budget.clone(), [])).collect();
    let pushers = (0..PUSHERS).map(|pusher| {
        let lanes: Vec<(Lane, Ledger)> =
            benches.iter().map(|bench| (bench.lane.clone(), bench.ledger.clone())).collect();
        tokio::spawn(async move {
            for n in 0..MESSAGES {
                let (lane, ledger) = &lanes[n % lanes.len()];
                let mut parcel = parcel(ledger, pusher * MESSAGES + n, &pusher.to_string());
                // Each reads a log of its own: what a lane gets of one log is in its order.
                parcel.message.origin = origin_of(&pusher.to_string(), n as u64 + 1);
                assert!(lane.push(parcel).await.is_ok());
            }
        })
    });
    let done = tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(pushers)).await;
    assert!(done.expect("nobody waits for ever").iter().all(Result::is_ok));
    let mut seen = 0;
    for bench in benches {
        bench.lane.drain(Instant::now() + Duration::from_secs(60));
        bench.task.await.expect("no panic");
        assert_eq!(bench.ledger.unpaid(), 0);
        let ids: Vec<usize> =
            bench.sink.seen.lock().expect("no panic here").iter().map(|id| id.parse().expect("a number")).collect();
        for pusher in 0..PUSHERS {
            assert!(ids.iter().filter(|id| **id / MESSAGES == pusher).is_sorted(), "the order of pusher {pusher}");
        }
        seen += ids.len();
    }
    assert_eq!((seen, budget.taken()), (PUSHERS * MESSAGES, 0));
}

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic here").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_for_good_and_halt_are_logged_once_each_and_without_the_body() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
    let _logged = tracing::subscriber::set_default(subscriber.finish());
    let script = [Answer::No(Fault::Poison), Answer::No(Fault::Fatal), Answer::No(Fault::Fatal)];
    let bench = bench(settings(), Budget::default(), script);
    let mut parcel = bench.parcel(77, "row-key");
    parcel.message.body = Bytes::from_static(b"row-value");
    assert!(bench.lane.push(parcel).await.is_ok());
    bench.settle_down().await;
    bench.push(78, "b").await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let text = String::from_utf8(log.0.lock().expect("no panic here").clone()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for part in
        ["WARN", "id=\"77\"", "pipeline=\"p\"", "target=\"t\"", "member=\"m\"", "reason=\"Poison\"", "attempts=1"]
    {
        assert!(lines[0].contains(part), "{part} is missing in {}", lines[0]);
    }
    assert!(lines[1].contains("ERROR") && lines[1].contains("halted"), "{}", lines[1]);
    assert!(lines[2].contains("INFO") && lines[2].contains("goes on"), "{}", lines[2]);
    assert!(!text.contains("row-"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn hanging_receiver_frees_its_source_after_the_hold_and_gets_everything_in_order_when_it_answers() {
    let hangs = Duration::from_secs(3600);
    let bench = bench(LaneSettings { concurrency: 1, ..settings() }, Budget::default(), [Answer::After(hangs)]);
    for id in 0..2000 {
        bench.push(id, &(id % 7).to_string()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(HOLD * 2).await;
    assert_eq!((bench.ledger.unpaid(), bench.parked()), (0, 2000), "the disk answers for all of them");
    assert!(bench.lane.held().messages <= 200, "memory holds a window: {:?}", bench.lane.held());
    assert_eq!(bench.state().as_deref(), Some("parked"));
    tokio::time::sleep(hangs).await;
    assert_eq!((bench.parked(), bench.lane.held()), (0, Held::default()));
    let seen: Vec<usize> = bench.seen().iter().map(|id| id.parse().expect("a number")).collect();
    assert_eq!(seen.len(), 2000);
    for key in 0..7 {
        assert!(seen.iter().filter(|id| *id % 7 == key).is_sorted());
    }
    assert_eq!(bench.state().as_deref(), Some("flowing"));
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_with_the_log_and_is_on_disk_is_not_sent_twice() {
    let first = bench(settings(), Budget::default(), (0..4).map(|_| HANGS));
    for id in 0..10 {
        first.push(id, &id.to_string()).await;
    }
    tokio::time::sleep(HOLD * 2).await;
    first.task.abort();
    let _ended = first.task.await;
    let sink = Arc::new(Scripted::default());
    let stats = Arc::new(LaneStats::default());
    let ground = Ground::alone(first.store.clone(), &settings().name).expect("a lane");
    let (lane, _task) = spawn(settings(), sink.clone(), ground, stats.clone());
    let ledger = Ledger::new();
    for id in 5..15 {
        assert!(lane.push(parcel(&ledger, id, &id.to_string())).await.is_ok());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut seen: Vec<usize> =
        sink.seen.lock().expect("no panic here").iter().map(|id| id.parse().expect("n")).collect();
    seen.sort();
    assert_eq!(seen, (0..15).collect::<Vec<_>>());
    assert_eq!((ledger.unpaid(), stats.known_total.load(Relaxed)), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn refused_message_is_a_dead_letter_and_goes_again_behind_what_waits() {
    let bench = bench(LaneSettings { concurrency: 1, ..settings() }, Budget::default(), [Answer::No(Fault::Poison)]);
    bench.push(1, "a").await;
    bench.settle_down().await;
    let dead = bench.store.dead(DeadFilter::default()).await.expect("memory can be read");
    assert_eq!((dead.len(), dead[0].name.as_str(), dead[0].reason.as_str()), (1, "1", "Poison"));
    bench.push(2, "b").await;
    assert!(matches!(bench.revive("1", false).await, Ok(Revived::Waits { .. })));
    bench.push(3, "a").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.seen(), ["1", "2", "1", "3"]);
    assert_eq!((bench.ledger.unpaid(), bench.parked()), (0, 0));
    let again = Revive { id: dead[0].id, superseded: false };
    assert_eq!(bench.lane.revive(again, bench.parcel(1, "a").message).await, Ok(Revived::Gone), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn full_disk_quota_makes_the_source_wait_or_gives_way_as_it_was_told() {
    for (when_full, dead, dropped) in
        [(WhenFull::PauseSource, 0, 0), (WhenFull::DeadLetter, 1, 0), (WhenFull::DropOldest, 0, 1)]
    {
        let settings = LaneSettings { concurrency: 1, messages_max: 10, disk_bytes: 20_000, when_full, ..settings() };
        let bench = bench(settings, Budget::default(), [HANGS]);
        let pushes = async {
            for id in 0..200 {
                bench.push(id, &id.to_string()).await;
            }
        };
        let all_taken = tokio::time::timeout(Duration::from_secs(60), pushes).await.is_ok();
        tokio::time::sleep(HOLD * 2).await;
        assert_eq!(all_taken, when_full != WhenFull::PauseSource, "{when_full:?}");
        assert!(bench.stats.parked_bytes.load(Relaxed) <= 20_000);
        assert_eq!(bench.stats.dead_total.load(Relaxed) > 0, dead > 0, "{when_full:?}");
        assert_eq!(bench.stats.dropped_total.load(Relaxed) > 0, dropped > 0, "{when_full:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retired_lane_puts_everything_on_disk_and_turns_pushers_away() {
    let bench = bench(settings(), Budget::default(), (0..4).map(|_| HANGS));
    for id in 0..10 {
        bench.push(id, &id.to_string()).await;
    }
    bench.settle_down().await;
    bench.lane.retire();
    let turned = bench.lane.push(bench.parcel(11, "k")).await.expect_err("turned away");
    assert!(turned.is_retired);
    turned.parcel.ticket.settle();
    let parked = |store: &MemoryStore| store.lanes().expect("memory can be read")[0].1.parked;
    bench.task.await.expect("no panic");
    assert_eq!((bench.ledger.unpaid(), parked(&bench.store)), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn renewed_lane_goes_on_with_another_sink_in_order() {
    let bench = bench(
        LaneSettings { concurrency: 1, ..settings() },
        Budget::default(),
        [Answer::After(Duration::from_secs(2))],
    );
    for id in 0..5 {
        bench.push(id, "k").await;
    }
    bench.settle_down().await;
    let other = Arc::new(Scripted::default());
    bench.lane.renew(settings(), other.clone());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.seen(), ["0"], "what was out landed");
    assert_eq!(*other.seen.lock().expect("no panic here"), ["1", "2", "3", "4"]);
    assert_eq!(bench.ledger.unpaid(), 0);
}

struct Instantly;

impl Sink for Instantly {
    fn deliver<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
#[ignore = "a measurement: cargo test -p sluicegate --lib lane::tests::speed -- --ignored --nocapture"]
fn speed_of_one_lane_with_a_sink_that_answers_at_once() {
    const MESSAGES: usize = 1_000_000;
    const BATCH: usize = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    for (name, concurrency, keys) in
        [("64 slots, own keys", 64, usize::MAX), ("64 slots, 100 keys", 64, 100), ("1 slot", 1, 1)]
    {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let stats = Arc::new(LaneStats::default());
            let settings = LaneSettings { concurrency, ..settings() };
            let ground = Ground::alone(Arc::new(MemoryStore::default()), &settings.name).expect("a lane");
            let (lane, task) = spawn(settings, Arc::new(Instantly), ground, stats.clone());
            let keys: Vec<Bytes> = (0..keys.min(MESSAGES)).map(|n| Bytes::from(n.to_string())).collect();
            let ids: Vec<Arc<str>> = (0..MESSAGES).map(|n| n.to_string().into()).collect();
            let template = Content::new(MessageId("".into()), Bytes::new(), Origin::default());
            let began = std::time::Instant::now();
            for first in (0..MESSAGES).step_by(BATCH) {
                let ticket = ledger.open(None, 1);
                let last = (first + BATCH).min(MESSAGES);
                ticket.owe((last - first) as u64);
                for n in first..last {
                    let content = Content {
                        id: MessageId(ids[n].clone()),
                        key: keys[n % keys.len()].clone(),
                        body: Bytes::from_static(b"{\"small\":\"body\"}"),
                        ..template.clone()
                    };
                    assert!(lane.push(Parcel { message: content.into(), ticket: ticket.clone() }).await.is_ok());
                }
                ticket.settle();
            }
            lane.drain(Instant::now() + Duration::from_secs(60));
            task.await.expect("no panic");
            let rate = MESSAGES as f64 / began.elapsed().as_secs_f64();
            assert_eq!((ledger.unpaid(), stats.delivered_total.load(Relaxed)), (0, MESSAGES as u64));
            println!("{name}: {rate:.0} messages/s");
        });
    }
}
