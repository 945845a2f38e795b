//! What travels inside CopyBoth: the command that begins it, the two messages that come, the one that goes.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

use super::wire::Cursor;
use crate::change::Lsn;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::time::{SystemTime, UNIX_EPOCH};

/// START_REPLICATION from `start`, with protocol version 1, text values and further options.
pub(super) fn start_command(slot: &str, start: Lsn, publications: &[String], options: &[&str]) -> String {
    let names = publications.iter().map(|p| escape_identifier(p)).collect::<Vec<_>>().join(",");
    format!(
        "START_REPLICATION SLOT {} LOGICAL {start} (proto_version '1', publication_names {}{})",
        escape_identifier(slot),
        escape_literal(&names).trim_start(),
        options.iter().map(|option| format!(", {option}")).collect::<String>()
    )
}

/// The two messages inside CopyData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyData<'a> {
    Log { lsn: u64, bytes: &'a [u8] },
    Keepalive { end: u64, is_asking: bool },
}

#[inline]
pub(super) fn copy_data(body: &[u8]) -> Option<CopyData<'_>> {
    const PART: &str = "CopyData";
    let mut c = Cursor::new(body);
    match c.u8(PART).ok()? {
        b'w' => {
            let lsn = c.u64(PART).ok()?;
            // The end of the server's log, and its clock.
            c.take(16, PART).ok()?;
            Some(CopyData::Log { lsn, bytes: c.rest() })
        }
        b'k' => {
            let end = c.u64(PART).ok()?;
            c.u64(PART).ok()?;
            Some(CopyData::Keepalive { end, is_asking: c.u8(PART).ok()? != 0 })
        }
        _ => None,
    }
}

/// Standby status update: written, flushed, applied, our clock, and that no answer is needed.
pub(super) fn standby_status(written: Lsn, confirmed: Lsn) -> [u8; 34] {
    let mut out = [0; 34];
    out[0] = b'r';
    out[1..9].copy_from_slice(&written.0.to_be_bytes());
    out[9..17].copy_from_slice(&confirmed.0.to_be_bytes());
    out[17..25].copy_from_slice(&confirmed.0.to_be_bytes());
    out[25..33].copy_from_slice(&now_us().to_be_bytes());
    out
}

/// Microseconds since 2000-01-01 UTC.
pub(super) fn now_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_micros() as i64 - sluicegate_frame::UNIX_EPOCH_TO_2000_US
}

/// From a commit, in microseconds since 2000-01-01 UTC, to now; 0 if our clock is behind the server's.
pub(super) fn lag_us(committed_at: i64) -> u64 {
    now_us().saturating_sub(committed_at).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_twice() {
        let command = start_command("erp", Lsn(0x16_0000_0001), &["a\"b".into(), "c'd".into()], &[]);
        assert_eq!(
            command,
            "START_REPLICATION SLOT \"erp\" LOGICAL 16/1 (proto_version '1', publication_names '\"a\"\"b\",\"c''d\"')"
        );
    }

    #[test]
    fn copy_data_that_ends_early_is_no_message() {
        let keepalive = [&b"k"[..], &9u64.to_be_bytes(), &0u64.to_be_bytes(), &[1]].concat();
        assert_eq!(copy_data(&keepalive), Some(CopyData::Keepalive { end: 9, is_asking: true }));
        for len in 0..keepalive.len() {
            assert_eq!(copy_data(&keepalive[..len]), None);
        }
        assert_eq!(copy_data(&[b'w'; 24]), None);
        assert_eq!(copy_data(b"x"), None);
    }
}
