//! The tables, and how older files become this version's.

use super::books::{Table, Total, write_total};
use super::inspect::structure;
use super::rows;
use crate::store::Checkpoint;
use rusqlite::{Connection, TransactionBehavior};

/// The format that this version writes.
pub(super) const FORMAT: i64 = 2;

/// Wide columns stand last: what only looks at the narrow ones then reads no overflow pages.
const TABLES: &[(&str, &str)] = &[
    (
        "checkpoint",
        "CREATE TABLE checkpoint (
    source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL, written_us INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (source, stream)) WITHOUT ROWID",
    ),
    (
        "dead",
        "CREATE TABLE dead (
    id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, target TEXT NOT NULL, member TEXT NOT NULL, name TEXT NOT NULL,
    kind TEXT NOT NULL, table_name TEXT NOT NULL, superseded INTEGER NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL,
    arrived_us INTEGER NOT NULL, died_us INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL, generation TEXT,
    guest TEXT, last_answer TEXT, backtrace TEXT, meta TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, json TEXT)",
    ),
    ("dead_key", "CREATE INDEX dead_key ON dead (key) WHERE kind = 'message' AND superseded = 0"),
    ("dead_name", "CREATE UNIQUE INDEX dead_name ON dead (pipeline, target, member, name)"),
    (
        "lane",
        "CREATE TABLE lane (
    id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, target TEXT NOT NULL, member TEXT NOT NULL, name_sum INTEGER NOT NULL,
    parked INTEGER NOT NULL, parked_bytes INTEGER NOT NULL, sum INTEGER NOT NULL, checksum INTEGER NOT NULL)",
    ),
    // With its sum: a second copy of every name that proves itself. Without its name nothing that waits for a lane can be saved.
    ("lane_name", "CREATE UNIQUE INDEX lane_name ON lane (pipeline, target, member, name_sum)"),
    (
        "mark",
        "CREATE TABLE mark (
    lane INTEGER NOT NULL, source TEXT NOT NULL, epoch INTEGER NOT NULL, log_commit TEXT NOT NULL, log_change TEXT NOT NULL,
    sub INTEGER NOT NULL, nth INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (lane, source)) WITHOUT ROWID",
    ),
    (
        "parked",
        "CREATE TABLE parked (
    seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL, attempts INTEGER NOT NULL, arrived_us INTEGER NOT NULL,
    bytes INTEGER NOT NULL, checksum INTEGER NOT NULL, id TEXT NOT NULL, meta TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL)",
    ),
    // Ordered by lane, and within it by seq, the row's number.
    ("parked_lane", "CREATE INDEX parked_lane ON parked (lane)"),
    (
        "tally",
        "CREATE TABLE tally (
    name TEXT NOT NULL PRIMARY KEY, rows INTEGER NOT NULL, sum INTEGER NOT NULL, last INTEGER NOT NULL, checksum INTEGER NOT NULL
    ) WITHOUT ROWID",
    ),
];

/// What SQLite should say of the tables, by name. Other text means that the page that describes them is damaged.
pub(super) fn expected() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().copied()
}

pub(super) fn found(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether a file of this format, which is not the current one, can be brought up; what is wrong if not.
pub(super) fn is_older(connection: &Connection, found: i64) -> rusqlite::Result<Vec<String>> {
    let mut findings = structure(connection, &["integrity_check"]);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))?;
    // Format 1 had one table, and before it there was none.
    if !(found == 0 && tables == 0 || found == 1 && tables == 1) {
        findings.push(format!("it says that it is of format {found}, and has {tables} tables"));
    }
    Ok(findings)
}

/// Makes a file without tables, or one of format 1, into this format's; all of it or nothing.
pub(super) fn bring_up(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = if found == 1 { take_format_1(&transaction)? } else { Vec::new() };
    create(&transaction)?;
    let mut checkpoints = Total::default();
    for (checkpoint, written_us) in known {
        checkpoints.tally.add(rows::write_checkpoint(&transaction, &checkpoint, written_us)?);
    }
    for table in Table::ALL {
        let total = match table {
            Table::Checkpoint => checkpoints,
            Table::Commit => Total { last: 1, ..Total::default() },
            _ => Total::default(),
        };
        write_total(&transaction, table, &total)?;
    }
    transaction.commit()?;
    if found == 1 {
        // So that the tables lie where they lie in a new file: see `first_page`.
        connection.execute_batch("VACUUM")?;
    }
    Ok(())
}

/// Tables without rows.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    // Tables before their indexes.
    for is_index in [false, true] {
        for (_, sql) in TABLES.iter().filter(|(_, sql)| sql.contains(" INDEX ") == is_index) {
            connection.execute_batch(sql)?;
        }
    }
    connection.pragma_update(None, "user_version", FORMAT)
}

/// Format 1 had checkpoints only, and no checksums.
fn take_format_1(connection: &Connection) -> rusqlite::Result<Vec<(Checkpoint, i64)>> {
    let known = checkpoints_of_1(connection)?;
    connection.execute_batch("DROP TABLE checkpoint")?;
    Ok(known)
}

pub(super) fn checkpoints_of_1(connection: &Connection) -> rusqlite::Result<Vec<(Checkpoint, i64)>> {
    let mut select = connection.prepare(
        "SELECT source, stream, position, 1000000 * CAST(strftime('%s', written_at) AS INTEGER) FROM checkpoint",
    )?;
    let known = select
        .query_map([], |row| {
            let checkpoint = Checkpoint { source: row.get(0)?, stream: row.get(1)?, position: row.get(2)? };
            Ok((checkpoint, row.get::<_, Option<i64>>(3)?.unwrap_or(0)))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(known)
}
