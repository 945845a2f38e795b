//! A folder with one pipeline, a database of its own, and the program that runs the folder. Everything is gone on drop, and
//! whatever the program wrote to standard error by then is searched for secrets.

use crate::postgres::{Server, Sql};
use crate::receiver::{PATIENCE, Receiver};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TABLE: &str = include_str!("../../../pipelines/parcels/table.sql");
const ADMIN_PORT: u16 = 8900;
/// An answer of the admin address takes no longer.
const ADMIN_PATIENCE: Duration = Duration::from_secs(10);

// What must never be seen in what the program writes.
pub const PASSWORD: &str = "hush-password";
pub const HOST_TOKEN: &str = "hush-host-token";
pub const URL_TOKEN: &str = "hush-url-token";
/// The key behind it is `hush-signing-secret-0123`.
pub const SIGNING_SECRET: &str = "whsec_aHVzaC1zaWduaW5nLXNlY3JldC0wMTIz";
pub const SIGNING_KEY: &[u8] = b"hush-signing-secret-0123";
/// Stands in every row.
pub const ADDRESS: &str = "Rua Secreta 17";

/// One server for all tests that do nothing to it but use it; it stops with the last of them.
pub fn shared_server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    // A test that failed while starting it leaves nothing half made.
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start(&["max_replication_slots=64", "max_wal_senders=64", "max_connections=200"]));
    *shared = Arc::downgrade(&server);
    server
}

pub struct House {
    name: &'static str,
    folder: TempDir,
    admin: SocketAddrV4,
    database_url: String,
    host: String,
    pipeline: String,
    members: String,
    environment: Vec<(&'static str, String)>,
    arguments: Vec<&'static str>,
    process: Option<Child>,
    server: Option<Arc<Server>>,
}

impl House {
    /// A pipeline of parcels on a database of its own, in which the table is made; database, slot and publication have
    /// the name of the house.
    pub fn new(name: &'static str) -> House {
        let server = shared_server();
        server.sql("postgres").run(&format!("CREATE DATABASE {name}"));
        let mut house = House::at(name, server.port, name);
        server.sql(name).run(&table());
        house.server = Some(server);
        house
    }

    /// A pipeline on a server that is the test's own business.
    pub fn at(name: &'static str, port: u16, database: &str) -> House {
        let folder = tempfile::Builder::new().prefix("sluicegate-run-").tempdir().expect("a folder");
        fs::create_dir(folder.path().join("parcels")).expect("a folder for the pipeline");
        let mut house = House {
            name,
            folder,
            admin: SocketAddrV4::new(own_address(), ADMIN_PORT),
            database_url: String::new(),
            host: String::new(),
            pipeline: "tables = [\"public.package_status\"]\n".into(),
            members: String::new(),
            environment: vec![("SIGNING_SECRET", SIGNING_SECRET.into()), ("HOST_TOKEN", HOST_TOKEN.into())],
            arguments: Vec::new(),
            process: None,
            server: None,
        };
        house.connect_as("postgres", port, database);
        house
    }

    pub fn connect_as(&mut self, user: &str, port: u16, database: &str) {
        self.database_url = format!("postgres://{user}:{PASSWORD}@127.0.0.1:{port}/{database}");
    }

    /// A line more in `[host]`.
    pub fn host(mut self, line: &str) -> House {
        self.host += &format!("{line}\n");
        self
    }

    /// What the pipeline says of itself, in place of the one table.
    pub fn pipeline(mut self, lines: &str) -> House {
        self.pipeline = format!("{lines}\n");
        self
    }

    pub fn customer(self, member: &str, receiver: &Receiver) -> House {
        self.customer_at(member, &receiver.url(), "")
    }

    /// A customer with terms of its own, as `, timeout = "1s"`.
    pub fn customer_at(mut self, member: &str, url: &str, terms: &str) -> House {
        writeln!(self.members, "member.{member} = {{ url = \"{url}\"{terms} }}").expect("a string takes everything");
        self
    }

    pub fn guest(self, module: &Path) -> House {
        self.put_guest(&fs::read(module).expect("the module"));
        self
    }

    pub fn environment(mut self, name: &'static str, value: &str) -> House {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// One more argument of `run`.
    pub fn argument(mut self, argument: &'static str) -> House {
        self.arguments.push(argument);
        self
    }

    /// Puts a guest in place as a careful author would: written beside, then renamed.
    pub fn put_guest(&self, bytes: &[u8]) {
        let beside = self.path("parcels/.parcels.wasm.new");
        fs::write(&beside, bytes).expect("the folder can be written");
        fs::rename(beside, self.path("parcels/parcels.wasm")).expect("the guest in its place");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the two files.
    pub fn write(&self) {
        let House { name, admin, host, pipeline, members, .. } = self;
        let host_file = format!(
            "[host]\nadmin = \"{admin}\"\nstate = \"state\"\n{host}\n\
             [source.erp]\nkind = \"postgres\"\nurl = \"${{ERP_URL}}\"\nslot = \"{name}\"\npublication = \"{name}\"\n"
        );
        let pipeline_file = format!(
            "sources = [\"erp\"]\n{pipeline}\n[target.customers]\nkind = \"http\"\nsign = \"${{SIGNING_SECRET}}\"\n\
             retry = {{ first = \"100ms\", max = \"500ms\" }}\n{members}\n\
             [[route]]\nname = \"customer\"\nto = \"customers\"\nmember = \"{{customer_id}}\"\nkey = \"{{package_id}}\"\n\
             body = \"flat\"\n"
        );
        fs::write(self.path("sluicegate.toml"), host_file).expect("the folder can be written");
        fs::write(self.path("parcels/pipeline.toml"), pipeline_file).expect("the folder can be written");
    }

    /// Writes the files and starts the program.
    pub fn start(mut self) -> House {
        self.write();
        self.run();
        self
    }

    /// Starts the program.
    pub fn run(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let log = fs::File::options().create(true).append(true).open(self.path("stderr")).expect("a log file");
        let mut command = self.command();
        command.arg("run").arg(self.folder.path()).args(&self.arguments).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("the program starts"));
    }

    /// The program with this house's environment, and nothing else of ours.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        command.env_remove("RUST_LOG").env("ERP_URL", &self.database_url).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end, with the folder behind the first argument: exit code, standard output and error.
    pub fn verb(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command();
        command.arg(arguments[0]).arg(self.folder.path()).args(&arguments[1..]);
        ended(command, self)
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> i32 {
        self.stop_by(Signal::TERM)
    }

    /// What Ctrl-C sends, and the exit code.
    pub fn interrupt(&mut self) -> i32 {
        self.stop_by(Signal::INT)
    }

    fn stop_by(&mut self, signal: Signal) -> i32 {
        let child = self.process.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it is our child");
        self.exit_code()
    }

    /// Waits until the program ends by itself or because it was asked.
    pub fn exit_code(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        let mut child = self.process.take().expect("it runs");
        while child.try_wait().expect("it is our child").is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it did not end within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = child.wait().expect("it has ended");
        status.code().unwrap_or_else(|| panic!("{status}:\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    pub fn sql(&self) -> Sql {
        self.server.as_ref().expect("a house of the shared server").sql(self.name)
    }

    /// GET on the admin address: status and body. `None` if nobody answers.
    pub fn try_get(&self, path: &str, token: Option<&str>) -> Option<(u16, String)> {
        let authorization = token.map(|t| format!("authorization: Bearer {t}\r\n")).unwrap_or_default();
        self.ask(&format!("GET {path}"), &authorization, "")
    }

    /// POST on the admin address, with lines of the head: status and body.
    pub fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let headers = format!("{headers}content-length: {}\r\n", body.len());
        let answer = self.ask(&format!("POST {path}"), &headers, body);
        answer.unwrap_or_else(|| panic!("the admin address does not answer:\n{}", self.log()))
    }

    fn ask(&self, what: &str, headers: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        stream.set_read_timeout(Some(ADMIN_PATIENCE)).expect("a limit above zero");
        let request = format!("{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n{body}");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path, None).unwrap_or_else(|| panic!("the admin address does not answer:\n{}", self.log()))
    }

    pub fn status(&self) -> Value {
        let (code, body) = self.get("/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("/status is JSON")
    }

    /// Waits until `/ready` is green.
    pub fn ready(&self) {
        self.until("/ready is green", || self.try_get("/ready", None).is_some_and(|(code, _)| code == 200));
    }

    /// Waits until `/ready` is red with these words.
    pub fn not_ready(&self, words: &str) {
        let red = |(code, body): (u16, String)| code == 503 && body.contains(words);
        self.until(&format!("/ready is red with {words:?}"), || self.try_get("/ready", None).is_some_and(red));
    }

    /// Asks again until it is so.
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}\n{:?}\n{}", self.try_get("/status", None), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the database has been told that everything before `lsn` is delivered.
    pub fn confirmed(&self, sql: &Sql, lsn: &str) -> bool {
        let name = self.name;
        let asked =
            format!("SELECT confirmed_flush_lsn >= '{lsn}' FROM pg_replication_slots WHERE slot_name = '{name}'");
        sql.one(&asked) == "t"
    }

    fn search_for_secrets(&self, what: &str, text: &str) {
        for secret in [PASSWORD, HOST_TOKEN, URL_TOKEN, &SIGNING_SECRET["whsec_".len()..], ADDRESS] {
            assert!(!text.contains(secret), "{what} holds {secret:?}:\n{text}");
        }
        assert!(!text.contains("panicked at"), "{what}:\n{text}");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let status = self.try_get("/status", None);
            eprintln!("--- {} on {}: {status:?}\n{}---", self.name, self.admin, self.log());
        }
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            self.search_for_secrets("standard error", &self.log());
        }
    }
}

/// Runs a command to its end: exit code, standard output and error.
fn ended(mut command: Command, house: &House) -> (i32, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let pid = Pid::from_child(&child);
    let (tell, told) = std::sync::mpsc::channel::<()>();
    // Whoever runs for longer is killed, so that the test fails instead of hanging.
    let guard = std::thread::spawn(move || {
        if told.recv_timeout(PATIENCE).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("it is our child");
    drop(tell);
    guard.join().expect("the guard does not panic");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    house.search_for_secrets("output", &format!("{out}{err}"));
    (output.status.code().unwrap_or(-1), out, err)
}

/// The story's table; the whole row stands in the log of updates and deletes.
pub fn table() -> String {
    format!("{TABLE}; ALTER TABLE package_status REPLICA IDENTITY FULL")
}

/// One step of a parcel. `number` stands in `next_address`.
pub fn step(package: u32, customer: u32, number: u32) -> String {
    format!(
        "INSERT INTO package_status (package_id, customer_id, actual_address, next_address, status) \
         VALUES ({package}, {customer}, '{ADDRESS}', '{number}', 'In Transit')"
    )
}

/// The end of the log as it is now.
pub fn log_end(sql: &Sql) -> String {
    sql.one("SELECT pg_current_wal_insert_lsn()")
}

/// A loopback address that nobody else on this machine uses, so that whoever listens and knocks there is this test: free
/// ports of 127.0.0.1 are soon somebody else's.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 128 | pid[2], pid[3], NEXT.fetch_add(1, Relaxed))
}

/// A port of 127.0.0.1 where nothing listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}
