//! A cursor over bytes from outside: every read is checked, nothing panics.

/// The bytes end too early, or are not what they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Bytes that are left.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Cut> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Cut)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(super) fn skip(&mut self, len: usize) -> Result<(), Cut> {
        self.take(len).map(drop)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Cut> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Cut)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, Cut> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Cut> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Cut> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64, Cut> {
        self.array().map(u64::from_le_bytes)
    }

    /// The last four bytes.
    pub(super) fn u32_last(&mut self) -> Result<u32, Cut> {
        self.skip(self.len().checked_sub(4).ok_or(Cut)?)?;
        self.u32()
    }

    /// A little-endian number of up to eight bytes.
    #[inline]
    pub(super) fn uint(&mut self, len: usize) -> Result<u64, Cut> {
        self.take(len).map(little_endian)
    }

    /// A number that says itself how long it is: one byte below 251, otherwise 2, 3 or 8 bytes behind 252, 253 or 254.
    #[inline]
    pub(super) fn lenenc(&mut self) -> Result<u64, Cut> {
        match self.u8()? {
            252 => self.uint(2),
            253 => self.uint(3),
            254 => self.uint(8),
            251 | 255 => Err(Cut),
            small => Ok(small.into()),
        }
    }

    /// Bytes behind their length.
    pub(super) fn lenenc_bytes(&mut self) -> Result<&'a [u8], Cut> {
        let len = usize::try_from(self.lenenc()?).map_err(|_| Cut)?;
        self.take(len)
    }

    /// An integer of MySQL's serialization format: as many trailing ones in the first byte as bytes follow it.
    pub(super) fn varlen(&mut self) -> Result<u64, Cut> {
        let first = self.u8()?;
        let more = first.trailing_ones() as usize;
        let rest = self.uint(more)?;
        Ok(match more {
            8 => rest,
            7 => rest,
            more => u64::from(first) >> (more + 1) | rest << (7 - more),
        })
    }

    /// The same with the sign in the lowest bit.
    pub(super) fn varlen_signed(&mut self) -> Result<i64, Cut> {
        let n = self.varlen()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }
}

/// A little-endian number; bytes behind the eighth are not looked at.
#[inline]
pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A number, most significant byte first; only the last eight bytes count.
#[inline]
pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
