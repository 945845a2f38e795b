//! Before streaming: the server is one that we can read, the publication has our tables, the slot is there and has not lost
//! anything. Every refusal says what to do, with the SQL.

use super::PostgresSettings;
use super::link::Link;
use super::publication;
use super::survey::{self, Facts, Slot, VERSION_MIN};
use super::trouble::{Trouble, fatal, loss, passing, wal_level};
use crate::change::Lsn;
use postgres_protocol::escape::escape_literal;

/// What streaming needs to know.
pub(super) struct Ready {
    pub(super) publications: Vec<String>,
    /// What the slot has confirmed.
    pub(super) slot_confirmed: Lsn,
    pub(super) end: Lsn,
    pub(super) server: String,
}

/// Looks, makes what is missing, and refuses what would lose changes. `floor` is what is known to be delivered.
///
/// # Errors
/// A sentence with a remedy; `loss` where going on would leave changes out.
pub(super) fn prepare(link: &mut Link, settings: &PostgresSettings, floor: Option<Lsn>) -> Result<Ready, Trouble> {
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
    let tables = survey::tables(link)?;
    let wanted = survey::wanted(&tables, |name| (settings.tables)(name));
    if wanted.with_identity.is_empty() && wanted.without_identity.is_empty() {
        tracing::warn!(
            source = settings.name,
            "no table of the database is asked for; they are looked for again while running"
        );
    }
    // First the publications, then the slot: a slot can not decode with a publication that is younger than itself.
    let publications = publication::prepare(link, settings, &wanted, publication::Occasion::Start)?;
    let slot_confirmed = match survey::slot(link, settings)? {
        Some(slot) => usable(&slot, settings, &facts, floor).map_err(Trouble::Judged)?,
        None => create(link, settings, &facts, floor)?,
    };
    Ok(Ready { publications, slot_confirmed, end: facts.end, server: format!("PostgreSQL {}", facts.version_text) })
}

type Judged<T> = Result<T, crate::source::SourceError>;

fn usable(slot: &Slot, settings: &PostgresSettings, facts: &Facts, floor: Option<Lsn>) -> Judged<Lsn> {
    let name = &settings.slot;
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
             them: {again} then remove this source's checkpoint. To keep it from happening: raise max_slot_wal_keep_size",
            floor.unwrap_or(confirmed),
            facts.end
        )));
    }
    let Some(floor) = floor else { return Ok(confirmed) };
    if confirmed > floor {
        return Err(loss(format!(
            "slot {name:?} was moved on by somebody else: it stands at {confirmed}, and delivered is up to {floor} only; changes from {floor} \
             to {confirmed} are lost. Is another program reading the slot? To go on without them, remove this source's checkpoint"
        )));
    }
    if floor > facts.end {
        return Err(loss(format!(
            "the server's log ends at {}, and delivered is up to {floor}: this is an older copy of the database, or another one; what was \
             delivered from {} to {floor} is not in it. To go on from here, remove this source's checkpoint",
            facts.end, facts.end
        )));
    }
    Ok(confirmed)
}

fn create(link: &mut Link, settings: &PostgresSettings, facts: &Facts, floor: Option<Lsn>) -> Result<Lsn, Trouble> {
    const DOING: &str = "create the slot";
    let name = escape_literal(&settings.slot);
    if let Some(floor) = floor {
        return Err(Trouble::Judged(loss(format!(
            "slot {:?} is gone: changes from {floor} to {} are lost. Was it dropped, or is this another server? To go on without them, remove \
             this source's checkpoint; the slot is then made again",
            settings.slot, facts.end
        ))));
    }
    // It waits until every transaction that is open now has ended, however long that takes.
    link.query(DOING, "SET statement_timeout = 0", Some(super::link::QUERY_MAX))?;
    tracing::info!(source = settings.name, slot = settings.slot, "creating slot; waits for open transactions");
    let rows =
        link.query(DOING, &format!("SELECT lsn FROM pg_create_logical_replication_slot({name}, 'pgoutput')"), None)?;
    rows.first()
        .and_then(|row| row.first()?.as_ref()?.parse().ok())
        .ok_or_else(|| Trouble::Protocol("a new slot without a position".into()))
}
