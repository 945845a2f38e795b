//! Dates and times in Debezium's units. A frame counts from 2000, Debezium from 1970; the infinities are numbers of their own.

use super::super::civil;
use super::text::put_int;
use crate::change::digits::put_wide;
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;

const EPOCH_TO_2000_DAYS: i64 = 10_957;
const DAY_US: i64 = 86_400_000_000;

/// How a moment without zone is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
    Iso,
}

/// What a value of time becomes when its unit can not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfRange;

/// Days since 1970. The infinities are those that streamed rows carry.
pub(super) fn put_date(out: &mut Vec<u8>, days: i64, unit: Unit) {
    if unit == Unit::Iso {
        match days {
            i64::MAX => out.extend_from_slice(b"\"+5877611-06-21Z\""),
            i64::MIN => out.extend_from_slice(b"\"-5877611-06-22Z\""),
            _ => quoted(out, |out| {
                civil::put_date(out, days);
                out.push(b'Z');
            }),
        }
        return;
    }
    put_int(
        out,
        match days {
            i64::MAX => 2_146_033_979,
            i64::MIN => -2_147_472_691,
            _ => days.saturating_add(EPOCH_TO_2000_DAYS),
        },
    );
}

/// A time of day, or MySQL's time that goes beyond.
pub(super) fn put_time(out: &mut Vec<u8>, micros: i64, unit: Unit) {
    match unit {
        Unit::Millis => put_int(out, micros.div_euclid(1000)),
        Unit::Micros => put_int(out, micros),
        Unit::Nanos => put_int(out, micros.saturating_mul(1000)),
        Unit::Iso => quoted(out, |out| {
            civil::put_time(out, if micros == DAY_US { 0 } else { micros });
            out.push(b'Z');
        }),
    }
}

/// Microseconds since 2000 without zone.
///
/// # Errors
/// If nanoseconds can not hold it. Microseconds reach to the year 294247; what PostgreSQL has beyond is written as the last one.
pub(super) fn put_timestamp(out: &mut Vec<u8>, micros: i64, unit: Unit) -> Result<(), OutOfRange> {
    let finite = !matches!(micros, i64::MAX | i64::MIN);
    let unix = i128::from(micros) + i128::from(UNIX_EPOCH_TO_2000_US);
    match unit {
        Unit::Millis => put_int(
            out,
            match micros {
                i64::MAX => 9_223_372_036_825_200_000,
                i64::MIN => -9_223_372_036_832_400_000,
                _ => unix.div_euclid(1000) as i64,
            },
        ),
        Unit::Micros if finite => put_int(out, unix.min(i128::from(i64::MAX) - 1) as i64),
        Unit::Nanos if finite => put_int(out, i64::try_from(unix * 1000).map_err(|_| OutOfRange)?),
        Unit::Micros | Unit::Nanos => put_int(out, micros),
        Unit::Iso => match micros {
            i64::MAX => out.extend_from_slice(b"\"+292278994-08-16T23:00:00Z\""),
            i64::MIN => out.extend_from_slice(b"\"-292275055-05-16T23:00:00Z\""),
            _ => quoted(out, |out| civil::put_timestamp(out, micros, "Z")),
        },
    }
    Ok(())
}

/// Microseconds since 2000 UTC, with exactly `digits` behind the second.
pub(super) fn put_zoned(out: &mut Vec<u8>, micros: i64, digits: usize) {
    quoted(out, |out| match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        _ => {
            let fraction = micros.rem_euclid(1_000_000);
            civil::put_timestamp(out, micros - fraction, "");
            if digits > 0 {
                out.push(b'.');
                put_wide(out, fraction as u64, 6);
                out.truncate(out.len() - (6 - digits.min(6)));
            }
            out.push(b'Z');
        }
    });
}

/// A time of day with its zone, in UTC. Only 24:00 in UTC stays 24:00.
pub(super) fn put_zoned_time(out: &mut Vec<u8>, micros: i64, offset_seconds: i32) {
    let utc = match offset_seconds {
        0 => micros,
        offset => micros.saturating_sub(i64::from(offset) * 1_000_000).rem_euclid(DAY_US),
    };
    quoted(out, |out| {
        civil::put_time(out, utc);
        out.push(b'Z');
    });
}

/// Microseconds of an interval, a month having 30.4375 days; what 64 bits can not hold is the last number that they can.
pub(super) fn put_duration(out: &mut Vec<u8>, months: i32, days: i32, micros: i64) {
    const MONTH_US: i128 = 2_629_800_000_000;
    let all = i128::from(months) * MONTH_US + i128::from(days) * i128::from(DAY_US) + i128::from(micros);
    put_int(out, all.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64);
}

/// `P1Y2M3DT4H5M6.78S`, every part written, each with its sign.
pub(super) fn put_interval(out: &mut Vec<u8>, months: i32, days: i32, micros: i64) {
    let part = |out: &mut Vec<u8>, n: i64, unit: u8| {
        put_int(out, n);
        out.push(unit);
    };
    quoted(out, |out| {
        out.push(b'P');
        part(out, i64::from(months / 12), b'Y');
        part(out, i64::from(months % 12), b'M');
        part(out, i64::from(days), b'D');
        out.push(b'T');
        part(out, micros / 3_600_000_000, b'H');
        part(out, micros / 60_000_000 % 60, b'M');
        let rest = micros % 60_000_000;
        if rest < 0 {
            out.push(b'-');
        }
        put_int(out, (rest / 1_000_000).abs());
        civil::put_fraction(out, rest.unsigned_abs() % 1_000_000);
        out.push(b'S');
    });
}

fn quoted(out: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inside(out);
    out.push(b'"');
}

/// What stands in a column of dates as text: MySQL's dates that no calendar has, and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Days since 2000, microseconds of the day, seconds east of UTC.
    At { days: i64, micros: i64, offset_seconds: i32 },
    /// A year, month or day of zero: it says that nobody knows it.
    Zero,
}

impl Moment {
    /// Microseconds since 2000, UTC.
    pub(super) fn micros(self) -> Option<i64> {
        let Moment::At { days, micros, offset_seconds } = self else { return None };
        days.checked_mul(DAY_US)?.checked_add(micros)?.checked_sub(i64::from(offset_seconds) * 1_000_000)
    }
}

/// Reads `2020-01-01`, `2020-01-01 10:11:12.5`, either with a zone such as `+02` or `Z` behind.
pub(super) fn parse_moment(text: &str) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(text.find([' ', 'T']).unwrap_or(text.len()))?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok().filter(|n| *n >= 0));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if year == 0 || month == 0 || day == 0 {
        return Some(Moment::Zero);
    }
    if month > 12 || day > 31 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let (micros, offset_seconds) = if rest.is_empty() { (0, 0) } else { parse_clock(&rest[1..])? };
    Some(Moment::At { days, micros, offset_seconds })
}

/// Reads `10:11:12.5` and a zone behind it: microseconds, and seconds east of UTC.
pub(super) fn parse_clock(text: &str) -> Option<(i64, i32)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let zone_at = text.find(['+', '-', 'Z']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let mut parts = clock.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = match parts.next() {
        None => ("0", ""),
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
    };
    let seconds: i64 = seconds.parse().ok()?;
    let mut micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    if !(0..=1_000_000).contains(&hours) || !(0..60).contains(&minutes) || !(0..=60).contains(&seconds) {
        return None;
    }
    micros += ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
    Some((if negative { -micros } else { micros }, parse_zone(zone)?))
}

fn parse_zone(zone: &str) -> Option<i32> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let mut parts = zone[1..].split(':').map(|part| part.parse::<i32>().ok().filter(|n| (0..60).contains(n)));
    let mut seconds = parts.next()?? * 3600;
    for unit in [60, 1] {
        seconds += parts.next().unwrap_or(Some(0))? * unit;
    }
    Some(sign * seconds)
}

/// Days since 2000-01-01 (Howard Hinnant's `days_from_civil`). A day beyond its month counts into the next one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 730_425
}

/// The year 2001 in place of year 1, 1999 in place of 99: how Debezium reads years of two digits.
pub(super) fn adjust_year(days: i64) -> i64 {
    const YEAR_1: i64 = -730_119;
    const YEAR_70: i64 = YEAR_1 + 69 * 365 + 17;
    const YEAR_100: i64 = YEAR_1 + 99 * 365 + 24;
    const DAYS_1900: i64 = 693_960;
    const DAYS_2000: i64 = 730_485;
    // The calendar is shifted by whole years, so that month and day stay; leap years fall alike but for 1900.
    match days {
        YEAR_1..YEAR_70 => days + DAYS_2000,
        YEAR_70..YEAR_100 => days + DAYS_1900,
        _ => days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn moment(text: &str) -> i64 {
        parse_moment(text).and_then(Moment::micros).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn moments_are_written_as_recorded() {
        let at = moment("2026-03-01 13:14:15.678901");
        for (unit, text) in [
            (Unit::Millis, "1772370855678"),
            (Unit::Micros, "1772370855678901"),
            (Unit::Nanos, "1772370855678901000"),
            (Unit::Iso, "\"2026-03-01T13:14:15.678901Z\""),
        ] {
            assert_eq!(written(|o| put_timestamp(o, at, unit).expect("in range")), text);
        }
        for (micros, millis, micro) in [
            (i64::MAX, "9223372036825200000", "9223372036854775807"),
            (i64::MIN, "-9223372036832400000", "-9223372036854775808"),
            (moment("1969-12-31 23:59:59.9999"), "-1", "-100"),
        ] {
            assert_eq!(written(|o| put_timestamp(o, micros, Unit::Millis).expect("in range")), millis);
            assert_eq!(written(|o| put_timestamp(o, micros, Unit::Micros).expect("in range")), micro);
        }
    }

    #[test]
    fn last_timestamp_of_postgresql_does_not_wrap() {
        let last = 9_223_371_331_199_999_999;
        assert_eq!(written(|o| put_timestamp(o, last, Unit::Millis).expect("in range")), "9224318015999999");
        assert_eq!(written(|o| put_timestamp(o, last, Unit::Micros).expect("in range")), "9223372036854775806");
        assert_eq!(put_timestamp(&mut Vec::new(), last, Unit::Nanos), Err(OutOfRange));
    }

    #[test]
    fn zoned_moments_have_exactly_the_digits_of_their_column() {
        let at = moment("2026-03-01 13:14:15.678+02");
        for (digits, text) in [(6, "11:14:15.678000Z"), (3, "11:14:15.678Z"), (0, "11:14:15Z")] {
            assert_eq!(written(|o| put_zoned(o, at, digits)), format!("\"2026-03-01T{text}\""));
        }
        assert_eq!(written(|o| put_zoned(o, i64::MIN, 6)), "\"-infinity\"");
        assert_eq!(written(|o| put_zoned(o, moment("10000-01-01"), 6)), "\"+10000-01-01T00:00:00.000000Z\"");
        assert_eq!(written(|o| put_zoned(o, moment("1969-12-31 23:59:59.5"), 1)), "\"1969-12-31T23:59:59.5Z\"");
    }

    #[test]
    fn times_with_zone_are_shifted_within_their_day() {
        let put = |micros, offset| written(|o| put_zoned_time(o, micros, offset));
        assert_eq!(put(DAY_US, 0), "\"24:00:00Z\"");
        assert_eq!(put(12 * 3_600_000_000 + 500_000, 0), "\"12:00:00.5Z\"");
        assert_eq!(put(1_500_000, 57_599), "\"08:00:02.5Z\"");
        assert_eq!(put(23 * 3_600_000_000, -2 * 3600), "\"01:00:00Z\"");
    }

    #[test]
    fn intervals_become_one_number_or_all_their_parts() {
        let put = |months, days, micros| {
            (written(|o| put_duration(o, months, days, micros)), written(|o| put_interval(o, months, days, micros)))
        };
        assert_eq!(put(14, 3, 14_706_780_000), ("37091106780000".into(), "\"P1Y2M3DT4H5M6.78S\"".into()));
        assert_eq!(put(-14, 3, -14_706_789_000), ("-36572706789000".into(), "\"P-1Y-2M3DT-4H-5M-6.789S\"".into()));
        assert_eq!(put(178_000_000 * 12, 0, 0).0, i64::MAX.to_string());
    }

    #[test]
    fn texts_of_moments_are_read_or_refused() {
        assert_eq!(parse_moment("2000-01-02"), Some(Moment::At { days: 1, micros: 0, offset_seconds: 0 }));
        assert_eq!(moment("2020-01-01 10:11:12+00"), 631_188_672_000_000);
        assert_eq!(moment("1999-12-31T22:00:00-02:00"), 0);
        for zero in ["0000-00-00", "0000-00-00 00:00:00.000000", "2026-00-00", "0000-01-01"] {
            assert_eq!(parse_moment(zero), Some(Moment::Zero), "{zero}");
        }
        for wrong in ["", "now()", "2026", "2026-13-01", "2026-01-01 25", "2026-01-01 10:70:00", "--", "2026-01-é"] {
            assert_eq!(parse_moment(wrong), None, "{wrong}");
        }
        assert_eq!(parse_clock("-838:59:59.5"), Some((-3_020_399_500_000, 0)));
    }

    #[test]
    fn years_of_two_digits_are_read_as_debezium_reads_them() {
        for (from, to) in [
            ("0001-01-01", "2001-01-01"),
            ("0069-12-31", "2069-12-31"),
            ("0070-01-01", "1970-01-01"),
            ("0099-01-01", "1999-01-01"),
            ("0099-12-31", "1999-12-31"),
            ("0100-01-01", "0100-01-01"),
            ("0004-02-29", "2004-02-29"),
        ] {
            let days = |text: &str| moment(text).div_euclid(DAY_US);
            assert_eq!(adjust_year(days(from)), days(to), "{from}");
        }
    }
}
