//! What is wrong with a configuration, all of it at once, each with its place, the rule and the remedy.
//!
//! ```text
//! pipelines/parcels/pipeline.toml:17:10  route "customer"
//!   17 | to     = "custmers"
//!      |          ^^^^^^^^^^ no target has this name
//!      = did you mean "customers"? this pipeline has: customers, events
//! ```

use super::excerpt::Excerpt;
use std::fmt;

/// Further mistakes are only counted: nobody reads more at once, and a members file can hold a million.
const MISTAKES_KEPT_MAX: usize = 200;
/// How many names a remedy lists.
const NAMES_LISTED_MAX: usize = 32;

/// One mistake. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file or folder, as the user would name it.
    pub file: String,
    /// Where in the file; `None` if it concerns the whole.
    pub place: Option<Excerpt>,
    /// What it is about: `route "customer"`. May be empty.
    pub subject: String,
    /// The rule that was broken.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.subject.is_empty() {
            write!(f, "  {}", self.subject)?;
        }
        let number = self.place.as_ref().map_or_else(String::new, |place| place.line.to_string());
        let width = number.len().max(2);
        match &self.place {
            Some(place) => {
                writeln!(f, "\n  {number:>width$} | {}", place.text)?;
                write!(f, "  {:width$} | {}{}", "", place.indent(), "^".repeat(place.mark_len))?;
                writeln!(f, " {}", self.rule)?;
            }
            None => writeln!(f, "\n  {:width$} | {}", "", self.rule)?,
        }
        writeln!(f, "  {:width$} = {}", "", self.remedy)
    }
}

/// Every mistake of one reading, in order of file and place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    list: Vec<Mistake>,
    /// How many more there were.
    not_kept: usize,
}

impl Mistakes {
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }

    /// How many there are, those that are not kept included.
    pub fn len(&self) -> usize {
        self.list.len() + self.not_kept
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds one that was found elsewhere, by asking a database for example.
    pub fn push(&mut self, mistake: Mistake) {
        if self.is_full() {
            self.count_one();
        } else {
            self.list.push(mistake);
        }
    }

    /// Whether further mistakes are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MISTAKES_KEPT_MAX
    }

    pub(super) fn count_one(&mut self) {
        self.not_kept += 1;
    }

    pub(super) fn sort(&mut self) {
        let place = |m: &Mistake| m.place.as_ref().map(|p| (p.line, p.column));
        self.list.sort_by(|a, b| (&a.file, place(a)).cmp(&(&b.file, place(b))));
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.list {
            writeln!(f, "{mistake}")?;
        }
        if self.not_kept > 0 {
            writeln!(f, "... and {} more of the kind that is shown above\n", self.not_kept)?;
        }
        match self.len() {
            1 => f.write_str("1 mistake"),
            n => write!(f, "{n} mistakes"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// `did you mean "customers"? this pipeline has: customers, events`, or the second half alone.
pub(super) fn suggestion<'n>(given: &str, names: impl IntoIterator<Item = &'n str>, who_has: &str) -> String {
    let mut names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let guess =
        nearest(given, names.iter().copied()).map(|name| format!("did you mean \"{name}\"? ")).unwrap_or_default();
    format!("{guess}{who_has}: {}", listed(&names))
}

/// The name that a slip of the fingers away from `given`, if there is one.
/// The name that was most likely meant, if one is near.
pub fn nearest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// A longer text is not a misspelt name, and the comparison is quadratic.
    const COMPARED_LEN_MAX: usize = 64;
    if given.len() > COMPARED_LEN_MAX {
        return None;
    }
    // A third of the letters; a name of one letter is like every other one.
    let letters = given.chars().count();
    let slips_max = if letters < 2 { 0 } else { (letters / 3).max(1) };
    let distance = |name: &&str| strsim::osa_distance(&given.to_lowercase(), &name.to_lowercase());
    let near = names.into_iter().filter(|name| name.len() <= COMPARED_LEN_MAX);
    near.map(|name| (distance(&name), name)).filter(|(d, _)| *d <= slips_max).min().map(|(_, name)| name)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let shown = names.iter().take(NAMES_LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_LISTED_MAX) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_guessed_only_if_it_is_near() {
        assert_eq!(nearest("custmers", ["events", "customers"]), Some("customers"));
        assert_eq!(nearest("Kind", ["kind", "king"]), Some("kind"));
        assert_eq!(nearest("zzzz", ["events", "customers"]), None);
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        let names: Vec<String> = (10..52).map(|n| n.to_string()).collect();
        let text = suggestion("x", names.iter().map(String::as_str), "there are");
        assert!(text.ends_with("40, 41 and 10 more"), "{text}");
        assert_eq!(suggestion("x", [], "there are"), "there are: none");
    }

    #[test]
    fn mistakes_beyond_the_limit_are_counted() {
        let mistake =
            Mistake { file: "a".into(), place: None, subject: String::new(), rule: "r".into(), remedy: "m".into() };
        let mut mistakes = Mistakes::default();
        (0..MISTAKES_KEPT_MAX + 5).for_each(|_| mistakes.push(mistake.clone()));
        assert_eq!(mistakes.len(), MISTAKES_KEPT_MAX + 5);
        assert!(mistakes.to_string().ends_with("and 5 more of the kind that is shown above\n\n205 mistakes"));
    }
}
