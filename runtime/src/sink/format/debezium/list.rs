//! Values that are lists in disguise: `hstore`, sets, vectors, numbers between blanks, and JSON's blanks.

use super::float::put_float;
use super::text::{put_escaped, put_int, put_string};
use sluicegate_frame::{Array, Cell};

/// JSON text without the blanks between its parts; those inside strings stay.
pub(super) fn without_blanks(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|c| {
            let keep = inside || !matches!(c, ' ' | '\t' | '\n' | '\r');
            match c {
                '"' if !escaped => inside = !inside,
                _ => {}
            }
            escaped = inside && *c == '\\' && !escaped;
            keep
        })
        .collect()
}

/// Labels with commas between.
pub(super) fn joined(array: &Array<'_>) -> String {
    let mut all = String::new();
    for (i, cell) in array.iter().enumerate() {
        if i > 0 {
            all.push(',');
        }
        if let Cell::Enum(label) | Cell::Text(label) | Cell::Other(label) = cell {
            all.push_str(label);
        }
    }
    all
}

/// `1 2 3` as `[1,2,3]`; false if it is something else.
pub(super) fn put_numbers(out: &mut Vec<u8>, text: &str) -> bool {
    out.push(b'[');
    for (i, word) in text.split_ascii_whitespace().enumerate() {
        let Ok(number) = word.parse() else { return false };
        if i > 0 {
            out.push(b',');
        }
        put_int(out, number);
    }
    out.push(b']');
    true
}

/// Numbers of four bytes, little-endian; false if bytes are left.
pub(super) fn put_vector(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let (numbers, rest) = bytes.as_chunks::<4>();
    out.push(b'[');
    for (i, number) in numbers.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        put_float(out, f32::from_le_bytes(*number));
    }
    out.push(b']');
    rest.is_empty()
}

/// `"a"=>"1", "b"=>NULL` as an object, or as the text of one; false if it does not read so.
///
/// Debezium holds the pairs in a Java `HashMap`, so they come in the order of their keys' hashes.
pub(super) fn put_hstore(out: &mut Vec<u8>, text: &str, is_map: bool) -> bool {
    let Some(mut pairs) = hstore_pairs(text) else { return false };
    // A table that is filled to three quarters is doubled.
    let mut buckets = 16u32;
    while pairs.len() * 4 > buckets as usize * 3 {
        buckets *= 2;
    }
    pairs.sort_by_key(|(key, _)| {
        let hash = key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ hash >> 16) & (buckets - 1)
    });
    let mut object = vec![b'{'];
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            object.push(b',');
        }
        // JSON that stands in a string is written by another of Java's writers, which leaves characters of two units as they are.
        let put = if is_map { put_string } else { put_inner_string };
        put(&mut object, key);
        object.push(b':');
        match value {
            Some(value) => put(&mut object, value),
            None => object.extend_from_slice(b"null"),
        }
    }
    object.push(b'}');
    match (is_map, std::str::from_utf8(&object)) {
        (false, Ok(text)) => put_string(out, text),
        _ => out.extend_from_slice(&object),
    }
    true
}

fn put_inner_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.len_utf16() == 2) {
        let (before, from) = rest.split_at(at);
        put_escaped(out, before);
        let end = from.chars().next().map_or(0, char::len_utf8);
        out.extend_from_slice(&from.as_bytes()[..end]);
        rest = &from[end..];
    }
    put_escaped(out, rest);
    out.push(b'"');
}

fn hstore_pairs(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, behind) = quoted(rest)?;
        let behind = behind.strip_prefix("=>")?;
        let (value, behind) = match behind.strip_prefix("NULL") {
            Some(behind) => (None, behind),
            None => quoted(behind).map(|(value, behind)| (Some(value), behind))?,
        };
        pairs.push((key, value));
        rest = behind.strip_prefix(", ").unwrap_or(behind);
    }
    Some(pairs)
}

/// A text in double quotes, a backslash before quotes and backslashes: the text, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut inside = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((inside, &text[at + 2..])),
            '\\' => inside.push(chars.next()?.1),
            c => inside.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hstore(text: &str, is_map: bool) -> Option<String> {
        let mut out = Vec::new();
        put_hstore(&mut out, text, is_map).then(|| String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn hstore_becomes_an_object_or_its_text() {
        let text = r#""a"=>"1", "n"=>NULL, "b c"=>"x \"y\" \\""#;
        assert_eq!(hstore(text, true).expect("an hstore"), r#"{"a":"1","b c":"x \"y\" \\","n":null}"#);
        assert_eq!(hstore("", false).expect("an hstore"), r#""{}""#);
        assert_eq!(hstore(r#""a"=>"1""#, false).expect("an hstore"), r#""{\"a\":\"1\"}""#);
        for wrong in ["a", "\"a\"", "\"a\"=>1", "\"a", "\"a\"=>\"\\"] {
            assert_eq!(hstore(wrong, true), None, "{wrong}");
        }
    }

    #[test]
    fn blanks_between_the_parts_of_json_go_and_those_inside_strings_stay() {
        assert_eq!(without_blanks(r#"{"a b": [1,  2], "q\" x\\": " "}"#), r#"{"a b":[1,2],"q\" x\\":" "}"#);
    }

    #[test]
    fn numbers_between_blanks_and_vectors_become_arrays() {
        let mut out = Vec::new();
        assert!(put_numbers(&mut out, "1 2 30"));
        assert!(put_vector(&mut out, &[1.0f32.to_le_bytes(), (-0.0f32).to_le_bytes()].concat()));
        assert_eq!(String::from_utf8_lossy(&out), "[1,2,30][1.0,-0.0]");
        assert!(!put_numbers(&mut out, "1 x"));
        assert!(!put_vector(&mut out, &[1, 2, 3]));
    }
}
