//! Global transaction ids: MySQL's executed set, MariaDB's position per domain.
//!
//! ```text
//!   3e11fa47-...:1-5:7, 3e11fa47-...:backup:1-3      MySQL: server[:tag]:first-last...
//!   0-1-23,1-1-4                                     MariaDB: domain-server-sequence
//! ```
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html>, <https://mariadb.com/kb/en/gtid/>

use crate::change::{Gtid, GtidTag};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Who numbered a transaction: a server, and a tag that is mostly empty.
type Origin = ([u8; 16], [u8; 32]);

/// The transactions that a MySQL server has executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GtidSet {
    /// Per origin: first numbers and the numbers behind the last, neither touching nor overlapping.
    intervals: BTreeMap<Origin, BTreeMap<u64, u64>>,
    count: u64,
}

impl GtidSet {
    /// Number of transactions.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn contains(&self, server: [u8; 16], tag: GtidTag, number: u64) -> bool {
        let Some(intervals) = self.intervals.get(&(server, tag.0)) else { return false };
        intervals.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Adds one transaction; false if it was there.
    pub(super) fn insert(&mut self, server: [u8; 16], tag: GtidTag, number: u64) -> bool {
        number > 0 && number < u64::MAX && self.insert_range((server, tag.0), number, number + 1) > 0
    }

    /// Adds `start..end` and says how many of them are new.
    fn insert_range(&mut self, origin: Origin, mut start: u64, mut end: u64) -> u64 {
        let intervals = self.intervals.entry(origin).or_default();
        let mut new = end - start;
        // Whatever touches or overlaps becomes one interval.
        while let Some((&first, &behind)) = intervals.range(..=end).next_back().filter(|(_, behind)| **behind >= start)
        {
            let overlap = behind.min(end).saturating_sub(first.max(start));
            new = new.saturating_sub(overlap);
            intervals.remove(&first);
            (start, end) = (start.min(first), end.max(behind));
        }
        intervals.insert(start, end);
        self.count += new;
        new
    }

    /// What is in this set and not in the other.
    pub(super) fn subtract(&self, other: &GtidSet) -> GtidSet {
        let mut left = GtidSet::default();
        for (origin, intervals) in &self.intervals {
            let none = BTreeMap::new();
            let theirs = other.intervals.get(origin).unwrap_or(&none);
            for (&start, &end) in intervals {
                let mut at = start;
                for (&first, &behind) in theirs.range(..end).filter(|(_, behind)| **behind > start) {
                    if at < first {
                        left.insert_range(*origin, at, first);
                    }
                    at = at.max(behind);
                }
                if at < end {
                    left.insert_range(*origin, at, end);
                }
            }
        }
        left
    }
}

/// As `@@gtid_executed` prints it, without line breaks.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<[u8; 16]> = None;
        for ((server, tag), intervals) in &self.intervals {
            let mut is_tag_written = false;
            for (&start, &end) in intervals {
                if before != Some(*server) {
                    let comma = if before.is_none() { "" } else { "," };
                    let printed = Gtid::Mysql { server: *server, tag: GtidTag::default(), number: 0 }.to_string();
                    write!(f, "{comma}{}", printed.trim_end_matches(":0"))?;
                    before = Some(*server);
                }
                if !is_tag_written && tag[0] != 0 {
                    write!(f, ":{}", GtidTag(*tag).as_str())?;
                }
                is_tag_written = true;
                if end - start == 1 { write!(f, ":{start}")? } else { write!(f, ":{start}-{}", end - 1)? }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no set of GTIDs such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77");
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut pieces = part.split(':').map(str::trim);
            let server = pieces.next().and_then(uuid).ok_or_else(wrong)?;
            let mut origin = (server, [0; 32]);
            for piece in pieces {
                if !piece.starts_with(|c: char| c.is_ascii_digit()) {
                    origin.1 = tag(piece).ok_or_else(wrong)?;
                    continue;
                }
                let (start, end) = piece.split_once('-').unwrap_or((piece, piece));
                let start: u64 = start.trim().parse().map_err(|_| wrong())?;
                let end: u64 = end.trim().parse().map_err(|_| wrong())?;
                if start == 0 || end < start || end >= i64::MAX as u64 {
                    return Err(wrong());
                }
                set.insert_range(origin, start, end + 1);
            }
        }
        Ok(set)
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut out = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(out)
}

fn tag(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let lower = text.to_ascii_lowercase();
    let is_tag = lower.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') && !lower.is_empty();
    out.get_mut(..lower.len()).filter(|_| is_tag)?.copy_from_slice(lower.as_bytes());
    Some(out)
}

/// The last transaction of each domain of a MariaDB server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MariadbPosition {
    domains: BTreeMap<u32, (u32, u64)>,
    sum: u64,
}

impl MariadbPosition {
    /// The sum of all domains' last sequence numbers: it grows with every transaction.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// The domain's last sequence number; 0 before its first.
    pub(super) fn last(&self, domain: u32) -> u64 {
        self.domains.get(&domain).map_or(0, |(_, sequence)| *sequence)
    }

    /// What [`Self::sum`] would be with this transaction.
    pub(super) fn sum_with(&self, domain: u32, sequence: u64) -> u64 {
        (self.sum - self.last(domain)).saturating_add(sequence)
    }

    /// Makes this the domain's last transaction.
    pub(super) fn set(&mut self, domain: u32, server: u32, sequence: u64) {
        self.sum = self.sum_with(domain, sequence);
        self.domains.insert(domain, (server, sequence));
    }
}

/// As `@@gtid_binlog_pos` prints it.
impl fmt::Display for MariadbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (domain, (server, sequence))) in self.domains.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{domain}-{server}-{sequence}")?;
        }
        Ok(())
    }
}

impl FromStr for MariadbPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no GTID position such as 0-1-23,1-1-4");
        let mut position = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut numbers = part.splitn(3, '-');
            let mut number = || numbers.next().ok_or_else(wrong);
            let domain = number()?.parse().map_err(|_| wrong())?;
            let server = number()?.parse().map_err(|_| wrong())?;
            let sequence = number()?.parse().map_err(|_| wrong())?;
            let total = (position.sum - position.last(domain)).checked_add(sequence);
            total.filter(|total| *total < i64::MAX as u64).ok_or_else(wrong)?;
            position.set(domain, server, sequence);
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SERVER: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        text.replace('S', SERVER).parse().expect("a set")
    }

    #[test]
    fn set_is_printed_as_the_server_prints_it() {
        for (text, printed, count) in [
            ("", "", 0),
            ("S:1-5:7", "S:1-5:7", 6),
            ("S:7:1-5:6", "S:1-7", 7),
            ("S:1-3:2-9", "S:1-9", 9),
            (
                "S:1-77:blue:3:5-6,\n00000000-0000-0000-0000-000000000001:4",
                "00000000-0000-0000-0000-000000000001:4,S:1-77:blue:3:5-6",
                81,
            ),
            ("S:Blue:1", "S:blue:1", 1),
        ] {
            let set = set(text);
            assert_eq!((set.to_string(), set.count()), (printed.replace('S', SERVER), count), "{text}");
        }
        for wrong in ["x", "S", "S:", "S:0", "S:3-1", "S:1-", "S:tag-1:1", "3e11:1", "S:9223372036854775807"] {
            let text = wrong.replace('S', SERVER);
            assert!(text.parse::<GtidSet>().is_err() || text == SERVER, "{wrong}");
        }
    }

    #[test]
    fn subtracting_leaves_what_the_other_lacks() {
        for (one, other, left) in [
            ("S:1-10", "S:3-4:8", "S:1-2:5-7:9-10"),
            ("S:1-10", "", "S:1-10"),
            ("S:1-10", "S:1-20", ""),
            ("S:5-10:blue:1", "S:1-5:red:1", "S:6-10:blue:1"),
        ] {
            assert_eq!(set(one).subtract(&set(other)), set(left), "{one} - {other}");
        }
    }

    #[test]
    fn position_per_domain_sums_up_and_is_printed_as_the_server_prints_it() {
        let mut position: MariadbPosition = "1-7-4,0-1-23".parse().expect("a position");
        assert_eq!((position.to_string().as_str(), position.sum()), ("0-1-23,1-7-4", 27));
        assert_eq!(position.sum_with(1, 9), 32);
        position.set(1, 8, 9);
        position.set(2, 8, 1);
        assert_eq!((position.to_string().as_str(), position.sum()), ("0-1-23,1-8-9,2-8-1", 33));
        for wrong in ["1", "1-2", "a-1-1", "1-1-x", "0-1-18446744073709551615"] {
            assert!(wrong.parse::<MariadbPosition>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn set_counts_each_transaction_once(numbers in prop::collection::vec(1u64..60, 0..80)) {
            let mut set = GtidSet::default();
            let mut plain = std::collections::BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(set.insert([7; 16], GtidTag::default(), number), plain.insert(number));
                prop_assert_eq!(set.count(), plain.len() as u64);
            }
            for number in 0..62 {
                prop_assert_eq!(set.contains([7; 16], GtidTag::default(), number), plain.contains(&number));
            }
            prop_assert_eq!(set.to_string().parse::<GtidSet>(), Ok(set));
        }

        #[test]
        fn any_text_is_a_set_or_refused(text in "[0-9a-f:,-]{0,60}") {
            let _ = text.parse::<GtidSet>();
            let _ = text.parse::<MariadbPosition>();
        }
    }
}
