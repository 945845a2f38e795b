//! A scenario's statements, cut as the client that recorded it cut them: `psql` or `mariadb` reading standard input.
//!
//! Each statement is sent by itself, so that each is a transaction unless the script says otherwise. `psql` takes what lies
//! between dollar signs as it is, and rows behind `COPY ... FROM stdin`; `mariadb` leaves comments out and can be told another
//! delimiter.

mod client;

use super::folder::Flavour;
use anyhow::Result;
use client::{Mariadb, Psql};

/// What stands between the preparation and the stream.
const STREAM: &str = "-- @stream";

/// The statements of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `-- @set key=value`: settings of the connector.
    pub settings: Vec<(String, String)>,
    /// `-- @db NAME`: the database of a scenario for MySQL or MariaDB.
    pub database: Option<String>,
    /// What is run before the connector starts.
    pub setup: Vec<Statement>,
    /// What is run while it streams.
    pub stream: Vec<Statement>,
    /// Everything, as it was written.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Sql(String),
    /// `COPY ... FROM stdin`, and the lines for it.
    Copy {
        sql: String,
        rows: String,
    },
}

impl Statement {
    pub fn sql(&self) -> &str {
        let (Self::Sql(sql) | Self::Copy { sql, .. }) = self;
        sql
    }
}

impl Script {
    /// Reads the text of a `.sql` file.
    ///
    /// # Errors
    /// If it holds a command of the client itself that is not understood.
    pub fn read(text: &str, flavour: Flavour) -> Result<Self> {
        let (setup, stream) = text.split_once(STREAM).unwrap_or((text, ""));
        let cut = |part: &str| match flavour {
            Flavour::Postgres => Psql::new(part).statements(),
            Flavour::Mysql | Flavour::Mariadb => Ok(Mariadb::new(part).statements()),
        };
        let noted = |name: &str| {
            let prefix = format!("-- @{name} ");
            text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::trim).collect::<Vec<_>>()
        };
        let setting = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self {
            settings: noted("set").into_iter().filter_map(setting).collect(),
            database: noted("db").first().map(|name| (*name).to_owned()),
            setup: cut(setup)?,
            stream: cut(stream)?,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(statements: &[Statement]) -> Vec<&str> {
        statements.iter().map(Statement::sql).collect()
    }

    #[test]
    fn settings_database_and_the_two_parts_are_read() {
        let text = "-- @db clients\n-- @set topic.prefix=clients.cdc\nCREATE TABLE t (a int);\n-- @stream\nINSERT INTO t VALUES (1);";
        let script = Script::read(text, Flavour::Mysql).expect("a script");
        assert_eq!(script.settings, [("topic.prefix".to_owned(), "clients.cdc".to_owned())]);
        assert_eq!(script.database.as_deref(), Some("clients"));
        assert_eq!(sql(&script.setup), ["CREATE TABLE t (a int)"]);
        assert_eq!(sql(&script.stream), ["INSERT INTO t VALUES (1)"]);
    }

    #[test]
    fn psql_cuts_where_a_statement_ends_and_nowhere_else() {
        let text = "SELECT 'a;''b', E'c\\';', \"d;\", $$e;$$, $x$f;$$;$x$; -- g;\nSELECT /* h; /* i; */ ; */ (1;2); BEGIN; COMMIT;\n\
                    CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3";
        let script = Script::read(text, Flavour::Postgres).expect("a script");
        let found = sql(&script.setup);
        assert_eq!(found.len(), 6, "{found:?}");
        assert!(found[1].ends_with("(1;2)") && found[2] == "BEGIN" && found[3] == "COMMIT", "{found:?}");
        assert!(found[4].ends_with("END; END") && found[5] == "SELECT 3", "{found:?}");
    }

    #[test]
    fn psql_hands_over_the_rows_behind_a_copy() {
        let text = "COPY t (a) FROM stdin;\n1\n\\N\n\\.\nSELECT 1;";
        let script = Script::read(text, Flavour::Postgres).expect("a script");
        let copy = Statement::Copy { sql: "COPY t (a) FROM stdin".into(), rows: "1\n\\N\n".into() };
        assert_eq!(script.setup, [copy, Statement::Sql("SELECT 1".into())]);
        assert!(Script::read("\\connect other", Flavour::Postgres).is_err());
    }

    #[test]
    fn mariadb_leaves_comments_out_and_takes_another_delimiter() {
        let text = "SELECT 'a;\\'b' /* why; */ FROM t; # c;\nSELECT 5--1, `d;`; -- e;\n/*!50100 SELECT 2; */;\nDELIMITER //\nBEGIN; END //\nDELIMITER ;\nSELECT 3;";
        let script = Script::read(text, Flavour::Mariadb).expect("a script");
        let expected =
            ["SELECT 'a;\\'b'  FROM t", "SELECT 5--1, `d;`", "/*!50100 SELECT 2; */", "BEGIN; END", "SELECT 3"];
        assert_eq!(sql(&script.setup), expected);
    }
}
