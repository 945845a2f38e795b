//! Dates, times and intervals in ISO text, counted from 2000-01-01 as PostgreSQL itself does.

use sluicegate_frame::{TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// Days since 2000-01-01.
pub(super) fn date(text: &[u8]) -> Option<i64> {
    if let Some(endless) = infinity(text) {
        return Some(endless);
    }
    let (text, is_bc) = era(text);
    let mut p = Parser { rest: text };
    let days = p.date(is_bc)?;
    p.end(days)
}

/// Microseconds since midnight, up to 24:00:00.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let mut p = Parser { rest: text };
    let micros = p.time()?;
    p.end(micros)
}

/// Microseconds since midnight, and seconds east of UTC.
pub(super) fn time_tz(text: &[u8]) -> Option<(i64, i32)> {
    let mut p = Parser { rest: text };
    let micros = p.time()?;
    let offset = p.offset()?;
    p.end((micros, offset))
}

/// Microseconds since 2000-01-01 00:00:00.
#[inline]
pub(super) fn timestamp(text: &[u8]) -> Option<i64> {
    if let Some(endless) = infinity(text) {
        return Some(endless);
    }
    let (text, is_bc) = era(text);
    let mut p = Parser { rest: text };
    let micros = p.date_and_time(is_bc)?;
    p.end(micros)
}

/// Microseconds since 2000-01-01 00:00:00 UTC.
#[inline]
pub(super) fn timestamp_tz(text: &[u8]) -> Option<i64> {
    if let Some(endless) = infinity(text) {
        return Some(endless);
    }
    let (text, is_bc) = era(text);
    let mut p = Parser { rest: text };
    let local = p.date_and_time(is_bc)?;
    let offset = p.offset()?;
    p.end(local.checked_sub(i64::from(offset) * SECOND_US)?)
}

/// Months, days and microseconds of `P1Y2M-3DT4H5M-6.789S`; every part has a sign of its own.
pub(super) fn interval(text: &[u8]) -> Option<(i32, i32, i64)> {
    let mut p = Parser { rest: text.strip_prefix(b"P")? };
    let (mut months, mut days, mut micros) = (0i32, 0i32, 0i64);
    let mut is_time = false;
    while !p.rest.is_empty() {
        if p.eat(b'T') {
            is_time = true;
            continue;
        }
        let is_negative = p.eat(b'-');
        let whole = p.number(12)?;
        let fraction = if p.eat(b'.') { p.fraction()? } else { 0 };
        let (&unit, rest) = p.rest.split_first()?;
        p.rest = rest;
        let signed = if is_negative { -whole } else { whole };
        if fraction != 0 && unit != b'S' {
            return None;
        }
        match (is_time, unit) {
            (false, b'Y') => months = months.checked_add(i32::try_from(signed.checked_mul(12)?).ok()?)?,
            (false, b'M') => months = months.checked_add(i32::try_from(signed).ok()?)?,
            (false, b'D') => days = days.checked_add(i32::try_from(signed).ok()?)?,
            (true, b'H') => micros = micros.checked_add(signed.checked_mul(HOUR_US)?)?,
            (true, b'M') => micros = micros.checked_add(signed.checked_mul(MINUTE_US)?)?,
            (true, b'S') => {
                let part = whole.checked_mul(SECOND_US)?.checked_add(fraction)?;
                micros = micros.checked_add(if is_negative { -part } else { part })?;
            }
            _ => return None,
        }
    }
    (text.len() > 2).then_some((months, days, micros))
}

#[inline]
fn infinity(text: &[u8]) -> Option<i64> {
    match text {
        b"infinity" => Some(TIMESTAMP_INFINITY),
        b"-infinity" => Some(TIMESTAMP_NEGATIVE_INFINITY),
        _ => None,
    }
}

#[inline]
fn era(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn end<T>(self, value: T) -> Option<T> {
        self.rest.is_empty().then_some(value)
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn two(&mut self) -> Option<i64> {
        let (&[a, b], rest) = self.rest.split_first_chunk::<2>()?;
        if !a.is_ascii_digit() || !b.is_ascii_digit() {
            return None;
        }
        self.rest = rest;
        Some(i64::from((a - b'0') * 10 + (b - b'0')))
    }

    /// One to `digits_max` digits.
    #[inline]
    fn number(&mut self, digits_max: usize) -> Option<i64> {
        let len = self.rest.iter().take(digits_max + 1).take_while(|b| b.is_ascii_digit()).count();
        if len == 0 || len > digits_max {
            return None;
        }
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    }

    /// Up to six digits behind a point, in microseconds.
    #[inline]
    fn fraction(&mut self) -> Option<i64> {
        let before = self.rest.len();
        let n = self.number(6)?;
        Some((before - self.rest.len()..6).fold(n, |n, _| n * 10))
    }

    #[inline]
    fn date(&mut self, is_bc: bool) -> Option<i64> {
        let year = self.number(7)?;
        let (dash, month) = (self.eat(b'-'), self.two()?);
        let (dash_too, day) = (self.eat(b'-'), self.two()?);
        if !dash || !dash_too || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // There is no year 0: 1 BC is followed by 1.
        Some(days_from_2000(if is_bc { 1 - year } else { year }, month, day))
    }

    #[inline]
    fn time(&mut self) -> Option<i64> {
        let hour = self.two()?;
        let (colon, minute) = (self.eat(b':'), self.two()?);
        let (colon_too, second) = (self.eat(b':'), self.two()?);
        let fraction = if self.eat(b'.') { self.fraction()? } else { 0 };
        let micros = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
        (colon && colon_too && minute < 60 && second < 61 && micros <= DAY_US).then_some(micros)
    }

    #[inline]
    fn date_and_time(&mut self, is_bc: bool) -> Option<i64> {
        let days = self.date(is_bc)?;
        if !self.eat(b' ') {
            return None;
        }
        let micros = self.time()?;
        days.checked_mul(DAY_US)?.checked_add(micros)
    }

    /// `+02`, `-05:30`, `+01:23:45`, in seconds.
    #[inline]
    fn offset(&mut self) -> Option<i32> {
        let is_east = self.eat(b'+');
        if !is_east && !self.eat(b'-') {
            return None;
        }
        let mut seconds = self.two()? * 3600;
        for unit in [60, 1] {
            if self.eat(b':') {
                seconds += self.two()? * unit;
            }
        }
        Some(if is_east { seconds as i32 } else { -seconds as i32 })
    }
}

/// Of the proleptic Gregorian calendar, by Howard Hinnant's `days_from_civil`.
#[inline]
fn days_from_2000(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_0000_03_01_TO_2000_01_01: i64 = 730_425;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
        - DAYS_0000_03_01_TO_2000_01_01
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_of_every_age_are_counted_from_2000() {
        for (text, days) in [
            ("2000-01-01", 0),
            ("1999-12-31", -1),
            ("1970-01-01", -10957),
            ("2000-03-01", 60),
            ("0001-01-01", -730_119),
            ("0001-12-31 BC", -730_120),
            // The first and the last that PostgreSQL takes: Julian day 0 is 2451545 days before 2000.
            ("4714-11-24 BC", -2_451_545),
            ("5874897-12-31", 2_145_031_948),
            ("infinity", i64::MAX),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(date(text.as_bytes()), Some(days), "{text}");
        }
    }

    #[test]
    fn timestamps_reach_both_ends() {
        for (text, micros) in [
            ("2000-01-01 00:00:00", 0),
            ("2000-01-01 00:00:00.5", 500_000),
            ("1999-12-31 23:59:59.999999", -1),
            ("4714-11-24 00:00:00 BC", -211_813_488_000_000_000),
            ("294276-12-31 23:59:59.999999", 9_223_371_331_199_999_999),
            ("infinity", i64::MAX),
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(micros), "{text}");
        }
        assert_eq!(timestamp_tz(b"2000-01-01 02:00:00+02"), Some(0));
        assert_eq!(timestamp_tz(b"1999-12-31 18:30:00-05:30"), Some(0));
        assert_eq!(timestamp_tz(b"0001-12-31 00:00:00+00 BC"), Some(-730_120 * DAY_US));
        assert_eq!(timestamp_tz(b"2000-01-01 00:00:00"), None);
    }

    #[test]
    fn times_end_at_24_hours() {
        assert_eq!(time(b"24:00:00"), Some(DAY_US));
        assert_eq!(time(b"24:00:00.000001"), None);
        assert_eq!(time(b"13:14:15.678901"), Some(47_655_678_901));
        assert_eq!(time_tz(b"13:14:15+02"), Some((47_655_000_000, 7200)));
        assert_eq!(time_tz(b"00:00:00-15:59:59"), Some((0, -57_599)));
    }

    #[test]
    fn intervals_keep_the_sign_of_every_part() {
        for (text, wanted) in [
            ("PT0S", (0, 0, 0)),
            ("P1Y2M3DT4H5M6.789S", (14, 3, 14_706_789_000)),
            ("P-1Y-2M3DT-4H-5M-6.789S", (-14, 3, -14_706_789_000)),
            ("PT-0.5S", (0, 0, -500_000)),
            ("P-178000000Y", (-2_136_000_000, 0, 0)),
            ("PT2562047788H54.775807S", (0, 0, 9_223_372_036_854_775_807)),
        ] {
            assert_eq!(interval(text.as_bytes()), Some(wanted), "{text}");
        }
        for text in ["P", "PT", "1 day", "P1H", "P1.5D", "infinity", "PT1", "P99999999999Y"] {
            assert_eq!(interval(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_day_later_is_one_more(year in -4000i64..200_000, month in 1i64..=12, day in 1i64..28) {
            prop_assert_eq!(days_from_2000(year, month, day) + 1, days_from_2000(year, month, day + 1));
            let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            let len = days_from_2000(next_year, next_month, 1) - days_from_2000(year, month, 1);
            prop_assert!((28..=31).contains(&len));
        }
    }
}
