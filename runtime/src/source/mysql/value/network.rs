//! MariaDB's UUID, INET4 and INET6. The log has them as binary strings; only the catalog says what they are.

use super::super::bytes::Cut;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The 16 bytes as they are printed.
///
/// So that UUIDs of one node stand together, those of the versions 1 to 5 are stored with their five groups in reverse
/// order, and by older servers all of them. The variant's bit and the version stand in other places then, which tells the two
/// orders apart. <https://mariadb.com/kb/en/uuid-data-type/>
pub(super) fn uuid(bytes: &[u8]) -> Result<[u8; 16], Cut> {
    let b: [u8; 16] = whole(bytes)?;
    let is_reversed = b[6] & 0x80 != 0 && (1..0x80).contains(&b[8]);
    if !is_reversed {
        return Ok(b);
    }
    Ok([b[12], b[13], b[14], b[15], b[10], b[11], b[8], b[9], b[6], b[7], b[0], b[1], b[2], b[3], b[4], b[5]])
}

pub(super) fn inet4(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Cut> {
    let text = Ipv4Addr::from(whole::<4>(bytes)?).to_string();
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// As MariaDB prints it: the longest run of zeros is left out, also one of a single group, and an IPv4 address inside is printed
/// as one.
pub(super) fn inet6(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Cut> {
    let octets = whole::<16>(bytes)?;
    let groups = Ipv6Addr::from(octets).segments();
    let (mut gap, mut gap_len) = (groups.len(), 0);
    for start in 0..groups.len() {
        let len = groups[start..].iter().take_while(|group| **group == 0).count();
        if len > gap_len {
            (gap, gap_len) = (start, len);
        }
    }
    let holds_inet4 = gap == 0 && (gap_len == 6 || gap_len == 5 && groups[5] == 0xffff);
    let mut text = String::new();
    let mut at = 0;
    while at < groups.len() {
        if at == gap {
            text.push_str("::");
            at += gap_len;
            continue;
        }
        let colon = if at == 0 || text.ends_with(':') { "" } else { ":" };
        if holds_inet4 && at == 6 {
            let [.., a, b, c, d] = octets;
            write!(text, "{colon}{a}.{b}.{c}.{d}").expect("a string takes any text");
            break;
        }
        write!(text, "{colon}{:x}", groups[at]).expect("a string takes any text");
        at += 1;
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// As many bytes as the type has; the log leaves out zeros at the end.
fn whole<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Cut> {
    let mut out = [0; N];
    out.get_mut(..bytes.len()).ok_or(Cut)?.copy_from_slice(bytes);
    Ok(out)
}
