//! Decimals that cross as scale and two's complement bytes, written out exactly.

/// More digits than any database holds (PostgreSQL: 131,072 before the point, 16,383 after it). A scale from outside could
/// otherwise ask for gigabytes of zeros.
const DIGITS_MAX: usize = 150_000;
/// Bytes of that many digits, rounded up: a byte holds 2.4 digits.
const BYTES_MAX: usize = DIGITS_MAX / 2;

pub(crate) fn fits(scale: i32, unscaled: &[u8]) -> bool {
    scale.unsigned_abs() as usize <= DIGITS_MAX && unscaled.len() <= BYTES_MAX
}

/// Exact text of `unscaled * 10^-scale`.
pub(crate) fn text_of(scale: i32, unscaled: &[u8]) -> String {
    let negative = unscaled.first().is_some_and(|b| b & 0x80 != 0);
    let mut digits = digits_of(magnitude(unscaled, negative));
    let scale_digits = scale.unsigned_abs() as usize;
    if scale <= 0 {
        if digits != "0" {
            digits.extend(std::iter::repeat_n('0', scale_digits));
        }
    } else {
        if digits.len() <= scale_digits {
            digits.insert_str(0, &"0".repeat(scale_digits + 1 - digits.len()));
        }
        digits.insert(digits.len() - scale_digits, '.');
    }
    if negative {
        digits.insert(0, '-');
    }
    digits
}

/// The absolute value, as 32-bit limbs, most significant first.
fn magnitude(bytes: &[u8], negative: bool) -> Vec<u32> {
    let fill = if negative { 0xff } else { 0 };
    let pad = (4 - bytes.len() % 4) % 4;
    let padded: Vec<u8> = std::iter::repeat_n(fill, pad).chain(bytes.iter().copied()).collect();
    let mut limbs: Vec<u32> = padded.as_chunks().0.iter().map(|b| u32::from_be_bytes(*b)).collect();
    if negative {
        let mut carry = true;
        for limb in limbs.iter_mut().rev() {
            let (sum, overflow) = (!*limb).overflowing_add(u32::from(carry));
            (*limb, carry) = (sum, overflow);
        }
        if carry {
            limbs.insert(0, 1);
        }
    }
    limbs
}

fn digits_of(mut limbs: Vec<u32>) -> String {
    /// Nine digits fit into a limb.
    const STEP: u64 = 1_000_000_000;
    let mut groups = Vec::new();
    let mut first = 0;
    while first < limbs.len() {
        let mut rest = 0;
        for limb in &mut limbs[first..] {
            let wide = rest << 32 | u64::from(*limb);
            *limb = (wide / STEP) as u32;
            rest = wide % STEP;
        }
        groups.push(rest);
        first += limbs[first..].iter().take_while(|&&limb| limb == 0).count();
    }
    let mut text = groups.pop().unwrap_or(0).to_string();
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_number_is_written_as_the_machine_writes_it() {
        for number in (-70_000i64..70_000).chain([i64::MIN, i64::MAX, 1_000_000_000, -1_000_000_000, 999_999_999]) {
            assert_eq!(text_of(0, &number.to_be_bytes()), number.to_string());
        }
        for number in [i128::MIN, i128::MAX, i128::MIN + 1, 10i128.pow(36), -(10i128.pow(36))] {
            assert_eq!(text_of(0, &number.to_be_bytes()), number.to_string());
        }
    }

    #[test]
    fn the_scale_places_the_point() {
        assert_eq!(text_of(2, &[0x04, 0xe2]), "12.50");
        assert_eq!(text_of(3, &[0xfb]), "-0.005");
        assert_eq!(text_of(1, &[0x80]), "-12.8");
        assert_eq!(text_of(-3, &[5]), "5000");
        assert_eq!(text_of(-3, &[0]), "0");
        assert_eq!(text_of(2, &[]), "0.00");
        assert_eq!(text_of(0, &[0xff, 0, 0, 0, 0]), "-4294967296");
    }

    #[test]
    fn a_scale_that_would_fill_the_memory_is_refused() {
        assert!(!fits(i32::MIN, &[1]));
        assert!(!fits(i32::MAX, &[1]));
        assert!(fits(16_383, &[1; 54_000]));
    }
}
