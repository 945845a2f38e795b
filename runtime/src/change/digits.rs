//! Numbers as digits, without what `fmt` costs: ids, positions and times are a good part of what is written about each row.

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// As many digits as the greatest number has.
const DIGITS_MAX: usize = 20;

/// Appends an integer's digits.
#[inline]
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    put_uint(out, value.unsigned_abs());
}

/// The same for a number that is not negative.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..10 => out.push(b'0' + value as u8),
        10..100 => put_two(out, value),
        _ => put_wide(out, value, 1),
    }
}

/// Two digits, of a month or a minute; more where the number has more.
#[inline]
pub fn put_two(out: &mut Vec<u8>, value: u64) {
    match PAIRS.get(value as usize) {
        Some(pair) => out.extend_from_slice(pair),
        None => put_wide(out, value, 2),
    }
}

/// At least `width` digits, with zeros in front; `width` is at most 20.
///
/// They are counted before they are written, so that each is written to its place: digits that are gathered elsewhere and copied
/// are read back before the processor has put them together.
#[inline]
pub fn put_wide(out: &mut Vec<u8>, value: u64, width: usize) {
    let len = (value.checked_ilog10().unwrap_or(0) as usize + 1).max(width.min(DIGITS_MAX));
    let begin = out.len();
    // As many as there can be, and cut: a length that is known needs no call to be filled.
    out.extend_from_slice(&[b'0'; DIGITS_MAX]);
    out.truncate(begin + len);
    let digits = &mut out[begin..];
    let (mut rest, mut at) = (value, len);
    // Eight at a time, which wait for each other less than pairs do.
    while rest >= 100_000_000 {
        at -= 8;
        let (high, low) = ((rest % 100_000_000) as u32 / 10_000, (rest % 100_000_000) as u32 % 10_000);
        for (i, pair) in [high / 100, high % 100, low / 100, low % 100].into_iter().enumerate() {
            digits[at + 2 * i..at + 2 * i + 2].copy_from_slice(&PAIRS[pair as usize]);
        }
        rest /= 100_000_000;
    }
    let mut rest = rest as u32;
    while rest >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest > 0 {
        digits[at - 1] = b'0' + rest as u8;
    }
}

/// Appends lower-case hexadecimal digits, at least `width` of them and at least one.
pub fn put_hex(out: &mut Vec<u8>, value: u64, width: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let all = value.to_be_bytes();
    let digits: [u8; 16] = std::array::from_fn(|i| {
        let byte = all[i / 2];
        HEX[usize::from(if i % 2 == 0 { byte >> 4 } else { byte & 15 })]
    });
    let needed = 16 - value.leading_zeros() as usize / 4;
    out.extend_from_slice(&digits[16 - needed.max(width).clamp(1, 16)..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn check(value: u64) {
        assert_eq!(written(|o| put_uint(o, value)), value.to_string());
        assert_eq!(written(|o| put_int(o, value as i64)), (value as i64).to_string());
        for width in [0, 1, 2, 6, 10, 20] {
            assert_eq!(written(|o| put_wide(o, value, width)), format!("{value:0width$}"));
        }
        assert_eq!(written(|o| put_two(o, value)), format!("{value:02}"));
        for width in [0, 2, 8, 16] {
            assert_eq!(written(|o| put_hex(o, value, width)), format!("{value:0width$x}"));
        }
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        let edges = [0, 7, 9, 10, 99, 100, 101, 1000, 0xf, 0x10, 0xff, 0x100, u64::MAX, i64::MAX as u64, 1 << 63];
        edges.into_iter().for_each(check);
    }

    proptest! {
        #[test]
        fn so_are_all_others(value in any::<u64>(), bits in 0u32..64) {
            check(value >> bits);
        }
    }
}
