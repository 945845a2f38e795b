//! A MySQL or a MariaDB as the recordings had it: UTC, utf8mb4, full row images and metadata, and a log that begins anew with each
//! recording.

use super::{Columns, Declared, SENTINEL, about};
use crate::conform::script::Statement;
use crate::servers::{Mariadb, Mysql, MysqlOptions};
use anyhow::{Context, Result, bail};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// What recordings show of the server.
const ID_MARIADB: u32 = 223_344;
/// Databases of the server's own.
const OWN: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];

pub enum Ground {
    Mysql(Mysql),
    Mariadb(Mariadb),
}

impl Ground {
    pub(super) async fn start_mysql() -> Result<Self> {
        let args = ["--log-bin=mysql-bin", "--default-time-zone=+00:00"].map(str::to_owned).to_vec();
        let ground = Self::Mysql(Mysql::start(MysqlOptions { fsync: false, args }).await?);
        ground.add_user().await
    }

    pub(super) async fn start_mariadb() -> Result<Self> {
        let mut args = ["--log-bin=mysql-bin", "--default-time-zone=+00:00", "--character-set-server=utf8mb4"]
            .map(str::to_owned)
            .to_vec();
        args.push(format!("--server-id={ID_MARIADB}"));
        let ground = Self::Mariadb(Mariadb::start(MysqlOptions { fsync: false, args }).await?);
        ground.add_user().await
    }

    /// Scenarios give rights to him.
    async fn add_user(self) -> Result<Self> {
        self.connect().await?.query_drop("CREATE USER IF NOT EXISTS cdc@localhost").await.context("make the user")?;
        Ok(self)
    }

    pub(super) fn version(&self) -> String {
        match self {
            Self::Mysql(server) => format!("MySQL {}", server.version()),
            Self::Mariadb(server) => format!("MariaDB {}", server.version()),
        }
    }

    async fn connect(&self) -> Result<Conn> {
        match self {
            Self::Mysql(server) => server.connect().await,
            Self::Mariadb(server) => server.connect().await,
        }
    }

    pub(super) async fn renew(&self, database: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let found: Vec<String> = connection.query("SHOW DATABASES").await.context("look for databases")?;
        let (schema, _) = SENTINEL.split_once('.').context("a database and a table")?;
        let mut sql: Vec<String> = found
            .iter()
            .filter(|name| !OWN.contains(&name.to_ascii_lowercase().as_str()))
            .map(|name| format!("DROP DATABASE `{}`", name.replace('`', "``")))
            .collect();
        sql.extend([
            format!("CREATE DATABASE {schema}"),
            format!("CREATE TABLE {SENTINEL} (id int PRIMARY KEY)"),
            format!("CREATE DATABASE `{database}`"),
        ]);
        sql.push(match self {
            Self::Mysql(_) => "RESET BINARY LOGS AND GTIDS".into(),
            Self::Mariadb(_) => "RESET MASTER".into(),
        });
        for sql in &sql {
            connection.query_drop(sql).await.with_context(|| about(sql))?;
        }
        connection.disconnect().await.context("hang up")
    }

    pub(super) fn source(&self) -> String {
        let url = match self {
            Self::Mysql(server) => server.url(),
            Self::Mariadb(server) => server.url(),
        };
        format!("kind = \"mysql\"\nurl = \"{url}\"\nserver_id = 5400\n")
    }

    pub(super) async fn run(&self, database: &str, statements: &[Statement]) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.query_drop(format!("USE `{database}`")).await.context("choose the database")?;
        for statement in statements {
            let Statement::Sql(sql) = statement else { bail!("there is no COPY here") };
            connection.query_drop(sql).await.with_context(|| about(sql))?;
        }
        connection.disconnect().await.context("hang up")
    }

    pub(super) async fn columns(&self) -> Result<Columns> {
        let sql = "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), COLUMN_NAME, CAST(COLUMN_TYPE AS CHAR), IS_NULLABLE FROM information_schema.COLUMNS \
                   WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')";
        let rows: Vec<(String, String, String, String)> =
            self.connect().await?.query(sql).await.context("look at the columns")?;
        let mut columns = Columns::default();
        for (table, column, type_name, nullable) in rows {
            columns.add(table, column, Declared { type_name, not_null: nullable == "NO", default: None });
        }
        Ok(columns)
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Mysql(mut server) => server.stop().await,
            Self::Mariadb(mut server) => server.stop().await,
        }
    }
}
