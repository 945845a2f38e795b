//! One TOML file as it was read, and the reading as a whole, which collects what is wrong.
//!
//! ```text
//! Reading (environment, mistakes, files)  ─ open ─▶  Page (text, tree)  ─ root ─▶  Section  ─ entry ─▶  values
//! ```

use super::FormPlan;
use super::excerpt::Excerpt;
use super::hidden::{secret_in_line, secrets_in};
use super::mistake::{Mistake, Mistakes};
use super::section::Section;
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::Document;

/// A pipeline is written by hand; more is a mix-up.
pub(super) const TOML_LEN_MAX: u64 = 1 << 20;
/// Thousands of members, made by a program.
pub(super) const MEMBERS_LEN_MAX: u64 = 16 << 20;

/// What becomes of `${...}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filling {
    /// It is filled in from the environment and from files; what is not there is a mistake.
    Strict,
    /// What is not there is made up.
    MadeUp,
    /// It is a text like any other.
    AsWritten,
}

/// Who knows what options mean that are handed on. Each says what to do about one that it does not take, without repeating what may be secret.
#[derive(Clone, Copy)]
pub struct Experts<'e> {
    /// About one of librdkafka's, by name and value.
    pub librdkafka: &'e dyn Fn(&str, &str) -> Result<(), String>,
    /// About one of Debezium's.
    pub debezium: &'e dyn Fn(&str, &str) -> Result<(), String>,
    /// About those of a form.
    pub form: &'e AskForm,
}

type AskForm = dyn Fn(FormPlan, &[(String, String)]) -> Result<(), String>;

impl Experts<'_> {
    /// Everything is taken.
    pub const TRUSTING: Self = Self { librdkafka: &|_, _| Ok(()), debezium: &|_, _| Ok(()), form: &|_, _| Ok(()) };
}

/// One run over all files: what is asked of the outside, and what was found.
pub(super) struct Reading<'e> {
    pub env: &'e dyn Fn(&str) -> Option<String>,
    pub experts: Experts<'e>,
    pub filling: Filling,
    pub mistakes: RefCell<Mistakes>,
    pub files: RefCell<Vec<PathBuf>>,
}

impl<'e> Reading<'e> {
    pub fn new(env: &'e dyn Fn(&str) -> Option<String>, experts: Experts<'e>) -> Self {
        Self { env, experts, filling: Filling::Strict, mistakes: RefCell::default(), files: RefCell::default() }
    }

    pub fn filling(self, filling: Filling) -> Self {
        Self { filling, ..self }
    }

    /// Notes a mistake that concerns a whole file or folder.
    pub fn mistake_of(&self, path: &Path, rule: impl Into<String>, remedy: impl Into<String>) {
        self.push(Mistake {
            file: path.display().to_string(),
            place: None,
            subject: String::new(),
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }

    /// Reads and parses a file; if that fails, a mistake is noted.
    pub fn open(&'e self, path: &Path, len_max: u64) -> Option<Page<'e>> {
        self.files.borrow_mut().push(path.to_path_buf());
        let bytes = match read_at_most(path, len_max) {
            Ok(bytes) => bytes,
            Err((rule, remedy)) => {
                self.mistake_of(path, rule, remedy);
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => self.parse(path, text),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + memchr::memchr_iter(b'\n', good).count();
                let rule = format!("line {line} is not UTF-8");
                self.mistake_of(path, rule, "save the file as UTF-8; TOML knows nothing else");
                None
            }
        }
    }

    fn parse(&'e self, path: &Path, text: String) -> Option<Page<'e>> {
        let error = match Document::parse(text.clone()) {
            Ok(toml) => {
                let secrets = secrets_in(toml.as_table());
                return Some(Page { reading: self, path: path.to_path_buf(), toml, secrets });
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(text.len()..text.len());
        let secret = secret_in_line(&text, span.start);
        self.push(Mistake {
            file: path.display().to_string(),
            place: Some(Excerpt::new(&text, span, secret.as_slice())),
            subject: "not TOML".into(),
            rule: error.message().replace('\n', ", "),
            remedy: "nothing else in this file was looked at; put this right first".into(),
        });
        None
    }

    fn push(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }
}

/// A parsed file.
pub(super) struct Page<'e> {
    pub reading: &'e Reading<'e>,
    pub path: PathBuf,
    toml: Document<String>,
    /// Values that no mistake may show.
    secrets: Vec<Range<usize>>,
}

impl Page<'_> {
    /// The file's outermost table.
    pub fn root(&self, subject: impl Into<String>) -> Section<'_> {
        Section::new(self, subject.into(), self.toml.as_table(), 0..0)
    }

    /// The file's text between two places.
    pub fn raw(&self, span: &Range<usize>) -> &str {
        self.toml.raw().get(span.clone()).unwrap_or_default()
    }

    /// The folder that relative paths in this file start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The line at which `span` begins.
    pub fn excerpt(&self, span: Range<usize>) -> Excerpt {
        Excerpt::new(self.toml.raw(), span, &self.secrets)
    }

    pub fn mistake(&self, subject: &str, span: Range<usize>, rule: impl Into<String>, remedy: impl Into<String>) {
        // An excerpt costs a look through the file; those that are only counted need none.
        if self.reading.mistakes.borrow().is_full() {
            return self.reading.mistakes.borrow_mut().count_one();
        }
        self.reading.push(Mistake {
            file: self.path.display().to_string(),
            place: Some(self.excerpt(span)),
            subject: subject.into(),
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }
}

/// The bytes of a file, unless it is missing, no file, or longer than allowed; else rule and remedy.
pub(super) fn read_at_most(path: &Path, len_max: u64) -> Result<Vec<u8>, (String, String)> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => ("there is no such file".to_owned(), format!("expected at {}", path.display())),
        _ => (format!("can not be read: {error}"), "make it a file that this user may read".to_owned()),
    };
    // Asked before opening: opening a named pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(("this is not a file".into(), "make it a file that this user may read".into()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(len_max + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > len_max {
        let limit = super::quantity::show_size(len_max);
        return Err((
            format!("the file is longer than {limit}"),
            "split it, or look whether it is the right file".into(),
        ));
    }
    Ok(bytes)
}
