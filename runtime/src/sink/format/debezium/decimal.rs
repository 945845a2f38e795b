//! Decimals as Kafka Connect carries them: the digits without point, as a two's complement number of any length, most
//! significant byte first, and how many of them stand behind the point.

/// A decimal taken apart: digits without point or leading zeros.
pub(super) struct Decimal {
    negative: bool,
    /// ASCII; none for zero.
    digits: Vec<u8>,
    /// How many digits stand behind the point; below zero for zeros in front of it.
    pub(super) scale: i32,
}

/// PostgreSQL's numeric has at most so many digits behind the point; a guest could claim two billion.
pub(super) const SCALE_MAX: i32 = 16_383;
/// The most digits that are taken to a number at once.
const CHUNK: usize = 18;

impl Decimal {
    /// Reads `-12.340`, `1e-7` or `.5`; `None` for everything else, `NaN` and the infinities among it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        (scale.abs() <= 2 * SCALE_MAX).then_some(Self { negative, digits, scale })
    }

    /// Drops zeros behind the point, and never goes in front of it: `12.340` has scale 2, `100` has 0.
    pub(super) fn strip_zeros(&mut self) {
        if self.scale < 0 {
            self.rescale(0);
        }
        while self.scale > 0 && self.digits.last().is_none_or(|d| *d == b'0') {
            self.digits.pop();
            self.scale -= 1;
        }
    }

    /// Brings it to a scale; false if digits would be lost.
    pub(super) fn rescale(&mut self, scale: i32) -> bool {
        if self.digits.is_empty() {
            self.scale = scale;
        }
        while self.scale > scale {
            if self.digits.last() != Some(&b'0') {
                return false;
            }
            self.digits.pop();
            self.scale -= 1;
        }
        let zeros = (scale - self.scale).max(0) as usize;
        self.digits.resize(self.digits.len() + zeros, b'0');
        self.scale = scale;
        true
    }

    /// Brings it to a scale; half of a last digit and more is the next one, away from zero.
    pub(super) fn round(&mut self, scale: i32) {
        let lost = usize::try_from(self.scale - scale).unwrap_or(0);
        // Also those that are zeros in front: `0.05` has one digit.
        let missing = (lost + 1).saturating_sub(self.digits.len());
        self.digits.splice(..0, std::iter::repeat_n(b'0', missing));
        let kept = self.digits.len() - lost;
        let mut carry = self.digits.get(kept).is_some_and(|digit| *digit >= b'5');
        self.digits.truncate(kept);
        for digit in self.digits.iter_mut().rev() {
            let next = *digit - b'0' + u8::from(carry);
            (*digit, carry) = (b'0' + next % 10, next == 10);
        }
        if carry {
            self.digits.insert(0, b'1');
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == b'0').count();
        self.digits.drain(..zeros);
        self.scale -= lost as i32;
        self.rescale(scale);
    }

    /// The digits as a two's complement number, as short as it can be.
    pub(super) fn unscaled(&self) -> Vec<u8> {
        let mut bytes = self.magnitude();
        // A bit in front for the sign.
        bytes.insert(0, 0);
        if self.negative {
            let mut carry = true;
            for byte in bytes.iter_mut().rev() {
                (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
            }
        }
        let is_spare = |pair: &[u8]| {
            matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0)
        };
        let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
        bytes.drain(..spare);
        bytes
    }

    /// Most significant byte first, without zeros in front; none for zero.
    fn magnitude(&self) -> Vec<u8> {
        // Parts of 64 bits, least significant first.
        let mut parts: Vec<u64> = Vec::with_capacity(self.digits.len() / CHUNK + 1);
        for chunk in self.digits.chunks(CHUNK) {
            let value = chunk.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
            let factor = 10u64.pow(chunk.len() as u32);
            let mut carry = u128::from(value);
            for part in &mut parts {
                carry += u128::from(*part) * u128::from(factor);
                *part = carry as u64;
                carry >>= 64;
            }
            if carry != 0 {
                parts.push(carry as u64);
            }
        }
        parts.iter().rev().flat_map(|part| part.to_be_bytes()).skip_while(|b| *b == 0).collect()
    }

    /// As Java's `BigDecimal` shows itself, which is a number of JSON: with an exponent where the first digit stands more than six
    /// places behind the point, or where the scale is below zero.
    pub(super) fn put_number(&self, out: &mut Vec<u8>) {
        let digits: &[u8] = if self.digits.is_empty() { b"0" } else { &self.digits };
        let exponent = digits.len() as i32 - 1 - self.scale;
        if self.scale >= 0 && exponent >= -6 {
            return self.put_plain(out);
        }
        if self.negative && !self.digits.is_empty() {
            out.push(b'-');
        }
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        if exponent != 0 {
            out.push(b'E');
            out.extend_from_slice(format!("{exponent:+}").as_bytes());
        }
    }

    /// As text without exponent: all digits, the point where the scale puts it, no sign before zero.
    pub(super) fn put_plain(&self, out: &mut Vec<u8>) {
        if self.negative && !self.digits.is_empty() {
            out.push(b'-');
        }
        let places = self.scale.max(0) as usize;
        let zeros = (places + 1).saturating_sub(self.digits.len());
        let mut all = vec![b'0'; zeros];
        all.extend_from_slice(&self.digits);
        if !self.digits.is_empty() {
            all.resize(all.len() + (-self.scale).max(0) as usize, b'0');
        }
        let (whole, fraction) = all.split_at(all.len() - places);
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}

/// Unscaled bytes of what fits a number of 64 bits at this scale, without going through digits; the common case.
pub(super) fn small(text: &str, scale: i32) -> Option<i64> {
    let bytes = text.as_bytes();
    let (negative, bytes) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, bytes),
    };
    if bytes.is_empty() || bytes.len() > CHUNK {
        return None;
    }
    let (mut value, mut point) = (0i64, None);
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(i),
            _ => return None,
        }
    }
    let places = point.map_or(0, |at| bytes.len() - at - 1);
    if bytes.len() == 1 && point.is_some() || i32::try_from(places) != Ok(scale) {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// The shortest two's complement form: the array, and where it begins in it.
pub(super) fn shortest(value: i64) -> ([u8; 8], usize) {
    let bytes = value.to_be_bytes();
    let spare = (if value < 0 { !value } else { value }).leading_zeros().saturating_sub(1) as usize / 8;
    (bytes, spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str, scale: i32) -> Vec<u8> {
        let mut decimal = Decimal::parse(text).expect("a decimal");
        assert!(decimal.rescale(scale), "{text} at {scale}");
        decimal.unscaled()
    }

    #[test]
    fn unscaled_bytes_are_as_short_as_they_can_be() {
        assert_eq!(bytes("0", 2), [0]);
        assert_eq!(bytes("1.27", 2), [0x7f]);
        assert_eq!(bytes("1.28", 2), [0, 0x80]);
        assert_eq!(bytes("-1.28", 2), [0x80]);
        assert_eq!(bytes("-0.01", 2), [0xff]);
        assert_eq!(bytes("-1.29", 2), [0xff, 0x7f]);
        assert_eq!(bytes("123.45", 2), [0x30, 0x39]);
        assert_eq!(bytes("1200", -2), [12]);
        assert_eq!(bytes("1e3", 0), [3, 0xe8]);
        // postgres/types, t_num 2: numeric(38,0) of all nines is "SzuoTJcr..." in base64.
        assert_eq!(
            bytes("12345678901234567890123456789012345678", 0),
            i128::to_be_bytes(12345678901234567890123456789012345678)
        );
    }

    #[test]
    fn small_numbers_take_the_short_way_to_the_same_bytes() {
        for (text, scale) in [("0.00", 2), ("1.28", 2), ("-1.28", 2), ("42", 0), ("-99999.999", 3), ("0.00123", 5)] {
            let (all, from) = shortest(small(text, scale).expect("small"));
            assert_eq!(all[from..], bytes(text, scale), "{text}");
        }
        for (text, scale) in
            [("NaN", 2), ("1.5", 2), ("", 0), (".", 0), ("-", 0), ("1e5", 0), ("9999999999999999999", 0)]
        {
            assert_eq!(small(text, scale), None, "{text}");
        }
        for value in [0, 127, 128, -128, -129, 255, 256, i64::MAX, i64::MIN] {
            let (all, from) = shortest(value);
            assert_eq!(all[from..], bytes(&value.to_string(), 0));
        }
    }

    #[test]
    fn zeros_behind_the_point_are_dropped_and_none_before_it() {
        for (text, scale, number) in
            [("12.340", 2, 1234), ("100", 0, 100), ("0.000", 0, 0), ("-1.500", 1, -15), ("1e2", 0, 100)]
        {
            let mut decimal = Decimal::parse(text).expect("a decimal");
            decimal.strip_zeros();
            assert_eq!((decimal.scale, decimal.unscaled()), (scale, bytes(&number.to_string(), 0)), "{text}");
        }
    }

    #[test]
    fn text_has_no_exponent_and_no_negative_zero() {
        for (text, plain) in [
            ("12.340", "12.340"),
            ("-0.0", "0.0"),
            ("1e-7", "0.0000001"),
            ("1e3", "1000"),
            (".5", "0.5"),
            ("-0.5", "-0.5"),
        ] {
            let mut out = Vec::new();
            Decimal::parse(text).expect("a decimal").put_plain(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), plain);
        }
        for wrong in ["NaN", "Infinity", "", "-", ".", "1.2.3", "1e", "1e99999999"] {
            assert!(Decimal::parse(wrong).is_none(), "{wrong}");
        }
    }

    /// What `new BigDecimal(text).toString()` says.
    #[test]
    fn number_has_an_exponent_where_java_gives_it_one() {
        for (text, scale, shown) in [
            ("12.340", 3, "12.340"),
            ("0.00", 2, "0.00"),
            ("-0.5", 1, "-0.5"),
            ("0.000001", 6, "0.000001"),
            ("0.0000001", 7, "1E-7"),
            ("0.00000012", 8, "1.2E-7"),
            ("0", 8, "0E-8"),
            ("1200", -2, "1.2E+3"),
            ("-100", -2, "-1E+2"),
            ("0", -2, "0E+2"),
        ] {
            let mut decimal = Decimal::parse(text).expect("a decimal");
            assert!(decimal.rescale(scale));
            let mut out = Vec::new();
            decimal.put_number(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), shown);
        }
    }

    #[test]
    fn rounding_goes_away_from_zero_at_half() {
        for (text, scale, rounded) in [
            ("1234.50", 0, "1235"),
            ("-1234.50", 0, "-1235"),
            ("1234.49", 1, "1234.5"),
            ("9.99", 1, "10.0"),
            ("0.05", 1, "0.1"),
            ("0.04", 1, "0.0"),
            ("0.49", 0, "0"),
            ("0.50", 0, "1"),
            ("1.25", 4, "1.2500"),
            ("1.25", 2, "1.25"),
        ] {
            let mut decimal = Decimal::parse(text).expect("a decimal");
            decimal.round(scale);
            let mut out = Vec::new();
            decimal.put_plain(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), rounded, "{text}");
        }
    }

    #[test]
    fn digits_are_never_lost() {
        let mut decimal = Decimal::parse("1.555").expect("a decimal");
        assert!(!decimal.rescale(2));
    }
}
