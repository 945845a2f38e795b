//! How fast it is. Only when asked for: `cargo test --release --test redis -- --ignored --nocapture speed`.

use super::server::Server;
use super::writer::{At, HASH, Road, TEXT, fields, message, settings, settings_to};
use sluicegate::change::{Act, Message, Op};
use sluicegate::sink::Sink;
use sluicegate::sink::redis::{BATCH_MAX, FLIGHTS, RedisSettings, RedisSink};
use std::sync::Arc;
use std::time::Instant;
use xtask::servers::RedisCluster;

const MESSAGES: u64 = 400_000;
const KEYS: u64 = 50_000;

fn messages(make: impl Fn(u64) -> Message) -> Vec<Message> {
    (1..=MESSAGES).map(make).collect()
}

fn text(n: u64) -> Message {
    message(At(n, Op::Update), TEXT, &format!("erp:item:{}", n % KEYS), &[b'x'; 120])
}

fn hash(n: u64) -> Message {
    let row = fields(&[
        ("id", Some("123456")),
        ("name", Some("a name")),
        ("price", Some("12.50")),
        ("note", Some("some more words")),
    ]);
    message(At(n, Op::Update), HASH, &format!("erp:item:{}", n % KEYS), &row)
}

fn entry(n: u64) -> Message {
    message(
        At(n, Op::Insert),
        Act::Append { trim: Some(sluicegate::change::Trim::Length(100_000)) },
        "erp:events",
        &[b'x'; 120],
    )
}

/// Flights as a lane would make them, without the lane.
async fn sink_alone(name: &str, settings: RedisSettings, messages: Vec<Message>, flights: usize) {
    let sink = Arc::new(RedisSink::new(settings).expect("good settings"));
    let len = messages.len();
    let messages = Arc::new(messages);
    let begun = Instant::now();
    let runs = (0..flights).map(|run| {
        let (sink, messages) = (sink.clone(), messages.clone());
        tokio::spawn(async move {
            for flight in messages.chunks(BATCH_MAX).skip(run).step_by(flights) {
                for outcome in sink.deliver_all(flight).await {
                    outcome.expect("delivered");
                }
            }
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("no panic");
    }
    let rate = len as f64 / begun.elapsed().as_secs_f64() / 1000.0;
    println!("{name}: {rate:.0} k/s, {flights} flights of {BATCH_MAX}");
}

async fn through_a_lane(name: &str, settings: RedisSettings, messages: Vec<Message>) {
    let road = Road::new(settings);
    let len = messages.len();
    let begun = Instant::now();
    for message in messages {
        road.push(message).await;
    }
    road.done().await;
    let rate = len as f64 / begun.elapsed().as_secs_f64() / 1000.0;
    println!("{name}, through a lane: {rate:.0} k/s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long and measures; see the first line"]
async fn speed_of_every_form() {
    let server = Server::start_with(&["--appendonly", "no"]).await;
    let guarded = settings(&server);
    let plain = RedisSettings { guard: None, ..settings(&server) };
    for flights in [1, 2, FLIGHTS, 8] {
        sink_alone("text, guarded", guarded.clone(), messages(text), flights).await;
    }
    server.witness().ask::<()>(&["FLUSHALL"]);
    sink_alone("hash, guarded", guarded.clone(), messages(hash), FLIGHTS).await;
    sink_alone("text, plain", plain.clone(), messages(text), FLIGHTS).await;
    sink_alone("stream", guarded.clone(), messages(entry), 1).await;
    server.witness().ask::<()>(&["FLUSHALL"]);
    through_a_lane("text, guarded", guarded.clone(), messages(text)).await;
    through_a_lane("hash, guarded", guarded, messages(hash)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long and measures; see the first line"]
async fn speed_of_a_cluster() {
    let cluster = RedisCluster::start(3).await.expect("a cluster");
    let settings = RedisSettings { cluster: true, ..settings_to(cluster.urls()[0].clone()) };
    sink_alone("text, guarded, cluster of three", settings.clone(), messages(text), FLIGHTS).await;
    through_a_lane("text, guarded, cluster of three", settings, messages(text)).await;
}
