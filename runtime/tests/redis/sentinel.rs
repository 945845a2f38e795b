//! A master behind sentinels, and what happens when it dies.

use super::server::Server;
use super::writer::{At, Road, TEXT, message, refused, settings_to};
use sluicegate::change::{Act, Op};
use sluicegate::fault::Fault;
use sluicegate::sink::redis::{RedisSettings, RedisSink, SentinelSettings};
use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(10);

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
        let mut command = sentinel_of(master);
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let sentinel = Self { child: command.spawn().expect("a sentinel"), port, _folder: folder };
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the sentinel does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        sentinel
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

/// The program that the server runs, as a sentinel; with its loader and its libraries where the server was fetched rather than
/// installed.
fn sentinel_of(server: &Server) -> Command {
    let exe = std::fs::read_link(format!("/proc/{}/exe", server.0.pid())).expect("our child");
    let is_redis = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"));
    let mut command = Command::new(&exe);
    if is_redis(&exe) {
        command.arg0("redis-sentinel");
        return command;
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.0.pid())).expect("our child");
    let mapped: BTreeSet<&Path> = maps.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..]))).collect();
    let folders: BTreeSet<&str> = mapped.iter().filter_map(|path| path.parent()?.to_str()).collect();
    command
        .args(["--argv0", "redis-sentinel", "--library-path"])
        .arg(folders.into_iter().collect::<Vec<_>>().join(":"));
    command.args(mapped.into_iter().find(|path| is_redis(path)));
    command
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
    // A sentinel cuts all clients off when it promotes a server.
    let mut witness = replica.witness();
    for last in 2901..=3000u64 {
        assert_eq!(witness.get(&format!("k{}", last % 100)), Some(last.to_string()));
    }
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 3000);

    let other = Some(SentinelSettings { master: "other".into() });
    let unknown = RedisSink::new(RedisSettings { sentinel: other, ..settings }).expect("a sink");
    let step = message(At(1, Op::Update), TEXT, "a", b"1");
    refused(&unknown, step, Fault::Fatal, "no sentinel knows a master \"other\"").await;
}
