//! Which tables and columns a name means. Patterns stand over the full name, `schema.table` or `schema.table.column`; a
//! `*` matches dots as well, so that `public.*` and `*.password` say what they seem to say. Between slashes stands a regular
//! expression, which has to match the whole name: `/.*users/`.

use crate::whole::whole;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::Regex;
use std::fmt;

/// A longer pattern is no name of a table; the limit keeps what it compiles to small.
const PATTERN_LEN_MAX: usize = 512;

/// A list of patterns; a name matches if one of them does.
#[derive(Clone)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
    regexes: Vec<Regex>,
}

impl Globs {
    /// # Errors
    /// The index of the first pattern that can not be understood, and why.
    pub fn new(patterns: Vec<String>) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        let mut regexes = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            if pattern.len() > PATTERN_LEN_MAX {
                return Err((index, format!("a pattern has at most {PATTERN_LEN_MAX} bytes")));
            }
            if let Some(inner) = regex_of(pattern) {
                regexes.push(whole(inner, false).map_err(|reason| (index, reason))?);
                continue;
            }
            let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
            builder.add(glob.map_err(|e| (index, e.kind().to_string()))?);
        }
        let set = builder.build().map_err(|e| (0, e.kind().to_string()))?;
        Ok(Self { patterns, set, regexes })
    }

    /// As they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    pub fn matches(&self, full_name: &str) -> bool {
        self.set.is_match(full_name) || self.regexes.iter().any(|regex| regex.is_match(full_name))
    }

    /// The names themselves, if no pattern in the list could mean another one.
    pub fn literals(&self) -> Option<&[String]> {
        let open = |pattern: &String| pattern.contains(['*', '?', '[', '{', '\\', '/']);
        (!self.patterns.iter().any(open)).then_some(&self.patterns)
    }
}

/// What stands between the slashes of a regular expression.
pub(super) fn regex_of(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/')?.strip_suffix('/')
}

impl Default for Globs {
    /// Matches nothing.
    fn default() -> Self {
        Self { patterns: Vec::new(), set: GlobSet::empty(), regexes: Vec::new() }
    }
}

/// As they were written; what they compile to says nothing more.
impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Globs").field(&self.patterns).finish()
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Globs {}

/// Which tables a pipeline asks of each of its sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRule(pub(super) Vec<(String, Globs)>);

impl TableRule {
    /// Whether rows of `full_name` (`schema.table`) of this source belong to the pipeline.
    pub fn matches(&self, source: &str, full_name: &str) -> bool {
        self.of(source).is_some_and(|globs| globs.matches(full_name))
    }

    /// The patterns for a source; `None` if the pipeline does not read it.
    pub fn of(&self, source: &str) -> Option<&Globs> {
        self.0.iter().find(|(name, _)| name == source).map(|(_, globs)| globs)
    }

    /// The sources that a route which takes `part` of the tables (`None`: all) could get rows from.
    pub(super) fn sources_of(&self, part: Option<&Globs>) -> Vec<&str> {
        let could = |globs: &Globs| match (part, globs.literals()) {
            (Some(part), Some(names)) => names.iter().any(|name| part.matches(name)),
            _ => true,
        };
        self.0.iter().filter(|(_, globs)| could(globs)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Which columns are captured: all, or what `include` says, without what `exclude` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRule {
    pub include: Option<Globs>,
    pub exclude: Globs,
}

impl ColumnRule {
    /// Whether anything is said at all.
    pub fn restricts(&self) -> bool {
        self.include.is_some() || !self.exclude.patterns().is_empty()
    }

    /// Whether the column never leaves the source, not even as part of a key.
    pub fn excludes(&self, schema: &str, table: &str, column: &str) -> bool {
        self.exclude.matches(&format!("{schema}.{table}.{column}"))
    }

    pub fn captures(&self, schema: &str, table: &str, column: &str) -> bool {
        let full_name = format!("{schema}.{table}.{column}");
        self.include.as_ref().is_none_or(|globs| globs.matches(&full_name)) && !self.exclude.matches(&full_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn globs(patterns: &[&str]) -> Globs {
        Globs::new(patterns.iter().map(|p| (*p).into()).collect()).expect("good patterns")
    }

    #[test]
    fn star_matches_dots_and_one_pattern_is_enough() {
        let globs = globs(&["public.package_*", "audit.*"]);
        assert!(globs.matches("public.package_status") && globs.matches("audit.a.b"));
        assert!(!globs.matches("public.customer") && !globs.matches("xpublic.package_a"));
    }

    #[test]
    fn tables_belong_to_the_sources_that_are_named() {
        let rule = TableRule(vec![("erp".into(), globs(&["public.*"]))]);
        assert!(rule.matches("erp", "public.a"));
        assert!(!rule.matches("shop", "public.a") && !rule.matches("erp", "private.a"));
    }

    #[test]
    fn excluded_column_is_left_out_even_if_included() {
        let all_but = ColumnRule { include: None, exclude: globs(&["*.password"]) };
        assert!(all_but.captures("public", "users", "name") && !all_but.captures("public", "users", "password"));
        let only = ColumnRule { include: Some(globs(&["public.users.*"])), exclude: globs(&["*.password"]) };
        assert!(only.captures("public", "users", "name") && !only.captures("public", "other", "name"));
        assert!(!only.captures("public", "users", "password"));
    }

    #[test]
    fn regular_expression_stands_between_slashes_and_matches_the_whole_name() {
        let tables = globs(&["/.*users/"]);
        assert!(tables.matches("clients.users") && tables.matches("clients.old_users"));
        assert!(!tables.matches("clients.users_archive") && !tables.matches("clients.Users"));
        let either = globs(&["/a|b/", "c.*", "/(?i)D\\.\\d+/"]);
        assert!(["a", "b", "c.d", "d.12"].iter().all(|name| either.matches(name)));
        assert!(["ab", "xb", "d.", "d.1x"].iter().all(|name| !either.matches(name)));
    }

    #[test]
    fn column_expressions_without_a_table_mean_the_column_of_any_table() {
        let rule = ColumnRule { include: Some(globs(&["/.*id/", "/.*address/"])), exclude: Globs::default() };
        assert!(rule.captures("clients", "users", "id") && rule.captures("clients", "users", "billing_address"));
        assert!(!rule.captures("clients", "users", "name") && !rule.captures("clients", "users", "id_card"));
    }

    #[test]
    fn expression_that_could_not_stand_alone_is_refused() {
        for (pattern, reason) in
            [("/a)|(b/", "unopened group"), ("/[/", "unclosed character class"), ("/(a{900}){900}/", "too large")]
        {
            let (at, error) = Globs::new(vec!["a.b".into(), pattern.into()]).expect_err(pattern);
            assert!(at == 1 && error.contains(reason), "{pattern}: {error}");
        }
    }

    #[test]
    fn sources_that_can_not_reach_a_route_are_not_counted() {
        let rule = TableRule(vec![
            ("erp".into(), globs(&["public.item"])),
            ("shop".into(), globs(&["shop.item", "shop.price"])),
        ]);
        assert_eq!(rule.sources_of(None), ["erp", "shop"]);
        assert_eq!(rule.sources_of(Some(&globs(&["shop.*"]))), ["shop"]);
        let open = TableRule(vec![("erp".into(), globs(&["public.*"])), ("shop".into(), globs(&["/shop.item/"]))]);
        assert_eq!(open.sources_of(Some(&globs(&["shop.*"]))), ["erp", "shop"]);
    }

    #[test]
    fn bad_pattern_is_named_by_its_place() {
        let error = Globs::new(vec!["public.*".into(), "public.[a".into()]).expect_err("unclosed class");
        assert_eq!(error.0, 1);
    }

    proptest! {
        #[test]
        fn any_pattern_is_compiled_or_refused(pattern in any::<String>(), name in any::<String>()) {
            let _ = Globs::new(vec![format!("/{pattern}/"), pattern]).map(|globs| globs.matches(&name));
        }
    }
}
