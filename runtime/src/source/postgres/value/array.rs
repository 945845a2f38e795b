//! Arrays as text: `{1,NULL,"a \"b\""}`, `{{1,2},{3,4}}`, `[0:2]={7,8,9}`.
//!
//! The text is walked twice: once to learn the dimensions, which stand first in a frame, once to write the elements.
//! <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>

use super::{Scalar, Scratch};
use crate::change::Cell;
use sluicegate_frame::{ArrayWriter, Dimension};

/// PostgreSQL's MAXDIM.
const DIMENSIONS_MAX: usize = 6;

#[derive(Clone, Copy)]
enum Element<'a> {
    Null,
    Plain(&'a [u8]),
    /// Between quotes, backslashes still in it.
    Quoted(&'a [u8]),
}

/// Writes the array onto the heap; false, with half an array on the heap, if the text is none.
pub(super) fn write(heap: &mut Vec<u8>, element: Scalar, delimiter: u8, text: &[u8], scratch: &mut Scratch) -> bool {
    let Some((lowers, lowers_len, body)) = bounds(text) else { return false };
    let Some((lens, ndims)) = walk(body, delimiter, |_| ()) else { return false };
    if lowers_len != 0 && lowers_len != ndims {
        return false;
    }
    let mut dimensions = [Dimension { len: 0, lower: 1 }; DIMENSIONS_MAX];
    for (index, dimension) in dimensions.iter_mut().enumerate().take(ndims) {
        dimension.len = lens[index];
        if lowers_len != 0 {
            let (lower, upper) = lowers[index];
            dimension.lower = lower;
            if i64::from(upper) - i64::from(lower) + 1 != i64::from(lens[index]) {
                return false;
            }
        }
    }
    let mut out = ArrayWriter::new(heap, &dimensions[..ndims]);
    let Scratch { bytes, element: unescaped } = scratch;
    walk(body, delimiter, |found| match found {
        Element::Null => out.push(Cell::Null),
        Element::Plain(text) => out.push(super::cell(element, text, bytes)),
        Element::Quoted(text) => out.push(super::cell(element, unescape(text, unescaped), bytes)),
    })
    .is_some()
}

type Bounds = [(i32, i32); DIMENSIONS_MAX];

/// The `[lower:upper]` of each dimension, their number, and the text behind the `=`.
fn bounds(text: &[u8]) -> Option<(Bounds, usize, &[u8])> {
    let mut found = [(1, 0); DIMENSIONS_MAX];
    let (mut len, mut rest) = (0, text);
    while let Some(inside) = rest.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inside)?;
        let pair = std::str::from_utf8(&inside[..end]).ok()?;
        let (lower, upper) = pair.split_once(':')?;
        *found.get_mut(len)? = (lower.parse().ok()?, upper.parse().ok()?);
        len += 1;
        rest = &inside[end + 1..];
    }
    if len > 0 {
        rest = rest.strip_prefix(b"=")?;
    }
    Some((found, len, rest))
}

/// Hands every element over, in order, and gives back the length of each dimension and their number. None if the text is
/// no array, or one whose rows have different lengths.
fn walk<'a>(
    text: &'a [u8],
    delimiter: u8,
    mut each: impl FnMut(Element<'a>),
) -> Option<([u32; DIMENSIONS_MAX], usize)> {
    if text == b"{}" {
        return Some(([0; DIMENSIONS_MAX], 0));
    }
    let ndims = text.iter().take_while(|b| **b == b'{').count();
    if ndims == 0 || ndims > DIMENSIONS_MAX {
        return None;
    }
    // The length of a dimension is known when its first row ends.
    let mut lens: [Option<u32>; DIMENSIONS_MAX] = [None; DIMENSIONS_MAX];
    let mut counts = [0u32; DIMENSIONS_MAX];
    let (mut depth, mut at) = (0, 0);
    loop {
        while depth < ndims {
            if text.get(at) != Some(&b'{') {
                return None;
            }
            counts[depth] = 0;
            depth += 1;
            at += 1;
        }
        let (element, end) = element(text, at, delimiter)?;
        each(element);
        at = end;
        counts[depth - 1] += 1;
        while text.get(at) == Some(&b'}') {
            depth -= 1;
            at += 1;
            if *lens[depth].get_or_insert(counts[depth]) != counts[depth] {
                return None;
            }
            if depth == 0 {
                let lens = lens.map(Option::unwrap_or_default);
                return (at == text.len()).then_some((lens, ndims));
            }
            counts[depth - 1] += 1;
        }
        if text.get(at) != Some(&delimiter) {
            return None;
        }
        at += 1;
    }
}

/// The element at `at`, and where it ends.
fn element(text: &[u8], at: usize, delimiter: u8) -> Option<(Element<'_>, usize)> {
    let rest = text.get(at..)?;
    if let Some(inside) = rest.strip_prefix(b"\"") {
        let mut end = 0;
        loop {
            end += memchr::memchr2(b'"', b'\\', inside.get(end..)?)?;
            if inside[end] == b'"' {
                return Some((Element::Quoted(&inside[..end]), at + end + 2));
            }
            end += 2;
        }
    }
    let len = rest.iter().position(|b| *b == delimiter || matches!(b, b'{' | b'}' | b'"' | b'\\'))?;
    match &rest[..len] {
        b"" => None,
        b"NULL" => Some((Element::Null, at + len)),
        plain => Some((Element::Plain(plain), at + len)),
    }
}

fn unescape<'a>(text: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(b'\\', text).is_none() {
        return text;
    }
    out.clear();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_frame::Array;

    /// Dimensions and elements as text, or nothing if it is no array.
    fn read(element: Scalar, text: &str) -> Option<String> {
        let mut heap = Vec::new();
        if !write(&mut heap, element, b',', text.as_bytes(), &mut Scratch::default()) {
            return None;
        }
        let array = Array::parse(&heap).expect("we wrote it");
        let dimensions: Vec<_> = array.dimensions().map(|d| format!("{}@{}", d.len, d.lower)).collect();
        let elements: Vec<_> = array.iter().map(|c| format!("{c:?}")).collect();
        Some(format!("{} {}", dimensions.join("x"), elements.join(" ")))
    }

    #[test]
    fn arrays_of_every_form_are_read() {
        for (text, wanted) in [
            ("{}", " "),
            ("{1,NULL,-3}", "3@1 Int(1) Null Int(-3)"),
            ("{{1,2},{3,4},{5,6}}", "3@1x2@1 Int(1) Int(2) Int(3) Int(4) Int(5) Int(6)"),
            ("[0:2]={7,8,9}", "3@0 Int(7) Int(8) Int(9)"),
            ("[-1:0][5:5]={{1},{2}}", "2@-1x1@5 Int(1) Int(2)"),
            ("{x}", "1@1 Other(\"x\")"),
        ] {
            assert_eq!(read(Scalar::Int, text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn quoted_elements_are_unescaped() {
        let text = r#"{a,"b c","d,e","f\"g","h\\i","",NULL,"NULL","{}"}"#;
        let wanted =
            r#"9@1 Text("a") Text("b c") Text("d,e") Text("f\"g") Text("h\\i") Text("") Null Text("NULL") Text("{}")"#;
        assert_eq!(read(Scalar::Text, text).as_deref(), Some(wanted));
        assert_eq!(read(Scalar::Bytea, r#"{"\\x00ff","\\x"}"#).as_deref(), Some("2@1 Bytes([0, 255]) Bytes([])"));
    }

    #[test]
    fn text_that_is_no_array_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "{1",
            "{1,}",
            "{,1}",
            "{1}}",
            "{{1},{2,3}}",
            "{{1},2}",
            "{1,{2}}",
            "{\"a}",
            "{\"a\\",
            "{a\"b\"}",
            "[0:1]={1}",
            "[0:]={1}",
            "[0:0]{1}",
            "[0:0][0:0]={1}",
            "{{{{{{{1}}}}}}}",
            "{{}}",
            "{1}x",
            "{\"\\",
        ] {
            assert_eq!(read(Scalar::Text, text), None, "{text}");
        }
    }

    #[test]
    fn other_delimiters_divide_too() {
        let mut heap = Vec::new();
        assert!(write(&mut heap, Scalar::Other, b';', b"{(1,2),(0,0);(3,4),(0,0)}", &mut Scratch::default()));
        assert_eq!(Array::parse(&heap).expect("we wrote it").len(), 2);
    }
}
