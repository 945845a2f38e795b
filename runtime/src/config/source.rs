//! `[source.NAME]`: which database, and that no two sources read the same one.

use super::mysql::{ReadMysql, read_mysql};
use super::postgres::{ReadPostgres, read_postgres};
use super::section::Section;
use super::{SourceKind, SourcePlan, SslMode};

pub(super) const SSL_MODES: [(&str, SslMode); 5] = [
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
/// Raised by hand, when a server was replaced: nobody does that more often.
const EPOCH_MAX: u32 = 255;

/// A server's address, so that two ways to write it are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server(String, u16);

impl Server {
    pub fn new(host: &str, port: u16) -> Self {
        let host = host.trim_matches(['[', ']']).to_lowercase();
        Self(if matches!(host.as_str(), "localhost" | "::1") { "127.0.0.1".into() } else { host }, port)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Postgres,
    Mysql,
}

const KINDS: [(&str, Kind); 3] = [("postgres", Kind::Postgres), ("mysql", Kind::Mysql), ("mariadb", Kind::Mysql)];

/// A source as it was read, with what is needed to compare it with others.
enum Read<'a> {
    Postgres(ReadPostgres<'a>),
    Mysql(ReadMysql<'a>),
}

pub(super) fn read_sources(sections: &[(String, Section<'_>)]) -> Vec<SourcePlan> {
    let mut plans = Vec::new();
    let mut earlier: Vec<(&str, Read<'_>)> = Vec::new();
    for (name, section) in sections {
        let kind = section.required("kind", "write kind = \"postgres\" or \"mysql\"");
        // Without a kind nobody knows which keys are right.
        let Some(kind) = kind.and_then(|kind| kind.choice(&KINDS, &["kafka"])) else { continue };
        let epoch = section.integer("epoch", 0..=EPOCH_MAX).unwrap_or_default();
        let read = match kind {
            Kind::Postgres => read_postgres(section, name).map(Read::Postgres),
            Kind::Mysql => read_mysql(section, name).map(Read::Mysql),
        };
        let (others, why) = match kind {
            Kind::Postgres => (["server_id", "heartbeat"].as_slice(), "is for MySQL and MariaDB"),
            Kind::Mysql => (["slot", "publication"].as_slice(), "is for PostgreSQL"),
        };
        section.explain(others, why, "remove it");
        section.finish();
        let Some(read) = read else { continue };
        for (other, before) in &earlier {
            compare(other, before, &read, section);
        }
        let kind = match &read {
            Read::Postgres(read) => SourceKind::Postgres(read.plan.clone()),
            Read::Mysql(read) => SourceKind::Mysql(read.plan.clone()),
        };
        plans.push(SourcePlan { name: name.clone(), epoch, kind });
        earlier.push((name, read));
    }
    plans
}

/// One log reader per database, and one slot per reader.
fn compare(other: &str, before: &Read<'_>, read: &Read<'_>, section: &Section<'_>) {
    let remedy =
        || format!("remove one; any number of pipelines can share source \"{other}\", each with its own tables");
    match (before, read) {
        (Read::Postgres(before), Read::Postgres(read)) if before.database == read.database => {
            read.url.mistake(format!("source \"{other}\" reads this database already"), remedy());
        }
        (Read::Postgres(before), Read::Postgres(read))
            if before.database.server == read.database.server && before.plan.slot == read.plan.slot =>
        {
            let rule = format!("source \"{other}\" has a slot of this name on the same server");
            section.mistake(rule, "set another `slot` for one of them");
        }
        // A server has one binary log for all of its databases.
        (Read::Mysql(before), Read::Mysql(read)) if before.server == read.server => {
            read.url.mistake(format!("source \"{other}\" reads this server's binary log already"), remedy());
        }
        _ => {}
    }
}
