//! The databases: one server of each kind for all scenarios, made as new for each recording.

mod binlog;
mod postgres;

use super::folder::Flavour;
use super::script::Statement;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What every database holds beside the scenario: a table whose one row comes last. Its name on either kind of server.
pub const SENTINEL: &str = "sluicegate_conform.the_end";

/// A running server.
pub enum Server {
    Postgres(postgres::Ground),
    Binlog(binlog::Ground),
}

/// A column as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The database's own words; of a domain those of its base, of an enumeration with `enum` in front.
    pub type_name: String,
    pub not_null: bool,
    /// The expression, as PostgreSQL prints it.
    pub default: Option<String>,
}

/// How columns were declared, by table and column; one that was changed was declared in several ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    declared: BTreeMap<(String, String), Vec<Declared>>,
    /// Tables of PostgreSQL whose rows are known by an index that is not the primary key's.
    by_index: BTreeSet<String>,
}

impl Columns {
    fn add(&mut self, table: String, column: String, declared: Declared) {
        let all = self.declared.entry((table, column)).or_default();
        if !all.contains(&declared) {
            all.push(declared);
        }
    }

    /// All that `column` of `schema.table` was declared with.
    pub fn declared(&self, table: &str, column: &str) -> &[Declared] {
        self.declared.get(&(table.to_owned(), column.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Every column of a table.
    pub fn of_table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Declared> {
        self.declared.iter().filter(move |((name, _), _)| name == table).flat_map(|(_, all)| all)
    }

    pub fn is_known_by_index(&self, table: &str) -> bool {
        self.by_index.contains(table)
    }

    fn extend(&mut self, other: Columns) {
        for ((table, column), all) in other.declared {
            all.into_iter().for_each(|declared| self.add(table.clone(), column.clone(), declared));
        }
        self.by_index.extend(other.by_index);
    }
}

impl Server {
    pub async fn start(flavour: Flavour) -> Result<Self> {
        Ok(match flavour {
            Flavour::Postgres => Self::Postgres(postgres::Ground::start().await?),
            Flavour::Mysql => Self::Binlog(binlog::Ground::start_mysql().await?),
            Flavour::Mariadb => Self::Binlog(binlog::Ground::start_mariadb().await?),
        })
    }

    /// As people write it: `PostgreSQL 15.14`.
    pub fn version(&self) -> String {
        match self {
            Self::Postgres(ground) => ground.version(),
            Self::Binlog(ground) => ground.version(),
        }
    }

    /// The major version, of a PostgreSQL.
    pub fn postgres_major(&self) -> Option<u32> {
        match self {
            Self::Postgres(ground) => Some(ground.major()),
            Self::Binlog(_) => None,
        }
    }

    /// Nothing of an earlier scenario is left, and `database` is there, empty.
    pub async fn renew(&self, database: &str) -> Result<()> {
        match self {
            Self::Postgres(ground) => ground.renew(database).await,
            Self::Binlog(ground) => ground.renew(database).await,
        }
    }

    /// The keys of `[source.db]`.
    pub fn source(&self, database: &str) -> String {
        match self {
            Self::Postgres(ground) => ground.source(database),
            Self::Binlog(ground) => ground.source(),
        }
    }

    /// Runs the statements one by one in a session of their own; the first error ends it.
    pub async fn run(&self, database: &str, statements: &[Statement]) -> Result<()> {
        match self {
            Self::Postgres(ground) => ground.run(database, statements).await,
            Self::Binlog(ground) => ground.run(database, statements).await,
        }
    }

    /// Writes the row that comes last.
    pub async fn end(&self, database: &str) -> Result<()> {
        self.run(database, &[Statement::Sql(format!("INSERT INTO {SENTINEL} VALUES (1)"))]).await
    }

    /// What is declared now, on top of what was.
    pub async fn look(&self, database: &str, columns: &mut Columns) -> Result<()> {
        columns.extend(match self {
            Self::Postgres(ground) => ground.columns(database).await?,
            Self::Binlog(ground) => ground.columns().await?,
        });
        Ok(())
    }

    pub async fn stop(self) {
        match self {
            Self::Postgres(ground) => ground.stop().await,
            Self::Binlog(ground) => ground.stop().await,
        }
    }
}

/// An error with the statement that it is about, cut to a length that fits a line.
fn about(sql: &str) -> String {
    const LEN: usize = 80;
    let line: String = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(LEN).collect();
    if cut.len() < line.len() { format!("run `{cut} ...`") } else { format!("run `{cut}`") }
}
