//! A private PostgreSQL for one test: own folder, own port, own process group, gone when it is dropped.
//!
//! `SLUICEGATE_POSTGRES` chooses the version; it is found on the machine or fetched, as all of the project's commands do.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::servers::Installation;

/// PostgreSQL refuses to run as root: then it runs as nobody.
const NOBODY: u32 = 65534;
const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(15);

pub struct Server {
    folder: TempDir,
    bin: PathBuf,
    pub port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

/// A connection for plain SQL.
pub struct Sql {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Sql {
    pub fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    pub fn try_run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// The first column of the first row, as text; empty for null or no row.
    pub fn one(&self, sql: &str) -> String {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        for message in messages {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                return row.get(0).unwrap_or_default().to_owned();
            }
        }
        String::new()
    }
}

/// The folder of `initdb` and `postgres`, the same for all tests of a process.
fn installed() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let obtain = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Installation::obtain(None)).unwrap_or_else(|e| panic!("no PostgreSQL: {e:#}")).bin
    };
    // On a thread of its own: a test may run inside a runtime already.
    BIN.get_or_init(|| std::thread::spawn(obtain).join().expect("a PostgreSQL is found or fetched")).clone()
}

impl Server {
    /// Starts a server with `wal_level = logical`, unless `options` (as `name=value`) say otherwise.
    pub fn start(options: &[&str]) -> Server {
        let bin = installed();
        let folder = tempfile::Builder::new().prefix("sluicegate-pg-").tempdir().expect("a folder under /tmp");
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give a folder away");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut all: Vec<String> = [
            "wal_level=logical",
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "max_wal_senders=20",
            "max_replication_slots=20",
            "autovacuum=off",
            "log_statement=none",
        ]
        .map(str::to_owned)
        .to_vec();
        all.push(format!("unix_socket_directories={}", folder.path().display()));
        all.push(format!("port={port}"));
        all.extend(options.iter().map(|o| (*o).to_owned()));
        let mut server = Server { folder, bin, port, options: all, child: None };
        let data = server.data();
        let made = server
            .command("initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.go();
        server
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a file into the data folder, readable by the server alone.
    pub fn put(&self, name: &str, contents: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.data().join(name);
        std::fs::write(&path, contents).expect("the data folder can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is our file");
        if is_root() {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give a file away");
        }
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The same over the Unix socket.
    pub fn url_unix(&self, database: &str) -> String {
        format!("postgres://postgres@/{database}?host={}&port={}", self.folder().display(), self.port)
    }

    pub fn sql(&self, database: &str) -> Sql {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder()).port(self.port).user("postgres").dbname(database);
        let (client, connection) = runtime.block_on(config.connect(tokio_postgres::NoTls)).expect("the server is up");
        runtime.spawn(connection);
        Sql { runtime, client }
    }

    /// Stops the server as an administrator would, and starts it again.
    pub fn restart(&mut self) {
        self.halt();
        self.go();
    }

    /// Stops the server and leaves it so.
    pub fn halt(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = Pid::from_child(&child);
        // First as an administrator would, then at once: each backend has a process group of its own, and only the
        // postmaster knows them all.
        for signal in [Signal::INT, Signal::QUIT] {
            let _ = kill_process(pid, signal);
            let deadline = Instant::now() + STOP_MAX;
            while Instant::now() < deadline {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = child.wait();
    }

    /// Starts a stopped server.
    pub fn go(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        for option in &self.options {
            command.arg("-c").arg(option);
        }
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder().join("log")).expect("a log file");
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        self.child = Some(command.spawn().expect("postgres starts"));
        let deadline = Instant::now() + START_MAX;
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "no server within {START_MAX:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    fn is_ready(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder()).port(self.port).user("postgres").dbname("postgres");
        runtime.block_on(async { config.connect(tokio_postgres::NoTls).await.is_ok() })
    }

    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
