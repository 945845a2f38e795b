//! Which slot of a cluster a key lies in, and what the keys beside it are called.
//!
//! The version of an item and the cursor of a stream must lie in the slot of what they speak of, or no script could touch both.

/// Slots of a cluster (the cluster specification, "Key distribution model").
pub(super) const SLOTS: usize = 16_384;

/// What lies beside a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// The version of an item.
    Version,
    /// How far writers of a stream have come.
    Cursor,
}

/// The part of a key that decides its slot: what stands between the first `{` and the next `}`, or all of it.
fn hashed(key: &[u8]) -> &[u8] {
    tag(key).unwrap_or(key)
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let behind = &key[open + 1..];
    let len = memchr::memchr(b'}', behind)?;
    (len > 0).then(|| &behind[..len])
}

/// The slot of a key.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(hashed(key)) % SLOTS as u16
}

/// Writes the name of what lies beside `key`: `sg:v:{key}`, or `sg:vt:key` for a key with a hash tag of its own. Two keys never
/// share one. `cursor` instead of a version: `sg:s:{key}`, `sg:st:key`.
pub(super) fn write_beside(beside: Beside, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let tagged = tag(key).is_some();
    out.extend_from_slice(match (beside, tagged) {
        (Beside::Version, false) => b"sg:v:{",
        (Beside::Version, true) => b"sg:vt:",
        (Beside::Cursor, false) => b"sg:s:{",
        (Beside::Cursor, true) => b"sg:st:",
    });
    out.extend_from_slice(key);
    if !tagged {
        out.push(b'}');
    }
}

/// Whether what lies beside `key` is in the key's slot. It is not when the key has a `}` but no hash tag: then the name's own tag
/// ends too early.
pub(super) fn is_in_one_slot(key: &[u8]) -> bool {
    !key.is_empty() && (tag(key).is_some() || memchr::memchr(b'}', key).is_none())
}

/// CRC-16/XMODEM, as the cluster specification asks.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The specification's own example, and answers of `CLUSTER KEYSLOT`.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"foo{}{bar}"), 8363);
        assert_eq!(slot(b"foo{{bar}}zap"), 4015);
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }

    proptest! {
        #[test]
        fn what_lies_beside_a_key_is_in_its_slot_unless_said_otherwise(key in "[ab{}:]{0,8}") {
            let mut name = Vec::new();
            for beside in [Beside::Version, Beside::Cursor] {
                write_beside(beside, key.as_bytes(), &mut name);
                if is_in_one_slot(key.as_bytes()) {
                    prop_assert_eq!(slot(&name), slot(key.as_bytes()), "{:?}", String::from_utf8_lossy(&name));
                }
            }
        }

        #[test]
        fn two_keys_never_share_what_lies_beside_them(one in "[a{}]{0,6}", other in "[a{}]{0,6}") {
            prop_assume!(one != other);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for beside in [Beside::Version, Beside::Cursor] {
                write_beside(beside, one.as_bytes(), &mut left);
                write_beside(beside, other.as_bytes(), &mut right);
                prop_assert_ne!(&left, &right);
            }
        }
    }
}
