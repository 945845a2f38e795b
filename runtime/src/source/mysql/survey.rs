//! What the server has and allows: read by `prepare` before streaming, and by `check`.

use super::gtid::{GtidSet, MariadbPosition};
use super::link::{Link, SqlRow};
use super::trouble::Trouble;
use crate::change::{BinlogPosition, DatabaseKind};
use std::collections::HashMap;

/// Major, minor, patch.
pub(super) type Version = (u32, u32, u32);

/// The oldest servers that are supported.
pub(super) const MYSQL_MIN: Version = (8, 0, 0);
pub(super) const MARIADB_MIN: Version = (10, 6, 0);
/// `SHOW MASTER STATUS` got its new name in 8.2, and lost the old one in 8.4.
const MYSQL_NEW_WORDS: Version = (8, 2, 0);

pub(super) struct Facts {
    pub(super) kind: DatabaseKind,
    pub(super) version: Version,
    /// As people say it: `MariaDB 11.4.5`.
    pub(super) server: String,
    /// Ours on the server, as SQL writes it: `'cdc'@'%'`.
    pub(super) account: String,
    pub(super) server_id: u32,
    pub(super) has_log: bool,
    pub(super) format: String,
    pub(super) row_metadata: String,
    /// MySQL with `gtid_mode=ON`; MariaDB always.
    pub(super) has_gtids: bool,
    pub(super) gtid_mode: String,
}

/// Where the server's log ends.
pub(super) struct End {
    pub(super) position: BinlogPosition,
    /// Databases to which, or without which, the log is limited.
    pub(super) only: String,
    pub(super) without: String,
}

fn unreadable() -> Trouble {
    Trouble::Protocol("an answer about its settings that can not be read".into())
}

fn field(row: &SqlRow, index: usize) -> &str {
    row.get(index).and_then(|f| f.as_deref()).unwrap_or_default()
}

fn one(link: &mut Link, doing: &'static str, sql: &str) -> Result<SqlRow, Trouble> {
    link.query(doing, sql)?.into_iter().next().ok_or_else(unreadable)
}

pub(super) fn facts(link: &mut Link) -> Result<Facts, Trouble> {
    const DOING: &str = "look at the server";
    let row = one(link, DOING, "SELECT VERSION(), CURRENT_USER()")?;
    let kind = if field(&row, 0).contains("MariaDB") { DatabaseKind::Mariadb } else { DatabaseKind::Mysql };
    let (version, version_text) = version(field(&row, 0)).ok_or_else(unreadable)?;
    // Whatever a server does not have is left out of the answer, and no error.
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
               ('server_id', 'log_bin', 'binlog_format', 'binlog_row_metadata', 'gtid_mode')";
    let variables: HashMap<String, String> = link
        .query(DOING, sql)?
        .into_iter()
        .map(|row| (field(&row, 0).to_lowercase(), field(&row, 1).to_owned()))
        .collect();
    let variable = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    let (user, host) = field(&row, 1).rsplit_once('@').unwrap_or((field(&row, 1), "%"));
    Ok(Facts {
        kind,
        version,
        server: format!("{} {version_text}", name(kind)),
        account: format!("{}@{}", super::trouble::quoted(user), super::trouble::quoted(host)),
        server_id: variable("server_id").parse().unwrap_or(0),
        has_log: matches!(variable("log_bin").to_uppercase().as_str(), "ON" | "1"),
        // A server without the setting knows no other format.
        format: variables.get("binlog_format").map_or("ROW", String::as_str).to_uppercase(),
        row_metadata: variable("binlog_row_metadata").to_uppercase(),
        has_gtids: kind == DatabaseKind::Mariadb || variable("gtid_mode").eq_ignore_ascii_case("ON"),
        gtid_mode: variable("gtid_mode").to_uppercase(),
    })
}

pub(super) fn name(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Mariadb => "MariaDB",
        _ => "MySQL",
    }
}

/// Of `5.5.5-10.11.19-MariaDB-0+deb12u1-log`, `9.7.4-2`.
fn version(text: &str) -> Option<(Version, String)> {
    // MariaDB before 11 puts this before its own number, for old replicas.
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map(|n| n.parse().unwrap_or(0));
    Some(((numbers.next()?, numbers.next()?, numbers.next().unwrap_or(0)), text[..end].to_owned()))
}

pub(super) fn end(link: &mut Link, facts: &Facts) -> Result<End, Trouble> {
    const DOING: &str = "ask where the binary log ends";
    let is_mariadb = facts.kind == DatabaseKind::Mariadb;
    let sql =
        if !is_mariadb && facts.version >= MYSQL_NEW_WORDS { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let row = one(link, DOING, sql)?;
    let (file, offset) = (field(&row, 0).to_owned(), field(&row, 1).parse().map_err(|_| unreadable())?);
    let gtids = if is_mariadb {
        // At this very offset, whatever is committed meanwhile.
        let sql = format!("SELECT BINLOG_GTID_POS({}, {offset})", super::trouble::quoted(&file));
        field(&one(link, DOING, &sql)?, 0).to_owned()
    } else if facts.has_gtids {
        field(&row, 4).to_owned()
    } else {
        String::new()
    };
    let position = position(facts, &file, offset, &gtids)?;
    Ok(End { position, only: field(&row, 2).to_owned(), without: field(&row, 3).to_owned() })
}

fn position(facts: &Facts, file: &str, offset: u64, gtids: &str) -> Result<BinlogPosition, Trouble> {
    let wrong = |_| unreadable();
    let (ordinal, gtids) = match facts.kind {
        DatabaseKind::Mariadb => {
            let domains: MariadbPosition = gtids.parse().map_err(wrong)?;
            (domains.sum(), domains.to_string())
        }
        _ if facts.has_gtids => {
            let set: GtidSet = gtids.parse().map_err(wrong)?;
            (set.count(), set.to_string())
        }
        _ => (file_ordinal(file, offset), String::new()),
    };
    Ok(BinlogPosition { ordinal, file: file.into(), offset, gtids: gtids.into() })
}

/// See [`BinlogPosition::ordinal`].
fn file_ordinal(file: &str, offset: u64) -> u64 {
    const OFFSET_BITS: u32 = 40;
    let number: u64 = file.rsplit('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    number << OFFSET_BITS | offset & ((1 << OFFSET_BITS) - 1)
}

/// What MySQL has executed, and what it has removed from its log since.
pub(super) fn gtids(link: &mut Link) -> Result<(GtidSet, GtidSet), Trouble> {
    let row = one(link, "ask for the executed GTIDs", "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged")?;
    let set = |index: usize| field(&row, index).parse().map_err(|_| unreadable());
    Ok((set(0)?, set(1)?))
}

/// Names and sizes of the files of the log, the oldest first.
pub(super) fn files(link: &mut Link) -> Result<Vec<(String, u64)>, Trouble> {
    let rows = link.query("list the binary logs", "SHOW BINARY LOGS")?;
    Ok(rows.iter().map(|row| (field(row, 0).to_owned(), field(row, 1).parse().unwrap_or(0))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_found_in_what_a_server_says() {
        for (text, numbers, said) in [
            ("5.5.5-10.11.19-MariaDB-0+deb12u1-log", (10, 11, 19), "10.11.19"),
            ("11.4.5-MariaDB", (11, 4, 5), "11.4.5"),
            ("9.7.4-2", (9, 7, 4), "9.7.4"),
            ("8.0.36-28.1", (8, 0, 36), "8.0.36"),
        ] {
            assert_eq!(version(text), Some((numbers, said.to_owned())), "{text}");
        }
        assert_eq!(version("sphinx"), None);
    }

    #[test]
    fn ordinal_of_a_file_grows_with_file_and_offset() {
        assert!(file_ordinal("binlog.000009", 1 << 33) < file_ordinal("binlog.000010", 4));
        assert_eq!(file_ordinal("a.b.000001", 4), 1 << 40 | 4);
    }
}
