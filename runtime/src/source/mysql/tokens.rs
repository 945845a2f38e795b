//! A statement as words, names, texts and signs, comments left out. Enough to see which tables its head names and where it ends;
//! it knows no grammar.

/// What a piece of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a number or a name without quotes.
    Word,
    /// Between backticks or double quotes: a name, or what may be one.
    Quoted,
    /// Between single quotes.
    Text,
    /// One character of anything else.
    Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it stands in the statement, quotes included.
    pub(super) text: &'a str,
    /// Where it begins, in bytes.
    pub(super) begin: usize,
    /// Whether its quotes are closed.
    is_whole: bool,
}

impl<'a> Token<'a> {
    pub(super) fn end(&self) -> usize {
        self.begin + self.text.len()
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }

    /// The name that it is.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_owned()),
            Kind::Quoted if self.is_whole => {
                let quote = &self.text[..1];
                let inside = self.text.get(1..self.text.len() - 1)?;
                Some(inside.replace(&quote.repeat(2), quote)).filter(|name| !name.is_empty())
            }
            Kind::Quoted | Kind::Text | Kind::Sign => None,
        }
    }
}

/// The statement from some place on. Copied to look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
    /// Something was opened that is not closed: where the rest of the statement is, nobody knows.
    is_cut: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(sql: &'a str) -> Self {
        Self { sql, at: 0, is_cut: false }
    }

    /// Whether a text, a name or a comment that came was not closed.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        { *self }.next()
    }

    /// Passes over the word if it is the next one.
    pub(super) fn pass(&mut self, word: &str) -> bool {
        self.pass_if(|token| token.is(word))
    }

    pub(super) fn pass_sign(&mut self, sign: char) -> bool {
        self.pass_if(|token| token.is_sign(sign))
    }

    /// Passes over the words if all of them come next.
    pub(super) fn pass_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = *self;
        let are_next = words.iter().all(|word| ahead.pass(word));
        if are_next {
            *self = ahead;
        }
        are_next
    }

    fn pass_if(&mut self, fits: impl FnOnce(&Token<'a>) -> bool) -> bool {
        let mut ahead = *self;
        let is_next = ahead.next().is_some_and(|token| fits(&token));
        if is_next {
            *self = ahead;
        }
        is_next
    }

    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    fn pass_blanks_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}').len();
            let comment = self.comment_len(&rest[blanks..]);
            if blanks + comment == 0 {
                return;
            }
            self.at += blanks + comment;
        }
    }

    /// Length of the comment that the text begins with. What stands in `/*! */` is executed, so only its brackets are passed over.
    fn comment_len(&mut self, text: &str) -> usize {
        if let Some(inside) = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!")) {
            let version = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
            return text.len() - inside.len() + version;
        }
        if text.starts_with("*/") {
            return 2;
        }
        if let Some(inside) = text.strip_prefix("/*") {
            let end = inside.find("*/");
            self.is_cut |= end.is_none();
            return end.map_or(text.len(), |end| end + 4);
        }
        let is_dashed =
            text.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c <= ' ') || rest.is_empty());
        if is_dashed || text.starts_with('#') { text.find('\n').map_or(text.len(), |end| end + 1) } else { 0 }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.pass_blanks_and_comments();
        let rest = self.rest();
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
        let first = rest.chars().next()?;
        let (kind, len) = match first {
            '`' => (Kind::Quoted, quoted_len(rest, '`', false)),
            '"' => (Kind::Quoted, quoted_len(rest, '"', true)),
            '\'' => (Kind::Text, quoted_len(rest, '\'', true)),
            c if is_of_word(c) => (Kind::Word, Some(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()))),
            c => (Kind::Sign, Some(c.len_utf8())),
        };
        self.is_cut |= len.is_none();
        let begin = self.at;
        let text = &rest[..len.unwrap_or(rest.len())];
        self.at += text.len();
        Some(Token { kind, text, begin, is_whole: len.is_some() })
    }
}

/// Up to and with the quote that closes it: not doubled, and not behind a backslash where that escapes. `None` if there is none.
fn quoted_len(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        Tokens::of(sql).map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_no_tokens_and_what_looks_like_one_in_quotes_is_none() {
        for (sql, wanted) in [
            ("/* a */ DROP-- b\nTABLE # c\n t", vec!["DROP", "TABLE", "t"]),
            ("a /*!50100 PARTITION */ b", vec!["a", "PARTITION", "b"]),
            ("'--' `/*` \"#\" 5--5", vec!["'--'", "`/*`", "\"#\"", "5", "-", "-", "5"]),
            ("'it''s' 'a\\'b' `c``d` é.x", vec!["'it''s'", "'a\\'b'", "`c``d`", "é", ".", "x"]),
            ("", vec![]),
            ("--", vec![]),
        ] {
            assert_eq!(texts(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn what_is_not_closed_is_said() {
        for sql in ["'a", "`a", "x /* y", "'a\\'"] {
            let mut tokens = Tokens::of(sql);
            while tokens.next().is_some() {}
            assert!(tokens.is_cut(), "{sql}");
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        let name = |sql: &str| Tokens::of(sql).next().and_then(|token| token.name());
        assert_eq!(name("`a``b`").as_deref(), Some("a`b"));
        assert_eq!(name("\"a\"").as_deref(), Some("a"));
        assert_eq!(name("plain").as_deref(), Some("plain"));
        for none in ["``", "`a", "`", "'a'", "(", ""] {
            assert_eq!(name(none), None, "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn tokens_stand_in_the_statement_one_behind_the_other(sql in "([a-z ]|'|`|\"|\\\\|/\\*|\\*/|!|--|#|\n|é|\\.|,){0,24}") {
            let mut end = 0;
            for token in Tokens::of(&sql) {
                proptest::prop_assert!(token.begin >= end && !token.text.is_empty());
                proptest::prop_assert_eq!(&sql[token.begin..token.end()], token.text);
                end = token.end();
            }
        }
    }
}
