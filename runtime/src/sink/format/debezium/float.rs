//! Floating-point numbers as Java 17 prints them: `1.0E7`, `4.9E-324`, `0.001`, at least one digit behind the point.
//!
//! Java generates digits until they tell the number from its neighbours, with an interval that is taken as symmetric even at
//! powers of two, and never stops at one digit in the notation with an exponent; so it prints more digits than the shortest
//! form has for a number here and there. Java 19 prints the shortest form; Debezium's images run on 17 and 21, and 17 is what
//! was recorded. The digits come from exact integers: numerator and denominator of the value, and half the gap to the
//! next number, all scaled alike. Where these fit into 32 or 64 bits Java computes in so many, and now and then a sum wraps: a last
//! digit is then not rounded up.

use super::text::put_int;
use crate::change::digits::{put_uint, put_wide};
use std::cmp::Ordering;
use std::ops::{Deref, DerefMut};

/// Appends a number, or `NaN`, `Infinity`, `-Infinity` in quotes.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
    if !put_short(out, value) {
        put_any_double(out, value);
    }
}

/// Writes a number of at most six places behind the point, such as a price or a coordinate; false if it is none.
///
/// It is the only one of at most fifteen digits that reads back as this value, and nearer to it than half the gap to the next. Java's way
/// of taking digits stops there and not before, as long as none of its sums wraps: from 0.125 on they have two bits to spare.
fn put_short(out: &mut Vec<u8>, value: f64) -> bool {
    const PLACES: usize = 6;
    const UNIT: f64 = 1e6;
    let magnitude = value.abs();
    if !(0.125..1e7).contains(&magnitude) {
        return false;
    }
    let units = (magnitude * UNIT + 0.5) as u64;
    if units as f64 / UNIT != magnitude {
        return false;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    put_uint(out, units / UNIT as u64);
    out.push(b'.');
    let first = out.len();
    put_wide(out, units % UNIT as u64, PLACES);
    while out.len() > first + 1 && out.last() == Some(&b'0') {
        out.pop();
    }
    true
}

fn put_any_double(out: &mut Vec<u8>, value: f64) {
    let bits = value.to_bits();
    let parts = Parts::new(bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32, 52, 1023);
    put(out, value.is_nan(), value.is_infinite(), value.is_sign_negative(), parts);
}

/// The same for a number of 32 bits.
pub(super) fn put_float(out: &mut Vec<u8>, value: f32) {
    let bits = value.to_bits();
    let parts = Parts::new(u64::from(bits & ((1 << 23) - 1)), (bits >> 23 & 0xff) as i32, 23, 127);
    put(out, value.is_nan(), value.is_infinite(), value.is_sign_negative(), parts);
}

fn put(out: &mut Vec<u8>, is_nan: bool, is_infinite: bool, is_negative: bool, parts: Option<Parts>) {
    if is_nan {
        return out.extend_from_slice(b"\"NaN\"");
    }
    if is_infinite {
        return out.extend_from_slice(if is_negative { b"\"-Infinity\"" } else { b"\"Infinity\"" });
    }
    if is_negative {
        out.push(b'-');
    }
    match parts {
        None => out.extend_from_slice(b"0.0"),
        Some(parts) => {
            let (digits, point) = parts.digits();
            put_digits(out, &digits, point);
        }
    }
}

/// More than any number has: a whole number below 2^63 has nineteen, others are told from their neighbours by eighteen.
const DIGITS_MAX: usize = 24;

/// Digits in ASCII.
#[derive(Default)]
struct Digits {
    all: [u8; DIGITS_MAX],
    len: usize,
}

impl Digits {
    fn push(&mut self, digit: u8) {
        if let Some(place) = self.all.get_mut(self.len) {
            *place = digit;
            self.len += 1;
        }
    }
}

impl Deref for Digits {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.all[..self.len]
    }
}

impl DerefMut for Digits {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.all[..self.len]
    }
}

/// `digits[0]` stands 10^(`point`-1).
fn put_digits(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    let zeros = |n: i32| std::iter::repeat_n(b'0', n.max(0) as usize);
    let whole = digits.len().min(point.max(0) as usize);
    if (1..8).contains(&point) {
        out.extend_from_slice(&digits[..whole]);
        out.extend(zeros(point - whole as i32));
        out.push(b'.');
        out.extend_from_slice(if whole < digits.len() { &digits[whole..] } else { b"0" });
    } else if (-2..=0).contains(&point) {
        out.extend_from_slice(b"0.");
        out.extend(zeros(-point));
        out.extend_from_slice(digits);
    } else {
        out.extend_from_slice(&[digits[0], b'.']);
        out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
        out.push(b'E');
        put_int(out, i64::from(point - 1));
    }
}

/// A finite number that is not zero: `mantissa` × 2^`exponent`, `mantissa` odd, and the number of bits that the format gives it.
struct Parts {
    mantissa: u64,
    exponent: i32,
    precision: i32,
}

impl Parts {
    fn new(fraction: u64, biased: i32, fraction_bits: i32, bias: i32) -> Option<Self> {
        let (whole, exponent, precision) = if biased == 0 {
            (fraction, 1 - bias - fraction_bits, 64 - fraction.leading_zeros() as i32)
        } else {
            (fraction | 1 << fraction_bits, biased - bias - fraction_bits, fraction_bits + 1)
        };
        let zeros = whole.trailing_zeros() as i32;
        (whole != 0).then(|| Self { mantissa: whole >> zeros, exponent: exponent + zeros, precision })
    }

    /// Bits of the mantissa, the highest included.
    fn bits(&self) -> i32 {
        64 - self.mantissa.leading_zeros() as i32
    }

    /// The exponent of the highest bit.
    fn top(&self) -> i32 {
        self.exponent + self.bits() - 1
    }

    /// The digits, and where the point stands in them.
    fn digits(&self) -> (Digits, i32) {
        if let Some(digits) = self.whole_number() {
            return digits;
        }
        // log10: the exponent is at most one too large.
        #[expect(clippy::approx_constant, reason = "the nearest number to Java's digits is another one")]
        const LOG10_OF_2: f64 = 0.301_029_995_663_981;
        let leading = (self.mantissa << (64 - self.bits()) << 1) >> 12;
        let in_one_to_two = f64::from_bits(0x3ff0_0000_0000_0000 | leading);
        let log10 = (in_one_to_two - 1.5) * 0.289_529_654 + 0.176_091_259 + f64::from(self.top()) * LOG10_OF_2;
        let mut work = Work::new(self, floor(log10));
        work.run();
        (work.digits, work.exponent + 1)
    }

    /// A whole number below 2^63 has all its digits, but for those that its last bit says nothing about.
    fn whole_number(&self) -> Option<(Digits, i32)> {
        if self.exponent < 0 || self.top() > 62 {
            return None;
        }
        let mut value = self.mantissa << self.exponent;
        // Bits behind the precision, and the decimal digits that lie safely within them.
        let beyond = self.top() - self.precision - 1;
        let unknown = if beyond > 1 { floor(f64::from(beyond) * std::f64::consts::LOG10_2) as u32 } else { 0 };
        let mut point = 0;
        if unknown > 0 {
            let power = 10u64.pow(unknown);
            let round_up = value % power >= power / 2;
            value = value / power + u64::from(round_up);
            point += unknown as i32;
        }
        let mut digits = Digits::default();
        let len = value.checked_ilog10().unwrap_or(0) as usize + 1;
        digits.len = len;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
        point += len as i32;
        while digits.len > 1 && digits.last() == Some(&b'0') {
            digits.len -= 1;
        }
        Some((digits, point))
    }
}

/// The standard library's is a call where processors of twenty years ago count too.
fn floor(value: f64) -> i32 {
    let whole = value as i32;
    whole - i32::from(f64::from(whole) > value)
}

/// The numbers from which digits are taken: value = `b` / `s` × 10^`exponent`, half the gap = `m` / `s`, each a product of 5 and 2.
struct Work {
    mantissa: u64,
    b: (i32, i32),
    s: (i32, i32),
    m: (i32, i32),
    digits: Digits,
    exponent: i32,
}

/// Where the digits stand against the interval: below its lower end, above its upper end, and more than half of the next digit.
struct Told {
    low: bool,
    high: bool,
    half: Ordering,
}

impl Work {
    fn new(parts: &Parts, exponent: i32) -> Self {
        let tiny = (-parts.exponent).max(0);
        let (b5, s5) = ((-exponent).max(0), exponent.max(0));
        let mut b2 = b5 + tiny + parts.exponent;
        let mut s2 = s5 + tiny;
        let mut m2 = b5 + tiny + parts.top() - parts.precision;
        let common = b2.min(s2);
        b2 -= common;
        s2 -= common;
        m2 -= common;
        // The next lower number of a power of two is only half as far away.
        if parts.mantissa == 1 {
            m2 -= 1;
        }
        let up = (-m2).max(0);
        Self {
            mantissa: parts.mantissa,
            b: (b5, b2 + up),
            s: (s5, s2 + up),
            m: (b5, m2 + up),
            digits: Digits::default(),
            exponent,
        }
    }

    fn run(&mut self) {
        let bits_of = |five: i32| match five {
            0 => 0,
            1..27 => 64 - 5u64.pow(five as u32).leading_zeros() as i32,
            _ => 3 * five,
        };
        let b_bits = 64 - self.mantissa.leading_zeros() as i32 + self.b.1 + bits_of(self.b.0);
        let tens_bits = self.s.1 + 1 + bits_of(self.s.0 + 1);
        let told = match b_bits.max(tens_bits) {
            i32::MIN..32 => self.run_small(|n| i64::from(n as i32)),
            32..64 => self.run_small(|n| n),
            _ => self.run_large(),
        };
        let is_odd = self.digits.last().is_some_and(|d| d & 1 == 1);
        let is_nearer_above = told.half == Ordering::Greater || told.half == Ordering::Equal && is_odd;
        if told.high && (!told.low || is_nearer_above) {
            self.round_up();
        }
    }

    /// Whether the first digit counts: a zero says that the exponent was one too large.
    fn push_first(&mut self, digit: u8, high: bool) {
        if digit == 0 && !high {
            self.exponent -= 1;
        } else {
            self.digits.push(b'0' + digit);
        }
    }

    /// The notation with an exponent has a digit behind the point.
    fn has_to_go_on(&self) -> bool {
        !(-3..8).contains(&self.exponent)
    }

    /// In 64 bits, or in 32 when `wrap` cuts to them.
    fn run_small(&mut self, wrap: impl Fn(i64) -> i64) -> Told {
        let product = |factor: i64, (five, two): (i32, i32)| {
            wrap(factor.wrapping_mul(5i64.wrapping_pow(five as u32)).wrapping_shl(two as u32))
        };
        let (mut b, s, mut m) = (product(self.mantissa as i64, self.b), product(1, self.s), product(1, self.m));
        let tens = s * 10;
        let mut step = || {
            let digit = (b / s) as u8;
            b = 10 * (b % s);
            m = wrap(m.wrapping_mul(10));
            (digit, b, m)
        };
        let told = |b: i64, m: i64| (b < m, wrap(b.wrapping_add(m)) > tens);
        let (first, mut rest, gap) = step();
        let (mut low, mut high) = told(rest, gap);
        self.push_first(first, high);
        if self.has_to_go_on() {
            (low, high) = (false, false);
        }
        while !low && !high {
            let (digit, b, m) = step();
            self.digits.push(b'0' + digit);
            (low, high) = if m > 0 { told(b, m) } else { (true, true) };
            rest = b;
        }
        Told { low, high, half: rest.wrapping_mul(2).wrapping_sub(tens).cmp(&0) }
    }

    fn run_large(&mut self) -> Told {
        let mut b = Natural::product(self.mantissa, self.b.0, self.b.1);
        let s = Natural::product(1, self.s.0, self.s.1);
        let mut m = Natural::product(1, self.m.0, self.m.1);
        let mut tens = s.clone();
        tens.times(10);
        let mut step = || {
            let digit = b.take_quotient(&s);
            b.times(10);
            m.times(10);
            let low = b.cmp(&m) == Ordering::Less;
            // Here the upper end of the interval is inside it.
            let high = b.plus(&m).cmp(&tens) != Ordering::Less;
            (digit, low, high)
        };
        let (first, mut low, mut high) = step();
        self.push_first(first, high);
        if self.has_to_go_on() {
            (low, high) = (false, false);
        }
        while !low && !high {
            let digit;
            (digit, low, high) = step();
            self.digits.push(b'0' + digit);
        }
        b.times(2);
        Told { low, high, half: b.cmp(&tens) }
    }

    fn round_up(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.digits[0] = b'1';
        self.exponent += 1;
    }
}

/// A number without bound, least significant part first; mostly one or two parts.
#[derive(Clone, PartialEq, Eq)]
struct Natural(Vec<u64>);

impl Natural {
    /// `factor` × 5^`five` × 2^`two`.
    fn product(factor: u64, five: i32, two: i32) -> Self {
        let mut number = Self(vec![0; (two / 64) as usize]);
        number.0.push(factor);
        number.times(1 << (two % 64));
        let mut five = five as u32;
        while five > 0 {
            let step = five.min(27);
            number.times(5u64.pow(step));
            five -= step;
        }
        number
    }

    fn times(&mut self, factor: u64) {
        let mut carry = 0u128;
        for part in &mut self.0 {
            carry += u128::from(*part) * u128::from(factor);
            *part = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            self.0.push(carry as u64);
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = Vec::with_capacity(self.0.len().max(other.0.len()) + 1);
        let mut carry = 0u128;
        for i in 0..self.0.len().max(other.0.len()) {
            let part = |n: &Self| u128::from(n.0.get(i).copied().unwrap_or(0));
            carry += part(self) + part(other);
            sum.push(carry as u64);
            carry >>= 64;
        }
        if carry != 0 {
            sum.push(carry as u64);
        }
        Self(sum)
    }

    /// Leaves the remainder and gives the quotient, which is below ten.
    fn take_quotient(&mut self, divisor: &Self) -> u8 {
        let mut quotient = 0;
        while self.cmp(divisor) != Ordering::Less {
            self.minus(divisor);
            quotient += 1;
        }
        quotient
    }

    fn minus(&mut self, other: &Self) {
        let mut borrow = false;
        for (i, part) in self.0.iter_mut().enumerate() {
            let (left, below) = part.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (left, below_too) = left.overflowing_sub(u64::from(borrow));
            (*part, borrow) = (left, below || below_too);
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let len = self.0.len().max(other.0.len());
        let part = |n: &Self, i: usize| n.0.get(i).copied().unwrap_or(0);
        (0..len).rev().map(|i| part(self, i).cmp(&part(other, i))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        put_double(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    fn float(value: f32) -> String {
        let mut out = Vec::new();
        put_float(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn doubles_are_printed_as_recorded() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (2.25, "2.25"),
            (f64::MAX, "1.7976931348623157E308"),
            (-2.2250738585072014e-308, "-2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (123456789.123, "1.23456789123E8"),
            (9007199254740992.0, "9.007199254740992E15"),
            (1e21, "1.0E21"),
            (1e22, "1.0E22"),
            (0.001, "0.001"),
            (1e-4, "1.0E-4"),
            (0.1, "0.1"),
            (100.0, "100.0"),
            (-1e-10, "-1.0E-10"),
            (1e300, "1.0E300"),
            (9999.9990234375, "9999.9990234375"),
            (0.0010000000474974513, "0.0010000000474974513"),
            (9999999.999, "9999999.999"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(double(value), text);
        }
    }

    fn check_short(value: f64) {
        let mut long = Vec::new();
        put_any_double(&mut long, value);
        let mut short = Vec::new();
        if put_short(&mut short, value) {
            assert_eq!(String::from_utf8_lossy(&short), String::from_utf8_lossy(&long), "{value:e}");
        }
    }

    #[test]
    fn short_numbers_have_the_digits_that_were_to_be_taken() {
        for units in (125_000u64..1_200_000).chain((0..400_000).map(|n| 9_999_999_999_999 - n * 24_999_999)) {
            check_short(units as f64 / 1e6);
            check_short(-(units as f64) / 1e6);
        }
        // Those around a power of two, and neighbours of short numbers, which are none.
        for power in -3..24 {
            let power = 2f64.powi(power);
            for near in [power.next_down(), power, power.next_up(), power * 1.1, power * 1.3, (power * 1.7).next_up()] {
                check_short(near);
            }
        }
    }

    #[test]
    fn floats_are_printed_as_recorded() {
        for (value, text) in [
            (1.5, "1.5"),
            (f32::MAX, "3.4028235E38"),
            (f32::MIN_POSITIVE, "1.17549435E-38"),
            (1e-45, "1.4E-45"),
            (0.1, "0.1"),
            (1e7, "1.0E7"),
            (1e-4, "1.0E-4"),
            (16_777_216.0, "1.6777216E7"),
            (1.2345678, "1.2345678"),
            (9_999_999.0, "9999999.0"),
            (0.33333334, "0.33333334"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    /// Compared with Java 17 over six million numbers; these are two where it prints other digits than the shortest.
    #[test]
    fn digits_are_those_of_java_where_shorter_ones_would_do() {
        assert_eq!(double(f64::from_bits(0xc3b7_6419_50d9_3b56)), "-1.68549999557603072E18");
        assert_eq!(float(9.671_407e24), "9.6714065E24");
    }

    /// A number of up to eight places behind the point.
    fn value_of_places(n: i64, bits: u64) -> f64 {
        n as f64 / 10f64.powi((bits % 9) as i32)
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bits in any::<u64>(), small in any::<u32>(), n in -100_000_000i64..100_000_000) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(double(value).parse::<f64>().expect("a number"), value);
            }
            let value = f32::from_bits(small);
            if value.is_finite() {
                prop_assert_eq!(float(value).parse::<f32>().expect("a number"), value);
            }
            check_short(value_of_places(n, bits));
            let cents = n as f64 / 100.0;
            prop_assert_eq!(double(cents).parse::<f64>().expect("a number"), cents);
        }
    }
}
