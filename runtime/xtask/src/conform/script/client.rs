//! Where one statement ends and the next begins, as each client sees it.

use super::Statement;
use anyhow::{Result, bail};

/// A text and how far it is read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes `len` bytes, or what is left, and gives them back.
    fn take(&mut self, len: usize) -> &'a str {
        let rest = self.rest();
        let mut end = len.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        self.at += end;
        &rest[..end]
    }

    /// Passes everything up to and with the first `end`.
    fn take_past(&mut self, end: &str) -> &'a str {
        let len = self.rest().find(end).map_or(self.rest().len(), |at| at + end.len());
        self.take(len)
    }

    /// A text in quotes; the sign itself, doubled, is part of it.
    fn take_quoted(&mut self, quote: char, backslash: bool) -> &'a str {
        // The first sign is the quote that opens it.
        let mut passed = true;
        let end = self.rest().char_indices().find(|(_, sign)| {
            let was_passed = std::mem::replace(&mut passed, false);
            passed = !was_passed && backslash && *sign == '\\';
            !was_passed && *sign == quote
        });
        let len = end.map_or(self.rest().len(), |(at, _)| at + 1);
        self.take(len)
    }

    fn take_line(&mut self) -> &'a str {
        self.take_past("\n")
    }
}

/// `psql`.
pub(super) struct Psql<'a> {
    cursor: Cursor<'a>,
    current: String,
    parentheses: usize,
    /// Of the bodies of functions in standard SQL: how many blocks are open.
    blocks: usize,
    all: Vec<Statement>,
}

impl<'a> Psql<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { cursor: Cursor { text, at: 0 }, current: String::new(), parentheses: 0, blocks: 0, all: Vec::new() }
    }

    pub(super) fn statements(mut self) -> Result<Vec<Statement>> {
        while let Some(sign) = self.cursor.rest().chars().next() {
            let rest = self.cursor.rest();
            if rest.starts_with("--") {
                self.cursor.take_line();
                self.current.push('\n');
            } else if rest.starts_with("/*") {
                self.comment();
            } else if sign == '\\' {
                bail!("the command {:?} of psql is not understood; write it as SQL", rest.lines().next().unwrap_or(""));
            } else if sign == ';' && self.parentheses == 0 && self.blocks == 0 {
                self.cursor.take(1);
                self.end();
            } else {
                self.part(sign);
            }
        }
        self.end();
        Ok(self.all)
    }

    fn part(&mut self, sign: char) {
        let part = match sign {
            '\'' => self.cursor.take_quoted('\'', self.current.ends_with(['e', 'E'])),
            '"' => self.cursor.take_quoted('"', false),
            '$' => self.dollars(),
            sign if sign.is_alphabetic() || sign == '_' => self.word(),
            sign => self.cursor.take(sign.len_utf8()),
        };
        match sign {
            '(' => self.parentheses += 1,
            ')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        self.current.push_str(part);
    }

    fn word(&mut self) -> &'a str {
        let rest = self.cursor.rest();
        let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let word = self.cursor.take(len);
        let begun = self.current.trim_start().to_ascii_lowercase();
        let makes_function = begun.starts_with("create") && (begun.contains("function") || begun.contains("procedure"));
        match word.to_ascii_lowercase().as_str() {
            "begin" if makes_function => self.blocks += 1,
            "case" if self.blocks > 0 => self.blocks += 1,
            "end" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
        word
    }

    /// `$tag$ ... $tag$`, or a lone sign.
    fn dollars(&mut self) -> &'a str {
        let rest = self.cursor.rest();
        let tag_end = rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map(|at| at + 1);
        match tag_end.filter(|at| rest[*at..].starts_with('$')) {
            Some(at) => {
                let tag = &rest[..=at];
                let len = rest[tag.len()..].find(tag).map_or(rest.len(), |end| tag.len() + end + tag.len());
                self.cursor.take(len)
            }
            None => self.cursor.take(1),
        }
    }

    /// Comments of PostgreSQL lie within each other.
    fn comment(&mut self) {
        let mut depth = 0;
        loop {
            let rest = self.cursor.rest();
            match rest.get(..2) {
                Some("/*") => depth += 1,
                Some("*/") => depth -= 1,
                _ => {
                    if self.cursor.take(1).is_empty() {
                        return;
                    }
                    continue;
                }
            }
            self.cursor.take(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn end(&mut self) {
        let sql = std::mem::take(&mut self.current).trim().to_owned();
        if sql.is_empty() {
            return;
        }
        let lower = sql.to_ascii_lowercase();
        if !(lower.starts_with("copy") && lower.contains("from stdin")) {
            self.all.push(Statement::Sql(sql));
            return;
        }
        self.cursor.take_line();
        let mut rows = String::new();
        loop {
            let line = self.cursor.take_line();
            if line.is_empty() || line.trim_end() == "\\." {
                break;
            }
            rows.push_str(line);
        }
        self.all.push(Statement::Copy { sql, rows });
    }
}

/// `mariadb`, which is also MySQL's when a recording is made.
pub(super) struct Mariadb<'a> {
    cursor: Cursor<'a>,
    current: String,
    delimiter: &'a str,
    all: Vec<Statement>,
}

impl<'a> Mariadb<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { cursor: Cursor { text, at: 0 }, current: String::new(), delimiter: ";", all: Vec::new() }
    }

    pub(super) fn statements(mut self) -> Vec<Statement> {
        while let Some(sign) = self.cursor.rest().chars().next() {
            let rest = self.cursor.rest();
            if self.current.trim().is_empty()
                && rest.get(..10).is_some_and(|word| word.eq_ignore_ascii_case("delimiter "))
            {
                self.delimiter = self.cursor.take_line()[10..].trim();
            } else if rest.starts_with(self.delimiter) {
                self.cursor.take(self.delimiter.len());
                self.end();
            } else if sign == '#' || is_dashes(rest) {
                self.cursor.take_line();
                self.current.push('\n');
            } else if rest.starts_with("/*") {
                let kept = ["/*!", "/*M!", "/*+"].iter().any(|begin| rest.starts_with(begin));
                let comment = self.cursor.take_past("*/");
                self.current.push_str(if kept { comment } else { "" });
            } else {
                let part = match sign {
                    '\'' | '"' => self.cursor.take_quoted(sign, true),
                    '`' => self.cursor.take_quoted('`', false),
                    sign => self.cursor.take(sign.len_utf8()),
                };
                self.current.push_str(part);
            }
        }
        self.end();
        self.all
    }

    fn end(&mut self) {
        let sql = std::mem::take(&mut self.current).trim().to_owned();
        if !sql.is_empty() {
            self.all.push(Statement::Sql(sql));
        }
    }
}

/// Two dashes begin a comment if a blank follows, or nothing.
fn is_dashes(rest: &str) -> bool {
    rest.strip_prefix("--").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}
