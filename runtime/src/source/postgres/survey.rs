//! What the server has and allows: read by `prepare` before it changes anything, and by `check`, which changes nothing.

use super::PostgresSettings;
use super::link::{Link, QUERY_MAX, SqlRow};
use super::trouble::Trouble;
use crate::change::Lsn;
use postgres_protocol::escape::escape_literal;
use std::collections::{HashMap, HashSet};

/// The oldest server that is supported.
pub(super) const VERSION_MIN: u32 = 140_000;

pub(super) struct Facts {
    /// As in `server_version_num`: 150008.
    pub(super) version: u32,
    /// As people say it: `15.8`.
    pub(super) version_text: String,
    pub(super) wal_level: String,
    pub(super) is_standby: bool,
    pub(super) may_replicate: bool,
    pub(super) slots_max: u32,
    pub(super) slots_used: u32,
    /// The end of the log on disk.
    pub(super) end: Lsn,
}

/// Namespace and name of a table.
pub(super) type Name = (String, String);

/// A table, or a root or leaf of a partitioned one.
pub(super) struct TableFact {
    pub(super) oid: u32,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) parent: Option<u32>,
    /// Whether updates and deletes can name their row; without that the server refuses them once they are published.
    pub(super) has_identity: bool,
}

impl TableFact {
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }
}

/// The tables that are asked for, as a publication lists them: roots in place of their partitions.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) with_identity: Vec<Name>,
    pub(super) without_identity: Vec<Name>,
    /// By which a table that was dropped and made again is another one.
    pub(super) oids: HashMap<Name, u32>,
}

impl Wanted {
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.with_identity.iter().chain(&self.without_identity)
    }
}

pub(super) struct Publication {
    pub(super) is_all_tables: bool,
    pub(super) is_via_root: bool,
    pub(super) is_complete: bool,
    /// Listed by name.
    pub(super) listed: HashSet<Name>,
    /// Published, for whatever reason.
    pub(super) covered: HashSet<Name>,
}

impl Publication {
    /// Whether a table's changes come through, if only by the names of its partitions.
    pub(super) fn publishes(&self, name: &Name) -> bool {
        self.is_all_tables || self.covered.contains(name) || self.listed.contains(name)
    }
}

pub(super) struct Slot {
    pub(super) plugin: Option<String>,
    pub(super) database: Option<String>,
    /// Who reads it right now, as far as the server tells.
    pub(super) reader: Option<String>,
    pub(super) wal_status: Option<String>,
    pub(super) confirmed: Option<Lsn>,
    pub(super) restart: Option<Lsn>,
}

fn unreadable() -> Trouble {
    Trouble::Protocol("an answer to a catalog query that can not be read".into())
}

fn field(row: &SqlRow, index: usize) -> Option<&str> {
    row.get(index)?.as_deref()
}

fn number<T: std::str::FromStr>(row: &SqlRow, index: usize) -> Option<T> {
    field(row, index)?.parse().ok()
}

fn yes(row: &SqlRow, index: usize) -> bool {
    field(row, index) == Some("t")
}

pub(super) fn facts(link: &mut Link) -> Result<Facts, Trouble> {
    // pg_current_wal_flush_lsn() is refused on a standby, so each side of the CASE is only run where it may be.
    let sql = "SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('wal_level'), \
               pg_is_in_recovery(), COALESCE((SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user), false) \
               OR EXISTS (SELECT 1 FROM pg_roles WHERE rolname IN ('rds_replication', 'rds_superuser') \
                          AND pg_has_role(current_user, oid, 'MEMBER')), \
               current_setting('max_replication_slots'), (SELECT count(*) FROM pg_replication_slots), \
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END";
    let rows = link.query("look at the server", sql, Some(QUERY_MAX))?;
    let read = |row: &SqlRow| {
        let version_text = field(row, 1)?.split(' ').next().unwrap_or_default().to_owned();
        Some(Facts {
            version: number(row, 0)?,
            version_text,
            wal_level: field(row, 2)?.to_owned(),
            is_standby: yes(row, 3),
            may_replicate: yes(row, 4),
            slots_max: number(row, 5)?,
            slots_used: number(row, 6)?,
            end: number(row, 7).unwrap_or_default(),
        })
    };
    rows.first().and_then(read).ok_or_else(unreadable)
}

pub(super) fn tables(link: &mut Link) -> Result<Vec<TableFact>, Trouble> {
    let sql = "SELECT c.oid, n.nspname, c.relname, \
               CASE WHEN c.relispartition THEN (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid LIMIT 1) END, \
               CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false \
                 WHEN 'i' THEN EXISTS (SELECT 1 FROM pg_index WHERE indrelid = c.oid AND indisreplident) \
                 ELSE EXISTS (SELECT 1 FROM pg_index WHERE indrelid = c.oid AND indisprimary AND indimmediate) END \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' \
                 AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2, 3";
    let read = |row: &SqlRow| {
        Some(TableFact {
            oid: number(row, 0)?,
            namespace: field(row, 1)?.to_owned(),
            name: field(row, 2)?.to_owned(),
            parent: number(row, 3),
            has_identity: yes(row, 4),
        })
    };
    let rows = link.query("look for tables", sql, Some(QUERY_MAX))?;
    rows.iter().map(|row| read(row).ok_or_else(unreadable)).collect()
}

/// Depth of partitions of partitions; a limit against a catalog that goes in circles.
const PARTITION_DEPTH_MAX: usize = 64;

/// Picks the tables that are asked for; the topmost one stands for everything below it.
pub(super) fn wanted(tables: &[TableFact], is_asked: impl Fn(&str) -> bool) -> Wanted {
    let by_oid: HashMap<u32, &TableFact> = tables.iter().map(|t| (t.oid, t)).collect();
    let ancestors = |table: &TableFact| {
        std::iter::successors(table.parent.and_then(|p| by_oid.get(&p).copied()), |t| {
            t.parent.and_then(|p| by_oid.get(&p).copied())
        })
        .take(PARTITION_DEPTH_MAX)
        .collect::<Vec<_>>()
    };
    let parents: HashSet<u32> = tables.iter().filter_map(|t| t.parent).collect();
    // The server asks the leaf for an identity; one leaf without makes the whole tree one without.
    let mut lacking = HashSet::new();
    for leaf in tables.iter().filter(|t| !t.has_identity && !parents.contains(&t.oid)) {
        lacking.insert(leaf.oid);
        lacking.extend(ancestors(leaf).iter().map(|t| t.oid));
    }
    let mut wanted = Wanted::default();
    for table in tables {
        if !is_asked(&table.full_name()) || ancestors(table).iter().any(|t| is_asked(&t.full_name())) {
            continue;
        }
        let name = (table.namespace.clone(), table.name.clone());
        wanted.oids.insert(name.clone(), table.oid);
        // A root without leaves has nothing to update yet; its key will be its leaves'.
        let is_bare_root = parents.contains(&table.oid) && !lacking.contains(&table.oid);
        if table.has_identity && !lacking.contains(&table.oid) || is_bare_root {
            wanted.with_identity.push(name);
        } else {
            wanted.without_identity.push(name);
        }
    }
    wanted
}

pub(super) fn publication(link: &mut Link, name: &str) -> Result<Option<Publication>, Trouble> {
    const DOING: &str = "look at the publication";
    let literal = escape_literal(name);
    let sql = format!(
        "SELECT puballtables, pubviaroot, pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = {literal}"
    );
    let Some(row) = link.query(DOING, &sql, Some(QUERY_MAX))?.into_iter().next() else { return Ok(None) };
    let mut names = |sql: String| -> Result<HashSet<Name>, Trouble> {
        let rows = link.query(DOING, &sql, Some(QUERY_MAX))?;
        Ok(rows.iter().filter_map(|r| Some((field(r, 0)?.to_owned(), field(r, 1)?.to_owned()))).collect())
    };
    Ok(Some(Publication {
        is_all_tables: yes(&row, 0),
        is_via_root: yes(&row, 1),
        is_complete: yes(&row, 2),
        listed: names(format!(
            "SELECT n.nspname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid \
             JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = {literal}"
        ))?,
        covered: names(format!("SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = {literal}"))?,
    }))
}

pub(super) fn slot(link: &mut Link, settings: &PostgresSettings) -> Result<Option<Slot>, Trouble> {
    let sql = format!(
        "SELECT s.plugin, s.database, s.active_pid, s.wal_status, s.confirmed_flush_lsn, s.restart_lsn, a.application_name, a.usename, \
         CASE WHEN a.backend_start IS NOT NULL THEN COALESCE(host(a.client_addr), 'a Unix socket') END FROM pg_replication_slots s \
         LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = {}",
        escape_literal(&settings.slot)
    );
    let rows = link.query("look at the slot", &sql, Some(QUERY_MAX))?;
    let owned = |row: &SqlRow, index: usize| field(row, index).map(str::to_owned);
    Ok(rows.first().map(|row| Slot {
        plugin: owned(row, 0),
        database: owned(row, 1),
        reader: reader(row),
        wal_status: owned(row, 3),
        confirmed: number(row, 4),
        restart: number(row, 5),
    }))
}

fn reader(row: &SqlRow) -> Option<String> {
    let pid = field(row, 2)?;
    // Of other users' processes the server does not tell everything.
    Some(match (field(row, 6), field(row, 7), field(row, 8)) {
        (Some(application), Some(user), Some(place)) => {
            format!("process {pid} ({application:?} of user {user:?}, from {place})")
        }
        (Some(application), Some(user), None) => format!("process {pid} ({application:?} of user {user:?})"),
        _ => format!("process {pid}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, name: &str, parent: Option<u32>, has_identity: bool) -> TableFact {
        TableFact { oid, namespace: "public".into(), name: name.into(), parent, has_identity }
    }

    fn names(list: &[Name]) -> Vec<&str> {
        list.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn root_stands_for_its_partitions_unless_only_a_leaf_is_asked_for() {
        let tables = [
            table(1, "root", None, true),
            table(2, "leaf_a", Some(1), true),
            table(3, "leaf_b", Some(1), true),
            table(4, "other", None, true),
        ];
        assert_eq!(names(&wanted(&tables, |_| true).with_identity), ["root", "other"]);
        assert_eq!(names(&wanted(&tables, |t| t == "public.leaf_b").with_identity), ["leaf_b"]);
    }

    #[test]
    fn one_leaf_without_identity_makes_the_whole_tree_one_without() {
        let tables =
            [table(1, "root", None, true), table(2, "leaf_a", Some(1), true), table(3, "leaf_b", Some(1), false)];
        let found = wanted(&tables, |_| true);
        assert_eq!((names(&found.with_identity), names(&found.without_identity)), (vec![], vec!["root"]));
    }
}
