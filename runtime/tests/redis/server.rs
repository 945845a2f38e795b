//! What tests of Redis need beside the server itself: to freeze it, and to look into it.

use redis::{Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use xtask::servers::{Redis, RedisOptions};

pub struct Server(pub Redis);

impl Server {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Options as on the command line: `["--maxmemory", "4mb"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self(Redis::start(RedisOptions { args, ..RedisOptions::default() }).await.expect("a Redis"))
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The process stands still, as on a stalled machine: connections are taken and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.pid() as i32).expect("a pid");
        kill_process(pid, signal).expect("our own child");
    }

    pub fn witness(&self) -> Witness {
        Witness::new(&self.url())
    }
}

/// Looks into a server and shares nothing with the sink but the protocol.
pub struct Witness(pub Connection);

impl Witness {
    pub fn new(url: &str) -> Self {
        let client = redis::Client::open(url).expect("an address");
        Self(client.get_connection().expect("a connection"))
    }

    pub fn ask<T: FromRedisValue>(&mut self, line: &[&str]) -> T {
        self.try_ask(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    pub fn try_ask<T: FromRedisValue>(&mut self, line: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(line[0]);
        for part in &line[1..] {
            command.arg(*part);
        }
        command.query(&mut self.0)
    }

    pub fn get(&mut self, key: &str) -> Option<String> {
        self.ask(&["GET", key])
    }

    pub fn hash(&mut self, key: &str) -> BTreeMap<String, String> {
        self.ask(&["HGETALL", key])
    }
}
