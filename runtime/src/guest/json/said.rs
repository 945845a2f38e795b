//! JSON of a guest, taken apart by hand: messages name the place and what belongs there, and never a value.

use super::Unreadable;
use crate::guest::error::clip;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A value as the guest wrote it.
pub(super) type Raw<'a> = &'a RawValue;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

/// Bytes of a name that is repeated in a message.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn look(raw: Raw<'_>) -> Look {
    match raw.get().as_bytes().first() {
        Some(b'n') | None => Look::Null,
        Some(b't' | b'f') => Look::Bool,
        Some(b'"') => Look::Text,
        Some(b'[') => Look::List,
        Some(b'{') => Look::Object,
        Some(_) => Look::Number,
    }
}

/// A name from outside, for a message.
pub(super) fn name(text: &str) -> String {
    format!("`{}`", clip(text, NAME_BYTES_MAX))
}

pub(super) fn unreadable(text: impl Into<String>) -> Unreadable {
    Unreadable(text.into())
}

fn not(what: &str, wanted: &str) -> Unreadable {
    Unreadable(format!("{what} is not {wanted}"))
}

/// The whole answer.
pub(super) fn answer(text: &str) -> Result<Vec<Raw<'_>>, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
        // The category and the place; the sentence behind them could quote what stands there.
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.is_data() {
            true => unreadable("it is not a list of verdicts"),
            false => unreadable(format!("it is not JSON ({place})")),
        }
    })
}

pub(super) fn object<'a>(raw: Raw<'a>, what: &str) -> Result<BTreeMap<String, Raw<'a>>, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|_| not(what, "an object"))
}

pub(super) fn list<'a>(raw: Raw<'a>, what: &str) -> Result<Vec<Raw<'a>>, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|_| not(what, "a list"))
}

pub(super) fn text(raw: Raw<'_>, what: &str) -> Result<String, Unreadable> {
    serde_json::from_str(raw.get()).map_err(|_| not(what, "a text"))
}

/// A text, or a number or boolean as it is written.
pub(super) fn word(raw: Raw<'_>, what: &str) -> Result<String, Unreadable> {
    match look(raw) {
        Look::Text => text(raw, what),
        Look::Number | Look::Bool => Ok(raw.get().to_owned()),
        _ => Err(not(what, "a text")),
    }
}

/// The members of an object, of which only some may be there; those that are null are as good as left out.
pub(super) struct Members<'a> {
    what: &'static str,
    all: BTreeMap<String, Raw<'a>>,
}

impl<'a> Members<'a> {
    pub(super) fn of(raw: Raw<'a>, what: &'static str, known: &[&str]) -> Result<Self, Unreadable> {
        let mut all = object(raw, what)?;
        if let Some(slip) = all.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(unreadable(format!("{what} has no member {}; it may have {}", name(slip), known.join(", "))));
        }
        all.retain(|_, raw| look(raw) != Look::Null);
        Ok(Self { what, all })
    }

    pub(super) fn get(&self, member: &str) -> Option<Raw<'a>> {
        self.all.get(member).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What a member is called in messages.
    fn place(&self, member: &str) -> String {
        format!("`{member}` of {}", self.what)
    }

    pub(super) fn text(&self, member: &str) -> Result<Option<String>, Unreadable> {
        self.get(member).map(|raw| text(raw, &self.place(member))).transpose()
    }

    pub(super) fn word(&self, member: &str) -> Result<Option<String>, Unreadable> {
        self.get(member).map(|raw| word(raw, &self.place(member))).transpose()
    }

    pub(super) fn list(&self, member: &str) -> Result<Vec<Raw<'a>>, Unreadable> {
        self.get(member).map_or(Ok(Vec::new()), |raw| list(raw, &self.place(member)))
    }

    pub(super) fn object(&self, member: &str) -> Result<BTreeMap<String, Raw<'a>>, Unreadable> {
        self.get(member).map_or(Ok(BTreeMap::new()), |raw| object(raw, &self.place(member)))
    }
}
