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
    core::str::from_utf8(bytes).map_err(|_| FrameError::Utf8)
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
