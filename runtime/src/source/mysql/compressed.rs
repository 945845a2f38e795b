//! What MariaDB compresses: columns declared COMPRESSED, and events with `log_bin_compress`.
//!
//! Both begin with a byte whose upper bits say how (8: zlib; a column may be not compressed at all) and whose lower three say
//! how many bytes of length follow, most significant first.
//! <https://mariadb.com/kb/en/compressing-events-to-reduce-size-of-the-binary-log/>

use super::bytes::{Cut, Reader, big_endian};
use flate2::{Decompress, FlushDecompress, Status};
use std::borrow::Cow;

/// MariaDB's `max_allowed_packet` ends here, and so does an event.
const LEN_MAX: u64 = 1 << 30;

/// The value of a compressed column. Nothing at all is the empty value.
pub(super) fn column(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Cut> {
    let mut r = Reader::new(bytes);
    let Ok(header) = r.u8() else { return Ok(Cow::Borrowed(&[])) };
    if header == 0 {
        return Ok(Cow::Borrowed(r.rest()));
    }
    // Bit 3 says that the stream has no zlib header.
    let (method, is_raw, len_bytes) = (header >> 4, header & 8 != 0, usize::from(header & 7));
    if method != 8 {
        return Err(Cut);
    }
    let len = big_endian(r.take(len_bytes)?);
    inflate(r.rest(), len, is_raw).map(Cow::Owned)
}

/// What stands behind a compressed part of an event.
pub(super) fn event(bytes: &[u8]) -> Result<Vec<u8>, Cut> {
    let mut r = Reader::new(bytes);
    let header = r.u8()?;
    if header & 0xe0 != 0x80 {
        return Err(Cut);
    }
    let len = big_endian(r.take(usize::from(header & 7))?);
    inflate(r.rest(), len, false)
}

fn inflate(bytes: &[u8], len: u64, is_raw: bool) -> Result<Vec<u8>, Cut> {
    /// Deflate's own limit: no byte stands for more.
    const RATIO_MAX: u64 = 1032;
    if len > LEN_MAX || len > (bytes.len() as u64 + 1) * RATIO_MAX {
        return Err(Cut);
    }
    let len = usize::try_from(len).map_err(|_| Cut)?;
    // A byte more than there is, so that more than there should be is seen.
    let mut out = Vec::with_capacity(len + 1);
    let status = Decompress::new(!is_raw).decompress_vec(bytes, &mut out, FlushDecompress::Finish).map_err(|_| Cut)?;
    if status == Status::StreamEnd && out.len() == len { Ok(out) } else { Err(Cut) }
}
