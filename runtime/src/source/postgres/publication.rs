//! The publications: made, or brought to exactly the tables that are asked for.
//!
//! There are two. A published table without a replica identity (no primary key, nothing in its place) refuses the
//! application's updates and deletes; publishing it must not break whoever writes to it. Such tables go into a second
//! publication, of inserts and truncates alone.
//!
//! ```text
//!   make              before the slot is ours: what is not there is made, what is there stays as it is
//!   bring, at a start when the slot is ours:   tables are added, then those that nobody asks for are taken out
//!   bring, at a look  while it streams:        tables are added
//! ```
//!
//! The server decodes each change with the publication as it stood at that change. A table that is taken out is lost to whoever
//! reads the slot, from then on and whatever is done later, so only the slot's holder alters what exists.

use super::PostgresSettings;
use super::link::{Link, QUERY_MAX};
use super::roll::Roll;
use super::survey::{self, Name, Publication, Wanted};
use super::trouble::{Trouble, fatal, passing};
use crate::change::Lsn;
use postgres_protocol::escape::{escape_identifier, escape_literal};

/// What a publication must be.
struct Goal<'a> {
    name: &'a str,
    options: &'static str,
    /// To be added, if it is not there.
    tables: Vec<&'a Name>,
    /// Whether this table may stay, though nobody asks for it.
    keeps: &'a dyn Fn(&Name) -> bool,
    occasion: &'a Occasion,
}

/// The slot, and the server's process that reads it for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) slot: String,
    pub(super) pid: u32,
}

/// When this happens, and so what may be done. What was said at the start is not said again with every look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    Before,
    Start(Hold),
    Look(Hold),
}

impl Occasion {
    fn hold(&self) -> Option<&Hold> {
        match self {
            Occasion::Before => None,
            Occasion::Start(hold) | Occasion::Look(hold) => Some(hold),
        }
    }

    fn complain(&self, publication: &str, trouble: &Trouble, what: &str) {
        match self {
            Occasion::Look(_) => tracing::debug!(publication, ?trouble, "{what}"),
            Occasion::Before | Occasion::Start(_) => tracing::warn!(publication, ?trouble, "{what}"),
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

/// Both as they are.
struct Found {
    main: Option<Publication>,
    keyless: Option<Publication>,
}

impl Found {
    fn look(link: &mut Link, settings: &PostgresSettings) -> Result<Self, Trouble> {
        let main = survey::publication(link, &settings.publication)?;
        Ok(Self { main, keyless: survey::publication(link, &settings.publication_keyless())? })
    }

    fn publishes(&self, name: &Name) -> bool {
        self.main.iter().chain(&self.keyless).any(|publication| publication.publishes(name))
    }

    fn main_covers(&self, name: &Name) -> bool {
        self.main.as_ref().is_some_and(|publication| publication.covered.contains(name))
    }
}

/// Makes the publications that are not there, and gives back the names of those that exist. What exists stays as it is.
///
/// # Errors
/// If one can not be made; the sentence has the SQL for somebody who may.
pub(super) fn make(link: &mut Link, settings: &PostgresSettings, wanted: &Wanted) -> Result<Vec<String>, Trouble> {
    let found = Found::look(link, settings)?;
    reach_both(link, settings, (wanted, &found), &Occasion::Before)
}

/// Brings both publications to what is wanted, and gives back the names of those that exist. Tables that somebody else took out
/// are put back, and said.
///
/// # Errors
/// If a table that is asked for can not be published; the sentence has the SQL for somebody who may. And if the slot is not
/// ours any more.
pub(super) fn bring(
    link: &mut Link,
    settings: &PostgresSettings,
    wanted: &Wanted,
    occasion: &Occasion,
    roll: &mut Roll,
) -> Result<Vec<String>, Trouble> {
    // The position first: what is seen behind it holds at least up to there.
    let mut seen_at = end_of_log(link)?;
    let mut found = Found::look(link, settings)?;
    let missing = roll.missing(wanted, |name| found.publishes(name));
    let names = match reach_both(link, settings, (wanted, &found), occasion) {
        Ok(names) => names,
        Err(trouble) => {
            roll.tell(&missing, None);
            return Err(trouble);
        }
    };
    if wanted.names().any(|name| !found.publishes(name)) {
        seen_at = end_of_log(link)?;
        found = Found::look(link, settings)?;
    }
    roll.tell(&missing, Some(seen_at));
    roll.saw(wanted, |name| found.publishes(name), seen_at);
    roll.warn_of_keyless(wanted.without_identity.iter().filter(|name| !found.main_covers(name)));
    Ok(names)
}

fn reach_both(
    link: &mut Link,
    settings: &PostgresSettings,
    (wanted, found): (&Wanted, &Found),
    occasion: &Occasion,
) -> Result<Vec<String>, Trouble> {
    let keyless_name = settings.publication_keyless();
    let without: Vec<&Name> = wanted.without_identity.iter().filter(|name| !found.main_covers(name)).collect();
    let goal = Goal {
        name: &settings.publication,
        options: OPTIONS,
        tables: wanted.with_identity.iter().collect(),
        // Somebody put it there on purpose.
        keeps: &|name| wanted.without_identity.contains(name),
        occasion,
    };
    reach(link, &goal, found.main.as_ref())?;
    let mut names = vec![settings.publication.clone()];
    // Made even when it is empty: a publication that is younger than the slot's position stops the stream.
    let goal =
        Goal { name: &keyless_name, options: OPTIONS_KEYLESS, tables: without.clone(), keeps: &|_| false, occasion };
    match reach(link, &goal, found.keyless.as_ref()) {
        Ok(()) => names.push(keyless_name),
        Err(trouble) if without.is_empty() => {
            tracing::debug!(source = settings.name, ?trouble, "second publication is not there, and not needed");
            if found.keyless.is_some() {
                names.push(keyless_name);
            }
        }
        Err(trouble) => return Err(trouble),
    }
    Ok(names)
}

fn reach(link: &mut Link, goal: &Goal<'_>, found: Option<&Publication>) -> Result<(), Trouble> {
    let ident = escape_identifier(goal.name);
    let Some(found) = found else {
        let list = if goal.tables.is_empty() { String::new() } else { format!(" FOR TABLE {}", list(&goal.tables)) };
        return change(link, goal, format!("CREATE PUBLICATION {ident}{list} WITH ({});", goal.options));
    };
    if *goal.occasion == Occasion::Before {
        return Ok(());
    }
    if !found.is_via_root {
        // Matters for partitioned tables only; without the right to it the names of leaves come through.
        let sql = format!("ALTER PUBLICATION {ident} SET (publish_via_partition_root = true);");
        if let Err(trouble) = change(link, goal, sql) {
            goal.occasion.complain(goal.name, &trouble, "publication shows partitions by their own names");
        }
    }
    let missing: Vec<&Name> = goal.tables.iter().copied().filter(|t| !found.covered.contains(*t)).collect();
    // One of all tables has them, and takes none by name: a root that shows by its leaves' names is not listed as covered.
    if !missing.is_empty() && !found.is_all_tables {
        change(link, goal, format!("ALTER PUBLICATION {ident} ADD TABLE {};", list(&missing)))?;
    }
    let extra: Vec<&Name> = found.listed.iter().filter(|t| !goal.tables.contains(t) && !(goal.keeps)(t)).collect();
    // Only what is left over from before: a table that comes while we stream is somebody else's, who may need it.
    if !extra.is_empty() && !found.is_all_tables && matches!(goal.occasion, Occasion::Start(_)) {
        let dropped = change(link, goal, format!("ALTER PUBLICATION {ident} DROP TABLE {};", list(&extra)));
        if let Err(trouble) = dropped {
            // What nobody asks for is left out by the decoder as well.
            goal.occasion.complain(goal.name, &trouble, "publication keeps tables that nobody asks for");
        }
    }
    Ok(())
}

fn change(link: &mut Link, goal: &Goal<'_>, sql: String) -> Result<(), Trouble> {
    if let Some(hold) = goal.occasion.hold() {
        look_at_hold(link, hold)?;
    }
    match link.query("change the publication", &sql, Some(QUERY_MAX)) {
        Ok(_) => {
            tracing::info!(sql, "publication changed");
            Ok(())
        }
        Err(Trouble::Server { error, .. }) if error.code == "42501" => Err(Trouble::Judged(fatal(format!(
            "the publication does not fit and may not be changed by this user ({error}); run as the tables' owner or a superuser: {sql}"
        )))),
        // Somebody else was quicker, a little or very little: it is there now, and looked at again with the next connection.
        Err(Trouble::Server { error, .. }) if ["42710", "23505"].contains(&error.code.as_str()) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// A connection that is cut without our knowing leaves the slot to whoever comes next, and with it the publication.
fn look_at_hold(link: &mut Link, hold: &Hold) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT 1 FROM pg_replication_slots WHERE slot_name = {} AND active_pid = {}",
        escape_literal(&hold.slot),
        hold.pid
    );
    match link.query("look at the slot", &sql, Some(QUERY_MAX))?.is_empty() {
        false => Ok(()),
        true => Err(Trouble::Judged(passing(format!(
            "slot {:?} is not read by this program any more; connecting anew",
            hold.slot
        )))),
    }
}

fn end_of_log(link: &mut Link) -> Result<Lsn, Trouble> {
    let rows = link.query("look at the log", "SELECT pg_current_wal_insert_lsn()", Some(QUERY_MAX))?;
    let end = rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok());
    end.ok_or_else(|| Trouble::Protocol("a log without an end".into()))
}

fn list(tables: &[&Name]) -> String {
    let mut names: Vec<_> = tables.iter().map(|t| quoted(t)).collect();
    names.sort();
    names.join(", ")
}

pub(super) fn quoted((namespace, table): &Name) -> String {
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
