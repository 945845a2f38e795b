//! From a packet of a dump to an event: the header is taken apart, the checksum verified and cut off.
//!
//! Whether events carry a checksum is said by each file's format description event, for all that follow it. Only what a server
//! makes up before it (a rotation) is known by its own bytes alone: it has one if it fits.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html>

use super::event::RawEvent;

/// Kinds that the way of reading must know; all others are the decoder's.
pub(super) const FORMAT_DESCRIPTION: u8 = 15;
pub(super) const HEARTBEAT: u8 = 27;
pub(super) const HEARTBEAT_V2: u8 = 41;

pub(super) const HEADER: usize = 19;
const CHECKSUM: usize = 4;
const CRC32: u8 = 1;
/// Set while a file is written to; the checksum is made without it.
const IN_USE: u8 = 1;
const FLAGS_AT: usize = 17;

/// An event that is not as the server wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged(pub(super) String);

/// What is known about the events of the stream.
pub(super) struct Envelope {
    has_checksum: Option<bool>,
}

impl Envelope {
    pub(super) fn new() -> Self {
        Self { has_checksum: None }
    }

    /// For events that stand in another one, which has the checksum for them all.
    pub(super) fn without_checksums() -> Self {
        Self { has_checksum: Some(false) }
    }

    /// Takes one event apart.
    ///
    /// # Errors
    /// If it is cut short, or its checksum is wrong.
    #[inline]
    pub(super) fn open<'a>(&mut self, bytes: &'a [u8]) -> Result<RawEvent<'a>, Damaged> {
        let Some((head, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Damaged(format!("an event of {} bytes", bytes.len())));
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (kind, len) = (head[4], word(9));
        if len as usize != bytes.len() {
            return Err(Damaged(format!("an event of kind {kind} says {len} bytes, and {} came", bytes.len())));
        }
        let has_checksum = match (kind, self.has_checksum) {
            (FORMAT_DESCRIPTION, _) => {
                let algorithm = body.len().checked_sub(CHECKSUM + 1).map(|at| body[at]);
                self.has_checksum = Some(algorithm == Some(CRC32));
                algorithm == Some(CRC32)
            }
            (_, Some(has_checksum)) => has_checksum,
            (_, None) => fits(bytes),
        };
        if has_checksum && !fits(bytes) && !(kind == FORMAT_DESCRIPTION && fits_when_closed(bytes)) {
            return Err(Damaged(format!("the checksum of an event of kind {kind} is wrong")));
        }
        // A format description always has room for one, whether it is used or not.
        let cut = if has_checksum || kind == FORMAT_DESCRIPTION { CHECKSUM } else { 0 };
        Ok(RawEvent {
            timestamp: word(0),
            kind,
            server_id: word(5),
            len,
            end: word(13),
            flags: u16::from_le_bytes([head[FLAGS_AT], head[FLAGS_AT + 1]]),
            body: &body[..body.len().saturating_sub(cut)],
        })
    }
}

/// Whether the last four bytes are the checksum of those before.
fn fits(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<CHECKSUM>().is_some_and(|(all, sum)| crc32fast::hash(all) == u32::from_le_bytes(*sum))
}

/// As `fits`, for a format description whose file is still open.
fn fits_when_closed(bytes: &[u8]) -> bool {
    let mut closed = bytes.to_vec();
    if let Some(flags) = closed.get_mut(FLAGS_AT) {
        *flags &= !IN_USE;
    }
    fits(&closed)
}

/// Microseconds since 1970 at which a transaction was committed, if this event says it: MySQL's GTID event of any transaction does.
pub(super) fn committed_at_us(event: &RawEvent<'_>) -> Option<u64> {
    const GTID: u8 = 33;
    const ANONYMOUS_GTID: u8 = 34;
    /// Flags, server, number, and the two logical clocks behind their kind.
    const AT: usize = 1 + 16 + 8 + 1 + 8 + 8;
    /// Above it a flag.
    const BITS: u32 = 55;
    if !matches!(event.kind, GTID | ANONYMOUS_GTID) {
        return None;
    }
    let seven = event.body.get(AT..AT + 7)?;
    let number = seven.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)) & ((1 << BITS) - 1);
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(kind: u8, body: &[u8], has_checksum: bool) -> Vec<u8> {
        let len = (HEADER + body.len() + if has_checksum { CHECKSUM } else { 0 }) as u32;
        let mut out = 7u32.to_le_bytes().to_vec();
        out.push(kind);
        for word in [1u32, len, 500] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(body);
        if has_checksum {
            out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        }
        out
    }

    #[test]
    fn checksum_is_cut_off_as_the_format_description_says() {
        let mut envelope = Envelope::new();
        let rotation = event(4, b"12345678binlog.000001", true);
        assert_eq!(envelope.open(&rotation).expect("whole").body, b"12345678binlog.000001");
        let rotation = event(4, b"12345678binlog.000001", false);
        assert_eq!(envelope.open(&rotation).expect("whole").body, b"12345678binlog.000001");
        envelope.open(&event(FORMAT_DESCRIPTION, &[4, 0, CRC32], true)).expect("whole");
        assert_eq!(envelope.open(&event(30, b"row", true)).expect("whole").body, b"row");
        let mut damaged = event(30, b"row", true);
        damaged[HEADER] ^= 1;
        assert!(envelope.open(&damaged).is_err_and(|d| d.0.contains("kind 30")));
        // Off: the four bytes are there all the same, and say nothing.
        envelope.open(&event(FORMAT_DESCRIPTION, &[4, 0, 0, 9, 9, 9, 9], false)).expect("whole");
        assert_eq!(envelope.open(&event(30, b"row", false)).expect("whole").body, b"row");
    }

    #[test]
    fn open_file_has_the_checksum_of_a_closed_one() {
        let mut bytes = event(FORMAT_DESCRIPTION, &[4, 0, CRC32], true);
        bytes[FLAGS_AT] |= IN_USE;
        Envelope::new().open(&bytes).expect("the flag is not part of the sum");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..5)) {
            let mut envelope = Envelope::new();
            for mut bytes in events {
                if bytes.len() >= 13 {
                    let len = bytes.len() as u32;
                    bytes[9..13].copy_from_slice(&len.to_le_bytes());
                    bytes[4] = [FORMAT_DESCRIPTION, 33, 30][usize::from(bytes[4]) % 3];
                }
                if let Ok(event) = envelope.open(&bytes) {
                    let _ = committed_at_us(&event);
                }
            }
        }
    }
}
