//! Before streaming: the server is one that we can read, the publication has our tables, the slot is there and has not lost
//! anything. Every refusal says what to do, with the SQL.

use super::PostgresSettings;
use super::link::Link;
use super::publication::{self, Hold, Occasion};
use super::roll::Roll;
use super::survey::{self, Facts, Slot, VERSION_MIN, Wanted};
use super::trouble::{Trouble, fatal, loss, passing, wal_level};
use crate::change::Lsn;
use postgres_protocol::escape::escape_literal;
use std::cmp::Ordering;

/// What streaming needs to know.
pub(super) struct Ready {
    sql: Link,
    wanted: Wanted,
    /// Those that exist.
    pub(super) publications: Vec<String>,
    /// What the slot has confirmed.
    pub(super) slot_confirmed: Lsn,
    pub(super) end: Lsn,
    pub(super) server: String,
}

impl Ready {
    /// The slot is ours: now the publications may be altered.
    ///
    /// # Errors
    /// See [`publication::bring`].
    pub(super) fn bring(mut self, settings: &PostgresSettings, hold: Hold, roll: &mut Roll) -> Result<(), Trouble> {
        publication::bring(&mut self.sql, settings, &self.wanted, &Occasion::Start(hold), roll)?;
        self.sql.close(false);
        Ok(())
    }
}

/// Looks, makes what is missing, and refuses what would lose changes. `floor` is what is known to be delivered. Nothing that
/// exists is altered yet: it may be somebody else's.
///
/// # Errors
/// A sentence with a remedy; `loss` where going on would leave changes out.
pub(super) fn prepare(mut sql: Link, settings: &PostgresSettings, floor: Option<Lsn>) -> Result<Ready, Trouble> {
    let link = &mut sql;
    let facts = survey::facts(link)?;
    let place = settings.address().map(|a| a.place.to_string()).unwrap_or_default();
    if facts.version < VERSION_MIN {
        return Err(Trouble::Judged(fatal(format!(
            "{place} is PostgreSQL {}; 14 to 18 are supported: upgrade the server",
            facts.version_text
        ))));
    }
    if facts.is_standby {
        // After a failover it may be promoted any moment.
        return Err(Trouble::Judged(passing(format!(
            "{place} is a standby; name the primary in the URL, or wait until this server is promoted"
        ))));
    }
    if facts.wal_level != "logical" {
        return Err(Trouble::Judged(fatal(wal_level(&place, &facts.wal_level))));
    }
    let slot = survey::slot(link, settings)?;
    let confirmed = match &slot {
        Some(slot) => Some(usable(slot, settings, &facts, floor).map_err(Trouble::Judged)?),
        None => None,
    };
    if let Some(floor) = floor.filter(|_| slot.is_none()) {
        return Err(Trouble::Judged(gone(settings, floor, &facts)));
    }
    if let Some(reader) = slot.and_then(|slot| slot.reader) {
        return Err(Trouble::Judged(passing(format!(
            "slot {:?} is in use by {reader}; it is tried again until that reader is gone. If it is no earlier run of this program, set \
             another `slot` and `publication` for source {} in sluicegate.toml",
            settings.slot, settings.name
        ))));
    }
    let tables = survey::tables(link)?;
    let wanted = survey::wanted(&tables, |name| (settings.tables)(name));
    if wanted.with_identity.is_empty() && wanted.without_identity.is_empty() {
        tracing::warn!(
            source = settings.name,
            "no table of the database is asked for; they are looked for again while running"
        );
    }
    // First the publications, then the slot: a slot can not decode with a publication that is younger than itself.
    let publications = publication::make(link, settings, &wanted)?;
    let slot_confirmed = match confirmed {
        Some(confirmed) => confirmed,
        None => create(link, settings)?,
    };
    let server = format!("PostgreSQL {}", facts.version_text);
    Ok(Ready { sql, wanted, publications, slot_confirmed, end: facts.end, server })
}

type Judged<T> = Result<T, crate::source::SourceError>;

fn usable(slot: &Slot, settings: &PostgresSettings, facts: &Facts, floor: Option<Lsn>) -> Judged<Lsn> {
    let name = &settings.slot;
    let forget = settings.forget();
    let again = format!("SELECT pg_drop_replication_slot({});", escape_literal(name));
    if slot.plugin.as_deref() != Some("pgoutput") {
        let what = slot.plugin.as_deref().map_or("a physical slot".to_owned(), |p| format!("for the plugin {p}"));
        return Err(fatal(format!(
            "slot {name:?} is {what}, not for pgoutput; set another name (slot = \"...\"), or remove it if nobody needs it: {again}"
        )));
    }
    let database = settings.address().map(|a| a.database).unwrap_or_default();
    if slot.database.as_deref() != Some(&database) {
        return Err(fatal(format!(
            "slot {name:?} belongs to database {:?}, not to {database:?}; slots are named once per server: set another name (slot = \"...\")",
            slot.database.as_deref().unwrap_or_default()
        )));
    }
    let confirmed = slot.confirmed.unwrap_or_default();
    if slot.wal_status.as_deref() == Some("lost") || slot.restart.is_none() {
        return Err(loss(format!(
            "slot {name:?} was invalidated by the server, which removed the log it needs: changes from {} to {} are lost. To go on without \
             them: {again} then remove this source's checkpoint: {forget}. To keep it from happening: raise max_slot_wal_keep_size",
            floor.unwrap_or(confirmed),
            facts.end
        )));
    }
    let Some(floor) = floor else { return Ok(confirmed) };
    if confirmed > floor {
        return Err(loss(format!(
            "slot {name:?} was moved on by somebody else: it stands at {confirmed}, and delivered is up to {floor} only; changes from {floor} \
             to {confirmed} are lost. Is another program reading the slot? To go on without them, remove this source's checkpoint: {forget}"
        )));
    }
    if floor > facts.end {
        return Err(loss(format!(
            "the server's log ends at {}, and delivered is up to {floor}: this is an older copy of the database, or another one; what was \
             delivered from {} to {floor} is not in it. To go on from here, remove this source's checkpoint: {forget}",
            facts.end, facts.end
        )));
    }
    Ok(confirmed)
}

fn gone(settings: &PostgresSettings, floor: Lsn, facts: &Facts) -> crate::source::SourceError {
    let slot = &settings.slot;
    let lost = match floor.cmp(&facts.end) {
        Ordering::Less => format!("changes from {floor} to {} are lost", facts.end),
        Ordering::Equal => format!(
            "all that is in the server's log, up to {floor}, was delivered, but what is changed until there is a slot again is lost"
        ),
        Ordering::Greater => format!("delivered is up to {floor}, and the server's log ends at {}", facts.end),
    };
    loss(format!(
        "slot {slot:?} is gone: {lost}. Was it dropped, or is this another server? To go on without them, remove this source's checkpoint: {}; \
         the slot is then made again",
        settings.forget()
    ))
}

fn create(link: &mut Link, settings: &PostgresSettings) -> Result<Lsn, Trouble> {
    const DOING: &str = "create the slot";
    let name = escape_literal(&settings.slot);
    // It waits until every transaction that is open now has ended, however long that takes.
    link.query(DOING, "SET statement_timeout = 0", Some(super::link::QUERY_MAX))?;
    tracing::info!(source = settings.name, slot = settings.slot, "creating slot; waits for open transactions");
    let sql = format!("SELECT lsn FROM pg_create_logical_replication_slot({name}, 'pgoutput')");
    let rows = match link.query(DOING, &sql, None) {
        Err(Trouble::Server { error, .. }) if error.code == "42710" => {
            return Err(Trouble::Judged(passing(format!(
                "slot {name} was made by somebody else just now; looking again"
            ))));
        }
        rows => rows?,
    };
    rows.first()
        .and_then(|row| row.first()?.as_ref()?.parse().ok())
        .ok_or_else(|| Trouble::Protocol("a new slot without a position".into()))
}
