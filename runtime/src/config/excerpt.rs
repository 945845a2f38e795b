//! The line of a file that a mistake is about, as it can be shown to anybody: what is secret is masked, what a terminal
//! would obey is replaced, and a very long line is cut around the mark.

use std::ops::Range;

const MASK: &str = "***";
/// A longer line is cut to this many characters around the mark.
const SHOWN_LEN_MAX: usize = 160;
/// How many characters of a cut line stand before the mark.
const BEFORE_MARK_LEN: usize = 60;

/// One line with a mark under a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Both count from 1; the column in characters.
    pub line: usize,
    pub column: usize,
    /// The line as it is shown.
    pub text: String,
    /// Characters of `text` before the mark and under it.
    pub mark_start: usize,
    pub mark_len: usize,
}

impl Excerpt {
    /// Cuts the line at which `span` begins out of a file. `secrets` are the parts of the file that are not to be shown.
    pub(super) fn new(file: &str, span: Range<usize>, secrets: &[Range<usize>]) -> Self {
        let start = floor_char(file, span.start);
        let line_start = file[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = file[start..].find('\n').map_or(file.len(), |at| start + at);
        let line = file[line_start..line_end].trim_end_matches('\r');

        let mut masks: Vec<Range<usize>> = secrets_in_addresses(line);
        for secret in secrets.iter().filter(|s| s.start < line_end && s.end > line_start) {
            masks.push(secret.start.max(line_start) - line_start..secret.end.min(line_end) - line_start);
        }
        let marked =
            start - line_start..(span.end.max(start + 1) - line_start).min(line.len().max(start - line_start + 1));
        let shown = masked(line, &masks, &marked);
        Self {
            line: file[..line_start].matches('\n').count() + 1,
            column: file[line_start..start].chars().count() + 1,
            ..window(&shown)
        }
    }

    /// What stands before the mark: spaces, and tabs where the line has tabs, so that the mark is under its place.
    pub(super) fn indent(&self) -> String {
        self.text.chars().take(self.mark_start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect()
    }
}

/// The characters of the line, masks put in, and whether the mark is under each.
fn masked(line: &str, masks: &[Range<usize>], marked: &Range<usize>) -> Vec<(char, bool)> {
    let mut shown = Vec::new();
    let mut masked_to = 0;
    for (at, c) in line.char_indices() {
        if at < masked_to {
            continue;
        }
        if let Some(mask) = masks.iter().filter(|m| m.contains(&at)).max_by_key(|m| m.end) {
            masked_to = masks.iter().filter(|m| m.start <= mask.end).map(|m| m.end).max().unwrap_or(mask.end);
            let under = mask.start < marked.end && marked.start < masked_to;
            shown.extend(MASK.chars().map(|c| (c, under)));
        } else {
            let harmless = if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
            shown.push((harmless, marked.contains(&at)));
        }
    }
    if !shown.iter().any(|(_, under)| *under) {
        shown.push((' ', true));
    }
    shown
}

fn window(shown: &[(char, bool)]) -> Excerpt {
    let mark = shown.iter().position(|(_, under)| *under).unwrap_or(0);
    let from = if shown.len() <= SHOWN_LEN_MAX { 0 } else { mark.saturating_sub(BEFORE_MARK_LEN) };
    let to = (from + SHOWN_LEN_MAX).min(shown.len());
    let mut text: String = if from > 0 { "…".into() } else { String::new() };
    let mark_start = mark - from + text.chars().count();
    text.extend(shown[from..to].iter().map(|(c, _)| *c));
    if to < shown.len() {
        text.push('…');
    }
    let mark_len = shown[mark..to].iter().take_while(|(_, under)| *under).count();
    Excerpt { line: 0, column: 0, text: text.trim_end().into(), mark_start, mark_len }
}

/// Passwords and tokens that stand in addresses, unless they are filled in from somewhere else.
fn secrets_in_addresses(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("://") {
        let from = at + "://".len();
        let rest = &line[from..];
        // The last @ counts: people forget to write one in a password as %40.
        let end = rest.find(['"', '\'', ' ', '\t']).unwrap_or(rest.len());
        let Some(user_info) = rest[..end].rfind('@') else { continue };
        let Some(colon) = rest[..user_info].find(':') else { continue };
        if !is_filled_in(&rest[colon + 1..user_info]) {
            found.push(from + colon + 1..from + user_info);
        }
    }
    // ... and as parameters.
    for name in ["password=", "pass=", "token=", "secret=", "key=", "sig="] {
        for (at, _) in line.match_indices(name).filter(|(at, _)| line[..*at].contains(['?', '&'])) {
            let from = at + name.len();
            let end = line[from..].find(['&', '"', '\'', ' ', '\t']).unwrap_or(line.len() - from);
            if !is_filled_in(&line[from..from + end]) {
                found.push(from..from + end);
            }
        }
    }
    found
}

/// Whether a text shows nothing, because all of it is `${...}`.
pub(super) fn is_filled_in(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
        .is_some_and(|(_, rest)| rest.is_empty() || is_filled_in(rest))
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(excerpt: &Excerpt) -> String {
        format!("{}\n{}{}", excerpt.text, excerpt.indent(), "^".repeat(excerpt.mark_len))
    }

    #[test]
    fn mark_stands_under_its_place() {
        let excerpt = Excerpt::new("a = 1\n\tté = \"x\" # y\n", 13..16, &[]);
        assert_eq!((excerpt.line, excerpt.column), (2, 7));
        assert_eq!(shown(&excerpt), "\tté = \"x\" # y\n\t     ^^^");
    }

    #[test]
    fn password_in_an_address_is_masked_and_the_mark_moves_with_it() {
        let line = r#"url = "postgres://me:p@ss:word@host/db" # here"#;
        let at = line.find("# here").expect("it is there");
        let excerpt = Excerpt::new(line, at..line.len(), &[]);
        assert_eq!(excerpt.text, r#"url = "postgres://me:***@host/db" # here"#);
        assert_eq!(excerpt.mark_start, excerpt.text.find('#').expect("it is there"));
        let raw = r#"url = "postgres://me:${PW}@host/db""#;
        assert_eq!(Excerpt::new(raw, 0..3, &[]).text, raw);
        let parameters = r#"url = "https://a/db?password=x&user=me&api_key=y""#;
        let shown = r#"url = "https://a/db?password=***&user=me&api_key=***""#;
        assert_eq!(Excerpt::new(parameters, 0..3, &[]).text, shown);
    }

    #[test]
    fn secret_part_is_masked_even_if_the_mark_is_on_it() {
        let excerpt = Excerpt::new("token = \"abc\" # x", 8..13, std::slice::from_ref(&(8..13)));
        assert_eq!(shown(&excerpt), "token = *** # x\n        ^^^");
    }

    #[test]
    fn long_line_is_cut_around_the_mark() {
        let line = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let excerpt = Excerpt::new(&line, 5000..5001, &[]);
        assert_eq!(excerpt.column, 5001);
        assert_eq!(excerpt.text.chars().nth(excerpt.mark_start), Some('X'));
        assert_eq!(excerpt.text.chars().count(), SHOWN_LEN_MAX + 2);
    }

    proptest! {
        #[test]
        fn any_place_can_be_shown(file in any::<String>(), start in 0_usize..64, len in 0_usize..64, secret in 0_usize..64) {
            let secret = secret..secret + 3;
            let excerpt = Excerpt::new(&file, start..start + len, std::slice::from_ref(&secret));
            let harmful = excerpt.text.contains(['\n', '\u{1b}']);
            prop_assert!(excerpt.mark_len > 0 && !harmful);
        }
    }
}
