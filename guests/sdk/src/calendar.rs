//! Dates and times as frames count them, from 2000-01-01, and as people write them.

use sluicegate_frame::{TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, UNIX_EPOCH_TO_2000_US};
use std::fmt;

const DAY_US: i64 = 86_400_000_000;
const SECOND_US: i64 = 1_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const UNIX_EPOCH_TO_2000_DAYS: i64 = 10_957;

/// A day of the Gregorian calendar, or one of the two infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    pub const INFINITY: Date = Date(TIMESTAMP_INFINITY);
    pub const NEGATIVE_INFINITY: Date = Date(TIMESTAMP_NEGATIVE_INFINITY);

    pub const fn from_days_since_2000(days: i64) -> Self {
        Self(days)
    }

    /// None for a day that the calendar does not have. Year 0 is 1 BC.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let date = Self(days_of(i64::from(year), i64::from(month), i64::from(day)));
        (date.civil() == Some((i64::from(year), month, day))).then_some(date)
    }

    pub const fn days_since_2000(self) -> i64 {
        self.0
    }

    /// Year, month and day; None for an infinity.
    pub fn civil(self) -> Option<(i64, u8, u8)> {
        let infinite = self == Self::INFINITY || self == Self::NEGATIVE_INFINITY;
        (!infinite).then(|| civil_of(self.0))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.civil() {
            Some((year, month, day)) => write!(f, "{year:04}-{month:02}-{day:02}"),
            None => f.write_str(infinity(self.0)),
        }
    }
}

/// A time of day, with the zone's offset if the column has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// Microseconds since midnight; MySQL's go beyond a day and below zero.
    pub micros: i64,
    /// Seconds east of UTC.
    pub offset_seconds: Option<i32>,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.micros < 0 {
            f.write_str("-")?;
        }
        clock(f, self.micros.unsigned_abs())?;
        let Some(offset) = self.offset_seconds else { return Ok(()) };
        let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", offset / 3600, offset / 60 % 60)?;
        if offset % 60 == 0 { Ok(()) } else { write!(f, ":{:02}", offset % 60) }
    }
}

/// A stretch of time as PostgreSQL keeps it: a month is no number of days, nor a day one of hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

/// A moment in UTC, or a date and time of an unknown zone, or one of the two infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    micros: i64,
    utc: bool,
}

impl Timestamp {
    /// Of a column without a zone: microseconds since 2000-01-01 00:00:00.
    pub const fn local(micros_since_2000: i64) -> Self {
        Self { micros: micros_since_2000, utc: false }
    }

    /// Of a column with a zone: microseconds since 2000-01-01 00:00:00 UTC.
    pub const fn utc(micros_since_2000: i64) -> Self {
        Self { micros: micros_since_2000, utc: true }
    }

    /// In UTC; None beyond what a frame can hold.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        micros.checked_sub(UNIX_EPOCH_TO_2000_US).map(Self::utc)
    }

    pub const fn micros_since_2000(self) -> i64 {
        self.micros
    }

    /// Whether it is a moment; otherwise its zone is not known.
    pub const fn is_utc(self) -> bool {
        self.utc
    }

    pub fn is_finite(self) -> bool {
        self.micros != TIMESTAMP_INFINITY && self.micros != TIMESTAMP_NEGATIVE_INFINITY
    }

    /// Microseconds since 1970; None for the infinities and beyond the year 294247.
    pub fn unix_micros(self) -> Option<i64> {
        if self.is_finite() { self.micros.checked_add(UNIX_EPOCH_TO_2000_US) } else { None }
    }

    /// Its day; an infinity of dates for an infinity.
    pub fn date(self) -> Date {
        if self.is_finite() { Date(self.micros.div_euclid(DAY_US)) } else { Date(self.micros) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_finite() {
            return f.write_str(infinity(self.micros));
        }
        write!(f, "{}T", self.date())?;
        clock(f, self.micros.rem_euclid(DAY_US).unsigned_abs())?;
        f.write_str(if self.utc { "Z" } else { "" })
    }
}

/// 16 bytes, printed as `00112233-4455-6677-8899-aabbccddeeff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

fn infinity(number: i64) -> &'static str {
    if number > 0 { "infinity" } else { "-infinity" }
}

fn clock(f: &mut fmt::Formatter<'_>, micros: u64) -> fmt::Result {
    let (seconds, micros) = (micros / SECOND_US as u64, micros % SECOND_US as u64);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if micros == 0 { Ok(()) } else { write!(f, ".{micros:06}") }
}

// Both ways after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the day that
// comes and goes is the last of its year, and 400 of them repeat.

fn civil_of(days_since_2000: i64) -> (i64, u8, u8) {
    // In 128 bits, because bytes from outside may hold any number of days.
    let days = i128::from(days_since_2000) + i128::from(UNIX_EPOCH_TO_2000_DAYS) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    (year as i64, month as u8, day as u8)
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - UNIX_EPOCH_TO_2000_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_eight_hundred_years() {
        let mut previous = Date::from_days_since_2000(-146_098).civil().expect("a finite date");
        for days in -146_097..146_097 {
            let (year, month, day) = Date::from_days_since_2000(days).civil().expect("a finite date");
            assert_eq!(Date::new(year as i32, month, day), Some(Date::from_days_since_2000(days)));
            let same_month = (previous.0, previous.1, previous.2 + 1) == (year, month, day);
            assert!(same_month || day == 1, "{previous:?} is followed by {year}-{month}-{day}");
            previous = (year, month, day);
        }
    }

    #[test]
    fn a_day_that_does_not_exist_is_none() {
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!(Date::new(2024, 13, 1), None);
        assert_eq!(Date::new(2024, 0, 1), None);
        assert_eq!(Date::new(2024, 1, 0), None);
        assert_eq!(Date::new(2024, 2, 29).map(|d| d.to_string()).as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn moments_print_as_iso_8601() {
        let unix = Timestamp::from_unix_micros(1_767_323_045_120_000).expect("within range");
        assert_eq!(unix.to_string(), "2026-01-02T03:04:05.120000Z");
        assert_eq!(unix.unix_micros(), Some(1_767_323_045_120_000));
        assert_eq!(Timestamp::local(-1).to_string(), "1999-12-31T23:59:59.999999");
        assert_eq!(Timestamp::utc(i64::MAX).to_string(), "infinity");
        assert_eq!(Timestamp::utc(i64::MIN).unix_micros(), None);
        assert_eq!(Timestamp::utc(i64::MAX).date(), Date::INFINITY);
        assert_eq!(Date::NEGATIVE_INFINITY.to_string(), "-infinity");
    }

    #[test]
    fn times_print_their_zone_and_may_be_longer_than_a_day() {
        let time = |micros, offset_seconds| Time { micros, offset_seconds }.to_string();
        assert_eq!(time(DAY_US, None), "24:00:00");
        assert_eq!(time(-838 * 3600 * SECOND_US, None), "-838:00:00");
        assert_eq!(time(1, Some(19_800)), "00:00:00.000001+05:30");
        assert_eq!(time(0, Some(-1_172)), "00:00:00-00:19:32");
    }

    #[test]
    fn the_widest_numbers_do_not_overflow() {
        for days in [i64::MIN + 1, i64::MAX - 1] {
            assert!(!Date::from_days_since_2000(days).to_string().is_empty());
            assert!(!Timestamp::utc(days).to_string().is_empty());
        }
    }
}
