//! Table globs as the host reads them: `*` for any text, `?` for one character.

pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
        Some(wanted) => {
            let mut given = text.chars();
            given.next().is_some_and(|c| wanted == '?' || wanted == c) && matches(characters.as_str(), given.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks_stand_for_text() {
        assert!(matches("public.*", "public.items"));
        assert!(matches("*.item?", "shop.items"));
        assert!(matches("*", ""));
        assert!(!matches("public.*", "private.items"));
        assert!(!matches("public.item", "public.items"));
        assert!(!matches("?", ""));
    }
}
