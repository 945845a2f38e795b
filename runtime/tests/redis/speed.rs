//! How fast it is, and what it costs: wall time says little on a machine that is not idle, processor time does. Only when asked for: `cargo test --release --test redis -- --ignored --nocapture speed`.

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

/// Seconds of processor time that a process has used.
fn processor_s(pid: u32) -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let behind = stat.rsplit_once(')').expect("a name").1;
    let ticks: Vec<f64> = behind.split_whitespace().skip(11).take(2).map(|word| word.parse().expect("ticks")).collect();
    ticks.iter().sum::<f64>() / TICKS_PER_S
}

/// One measurement, from its making to [`Watch::tell`].
struct Watch {
    begun: Instant,
    servers: Vec<u32>,
    used_s: [f64; 2],
}

impl Watch {
    fn begin(servers: Vec<u32>) -> Self {
        let used_s = Self::used_s(&servers);
        Self { begun: Instant::now(), servers, used_s }
    }

    fn used_s(servers: &[u32]) -> [f64; 2] {
        [processor_s(std::process::id()), servers.iter().map(|pid| processor_s(*pid)).sum()]
    }

    fn tell(self, name: &str, len: usize) {
        let wall_s = self.begun.elapsed().as_secs_f64();
        let used_s = Self::used_s(&self.servers);
        let us = |index: usize| (used_s[index] - self.used_s[index]) * 1e6 / len as f64;
        println!(
            "{name}: {:.0} k/s; per message {:.1} us here, {:.1} us in Redis",
            len as f64 / wall_s / 1e3,
            us(0),
            us(1)
        );
    }
}

/// Flights as a lane would make them, without the lane.
async fn sink_alone(
    name: &str,
    (settings, servers): (RedisSettings, Vec<u32>),
    messages: Vec<Message>,
    flights: usize,
) {
    let sink = Arc::new(RedisSink::new(settings).expect("good settings"));
    let len = messages.len();
    let messages = Arc::new(messages);
    let watch = Watch::begin(servers);
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
    watch.tell(&format!("{name}, {flights} flights"), len);
}

async fn through_a_lane(name: &str, (settings, servers): (RedisSettings, Vec<u32>), messages: Vec<Message>) {
    let road = Road::new(settings);
    let len = messages.len();
    let watch = Watch::begin(servers);
    for message in messages {
        road.push(message).await;
    }
    road.done().await;
    watch.tell(&format!("{name}, through a lane"), len);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long and measures; see the first line"]
async fn speed_of_every_form() {
    let server = Server::start_with(&["--appendonly", "no"]).await;
    let guarded = (settings(&server), vec![server.0.pid()]);
    let plain = (RedisSettings { guard: None, ..settings(&server) }, vec![server.0.pid()]);
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
    let pids = cluster.nodes.iter().map(|node| node.pid()).collect();
    let settings = (RedisSettings { cluster: true, ..settings_to(cluster.urls()[0].clone()) }, pids);
    sink_alone("text, guarded, cluster of three", settings.clone(), messages(text), FLIGHTS).await;
    through_a_lane("text, guarded, cluster of three", settings, messages(text)).await;
}
