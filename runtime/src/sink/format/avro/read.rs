//! Reads JSON that this crate wrote, from left to right, without taking it apart first: a value is looked at once, in the order
//! in which its schema names it.

use memchr::memchr2;
use std::borrow::Cow;

/// A place in JSON text.
pub(in crate::sink::format) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::sink::format) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes a word, if it is what comes next.
    pub(in crate::sink::format) fn takes(&mut self, word: &str) -> bool {
        let is_next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// A number, or another bare word, as it stands there.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'"' | b':' | b'[' | b'{');
        let from = self.at;
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
        &self.text[from..self.at]
    }

    /// A string or a word, as it stands there.
    pub(in crate::sink::format) fn scalar(&mut self) -> &'a str {
        let from = self.at;
        if self.string().is_none() {
            self.at = from;
            self.word();
        }
        &self.text[from..self.at]
    }

    /// A string without its quotes and escapes; `None` if there is none.
    pub(in crate::sink::format) fn string(&mut self) -> Option<Cow<'a, str>> {
        if !self.takes("\"") {
            return None;
        }
        let rest = self.rest();
        let end = memchr2(b'"', b'\\', rest.as_bytes())?;
        self.at += end;
        if self.takes("\"") {
            return Some(Cow::Borrowed(&rest[..end]));
        }
        let mut all = rest[..end].to_owned();
        loop {
            let rest = self.rest();
            let end = memchr2(b'"', b'\\', rest.as_bytes())?;
            all.push_str(&rest[..end]);
            self.at += end;
            if self.takes("\"") {
                return Some(Cow::Owned(all));
            }
            all.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let letter = *self.rest().as_bytes().get(1)?;
        self.at += 2;
        Some(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let is_pair = (0xd800..0xdc00).contains(&first) && self.takes("\\u");
                let units = if is_pair { vec![first, self.unit()?] } else { vec![first] };
                char::decode_utf16(units).next()?.ok()?
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4)?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lose_their_quotes_and_escapes() {
        for text in ["", "plain", "a\"b\\c/d\n\r\t\u{8}\u{c}\u{1f}", "é東🚢"] {
            let json = serde_json::to_string(text).expect("text");
            let mut reader = Reader::new(&json);
            assert_eq!((reader.string().as_deref(), reader.is_at_end()), (Some(text), true));
        }
        assert_eq!(Reader::new("\"\\uD83D\\uDEA2\\u00E9\"").string().as_deref(), Some("🚢é"));
    }

    #[test]
    fn what_is_no_string_is_none_and_never_a_panic() {
        for text in ["", "1", "\"open", "\"\\", "\"\\u12", "\"\\uD83D\"", "\"\\uD83D\\u0041\"", "\"\\x\"", "\"\\u00é\""]
        {
            assert_eq!(Reader::new(text).string(), None, "{text}");
        }
    }

    #[test]
    fn words_end_where_json_goes_on() {
        let mut reader = Reader::new("-1.0E7,true}");
        assert_eq!(reader.word(), "-1.0E7");
        assert!(reader.takes(",") && !reader.takes("]"));
        assert_eq!((reader.word(), reader.takes("}"), reader.is_at_end()), ("true", true, true));
    }
}
