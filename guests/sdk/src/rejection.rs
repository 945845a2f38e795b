//! Why a row can not be judged: a short code for machines and a sentence for people, never a value of the row.

use std::error::Error;
use std::fmt;

/// What a transform may fail with; `?` makes one of any error.
pub type Result<T> = std::result::Result<T, Rejection>;

/// Sends the row to the pipeline's policy for bad rows: dead letters, unless the pipeline says otherwise.
///
/// It does not implement [`Error`], so that every other error can become one:
///
/// ```
/// use sluicegate_guest::prelude::*;
///
/// fn weight(text: &str) -> Result<u32> {
///     Ok(text.parse::<u32>()?)
/// }
/// assert_eq!(weight("12 kg").unwrap_err().code(), "error");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    code: String,
    message: String,
}

impl Rejection {
    /// The code is short and stable, such as `no-address`: dead letters are counted and found by it. The message is for
    /// people, and is stored with the row.
    pub fn new(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self(Box::new(Parts { code: code.into(), message: message.to_string() }))
    }

    pub fn code(&self) -> &str {
        &self.0.code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: Error> From<E> for Rejection {
    #[cold]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            message.push_str(": ");
            message.push_str(&next.to_string());
            cause = next.source();
        }
        Self::new("error", message)
    }
}
