//! Reads on through a damaged table: what lies behind a page that can not be read is found again by its number.

use rusqlite::{Connection, Row};

/// Numbers that are tried one by one behind the last row that was read. A page that leads to others can hide so many rows.
const STEPS_MAX: i64 = 50_000;

/// Shows every row that can be read. The statement gives rows from the number `?1` on, in order, the number as first column.
pub(super) fn walk(connection: &Connection, sql: &str, see: &mut dyn FnMut(&Row<'_>)) {
    // Before the statement runs nothing is read; one that can not be made has no table.
    let Ok(mut select) = connection.prepare(sql) else { return };
    let (mut next, mut failed, mut step) = (i64::MIN, 0i64, 1i64);
    loop {
        let mut run = || -> rusqlite::Result<()> {
            let mut found = select.query([next])?;
            while let Some(row) = found.next()? {
                let number: i64 = row.get(0)?;
                if number < next {
                    // A page that leads back.
                    return Err(rusqlite::Error::InvalidQuery);
                }
                next = number.saturating_add(1);
                (failed, step) = (0, 1);
                see(row);
                if next == i64::MAX {
                    break;
                }
            }
            Ok(())
        };
        if run().is_ok() {
            return;
        }
        failed += 1;
        if failed > STEPS_MAX {
            step = step.saturating_mul(2);
        }
        // Numbers that were given begin with 1.
        next = if next < 1 { 1 } else { next.saturating_add(step) };
        if next == i64::MAX {
            return;
        }
    }
}

/// Shows every row that can be read from one end or the other, some of them twice. `sql` is given the direction.
pub(super) fn both_ways(connection: &Connection, sql: &dyn Fn(&str) -> String, see: &mut dyn FnMut(&Row<'_>)) {
    for direction in ["ASC", "DESC"] {
        let mut run = || -> rusqlite::Result<()> {
            let mut select = connection.prepare(&sql(direction))?;
            let mut found = select.query([])?;
            while let Some(row) = found.next()? {
                see(row);
            }
            Ok(())
        };
        // What it could not read from here it may from the other end.
        let _ = run();
    }
}
