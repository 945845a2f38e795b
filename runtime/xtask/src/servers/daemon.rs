//! What every server has in common: a private folder, a free port, a process that is asked until it answers, stopped on
//! every way out, and started again on the same data.
//!
//! ```text
//!   Kind    what differs: command line, first question, signals   (postgres, mysql, redis, kafka)
//!   Daemon  what does not
//! ```
//!
//! When we are root, servers run as nobody, who gets their folder and nothing else: PostgreSQL and MySQL refuse to run as
//! root, and the others have no need to.

use super::cache::is_passable;
use crate::process::Process;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use rand::RngExt as _;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user and group for servers when we are root: nobody.
const NOBODY: u32 = 65534;
/// From start to the first answer, recovery after a kill included; seconds, unless the machine is busy with other things.
const START_LIMIT: Duration = Duration::from_secs(180);
/// One question to a server that may not listen yet.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_PAUSE: Duration = Duration::from_millis(20);
/// For how long a server that ends at once is started again: after a kill its orphans hold its memory for a moment.
const RESTART_LIMIT: Duration = Duration::from_secs(20);
/// Another process may take the port between our look and the server's start.
const PORT_ATTEMPTS: u32 = 5;
/// Below those that Linux gives to outgoing connections.
const PORTS: Range<u16> = 10_240..32_768;
const PORTS_TRIED: u32 = 100;
/// How many pairs of ports are looked at before we give up.
const PAIR_ATTEMPTS: u32 = 200;
/// A path for a Unix socket has at most 104 bytes on the strictest system.
const FOLDER_LEN_MAX: usize = 60;
/// How much of a server's log is quoted when it did not start.
const LAST_WORDS_LINES: usize = 5;
const LAST_WORDS_LEN_MAX: u64 = 64 * 1024;

/// What one kind of server does differently from another.
pub trait Kind: Send + Sync {
    /// As people write it: `PostgreSQL`.
    const NAME: &'static str;
    /// How it is stopped in order.
    const STOP: &'static [(Signal, Duration)];
    /// How it is stopped when nobody wants its data any more.
    const FAREWELL: (Signal, Duration) = (Signal::SIGKILL, Duration::ZERO);

    /// Brings the configuration up to date and says how to start the server in `place`.
    fn command(&self, place: &Place) -> Result<Command>;

    /// Asks the server in `place`, not another one at its port, for a sign of life.
    fn probe(&self, place: &Place) -> impl Future<Output = Result<()>> + Send;

    /// A port, with whatever further ports this kind derives from it.
    fn free_port(&self) -> Result<u16> {
        free_port()
    }

    /// As people write it: `18.6`.
    fn version(&self) -> &str;
}

/// Where one server lives: `data` for what it keeps, `socket` for its Unix socket, `log` for its words.
pub struct Place {
    folder: TempDir,
    pub port: u16,
}

/// A running server; stopped and its data removed on drop.
pub struct Daemon<K: Kind> {
    // Declared first: the process ends before its folder is removed.
    process: Process,
    pub(super) kind: K,
    pub(super) place: Place,
}

impl Place {
    /// Makes the folder; the port is chosen when the server starts.
    pub(super) fn make(kind: &str) -> Result<Self> {
        let usual = std::env::temp_dir();
        let fits = usual.as_os_str().len() <= FOLDER_LEN_MAX && (!is_root() || is_passable(&usual));
        let parent = if fits { usual } else { PathBuf::from("/tmp") };
        let folder = tempfile::Builder::new()
            .prefix(&format!("sluicegate-{}-", kind.to_lowercase()))
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(&parent)
            .with_context(|| format!("make a folder in {}; TMPDIR can name another place", parent.display()))?;
        let place = Self { folder, port: 0 };
        for part in ["data", "socket"] {
            place.make_folder(part)?;
        }
        Ok(place)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the server keeps.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The Unix socket of servers that take a path for it.
    pub fn socket(&self) -> PathBuf {
        self.path().join("socket/s.sock")
    }

    /// Makes a folder for the server's user.
    pub(super) fn make_folder(&self, name: &str) -> Result<()> {
        let path = self.path().join(name);
        std::fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        give_away(&path)
    }

    /// Writes a file for the server's user.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        give_away(&path)?;
        Ok(path)
    }
}

impl<K: Kind> Daemon<K> {
    /// Starts the server. Returns when it answers.
    pub(super) async fn launch(kind: K, mut place: Place) -> Result<Self> {
        for _ in 0..PORT_ATTEMPTS {
            place.port = kind.free_port()?;
            if let Some(process) = started(&kind, &place).await? {
                return Ok(Self { process, kind, place });
            }
        }
        bail!("found no free port for {} in {PORT_ATTEMPTS} attempts", K::NAME)
    }

    pub fn port(&self) -> u16 {
        self.place.port
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The server's own number, as people write it: `18.6`.
    pub fn version(&self) -> &str {
        self.kind.version()
    }

    /// Stops in order: connections are cut, what it keeps is written. The data stays until drop.
    pub async fn stop(&mut self) {
        self.process.stop(K::STOP).await;
    }

    /// Stops if it still runs, and starts on the same data and the same port.
    pub async fn restart(&mut self) -> Result<()> {
        if self.process.ended().is_none() {
            self.stop().await;
        }
        let deadline = Instant::now() + RESTART_LIMIT;
        loop {
            match started(&self.kind, &self.place).await {
                Ok(Some(process)) => {
                    self.process = process;
                    return Ok(());
                }
                Ok(None) | Err(_) if Instant::now() < deadline => tokio::time::sleep(PROBE_PAUSE * 5).await,
                Ok(None) => bail!("port {} was taken while {} was down", self.place.port, K::NAME),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// As a power cut would: no farewell, recovery at the next [`restart`](Self::restart).
    pub fn kill9(&mut self) {
        self.process.kill9();
    }
}

/// Starts a process and waits until it answers; `None` when another process holds the port.
async fn started<K: Kind>(kind: &K, place: &Place) -> Result<Option<Process>> {
    let path = place.path().join("log");
    let log = File::options().create(true).append(true).open(&path).context("open the server's log")?;
    let begun_at = log.metadata().context("look at the server's log")?.len();
    let mut command = kind.command(place)?;
    command.stdout(log.try_clone()?).stderr(log);
    let mut process = Process::spawn(K::NAME, command, K::FAREWELL)?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(how) = process.ended() {
            let words = last_words(&path, begun_at);
            if words.contains("Address already in use") {
                return Ok(None);
            }
            bail!("{} ended while starting ({how}): {}", K::NAME, last_lines(&words));
        }
        let answer = tokio::time::timeout(PROBE_LIMIT, kind.probe(place)).await;
        match answer.context("no answer").flatten() {
            Ok(()) => return Ok(Some(process)),
            Err(failure) if Instant::now() > deadline => {
                let words = last_words(&path, begun_at);
                let (name, limit) = (K::NAME, START_LIMIT.as_secs());
                bail!("{name} did not answer within {limit} s ({failure:#}): {}", last_lines(&words))
            }
            Err(_) => tokio::time::sleep(PROBE_PAUSE).await,
        }
    }
}

/// What the log says since `begun_at`; its end when that is much.
fn last_words(log: &Path, begun_at: u64) -> String {
    let mut words = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let len = file.metadata().map_or(0, |found| found.len());
        let from = begun_at.max(len.saturating_sub(LAST_WORDS_LEN_MAX));
        // A log that cannot be read leaves the words empty; the exit status is said anyway.
        let _ = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut words));
    }
    String::from_utf8_lossy(&words).into_owned()
}

fn last_lines(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join(" | ")
}

/// A command that runs as the server's user, in no folder of ours.
pub(super) fn as_server(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Makes `path` the server's own.
fn give_away(path: &Path) -> Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))
            .with_context(|| format!("give {} to the server's user", path.display()))?;
    }
    Ok(())
}

pub(super) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A TCP port of the loopback address that nobody holds right now. Not one of those that the kernel gives to outgoing connections: a
/// server that is killed and started again would find its own taken now and then.
pub(crate) fn free_port() -> Result<u16> {
    for _ in 0..PORTS_TRIED {
        let port = rand::rng().random_range(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("found no free port from {} to {} in {PORTS_TRIED} attempts", PORTS.start, PORTS.end - 1)
}

/// A free port whose neighbour `distance` above is free as well.
pub(super) fn free_pair(distance: u16) -> Result<u16> {
    for _ in 0..PAIR_ATTEMPTS {
        let first = free_port()?;
        if let Some(second) = first.checked_add(distance)
            && TcpListener::bind(("127.0.0.1", second)).is_ok()
        {
            return Ok(first);
        }
    }
    bail!("found no two free ports {distance} apart in {PAIR_ATTEMPTS} attempts")
}
