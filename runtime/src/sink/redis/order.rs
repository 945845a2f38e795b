//! How the order of the log is said to Redis: versions of items, ids of stream entries.

use crate::change::digits::{put_uint, put_wide};
use crate::change::{DatabaseKind, MessageId, RowVersion};

/// Writes a version as digits of one width, so that text is compared as numbers are. Only digits: Lua compares text by the
/// server's locale, and some sort letters in ways of their own.
pub(super) fn write_version(version: RowVersion, out: &mut Vec<u8>) {
    let RowVersion { epoch, commit, change, sub, index } = version;
    out.clear();
    for (part, width) in [(epoch.into(), 10), (commit, 20), (change, 20), (sub.into(), 10), (index.into(), 10)] {
        put_wide(out, part, width);
    }
}

/// The id of a stream's entry: two numbers, compared one after the other, which grow in the order of the log.
///
/// ```text
///   left   epoch 4 | commit 60
///   right  change 44 | sub 11 | index + 1  9
/// ```
///
/// A change of PostgreSQL is itself a position in the log, somewhere before its commit: it is counted from two spans of
/// [`SPAN_BITS`] bits before the end of the commit's span, which leaves a transaction at least one whole span. Elsewhere a change
/// is the number of a row within its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    pub(super) left: u64,
    pub(super) right: u64,
}

const EPOCH_BITS: u32 = 4;
const COMMIT_BITS: u32 = 60;
const CHANGE_BITS: u32 = 44;
const SUB_BITS: u32 = 11;
const INDEX_BITS: u32 = 9;
/// 4 TiB of log: what may lie between a change and its commit, at least.
const SPAN_BITS: u32 = CHANGE_BITS - 2;

const _: () = assert!(EPOCH_BITS + COMMIT_BITS == u64::BITS && CHANGE_BITS + SUB_BITS + INDEX_BITS == u64::BITS);

impl EntryId {
    /// `None` if a part does not fit: nothing is cut off silently.
    pub(super) fn new(kind: DatabaseKind, version: RowVersion) -> Option<Self> {
        let RowVersion { epoch, commit, change, sub, index } = version;
        let change = match kind {
            DatabaseKind::Postgres => change_before(commit, change)?,
            DatabaseKind::Mysql | DatabaseKind::Mariadb => change,
        };
        let left = fit(epoch.into(), EPOCH_BITS)? << COMMIT_BITS | fit(commit, COMMIT_BITS)?;
        let change = fit(change, CHANGE_BITS)? << (SUB_BITS + INDEX_BITS);
        // An id of 0-0 is not allowed, hence the 1.
        let right = change | fit(sub.into(), SUB_BITS)? << INDEX_BITS | fit(u64::from(index) + 1, INDEX_BITS)?;
        Some(Self { left, right })
    }

    /// As Redis writes it, `1526919030474-55`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.clear();
        put_uint(out, self.left);
        out.push(b'-');
        put_uint(out, self.right);
    }

    /// As digits of one width.
    pub(super) fn write_sortable(self, out: &mut Vec<u8>) {
        out.clear();
        put_wide(out, self.left, 20);
        put_wide(out, self.right, 20);
    }
}

/// A small number that grows with `change` for one and the same commit. Changes below the commit's spans are numbers of rows, as
/// where a table is read rather than the log; they come first.
fn change_before(commit: u64, change: u64) -> Option<u64> {
    let span = 1u64 << SPAN_BITS;
    let begin = (commit >> SPAN_BITS << SPAN_BITS).saturating_sub(span);
    match change {
        _ if begin == 0 => Some(change),
        _ if change >= begin => Some(span + (change - begin)),
        _ => (change < span).then_some(change),
    }
}

fn fit(value: u64, bits: u32) -> Option<u64> {
    (value >> bits == 0).then_some(value)
}

/// Who makes messages in the order of the log: a source and a route, as the message's id
/// (`source-commit-change.sub-route.index`) has them at its two ends.
pub(super) fn write_writer(id: &MessageId, out: &mut Vec<u8>) {
    out.clear();
    let mut parts = id.0.rsplitn(4, '-');
    let (route, _change, _commit, source) = (parts.next(), parts.next(), parts.next(), parts.next());
    let route = route.unwrap_or_default().split('.').next().unwrap_or_default();
    out.extend_from_slice(source.unwrap_or_default().as_bytes());
    out.push(b'-');
    out.extend_from_slice(route.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version() -> impl Strategy<Value = RowVersion> {
        // Near each other and near the edges of spans, where mistakes would be.
        let position = prop_oneof![
            0..40u64,
            (1u64 << SPAN_BITS) - 4..(1 << SPAN_BITS) + 4,
            (5u64 << SPAN_BITS) - 4..(5 << SPAN_BITS) + 4,
            any::<u64>()
        ];
        (0..3u32, position, 0..20u64, 0..3u32, 0..3u32).prop_map(|(epoch, commit, before, sub, index)| RowVersion {
            epoch,
            commit,
            change: commit.saturating_sub(before),
            sub,
            index,
        })
    }

    proptest! {
        #[test]
        fn ids_and_versions_grow_exactly_as_the_log_does(one in version(), other in version()) {
            for kind in [DatabaseKind::Postgres, DatabaseKind::Mysql] {
                let (Some(left), Some(right)) = (EntryId::new(kind, one), EntryId::new(kind, other)) else { continue };
                prop_assert_eq!(left.cmp(&right), one.cmp(&other));
                let (mut left_text, mut right_text) = (Vec::new(), Vec::new());
                left.write_sortable(&mut left_text);
                right.write_sortable(&mut right_text);
                prop_assert_eq!(left_text.cmp(&right_text), one.cmp(&other));
            }
            let (mut left, mut right) = (Vec::new(), Vec::new());
            write_version(one, &mut left);
            write_version(other, &mut right);
            prop_assert_eq!(left.cmp(&right), one.cmp(&other));
        }

        #[test]
        fn one_transaction_of_postgres_may_be_a_whole_span_long(commit in 0u64..1 << COMMIT_BITS, before in 0u64..=1 << SPAN_BITS, step in 1u64..1000) {
            let at = |change| EntryId::new(DatabaseKind::Postgres, RowVersion { epoch: 0, commit, change, sub: 0, index: 0 });
            let change = commit.saturating_sub(before);
            let later = (change + step).min(commit);
            prop_assert!(at(change).is_some());
            prop_assert_eq!(at(change).cmp(&at(later)), change.cmp(&later));
        }
    }

    #[test]
    fn what_does_not_fit_is_no_id() {
        let fits = RowVersion { epoch: 15, commit: (1 << 60) - 1, change: 7, sub: 2047, index: 510 };
        assert!(EntryId::new(DatabaseKind::Mariadb, fits).is_some());
        for wrong in [
            RowVersion { epoch: 16, ..fits },
            RowVersion { commit: 1 << 60, ..fits },
            RowVersion { change: 1 << 44, ..fits },
            RowVersion { sub: 2048, ..fits },
            RowVersion { index: 511, ..fits },
        ] {
            assert_eq!(EntryId::new(DatabaseKind::Mariadb, wrong), None, "{wrong:?}");
        }
        let far = RowVersion { epoch: 0, commit: 40 << SPAN_BITS, change: 30 << SPAN_BITS, sub: 0, index: 0 };
        assert_eq!(EntryId::new(DatabaseKind::Postgres, far), None, "40 TiB between change and commit");
    }

    #[test]
    fn first_row_of_all_has_an_id_that_redis_takes() {
        let version = RowVersion { epoch: 0, commit: 0, change: 0, sub: 0, index: 0 };
        let mut text = Vec::new();
        EntryId::new(DatabaseKind::Mysql, version).expect("it fits").write(&mut text);
        assert_eq!(text, b"0-1");
    }

    #[test]
    fn writer_is_source_and_route() {
        let mut writer = Vec::new();
        write_writer(&MessageId("my-erp-16b3748-16b3700.0-8f3a11c2.4".into()), &mut writer);
        assert_eq!(writer, b"my-erp-8f3a11c2");
        write_writer(&MessageId("odd".into()), &mut writer);
        assert_eq!(writer, b"-odd");
    }
}
