//! `cases/*.toml`: changes that are given to a pipeline, and what is to become of each.
//!
//! ```toml
//! about = "a step goes to the customer who owns the parcel"
//!
//! [[change]]
//! insert  = "public.package_status"
//! row     = { id = 1, package_id = 7, customer_id = 2, status = "In Transit" }
//!
//! [[change.message]]
//! route = "customer"
//! to    = "customers/2"
//! body  = { package_id = 7 }
//! ```
//!
//! A column that a row leaves out is null. What is not said of a message is not looked at.

use super::entry::{Entry, Node};
use super::excerpt::Excerpt;
use super::guest::json_of;
use super::mistake::{Mistakes, nearest};
use super::page::{Experts, Filling, Reading, TOML_LEN_MAX};
use super::section::Section;
use crate::change::Op;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use toml_edit::{Datetime, Value};

/// A file in a pipeline's `cases`.
#[derive(Clone, Debug, PartialEq)]
pub struct CasePlan {
    pub path: PathBuf,
    pub about: String,
    pub tables: Vec<CaseTable>,
    /// At least one.
    pub changes: Vec<CaseChange>,
}

/// What a case says of a table, beside what its rows show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseTable {
    /// `schema.table`.
    pub name: String,
    /// `None`: the column `id`, or else the first one.
    pub key: Option<Vec<String>>,
    /// The database's names of types, by column.
    pub types: Vec<(String, String)>,
}

/// One change, and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseChange {
    /// Where it stands in its file.
    pub place: Excerpt,
    /// `None`: the pipeline's only one.
    pub source: Option<String>,
    pub op: Op,
    pub table: String,
    /// Of a delete, the row as it was.
    pub row: Vec<(String, CaseValue)>,
    /// The row before an update, if the log says it.
    pub old: Option<Vec<(String, CaseValue)>>,
    /// Columns whose large values the statement did not touch.
    pub unchanged: Vec<String>,
    /// When it was committed; `None`: a second after the change before.
    pub committed: Option<Datetime>,
    pub expected: Expectation,
}

/// A value as it is written in a case.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Time(Datetime),
    List(Vec<CaseValue>),
    Json(Json),
}

/// What guests may make of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is none of the pipeline's tables, or touched none of its columns: no guest sees it.
    Unseen,
    Pass,
    Drop,
    Emit,
    Reject,
}

impl Judged {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Emit => "emit",
            Self::Reject => "reject",
        }
    }
}

/// What is to become of a change; `None` and empty lists are not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    pub verdict: Option<Judged>,
    /// Of a rejection.
    pub code: Option<String>,
    /// A part of its message.
    pub reason: Option<String>,
    /// All of the messages, in order.
    pub messages: Option<Vec<ExpectedMessage>>,
}

impl Expectation {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedMessage {
    pub route: Option<String>,
    /// `target/member`, or the target's name if it has no members.
    pub to: Option<String>,
    /// What order is kept by, or a record's key.
    pub key: Option<String>,
    /// Path, topic, key, stream, channel or list.
    pub place: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Option<ExpectedBody>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedBody {
    /// Fields that a JSON body has, and those in them.
    Fields(Json),
    /// All of it; JSON in it stands for its fields.
    Text(String),
}

/// Reads a case.
///
/// # Errors
/// Every mistake in it.
pub fn load_case(path: &Path) -> Result<CasePlan, Mistakes> {
    let reading = Reading::new(&|_| None, Experts::TRUSTING).filling(Filling::AsWritten);
    let case = reading.open(path, TOML_LEN_MAX).map(|page| {
        let root = page.root("");
        let case = read_case(&root, path);
        root.finish();
        case
    });
    let mut mistakes = reading.mistakes.into_inner();
    match case {
        Some(case) if mistakes.is_empty() => Ok(case),
        _ => {
            mistakes.sort();
            Err(mistakes)
        }
    }
}

fn read_case(root: &Section<'_>, path: &Path) -> CasePlan {
    let tables = root.named("table", "table");
    let changes = root.entry("change").map(|entry| entry.sections("change")).unwrap_or_default();
    if changes.is_empty() {
        root.mistake(
            "a case gives at least one change",
            "add [[change]] with insert = \"schema.table\" and row = { ... }",
        );
    }
    CasePlan {
        path: path.to_owned(),
        about: root.text("about").unwrap_or_default(),
        tables: tables.iter().map(|(name, section)| read_table(section, name)).collect(),
        changes: changes.iter().filter_map(read_change).collect(),
    }
}

fn read_table(section: &Section<'_>, name: &str) -> CaseTable {
    let key = section.entry("key").and_then(|entry| names(&entry));
    let types = section.section("types").map(|types| {
        let column = |entry: Entry<'_>| Some((entry.key.to_owned(), entry.text()?));
        types.entries().into_iter().filter_map(column).collect()
    });
    section.finish();
    CaseTable { name: name.to_owned(), key, types: types.unwrap_or_default() }
}

fn names(entry: &Entry<'_>) -> Option<Vec<String>> {
    Some(entry.texts()?.into_iter().map(|(name, _)| name).collect())
}

const OPS: [(&str, Op); 5] = [
    ("insert", Op::Insert),
    ("update", Op::Update),
    ("delete", Op::Delete),
    ("truncate", Op::Truncate),
    ("read", Op::Read),
];

fn read_change(section: &Section<'_>) -> Option<CaseChange> {
    let given: Vec<(Op, Entry<'_>)> = OPS.iter().filter_map(|(key, op)| Some((*op, section.entry(key)?))).collect();
    let [(op, table_entry)] = given.as_slice() else {
        let near = section.entries().into_iter().find_map(|entry| {
            let key = nearest(entry.key, OPS.map(|(key, _)| key))?;
            Some((entry, key))
        });
        if let (true, Some((slip, key))) = (given.is_empty(), near) {
            slip.page.mistake(
                &slip.subject,
                slip.key_at.clone(),
                "there is no such key",
                format!("did you mean \"{key}\"?"),
            );
            return None;
        }
        let rule =
            if given.is_empty() { "this change does not say what happened" } else { "a change is one thing only" };
        section.mistake(rule, "write one of insert, update, delete, truncate, read, as in insert = \"schema.table\"");
        return None;
    };
    let table = table_entry.text()?;
    if !table.contains('.') {
        table_entry
            .mistake("a table is named with its schema", format!("write \"public.{table}\", or \"database.{table}\""));
    }
    let row = section.section("row").map(|row| read_row(&row));
    if row.is_none() && *op != Op::Truncate {
        section.mistake("this change has no row", "add row = { id = 1, ... }; after a delete it is the row as it was");
    }
    let old = section.entry("old").and_then(|entry| {
        if *op != Op::Update {
            entry.mistake("only an update has an old row beside the new one", "write `row` alone");
        }
        Some(read_row(&entry.section("row before".into())?))
    });
    let change = CaseChange {
        place: section.page.excerpt(table_entry.at.clone()),
        source: section.text("source"),
        op: *op,
        table,
        row: row.unwrap_or_default(),
        old,
        unchanged: section.entry("unchanged").and_then(|entry| names(&entry)).unwrap_or_default(),
        committed: section.entry("committed").and_then(|entry| read_time(&entry)),
        expected: read_expectation(section),
    };
    section.finish();
    Some(change)
}

fn read_time(entry: &Entry<'_>) -> Option<Datetime> {
    match entry.node {
        Node::Value(Value::Datetime(time)) if time.value().date.is_some() => Some(*time.value()),
        _ => {
            entry.mistake("`committed` is a date and time", "write it without quotes: 2026-01-31T12:00:00Z");
            None
        }
    }
}

fn read_row(section: &Section<'_>) -> Vec<(String, CaseValue)> {
    let column = |entry: Entry<'_>| Some((entry.key.to_owned(), read_value(&entry)?));
    section.entries().into_iter().filter_map(column).collect()
}

fn read_value(entry: &Entry<'_>) -> Option<CaseValue> {
    Some(match entry.node {
        Node::Value(Value::Boolean(flag)) => CaseValue::Bool(*flag.value()),
        Node::Value(Value::Integer(integer)) => CaseValue::Int(*integer.value()),
        Node::Value(Value::Float(float)) => CaseValue::Float(*float.value()),
        Node::Value(Value::String(text)) => CaseValue::Text(text.value().clone()),
        Node::Value(Value::Datetime(time)) => CaseValue::Time(*time.value()),
        Node::Value(Value::Array(_)) => CaseValue::List(entry.elements()?.iter().filter_map(read_value).collect()),
        Node::Value(Value::InlineTable(_)) | Node::Table(_) | Node::Tables(_) => CaseValue::Json(json_of(entry)?),
    })
}

const VERDICTS: [(&str, Judged); 5] = [
    ("pass", Judged::Pass),
    ("drop", Judged::Drop),
    ("emit", Judged::Emit),
    ("reject", Judged::Reject),
    ("unseen", Judged::Unseen),
];

fn read_expectation(section: &Section<'_>) -> Expectation {
    let verdict = section.entry("verdict").and_then(|entry| entry.choice(&VERDICTS, &[]));
    let rejected = |key: &'static str| {
        let entry = section.entry(key)?;
        if verdict.is_some_and(|verdict| verdict != Judged::Reject) {
            entry.mistake(format!("only a rejection has a `{key}`"), "write verdict = \"reject\", or remove it");
        }
        entry.text()
    };
    let (code, reason) = (rejected("code"), rejected("reason"));
    let messages = section.entry("message").map(|entry| {
        let none = entry.is_list() && entry.elements().is_some_and(|all| all.is_empty());
        let all = if none { Vec::new() } else { entry.sections("message") };
        if !all.is_empty() && matches!(verdict, Some(Judged::Drop | Judged::Reject | Judged::Unseen)) {
            entry.mistake("such a row makes no message", "remove it, or correct `verdict`");
        }
        all.iter().map(read_message).collect()
    });
    Expectation { verdict, code, reason, messages }
}

fn read_message(section: &Section<'_>) -> ExpectedMessage {
    let scalar = |key: &'static str| section.entry(key).and_then(|entry| entry.scalar());
    let headers = section.section("headers").map(|headers| {
        let header = |entry: Entry<'_>| Some((entry.key.to_owned(), entry.scalar()?));
        headers.entries().into_iter().filter_map(header).collect()
    });
    let body = section.entry("body").and_then(|entry| {
        Some(match entry.node {
            Node::Value(Value::String(text)) => ExpectedBody::Text(text.value().clone()),
            _ => ExpectedBody::Fields(json_of(&entry)?),
        })
    });
    let message = ExpectedMessage {
        route: section.text("route"),
        to: section.text("to"),
        key: scalar("key"),
        place: scalar("place"),
        headers: headers.unwrap_or_default(),
        body,
    };
    section.finish();
    message
}
