//! Before streaming: the server is one that we can read, and it still has everything behind the checkpoint. Every refusal says what
//! to do, with the SQL.

use super::MysqlSettings;
use super::dump::{FILE_BEGIN, Way};
use super::gtid::{GtidSet, MariadbPosition};
use super::link::Link;
use super::survey::{self, End, Facts, MARIADB_MIN, MYSQL_MIN};
use super::trouble::{Trouble, fatal, grant, loss, passing};
use crate::change::{BinlogPosition, DatabaseKind};
use std::time::Duration;

/// What streaming needs to know.
pub(super) struct Ready {
    pub(super) server: String,
    pub(super) kind: DatabaseKind,
    pub(super) way: Way,
    /// From where to send: what was known, or the end of the log.
    pub(super) from: BinlogPosition,
    /// What the dump is asked for; differs from `from` only where the protocol can not name that.
    pub(super) ask: BinlogPosition,
    pub(super) end: u64,
}

/// A transaction is sent to replicas a moment before the server counts it as executed.
const SETTLE_WAIT: Duration = Duration::from_millis(300);
const SETTLE_TRIES: u32 = 5;

/// Looks, and refuses what can not be read and what would lose changes. `known` is from where to go on.
///
/// # Errors
/// A sentence with a remedy; `loss` where going on would leave changes out.
pub(super) fn prepare(
    link: &mut Link,
    settings: &MysqlSettings,
    known: Option<&BinlogPosition>,
) -> Result<Ready, Trouble> {
    let place = settings.address().map(|a| a.place.to_string()).unwrap_or_default();
    let facts = survey::facts(link)?;
    if let Some(sentence) = hindrances(&facts, settings, &place).into_iter().next() {
        return Err(Trouble::Judged(fatal(sentence)));
    }
    if let Some(sentence) = metadata(&facts, &place) {
        tracing::warn!(source = settings.name, "{sentence}");
    }
    let end = survey::end(link, &facts).map_err(|trouble| rights(trouble, &facts))?;
    if let Some(sentence) = limited(&end, &place) {
        tracing::warn!(source = settings.name, "{sentence}");
    }
    let mut ready = Ready {
        server: facts.server.clone(),
        kind: facts.kind,
        way: if facts.kind == DatabaseKind::Mariadb { Way::Domains } else { Way::Gtids },
        end: end.position.ordinal,
        from: known.unwrap_or(&end.position).clone(),
        ask: known.unwrap_or(&end.position).clone(),
    };
    match (facts.kind, known) {
        (DatabaseKind::Mariadb, Some(known)) => domains(link, &facts, known, &end, &place)?,
        (DatabaseKind::Mariadb, None) => {}
        (_, None) if facts.has_gtids => {}
        (_, None) => ready.way = Way::File,
        // Only a position of bytes has a number without GTIDs.
        (_, Some(known)) if known.gtids.is_empty() && known.ordinal > 0 => {
            ready.way = Way::File;
            ready.ask = file(link, known, &place)?;
        }
        (_, Some(known)) if facts.has_gtids => gtids(link, known, &place)?,
        (_, Some(_)) => {
            return Err(Trouble::Judged(fatal(format!(
                "gtid_mode of {place} is {}, and the checkpoint was written while it was ON; set it to ON again (in steps: OFF_PERMISSIVE, \
                 ON_PERMISSIVE, ON), or remove this source's checkpoint (sluicegate forget SOURCE) and raise its `epoch`, to begin anew at the end of the log",
                facts.gtid_mode
            ))));
        }
    }
    Ok(ready)
}

/// What keeps the log from being read at all, each with its remedy.
pub(super) fn hindrances(facts: &Facts, settings: &MysqlSettings, place: &str) -> Vec<String> {
    let Facts { kind, version, server, .. } = facts;
    let (min, range) = match kind {
        DatabaseKind::Mariadb => (MARIADB_MIN, "MariaDB 10.6 to 11"),
        _ => (MYSQL_MIN, "MySQL 8.0 to 9"),
    };
    let mut found = Vec::new();
    if *version < min {
        found.push(format!("{place} is {server}; {range} are supported: upgrade the server"));
    }
    if !facts.has_log {
        found.push(format!(
            "{place} writes no binary log; add log_bin and server_id = 1 to its configuration, under [mysqld], and restart it"
        ));
    }
    if facts.format != "ROW" {
        found.push(format!(
            "binlog_format of {place} is {}, which logs statements instead of rows; SET GLOBAL binlog_format = 'ROW'; and write \
             binlog_format = ROW into its configuration. Sessions that are open keep what they have: reconnect them",
            facts.format
        ));
    }
    if facts.server_id == settings.server_id {
        found.push(format!(
            "server_id {} is that of {place} itself; set another one for this source, that no replica has: SHOW REPLICAS lists them",
            settings.server_id
        ));
    }
    found
}

/// What is said where the log lacks names and signs of columns.
pub(super) fn metadata(facts: &Facts, place: &str) -> Option<String> {
    (facts.row_metadata != "FULL").then(|| {
        format!(
            "binlog_row_metadata of {place} is {}: names of columns come from information_schema as it is now, so that rows written before \
             an ALTER TABLE may be read with the names after it; SET GLOBAL binlog_row_metadata = 'FULL'; and write \
             binlog_row_metadata = FULL into its configuration",
            if facts.row_metadata.is_empty() { "not known" } else { &facts.row_metadata }
        )
    })
}

/// What is said where the server itself leaves databases out.
pub(super) fn limited(end: &End, place: &str) -> Option<String> {
    let (word, list) = match (end.only.as_str(), end.without.as_str()) {
        ("", "") => return None,
        ("", without) => ("binlog_ignore_db", without),
        (only, _) => ("binlog_do_db", only),
    };
    Some(format!("{place} leaves databases out of its binary log ({word} = {list}); their changes are never seen here"))
}

/// Names the account and the SQL for what the server refuses.
pub(super) fn rights(trouble: Trouble, facts: &Facts) -> Trouble {
    const DENIED: [u16; 4] = [1044, 1045, 1142, 1227];
    match trouble {
        Trouble::Server { doing, error } if DENIED.contains(&error.code) => Trouble::Judged(fatal(format!(
            "the user may not {doing} ({}); run as an administrator: {}",
            error.message,
            grant(&facts.account)
        ))),
        other => other,
    }
}

/// MySQL by GTID: the server must have executed what we know, and still hold what it has executed since.
fn gtids(link: &mut Link, known: &BinlogPosition, place: &str) -> Result<(), Trouble> {
    let ours: GtidSet = known.gtids.parse().map_err(Trouble::Refused)?;
    for attempt in 1.. {
        let (executed, purged) = survey::gtids(link)?;
        let foreign = ours.subtract(&executed);
        if foreign.count() > 0 {
            if attempt < SETTLE_TRIES {
                std::thread::sleep(SETTLE_WAIT);
                continue;
            }
            return Err(Trouble::Judged(loss(format!(
                "{place} has executed {}, and delivered is up to {ours}: it lacks {foreign}. Its log was reset, or this is an older copy or \
                 another server; what it wrote that was never delivered can not be told from the rest and is lost",
                shown(&executed)
            ))));
        }
        let missing = purged.subtract(&ours);
        if missing.count() > 0 {
            return Err(Trouble::Judged(loss(format!(
                "{place} has purged binary logs that were still needed: delivered is up to {}, and the {} transactions {missing} are lost. To \
                 keep it from happening, raise binlog_expire_logs_seconds",
                shown(&ours),
                missing.count()
            ))));
        }
        break;
    }
    Ok(())
}

fn shown(set: &GtidSet) -> String {
    if set.count() == 0 { "nothing".into() } else { set.to_string() }
}

/// MariaDB: no domain of the server may be behind what we know. Whether it still holds what came since, it says when asked for it.
fn domains(link: &mut Link, facts: &Facts, known: &BinlogPosition, end: &End, place: &str) -> Result<(), Trouble> {
    let ours: MariadbPosition = known.gtids.parse().map_err(Trouble::Refused)?;
    let mut theirs = end.position.gtids.to_string();
    for attempt in 1.. {
        let server: MariadbPosition = theirs.parse().map_err(Trouble::Protocol)?;
        if !is_ahead(&ours, &server) {
            break;
        }
        if attempt == SETTLE_TRIES {
            let has = if theirs.is_empty() { "no transaction" } else { &theirs };
            return Err(Trouble::Judged(loss(format!(
                "{place} has {has}, and delivered is up to {ours}: its log was reset, or this is an older copy or another server; what it \
                 wrote that was never delivered can not be told from the rest and is lost"
            ))));
        }
        std::thread::sleep(SETTLE_WAIT);
        theirs = survey::end(link, facts)?.position.gtids.to_string();
    }
    Ok(())
}

/// Whether a domain of ours is ahead of theirs.
fn is_ahead(ours: &MariadbPosition, theirs: &MariadbPosition) -> bool {
    let domain = |part: &str| part.split('-').next().and_then(|d| d.parse::<u32>().ok());
    ours.to_string().split(',').filter_map(domain).any(|d| ours.last(d) > theirs.last(d))
}

/// By file and offset: the file must be there, and be that long. Says what to ask the server for.
fn file(link: &mut Link, known: &BinlogPosition, place: &str) -> Result<BinlogPosition, Trouble> {
    let files = survey::files(link)?;
    let at = format!("{} {}", known.file, known.offset);
    let Some(index) = files.iter().position(|(name, _)| **name == *known.file) else {
        let oldest = files.first().map_or("none at all", |(name, _)| name);
        return Err(Trouble::Judged(loss(format!(
            "{place} no longer has the binary log {}; the oldest it has is {oldest}: changes from {at} on are lost. To keep it from \
             happening, raise binlog_expire_logs_seconds. If it never had that file, this is another server",
            known.file
        ))));
    };
    if known.offset > files[index].1 {
        return Err(Trouble::Judged(loss(format!(
            "the binary log {} of {place} ends at {}, and delivered is up to {at}: this is an older copy of the server, or another one; what it \
             wrote that was never delivered can not be told from the rest and is lost",
            known.file, files[index].1
        ))));
    }
    if u32::try_from(known.offset).is_ok() {
        return Ok(known.clone());
    }
    // The transaction that makes a file so long is its last one; what comes behind it is in the next file.
    match files.get(index + 1) {
        Some((next, _)) => Ok(BinlogPosition { file: next.as_str().into(), offset: FILE_BEGIN, ..known.clone() }),
        None => Err(Trouble::Judged(passing(format!(
            "the binary log {} of {place} is longer than 4 GiB, and the next one is not begun yet; it is waited for",
            known.file
        )))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_that_the_server_lacks_is_ahead() {
        let position = |text: &str| text.parse::<MariadbPosition>().expect("a position");
        for (ours, theirs, wanted) in [
            ("0-1-5", "0-1-5", false),
            ("0-1-5", "0-2-9", false),
            ("0-1-5", "0-1-4", true),
            ("0-1-5,1-1-1", "0-1-9", true),
            ("", "0-1-9", false),
            ("0-1-1", "", true),
        ] {
            assert_eq!(is_ahead(&position(ours), &position(theirs)), wanted, "{ours} {theirs}");
        }
    }
}
