//! A master behind sentinels, and what happens when it dies.

use super::server::Server;
use super::writer::{At, Road, TEXT, message, refused, settings_to};
use sluicegate::change::{Act, Op};
use sluicegate::fault::Fault;
use sluicegate::sink::redis::{RedisSettings, RedisSink, SentinelSettings};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tempfile::TempDir;

/// A sentinel is the server's program with another face.
struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    fn start(master: &Server) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("sentinel.conf");
        let lines = [
            format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.path().display()),
            format!("sentinel monitor shop 127.0.0.1 {} 1\n", master.0.port()),
            "sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n".into(),
        ];
        std::fs::write(&file, lines.concat()).expect("written");
        let program = program(master);
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.spawn().expect("a sentinel"), port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }
}

/// The program as the master was started: with a loader before it where the server was fetched rather than installed.
fn program(server: &Server) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{}/cmdline", server.0.pid())).expect("our child");
    let exe = std::fs::read_link(format!("/proc/{}/exe", server.0.pid())).expect("our child");
    if exe.ends_with("redis-server") || exe.ends_with("redis-check-rdb") {
        return vec![exe.display().to_string()];
    }
    let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let before = |word: &String| !word.starts_with("--port") && !word.starts_with("--tls-port");
    words.take_while(before).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_master_is_found_when_the_old_one_dies() {
    let (mut master, replica) = (Server::start().await, Server::start().await);
    let mut witness = replica.witness();
    witness.ask::<()>(&["REPLICAOF", "127.0.0.1", &master.0.port().to_string()]);
    while !witness.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sentinel = Sentinel::start(&master);
    let shop = Some(SentinelSettings { master: "shop".into() });
    // The first one is away, as one of three may be.
    let nodes = vec![sentinel.url()];
    let settings = RedisSettings { sentinel: shop, nodes, ..settings_to("redis://127.0.0.1:1".into()) };
    let road = Road::new(settings.clone());
    let mut learned = super::server::Witness::new(&sentinel.url());
    while !learned.ask::<String>(&["INFO", "sentinel"]).contains("slaves=1") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for n in 1..=3000 {
        road.push(message(At(n, Op::Update), TEXT, &format!("k{}", n % 100), n.to_string().as_bytes())).await;
        road.push(message(At(n, Op::Insert), Act::Append { trim: None }, "s", b"x")).await;
        if n == 1000 {
            road.done().await;
            // What the master took must have reached the replica: Redis itself would lose it otherwise.
            while witness.ask::<i64>(&["XLEN", "s"]) < 1000 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            master.0.kill9();
        }
    }
    road.done().await;
    assert_eq!(road.stats.dead_total.load(Relaxed), 0, "{:?}", road.stats.last_error.get());
    for last in 2901..=3000u64 {
        assert_eq!(witness.get(&format!("k{}", last % 100)), Some(last.to_string()));
    }
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 3000);

    let other = Some(SentinelSettings { master: "other".into() });
    let unknown = RedisSink::new(RedisSettings { sentinel: other, ..settings }).expect("a sink");
    let step = message(At(1, Op::Update), TEXT, "a", b"1");
    refused(&unknown, step, Fault::Fatal, "no sentinel knows a master \"other\"").await;
}
