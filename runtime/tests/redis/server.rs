//! A private Redis for one test: own folder, own port, own process group, gone when it is dropped.

use redis::{Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(30);

pub struct Server {
    folder: TempDir,
    pub port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

/// A port that nobody listens on, low enough for what a cluster adds to it.
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Options as on the command line: `["--maxmemory", "4mb"]`.
    pub fn start_with(options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self::start_in(folder, free_port(), options)
    }

    /// For options that name files of the folder or the port.
    pub fn start_in(folder: TempDir, port: u16, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { folder, port, options, child: None };
        server.launch();
        server.wait_until_up();
        server
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn launch(&mut self) {
        let mut command = Command::new("redis-server");
        // Sentinels want a file of their own that they can write; it is the first option then.
        let (file, rest) = match self.options.split_first() {
            Some((first, rest)) if !first.starts_with("--") => (Some(first), rest),
            _ => (None, &self.options[..]),
        };
        command.args(file).args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(self.folder.path());
        command.args(["--loglevel", "warning"]).args(rest);
        if !rest.iter().any(|option| option == "--save" || option == "--sentinel") {
            command.args(["--save", ""]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // SAFETY: one system call between fork and exec, which touches no memory of ours.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        self.child = Some(command.spawn().expect("redis-server starts; install it (package redis-server)"));
    }

    /// Until it answers a PING, be it with an error (no password, still loading).
    pub fn wait_until_up(&mut self) {
        let deadline = Instant::now() + START_MAX;
        while !self.answers() {
            if let Some(end) = self.child.as_mut().and_then(|child| child.try_wait().expect("a child")) {
                panic!("redis-server ended with {end}");
            }
            assert!(Instant::now() < deadline, "redis-server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        if self.options.iter().any(|option| option == "--tls-port") {
            return std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        let ask = || -> std::io::Result<bool> {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut first = [0];
            stream.read_exact(&mut first)?;
            Ok(matches!(&first, b"+" | b"-"))
        };
        ask().unwrap_or(false)
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child");
            child.wait().expect("a child");
        }
    }

    pub fn restart(&mut self) {
        self.kill9();
        self.launch();
        self.wait_until_up();
    }

    /// The process stands still, as under a debugger or on a stalled machine; connections are taken and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().expect("a running server").id();
        kill_process(Pid::from_raw(pid as i32).expect("a pid"), signal).expect("our own child");
    }

    /// A witness that shares nothing with the sink but the protocol.
    pub fn witness(&self) -> Witness {
        let client = redis::Client::open(self.url()).expect("an address");
        Witness(client.get_connection().expect("a connection"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
    }
}

pub struct Witness(pub Connection);

impl Witness {
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

    pub fn hash(&mut self, key: &str) -> std::collections::BTreeMap<String, String> {
        self.ask(&["HGETALL", key])
    }
}
