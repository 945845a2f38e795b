//! Regular expressions as Debezium's options have them: each stands for a whole name, in letters of either case, and commas part them.

use crate::whole::whole;
use regex::Regex;

/// An expression over a whole text, as an option has it.
///
/// # Errors
/// A sentence that says why it is none.
pub(super) fn expression(text: &str, ignores_case: bool) -> Result<Regex, String> {
    whole(text, ignores_case).map_err(|why| format!("{text:?} is no regular expression: {why}"))
}

/// Names by a list of expressions. A comma of an expression itself has a backslash in front.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(Vec<Regex>);

impl Patterns {
    /// # Errors
    /// A sentence with the first expression that is none, or that there is none at all.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text);
        let parts = parts.iter().map(|part| part.trim().replace("\\,", ",")).filter(|part| !part.is_empty());
        let patterns = parts.map(|part| {
            expression(&part, true)
                .map_err(|told| format!("{told}; one has to fit the whole name, and a comma within it is `\\,`"))
        });
        let patterns: Vec<Regex> = patterns.collect::<Result<_, _>>()?;
        if patterns.is_empty() {
            return Err("there is no regular expression in it; write \"public\\.item\\..*\", or remove it".into());
        }
        Ok(Self(patterns))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_match(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(name))
    }
}

/// At commas without a backslash in front.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == ',' {
            parts.push(String::new());
            continue;
        }
        let part = parts.last_mut().expect("one at least");
        part.push(c);
        if c == '\\' {
            part.extend(chars.next());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_split_at_commas_and_each_matches_whole_names() {
        let patterns = Patterns::parse(r" shop\.item\.name , shop\..{1\,3}\.note,,(a|b)\.c").expect("patterns");
        for (name, is_match) in [
            ("shop.item.name", true),
            ("SHOP.Item.NAME", true),
            ("shop.item.names", false),
            ("shop.abc.note", true),
            ("shop.abcd.note", false),
            ("b.c", true),
            ("", false),
        ] {
            assert_eq!(patterns.is_match(name), is_match, "{name}");
        }
    }

    #[test]
    fn what_is_no_expression_is_said_with_the_reason() {
        for text in ["", " , "] {
            assert!(Patterns::parse(text).is_err_and(|told| told.contains("no regular expression")), "{text:?}");
        }
        for (text, reason) in [
            ("a,(b", "unclosed group"),
            ("(?=a)b", "look-around"),
            ("a)|(b", "unopened group"),
            ("a{1000}{1000}", "too large"),
        ] {
            let told = Patterns::parse(text).expect_err(text);
            assert!(told.contains("is no regular expression") && told.contains(reason), "{told}");
        }
    }
}
