//! A PostgreSQL as the recordings had it: version 15, UTC, and a publication of all tables, in which partitions show by their own
//! names. Sluicegate connects as a user that may read the log and may not change that publication.

use super::{Columns, Declared, about};
use crate::conform::script::Statement;
use crate::servers::{Postgres, PostgresOptions, connect_postgres};
use anyhow::{Context, Result};
use futures_util::SinkExt as _;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// The version that was recorded.
const MAJOR: u32 = 15;
/// Of the slot and the publication.
const NAME: &str = "sluicegate_conform";
/// A slot is free a moment after its reader is gone.
const SLOT_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A domain is what it stands for, as far down as it goes.
const COLUMNS: &str = "SELECT n.nspname || '.' || c.relname, a.attname::text, b.type_name, b.is_enum, a.attnotnull, pg_get_expr(f.adbin, f.adrelid) \
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
    JOIN LATERAL (WITH RECURSIVE base (oid, modifier) AS ( \
        SELECT a.atttypid, a.atttypmod UNION ALL \
        SELECT t.typbasetype, CASE WHEN base.modifier < 0 THEN t.typtypmod ELSE base.modifier END \
        FROM base JOIN pg_type t ON t.oid = base.oid WHERE t.typtype = 'd') \
      SELECT format_type(t.oid, base.modifier) AS type_name, t.typtype = 'e' OR COALESCE(e.typtype = 'e', false) AS is_enum \
      FROM base JOIN pg_type t ON t.oid = base.oid LEFT JOIN pg_type e ON e.oid = t.typelem WHERE t.typtype <> 'd') b ON true \
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

pub struct Ground {
    postgres: Postgres,
}

impl Ground {
    pub(super) async fn start() -> Result<Self> {
        let conf = ["timezone = 'UTC'", "lc_monetary = 'C'"].map(str::to_owned).to_vec();
        let options = |version| PostgresOptions { version, fsync: false, conf: conf.clone() };
        let chosen = std::env::var_os("SLUICEGATE_POSTGRES").is_some_and(|choice| !choice.is_empty());
        let postgres = Postgres::start(options((!chosen).then_some(MAJOR))).await?;
        let admin = postgres.connect().await?;
        // Defaults such as `current_user` are part of what was recorded.
        let roles = "CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'conform'; CREATE ROLE capture REPLICATION LOGIN PASSWORD 'conform'";
        admin.batch_execute(roles).await.context("make the users")?;
        Ok(Self { postgres })
    }

    pub(super) fn version(&self) -> String {
        format!("PostgreSQL {}", self.postgres.version())
    }

    pub(super) fn major(&self) -> u32 {
        self.postgres.major()
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}:conform@127.0.0.1:{}/{database}", self.postgres.port())
    }

    async fn connect(&self, database: &str) -> Result<Client> {
        connect_postgres(&self.url("postgres", database)).await
    }

    pub(super) async fn renew(&self, database: &str) -> Result<()> {
        let admin = self.connect("postgres").await?;
        drop_slot(&admin).await?;
        for sql in
            [format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)"), format!("CREATE DATABASE \"{database}\"")]
        {
            admin.batch_execute(&sql).await.with_context(|| about(&sql))?;
        }
        let sql = format!(
            "CREATE SCHEMA {NAME}; CREATE TABLE {} (id int PRIMARY KEY); CREATE PUBLICATION {NAME} FOR ALL TABLES",
            super::SENTINEL
        );
        self.connect(database).await?.batch_execute(&sql).await.context("prepare the database")
    }

    pub(super) fn source(&self, database: &str) -> String {
        let url = self.url("capture", database);
        format!("kind = \"postgres\"\nurl = \"{url}\"\nslot = \"{NAME}\"\npublication = \"{NAME}\"\n")
    }

    pub(super) async fn run(&self, database: &str, statements: &[Statement]) -> Result<()> {
        let client = self.connect(database).await?;
        for statement in statements {
            match statement {
                Statement::Sql(sql) => drop(client.simple_query(sql).await.with_context(|| about(sql))?),
                Statement::Copy { sql, rows } => {
                    let mut sink = pin!(client.copy_in(sql).await.with_context(|| about(sql))?);
                    sink.send(std::io::Cursor::new(rows.clone().into_bytes())).await.with_context(|| about(sql))?;
                    sink.finish().await.with_context(|| about(sql))?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn columns(&self, database: &str) -> Result<Columns> {
        let client = self.connect(database).await?;
        let mut columns = Columns::default();
        for row in client.query(COLUMNS, &[]).await.context("look at the columns")? {
            let (type_name, is_enum): (String, bool) = (row.get(2), row.get(3));
            let type_name = if is_enum { format!("enum {type_name}") } else { type_name };
            columns.add(row.get(0), row.get(1), Declared { type_name, not_null: row.get(4), default: row.get(5) });
        }
        let sql = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relreplident = 'i' \
                   AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisprimary)";
        for row in client.query(sql, &[]).await.context("look at the identities")? {
            columns.by_index.insert(row.get(0));
        }
        Ok(columns)
    }

    pub(super) async fn stop(mut self) {
        self.postgres.stop().await;
    }
}

async fn drop_slot(admin: &Client) -> Result<()> {
    let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
    let deadline = Instant::now() + SLOT_LIMIT;
    while let Err(failure) = admin.execute(sql, &[&NAME]).await {
        if Instant::now() > deadline {
            return Err(failure).context("drop the slot of the last recording");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
