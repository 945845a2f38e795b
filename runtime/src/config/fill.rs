//! `${NAME}` from the environment, `${file:/path}` from a file, `$${` for the text `${`. What is filled in is never looked
//! at again, and never shown.

use super::page::read_at_most;
use std::ops::Range;
use std::path::Path;

/// A secret is short; more is a mix-up.
const SECRET_FILE_LEN_MAX: u64 = 64 << 10;

/// What could not be filled in: its place in the text, the rule, the remedy.
#[derive(Debug)]
pub(super) struct Unfilled {
    /// What stands between the braces.
    pub name: String,
    pub at: Range<usize>,
    pub rule: String,
    pub remedy: String,
}

/// Relative paths start at `folder`. One line end behind a file's text is left out.
pub(super) fn fill_in(text: &str, env: &dyn Fn(&str) -> Option<String>, folder: &Path) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            filled.push_str(&text[at..start]);
            filled.push('{');
            at = start + 2;
            continue;
        }
        filled.push_str(&text[at..start]);
        let Some(len) = text[start..].find('}') else {
            return Err(Unfilled {
                name: String::new(),
                at: start..text.len(),
                rule: "this ${ is not closed".into(),
                remedy: "write ${NAME} or ${file:/path}, or $${ for the text itself".into(),
            });
        };
        let end = start + len + 1;
        let name = &text[start + 2..end - 1];
        let unfilled = |(rule, remedy)| Unfilled { name: name.to_owned(), at: start..end, rule, remedy };
        filled.push_str(&look_up(name, env, folder).map_err(unfilled)?);
        at = end;
    }
    filled.push_str(&text[at..]);
    Ok(filled)
}

fn look_up(name: &str, env: &dyn Fn(&str) -> Option<String>, folder: &Path) -> Result<String, (String, String)> {
    if let Some(path) = name.strip_prefix("file:") {
        let path = folder.join(path);
        let bytes = read_at_most(&path, SECRET_FILE_LEN_MAX)?;
        let mut text = String::from_utf8(bytes)
            .map_err(|_| ("the file is not UTF-8".to_owned(), format!("look into {}", path.display())))?;
        let line_end = if text.ends_with("\r\n") { 2 } else { usize::from(text.ends_with('\n')) };
        text.truncate(text.len() - line_end);
        return Ok(text);
    }
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let remedy = "letters, digits and _, as in ${ERP_URL}; a file is ${file:/path}".to_owned();
        return Err(("this is no name of an environment variable".into(), remedy));
    }
    env(name)
        .ok_or_else(|| ("this environment variable is not set".into(), format!("export {name}=... before starting")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        (name == "A").then(|| "${B}".into())
    }

    #[test]
    fn variables_are_filled_in_once() {
        let filled = fill_in("x${A}y$${A}$z", &env, Path::new("")).ok();
        assert_eq!(filled.as_deref(), Some("x${B}y${A}$z"));
    }

    #[test]
    fn file_is_read_without_its_last_line_end() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("s"), "secret\n\r\n").expect("written");
        assert_eq!(fill_in("${file:s}", &env, folder.path()).ok().as_deref(), Some("secret\n"));
    }

    #[test]
    fn place_of_what_is_missing_is_told() {
        let wrong = fill_in("ab${C}", &env, Path::new("")).expect_err("not set");
        assert_eq!(wrong.at, 2..6);
    }

    proptest! {
        #[test]
        fn any_text_is_filled_or_refused_at_a_place_inside(text in "[$a{}A:/é]{0,16}") {
            if let Err(wrong) = fill_in(&text, &env, Path::new("/nowhere")) {
                prop_assert!(text.get(wrong.at).is_some());
            }
        }
    }
}
