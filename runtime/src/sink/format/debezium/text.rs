//! JSON as Kafka Connect's converter spells it: Jackson's escapes, and base64 for bytes.

use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Appends a JSON string. Control characters get their short escape or four upper-case digits; characters beyond the basic
/// plane become two escaped surrogates; everything else stands as it is.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

/// The same without the quotes.
pub(super) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && byte < 0xf0 {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        at += put_escape(out, &text[at..]);
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
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

/// Appends an integer's digits.
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut n = 0;
        while n < 100 {
            pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
            n += 1;
        }
        pairs
    };
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
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
    fn integers_have_all_their_digits() {
        for n in [0, 7, -1, 10, 99, 100, 101, 1000, -12345, i64::MAX, i64::MIN] {
            assert_eq!(written(|o| put_int(o, n)), n.to_string());
        }
    }

    #[test]
    fn bytes_have_three_spellings() {
        assert_eq!(written(|o| put_base64(o, &[0xfb, 0xff])), "+/8=");
        assert_eq!(written(|o| put_base64_url(o, &[0xfb, 0xff])), "-_8=");
        assert_eq!(written(|o| put_hex(o, &[0xfb, 0x0a])), "fb0a");
    }
}
