//! JSON as Kafka Connect's converter spells it: Jackson's escapes, and base64 for bytes.

pub(super) use crate::change::digits::put_int;
use crate::change::digits::put_wide;
use crate::sink::format::json::is_plain;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::ops::{Deref, Range};

/// Bytes that are written again and again: where they are short they are copied with their padding and cut, which needs no call.
pub(super) struct Piece {
    bytes: Vec<u8>,
    padded: [u8; PIECE_BYTES],
}

const PIECE_BYTES: usize = 32;

impl Piece {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let mut padded = [0; PIECE_BYTES];
        padded.iter_mut().zip(&bytes).for_each(|(place, byte)| *place = *byte);
        Self { bytes, padded }
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if self.bytes.len() > PIECE_BYTES {
            return out.extend_from_slice(&self.bytes);
        }
        let end = out.len() + self.bytes.len();
        out.extend_from_slice(&self.padded);
        out.truncate(end);
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Appends a JSON string. Control characters get their short escape or four upper-case digits; characters beyond the basic
/// plane become two escaped surrogates; everything else stands as it is.
pub(in crate::sink::format) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

/// The same without the quotes.
pub(super) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        return out.extend_from_slice(bytes);
    }
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if !is_escaped(byte) {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        at += put_escape(out, &text[at..]);
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Whether a character that begins so is escaped; beyond 0xf0 begin those of two units.
#[inline]
fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0xf0)
}

/// Escapes the first character, and says how many bytes it has.
fn put_escape(out: &mut Vec<u8>, rest: &str) -> usize {
    let Some(first) = rest.chars().next() else { return 0 };
    let short = match first {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        _ => 0,
    };
    if short != 0 {
        out.extend_from_slice(&[b'\\', short]);
        return first.len_utf8();
    }
    for unit in first.encode_utf16(&mut [0; 2]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |shift: u32| HEX[usize::from(*unit >> shift & 15)];
        out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
    }
    first.len_utf8()
}

/// Appends base64, without quotes.
pub(super) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    put_encoded(out, bytes, &STANDARD);
}

/// The same with `-` and `_`.
pub(super) fn put_base64_url(out: &mut Vec<u8>, bytes: &[u8]) {
    put_encoded(out, bytes, &URL_SAFE);
}

fn put_encoded(out: &mut Vec<u8>, bytes: &[u8], engine: &impl base64::Engine) {
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    engine.encode_slice(bytes, &mut out[at..]).expect("four characters for each three bytes");
}

/// Appends lower-case hexadecimal digits.
pub(super) fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend(bytes.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]));
}

/// Appends `value`, whose digits but for the last three stand at `coarser` as those of `value / 1000`; says where it stands itself.
/// Debezium tells each moment in milliseconds, in microseconds and in nanoseconds.
pub(super) fn put_finer(out: &mut Vec<u8>, coarser: Range<usize>, value: i64) -> Range<usize> {
    let begin = out.len();
    if value < 1000 {
        put_int(out, value);
    } else {
        out.extend_from_within(coarser);
        put_wide(out, (value % 1000) as u64, 3);
    }
    begin..out.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings_are_escaped_as_recorded() {
        // postgres/types, t_text 3, and mysql/types, t_json 8.
        assert_eq!(written(|o| put_string(o, "é 東🚢 ")), r#""é 東\uD83D\uDEA2 ""#);
        assert_eq!(
            written(|o| put_string(o, "\" \\ / \t \n \r \u{7} \u{7f} \u{1f}\u{2028}\u{8}\u{c}")),
            "\"\\\" \\\\ / \\t \\n \\r \\u0007 \u{7f} \\u001F\u{2028}\\b\\f\""
        );
    }

    #[test]
    fn escaped_text_is_read_back_by_any_json_reader() {
        let odd: String = (0..0x250).chain(0x1f600..0x1f650).filter_map(char::from_u32).collect();
        assert_eq!(serde_json::from_str::<String>(&written(|o| put_string(o, &odd))).expect("JSON"), odd);
    }

    #[test]
    fn finer_units_have_the_digits_of_the_coarser_ones() {
        for ns in [0, 7, 999, 1000, 1001, 999_999, 1_000_000, 1_772_352_000_000_000_001, i64::MAX, -1, -1_000_001] {
            let mut out = Vec::new();
            put_int(&mut out, i64::div_euclid(ns, 1_000_000));
            let ms = 0..out.len();
            let us = put_finer(&mut out, ms.clone(), ns.div_euclid(1000));
            let at = put_finer(&mut out, us.clone(), ns);
            let said = [ms, us, at].map(|range| String::from_utf8_lossy(&out[range]).into_owned());
            assert_eq!(said, [1_000_000, 1000, 1].map(|unit| ns.div_euclid(unit).to_string()));
        }
    }

    #[test]
    fn pieces_are_written_whole_however_long_they_are() {
        for len in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 100] {
            let bytes = vec![b'x'; len];
            let piece = Piece::new(bytes.clone());
            assert_eq!(written(|o| piece.put(o)).into_bytes(), bytes);
            assert_eq!(*piece, *bytes);
        }
    }

    #[test]
    fn bytes_have_three_spellings() {
        assert_eq!(written(|o| put_base64(o, &[0xfb, 0xff])), "+/8=");
        assert_eq!(written(|o| put_base64_url(o, &[0xfb, 0xff])), "-_8=");
        assert_eq!(written(|o| put_hex(o, &[0xfb, 0x0a])), "fb0a");
    }
}
