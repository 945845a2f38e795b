//! A cursor over big-endian bytes from the server. Every read is checked; none panics.

use super::pgoutput::MessageError;

#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize, part: &'static str) -> Result<&'a [u8], MessageError> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(MessageError::Truncated(part))?;
        self.rest = tail;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], MessageError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(MessageError::Truncated(part))?;
        self.rest = tail;
        Ok(*head)
    }

    #[inline]
    pub(super) fn u8(&mut self, part: &'static str) -> Result<u8, MessageError> {
        Ok(self.array::<1>(part)?[0])
    }

    #[inline]
    pub(super) fn u16(&mut self, part: &'static str) -> Result<u16, MessageError> {
        Ok(u16::from_be_bytes(self.array(part)?))
    }

    #[inline]
    pub(super) fn u32(&mut self, part: &'static str) -> Result<u32, MessageError> {
        Ok(u32::from_be_bytes(self.array(part)?))
    }

    #[inline]
    pub(super) fn u64(&mut self, part: &'static str) -> Result<u64, MessageError> {
        Ok(u64::from_be_bytes(self.array(part)?))
    }

    /// Text that ends with a zero byte, without it.
    pub(super) fn text(&mut self, part: &'static str) -> Result<&'a [u8], MessageError> {
        let end = memchr::memchr(0, self.rest).ok_or(MessageError::Truncated(part))?;
        let text = self.take(end, part)?;
        self.take(1, part)?;
        Ok(text)
    }

    /// What is left.
    #[inline]
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// # Errors
    /// If something is left.
    #[inline]
    pub(super) fn end(self, part: &'static str) -> Result<(), MessageError> {
        if self.rest.is_empty() { Ok(()) } else { Err(MessageError::Trailing(part)) }
    }
}
