//! Which tables and columns a name means. Patterns stand over the full name, `schema.table` or `schema.table.column`; a
//! `*` matches dots as well, so that `public.*` and `*.password` say what they seem to say.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A longer pattern is no name of a table; the limit keeps what it compiles to small.
const PATTERN_LEN_MAX: usize = 512;

/// A list of patterns; a name matches if one of them does.
#[derive(Clone, Debug)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Globs {
    /// # Errors
    /// The index of the first pattern that can not be understood, and why.
    pub fn new(patterns: Vec<String>) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            if pattern.len() > PATTERN_LEN_MAX {
                return Err((index, format!("a pattern has at most {PATTERN_LEN_MAX} bytes")));
            }
            let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
            builder.add(glob.map_err(|e| (index, e.kind().to_string()))?);
        }
        let set = builder.build().map_err(|e| (0, e.kind().to_string()))?;
        Ok(Self { patterns, set })
    }

    /// As they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    pub fn matches(&self, full_name: &str) -> bool {
        self.set.is_match(full_name)
    }
}

impl Default for Globs {
    /// Matches nothing.
    fn default() -> Self {
        Self { patterns: Vec::new(), set: GlobSet::empty() }
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
}

/// Which columns are captured: all, or what `include` says, without what `exclude` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRule {
    pub include: Option<Globs>,
    pub exclude: Globs,
}

impl ColumnRule {
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
    fn bad_pattern_is_named_by_its_place() {
        let error = Globs::new(vec!["public.*".into(), "public.[a".into()]).expect_err("unclosed class");
        assert_eq!(error.0, 1);
    }

    proptest! {
        #[test]
        fn any_pattern_is_compiled_or_refused(pattern in any::<String>(), name in any::<String>()) {
            let _ = Globs::new(vec![pattern]).map(|globs| globs.matches(&name));
        }
    }
}
