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
