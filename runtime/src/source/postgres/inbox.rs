//! One large buffer between the socket and the decoder. Messages are decoded where they lie.

use std::io::{self, Read};

/// Room for what a socket holds after a pause.
const CAPACITY: usize = 1 << 20;
/// Twice PostgreSQL's limit for a value: a row of several large values may still be longer, but the protocol's own limit is near.
const MESSAGE_MAX: usize = i32::MAX as usize;

/// Bytes as they came, and the messages in them.
pub(super) struct Inbox {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Counts since the beginning, for the rates.
    pub(super) bytes_total: u64,
    pub(super) reads_total: u64,
}

/// A message, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
    /// What `consume` is told when the message was used.
    pub(super) len: usize,
}

const HEADER: usize = 5;

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buf: vec![0; CAPACITY], start: 0, end: 0, bytes_total: 0, reads_total: 0 }
    }

    /// The first whole message, if there is one.
    ///
    /// # Errors
    /// If the length is none that a message can have.
    #[inline]
    pub(super) fn peek(&self) -> Result<Option<Message<'_>>, String> {
        let Some(len) = self.first_len()? else { return Ok(None) };
        let Some(bytes) = self.buf[self.start..self.end].get(..len) else { return Ok(None) };
        Ok(Some(Message { tag: bytes[0], body: &bytes[HEADER..], len }))
    }

    /// Length of the first message, header included, if that much is known.
    #[inline]
    fn first_len(&self) -> Result<Option<usize>, String> {
        let Some(&[tag, a, b, c, d]) = self.buf[self.start..self.end].first_chunk::<HEADER>() else { return Ok(None) };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(4..=MESSAGE_MAX).contains(&len) {
            return Err(format!("message {:?} of {len} bytes", char::from(tag)));
        }
        Ok(Some(len + 1))
    }

    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Reads once, as much as there is and as there is room for. Zero means that the other side has closed.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        self.make_room()?;
        let n = from.read(&mut self.buf[self.end..])?;
        self.end += n;
        self.bytes_total += n as u64;
        self.reads_total += 1;
        Ok(n)
    }

    /// Moves the rest to the front, grows for a message that is larger than the buffer, shrinks when it was read.
    fn make_room(&mut self) -> io::Result<()> {
        let held = self.end - self.start;
        let wanted = self.first_len().map_err(io::Error::other)?.unwrap_or(0).max(CAPACITY);
        if held == 0 && self.buf.len() > CAPACITY {
            self.buf = vec![0; CAPACITY];
        }
        if self.start > 0 && self.buf.len() - self.end < CAPACITY / 4 {
            self.buf.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buf.len() < wanted && self.buf.len() == self.end {
            // Doubling, so that a length that was announced but never comes does not take its memory at once.
            let grown = wanted.min(self.buf.len() * 2);
            self.buf.resize(grown, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    fn read_all(bytes: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
        let (mut inbox, mut found) = (Inbox::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            let mut rest = chunk;
            while !rest.is_empty() {
                inbox.fill(&mut rest).expect("a slice can be read");
                while let Some(m) = inbox.peek().expect("lengths are right") {
                    found.push((m.tag, m.body.to_vec()));
                    let len = m.len;
                    inbox.consume(len);
                }
            }
        }
        found
    }

    #[test]
    fn message_larger_than_the_buffer_is_read_whole_and_the_memory_given_back() {
        let large = vec![7; 3 * CAPACITY];
        let bytes = [message(b'd', b"a"), message(b'd', &large), message(b'd', b"b")].concat();
        let found = read_all(&bytes, 100_000);
        assert_eq!(found.iter().map(|(_, b)| b.len()).collect::<Vec<_>>(), [1, large.len(), 1]);
        let mut inbox = Inbox::new();
        inbox.buf.resize(4 * CAPACITY, 0);
        inbox.fill(&mut &bytes[..6]).expect("read");
        assert_eq!(inbox.buf.len(), CAPACITY);
    }

    #[test]
    fn length_that_no_message_has_is_refused() {
        let mut inbox = Inbox::new();
        inbox.fill(&mut &[b'd', 0, 0, 0, 3][..]).expect("read");
        assert!(inbox.peek().is_err());
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_the_bytes_arrive(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20), step in 1usize..64
        ) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|b| message(b'd', b)).collect();
            let found: Vec<_> = read_all(&bytes, step).into_iter().map(|(_, b)| b).collect();
            prop_assert_eq!(found, bodies);
        }
    }
}
