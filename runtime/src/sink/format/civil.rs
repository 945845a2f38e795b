//! Days and microseconds since 2000-01-01 as ISO 8601. Years before 1 are astronomical (`-0043` is 44 BC), years beyond
//! 9999 carry a sign, as ISO 8601 wants it.

use crate::change::digits::{put_two, put_wide};
use std::io::Write;

const DAY_US: i64 = 86_400_000_000;
/// Days from 0000-03-01, where the algorithm's eras begin, to 2000-01-01.
const ERA_TO_2000_DAYS: i64 = 730_425;

/// Year, month and day of a day counted from 2000-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + ERA_TO_2000_DAYS;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub(super) fn put_date(out: &mut Vec<u8>, days: i64) {
    match days {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let days = days.clamp(i64::MIN / 4, i64::MAX / 4);
    let (year, month, day) = civil(days);
    match year {
        ..0 => out.push(b'-'),
        0..=9999 => {}
        _ => out.push(b'+'),
    }
    match year.unsigned_abs() {
        year @ 0..=9999 => [year / 100, year % 100].into_iter().for_each(|half| put_two(out, half)),
        year => put_wide(out, year, 4),
    }
    for part in [month, day] {
        out.push(b'-');
        put_two(out, part.unsigned_abs());
    }
}

/// `T` and a time of day behind a date; `zone` behind it.
pub(super) fn put_timestamp(out: &mut Vec<u8>, micros: i64, zone: &str) {
    if matches!(micros, i64::MAX | i64::MIN) {
        return put_date(out, micros);
    }
    put_date(out, micros.div_euclid(DAY_US));
    out.push(b'T');
    put_time(out, micros.rem_euclid(DAY_US));
    out.extend_from_slice(zone.as_bytes());
}

/// `08:05:30.5`: fractions only as far as they are there; hours may exceed a day, and the sign may be negative.
pub(super) fn put_time(out: &mut Vec<u8>, micros: i64) {
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    put_two(out, seconds / 3600);
    for part in [seconds / 60 % 60, seconds % 60] {
        out.push(b':');
        put_two(out, part);
    }
    put_fraction(out, micros % 1_000_000);
}

pub(super) fn put_fraction(out: &mut Vec<u8>, micros: u64) {
    if micros != 0 {
        out.push(b'.');
        put_wide(out, micros, 6);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// `+02:00`, with seconds where a zone has them.
pub(super) fn put_offset(out: &mut Vec<u8>, offset_seconds: i32) {
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    let s = offset_seconds.unsigned_abs();
    write!(out, "{sign}{:02}:{:02}", s / 3600, s / 60 % 60).expect("a vector takes any length");
    if !s.is_multiple_of(60) {
        write!(out, ":{:02}", s % 60).expect("a vector takes any length");
    }
}

/// ISO 8601's `P1Y2M3DT4H5M6.789S`, each part with a sign of its own, as PostgreSQL writes it.
pub(super) fn put_interval(out: &mut Vec<u8>, months: i32, days: i32, micros: i64) {
    match (months, days, micros) {
        (i32::MAX, i32::MAX, i64::MAX) => return out.extend_from_slice(b"infinity"),
        (i32::MIN, i32::MIN, i64::MIN) => return out.extend_from_slice(b"-infinity"),
        (0, 0, 0) => return out.extend_from_slice(b"PT0S"),
        _ => {}
    }
    out.push(b'P');
    put_parts(out, [(i64::from(months / 12), 'Y'), (i64::from(months % 12), 'M'), (i64::from(days), 'D')]);
    if micros == 0 {
        return;
    }
    out.push(b'T');
    let rest = micros % 60_000_000;
    put_parts(out, [(micros / 3_600_000_000, 'H'), (micros / 60_000_000 % 60, 'M')]);
    if rest != 0 {
        if rest < 0 {
            out.push(b'-');
        }
        write!(out, "{}", rest.unsigned_abs() / 1_000_000).expect("a vector takes any length");
        put_fraction(out, rest.unsigned_abs() % 1_000_000);
        out.push(b'S');
    }
}

fn put_parts<const N: usize>(out: &mut Vec<u8>, parts: [(i64, char); N]) {
    for (n, unit) in parts {
        if n != 0 {
            write!(out, "{n}{unit}").expect("a vector takes any length");
        }
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

    #[test]
    fn dates_over_the_whole_range_of_postgresql() {
        for (days, text) in [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (9_556, "2026-03-01"),
            (59, "2000-02-29"),
            (-730_119, "0001-01-01"),
            (-730_120, "0000-12-31"),
            (-2_451_545, "-4713-11-24"),
            (106_751_982, "+294276-12-31"),
            (2_145_031_948, "+5874897-12-31"),
            (i64::MAX, "infinity"),
            (i64::MIN, "-infinity"),
        ] {
            assert_eq!(written(|o| put_date(o, days)), text);
        }
    }

    #[test]
    fn timestamps_show_fractions_only_as_far_as_they_are_there() {
        assert_eq!(written(|o| put_timestamp(o, 500_000, "Z")), "2000-01-01T00:00:00.5Z");
        assert_eq!(written(|o| put_timestamp(o, -1, "")), "1999-12-31T23:59:59.999999");
        assert_eq!(written(|o| put_timestamp(o, 9_223_371_331_199_999_999, "")), "+294276-12-31T23:59:59.999999");
        assert_eq!(written(|o| put_timestamp(o, i64::MIN, "Z")), "-infinity");
    }

    #[test]
    fn times_reach_beyond_a_day_and_below_zero() {
        assert_eq!(written(|o| put_time(o, DAY_US)), "24:00:00");
        assert_eq!(written(|o| put_time(o, -3_020_399_000_000)), "-838:59:59");
        assert_eq!(written(|o| put_offset(o, -(5 * 3600 + 1800))), "-05:30");
        assert_eq!(written(|o| put_offset(o, 19 * 60 + 32)), "+00:19:32");
    }

    #[test]
    fn intervals_keep_each_part_and_its_sign() {
        assert_eq!(written(|o| put_interval(o, 14, 3, 14_706_789_000)), "P1Y2M3DT4H5M6.789S");
        assert_eq!(written(|o| put_interval(o, -1, 0, -500_000)), "P-1MT-0.5S");
        assert_eq!(written(|o| put_interval(o, 0, 0, 0)), "PT0S");
        assert_eq!(written(|o| put_interval(o, i32::MAX, i32::MAX, i64::MAX)), "infinity");
    }
}
