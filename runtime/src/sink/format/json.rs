//! Values as JSON. What JSON's numbers can not hold exactly (decimals, NaN) becomes a string, never null.

use super::text::put_text;
use sluicegate_frame::{Array, Cell};

/// Appends a JSON string.
#[inline]
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    if !is_plain(text.as_bytes()) {
        return serde_json::to_writer(out, text).expect("a vector takes any text");
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether every writer of JSON writes it as it is, which nearly all names and values are: no quote, backslash or control character, and
/// no character beyond the basic plane, which some write as two escapes. Eight bytes are looked at together.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let all = words.iter().fold(0, |odd, word| odd | odd_bytes(u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return all == 0;
    }
    // The last eight bytes, some of them a second time; short texts are filled up.
    let last = bytes.last_chunk::<8>().copied().unwrap_or_else(|| {
        let mut filled = [b' '; 8];
        filled[..rest.len()].copy_from_slice(rest);
        filled
    });
    all | odd_bytes(u64::from_le_bytes(last)) == 0
}

/// Not zero if any of the eight bytes is below 0x20, a quote, a backslash, or 0xf0 and above; which of them, is not said.
#[inline]
fn odd_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let has_below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let has = |byte: u8| has_below(word ^ (ONES * u64::from(byte)), 1);
    let has_four_high = word & word << 1 & word << 2 & word << 3;
    (has_below(word, 0x20) | has(b'"') | has(b'\\') | has_four_high) & HIGH
}

/// Appends a value. Null is null; unchanged and absent are the caller's to leave out.
pub fn put_value(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Null | Cell::Unchanged | Cell::Absent => out.extend_from_slice(b"null"),
        Cell::Bool(_) | Cell::Int(_) | Cell::UInt(_) => put_text(out, cell),
        Cell::Float32(v) if v.is_finite() => put_text(out, cell),
        Cell::Float64(v) if v.is_finite() => put_text(out, cell),
        Cell::Json(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Text(text) | Cell::Enum(text) | Cell::Other(text) => put_string(out, text),
        Cell::Array(array) => put_array(out, array),
        // Digits, dates and base64: no character of theirs needs escaping.
        _ => {
            out.push(b'"');
            put_text(out, cell);
            out.push(b'"');
        }
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array<'_>) {
    let lens: Vec<usize> = array.dimensions().map(|d| d.len as usize).collect();
    if array.is_empty() {
        return out.extend_from_slice(b"[]");
    }
    put_dimension(out, &lens, &mut array.iter());
}

/// One bracket per dimension; PostgreSQL has at most six, so the recursion is shallow.
fn put_dimension<'a>(out: &mut Vec<u8>, lens: &[usize], elements: &mut impl Iterator<Item = Cell<'a>>) {
    let Some((&len, inner)) = lens.split_first() else { return };
    out.push(b'[');
    for i in 0..len {
        if i > 0 {
            out.push(b',');
        }
        if inner.is_empty() {
            put_value(out, &elements.next().unwrap_or(Cell::Null));
        } else {
            put_dimension(out, inner, elements);
        }
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluicegate_frame::{ArrayWriter, Dimension};

    proptest! {
        #[test]
        fn bytes_are_plain_or_not_wherever_they_stand(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x1fu8..0x24, 0x5bu8..0x5e, 0xeeu8..=0xf1], 0..40)) {
            let odd = bytes.iter().any(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\' || *byte >= 0xf0);
            prop_assert_eq!(is_plain(&bytes), !odd);
        }

        #[test]
        fn strings_are_what_serde_json_writes(text in "[ -~é€\u{1f600}\u{0}\n\u{7f}]{0,40}") {
            let mut out = Vec::new();
            put_string(&mut out, &text);
            prop_assert_eq!(out, serde_json::to_vec(&text).expect("text"));
        }
    }

    #[test]
    fn arrays_of_two_dimensions_keep_their_shape_and_their_nulls() {
        let mut heap = Vec::new();
        let two = Dimension { len: 2, lower: 1 };
        let mut writer = ArrayWriter::new(&mut heap, &[two, two]);
        for cell in [Cell::Int(1), Cell::Null, Cell::Text("a\"b"), Cell::Decimal("1.50")] {
            writer.push(cell);
        }
        let mut out = Vec::new();
        put_value(&mut out, &Cell::Array(Array::parse(&heap).expect("an array")));
        assert_eq!(String::from_utf8_lossy(&out), r#"[[1,null],["a\"b","1.50"]]"#);
    }

    #[test]
    fn what_no_number_of_json_can_hold_is_a_string() {
        let mut out = Vec::new();
        for cell in [Cell::Float64(f64::NAN), Cell::Decimal("NaN"), Cell::Date(i64::MAX), Cell::Float64(1e21)] {
            put_value(&mut out, &cell);
            out.push(b' ');
        }
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#""NaN" "NaN" "infinity" 1e+21 "#.replace("1e+21", &serde_json::to_string(&1e21).expect("a number"))
        );
    }
}
