//! Regular expressions that have to match all of a text, as Java's `matches` does.

use regex::{Regex, RegexBuilder};

/// What one expression may compile to, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// # Errors
/// Why it is no expression.
pub fn whole(text: &str, ignores_case: bool) -> Result<Regex, String> {
    let compile = |text: &str| RegexBuilder::new(text).case_insensitive(ignores_case).size_limit(SIZE_MAX).build();
    // Alone first: in parentheses, `a)|(b` would be understood.
    let compiled = compile(text).and_then(|_| compile(&format!("^(?:{text})$")));
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        // Its last line says why; those before it draw the expression.
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}
