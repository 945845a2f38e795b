//! Ids of messages: where the row stands in the log, and which of its messages this is. The same after every restart, so a
//! receiver can tell a repeat from a new change.

use crate::change::{MessageId, RowMark};
use std::fmt::Write;

/// What one route adds to the ids of its messages: a hash of the names, which must not change between versions of the
/// program, hence FNV-1a rather than a hasher of the standard library.
#[derive(Clone, Copy, Debug)]
pub struct RouteTag(u32);

impl RouteTag {
    pub fn new(names: [&str; 2]) -> Self {
        let mut hash = 0x811c_9dc5_u32;
        for byte in names.join("\0").bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Self(hash)
    }
}

/// `erp-16b3748-16b3700.0-8f3a11c2.0`: source, commit, change and its count, route, message of that route.
pub fn message_id(source: &str, mark: &RowMark, route: RouteTag, index: u32) -> MessageId {
    let mut id = String::with_capacity(source.len() + 48);
    let RowMark { commit, change, sub, .. } = mark;
    write!(id, "{source}-{commit:x}-{change:x}.{sub}-{:08x}.{index}", route.0).expect("a string takes any length");
    MessageId(id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receivers keep ids; a new version of the program must go on making the same ones.
    #[test]
    fn id_is_pinned() {
        let mark = RowMark { commit: 0x16b_3748, change: 0x16b_3700, sub: 2, transaction: 9 };
        let id = message_id("erp", &mark, RouteTag::new(["parcels", "customer"]), 1);
        assert_eq!(id.to_string(), "erp-16b3748-16b3700.2-32df755f.1");
    }
}
