//! The three things one can do about a failure. Every room's own error says which one it is.

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It goes away by itself: try again, later.
    Passing,
    /// This one row or message will never succeed: set it aside, go on.
    Poison,
    /// Nothing will succeed until somebody changes something: stop here, say what.
    Fatal,
}

/// One thing that `check --connect` looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    /// A sentence; where something is wrong, with the remedy, and the SQL or the setting for it.
    pub text: String,
}

impl Finding {
    pub fn good(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into() }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self { ok: false, text: text.into() }
    }
}
