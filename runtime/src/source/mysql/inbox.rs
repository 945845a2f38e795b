//! One large buffer between the socket and the decoder. Packets are read where they lie; only one of 16 MiB and more, which
//! comes in several parts, is moved together. <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

use std::io::{self, Read};

/// Room for what a socket holds.
const CAPACITY: usize = 1 << 20;
/// Three bytes of length, one that counts.
const HEADER: usize = 4;
/// A part of this length is followed by another.
const PART_MAX: usize = 0xff_ffff;
/// The largest event that a server sends: its `max_allowed_packet` ends at 1 GiB, and an event has a header.
const PACKET_MAX: usize = (1 << 30) + (1 << 16);

/// Bytes as they came, and the packets in them.
pub(super) struct Inbox {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

/// A packet, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) body: &'a [u8],
    /// Counts the packets of an exchange; the next one sent has the number after it.
    pub(super) number: u8,
    /// What `consume` is told when the packet was used.
    pub(super) len: usize,
}

/// Where a packet's parts lie.
struct Extent {
    /// Headers included.
    len: usize,
    parts: usize,
    number: u8,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buf: vec![0; CAPACITY], start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first whole packet, if there is one. After it was seen it must be consumed: its parts may have been moved.
    ///
    /// # Errors
    /// If it is longer than a packet can be.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Packet<'_>>, String> {
        let extent = match self.extent()? {
            Ok(extent) => extent,
            Err(_wanted) => return Ok(None),
        };
        let Extent { len, parts, number } = extent;
        if parts > 1 {
            self.join(parts);
        }
        let from = self.start + HEADER;
        Ok(Some(Packet { body: &self.buf[from..from + len - parts * HEADER], number, len }))
    }

    /// The first packet's parts, or how many bytes must have come to know more.
    #[inline]
    fn extent(&self) -> Result<Result<Extent, usize>, String> {
        let held = &self.buf[self.start..self.end];
        let (mut len, mut parts) = (0, 0);
        loop {
            let Some(&[a, b, c, number]) = held.get(len..).and_then(|rest| rest.first_chunk::<HEADER>()) else {
                return Ok(Err(len + HEADER));
            };
            let part = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            len += HEADER + part;
            parts += 1;
            if len > PACKET_MAX {
                return Err(format!("a packet of more than {PACKET_MAX} bytes"));
            }
            if len > held.len() {
                return Ok(Err(len));
            }
            if part < PART_MAX {
                return Ok(Ok(Extent { len, parts, number }));
            }
        }
    }

    /// Moves all parts behind the first, over their headers.
    fn join(&mut self, parts: usize) {
        let mut to = self.start + HEADER + PART_MAX;
        let mut from = to;
        for _ in 1..parts {
            let part = usize::from(self.buf[from])
                | usize::from(self.buf[from + 1]) << 8
                | usize::from(self.buf[from + 2]) << 16;
            self.buf.copy_within(from + HEADER..from + HEADER + part, to);
            from += HEADER + part;
            to += part;
        }
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
        Ok(n)
    }

    /// Moves the rest to the front, grows for a packet that is larger than the buffer, shrinks when it was read.
    fn make_room(&mut self) -> io::Result<()> {
        let held = self.end - self.start;
        let wanted = self.extent().map_err(io::Error::other)?.err().unwrap_or(0).max(CAPACITY);
        if held == 0 && self.buf.len() > CAPACITY {
            self.buf = vec![0; CAPACITY];
        }
        if self.start > 0 && self.buf.len() - self.end < CAPACITY / 4 {
            self.buf.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buf.len() == self.end {
            // Doubling, so that a length that was announced but never comes does not take its memory at once.
            let grown = wanted.max(held + HEADER).min(self.buf.len() * 2);
            self.buf.resize(grown, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for body in bodies {
            super::super::link::put_packet(&mut out, body, &mut 0);
        }
        out
    }

    fn read_all(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut inbox, mut found) = (Inbox::new(), Vec::new());
        for mut piece in bytes.chunks(step) {
            while !piece.is_empty() {
                inbox.fill(&mut piece).expect("slices can be read");
                while let Some(Packet { body, len, .. }) = inbox.next().expect("lengths are right") {
                    found.push(body.to_vec());
                    inbox.consume(len);
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..40),
            step in 1usize..10_000,
        ) {
            prop_assert_eq!(read_all(&packets(&bodies), step), bodies);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut inbox = Inbox::new();
            let mut left = bytes.as_slice();
            while !left.is_empty() && inbox.fill(&mut left).is_ok() {
                while let Ok(Some(packet)) = inbox.next() {
                    let len = packet.len;
                    inbox.consume(len);
                }
            }
        }
    }

    #[test]
    fn packet_of_several_parts_is_put_together() {
        for len in [PART_MAX - 1, PART_MAX, PART_MAX + 1, 2 * PART_MAX, 2 * PART_MAX + 77] {
            let large: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let bodies = [b"before".to_vec(), large, b"after".to_vec()];
            assert_eq!(read_all(&packets(&bodies), 3_000_001), bodies, "{len}");
        }
    }
}
