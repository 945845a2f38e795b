//! Real servers for tests, found or fetched as all of the project's commands do, gone when the last test lets go of them.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Value};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, Weak};
use tokio::runtime::Runtime;
use xtask::servers::{Mariadb, Mysql, MysqlOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mysql,
    Mariadb,
}

pub const BOTH: [Kind; 2] = [Kind::Mysql, Kind::Mariadb];

enum Running {
    Mysql(Mysql),
    Mariadb(Mariadb),
}

pub struct Server {
    pub kind: Kind,
    running: Running,
    runtime: Runtime,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

impl Server {
    /// A private server with these arguments on top of the usual ones.
    pub fn start(kind: Kind, args: &[&str]) -> Server {
        let options = MysqlOptions { fsync: false, args: args.iter().map(|a| (*a).to_owned()).collect() };
        let runtime = runtime();
        let running = runtime.block_on(async {
            match kind {
                Kind::Mysql => Mysql::start(options).await.map(Running::Mysql),
                Kind::Mariadb => Mariadb::start(options).await.map(Running::Mariadb),
            }
        });
        Server { kind, running: running.unwrap_or_else(|e| panic!("no {kind:?}: {e:#}")), runtime }
    }

    /// The server of all tests that leave its settings and its log alone.
    pub fn shared(kind: Kind) -> Arc<Server> {
        static SHARED: [Mutex<Weak<Server>>; 2] = [const { Mutex::new(Weak::new()) }; 2];
        let mut shared = SHARED[kind as usize].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Server::start(kind, &[]));
        *shared = Arc::downgrade(&server);
        server
    }

    pub fn port(&self) -> u16 {
        match &self.running {
            Running::Mysql(s) => s.port(),
            Running::Mariadb(s) => s.port(),
        }
    }

    /// For root, who has no password.
    pub fn url(&self) -> String {
        self.url_of("root")
    }

    /// For `user` or `user:password`.
    pub fn url_of(&self, login: &str) -> String {
        format!("mysql://{login}@127.0.0.1:{}", self.port())
    }

    pub fn restart(&mut self) {
        let restarted = match &mut self.running {
            Running::Mysql(s) => self.runtime.block_on(s.restart()),
            Running::Mariadb(s) => self.runtime.block_on(s.restart()),
        };
        restarted.unwrap_or_else(|e| panic!("{e:#}"));
    }

    pub fn stop(&mut self) {
        match &mut self.running {
            Running::Mysql(s) => self.runtime.block_on(s.stop()),
            Running::Mariadb(s) => self.runtime.block_on(s.stop()),
        }
    }

    pub fn kill9(&mut self) {
        match &mut self.running {
            Running::Mysql(s) => s.kill9(),
            Running::Mariadb(s) => s.kill9(),
        }
    }

    /// A connection of root.
    pub fn sql(&self) -> Sql {
        let runtime = runtime();
        let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(self.port()).user(Some("root"));
        let conn = runtime.block_on(Conn::new(options.prefer_socket(false))).expect("root may connect");
        Sql { runtime, conn: RefCell::new(conn) }
    }

    /// A connection of root, in a new database of this name.
    pub fn sql_in(&self, database: &str) -> Sql {
        let sql = self.sql();
        sql.run(&format!(
            "DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8mb4; USE {database}"
        ));
        sql
    }
}

/// A connection for plain SQL.
pub struct Sql {
    runtime: Runtime,
    conn: RefCell<Conn>,
}

impl Sql {
    /// One statement, or several with semicolons between.
    pub fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    pub fn try_run(&self, sql: &str) -> Result<(), mysql_async::Error> {
        self.runtime.block_on(self.conn.borrow_mut().query_drop(sql))
    }

    /// A field of the first row, as text; empty for null or no row.
    pub fn field(&self, sql: &str, index: usize) -> String {
        let row: Option<mysql_async::Row> =
            self.runtime.block_on(self.conn.borrow_mut().query_first(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
        match row.and_then(|row| row.get::<Value, _>(index)) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Value::NULL) | None => String::new(),
            Some(other) => other.as_sql(true),
        }
    }

    pub fn one(&self, sql: &str) -> String {
        self.field(sql, 0)
    }

    /// The connections that send the log to somebody.
    pub fn dump_threads(&self) -> Vec<u32> {
        let sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
        self.runtime.block_on(self.conn.borrow_mut().query(sql)).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Cuts every stream of the log.
    pub fn kill_dumps(&self) {
        for thread in self.dump_threads() {
            // It may be gone already.
            let _ = self.try_run(&format!("KILL {thread}"));
        }
    }
}
