//! One value of a TOML file: what it has to be, and what to say if it is not.

use super::fill::fill_in;
use super::globs::regex_of;
use super::page::{Filling, Page};
use super::quantity::{parse_duration, parse_size, show_duration, show_size};
use super::section::Section;
use super::{Globs, Secret};
use crate::change::Template;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml_edit::{ArrayOfTables, Item, TableLike, Value};

#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub page: &'a Page<'a>,
    pub subject: String,
    pub key: &'a str,
    pub key_at: Range<usize>,
    /// The value's own place.
    pub at: Range<usize>,
    pub node: Node<'a>,
    /// Whether it is an element of the list under `key`.
    pub of_list: bool,
}

/// A value in one of three shapes: TOML has two ways to write a table, and two for a list of tables.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Value(&'a Value),
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
}

impl<'a> Node<'a> {
    pub fn of(item: &'a Item) -> Option<Self> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(Self::of_value(value)),
            Item::Table(table) => Some(Self::Table(table)),
            Item::ArrayOfTables(tables) => Some(Self::Tables(tables)),
        }
    }

    fn of_value(value: &'a Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table),
            value => Self::Value(value),
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::Value(Value::String(_)) => "text",
            Self::Value(Value::Integer(_)) => "an integer",
            Self::Value(Value::Float(_)) => "a number with a fraction",
            Self::Value(Value::Boolean(_)) => "true or false",
            Self::Value(Value::Datetime(_)) => "a date or time",
            Self::Value(Value::Array(_)) | Self::Tables(_) => "a list",
            Self::Value(Value::InlineTable(_)) | Self::Table(_) => "a table",
        }
    }
}

impl<'a> Entry<'a> {
    /// Notes a mistake under the value.
    pub fn mistake(&self, rule: impl Into<String>, remedy: impl Into<String>) {
        self.page.mistake(&self.subject, self.at.clone(), rule, remedy);
    }

    fn wrong_type(&self, wanted: &str, remedy: impl Into<String>) {
        let list = if self.of_list { "a list, each of it " } else { "" };
        self.mistake(format!("`{}` is {list}{wanted}, and this is {}", self.key, self.node.type_name()), remedy);
    }

    /// Text as it stands in the file, nothing filled in.
    pub fn raw_text(&self) -> Option<&'a str> {
        if let Node::Value(Value::String(text)) = self.node {
            return Some(text.value());
        }
        self.wrong_type("text", "write it in quotes");
        None
    }

    /// Whether it is this word.
    pub fn says(&self, word: &str) -> bool {
        matches!(self.node, Node::Value(Value::String(text)) if text.value() == word)
    }

    /// Text, `${...}` filled in.
    pub fn text(&self) -> Option<String> {
        self.text_or(|name| name.to_owned())
    }

    /// An address, which has to look like one also when it is made up: `scheme://user@HOST/path`.
    pub fn address(&self, made_up: &str) -> Option<String> {
        // A host of its own: two sources on one database are a mistake.
        let host = self.subject.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.text_or(|_| made_up.replace("HOST", &format!("{}.invalid", host.trim_matches('-'))))
    }

    fn text_or(&self, made_up: impl Fn(&str) -> String) -> Option<String> {
        let raw = self.raw_text()?;
        let filling = self.page.reading.filling;
        if filling == Filling::AsWritten {
            return Some(raw.to_owned());
        }
        let filled = fill_in(raw, self.page.reading.env, self.page.folder());
        if let Err(wrong) = &filled
            && filling == Filling::MadeUp
            && !wrong.name.is_empty()
        {
            return Some(made_up(&wrong.name));
        }
        let report = |wrong: super::fill::Unfilled| {
            let at = self.inside(raw, wrong.at.start, wrong.at.len());
            self.page.mistake(&self.subject, at, wrong.rule, wrong.remedy);
        };
        filled.map_err(report).ok()
    }

    /// Text, a number, or true or false, as text.
    pub fn scalar(&self) -> Option<String> {
        match self.node {
            Node::Value(Value::String(_)) => self.text(),
            Node::Value(Value::Integer(integer)) => Some(integer.value().to_string()),
            Node::Value(Value::Float(float)) => Some(float.value().to_string()),
            Node::Value(Value::Boolean(flag)) => Some(flag.value().to_string()),
            _ => {
                self.wrong_type("text, a number, or true or false", "write it in quotes");
                None
            }
        }
    }

    /// Text that is not empty and never shown.
    pub fn secret(&self) -> Option<Secret> {
        let text = self.text()?;
        if text.is_empty() {
            self.mistake(format!("`{}` is empty", self.key), "give it a value, or remove it");
            return None;
        }
        Some(Secret::new(text))
    }

    pub fn flag(&self) -> Option<bool> {
        if let Node::Value(Value::Boolean(flag)) = self.node {
            return Some(*flag.value());
        }
        self.wrong_type("true or false", "write it without quotes");
        None
    }

    pub fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let Node::Value(Value::Integer(integer)) = self.node else {
            self.wrong_type(
                "an integer",
                format!("write it without quotes, from {} to {}", range.start(), range.end()),
            );
            return None;
        };
        let found = u32::try_from(*integer.value()).ok().filter(|n| range.contains(n));
        if found.is_none() {
            self.out_of_range(&range.start().to_string(), &range.end().to_string());
        }
        found
    }

    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        const EXAMPLES: &str = "write a number and a unit in quotes: \"500 ms\", \"2s\", \"10m\", \"3d\"";
        if !matches!(self.node, Node::Value(Value::String(_))) {
            self.wrong_type("a duration", EXAMPLES);
            return None;
        }
        let found = match parse_duration(&self.text()?) {
            Ok(duration) => duration,
            Err(rule) => return self.refuse(rule, EXAMPLES),
        };
        if !range.contains(&found) {
            self.out_of_range(&show_duration(*range.start()), &show_duration(*range.end()));
            return None;
        }
        Some(found)
    }

    /// Bytes: text with a unit, or a bare integer.
    pub fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        const EXAMPLES: &str =
            "write a number and a unit in quotes: \"4 KiB\", \"64 MiB\", \"1 GiB\"; or bytes as an integer";
        let found = match self.node {
            Node::Value(Value::Integer(bytes)) => u64::try_from(*bytes.value()).unwrap_or(0),
            Node::Value(Value::String(_)) => match parse_size(&self.text()?) {
                Ok(size) => size,
                Err(rule) => return self.refuse(rule, EXAMPLES),
            },
            _ => {
                self.wrong_type("a size", EXAMPLES);
                return None;
            }
        };
        if !range.contains(&found) {
            self.out_of_range(&show_size(*range.start()), &show_size(*range.end()));
            return None;
        }
        Some(found)
    }

    fn refuse<T>(&self, rule: &str, remedy: &str) -> Option<T> {
        self.mistake(rule, remedy);
        None
    }

    fn out_of_range(&self, least: &str, most: &str) {
        self.mistake(format!("`{}` is out of range", self.key), format!("it is at least {least} and at most {most}"));
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node, Node::Value(Value::Array(_)))
    }

    pub fn is_table(&self) -> bool {
        matches!(self.node, Node::Table(_))
    }

    /// The elements of a list.
    pub fn elements(&self) -> Option<Vec<Entry<'a>>> {
        let Node::Value(Value::Array(values)) = self.node else {
            self.wrong_type("a list", format!("write it in brackets: {} = [\"...\"]", self.key));
            return None;
        };
        let element = |value: &'a Value| {
            let at = value.span().unwrap_or_else(|| self.at.clone());
            Entry { at, node: Node::of_value(value), of_list: true, ..self.clone() }
        };
        Some(values.iter().map(element).collect())
    }

    /// A list of texts, each with its place. An element that is no text is noted and left out.
    pub fn texts(&self) -> Option<Vec<(String, Entry<'a>)>> {
        Some(self.elements()?.into_iter().filter_map(|entry| Some((entry.text()?, entry))).collect())
    }

    /// A list of patterns over names of `dots + 1` parts.
    pub fn globs(&self, dots: usize, example: &str) -> Option<Globs> {
        let texts = self.texts()?;
        if texts.is_empty() {
            self.mistake(format!("`{}` is an empty list, so it matches nothing", self.key), format!("write {example}"));
        }
        for (pattern, entry) in &texts {
            let literal = !pattern.contains(['*', '?', '[', '{']) && regex_of(pattern).is_none();
            if literal && pattern.matches('.').count() < dots {
                let parts = if dots == 1 { "schema.table" } else { "schema.table.column" };
                entry.mistake(format!("this matches no name: names are {parts}"), format!("write {example}"));
            }
        }
        let (patterns, entries): (Vec<String>, Vec<Entry<'_>>) = texts.into_iter().unzip();
        let refused = |(index, reason): (usize, String)| {
            let remedy = match regex_of(entries[index].raw_text().unwrap_or_default()) {
                Some(_) => "between slashes stands a regular expression, as in \"/.*users/\"",
                None => {
                    "* is any text, ? one character, [ab] one of these, {a,b} either; \\ before one of them takes it as it is"
                }
            };
            entries[index].mistake(format!("this is no pattern: {reason}"), remedy);
        };
        Globs::new(patterns).map_err(refused).ok()
    }

    /// A template. Nothing is filled in: what is secret belongs to the target.
    pub fn template(&self) -> Option<Template> {
        let raw = self.raw_text()?;
        if let Some(offset) = raw.find("${") {
            let remedy = "write {name} for a column; what comes from the environment belongs to the target, in its headers or url";
            self.page.mistake(&self.subject, self.inside(raw, offset, 2), "${...} is not filled in here", remedy);
            return None;
        }
        let refused = |error: crate::change::TemplateError| {
            let at = self.inside(raw, error.offset, error.len);
            let remedy = "a template is text with {column}, {source}, {schema}, {table}, {op} or {key} in it";
            self.page.mistake(&self.subject, at, error.message, remedy);
        };
        Template::parse(raw).map_err(refused).ok()
    }

    /// Where a part of a text stands in the file; the whole value if escapes make that unclear.
    fn inside(&self, text: &str, offset: usize, len: usize) -> Range<usize> {
        match self.page.raw(&self.at).find(text) {
            Some(begin) => self.at.start + begin + offset..self.at.start + begin + offset + len,
            None => self.at.clone(),
        }
    }

    pub fn section(&self, subject: String) -> Option<Section<'a>> {
        if let Node::Table(table) = self.node {
            return Some(Section::new(self.page, subject, table, self.at.clone()));
        }
        self.wrong_type("a table", format!("write {} = {{ ... }}, or a [header] of its own", self.key));
        None
    }

    /// A list of tables, `[[noun]]`.
    pub fn sections(&self, noun: &'static str) -> Vec<Section<'a>> {
        if let Node::Tables(tables) = self.node {
            let section = |table: &'a toml_edit::Table| {
                let at = table.span().unwrap_or_else(|| self.at.clone());
                Section::new(self.page, noun.to_owned(), table, at)
            };
            return tables.iter().map(section).collect();
        }
        if let Node::Table(_) = self.node {
            self.wrong_type("a list", format!("write [[{noun}]] with two brackets"));
            return Vec::new();
        }
        let elements = self.elements().unwrap_or_default();
        elements.into_iter().filter_map(|entry| entry.section(noun.to_owned())).collect()
    }
}
