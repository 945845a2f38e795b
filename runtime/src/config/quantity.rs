//! Durations and sizes as people write them: a whole number and a unit. There is no bare number for a duration, because
//! nobody remembers which unit it was.

use std::time::Duration;

const DURATION_UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads `500 ms`, `2s`, `10m`, `1h`, `3d`; the space may be left out.
///
/// # Errors
/// The rule that was broken.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const RULE: &str = "a duration is a whole number and one of ms, s, m, h, d";
    parse(text, &DURATION_UNITS_MS, RULE).map(Duration::from_millis)
}

/// Reads `64 MiB`, `4 KiB`, `512 B`; the space may be left out. Bytes.
///
/// # Errors
/// The rule that was broken.
pub(super) fn parse_size(text: &str) -> Result<u64, &'static str> {
    const RULE: &str = "a size is a whole number and one of B, KiB, MiB, GiB, TiB";
    parse(text, &SIZE_UNITS, RULE)
}

/// The duration in the largest unit that needs no fraction; below a millisecond it is cut.
pub(super) fn show_duration(duration: Duration) -> String {
    show(duration.as_millis().try_into().unwrap_or(u64::MAX), &DURATION_UNITS_MS)
}

/// The size in the largest unit that needs no fraction.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)], rule: &'static str) -> Result<u64, &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(rule);
    }
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(rule)?;
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).ok_or("the number is too large")
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| amount >= *factor && amount.is_multiple_of(*factor);
    let (unit, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{} {unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_and_without_space() {
        for (text, ms) in
            [("0s", 0), ("500ms", 500), ("50 ms", 50), ("2s", 2_000), ("10m", 600_000), ("3d", 259_200_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "2 S", "2 sec", "99999999999999999999s", "300000000000d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_binary_units_only() {
        for (text, bytes) in
            [("512 B", 512), ("4 KiB", 4096), ("64MiB", 64 << 20), ("1 GiB", 1 << 30), ("2 TiB", 2 << 40)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "64", "64 MB", "64 mib", "1.5 GiB", "99999999 TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(amount in any::<u64>(), shift in 0_u32..40) {
            let (bytes, ms) = (amount >> shift << shift, amount >> 20);
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
