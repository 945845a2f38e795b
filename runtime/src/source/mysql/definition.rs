//! Which tables or databases a statement of definition names, from its head. No parser: what the tables are then, only the catalog says, and
//! no row depends on what is read here.
//!
//! ```text
//!   CREATE TABLE a ...            ─▶ a is made
//!   ALTER TABLE a ..., RENAME b   ─▶ a is now b
//!   RENAME TABLE a TO b, c TO d   ─▶ a is now b, c is now d
//!   DROP TABLE a, b               ─▶ a is gone, b is gone
//!   CREATE DATABASE d             ─▶ d
//!   CREATE INDEX, FLUSH TABLES    ─▶ told, without a table
//!   CREATE EVENT, DROP EVENT      ─▶ told, without a table
//!   CREATE VIEW, GRANT, ANALYZE   ─▶ nothing
//! ```
//!
//! What begins like one of these and goes on otherwise is told without a table.

use super::tokens::{Token, Tokens};
use crate::change::TableChangeKind;

/// A statement that names more tables than so many is told without them.
const TABLES_MAX: usize = 1024;

/// What may be made, altered and dropped and holds no rows that are captured.
const OTHERS: &[&str] = &[
    "AGGREGATE",
    "ALGORITHM",
    "CATALOG",
    "DEFINER",
    "FUNCTION",
    "INSTANCE",
    "JSON",
    "LIBRARY",
    "LOGFILE",
    "MASKING",
    "PACKAGE",
    "PREPARE",
    "PROCEDURE",
    "RESOURCE",
    "ROLE",
    "SEQUENCE",
    "SERVER",
    "SQL",
    "TABLESPACE",
    "TEMPORARY",
    "TRIGGER",
    "UNDO",
    "USER",
    "VIEW",
];

/// What a statement says of definitions.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// Nothing of tables or databases.
    Other,
    /// A database is made, or goes.
    Database { name: String, statement: String },
    /// Tables, in the statement's order.
    Tables(Vec<TableStatement>),
    /// Something of this database that is told without tables.
    Untold { database: String, statement: String },
}

/// The part of a statement that is about one table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableStatement {
    pub(super) kind: TableChangeKind,
    pub(super) table: TableName,
    pub(super) formerly: Option<TableName>,
    pub(super) statement: String,
}

/// Database and table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) database: String,
    pub(super) table: String,
}

impl TableName {
    /// As table rules see it.
    pub(super) fn full(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }
}

impl Definition {
    /// `current` is the database that a name without one is in.
    pub(super) fn read(sql: &str, current: &str) -> Self {
        let head = Head { tokens: Tokens::of(sql), sql, current };
        match head.clone().told() {
            Some(definition) => definition,
            None => Self::Untold { database: current.to_owned(), statement: head.whole().to_owned() },
        }
    }
}

#[derive(Clone)]
struct Head<'a> {
    tokens: Tokens<'a>,
    sql: &'a str,
    current: &'a str,
}

impl<'a> Head<'a> {
    /// `None` for what can not be told.
    fn told(mut self) -> Option<Definition> {
        let verb = self.tokens.next()?;
        let is_create = verb.is("CREATE");
        if is_create {
            self.tokens.pass_all(&["OR", "REPLACE"]);
        }
        for word in ["ONLINE", "OFFLINE", "IGNORE"] {
            self.tokens.pass(word);
        }
        let what = self.tokens.next()?;
        if what.is("EVENT") || what.is("DEFINER") && self.defines_event() {
            return None;
        }
        if what.is("SPATIAL") && self.tokens.pass("REFERENCE") || OTHERS.iter().any(|other| what.is(other)) {
            return Some(Definition::Other);
        }
        let is_table = what.is("TABLE") || what.is("TABLES");
        let is_database = what.is("DATABASE") || what.is("SCHEMA");
        match verb.text.to_ascii_uppercase().as_str() {
            "CREATE" if is_table => self.create_table(),
            "ALTER" if is_table => self.alter_table(),
            "DROP" if is_table => self.drop_tables(verb),
            "RENAME" if is_table => self.rename_tables(),
            "CREATE" | "DROP" if is_database => {
                self.pass_existence();
                let name = self.tokens.next()?.name()?;
                Some(Definition::Database { name, statement: self.whole().to_owned() })
            }
            "ALTER" if is_database => {
                let database = self.altered_database().unwrap_or_else(|| self.current.to_owned());
                Some(Definition::Untold { database, statement: self.whole().to_owned() })
            }
            // Of whole tables; a FLUSH of anything else says nothing of them.
            "FLUSH" if !is_table => Some(Definition::Other),
            "CREATE" | "ALTER" | "DROP" | "FLUSH" => None,
            _ => Some(Definition::Other),
        }
    }

    /// Whether what a `DEFINER = user` stands before is an event, and not a view, a trigger or a routine.
    fn defines_event(&self) -> bool {
        let mut ahead = self.tokens;
        let what = std::iter::from_fn(|| ahead.next()).find(|token| {
            ["EVENT", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "AGGREGATE", "SQL"].iter().any(|word| token.is(word))
        });
        what.is_some_and(|token| token.is("EVENT"))
    }

    fn create_table(mut self) -> Option<Definition> {
        self.pass_existence();
        let table = self.table()?;
        self.tables(vec![(TableChangeKind::Create, table, None, self.whole().to_owned())])
    }

    fn alter_table(mut self) -> Option<Definition> {
        self.pass_existence();
        let from = self.table()?;
        self.pass_wait();
        let to = self.new_name()?;
        let (table, formerly) = match to {
            Some(to) => (to, Some(from)),
            None => (from, None),
        };
        self.tables(vec![(TableChangeKind::Alter, table, formerly, self.whole().to_owned())])
    }

    /// The new name among the parts of an ALTER TABLE, which stand between commas outside of parentheses. `None` if they can not be
    /// told apart.
    fn new_name(&self) -> Option<Option<TableName>> {
        let mut found = None;
        let mut ahead = self.clone();
        let (mut depth, mut begins) = (0_usize, true);
        while let Some(token) = ahead.tokens.next() {
            if token.is_sign('(') {
                depth += 1;
            } else if token.is_sign(')') {
                depth = depth.checked_sub(1)?;
            } else if depth == 0 && begins && token.is("RENAME") {
                let renames_a_part = ["COLUMN", "INDEX", "KEY"].iter().any(|part| ahead.tokens.pass(part));
                if !renames_a_part {
                    let _ = ahead.tokens.pass("TO") || ahead.tokens.pass("AS") || ahead.tokens.pass_sign('=');
                    found = Some(ahead.table()?);
                }
            }
            begins = token.is_sign(',');
        }
        (depth == 0 && !ahead.tokens.is_cut()).then_some(found)
    }

    /// Each table's part is spelled out, with its database.
    fn drop_tables(mut self, verb: Token<'a>) -> Option<Definition> {
        self.pass_existence();
        let prefix = &self.sql[verb.begin..self.tokens.peek()?.begin];
        let mut names = Vec::new();
        loop {
            names.push(self.table()?);
            if names.len() > TABLES_MAX {
                return None;
            }
            if !self.tokens.pass_sign(',') {
                break;
            }
        }
        self.pass_wait();
        let suffix = match self.tokens.peek().filter(|next| next.is("RESTRICT") || next.is("CASCADE")) {
            Some(word) => {
                self.tokens.next();
                format!(" {}", word.text)
            }
            None => String::new(),
        };
        self.ends()?;
        let quoted = |name: &str| name.replace('`', "``");
        let part = |name: TableName| {
            let statement = format!("{prefix}`{}`.`{}`{suffix}", quoted(&name.database), quoted(&name.table));
            (TableChangeKind::Drop, name, None, statement)
        };
        self.tables(names.into_iter().map(part).collect())
    }

    fn rename_tables(mut self) -> Option<Definition> {
        self.pass_existence();
        let mut parts = Vec::new();
        loop {
            let begin = self.tokens.peek()?.begin;
            let from = self.table()?;
            self.pass_wait();
            if !self.tokens.pass("TO") || parts.len() >= TABLES_MAX {
                return None;
            }
            let (to, end) = self.table_and_end()?;
            parts.push((TableChangeKind::Alter, to, Some(from), format!("RENAME TABLE {}", &self.sql[begin..end])));
            if !self.tokens.pass_sign(',') {
                break;
            }
        }
        self.ends()?;
        self.tables(parts)
    }

    fn tables(&self, parts: Vec<(TableChangeKind, TableName, Option<TableName>, String)>) -> Option<Definition> {
        let part = |(kind, table, formerly, statement)| TableStatement { kind, table, formerly, statement };
        Some(Definition::Tables(parts.into_iter().map(part).collect()))
    }

    /// The name behind ALTER DATABASE, which may be left out.
    fn altered_database(&mut self) -> Option<String> {
        let next = self.tokens.next()?;
        let options = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"];
        if options.iter().any(|option| next.is(option)) { None } else { next.name() }
    }

    fn pass_existence(&mut self) {
        let _ = self.tokens.pass_all(&["IF", "NOT", "EXISTS"]) || self.tokens.pass_all(&["IF", "EXISTS"]);
    }

    /// MariaDB's `WAIT 5` and `NOWAIT`.
    fn pass_wait(&mut self) {
        if self.tokens.pass("WAIT") {
            self.tokens.next();
        } else {
            self.tokens.pass("NOWAIT");
        }
    }

    fn ends(&mut self) -> Option<()> {
        self.tokens.pass_sign(';');
        (self.tokens.next().is_none() && !self.tokens.is_cut()).then_some(())
    }

    /// `table`, `database.table`.
    fn table(&mut self) -> Option<TableName> {
        self.table_and_end().map(|(name, _)| name)
    }

    fn table_and_end(&mut self) -> Option<(TableName, usize)> {
        let first = self.tokens.next()?;
        if !self.tokens.pass_sign('.') {
            return Some((TableName { database: self.current.to_owned(), table: first.name()? }, first.end()));
        }
        let second = self.tokens.next()?;
        Some((TableName { database: first.name()?, table: second.name()? }, second.end()))
    }

    /// From the first word to the last: comments around it are no part of it, nor is the semicolon.
    fn whole(&self) -> &'a str {
        let mut tokens = Tokens::of(self.sql);
        let (mut begin, mut end) = (None, 0);
        for token in tokens.by_ref() {
            begin = begin.or(Some(token.begin));
            if !token.is_sign(';') {
                end = token.end();
            }
        }
        if tokens.is_cut() {
            return self.sql.trim();
        }
        self.sql.get(begin.unwrap_or(0)..end).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
