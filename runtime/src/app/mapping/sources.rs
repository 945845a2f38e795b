//! Sources, as their rooms want them: tables and columns are what any pipeline on a source asks for; what one pipeline asks for
//! and another does not is taken away again before it reaches that other one.

use crate::change::{BinlogPosition, Lsn};
use crate::config::{self, Globs, MysqlPlan, PipelinePlan, Plan, PostgresPlan, RoutePlan, SourceKind, SourcePlan};
use crate::fault::Finding;
use crate::source::mysql::{self, Mysql, MysqlSettings};
use crate::source::postgres::{self, Postgres, PostgresSettings};
use crate::source::{
    ColumnRule, Narrow, NoticeRule, Own, PrefixRule, Source, SslMode, TableColumns, TableRule, TableSample, Take,
};
use crate::store::Checkpoint;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

/// A source with everything that it needs to run, or to be asked about.
pub enum Reading {
    Postgres(PostgresSettings),
    Mysql(MysqlSettings),
}

impl Reading {
    /// # Errors
    /// If the checkpoint can not be read.
    pub fn new(plan: &Plan, source: &SourcePlan, known: Option<Checkpoint>) -> Result<Self, String> {
        let wishes = Wishes::of(plan, &source.name);
        Ok(match &source.kind {
            SourceKind::Postgres(postgres) => {
                Self::Postgres(postgres_settings(source, postgres, &wishes, position::<Lsn>(source, known)?))
            }
            SourceKind::Mysql(mysql) => {
                Self::Mysql(mysql_settings(source, mysql, &wishes, position::<BinlogPosition>(source, known)?))
            }
        })
    }

    /// Asks the server whether everything is there.
    pub async fn check(&self, own: Own) -> Vec<Finding> {
        match self {
            Self::Postgres(settings) => postgres::check(settings, own).await,
            Self::Mysql(settings) => mysql::check(settings).await,
        }
    }

    /// A table and at most `rows_max` of its rows; `None` if there is none of this name.
    ///
    /// # Errors
    /// If the server can not be asked.
    pub async fn sample(&self, table: &str, rows_max: u32) -> Result<Option<TableSample>, String> {
        match self {
            Self::Postgres(settings) => postgres::sample(settings, table, rows_max).await,
            Self::Mysql(settings) => mysql::sample(settings, table, rows_max).await,
        }
    }

    /// The replication slots of its server.
    ///
    /// # Errors
    /// If the server can not be asked.
    pub async fn slots(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Postgres(settings) => postgres::slots(settings).await,
            Self::Mysql(_) => Ok(Vec::new()),
        }
    }

    /// # Errors
    /// If the server can not be asked; [`Reading::check`] says more about why.
    pub async fn columns(&self) -> Result<TableColumns, String> {
        match self {
            Self::Postgres(settings) => postgres::columns(settings).await,
            Self::Mysql(settings) => mysql::columns(settings).await,
        }
    }
}

/// A source that can be run.
///
/// # Errors
/// If the checkpoint can not be read.
pub fn source(plan: &Plan, source: &SourcePlan, known: Option<Checkpoint>) -> Result<Box<dyn Source>, String> {
    Ok(match Reading::new(plan, source, known)? {
        Reading::Postgres(settings) => Box::new(Postgres::new(settings)),
        Reading::Mysql(settings) => Box::new(Mysql::new(settings)),
    })
}

/// The name of a source's kind.
pub fn kind(source: &SourcePlan) -> &'static str {
    match source.kind {
        SourceKind::Postgres(_) => "postgres",
        SourceKind::Mysql(_) => "mysql",
    }
}

/// What a source reads from within its server: its checkpoints are filed under it.
pub fn stream(source: &SourcePlan) -> &str {
    match &source.kind {
        SourceKind::Postgres(postgres) => &postgres.slot,
        SourceKind::Mysql(_) => "binlog",
    }
}

/// What a pipeline may see of a source.
pub fn narrow(pipeline: &PipelinePlan, source: &str) -> Narrow {
    let wishes = Wishes { source: source.to_owned(), readers: Arc::new(vec![pipeline.clone()]) };
    Narrow::new(wishes.columns(), wishes.tables(), pipeline.skip_unchanged).with_notices(wishes.notices())
}

/// What pipelines ask of a source.
struct Wishes {
    source: String,
    readers: Arc<Vec<PipelinePlan>>,
}

impl Wishes {
    fn of(plan: &Plan, source: &str) -> Self {
        let reads = |p: &&PipelinePlan| p.sources.iter().any(|s| s == source);
        Self { source: source.to_owned(), readers: Arc::new(plan.pipelines.iter().filter(reads).cloned().collect()) }
    }

    fn tables(&self) -> TableRule {
        let (source, readers) = (self.source.clone(), self.readers.clone());
        Arc::new(move |table| readers.iter().any(|p| p.tables.matches(&source, table)))
    }

    /// What any route asks for.
    fn notices(&self) -> NoticeRule {
        let routes = || self.readers.iter().flat_map(|pipeline| &pipeline.routes);
        let prefixes: Vec<Globs> = routes().filter_map(|route| route.messages.clone()).collect();
        let rule = move |prefix: &str| prefixes.iter().any(|globs| globs.matches(prefix));
        NoticeRule {
            transactions: routes().any(RoutePlan::tells_transactions),
            messages: routes().any(|route| route.messages.is_some()).then(|| Arc::new(rule) as PrefixRule),
            schema_changes: routes().any(RoutePlan::tells_schema_changes).then(|| self.defined()),
        }
    }

    /// The tables of whose definitions some route tells.
    fn defined(&self) -> TableRule {
        let (source, readers) = (self.source.clone(), self.readers.clone());
        let takes = |route: &RoutePlan, table: &str| {
            route.tells_schema_changes() && route.tables.as_ref().is_none_or(|globs| globs.matches(table))
        };
        Arc::new(move |table| {
            readers.iter().any(|p| p.tables.matches(&source, table) && p.routes.iter().any(|route| takes(route, table)))
        })
    }

    fn columns(&self) -> ColumnRule {
        let (source, readers) = (self.source.clone(), self.readers.clone());
        Arc::new(move |schema, table, column| {
            let full = format!("{schema}.{table}");
            let readers = readers.iter().filter(|p| p.tables.matches(&source, &full));
            let takes = readers.map(|p| match &p.columns {
                rule if rule.captures(schema, table, column) => Take::Whole,
                rule if rule.excludes(schema, table, column) => Take::Never,
                _ => Take::ForKey,
            });
            takes.max().unwrap_or(Take::Never)
        })
    }
}

fn position<P: FromStr<Err: Display>>(source: &SourcePlan, known: Option<Checkpoint>) -> Result<Option<P>, String> {
    known.map(|c| c.position.parse::<P>()).transpose().map_err(|reason| {
        format!("source {}: the checkpoint in the state folder can not be read: {reason}", source.name)
    })
}

fn postgres_settings(
    source: &SourcePlan,
    plan: &PostgresPlan,
    wishes: &Wishes,
    known: Option<Lsn>,
) -> PostgresSettings {
    PostgresSettings {
        name: source.name.clone(),
        url: plan.url.expose().to_owned(),
        sslmode: Some(ssl_mode(plan.sslmode)),
        sslrootcert: plan.sslrootcert.clone(),
        slot: plan.slot.clone(),
        publication: plan.publication.clone(),
        epoch: source.epoch,
        tables: wishes.tables(),
        columns: wishes.columns(),
        notices: wishes.notices(),
        known,
    }
}

fn mysql_settings(
    source: &SourcePlan,
    plan: &MysqlPlan,
    wishes: &Wishes,
    known: Option<BinlogPosition>,
) -> MysqlSettings {
    MysqlSettings {
        name: source.name.clone(),
        url: plan.url.expose().to_owned(),
        sslmode: ssl_mode(plan.sslmode),
        sslrootcert: plan.sslrootcert.clone(),
        server_id: plan.server_id,
        heartbeat: plan.heartbeat,
        epoch: source.epoch,
        tables: wishes.tables(),
        columns: wishes.columns(),
        notices: wishes.notices(),
        known,
    }
}

fn ssl_mode(mode: config::SslMode) -> SslMode {
    match mode {
        config::SslMode::Disable => SslMode::Disable,
        config::SslMode::Prefer => SslMode::Prefer,
        config::SslMode::Require => SslMode::Require,
        config::SslMode::VerifyCa => SslMode::VerifyCa,
        config::SslMode::VerifyFull => SslMode::VerifyFull,
    }
}
