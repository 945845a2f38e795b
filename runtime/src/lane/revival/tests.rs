//! Whatever waits where: an older state never comes after a newer one of its key.

use super::*;
use crate::fault::Fault;
use crate::lane::tests::{Answer, Bench, HANGS, bench, bench_on, settings};
use crate::lane::{Budget, LaneSettings};

/// More than a lane keeps in memory of what waits on disk.
const MANY: usize = 400;

/// Message 1 of key `a` is refused after three seconds, when many others wait on disk behind it, the youngest of them with this key.
/// The one after it takes `then`.
async fn dies_before_many(youngest: &str, then: Answer) -> Bench {
    let script = [Answer::Late(Duration::from_secs(3), Fault::Poison), then];
    let bench = bench(LaneSettings { concurrency: 1, ..settings() }, Budget::default(), script);
    for id in 1..MANY {
        bench.push(id, if id == 1 { "a" } else { "b" }).await;
    }
    bench.push(MANY, youngest).await;
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(bench.seen(), ["1", "2"], "the first is dead, the second on its way");
    bench
}

#[tokio::test(start_paused = true)]
async fn letter_stays_dead_while_something_newer_of_its_key_waits_in_memory() {
    let script = [Answer::No(Fault::Poison), Answer::After(Duration::from_millis(100))];
    let bench = bench(settings(), Budget::default(), script);
    bench.push(1, "a").await;
    bench.push(2, "a").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(bench.revive("1", false).await, Ok(Revived::Superseded));
    assert!(matches!(bench.revive("1", true).await, Ok(Revived::Waits { .. })), "somebody wants it all the same");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.seen(), ["1", "2", "1"]);
}

#[tokio::test(start_paused = true)]
async fn letter_waits_for_what_was_on_disk_when_it_died_and_goes_if_nothing_newer_was_there() {
    let bench = dies_before_many("b", Answer::After(Duration::from_secs(2))).await;
    assert!(matches!(bench.revive("1", false).await, Ok(Revived::Waits { .. })));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.seen().last().map(String::as_str), Some("1"));
    assert_eq!((bench.seen().len(), bench.parked()), (MANY + 1, 0));
}

#[tokio::test(start_paused = true)]
async fn letter_stays_dead_if_something_newer_of_its_key_was_on_disk_when_it_died() {
    let bench = dies_before_many("a", Answer::After(Duration::from_secs(2))).await;
    assert_eq!(bench.revive("1", false).await, Ok(Revived::Superseded));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.seen().len(), MANY);
}

#[tokio::test(start_paused = true)]
async fn letter_is_told_to_come_again_when_the_lane_does_not_catch_up() {
    let bench = dies_before_many("a", HANGS).await;
    let begun = Instant::now();
    for waits in [CATCH_UP_MAX, Duration::ZERO] {
        let begun = Instant::now();
        let refused = bench.revive("1", false).await.expect_err("it is not known");
        assert!(refused.contains("when the lane has caught up"), "{refused}");
        assert!(begun.elapsed() >= waits && begun.elapsed() < waits + Duration::from_millis(10));
    }
    assert!(matches!(bench.revive("1", true).await, Ok(Revived::Waits { .. })));
    assert!(begun.elapsed() < 2 * CATCH_UP_MAX);
}

#[tokio::test(start_paused = true)]
async fn what_goes_to_the_disk_after_a_letter_died_supersedes_it_before_it_is_delivered() {
    let first =
        bench(LaneSettings { concurrency: 1, ..settings() }, Budget::default(), [Answer::No(Fault::Poison), HANGS]);
    for (id, key) in [(1, "a"), (2, "b"), (3, "a")] {
        first.push(id, key).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    first.task.abort();
    let store = first.store.clone();
    drop(first);
    let second = bench_on(store, settings(), Budget::default(), [HANGS, HANGS]);
    assert_eq!(second.revive("1", false).await, Ok(Revived::Superseded));
    assert_eq!(second.parked(), 2);
}
