//! `check --connect`: asks the server whether everything is there, and changes nothing.

use super::MysqlSettings;
use super::link::Link;
use super::prepare::{hindrances, limited, metadata, prepare, rights};
use super::trouble::Trouble;
use super::{columns, dump, survey};
use crate::fault::Finding;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Asks the server. Stops at the first thing without which the others can not be asked.
pub async fn check(settings: &MysqlSettings) -> Vec<Finding> {
    let settings = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut findings = Vec::new();
        if let Err(trouble) = ask(&settings, &mut findings) {
            findings.push(Finding::bad(settings.judge(trouble).message));
        }
        findings
    });
    asked.await.unwrap_or_else(|_| vec![Finding::bad("the check itself failed; this is a mistake in sluicegate")])
}

fn ask(settings: &MysqlSettings, findings: &mut Vec<Finding>) -> Result<(), Trouble> {
    let place = settings.address().map_err(Trouble::Refused)?.place.to_string();
    let stop = Arc::new(AtomicBool::new(false));
    let mut link = Link::open(settings, &stop)?;
    let facts = survey::facts(&mut link)?;
    findings.push(Finding::good(format!("{place} is {}, reached over {}", facts.server, link.protection())));
    let hindered = hindrances(&facts, settings, &place);
    if hindered.is_empty() {
        findings.push(Finding::good(format!(
            "the binary log is on, in row format; server_id {} is free",
            settings.server_id
        )));
    }
    let has_log = facts.has_log;
    findings.extend(hindered.into_iter().map(Finding::bad));
    findings.push(match metadata(&facts, &place) {
        None => Finding::good("the binary log names its columns (binlog_row_metadata is FULL)"),
        Some(sentence) => Finding::bad(sentence),
    });
    if has_log {
        let end = survey::end(&mut link, &facts).map_err(|trouble| rights(trouble, &facts))?;
        findings.push(Finding::good(format!(
            "the binary log ends at {}; positions are {}",
            end.position,
            if facts.has_gtids { "GTIDs" } else { "files and offsets" }
        )));
        findings.extend(limited(&end, &place).map(Finding::bad));
    }
    // On a connection of its own: it makes that one a replica's.
    let mut replica = Link::open(settings, &stop)?;
    dump::register(&mut replica, settings.server_id).map_err(|trouble| rights(trouble, &facts))?;
    replica.close();
    findings.push(Finding::good(format!("user {} may replicate", facts.account)));
    tables(&mut link, settings, &facts, findings)?;
    if let Some(known) = &settings.known
        && has_log
    {
        prepare(&mut link, settings, Some(known))?;
        findings.push(Finding::good(format!("the binary log still has everything behind the checkpoint, {known}")));
    }
    link.close();
    Ok(())
}

fn tables(
    link: &mut Link,
    settings: &MysqlSettings,
    facts: &survey::Facts,
    findings: &mut Vec<Finding>,
) -> Result<(), Trouble> {
    let tables = columns::ask(link)?;
    findings.push(match tables.keys().filter(|name| (settings.tables)(name)).count() {
        0 => Finding::bad(format!(
            "no table that is asked for can be seen; look at `tables` in the pipelines, names are database.table, and give the right to see \
             them: GRANT SELECT ON *.* TO {};",
            facts.account
        )),
        1 => Finding::good("1 table is asked for"),
        n => Finding::good(format!("{n} tables are asked for")),
    });
    Ok(())
}
