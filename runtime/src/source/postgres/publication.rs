//! The publications: made, or brought to exactly the tables that are asked for.
//!
//! There are two. A published table without a replica identity (no primary key, nothing in its place) refuses the
//! application's updates and deletes; publishing it must not break whoever writes to it. Such tables go into a second
//! publication, of inserts and truncates alone.

use super::PostgresSettings;
use super::link::{Link, QUERY_MAX};
use super::survey::{self, Publication, Wanted};
use super::trouble::{Trouble, fatal};
use postgres_protocol::escape::escape_identifier;

type Name = (String, String);

/// What a publication must be.
struct Goal<'a> {
    name: &'a str,
    options: &'static str,
    /// To be added, if it is not there.
    tables: Vec<&'a Name>,
    /// Whether this table may stay, though nobody asks for it.
    keeps: &'a dyn Fn(&Name) -> bool,
    occasion: Occasion,
}

/// When this happens: what was said at the start is not said again with every look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    Start,
    Look,
}

impl Occasion {
    fn complain(self, publication: &str, trouble: &Trouble, what: &str) {
        match self {
            Occasion::Start => tracing::warn!(publication, ?trouble, "{what}"),
            Occasion::Look => tracing::debug!(publication, ?trouble, "{what}"),
        }
    }
}

const OPTIONS: &str = "publish_via_partition_root = true";
const OPTIONS_KEYLESS: &str = "publish = 'insert, truncate', publish_via_partition_root = true";

impl PostgresSettings {
    /// The name of the second publication.
    pub(super) fn publication_keyless(&self) -> String {
        format!("{}_keyless", self.publication)
    }
}

/// Brings both publications to what is wanted, and gives back the names of those that exist.
///
/// # Errors
/// If a table that is asked for can not be published; the sentence has the SQL for somebody who may.
pub(super) fn prepare(
    link: &mut Link,
    settings: &PostgresSettings,
    wanted: &Wanted,
    occasion: Occasion,
) -> Result<Vec<String>, Trouble> {
    let keyless_name = settings.publication_keyless();
    let main = survey::publication(link, &settings.publication)?;
    let covered = |name: &Name| main.as_ref().is_some_and(|p| p.covered.contains(name));
    let without: Vec<&Name> = wanted.without_identity.iter().filter(|n| !covered(n)).collect();
    let goal = Goal {
        name: &settings.publication,
        options: OPTIONS,
        tables: wanted.with_identity.iter().collect(),
        // Somebody put it there on purpose.
        keeps: &|name| wanted.without_identity.contains(name),
        occasion,
    };
    reach(link, &goal, main.as_ref())?;
    let mut names = vec![settings.publication.clone()];
    let keyless = survey::publication(link, &keyless_name)?;
    // Made even when it is empty: a publication that is younger than the slot's position stops the stream.
    let goal =
        Goal { name: &keyless_name, options: OPTIONS_KEYLESS, tables: without.clone(), keeps: &|_| false, occasion };
    match reach(link, &goal, keyless.as_ref()) {
        Ok(()) => names.push(keyless_name),
        Err(trouble) if without.is_empty() => {
            tracing::debug!(source = settings.name, ?trouble, "second publication is not there, and not needed");
            if keyless.is_some() {
                names.push(keyless_name);
            }
        }
        Err(trouble) => return Err(trouble),
    }
    let is_new = |name: &Name| keyless.as_ref().is_none_or(|p| !p.covered.contains(name));
    for (namespace, table) in without.into_iter().filter(|n| occasion == Occasion::Start || is_new(n)) {
        tracing::warn!(
            source = settings.name,
            table = format!("{namespace}.{table}"),
            "table has no replica identity: only its inserts are captured; give it a primary key, or: ALTER TABLE {} REPLICA IDENTITY FULL;",
            quoted(&(namespace.clone(), table.clone()))
        );
    }
    Ok(names)
}

fn reach(link: &mut Link, goal: &Goal<'_>, found: Option<&Publication>) -> Result<(), Trouble> {
    let ident = escape_identifier(goal.name);
    let Some(found) = found else {
        let list = if goal.tables.is_empty() { String::new() } else { format!(" FOR TABLE {}", list(&goal.tables)) };
        return change(link, format!("CREATE PUBLICATION {ident}{list} WITH ({});", goal.options));
    };
    if !found.is_via_root {
        // Matters for partitioned tables only; without the right to it the names of leaves come through.
        if let Err(trouble) =
            change(link, format!("ALTER PUBLICATION {ident} SET (publish_via_partition_root = true);"))
        {
            goal.occasion.complain(goal.name, &trouble, "publication shows partitions by their own names");
        }
    }
    let missing: Vec<&Name> = goal.tables.iter().copied().filter(|t| !found.covered.contains(*t)).collect();
    // One of all tables has them, and takes none by name: a root that shows by its leaves' names is not listed as covered.
    if !missing.is_empty() && !found.is_all_tables {
        change(link, format!("ALTER PUBLICATION {ident} ADD TABLE {};", list(&missing)))?;
    }
    let extra: Vec<&Name> = found.listed.iter().filter(|t| !goal.tables.contains(t) && !(goal.keeps)(t)).collect();
    if !extra.is_empty() && !found.is_all_tables {
        let dropped = change(link, format!("ALTER PUBLICATION {ident} DROP TABLE {};", list(&extra)));
        if let Err(trouble) = dropped {
            // What nobody asks for is left out by the decoder as well.
            goal.occasion.complain(goal.name, &trouble, "publication keeps tables that nobody asks for");
        }
    }
    Ok(())
}

fn change(link: &mut Link, sql: String) -> Result<(), Trouble> {
    match link.query("change the publication", &sql, Some(QUERY_MAX)) {
        Ok(_) => {
            tracing::info!(sql, "publication changed");
            Ok(())
        }
        Err(Trouble::Server { error, .. }) if error.code == "42501" => Err(Trouble::Judged(fatal(format!(
            "the publication does not fit and may not be changed by this user ({error}); run as the tables' owner or a superuser: {sql}"
        )))),
        // Somebody else was quicker: it is there now, and looked at again with the next connection.
        Err(Trouble::Server { error, .. }) if error.code == "42710" => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

fn list(tables: &[&Name]) -> String {
    let mut names: Vec<_> = tables.iter().map(|t| quoted(t)).collect();
    names.sort();
    names.join(", ")
}

fn quoted((namespace, table): &Name) -> String {
    format!("{}.{}", escape_identifier(namespace), escape_identifier(table))
}

/// The SQL by which somebody with the right would make what is missing, for `check`.
pub(super) fn missing_sql(settings: &PostgresSettings, wanted: &Wanted, found: Option<&Publication>) -> Option<String> {
    let ident = escape_identifier(&settings.publication);
    let all: Vec<&Name> = wanted.with_identity.iter().collect();
    let Some(found) = found else {
        return Some(format!("CREATE PUBLICATION {ident} FOR TABLE {} WITH ({OPTIONS});", list(&all)));
    };
    let missing: Vec<&Name> = all.into_iter().filter(|t| !found.covered.contains(*t)).collect();
    (!missing.is_empty() && !found.is_all_tables)
        .then(|| format!("ALTER PUBLICATION {ident} ADD TABLE {};", list(&missing)))
}
