//! Colours, where somebody sees them.

use std::io::IsTerminal;

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// On a terminal, unless NO_COLOR says otherwise; see <https://no-color.org>.
    pub fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: std::io::stdout().is_terminal() && !unwanted }
    }

    pub fn plain() -> Self {
        Self { on: false }
    }

    pub fn good(self, text: &str) -> String {
        self.with(text, "32")
    }

    pub fn bad(self, text: &str) -> String {
        self.with(text, "31")
    }

    pub fn strong(self, text: &str) -> String {
        self.with(text, "1")
    }

    pub fn faint(self, text: &str) -> String {
        self.with(text, "2")
    }

    fn with(self, text: &str, code: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
