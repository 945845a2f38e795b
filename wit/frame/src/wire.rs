//! Reading and writing little-endian numbers and counted text, with bounds checked once per read.

use crate::FrameError;
use alloc::vec::Vec;

/// A cursor over bytes from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize, part: &'static str) -> Result<&'a [u8], FrameError> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(FrameError::Truncated(part))?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], FrameError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(FrameError::Truncated(part))?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn peek_u8(&self, part: &'static str) -> Result<u8, FrameError> {
        self.rest.first().copied().ok_or(FrameError::Truncated(part))
    }

    pub(crate) fn u8(&mut self, part: &'static str) -> Result<u8, FrameError> {
        Ok(self.array::<1>(part)?[0])
    }

    pub(crate) fn u16(&mut self, part: &'static str) -> Result<u16, FrameError> {
        Ok(u16::from_le_bytes(self.array(part)?))
    }

    pub(crate) fn u32(&mut self, part: &'static str) -> Result<u32, FrameError> {
        Ok(u32::from_le_bytes(self.array(part)?))
    }

    pub(crate) fn u64(&mut self, part: &'static str) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array(part)?))
    }

    pub(crate) fn text16(&mut self, part: &'static str) -> Result<&'a str, FrameError> {
        let len = usize::from(self.u16(part)?);
        text(self.take(len, part)?)
    }

    pub(crate) fn text32(&mut self, part: &'static str) -> Result<&'a str, FrameError> {
        text(self.bytes32(part)?)
    }

    pub(crate) fn bytes32(&mut self, part: &'static str) -> Result<&'a [u8], FrameError> {
        let len = self.u32(part)? as usize;
        self.take(len, part)
    }
}

#[inline]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, FrameError> {
    // Most text is ASCII and short, and the standard library looks at a short text byte by byte.
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { core::str::from_utf8_unchecked(bytes) });
    }
    core::str::from_utf8(bytes).map_err(|_| FrameError::Utf8)
}

/// Eight bytes at a time, the last eight some of them a second time.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().all(u8::is_ascii) };
    let (words, _) = bytes.as_chunks::<8>();
    let all = words.iter().fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word));
    all & HIGH == 0
}

/// Text with a length of 16 bits, for names.
pub(crate) fn put_text16(out: &mut Vec<u8>, text: &str) -> Result<(), FrameError> {
    let len = u16::try_from(text.len()).map_err(|_| FrameError::TooLarge("a name"))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// # Panics
/// If the bytes are 4 GiB or more; a guest's memory ends there, and the host's output limit long before.
pub(crate) fn put_bytes32(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("a value under 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is looked at eight bytes at a time is refused exactly where the standard library refuses it.
    #[test]
    fn text_is_utf8_wherever_the_odd_byte_stands() {
        for len in 0..40 {
            for at in 0..len {
                for odd in [&b"\x7f"[..], b"\x80", b"\xff", "é".as_bytes(), "🚢".as_bytes(), b"\xc3"] {
                    let mut bytes = alloc::vec![b'a'; len];
                    let end = len.min(at + odd.len());
                    bytes[at..end].copy_from_slice(&odd[..end - at]);
                    assert_eq!(text(&bytes).ok(), core::str::from_utf8(&bytes).ok(), "{bytes:?}");
                }
            }
        }
    }
}
