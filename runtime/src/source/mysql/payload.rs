//! MySQL's compressed transactions (`binlog_transaction_compression`): one event of the log, with a stream of events inside.
//! Unpacked piece by piece, so that a large transaction takes no more memory than a small one.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Transaction__payload__event.html>

use super::envelope::{Damaged, Envelope, HEADER};
use super::event::RawEvent;
use std::io::{self, BufReader, Read};

/// Holds its events behind a list of fields.
pub(super) const TRANSACTION_PAYLOAD: u8 = 40;
/// The server's own limit for an event.
const EVENT_MAX: usize = 1 << 30;

/// The fields before the payload: each a type, a length, a value.
mod field {
    pub(super) const END: u64 = 0;
    pub(super) const COMPRESSION: u64 = 2;
}
const ZSTD: u64 = 0;
const UNCOMPRESSED: u64 = 255;

/// The events of one compressed transaction, in order.
pub(super) struct Payload<'a> {
    bytes: Box<dyn Read + 'a>,
    /// Inside, no event has a checksum of its own.
    envelope: Envelope,
    event: Vec<u8>,
}

impl<'a> Payload<'a> {
    /// From the event's body.
    ///
    /// # Errors
    /// If the fields can not be read, or name a compression that is not known.
    pub(super) fn open(body: &'a [u8]) -> Result<Self, Damaged> {
        let mut rest = body;
        let mut compression = ZSTD;
        loop {
            match number(&mut rest)? {
                field::END => break,
                kind => {
                    let len = usize::try_from(number(&mut rest)?).map_err(|_| short())?;
                    let (mut value, after) = rest.split_at_checked(len).ok_or_else(short)?;
                    rest = after;
                    if kind == field::COMPRESSION {
                        compression = number(&mut value)?;
                    }
                }
            }
        }
        let bytes: Box<dyn Read> = match compression {
            ZSTD => Box::new(BufReader::new(zstd::Decoder::with_buffer(rest).map_err(|e| unpacking(&e))?)),
            UNCOMPRESSED => Box::new(rest),
            other => return Err(Damaged(format!("a transaction compressed in a way that is not known ({other})"))),
        };
        Ok(Self { bytes, envelope: Envelope::without_checksums(), event: Vec::new() })
    }

    /// The next event; `None` behind the last.
    ///
    /// # Errors
    /// If the compressed bytes are damaged, or end within an event.
    pub(super) fn next(&mut self) -> Result<Option<RawEvent<'_>>, Damaged> {
        self.event.clear();
        let head = (&mut self.bytes).take(HEADER as u64).read_to_end(&mut self.event).map_err(|e| unpacking(&e))?;
        if head == 0 {
            return Ok(None);
        }
        let len = match self.event.get(9..13) {
            Some(&[a, b, c, d]) if head == HEADER => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => return Err(short()),
        };
        if !(HEADER..=EVENT_MAX).contains(&len) {
            return Err(Damaged(format!("an event of {len} bytes in a compressed transaction")));
        }
        (&mut self.bytes).take((len - HEADER) as u64).read_to_end(&mut self.event).map_err(|e| unpacking(&e))?;
        self.envelope.open(&self.event).map(Some)
    }
}

fn short() -> Damaged {
    Damaged("a compressed transaction that ends early".into())
}

fn unpacking(error: &io::Error) -> Damaged {
    Damaged(format!("a compressed transaction that can not be unpacked ({error})"))
}

/// A number of variable length, as the protocol writes it.
fn number(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let (&first, rest) = bytes.split_first().ok_or_else(short)?;
    let digits = match first {
        0..=250 => 0,
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return Err(short()),
    };
    let (value, rest) = rest.split_at_checked(digits).ok_or_else(short)?;
    *bytes = rest;
    Ok(if digits == 0 { first.into() } else { value.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        out[4] = kind;
        out[9..13].copy_from_slice(&((HEADER + body.len()) as u32).to_le_bytes());
        out.extend_from_slice(body);
        out
    }

    fn payload(compression: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![2, 1, compression];
        if compression == 255 {
            out = vec![2, 3, 252, 255, 0];
        }
        out.extend_from_slice(&[3, 1, 9, 1, 1, 9, 0]);
        out.extend_from_slice(bytes);
        out
    }

    fn events(body: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, Damaged> {
        let mut found = Vec::new();
        let mut payload = Payload::open(body)?;
        while let Some(event) = payload.next()? {
            found.push((event.kind, event.body.to_vec()));
        }
        Ok(found)
    }

    #[test]
    fn events_come_out_of_a_compressed_transaction() {
        let inside = [event(19, b"map"), event(30, &[7; 300_000]), event(16, b"")].concat();
        let wanted = vec![(19, b"map".to_vec()), (30, vec![7; 300_000]), (16, vec![])];
        let packed = zstd::encode_all(inside.as_slice(), 3).expect("it can be packed");
        assert_eq!(events(&payload(0, &packed)), Ok(wanted.clone()));
        assert_eq!(events(&payload(255, &inside)), Ok(wanted));
        assert!(events(&payload(0, &packed[..packed.len() - 9])).is_err());
        assert!(events(&payload(255, &inside[..40])).is_err());
        assert!(events(&payload(1, &inside)).is_err_and(|d| d.0.contains("not known (1)")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), is_packed in any::<bool>()) {
            let _ = events(&bytes);
            let _ = events(&payload(if is_packed { 0 } else { 255 }, &bytes));
        }
    }
}
