//! A table of a TOML file, read key by key. What is asked for is known; what is left when the table is finished is a
//! mistake. A value that is wrong is noted as a mistake and comes back as `None`, so that the reading goes on; nobody gets
//! a plan that was made with such gaps.

use super::entry::{Entry, Node};
use super::mistake::{nearest, suggestion};
use super::page::Page;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml_edit::TableLike;

/// Names end up in metrics, file names and on terminals.
const NAME_LEN_MAX: usize = 200;

pub(super) struct Section<'a> {
    pub page: &'a Page<'a>,
    /// What mistakes in it are about: `route "customer"`.
    pub subject: String,
    /// Its header, or all of an inline table.
    pub at: Range<usize>,
    table: &'a dyn TableLike,
    known: RefCell<Vec<&'static str>>,
    /// Not known here, but explained already.
    reported: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub fn new(page: &'a Page<'a>, subject: String, table: &'a dyn TableLike, at: Range<usize>) -> Self {
        Self { page, subject, at, table, known: RefCell::default(), reported: RefCell::default() }
    }

    /// The value of a key, if it is there.
    pub fn entry(&self, key: &'static str) -> Option<Entry<'a>> {
        self.known.borrow_mut().push(key);
        self.any_entry(key)
    }

    /// Every key with its value, all of them known: for tables whose keys are names.
    pub fn entries(&self) -> Vec<Entry<'a>> {
        self.table.iter().filter_map(|(key, _)| self.any_entry(key)).collect()
    }

    fn any_entry(&self, key: &str) -> Option<Entry<'a>> {
        let (key, item) = self.table.get_key_value(key)?;
        let key_at = key.span().unwrap_or_else(|| self.at.clone());
        let at = item.span().unwrap_or_else(|| key_at.clone());
        let node = Node::of(item)?;
        Some(Entry { page: self.page, subject: self.subject.clone(), key: key.get(), key_at, at, node, of_list: false })
    }

    /// Notes a mistake that concerns the whole table.
    pub fn mistake(&self, rule: impl Into<String>, remedy: impl Into<String>) {
        self.page.mistake(&self.subject, self.at.clone(), rule, remedy);
    }

    /// The value of a key that has to be there.
    pub fn required(&self, key: &'static str, remedy: impl Into<String>) -> Option<Entry<'a>> {
        let entry = self.entry(key);
        if entry.is_none() {
            self.mistake(format!("`{key}` is missing"), remedy);
        }
        entry
    }

    pub fn text(&self, key: &'static str) -> Option<String> {
        self.entry(key)?.text()
    }

    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.entry(key)?.flag()
    }

    pub fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        self.entry(key)?.integer(range)
    }

    pub fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.entry(key)?.duration(range)
    }

    pub fn size(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.entry(key)?.size(range)
    }

    /// A table under a key.
    pub fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let entry = self.entry(key)?;
        let subject = format!("{} {key}", self.subject);
        entry.section(subject.trim_start().to_owned())
    }

    /// Tables under names: `[target.customers]`. Whoever gets them checks what is inside.
    pub fn named(&self, key: &'static str, noun: &str) -> Vec<(String, Section<'a>)> {
        let Some(all) = self.entry(key).and_then(|entry| entry.section(self.subject.clone())) else {
            return Vec::new();
        };
        let named = all.entries().into_iter().filter_map(|entry| {
            entry.check_name(entry.key, &entry.key_at);
            let subject = format!("{noun} \"{}\"", entry.key);
            Some((entry.key.to_owned(), entry.section(subject)?))
        });
        named.collect()
    }

    /// Tables in a list: `[[route]]`, each with a `name` of its own.
    pub fn listed(&self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let sections = self.entry(key).map(|entry| entry.sections(key)).unwrap_or_default();
        let mut names = HashSet::new();
        let mut named = Vec::new();
        for mut section in sections {
            let Some(entry) = section.required("name", format!("every {key} has a name of its own: name = \"...\""))
            else {
                named.push((String::new(), section));
                continue;
            };
            let name = entry.text().unwrap_or_default();
            entry.check_name(&name, &entry.at);
            section.subject = format!("{key} \"{name}\"");
            if !names.insert(name.clone()) {
                let remedy = format!("give each {key} a name of its own");
                section.page.mistake(
                    &section.subject,
                    entry.at.clone(),
                    format!("a {key} of this name stands above"),
                    remedy,
                );
            }
            named.push((name, section));
        }
        named
    }

    /// Says why keys that one could expect here are not, unless they were asked for or explained before.
    pub fn explain(&self, keys: &[&'static str], why: &str, remedy: &str) {
        let said = |key: &&&str| self.known.borrow().contains(*key) || self.reported.borrow().contains(*key);
        for entry in keys.iter().filter(|key| !said(key)).filter_map(|key| self.any_entry(key)) {
            self.page.mistake(&self.subject, entry.key_at, format!("`{}` {why}", entry.key), remedy);
        }
        self.reported.borrow_mut().extend(keys);
    }

    /// Every value under its name with dots, however the names were written: `"a.b" = 1`, `a.b = 1` and `a = { b = 1 }` are one.
    pub fn dotted(&self) -> Vec<(String, Entry<'a>)> {
        let mut found: Vec<(String, Entry<'a>)> = Vec::new();
        self.put_dotted("", &mut found);
        found
    }

    fn put_dotted(&self, before: &str, found: &mut Vec<(String, Entry<'a>)>) {
        for entry in self.entries() {
            let name = format!("{before}{}", entry.key);
            if entry.is_table() {
                let inner = entry.section(self.subject.clone());
                inner.into_iter().for_each(|inner| inner.put_dotted(&format!("{name}."), found));
            } else if found.iter().any(|(other, _)| *other == name) {
                self.page.mistake(&self.subject, entry.key_at, "this stands here twice", "remove one of the two");
            } else {
                found.push((name, entry));
            }
        }
    }

    /// Ends the reading: every key that nobody asked for is a mistake.
    pub fn finish(&self) {
        let (known, reported) = (self.known.borrow(), self.reported.borrow());
        for entry in self.entries() {
            if !known.contains(&entry.key) && !reported.contains(&entry.key) {
                let remedy = suggestion(entry.key, known.iter().copied(), "the keys here are");
                self.page.mistake(&self.subject, entry.key_at, "there is no such key", remedy);
            }
        }
    }
}

impl Entry<'_> {
    /// Notes a mistake if a name could not be printed or used as a label.
    pub fn check_name(&self, name: &str, at: &Range<usize>) {
        let rule = match name {
            "" => "a name is not empty".to_owned(),
            _ if name.len() > NAME_LEN_MAX => format!("a name has at most {NAME_LEN_MAX} bytes"),
            _ if name.contains(|c: char| c.is_control() || c == '/' || c == '"') => {
                "a name has no slash, quote or control character".to_owned()
            }
            _ => return,
        };
        self.page.mistake(&self.subject, at.clone(), rule, "choose a short name: letters, digits, - and _");
    }

    /// One of a few words. `later` are words that this version does not have yet.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)], later: &[&str]) -> Option<T> {
        let word = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*choice);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let has = names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        if later.contains(&word.as_str()) {
            self.mistake(format!("\"{word}\" is not in this version"), format!("it has {has}"));
        } else {
            let guess = nearest(&word, names()).map(|name| format!("did you mean \"{name}\"? ")).unwrap_or_default();
            let one_of = if choices.len() == 1 { "" } else { "one of " };
            self.mistake(format!("this is no choice for `{}`", self.key), format!("{guess}it is {one_of}{has}"));
        }
        None
    }
}
