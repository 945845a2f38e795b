//! What a bad day does: every class of error on a real server, and what is left when it is over.

use super::server::{Server, Witness};
use super::writer::{At, HASH, Road, TEXT, all, fields, message, refusal, refused, settings, sink};
use sluicegate::change::{Act, Op};
use sluicegate::fault::Fault;
use sluicegate::sink::Sink;
use sluicegate::sink::redis::{RedisSettings, RedisSink};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

fn text(n: u64, key: &str) -> sluicegate::change::Message {
    message(At(n, Op::Update), TEXT, key, n.to_string().as_bytes())
}

#[tokio::test]
async fn full_memory_is_waited_out_and_nothing_is_dropped() {
    let server = Server::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let plain = RedisSink::new(RedisSettings { guard: None, ..settings(&server) }).expect("good settings");
    let list = message(At(1, Op::Insert), Act::Push, "l", b"1");
    let stream = message(At(1, Op::Insert), Act::Append { trim: None }, "s", b"1");
    let unguarded = plain.deliver(&text(1, "p")).await.expect_err("a refusal");
    for refusal in [
        refusal(&sink, text(1, "a")).await,
        refusal(&sink, list.clone()).await,
        refusal(&sink, stream.clone()).await,
        unguarded,
    ] {
        assert_eq!(refusal.fault, Fault::Passing);
        assert!(refusal.reason.contains("raise its `maxmemory`"), "{refusal:?}");
        assert!(refusal.retry_after.is_some_and(|wait| wait >= Duration::from_secs(1)));
    }
    assert_eq!(witness.ask::<i64>(&["DBSIZE"]), 0, "a refused change left nothing behind, no version either");
    witness.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    all(&sink, &[text(1, "a"), list, stream]).await;
    assert_eq!(witness.get("a").as_deref(), Some("1"));
}

/// An entry behind one that failed must not be appended: its id would make the earlier one impossible.
#[tokio::test]
async fn no_entry_of_a_stream_overtakes_one_that_failed() {
    let server = Server::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let steps: Vec<_> = (1..=5).map(|n| message(At(n, Op::Insert), Act::Append { trim: None }, "s", b"x")).collect();
    assert!(sink.deliver_all(&steps).await.iter().all(Result::is_err));
    witness.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    all(&sink, &steps).await;
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 5);
}

#[tokio::test]
async fn replica_is_not_written_and_its_promotion_is_noticed() {
    let (master, server) = (Server::start().await, Server::start().await);
    let (sink, mut witness) = (sink(&server), server.witness());
    witness.ask::<()>(&["REPLICAOF", "127.0.0.1", &master.0.port().to_string()]);
    for step in [text(1, "a"), message(At(1, Op::Insert), Act::Push, "l", b"1")] {
        refused(&sink, step, Fault::Passing, "is a replica").await;
    }
    witness.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    all(&sink, &[text(1, "a")]).await;
    assert_eq!(witness.get("a").as_deref(), Some("1"));
}

#[tokio::test]
async fn replica_that_lost_its_master_is_left() {
    let mut master = Server::start().await;
    let server = Server::start_with(&["--replica-serve-stale-data", "no"]).await;
    let (sink, mut witness) = (sink(&server), server.witness());
    witness.ask::<()>(&["REPLICAOF", "127.0.0.1", &master.0.port().to_string()]);
    master.0.kill9();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let refusal = refusal(&sink, text(1, "a")).await;
        assert_eq!(refusal.fault, Fault::Passing, "{refusal:?}");
        if refusal.reason.contains("lost its master") {
            break;
        }
        assert!(Instant::now() < deadline, "{refusal:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn wrong_type_under_a_key_refuses_that_message_alone() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    witness.ask::<()>(&["SET", "b", "text"]);
    let hash = |n, key, op| message(At(n, op), HASH, key, &fields(&[("f", Some("v"))]));
    let stream = message(At(9, Op::Insert), Act::Append { trim: None }, "b", b"x");
    let list = message(At(9, Op::Insert), Act::Push, "b", b"x");
    let flight = [
        hash(1, "a", Op::Insert),
        hash(2, "b", Op::Insert),
        hash(3, "b", Op::Update),
        hash(4, "c", Op::Update),
        stream,
        list,
    ];
    let outcomes = sink.deliver_all(&flight).await;
    for (outcome, good) in outcomes.iter().zip([true, false, false, true, false, false]) {
        match outcome {
            Ok(()) => assert!(good),
            Err(refusal) => {
                assert!(!good && refusal.fault == Fault::Poison, "{refusal:?}");
                assert!(refusal.reason.contains("something of another type"), "{refusal:?}");
            }
        }
    }
    assert_eq!(witness.get("b").as_deref(), Some("text"), "whoever else's it is, it stays");
}

#[tokio::test]
async fn server_that_loads_its_data_is_waited_for() {
    let slow = ["--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"];
    let server = Server::start_with(&slow).await;
    let (sink, mut witness) = (sink(&server), server.witness());
    witness.ask::<()>(&["DEBUG", "POPULATE", "2000", "k", "100"]);
    witness.ask::<()>(&["BGREWRITEAOF"]);
    let busy = |info: &str| info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1");
    while busy(&witness.ask::<String>(&["INFO", "persistence"])) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all(&sink, &[text(1, "a")]).await;
    // Microseconds for each key.
    witness.ask::<()>(&["CONFIG", "SET", "key-load-delay", "500"]);
    let loading = std::thread::spawn(move || witness.ask::<()>(&["DEBUG", "LOADAOF"]));
    let deadline = Instant::now() + Duration::from_secs(20);
    let refusal = loop {
        match sink.deliver(&text(2, "a")).await {
            Err(refusal) => break refusal,
            Ok(()) => assert!(Instant::now() < deadline, "the server does not load"),
        }
    };
    assert_eq!(refusal.fault, Fault::Passing);
    assert!(refusal.reason.contains("is loading its data"), "{refusal:?}");
    while sink.deliver(&text(3, "a")).await.is_err() {
        assert!(Instant::now() < deadline, "the server loads for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    loading.join().expect("loaded");
    assert_eq!(server.witness().get("a").as_deref(), Some("3"));
}

#[tokio::test]
async fn password_and_rights_that_are_missing_halt_with_the_remedy() {
    let server = Server::start().await;
    let mut witness = server.witness();
    let with = |login: &str| {
        let url = server.url().replace("redis://", &format!("redis://{login}@"));
        RedisSink::new(RedisSettings { url, ..settings(&server) }).expect("good settings")
    };
    let rule = "~* &* +evalsha +script|load +get +mget +set +mset +del +hlen +hset +hdel +hget +pexpire +xadd +xrange +rpush \
                +publish +select +role +info +cluster|slots +asking";
    let user: Vec<&str> = ["ACL", "SETUSER", "gate", "on", ">secret"].into_iter().chain(rule.split(' ')).collect();
    witness.ask::<()>(&user);
    refused(&with("gate:wrong"), text(1, "a"), Fault::Fatal, "does not know this user and password").await;

    let gate = with("gate:secret");
    all(&gate, &[text(1, "a"), message(At(2, Op::Insert), HASH, "h", &fields(&[("f", Some("v")), ("g", None)]))]).await;
    all(
        &gate,
        &[
            message(At(3, Op::Update), HASH, "h", &fields(&[("f", None)])),
            message(At(4, Op::Delete), Act::Remove, "a", b""),
        ],
    )
    .await;
    let append = Act::Append { trim: None };
    all(
        &gate,
        &[message(At(5, Op::Insert), append.clone(), "s", b"x"), message(At(5, Op::Insert), Act::Push, "l", b"x")],
    )
    .await;
    all(&gate, &[message(At(5, Op::Insert), append, "s", b"x"), message(At(5, Op::Insert), Act::Publish, "c", b"x")])
        .await;

    // A rule that was written before these were used does still.
    witness.ask::<()>(&["ACL", "SETUSER", "gate", "-mget", "-mset"]);
    all(&gate, &[text(6, "a"), text(6, "b"), text(7, "a")]).await;
    assert_eq!((witness.get("a").as_deref(), witness.get("b").as_deref()), (Some("7"), Some("6")));
    all(&gate, &[text(5, "a"), message(At(8, Op::Delete), Act::Remove, "b", b"")]).await;
    assert_eq!((witness.get("a").as_deref(), witness.get("b")), (Some("7"), None));

    for (lack, step) in [
        ("-evalsha", text(9, "a")),
        ("-set", text(9, "a")),
        ("-rpush", message(At(9, Op::Insert), Act::Push, "l", b"x")),
        ("resetkeys", text(9, "a")),
    ] {
        witness.ask::<()>(&user);
        witness.ask::<()>(&["ACL", "SETUSER", "gate", lack]);
        refused(&gate, step, Fault::Fatal, "ACL SETUSER <user> ~* &* +evalsha").await;
    }
    witness.ask::<()>(&user);
    witness.ask::<()>(&["ACL", "SETUSER", "default", ">other"]);
    refused(&sink(&server), text(9, "a"), Fault::Fatal, "wants a password").await;
    all(&gate, &[text(9, "a")]).await;
}

#[tokio::test]
async fn script_that_was_flushed_is_loaded_again() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    for n in 1..=5 {
        all(&sink, &[text(n, "a"), message(At(n, Op::Insert), Act::Append { trim: None }, "s", b"x")]).await;
        witness.ask::<()>(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(witness.get("a").as_deref(), Some("5"));
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 5);
}

#[tokio::test]
async fn killed_and_restarted_server_ends_with_everything() {
    let mut server = Server::start().await;
    let road = Road::new(settings(&server));
    for round in 0..4 {
        for n in 0..2000 {
            let n = round * 2000 + n + 1;
            road.push(text(n, &format!("k{}", n % 100))).await;
            road.push(message(At(n, Op::Insert), Act::Append { trim: None }, "s", b"x")).await;
        }
        if round < 3 {
            server.0.kill9();
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.0.restart().await.expect("restarted");
        }
    }
    road.done().await;
    let mut witness = server.witness();
    for key in 0..100 {
        let last = if key == 0 { 8000 } else { 7900 + key };
        assert_eq!(witness.get(&format!("k{key}")), Some(last.to_string()));
    }
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 8000, "each once");
    assert_eq!(road.stats.dead_total.load(Relaxed), 0);
}

#[tokio::test]
async fn connection_that_was_closed_while_idle_costs_nothing() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    for n in 1..=3 {
        all(&sink, &[text(n, "a")]).await;
        witness.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }
    assert_eq!(witness.get("a").as_deref(), Some("3"));
}

#[tokio::test]
async fn server_that_does_not_answer_costs_one_timeout_and_its_late_answers_nobody_reads() {
    let server = Server::start().await;
    let short = RedisSettings { timeout: Duration::from_millis(300), ..settings(&server) };
    let sink = RedisSink::new(short).expect("good settings");
    all(&sink, &[text(1, "a")]).await;
    server.freeze();
    let begun = Instant::now();
    refused(&sink, text(2, "a"), Fault::Passing, "no answer within 300 ms").await;
    // The server is frozen, its kernel is not: a new connection is made, and waits as well.
    refused(&sink, message(At(3, Op::Insert), HASH, "a", b""), Fault::Passing, "no answer within 300 ms").await;
    // Two timeouts, and what a busy machine adds.
    assert!(begun.elapsed() < Duration::from_millis(2_000), "{:?}", begun.elapsed());
    server.thaw();
    let mut witness = Witness::new(&server.url());
    // Were the late answer to `a` read here, this would not be known for a mistake.
    witness.ask::<()>(&["SET", "b", "text"]);
    refused(&sink, message(At(4, Op::Update), HASH, "b", &fields(&[("f", Some("v"))])), Fault::Poison, "another type")
        .await;
    all(&sink, &[text(5, "a")]).await;
    assert_eq!(witness.get("a").as_deref(), Some("5"));
}

#[tokio::test]
async fn server_that_is_away_is_waited_for() {
    let mut server = Server::start().await;
    server.0.kill9();
    let sink = sink(&server);
    refused(&sink, text(1, "a"), Fault::Passing, "can not connect to 127.0.0.1").await;
    server.0.restart().await.expect("restarted");
    all(&sink, &[text(1, "a")]).await;
}

#[tokio::test]
async fn server_with_too_many_clients_is_waited_for() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    witness.ask::<()>(&["CONFIG", "SET", "maxclients", "1"]);
    let refusal = refusal(&sink, text(1, "a")).await;
    assert_eq!(refusal.fault, Fault::Passing, "{refusal:?}");
    witness.ask::<()>(&["CONFIG", "SET", "maxclients", "100"]);
    all(&sink, &[text(1, "a")]).await;
}
