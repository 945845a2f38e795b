//! Dates and times out of the texts that rows show them as: the way back of `sink/format/civil.rs`.

const DAY_US: i64 = 86_400_000_000;
/// Digits of a year: the last one that PostgreSQL's dates have is 5874897.
const YEAR_DIGITS_MAX: usize = 7;

/// Days since 2000-01-01.
pub(super) fn date(text: &str) -> Option<i64> {
    infinite(text).or_else(|| {
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let mut parts = digits.split('-');
        let (year, month, day) = (parts.next()?, two(parts.next()?)?, two(parts.next()?)?);
        let is_year = (4..=YEAR_DIGITS_MAX).contains(&year.len()) && year.bytes().all(|b| b.is_ascii_digit());
        let year = sign * year.parse::<i64>().ok().filter(|_| is_year)?;
        let is_day = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        (parts.next().is_none() && is_day).then(|| days(year, month, day))
    })
}

/// Microseconds since midnight; beyond a day and below zero, as MySQL has them.
pub(super) fn time(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, two(parts.next()?)?, two(parts.next()?)?);
    let is_fraction = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let is_hour = (2..=3).contains(&hours.len()) && hours.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !is_fraction || !is_hour || minutes > 59 || seconds > 59 {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let hours: i64 = hours.parse().ok()?;
    Some(sign * (((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros))
}

/// Microseconds since midnight, and seconds east of UTC.
pub(super) fn time_with_zone(text: &str) -> Option<(i64, i32)> {
    let (text, zone) = zoned(text)?;
    Some((time(text)?, zone))
}

/// Microseconds since 2000-01-01 00:00:00.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    infinite(text).or_else(|| {
        let (day, clock) = text.split_once(['T', ' '])?;
        let micros = time(clock).filter(|micros| (0..=DAY_US).contains(micros))?;
        date(day).filter(|_| infinite(day).is_none())?.checked_mul(DAY_US)?.checked_add(micros)
    })
}

/// Microseconds since 2000-01-01 00:00:00 UTC.
pub(super) fn timestamp_with_zone(text: &str) -> Option<i64> {
    infinite(text).or_else(|| {
        let (text, zone) = zoned(text)?;
        timestamp(text).filter(|_| infinite(text).is_none())?.checked_sub(i64::from(zone) * 1_000_000)
    })
}

fn infinite(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => None,
    }
}

/// Cuts `Z`, `+02:00` or `+00:19:32` off the end of a time.
fn zoned(text: &str) -> Option<(&str, i32)> {
    if let Some(text) = text.strip_suffix('Z') {
        return Some((text, 0));
    }
    // A sign behind the time; those of dates and of negative times stand before it.
    let at = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':'))?;
    let (text, zone) = text.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let mut seconds = 0;
    let mut parts = 0;
    for part in zone[1..].split(':') {
        if parts == 3 {
            return None;
        }
        seconds = seconds * 60 + two(part).filter(|part| *part < 60)?;
        parts += 1;
    }
    let seconds = match parts {
        1 => seconds * 3600,
        2 => seconds * 60,
        3 => seconds,
        _ => return None,
    };
    Some((text, sign * i32::try_from(seconds).ok()?))
}

fn two(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 2000-01-01 (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 730_425
}
