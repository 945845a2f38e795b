//! Counts and sums that notice rot: every row has a checksum over all that it says, and every table the number of its rows and the
//! sum of their checksums, written in the same transaction. A row that changed, vanished or came back does not fit them.

/// Sums stay below this, so that SQLite's own arithmetic and a reader's `sum()` never overflow.
const SUM_MASK: i64 = (1 << 62) - 1;

/// A checksum over several values, each with its length, so that no two rows say the same by accident of where one value ends.
#[derive(Clone, Default)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut summed = self.number(bytes.len() as i64);
        summed.0.update(bytes);
        summed
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Nothing, and nothing to say, are two things.
    pub(super) fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.number(-1),
        }
    }

    pub(super) fn done(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

/// How many rows, and the sum of their checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: i64,
    pub(super) sum: i64,
}

impl Tally {
    pub(super) fn add(&mut self, checksum: i64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(checksum) & SUM_MASK;
    }

    pub(super) fn remove(&mut self, checksum: i64) {
        self.rows -= 1;
        self.sum = self.sum.wrapping_sub(checksum) & SUM_MASK;
    }

    pub(super) fn replace(&mut self, old: i64, new: i64) {
        self.remove(old);
        self.add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_and_removed_leaves_no_trace() {
        let mut tally = Tally::default();
        for checksum in [i64::from(u32::MAX), 7, i64::MAX, -3] {
            tally.add(checksum);
        }
        tally.replace(7, 9);
        for checksum in [-3, 9, i64::MAX, i64::from(u32::MAX)] {
            tally.remove(checksum);
        }
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn values_are_told_apart_by_where_they_end() {
        let sum = |a: &str, b: &str| Checksum::default().text(a).text(b).done();
        assert_ne!(sum("ab", "c"), sum("a", "bc"));
        assert_ne!(Checksum::default().maybe(None).done(), Checksum::default().maybe(Some("")).done());
    }
}
