//! `check --connect`: asks the server whether everything is there, and changes nothing.

use super::PostgresSettings;
use super::link::{Link, Purpose};
use super::publication::missing_sql;
use super::scout::LOOK_EVERY;
use super::survey::{self, VERSION_MIN};
use super::trouble::{Trouble, wal_level};
use crate::fault::Finding;
use crate::source::Own;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn good(text: impl Into<String>) -> Finding {
    Finding::good(text)
}

fn bad(text: impl Into<String>) -> Finding {
    Finding::bad(text)
}

/// Asks the server. Stops at the first thing without which the others can not be asked.
pub async fn check(settings: &PostgresSettings, own: Own) -> Vec<Finding> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut findings = Vec::new();
        if let Err(trouble) = ask(&settings, own, &mut findings) {
            findings.push(bad(settings.judge(trouble).message));
        }
        findings
    });
    asked.await.unwrap_or_else(|_| vec![bad("the check itself failed; this is a mistake in sluicegate")])
}

fn ask(settings: &PostgresSettings, own: Own, findings: &mut Vec<Finding>) -> Result<(), Trouble> {
    let address = settings.address().map_err(Trouble::Refused)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, Purpose::Sql, &stop)?;
    let facts = survey::facts(&mut link)?;
    findings.push(good(format!(
        "{} is PostgreSQL {}, reached over {}",
        address.place,
        facts.version_text,
        link.protection()
    )));
    if facts.version < VERSION_MIN {
        findings.push(bad(format!(
            "PostgreSQL {} is too old; 14 to 18 are supported: upgrade the server",
            facts.version_text
        )));
    }
    if facts.is_standby {
        findings.push(bad("the server is a standby; name the primary in the URL"));
    }
    findings.push(match facts.wal_level.as_str() {
        "logical" => good("wal_level is logical"),
        level => bad(wal_level(&address.place.to_string(), level)),
    });
    findings.push(may_replicate(settings, &address.user, &stop, facts.may_replicate));
    let slot = survey::slot(&mut link, settings)?;
    findings.push(slot_finding(settings, slot.as_ref(), &address.database, &facts));
    let reader = slot.and_then(|slot| slot.reader);
    if let Some(reader) = &reader {
        findings.push(reader_finding(&settings.slot, reader, own));
    }
    let tables = survey::tables(&mut link)?;
    let wanted = survey::wanted(&tables, |name| (settings.tables)(name));
    tables_findings(&wanted, findings);
    let publication = survey::publication(&mut link, &settings.publication)?;
    if let Some(found) = &publication
        && !found.is_complete
    {
        findings.push(bad(format!(
            "publication {:?} leaves out some operations: ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
            settings.publication,
            escape_identifier(&settings.publication)
        )));
    }
    findings.push(match (missing_sql(settings, &wanted, publication.as_ref()), publication) {
        (Some(sql), Some(_)) if reader.is_some() => bad(format!(
            "publication {:?} lacks tables that are asked for, and the slot is read: their changes pass by. Who reads for these pipelines \
             adds them within {} s; as by: {sql}",
            settings.publication,
            LOOK_EVERY.as_secs()
        )),
        (None, _) => good(format!("publication {:?} has every table that is asked for", settings.publication)),
        (Some(sql), None) => {
            good(format!("publication {:?} is made at the first start, as by: {sql}", settings.publication))
        }
        (Some(sql), Some(_)) => {
            good(format!("publication {:?} is changed at the next start, as by: {sql}", settings.publication))
        }
    });
    link.close(false);
    Ok(())
}

/// The right itself, and whether pg_hba.conf lets the user in: only a replication connection can tell.
fn may_replicate(settings: &PostgresSettings, user: &str, stop: &Arc<AtomicBool>, has_right: bool) -> Finding {
    match Link::open(settings, Purpose::Replication, stop) {
        Ok(link) => {
            link.close(false);
            good(format!("user {user:?} may replicate"))
        }
        Err(trouble) if has_right => bad(settings.judge(trouble).message),
        Err(_) => bad(format!(
            "user {user:?} may not replicate; run as a superuser: ALTER ROLE {} REPLICATION;",
            escape_identifier(user)
        )),
    }
}

fn slot_finding(
    settings: &PostgresSettings,
    slot: Option<&survey::Slot>,
    database: &str,
    facts: &survey::Facts,
) -> Finding {
    let name = &settings.slot;
    let Some(slot) = slot else {
        if let Some(known) = settings.known {
            return bad(format!("slot {name:?} is gone, and delivered is up to {known}: changes since then are lost"));
        }
        if facts.slots_used >= facts.slots_max {
            return bad(format!(
                "no replication slot is free ({} of {} are used); drop one that nobody needs, or: ALTER SYSTEM SET max_replication_slots = {}; \
                 then restart the server",
                facts.slots_used,
                facts.slots_max,
                facts.slots_max + 10
            ));
        }
        return good(format!("slot {name:?} is made at the first start"));
    };
    let drop = format!("SELECT pg_drop_replication_slot({});", escape_literal(name));
    if slot.plugin.as_deref() != Some("pgoutput") {
        return bad(format!(
            "slot {name:?} is not for pgoutput; set another name (slot = \"...\"), or remove it: {drop}"
        ));
    }
    if slot.database.as_deref() != Some(database) {
        return bad(format!("slot {name:?} belongs to another database; set another name (slot = \"...\")"));
    }
    if slot.wal_status.as_deref() == Some("lost") || slot.restart.is_none() {
        return bad(format!(
            "slot {name:?} was invalidated: changes since {} are lost; remove it: {drop}",
            slot.confirmed.unwrap_or_default()
        ));
    }
    good(format!("slot {name:?} is there, at {}", slot.confirmed.unwrap_or_default()))
}

/// Two can not read one slot, and each would take the other's tables out of the publication.
fn reader_finding(slot: &str, reader: &str, own: Own) -> Finding {
    match own {
        Own::Running => good(format!(
            "slot {slot:?} is read by {reader} right now; the program of this folder runs, and `sluicegate status` says whether that is it"
        )),
        Own::Away => bad(format!(
            "slot {slot:?} is read by {reader} right now, and the program of this folder does not run: stop that reader, or set another `slot` \
             and `publication` in sluicegate.toml"
        )),
    }
}

fn tables_findings(wanted: &survey::Wanted, findings: &mut Vec<Finding>) {
    let count = wanted.with_identity.len() + wanted.without_identity.len();
    findings.push(match count {
        0 => bad("no table of the database is asked for; look at `tables` in the pipelines, names are schema.table"),
        1 => good("1 table is asked for"),
        n => good(format!("{n} tables are asked for")),
    });
    for (namespace, table) in &wanted.without_identity {
        findings.push(bad(format!(
            "{namespace}.{table} has no replica identity: only its inserts are captured; give it a primary key, or: ALTER TABLE {}.{} \
             REPLICA IDENTITY FULL;",
            escape_identifier(namespace),
            escape_identifier(table)
        )));
    }
}
