//! A Redis of one's own, alone or as a cluster; with TLS and a password where wanted.

use super::daemon::{Daemon, Kind, Place, free_pair, free_port};
use super::debian::{self, Release};
use super::program::Program;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, InfoDict};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A member of a cluster talks to the others on a port this far above its own.
const BUS_DISTANCE: u16 = 10_000;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What kind of server is wanted.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Arguments of the server, such as `--maxmemory` and `10mb`; they win over ours.
    pub args: Vec<String>,
    /// Of the user `default`; there is none unless set.
    pub password: Option<String>,
    /// TLS instead of plain TCP.
    pub tls: Option<TlsFiles>,
    /// `false` is quicker and loses data in a power cut, though not when the server is killed.
    pub fsync: bool,
}

/// PEM files; the server gets copies.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

/// A running Redis.
pub type Redis = Daemon<RedisKind>;

/// What is special about Redis.
pub struct RedisKind {
    program: Program,
    options: RedisOptions,
    in_cluster: bool,
    version: String,
}

impl Redis {
    /// Starts a server with nothing in it. Returns when it answers.
    pub async fn start(options: RedisOptions) -> Result<Self> {
        Self::start_as(options, false).await
    }

    /// The same as a member of a cluster that knows no others yet.
    pub(super) async fn start_as_member(options: RedisOptions) -> Result<Self> {
        Self::start_as(options, true).await
    }

    async fn start_as(options: RedisOptions, in_cluster: bool) -> Result<Self> {
        let program = obtain().await.context("there is no Redis on this machine")?;
        let place = Place::make(RedisKind::NAME)?;
        if let Some(tls) = &options.tls {
            for (name, path) in [("cert", &tls.cert), ("key", &tls.key), ("ca", &tls.ca)] {
                let pem = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
                place.write(&format!("data/{name}.pem"), &pem)?;
            }
        }
        let kind = RedisKind { program, options, in_cluster, version: String::new() };
        let mut server = Self::launch(kind, place).await?;
        let info: InfoDict = redis::cmd("INFO").query_async(&mut server.connect().await?).await?;
        server.kind.version = info.get("redis_version").context("Redis does not say its version")?;
        Ok(server)
    }

    /// `redis://127.0.0.1:PORT/`, `rediss://` with TLS, and `:password@` where there is one.
    pub fn url(&self) -> String {
        let scheme = if self.kind.options.tls.is_some() { "rediss" } else { "redis" };
        let password = self.kind.options.password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        format!("{scheme}://{password}127.0.0.1:{}/", self.port())
    }

    /// A connection over the Unix socket, past TLS, with all rights.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        self.kind.connect(&self.place).await
    }
}

impl Kind for RedisKind {
    const NAME: &'static str = "Redis";
    const STOP: &'static [(Signal, Duration)] = &[(Signal::SIGTERM, Duration::from_secs(10))];

    fn command(&self, place: &Place) -> Result<Command> {
        let mut command = self.program.command();
        let port = place.port.to_string();
        if self.options.tls.is_some() {
            command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
            for (option, name) in [("--tls-cert-file", "cert"), ("--tls-key-file", "key"), ("--tls-ca-cert-file", "ca")]
            {
                command.arg(option).arg(place.data().join(format!("{name}.pem")));
            }
            if self.in_cluster {
                command.args(["--tls-cluster", "yes"]);
            }
        } else {
            command.args(["--port", &port]);
        }
        command.args(["--bind", "127.0.0.1"]).arg("--unixsocket").arg(place.socket()).arg("--dir").arg(place.data());
        // Every command is handed to the system before it is answered: a killed server has lost nothing.
        let fsync = if self.options.fsync { "always" } else { "no" };
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", fsync]);
        if self.in_cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        }
        if let Some(password) = &self.options.password {
            command.arg("--requirepass").arg(password);
        }
        command.args(&self.options.args);
        Ok(command)
    }

    async fn probe(&self, place: &Place) -> Result<()> {
        // While it reads its data, it answers with an error.
        redis::cmd("PING").query_async(&mut self.connect(place).await?).await.context("ask Redis")
    }

    fn free_port(&self) -> Result<u16> {
        if self.in_cluster { free_pair(BUS_DISTANCE) } else { free_port() }
    }

    fn version(&self) -> &str {
        &self.version
    }
}

impl RedisKind {
    async fn connect(&self, place: &Place) -> Result<MultiplexedConnection> {
        let password = self.options.password.as_ref().map_or(String::new(), |password| format!("?pass={password}"));
        let client = Client::open(format!("redis+unix://{}{password}", place.socket().display()));
        // On a machine that is busy with what is measured or killed an answer may take longer than the half second of the client.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_LIMIT));
        client?.get_multiplexed_async_connection_with_config(&config).await.context("connect to Redis")
    }
}

async fn obtain() -> Result<Program> {
    if let Some(chosen) = Program::chosen("SLUICEGATE_REDIS")? {
        return Ok(chosen);
    }
    if let Some(installed) = Program::on_the_machine(&["redis-server"]) {
        return Ok(installed);
    }
    let root = debian::packages("redis-server", "Redis (35 MB)", Release::OfTheMachine).await;
    let root = root.context(
        "install one (on Debian: apt-get install redis-server), or set SLUICEGATE_REDIS to the program `redis-server`",
    )?;
    Ok(Program::unpacked(root, "usr/bin/redis-server"))
}
