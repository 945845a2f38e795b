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
    "EVENT",
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
        while let Some(token) = tokens.next() {
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
mod tests {
    use super::*;

    fn read(sql: &str) -> Definition {
        Definition::read(sql, "shop")
    }

    /// `kind table (was formerly): statement`, one for each.
    fn told(sql: &str) -> Vec<String> {
        match read(sql) {
            Definition::Tables(parts) => parts
                .into_iter()
                .map(|part| {
                    let formerly = part.formerly.map(|name| format!(" (was {})", name.full())).unwrap_or_default();
                    format!("{:?} {}{formerly}: {}", part.kind, part.table.full(), part.statement)
                })
                .collect(),
            Definition::Other => Vec::new(),
            Definition::Database { name, statement } => vec![format!("database {name}: {statement}")],
            Definition::Untold { database, statement } => vec![format!("untold in {database}: {statement}")],
        }
    }

    /// mysql/ddl, mariadb/ddl and mysql/func_index.
    #[test]
    fn statements_are_told_as_recorded() {
        for (sql, wanted) in [
            ("ALTER TABLE evolve ADD COLUMN c text", vec!["Alter shop.evolve: ALTER TABLE evolve ADD COLUMN c text"]),
            (
                "RENAME TABLE evolve TO evolved",
                vec!["Alter shop.evolved (was shop.evolve): RENAME TABLE evolve TO evolved"],
            ),
            (
                "ALTER TABLE evolved RENAME TO evolved2",
                vec!["Alter shop.evolved2 (was shop.evolved): ALTER TABLE evolved RENAME TO evolved2"],
            ),
            (
                "RENAME TABLE sw1 TO sw3, sw2 TO sw1, sw3 TO sw2",
                vec![
                    "Alter shop.sw3 (was shop.sw1): RENAME TABLE sw1 TO sw3",
                    "Alter shop.sw1 (was shop.sw2): RENAME TABLE sw2 TO sw1",
                    "Alter shop.sw2 (was shop.sw3): RENAME TABLE sw3 TO sw2",
                ],
            ),
            (
                "DROP TABLE IF EXISTS `made_like`,`nothing_here` /* generated by server */",
                vec![
                    "Drop shop.made_like: DROP TABLE IF EXISTS `shop`.`made_like`",
                    "Drop shop.nothing_here: DROP TABLE IF EXISTS `shop`.`nothing_here`",
                ],
            ),
            (
                "CREATE TABLE shop2.elsewhere (id int PRIMARY KEY)",
                vec!["Create shop2.elsewhere: CREATE TABLE shop2.elsewhere (id int PRIMARY KEY)"],
            ),
            (
                "/* a comment first */ CREATE TABLE commented (id int) /*!50100 PARTITION BY HASH (id) PARTITIONS 2 */ -- and last\n",
                vec![
                    "Create shop.commented: CREATE TABLE commented (id int) /*!50100 PARTITION BY HASH (id) PARTITIONS 2",
                ],
            ),
            (
                "CREATE TABLE `made_ctas` (\n  `a` int NOT NULL DEFAULT '0'\n) START TRANSACTION",
                vec![
                    "Create shop.made_ctas: CREATE TABLE `made_ctas` (\n  `a` int NOT NULL DEFAULT '0'\n) START TRANSACTION",
                ],
            ),
            ("CREATE DATABASE shop2", vec!["database shop2: CREATE DATABASE shop2"]),
            ("drop schema if exists `a``b`;", vec!["database a`b: drop schema if exists `a``b`"]),
            (
                "ALTER DATABASE other CHARACTER SET latin1",
                vec!["untold in other: ALTER DATABASE other CHARACTER SET latin1"],
            ),
            ("ALTER DATABASE CHARACTER SET latin1", vec!["untold in shop: ALTER DATABASE CHARACTER SET latin1"]),
            ("CREATE INDEX ix2 ON evolve (d)", vec!["untold in shop: CREATE INDEX ix2 ON evolve (d)"]),
            ("CREATE UNIQUE INDEX u ON evolve (d)", vec!["untold in shop: CREATE UNIQUE INDEX u ON evolve (d)"]),
            ("DROP INDEX ix2 ON evolved2", vec!["untold in shop: DROP INDEX ix2 ON evolved2"]),
            ("FLUSH TABLES", vec!["untold in shop: FLUSH TABLES"]),
        ] {
            assert_eq!(told(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn names_stand_where_each_server_lets_them_stand() {
        for (sql, wanted) in [
            ("create or replace table if not exists `a.b`.c (x int)", "a.b.c"),
            ("ALTER ONLINE IGNORE TABLE IF EXISTS t WAIT 5 ADD x int, rename as u", "shop.u"),
            ("ALTER TABLE t NOWAIT RENAME = `q`.`u`", "q.u"),
            ("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX i TO j, RENAME KEY k TO l", "shop.t"),
            ("ALTER TABLE t ADD x varchar(9) DEFAULT ', RENAME TO u', ADD CHECK (a IN (1, RENAME))", "shop.t"),
            ("ALTER TABLE t COMMENT '\\', RENAME TO u'", "shop.t"),
            ("DROP TABLES t CASCADE", "shop.t"),
            ("DROP TABLE `t` WAIT 1 RESTRICT", "shop.t"),
            ("RENAME TABLES IF EXISTS a NOWAIT TO t", "shop.t"),
            ("CREATE TABLE été (a int)", "shop.été"),
        ] {
            let Definition::Tables(parts) = read(sql) else { panic!("{sql}: {:?}", read(sql)) };
            assert_eq!(parts[0].table.full(), wanted, "{sql}");
        }
    }

    #[test]
    fn what_can_not_be_told_is_told_without_a_table() {
        for sql in [
            "ALTER TABLE t COMMENT 'not closed",
            "ALTER TABLE t ADD (a int",
            "ALTER TABLE t ADD a int), RENAME TO u",
            "ALTER TABLE 't' ADD a int",
            "DROP TABLE a, ",
            "DROP TABLE a b",
            "RENAME TABLE a, b TO c",
            "CREATE TABLE",
            "CREATE WHATEVER x",
            "CREATE",
        ] {
            assert_eq!(
                read(sql),
                Definition::Untold { database: "shop".into(), statement: sql.trim().into() },
                "{sql}"
            );
        }
        let many = format!("DROP TABLE {}", vec!["t"; TABLES_MAX + 1].join(","));
        assert!(matches!(read(&many), Definition::Untold { .. }));
    }

    #[test]
    fn what_is_no_table_is_not_told() {
        for sql in [
            "CREATE VIEW v1 AS SELECT * FROM made_live",
            "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW v AS SELECT 1",
            "CREATE OR REPLACE DEFINER=`a`@`b` TRIGGER trg AFTER INSERT ON t FOR EACH ROW SET @a = 1",
            "CREATE TEMPORARY TABLE t (a int)",
            "DROP TEMPORARY TABLE IF EXISTS `t` /* generated by server */",
            "CREATE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'",
            "CREATE JSON RELATIONAL DUALITY VIEW v AS SELECT 1",
            "DROP USER nobody@localhost",
            "RENAME USER a TO b",
            "ALTER USER a IDENTIFIED BY 'secret'",
            "FLUSH PRIVILEGES",
            "GRANT SELECT ON shop.* TO cdc@localhost",
            "ANALYZE TABLE t",
        ] {
            assert_eq!(read(sql), Definition::Other, "{sql}");
        }
    }

    proptest::proptest! {
        /// Whatever stands behind the name: the table is found, and what is in quotes renames nothing.
        #[test]
        fn a_tables_name_is_found_whatever_it_is(name in "[a-z`\" .,()'é/*#-]{1,12}", text in "[a-z`,() /*#-]{0,16}") {
            let quoted = name.replace('`', "``");
            let sql = format!("ALTER TABLE `{quoted}` ADD a varchar(9) DEFAULT '{text}' COMMENT \"{text}, RENAME x\"");
            let Definition::Tables(parts) = read(&sql) else { panic!("{sql}") };
            proptest::prop_assert_eq!(&parts[0].table, &TableName { database: "shop".into(), table: name.clone() });
            proptest::prop_assert_eq!(&parts[0].formerly, &None);
            let sql = format!("DROP TABLE `{quoted}`, x.`{quoted}`");
            let Definition::Tables(parts) = read(&sql) else { panic!("{sql}") };
            proptest::prop_assert_eq!(&parts[1].table, &TableName { database: "x".into(), table: name });
            // What it spells out, it reads again.
            proptest::prop_assert_eq!(told(&parts[1].statement).len(), 1);
        }

        #[test]
        fn any_statement_is_read(
            sql in "(CREATE |ALTER |DROP |RENAME |FLUSH |TABLE |DATABASE |INDEX |IF |NOT |EXISTS |TO |RENAME |, |\\(|\\)|`|'|\"|/\\*!|/\\*|\\*/|--|[a-z.é;\\\\ ]){0,16}"
        ) {
            if let Definition::Tables(parts) = read(&sql) {
                proptest::prop_assert!(!parts.is_empty() && parts.len() <= TABLES_MAX);
            }
        }
    }
}
