//! The modifiers of a type, which the server keeps in one number, as they stand between parentheses.

/// Length and precision are kept this much larger.
const HEADER: i32 = 4;
/// An interval's precision is not said.
const INTERVAL_FULL: i32 = 0xffff;

/// `numeric(8,-2)` has 8 and -2; `text` and `timestamp` have none.
pub(super) fn modifiers(oid: u32, modifier: i32) -> Vec<i32> {
    if modifier < 0 {
        return Vec::new();
    }
    match oid {
        // char, varchar
        1042 | 1043 => vec![modifier - HEADER],
        // numeric: precision above, scale below in eleven bits, the highest its sign
        1700 => {
            let packed = modifier - HEADER;
            vec![packed >> 16 & 0xffff, (packed & 0x7ff ^ 0x400) - 0x400]
        }
        // time, timestamp, both with zone, bit, varbit
        1083 | 1114 | 1184 | 1266 | 1560 | 1562 => vec![modifier],
        // interval
        1186 if modifier & INTERVAL_FULL != INTERVAL_FULL => vec![modifier & INTERVAL_FULL],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_those_between_the_parentheses() {
        let numeric = |precision: i32, scale: i32| (precision << 16 | scale & 0x7ff) + HEADER;
        for (oid, modifier, expected) in [
            (1042, 9, vec![5]),
            (1700, numeric(8, 3), vec![8, 3]),
            (1700, numeric(5, -2), vec![5, -2]),
            (1700, -1, vec![]),
            (1114, 3, vec![3]),
            (1560, 12, vec![12]),
            (1186, 0x7fff_ffff, vec![]),
            (1186, 3 | 0x7fff_0000, vec![3]),
            (25, 7, vec![]),
        ] {
            assert_eq!(modifiers(oid, modifier), expected, "{oid} {modifier}");
        }
    }
}
