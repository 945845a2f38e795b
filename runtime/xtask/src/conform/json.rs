//! JSON that remembers where it stood and in which order: bytes are compared here, not meanings.
//!
//! A number keeps its digits, a string its escapes, an object the order of its members. What is masked is replaced in the text,
//! so that everything around it stays as it was.

use std::ops::Range;

/// Deeper than any record, and far from the end of the stack.
const DEPTH_MAX: usize = 200;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Names as they are written, without their quotes.
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// A string, a number, `true`, `false`, `null`: the text says which.
    Scalar,
}

/// A text and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub text: String,
    pub root: Node,
}

impl Document {
    /// Reads all of `text`; `None` if it is not JSON from its first byte to its last.
    pub fn read(text: String) -> Option<Self> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let root = reader.value(0)?;
        reader.blanks();
        (reader.at == text.len()).then_some(Self { text, root })
    }

    pub fn raw(&self, node: &Node) -> &str {
        &self.text[node.span.clone()]
    }

    /// The same with other text at these places, which must not overlap.
    pub fn with(&self, mut replacements: Vec<(Range<usize>, String)>) -> String {
        replacements.sort_by_key(|(span, _)| span.start);
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (span, text) in replacements {
            out.push_str(&self.text[at..span.start]);
            out.push_str(&text);
            at = span.end;
        }
        out + &self.text[at..]
    }
}

impl Node {
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, node)| node),
            _ => None,
        }
    }

    pub fn members(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Array(items) => items,
            _ => &[],
        }
    }
}

/// A string's content; `None` for what is no string in quotes.
pub fn unquoted(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next sign that is no blank, which is not passed.
    fn next(&mut self) -> Option<u8> {
        self.blanks();
        self.bytes.get(self.at).copied()
    }

    fn pass(&mut self, sign: u8) -> Option<()> {
        (self.next()? == sign).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let first = self.next()?;
        let begin = self.at;
        let kind = match first {
            b'{' => Kind::Object(self.list(b'}', |reader| {
                reader.blanks();
                let name = reader.string()?;
                reader.pass(b':')?;
                Some((name, reader.value(depth + 1)?))
            })?),
            b'[' => Kind::Array(self.list(b']', |reader| reader.value(depth + 1))?),
            b'"' => {
                self.string()?;
                Kind::Scalar
            }
            _ => {
                self.word()?;
                Kind::Scalar
            }
        };
        Some(Node { span: begin..self.at, kind })
    }

    fn list<T>(&mut self, end: u8, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.at += 1;
        let mut all = Vec::new();
        if self.next()? == end {
            self.at += 1;
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            match self.next()? {
                b',' => self.at += 1,
                sign if sign == end => {
                    self.at += 1;
                    return Some(all);
                }
                _ => return None,
            }
        }
    }

    /// What stands between the quotes, escapes and all.
    fn string(&mut self) -> Option<String> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let begin = self.at + 1;
        self.at = begin;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let text = std::str::from_utf8(self.bytes.get(begin..self.at)?).ok()?;
        self.at += 1;
        Some(text.to_owned())
    }

    fn word(&mut self) -> Option<()> {
        let begin = self.at;
        while matches!(self.bytes.get(self.at), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.bytes[begin..self.at]).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(word).ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Document> {
        Document::read(text.to_owned())
    }

    #[test]
    fn digits_escapes_and_order_are_kept() {
        let document = read(r#"{"b":1.0E7,"a":["\u00e9",null,-0.0], "c" : {} }"#).expect("JSON");
        let names: Vec<&str> = document.root.members().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(document.raw(document.root.get("b").expect("a member")), "1.0E7");
        let items = document.root.get("a").expect("a member").items();
        assert_eq!(items.iter().map(|item| document.raw(item)).collect::<Vec<_>>(), [r#""\u00e9""#, "null", "-0.0"]);
    }

    #[test]
    fn only_what_is_replaced_changes() {
        let document = read(r#"{"a": 1,"b":[2, 3]}"#).expect("JSON");
        let a = document.root.get("a").expect("a member").span.clone();
        let last = document.root.get("b").expect("a member").items()[1].span.clone();
        assert_eq!(document.with(vec![(last, "x".into()), (a, "12".into())]), r#"{"a": 12,"b":[2, x]}"#);
    }

    #[test]
    fn what_is_no_json_is_none_and_no_panic() {
        for text in ["", "{", "{\"a\":}", "[1,]", "\"\\", "tru", "1 2", "{\"a\" 1}", "NaN", "\"a", "{a:1}", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"[".repeat(100_000)), None);
    }
}
