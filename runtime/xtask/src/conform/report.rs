//! The table, the first difference of each recording, and the same for machines.

use super::judge::{Shown, Verdict};
use anyhow::{Context, Result};
use std::fmt::Write as _;

/// So much of a value is shown around the first sign that differs.
const SHOWN_LEN: usize = 160;

/// How a verdict is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line of JSON.
    Json,
    /// One line of the table, and the first difference.
    First,
    /// The same with all differences.
    All,
}

pub fn print(verdict: &Verdict, form: Form) -> Result<()> {
    if form == Form::Json {
        println!("{}", serde_json::to_string(verdict).context("write a verdict")?);
    } else {
        print!("{}", line(verdict, form));
    }
    Ok(())
}

pub fn head() -> String {
    format!(
        "{:<36} {:>8} {:>8} {:>10} {:>10}  {}",
        "recording", "records", "equal", "explained", "different", "not supported yet"
    )
}

fn line(verdict: &Verdict, form: Form) -> String {
    let name = format!("{}.{}", verdict.scenario, verdict.recording);
    if let Some(why) = &verdict.not_run {
        return format!("{name:<36} {:>8} {why}\n", verdict.records);
    }
    let unsupported: Vec<String> = verdict.unsupported.iter().map(|(what, n)| format!("{what}: {n}")).collect();
    let Verdict { records, equal, explained, different, .. } = verdict;
    let mut text =
        format!("{name:<36} {records:>8} {equal:>8} {explained:>10} {different:>10}  {}\n", unsupported.join(", "));
    let shown_max = if form == Form::All { usize::MAX } else { 1 };
    verdict.differences.iter().take(shown_max).for_each(|shown| text.push_str(&difference(shown)));
    text
}

fn difference(shown: &Shown) -> String {
    let (theirs, ours) = around(shown.theirs.as_deref(), shown.ours.as_deref());
    let mut text = String::new();
    writeln!(text, "    {} record {}, {}", shown.topic, shown.record, shown.place).expect("a String");
    writeln!(text, "      - {theirs}\n      + {ours}").expect("a String");
    text
}

/// Both from a little before the first sign that differs.
fn around(theirs: Option<&str>, ours: Option<&str>) -> (String, String) {
    let (a, b): (Vec<char>, Vec<char>) =
        (theirs.unwrap_or_default().chars().collect(), ours.unwrap_or_default().chars().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let from = same.saturating_sub(SHOWN_LEN / 4);
    let cut = |all: &[char], text: Option<&str>| {
        if text.is_none() {
            return "(nothing)".to_owned();
        }
        let from = from.min(all.len());
        let end = all.len().min(from + SHOWN_LEN);
        let part: String = all[from..end].iter().collect();
        format!("{}{part}{}", if from > 0 { "..." } else { "" }, if end < all.len() { "..." } else { "" })
    };
    (cut(&a, theirs), cut(&b, ours))
}

/// The last lines: sums, and how often each rule was needed.
pub fn sum(verdicts: &[Verdict]) -> String {
    let total = |of: fn(&Verdict) -> usize| verdicts.iter().filter(|v| v.not_run.is_none()).map(of).sum::<usize>();
    let run = verdicts.iter().filter(|verdict| verdict.not_run.is_none()).count();
    let mut text = format!(
        "{run} recordings compared, {} left out: {} records, {} equal, {} explained, {} different\n",
        verdicts.len() - run,
        total(|v| v.records),
        total(|v| v.equal),
        total(|v| v.explained),
        total(|v| v.different)
    );
    let mut rules: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (rule, count) in verdicts.iter().flat_map(|verdict| &verdict.rules) {
        *rules.entry(rule).or_default() += count;
    }
    for (rule, count) in rules {
        writeln!(text, "{count:>8}  docs/debezium.md#{rule}").expect("a String");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_where_it_differs() {
        let (long, other) = ("x".repeat(500) + "a" + &"y".repeat(500), "x".repeat(500) + "b" + &"y".repeat(500));
        let (theirs, ours) = around(Some(&long), Some(&other));
        assert!(theirs.len() < 200 && theirs.contains("xa") && ours.contains("xb"), "{theirs}");
        assert_eq!(around(None, Some("é")), ("(nothing)".to_owned(), "é".to_owned()));
    }
}
