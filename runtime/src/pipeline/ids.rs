//! Ids of messages: where the row stands in the log, and which of its messages this is. The same after every restart, so a
//! receiver can tell a repeat from a new change.

use crate::change::digits::{put_hex, put_uint};
use crate::change::{MessageId, RowMark};
use crate::sink::format::scratch::Scratch;

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
    let RowMark { commit, change, sub, .. } = *mark;
    let mut id = Scratch::lend();
    id.extend_from_slice(source.as_bytes());
    id.push(b'-');
    put_hex(&mut id, commit, 1);
    id.push(b'-');
    put_hex(&mut id, change, 1);
    id.push(b'.');
    put_uint(&mut id, sub.into());
    id.push(b'-');
    put_hex(&mut id, route.0.into(), 8);
    id.push(b'.');
    put_uint(&mut id, index.into());
    MessageId(std::str::from_utf8(&id).expect("the source's name and ASCII").into())
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
