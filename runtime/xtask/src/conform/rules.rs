//! Why ours is another than Debezium's, by rule: what kind of column, what stood there, what stands here instead.
//!
//! A rule never names a record, a table or a column. Each has its line in `docs/debezium.md`, which a test looks for; what no rule
//! fits is a mistake of ours.

mod binlog;
mod columns;
mod definition;
mod form;
mod postgres;
mod whole;

pub use definition::without_quotes;

use super::compare::{Difference, Place};
use super::folder::{Flavour, Scenario};
use super::mask::{Masked, payload};
use super::order::Position;
use super::recording::{Record, Topics, document};
use super::server::Declared;
use super::stage::Run;
use super::{json, json::unquoted};
use std::collections::BTreeMap;

/// One line of the page.
pub struct Rule {
    /// The name of its line.
    pub name: &'static str,
    flavours: &'static [Flavour],
    /// Whether a value that it explains stands under another schema in that record.
    reshapes: bool,
    holds: fn(&Seen<'_>) -> bool,
}

const ALL: &[Flavour] = &[Flavour::Postgres, Flavour::Mysql, Flavour::Mariadb];
const POSTGRES: &[Flavour] = &[Flavour::Postgres];
const BINLOG: &[Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
const MYSQL: &[Flavour] = &[Flavour::Mysql];
const MARIADB: &[Flavour] = &[Flavour::Mariadb];

/// Everything that is known of a recording's run.
pub struct Case<'a> {
    pub scenario: &'a Scenario,
    pub run: &'a Run,
    /// `schema.table` by topic, as the records of either side say it.
    tables: BTreeMap<String, String>,
    /// What in the statements stops Debezium.
    stop: Option<&'static Rule>,
    /// The statements of the stream in small letters, blanks made one.
    stream: String,
    /// What Debezium told of definitions while it streamed, in order.
    told: Vec<definition::Told>,
}

/// A difference and what is around it.
pub struct Seen<'a> {
    pub case: &'a Case<'a>,
    pub topic: &'a str,
    /// The number of Debezium's record within its topic, without those of a snapshot.
    pub record: usize,
    pub difference: &'a Difference,
    /// All of the record.
    pub all: &'a [Difference],
}

/// A record that one side has alone.
pub struct Alone<'a> {
    pub topic: &'a str,
    pub masked: &'a Masked,
    /// What it says that happened, or which end of a transaction it is, as JSON.
    pub op: &'a str,
    /// Where ours stands in the log.
    pub at: Position,
    /// Up to where both sides have records.
    pub both_until: Option<Position>,
    /// Whether nothing that both sides have follows in its topic.
    pub is_behind_all: bool,
}

impl<'a> Case<'a> {
    pub fn new(scenario: &'a Scenario, recorded: &Topics, run: &'a Run) -> Self {
        let mut tables = BTreeMap::new();
        for (topic, records) in recorded.iter().chain(&run.topics) {
            if let Some(table) = records.iter().find_map(|record| table_of(record, scenario.flavour)) {
                tables.insert(topic.clone(), table);
            }
        }
        let flat = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let stream = flat(&scenario.script.stream.iter().map(|s| s.sql()).collect::<Vec<_>>().join(" ; "));
        let told = definition::told(recorded);
        let mut case = Self { scenario, run, tables, stop: None, stream, told };
        case.stop = whole::stop(&case, &flat(&scenario.script.text));
        case
    }

    /// Why there is none of ours.
    pub fn missing(&self, alone: &Alone<'_>) -> Option<&'static Rule> {
        whole::missing(self, alone)
    }

    /// Why there is none of Debezium's.
    pub fn extra(&self, alone: &Alone<'_>) -> Option<&'static Rule> {
        whole::extra(self, alone)
    }

    fn flavour(&self) -> Flavour {
        self.scenario.flavour
    }

    fn is_of_binlog(&self) -> bool {
        self.flavour() != Flavour::Postgres
    }

    fn declared(&self, topic: &str, column: &str) -> &[Declared] {
        self.tables.get(topic).map_or(&[], |table| self.run.columns.declared(table, column))
    }

    /// Whether this stands anywhere in the statements, which are in small letters.
    fn declares(&self, text: &str) -> bool {
        self.scenario.script.text.to_lowercase().contains(text)
    }

    /// Whether a domain is made whose schema or name has a dot.
    fn declares_dotted_domain(&self) -> bool {
        let text = self.scenario.script.text.to_lowercase();
        let mut domains = text.split("create domain ").skip(1);
        domains.any(|behind| {
            behind
                .split(" as ")
                .next()
                .is_some_and(|name| name.split('"').skip(1).step_by(2).any(|part| part.contains('.')))
        })
    }

    /// Whether an index of the table is over a part of its rows.
    fn is_indexed_in_part(&self, topic: &str) -> bool {
        let Some((_, table)) = self.tables.get(topic).and_then(|table| table.split_once('.')) else { return false };
        let text = self.scenario.script.text.to_lowercase();
        let is_of = |statement: &str| {
            statement.contains("create unique index ")
                && has_word(statement, " where")
                && has_word(statement, &table.to_lowercase())
        };
        text.split(';').any(is_of)
    }

    /// Whether a table's definition changes while the stream runs; a new table is no change.
    fn changes_while_streaming(&self, topic: &str) -> bool {
        let Some((_, table)) = self.tables.get(topic).and_then(|table| table.split_once('.')) else { return false };
        let table = table.to_lowercase();
        let changes = ["alter ", "drop ", "rename ", "comment ", "create unique index ", "create or replace "];
        let is_about = |statement: &str| {
            changes.iter().any(|word| statement.starts_with(word))
                && (statement.starts_with("alter type ") || has_word(statement, &table))
        };
        self.stream.split(" ; ").any(is_about)
    }
}

/// Whether `word` stands in `text` by itself.
fn has_word(text: &str, word: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_of_a_name) && !behind.starts_with(is_of_a_name)
    })
}

fn table_of(record: &Record, flavour: Flavour) -> Option<String> {
    let document = document(record.value.as_deref()?)?;
    let source = payload(&document.root).get("source")?;
    let text = |name: &str| unquoted(document.raw(source.get(name)?));
    let schema = text(if flavour == Flavour::Postgres { "schema" } else { "db" })?;
    Some(format!("{schema}.{}", text("table")?))
}

impl Seen<'_> {
    /// The column that it is about, in an image, in a key or in their schemas.
    fn column(&self) -> Option<&str> {
        let path = &self.difference.path;
        let at = match self.difference.place {
            Place::Value | Place::ValueSchema if matches!(path.first()?.as_str(), "before" | "after") => 1,
            Place::Key | Place::KeySchema => 0,
            _ => return None,
        };
        path.get(at).map(String::as_str)
    }

    /// Whether the column was ever declared with such a type.
    fn is_of(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.column().is_some_and(|name| self.case.declared(self.topic, name).iter().any(|d| fits(&d.type_name)))
    }

    /// Whether the column ever had such a default.
    fn has_default(&self, fits: impl Fn(&str) -> bool) -> bool {
        let Some(name) = self.column() else { return false };
        self.case.declared(self.topic, name).iter().any(|d| d.default.as_deref().is_some_and(&fits))
    }

    fn theirs(&self) -> &str {
        self.difference.theirs.as_deref().unwrap_or_default()
    }

    fn ours(&self) -> &str {
        self.difference.ours.as_deref().unwrap_or_default()
    }

    /// A value, not a schema; in a key as well.
    fn is_value(&self) -> bool {
        matches!(self.difference.place, Place::Value | Place::Key) && self.column().is_some()
    }

    fn is_schema(&self) -> bool {
        matches!(self.difference.place, Place::ValueSchema | Place::KeySchema)
    }

    /// Within a value: an element of an array, a field of a struct.
    fn is_inside(&self) -> bool {
        self.difference.path.len() > if self.difference.place == Place::Key { 1 } else { 2 }
    }

    /// What is said of the column in a schema: `default`, `optional`, `doc`.
    fn is_attribute(&self, name: &str) -> bool {
        self.is_schema() && self.difference.path.last().is_some_and(|last| last == name)
    }

    /// Theirs is null, ours is something.
    fn is_lost(&self) -> bool {
        self.is_value() && self.theirs() == "null" && !matches!(self.ours(), "null" | "")
    }
}

/// The rule that explains a difference.
pub fn explain(seen: &Seen<'_>) -> Option<&'static Rule> {
    let flavour = seen.case.flavour();
    let mut all = rules().filter(|rule| rule.flavours.contains(&flavour));
    all.find(|rule| (rule.holds)(seen)).or_else(|| reshaped(seen))
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    postgres::RULES.iter().chain(binlog::RULES).chain(definition::RULES).chain(form::RULES).chain(columns::RULES)
}

/// A value that its column's schema can not say has one of its own in its record.
fn reshaped(seen: &Seen<'_>) -> Option<&'static Rule> {
    let (image, column) = (seen.difference.path.first()?, seen.column()?);
    if seen.difference.place != Place::ValueSchema {
        return None;
    }
    let same_column = |other: &&Difference| {
        other.place == Place::Value
            && other.path.first() == Some(image)
            && other.path.get(1).is_some_and(|c| c == column)
    };
    let values = seen.all.iter().filter(same_column);
    values.filter_map(|difference| explain(&Seen { difference, ..*seen })).find(|rule| rule.reshapes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tables_name_is_a_word_of_its_own() {
        assert!(has_word("alter table evolve add c int", "evolve") && has_word("drop table `a b`", "a b"));
        assert!(!has_word("alter table evolved add c int", "evolve"));
    }

    #[test]
    fn every_rule_has_its_line_in_the_page() {
        let page = include_str!("../../../../docs/debezium.md");
        let names: Vec<&str> = rules().chain(whole::RULES).map(|rule| rule.name).collect();
        for name in &names {
            assert!(page.contains(&format!("| `{name}` |")), "docs/debezium.md has no line `{name}`");
        }
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "two rules of one name");
    }
}
