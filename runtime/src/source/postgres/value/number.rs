//! Integers, exact decimals, hexadecimal bytes and UUIDs.

#[inline]
pub(super) fn int(text: &[u8]) -> Option<i64> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    let n = uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(n) } else { i64::try_from(n).ok() }
}

#[inline]
pub(super) fn uint(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    // Nineteen digits always fit; only longer ones need checking.
    let mut n = 0u64;
    for (index, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = if index < 19 { n * 10 + u64::from(digit) } else { n.checked_mul(10)?.checked_add(u64::from(digit))? };
    }
    Some(n)
}

/// `-12.340`, `NaN`, `Infinity`, `-Infinity`; a numeric is never written with an exponent.
pub(super) fn decimal(text: &[u8]) -> Option<&str> {
    if !matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
            Some(at) => (&digits[..at], Some(&digits[at + 1..])),
            None => (digits, None),
        };
        let all_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        if !all_digits(whole) || fraction.is_some_and(|f| !all_digits(f)) {
            return None;
        }
    }
    std::str::from_utf8(text).ok()
}

/// `\x00ff` into `out`; false if it is nothing of that form.
pub(super) fn unhex(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some(digits) = text.strip_prefix(b"\\x") else { return false };
    let (pairs, rest) = digits.as_chunks::<2>();
    out.reserve(pairs.len());
    for pair in pairs {
        let Some(byte) = hex_byte(*pair) else { return false };
        out.push(byte);
    }
    rest.is_empty()
}

pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut out = [0; 16];
    let mut at = 0;
    for byte in &mut out {
        if matches!(at, 8 | 13 | 18 | 23) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = hex_byte([text[at], text[at + 1]])?;
        at += 2;
    }
    Some(out)
}

#[inline]
fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let (high, low) = (HEX[usize::from(high)], HEX[usize::from(low)]);
    if high | low > 15 { None } else { Some(high << 4 | low) }
}

/// The value of a hexadecimal digit, 255 for any other byte.
const HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut n = 0;
    while n < 10 {
        table[b'0' as usize + n] = n as u8;
        n += 1;
    }
    let mut n = 0;
    while n < 6 {
        table[b'a' as usize + n] = 10 + n as u8;
        table[b'A' as usize + n] = 10 + n as u8;
        n += 1;
    }
    table
};
