//! A PostgreSQL of one's own: private data folder, free port, own socket, gone when dropped.
//!
//! PostgreSQL refuses to run as root. When we are root, it runs as nobody, who gets the data folder and nothing else.

use super::installation::{Installation, is_passable};
use crate::process::Process;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The user and group for servers when we are root: nobody.
const NOBODY: u32 = 65534;
const USER: &str = "sluicegate";
/// From start to the first answered query, recovery after a kill included.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Another process may take the port between our look and the server's start.
const PORT_ATTEMPTS: u32 = 5;
/// A path for a Unix socket has at most 104 bytes on the strictest system.
const FOLDER_LEN_MAX: usize = 60;

/// What kind of server is wanted.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// The major version; `None` for whatever is at hand, the newest first.
    pub version: Option<u32>,
    /// `false` is twice as quick to start and loses data in a power cut: for tests of logic only.
    pub fsync: bool,
    /// Lines for `postgresql.conf`; they win over ours.
    pub conf: Vec<String>,
}

/// A running server; stopped and its data removed on drop.
pub struct Postgres {
    // Declared first: the process ends before its folder is removed.
    process: Process,
    installation: Installation,
    folder: TempDir,
    password: String,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it. Returns when it answers queries.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let installation = Installation::obtain(options.version).await?;
        let folder = private_folder()?;
        let password = format!("{:032x}", rand::random::<u128>());
        init(&installation, folder.path(), &password, options.fsync).await?;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            configure(folder.path(), port, &options)?;
            let mut process = launch(&installation, folder.path())?;
            if wait_until_ready(&mut process, folder.path(), &url(&password, port)).await? {
                return Ok(Self { process, installation, folder, password, port });
            }
        }
        bail!("found no free port for PostgreSQL in {PORT_ATTEMPTS} attempts")
    }

    /// `postgres://user:password@127.0.0.1:port/postgres`, with a SCRAM password.
    pub fn url(&self) -> String {
        url(&self.password, self.port)
    }

    /// The same server over its Unix socket.
    pub fn socket_url(&self) -> String {
        let folder = self.folder.path().join("socket");
        format!("postgres:///postgres?user={USER}&host={}&port={}", folder.display(), self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `18.6`
    pub fn version(&self) -> &str {
        &self.installation.version
    }

    pub fn major(&self) -> u32 {
        self.installation.major
    }

    /// The folder with the server's programs. A fetched server has no client programs.
    pub fn bin_dir(&self) -> &Path {
        &self.installation.bin
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A superuser's connection. It ends with the client.
    pub async fn connect(&self) -> Result<Client> {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), NoTls).await.context("connect to PostgreSQL")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Stops in order: connections are cut, the log is flushed. The data stays until drop.
    pub async fn stop(&mut self) {
        let steps = [(Signal::SIGINT, Duration::from_secs(10)), (Signal::SIGQUIT, Duration::from_secs(5))];
        self.process.stop(&steps).await;
    }

    /// Stops if it still runs, and starts on the same data and the same port.
    pub async fn restart(&mut self) -> Result<()> {
        if self.process.ended().is_none() {
            self.stop().await;
        }
        self.launch_again().await
    }

    /// As a power cut would: no farewell, recovery at the next [`restart`](Self::restart).
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    async fn launch_again(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let url = self.url();
        loop {
            // After a kill its orphaned backends hold the shared memory for a moment, and a new server refuses to start.
            self.process = launch(&self.installation, self.folder.path())?;
            match wait_until_ready(&mut self.process, self.folder.path(), &url).await {
                Ok(true) => return Ok(()),
                Ok(false) | Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(false) => bail!("port {} was taken while PostgreSQL was down", self.port),
                Err(failure) => return Err(failure),
            }
        }
    }
}

fn url(password: &str, port: u16) -> String {
    format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres")
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn private_folder() -> Result<TempDir> {
    let usual = std::env::temp_dir();
    let fits = usual.as_os_str().len() <= FOLDER_LEN_MAX && (!is_root() || is_passable(&usual));
    let parent = if fits { usual } else { PathBuf::from("/tmp") };
    let folder = tempfile::Builder::new()
        .prefix("sluicegate-pg-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(&parent);
    let folder =
        folder.with_context(|| format!("make a folder in {}; TMPDIR can name another place", parent.display()))?;
    for part in ["data", "socket"] {
        let path = folder.path().join(part);
        std::fs::create_dir(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        give_away(&path)?;
    }
    Ok(folder)
}

fn give_away(path: &Path) -> Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))
            .with_context(|| format!("give {} to the server's user", path.display()))?;
    }
    Ok(())
}

fn program(installation: &Installation, name: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(installation.bin.join(name));
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    // A caller's PGDATA, PGPORT and the like are about another server.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

async fn init(installation: &Installation, folder: &Path, password: &str, fsync: bool) -> Result<()> {
    let password_file = folder.join("socket/password");
    std::fs::write(&password_file, password).context("write the password file")?;
    give_away(&password_file)?;
    let mut command = program(installation, "initdb");
    command.args([
        "--encoding=UTF8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--username",
        USER,
    ]);
    command.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(folder.join("data"));
    if !fsync {
        command.arg("--no-sync");
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await?.context("start initdb")?;
    std::fs::remove_file(&password_file).context("remove the password file")?;
    if !output.status.success() {
        bail!(
            "initdb of PostgreSQL {} failed: {}",
            installation.version,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn configure(folder: &Path, port: u16, options: &PostgresOptions) -> Result<()> {
    let path = folder.join("data/postgresql.conf");
    let own = folder.join("data/own.conf");
    let text = std::fs::read_to_string(&path).context("read postgresql.conf")?;
    if !text.contains("include 'own.conf'") {
        std::fs::write(&path, text + "\ninclude 'own.conf'\n").context("write postgresql.conf")?;
    }
    let mut lines = vec![
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("port = {port}"),
        format!("unix_socket_directories = '{}'", folder.join("socket").display()),
        "wal_level = logical".to_owned(),
        "max_replication_slots = 80".to_owned(),
        "max_wal_senders = 80".to_owned(),
        "max_connections = 100".to_owned(),
        "timezone = 'UTC'".to_owned(),
        format!("fsync = {}", if options.fsync { "on" } else { "off" }),
    ];
    lines.extend(options.conf.iter().cloned());
    std::fs::write(&own, lines.join("\n") + "\n").context("write own.conf")?;
    give_away(&own)
}

fn launch(installation: &Installation, folder: &Path) -> Result<Process> {
    let log = File::options().create(true).append(true).open(folder.join("log")).context("open the server's log")?;
    let mut command = program(installation, "postgres");
    command.arg("-D").arg(folder.join("data")).stdout(log.try_clone()?).stderr(log);
    // SIGQUIT is PostgreSQL's immediate shutdown: the data is about to be removed anyway.
    Process::spawn("postgres", command, (Signal::SIGQUIT, Duration::from_secs(5)))
}

/// `false` when another process holds the port.
async fn wait_until_ready(process: &mut Process, folder: &Path, url: &str) -> Result<bool> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if process.ended().is_some() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            if log.lines().rev().take(10).any(|line| line.contains("Address already in use")) {
                return Ok(false);
            }
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            bail!("PostgreSQL ended while starting: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | "));
        }
        match tokio_postgres::connect(url, NoTls).await {
            Ok((client, connection)) => {
                let connection = tokio::spawn(connection);
                let answered = client.simple_query("SELECT 1").await;
                drop(client);
                let _ = connection.await;
                if answered.is_ok() {
                    return Ok(true);
                }
            }
            Err(failure) if Instant::now() > deadline => {
                bail!("PostgreSQL did not answer within {} s: {failure}", START_LIMIT.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A TCP port of the loopback address that nobody holds right now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).context("find a free port")?.port())
}
