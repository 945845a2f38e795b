//! Why ours is another than Debezium's, by rule: what kind of column, what stood there, what stands here instead.
//!
//! A rule never names a record. Each has its line in `docs/debezium.md`, which a test looks for.

use super::compare::Difference;
use super::folder::{Flavour, Scenario};
use super::mask::Masked;
use super::recording::Topics;
use super::stage::Run;

/// One line of the page.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// The anchor of its line.
    pub name: &'static str,
}

/// Everything that is known of a recording's run.
pub struct Case<'a> {
    pub flavour: Flavour,
    pub scenario: &'a Scenario,
    pub recorded: &'a Topics,
    pub run: &'a Run,
}

/// A difference and what is around it.
pub struct Seen<'a> {
    pub case: &'a Case<'a>,
    pub topic: &'a str,
    pub theirs: &'a Masked,
    pub ours: &'a Masked,
    pub difference: &'a Difference,
    /// All of the record.
    pub all: &'a [Difference],
}

impl<'a> Case<'a> {
    pub fn new(scenario: &'a Scenario, recorded: &'a Topics, run: &'a Run) -> Self {
        Self { flavour: scenario.flavour, scenario, recorded, run }
    }

    /// Why there is none of ours.
    pub fn missing(&self, _topic: &str, _theirs: &Masked) -> Option<&'static Rule> {
        None
    }

    /// Why there is none of Debezium's.
    pub fn extra(&self, _topic: &str, _index: usize, _ours: &Masked) -> Option<&'static Rule> {
        None
    }
}

/// The rule that explains a difference.
pub fn explain(_seen: &Seen<'_>) -> Option<&'static Rule> {
    None
}
