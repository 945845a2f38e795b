//! A PostgreSQL of one's own: private data folder, free port, own socket, gone when dropped.

use super::daemon::{Daemon, Kind, Place, as_server};
use super::errand;
use super::installation::Installation;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const USER: &str = "sluicegate";
/// Half a second on a quiet machine.
const INIT_LIMIT: Duration = Duration::from_secs(60);

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

/// A running PostgreSQL.
pub type Postgres = Daemon<PostgresKind>;

/// What is special about PostgreSQL.
pub struct PostgresKind {
    installation: Installation,
    password: String,
    options: PostgresOptions,
}

impl Postgres {
    /// Makes a cluster and starts it. Returns when it answers queries.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let installation = Installation::obtain(options.version).await?;
        let place = Place::make("pg")?;
        let password = format!("{:032x}", rand::random::<u128>());
        let kind = PostgresKind { installation, password, options };
        kind.init(&place).await?;
        Self::launch(kind, place).await
    }

    /// `postgres://user:password@127.0.0.1:port/postgres`, with a SCRAM password.
    pub fn url(&self) -> String {
        self.kind.url(&self.place)
    }

    /// The same server over its Unix socket.
    pub fn socket_url(&self) -> String {
        let folder = self.place.path().join("socket");
        format!("postgres:///postgres?user={USER}&host={}&port={}", folder.display(), self.port())
    }

    pub fn major(&self) -> u32 {
        self.kind.installation.major
    }

    /// The folder with the server's programs. A fetched server has no client programs.
    pub fn bin_dir(&self) -> &Path {
        &self.kind.installation.bin
    }

    /// A superuser's connection. It ends with the client.
    pub async fn connect(&self) -> Result<Client> {
        connect(&self.url()).await
    }
}

/// A connection to the server at `url`. It ends with the client.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

impl Kind for PostgresKind {
    const NAME: &'static str = "PostgreSQL";
    const STOP: &'static [(Signal, Duration)] =
        &[(Signal::SIGINT, Duration::from_secs(10)), (Signal::SIGQUIT, Duration::from_secs(5))];
    /// PostgreSQL's immediate shutdown, which takes its children along.
    const FAREWELL: (Signal, Duration) = (Signal::SIGQUIT, Duration::from_secs(5));

    fn command(&self, place: &Place) -> Result<Command> {
        self.configure(place)?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(place.data());
        Ok(command)
    }

    async fn probe(&self, place: &Place) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url(place), NoTls).await?;
        let connection = tokio::spawn(connection);
        let answered = client.simple_query("SELECT 1").await;
        drop(client);
        // The answer is known; how the connection ends says nothing more.
        let _ = connection.await;
        answered.map(drop).context("ask PostgreSQL")
    }

    fn version(&self) -> &str {
        &self.installation.version
    }
}

impl PostgresKind {
    fn url(&self, place: &Place) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres", self.password, place.port)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = as_server(self.installation.bin.join(name));
        // A caller's PGDATA, PGPORT and the like are about another server.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command
    }

    async fn init(&self, place: &Place) -> Result<()> {
        let password_file = place.write("socket/password", self.password.as_bytes())?;
        let mut command = self.program("initdb");
        command.args(["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        command.args(["--username", USER]).arg("--pwfile").arg(&password_file).arg("--pgdata").arg(place.data());
        if !self.options.fsync {
            command.arg("--no-sync");
        }
        errand::run("initdb", command, INIT_LIMIT).await?;
        std::fs::remove_file(&password_file).context("remove the password file")
    }

    fn configure(&self, place: &Place) -> Result<()> {
        let path = place.data().join("postgresql.conf");
        let text = std::fs::read_to_string(&path).context("read postgresql.conf")?;
        if !text.contains("include 'own.conf'") {
            std::fs::write(&path, text + "\ninclude 'own.conf'\n").context("write postgresql.conf")?;
        }
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("port = {}", place.port),
            format!("unix_socket_directories = '{}'", place.path().join("socket").display()),
            "wal_level = logical".to_owned(),
            "max_replication_slots = 80".to_owned(),
            "max_wal_senders = 80".to_owned(),
            "max_connections = 100".to_owned(),
            "timezone = 'UTC'".to_owned(),
            format!("fsync = {}", if self.options.fsync { "on" } else { "off" }),
        ];
        lines.extend(self.options.conf.iter().cloned());
        place.write("data/own.conf", (lines.join("\n") + "\n").as_bytes())?;
        Ok(())
    }
}
