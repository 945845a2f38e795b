//! A real cluster of three: by slot, and while slots move.

use super::server::Witness;
use super::writer::{At, HASH, Road, TEXT, all, fields, message, refused, settings_to};
use sluicegate::change::{Act, Op};
use sluicegate::fault::Fault;
use sluicegate::sink::Sink;
use sluicegate::sink::redis::{RedisSettings, RedisSink};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use xtask::servers::{Redis, RedisCluster, RedisOptions};

fn settings(cluster: &RedisCluster) -> RedisSettings {
    let urls = cluster.urls();
    // One further node is enough to begin with.
    let nodes = vec![urls[1].clone()];
    RedisSettings { cluster: true, nodes, ..settings_to(urls[0].clone()) }
}

/// All members, to look into.
struct Witnesses(Vec<Witness>);

impl Witnesses {
    fn new(cluster: &RedisCluster) -> Self {
        Self(cluster.urls().iter().map(|url| Witness::new(url)).collect())
    }

    /// The one that owns a key's slot, as the members see it.
    fn of(&mut self, key: &str) -> &mut Witness {
        let owner = self.0.iter_mut().position(|witness| witness.try_ask::<i64>(&["EXISTS", key]).is_ok());
        &mut self.0[owner.expect("somebody owns the slot")]
    }
}

fn text(n: u64, key: &str) -> sluicegate::change::Message {
    message(At(n, Op::Update), TEXT, key, n.to_string().as_bytes())
}

#[tokio::test]
async fn everything_arrives_at_the_node_that_owns_it() {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let road = Road::new(settings(&cluster));
    for n in 1..=1500 {
        road.push(text(n, &format!("item:{n}"))).await;
        road.push(message(At(n, Op::Insert), HASH, &format!("{{c{}}}:{n}", n % 7), &fields(&[("n", Some("1"))]))).await;
        road.push(message(At(n, Op::Insert), Act::Append { trim: None }, &format!("s{}", n % 5), b"x")).await;
        road.push(message(At(n, Op::Insert), Act::Push, "list", n.to_string().as_bytes())).await;
        road.push(message(At(n, Op::Insert), Act::Publish, "channel", b"x")).await;
    }
    road.done().await;
    assert_eq!(road.stats.dead_total.load(Relaxed), 0, "{:?}", road.stats.last_error.get());
    let mut witnesses = Witnesses::new(&cluster);
    for n in 1..=1500u64 {
        let key = format!("item:{n}");
        assert_eq!(witnesses.of(&key).get(&key), Some(n.to_string()));
        let key = format!("{{c{}}}:{n}", n % 7);
        assert_eq!(witnesses.of(&key).ask::<i64>(&["HLEN", &key]), 1);
    }
    for n in 0..5 {
        let key = format!("s{n}");
        assert_eq!(witnesses.of(&key).ask::<i64>(&["XLEN", &key]), 300);
    }
    let list: Vec<u64> = witnesses.of("list").ask(&["LRANGE", "list", "0", "-1"]);
    assert!(list.is_sorted() && list.len() == 1500);
    let held: Vec<i64> = witnesses.0.iter_mut().map(|witness| witness.ask(&["DBSIZE"])).collect();
    assert!(held.iter().all(|len| *len > 500), "all nodes hold a share: {held:?}");
}

#[tokio::test]
async fn cluster_without_its_setting_and_the_setting_without_a_cluster_are_told() {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let single =
        RedisSink::new(RedisSettings { cluster: false, nodes: Vec::new(), ..settings(&cluster) }).expect("a sink");
    let mut refusals = Vec::new();
    for n in 0..20 {
        refusals.extend(single.deliver(&text(1, &format!("k{n}"))).await.err());
    }
    assert!(!refusals.is_empty());
    for refusal in refusals {
        assert_eq!(refusal.fault, Fault::Fatal);
        assert!(refusal.reason.contains("set `cluster = true`"), "{refusal:?}");
    }
    let alone = Redis::start(RedisOptions::default()).await.expect("a Redis");
    let sink = RedisSink::new(RedisSettings { cluster: true, ..settings_to(alone.url()) }).expect("a sink");
    refused(&sink, text(1, "a"), Fault::Fatal, "set `cluster = false`").await;
}

#[tokio::test]
async fn key_whose_version_can_not_lie_beside_it_is_refused_in_a_cluster_alone() {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let sink = RedisSink::new(settings(&cluster)).expect("a sink");
    refused(&sink, text(1, "a}b"), Fault::Poison, "put what decides the slot between braces").await;
    all(&sink, &[text(1, "{a}b"), text(1, "a{b")]).await;
    let alone = Redis::start(RedisOptions::default()).await.expect("a Redis");
    let sink = RedisSink::new(settings_to(alone.url())).expect("a sink");
    all(&sink, &[text(1, "a}b"), text(1, "a")]).await;
}

/// Moves the slot of `key` from its owner to another node, with a pause in the middle in which both have a part of it.
fn move_slot(cluster: &RedisCluster, key: &str, pause: Duration) {
    let mut witnesses = Witnesses::new(cluster);
    let slot = witnesses.0[0].ask::<u16>(&["CLUSTER", "KEYSLOT", key]).to_string();
    let ids: Vec<String> = witnesses.0.iter_mut().map(|witness| witness.ask(&["CLUSTER", "MYID"])).collect();
    let owns = |witness: &mut Witness| witness.try_ask::<i64>(&["EXISTS", key]).is_ok();
    let from = witnesses.0.iter_mut().position(owns).expect("an owner");
    let to = (from + 1) % witnesses.0.len();
    witnesses.0[to].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]]);
    witnesses.0[from].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]]);
    std::thread::sleep(pause);
    let port = cluster.nodes[to].port().to_string();
    loop {
        let keys: Vec<String> = witnesses.0[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "7"]);
        if keys.is_empty() {
            break;
        }
        let mut line = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        line.extend(keys.iter().map(String::as_str));
        witnesses.0[from].ask::<()>(&line);
        std::thread::sleep(Duration::from_millis(5));
    }
    for index in [to, from] {
        witnesses.0[index].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]]);
    }
}

async fn slot_moves_while_it_is_written(guard: Option<Duration>) {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let road = Road::new(RedisSettings { guard, ..settings(&cluster) });
    let moved = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            move_slot(&cluster, "{m}", Duration::from_millis(100));
        }
        cluster
    });
    let mut n = 0;
    let begun = Instant::now();
    while !moved.is_finished() || n < 3000 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the slot does not move");
        for _ in 0..20 {
            n += 1;
            road.push(text(n, &format!("{{m}}:{}", n % 200))).await;
            road.push(message(
                At(n, Op::Insert),
                HASH,
                &format!("{{m}}:h{}", n % 50),
                &fields(&[("n", Some(&n.to_string()))]),
            ))
            .await;
            road.push(message(At(n, Op::Insert), Act::Append { trim: None }, "{m}:s", b"x")).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let cluster = moved.await.expect("moved");
    road.done().await;
    assert_eq!(road.stats.dead_total.load(Relaxed), 0, "{:?}", road.stats.last_error.get());
    let mut witnesses = Witnesses::new(&cluster);
    let witness = witnesses.of("{m}");
    for key in 0..200 {
        let last = (n - key..=n).find(|at| at % 200 == (n - key) % 200).expect("a change");
        assert_eq!(witness.get(&format!("{{m}}:{}", last % 200)), Some(last.to_string()));
    }
    for last in n - 49..=n {
        assert_eq!(witness.hash(&format!("{{m}}:h{}", last % 50))["n"], last.to_string());
    }
    assert_eq!(witness.ask::<u64>(&["XLEN", "{m}:s"]), n, "each entry once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slot_that_moves_while_it_is_written_loses_nothing() {
    slot_moves_while_it_is_written(Some(super::writer::DAY)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slot_that_moves_while_it_is_written_without_the_guard_loses_nothing() {
    slot_moves_while_it_is_written(None).await;
}

#[tokio::test]
async fn node_that_is_killed_holds_only_its_own_slots_and_catches_up() {
    let mut cluster = RedisCluster::start_with(
        3,
        RedisOptions { args: vec!["--cluster-require-full-coverage".into(), "no".into()], ..Default::default() },
    )
    .await
    .expect("a cluster");
    let sink = RedisSink::new(settings(&cluster)).expect("a sink");
    let flight: Vec<_> = (0..100).map(|n| text(1, &format!("k{n}"))).collect();
    all(&sink, &flight).await;
    cluster.nodes[0].kill9();
    let outcomes = sink.deliver_all(&flight).await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!((10..60).contains(&failed), "{failed} of 100");
    assert!(outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(|refusal| refusal.fault == Fault::Passing));
    cluster.nodes[0].restart().await.expect("restarted");
    cluster.wait_until_whole().await.expect("whole again");
    all(&sink, &flight).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn master_that_hands_over_to_its_replica_is_followed() {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(str::to_owned).to_vec();
    let replica = Redis::start(RedisOptions { args, ..RedisOptions::default() }).await.expect("a replica");
    let mut master = Witness::new(&cluster.urls()[0]);
    let mut follower = Witness::new(&replica.url());
    let id: String = master.ask(&["CLUSTER", "MYID"]);
    follower.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &cluster.nodes[0].port().to_string()]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut until = |line: &[&str], done: fn(&str) -> bool| {
        while !follower.try_ask::<String>(line).is_ok_and(|answer| done(&answer)) {
            assert!(Instant::now() < deadline, "{line:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until(&["CLUSTER", "REPLICATE", &id], |answer| answer == "OK");
    until(&["INFO", "replication"], |answer| answer.contains("master_link_status:up"));
    let road = Road::new(settings(&cluster));
    for n in 1..=6000 {
        road.push(text(n, &format!("k{}", n % 300))).await;
        road.push(message(At(n, Op::Insert), Act::Append { trim: None }, &format!("s{}", n % 10), b"x")).await;
        if n == 2000 {
            until(&["CLUSTER", "FAILOVER"], |answer| answer == "OK");
        }
        if n % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    road.done().await;
    until(&["INFO", "replication"], |answer| answer.contains("role:master"));
    assert_eq!(road.stats.dead_total.load(Relaxed), 0, "{:?}", road.stats.last_error.get());
    let mut all = Witnesses::new(&cluster);
    all.0.push(Witness::new(&replica.url()));
    // The old master answers for nothing any more.
    all.0.remove(0);
    for last in 5701..=6000u64 {
        let key = format!("k{}", last % 300);
        assert_eq!(all.of(&key).get(&key), Some(last.to_string()));
    }
    for n in 0..10 {
        let key = format!("s{n}");
        assert_eq!(all.of(&key).ask::<i64>(&["XLEN", &key]), 600);
    }
}
