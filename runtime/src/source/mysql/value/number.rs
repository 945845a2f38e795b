//! Integers, exact decimals and bit strings.

use super::super::bytes::{Cut, Reader, big_endian, little_endian};

/// Two's complement of one to eight bytes, least significant first.
#[inline]
pub(super) fn signed(bytes: &[u8]) -> i64 {
    let spare = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    (little_endian(bytes) << spare) as i64 >> spare
}

/// Bytes of a number of up to nine decimal digits.
const DIGITS_TO_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const DIGITS_PER_GROUP: u8 = 9;

/// Bytes of a DECIMAL(precision, scale): groups of nine digits, incomplete ones at both ends.
pub(in super::super) fn decimal_len(precision: u8, scale: u8) -> Option<usize> {
    let len = |digits: u8| {
        usize::from(digits / DIGITS_PER_GROUP) * 4 + DIGITS_TO_BYTES[usize::from(digits % DIGITS_PER_GROUP)]
    };
    Some(len(precision.checked_sub(scale)?) + len(scale))
}

/// Appends the text of a DECIMAL, all digits of its scale and no zeros in front: `-0.10`.
///
/// The first bit is turned over, so that bytes sort as numbers do; of a negative number all the others are too.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/decimal_8cc.html>
#[inline]
pub(super) fn decimal(out: &mut Vec<u8>, precision: u8, scale: u8, bytes: &[u8]) -> Result<(), Cut> {
    let whole = precision.checked_sub(scale).ok_or(Cut)?;
    let first = *bytes.first().ok_or(Cut)?;
    let mask = if first & 0x80 == 0 { 0xff } else { 0 };
    let start = out.len();
    if mask != 0 {
        out.push(b'-');
    }
    let mut r = Groups { r: Reader::new(bytes), mask, is_first: true };
    let mut is_zero = true;
    let mut is_written = false;
    let lead = whole % DIGITS_PER_GROUP;
    for digits in std::iter::once(lead).chain(std::iter::repeat_n(DIGITS_PER_GROUP, (whole / DIGITS_PER_GROUP).into()))
    {
        let n = r.next(digits)?;
        is_zero &= n == 0;
        if is_written {
            digits_of(out, n, digits);
        } else if n != 0 {
            let width = n.ilog10() as u8 + 1;
            digits_of(out, n, width);
            is_written = true;
        }
    }
    if !is_written {
        out.push(b'0');
    }
    if scale > 0 {
        out.push(b'.');
        let tail = scale % DIGITS_PER_GROUP;
        for digits in std::iter::repeat_n(DIGITS_PER_GROUP, (scale / DIGITS_PER_GROUP).into()).chain([tail]) {
            let n = r.next(digits)?;
            is_zero &= n == 0;
            digits_of(out, n, digits);
        }
    }
    if mask != 0 && is_zero {
        out.remove(start);
    }
    Ok(())
}

struct Groups<'a> {
    r: Reader<'a>,
    mask: u8,
    is_first: bool,
}

impl Groups<'_> {
    #[inline]
    fn next(&mut self, digits: u8) -> Result<u32, Cut> {
        let bytes = self.r.take(DIGITS_TO_BYTES[usize::from(digits)])?;
        let mut n = 0u32;
        for byte in bytes {
            let turned = if std::mem::take(&mut self.is_first) { byte ^ 0x80 } else { *byte };
            n = n << 8 | u32::from(turned ^ self.mask);
        }
        if u64::from(n) < 10u64.pow(digits.into()) { Ok(n) } else { Err(Cut) }
    }
}

/// The number with zeros in front.
#[inline]
fn digits_of(out: &mut Vec<u8>, mut n: u32, width: u8) {
    let end = out.len() + usize::from(width);
    out.resize(end, b'0');
    for place in out[end - usize::from(width)..].iter_mut().rev() {
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// The last `count` bits, as many as the column has.
pub(super) fn bits(out: &mut Vec<u8>, count: u16, bytes: &[u8]) -> Result<(), Cut> {
    if bytes.len() > 8 || usize::from(count) > bytes.len() * 8 {
        return Err(Cut);
    }
    let n = big_endian(bytes);
    out.extend((0..count).rev().map(|bit| b'0' + (n >> bit & 1) as u8));
    Ok(())
}
