//! What a QUERY event's statement does to us. Not an SQL parser: it looks at the first words.

/// What a statement means for the log's reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Begin,
    Commit,
    Rollback,
    /// The branch, as the log writes it: `X'7831',X'',1`.
    XaStart,
    XaCommit(String),
    XaRollback(String),
    /// All rows of a table are gone; the database only if the statement names it.
    Truncate {
        database: Option<String>,
        table: String,
    },
    /// Rows were changed and the log says only by which statement. The table if the statement changes one table alone.
    Rows {
        target: Option<(Option<String>, String)>,
    },
    /// A table's definition may be another one now. A transaction may begin with it: `CREATE TABLE ... START TRANSACTION`.
    Definition {
        begins: bool,
    },
    /// Nothing for us.
    Quiet,
}

impl Statement {
    pub(super) fn read(sql: &[u8]) -> Self {
        let text = String::from_utf8_lossy(sql);
        let mut words = Words { rest: &text };
        let first = words.next().to_ascii_uppercase();
        match first.as_str() {
            "BEGIN" => Self::Begin,
            "START" => Self::Begin,
            "COMMIT" => Self::Commit,
            "ROLLBACK" if words.next().is_empty() => Self::Rollback,
            "XA" => xa(&mut words),
            "TRUNCATE" => {
                words.skip("TABLE");
                table(&mut words).map_or(Self::Quiet, |(database, table)| Self::Truncate { database, table })
            }
            "INSERT" | "REPLACE" | "UPDATE" => {
                for word in ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"] {
                    words.skip(word);
                }
                let target = table(&mut words);
                // A list of tables, or a join.
                let is_alone = first != "UPDATE" || words.next().eq_ignore_ascii_case("SET");
                Self::Rows { target: target.filter(|_| is_alone) }
            }
            "DELETE" => delete(&mut words),
            // SELECT and DO stand in the log when a function that they call changes rows.
            "LOAD" | "WITH" | "SELECT" | "DO" | "CALL" => Self::Rows { target: None },
            "ALTER" | "CREATE" | "DROP" | "RENAME" | "FLUSH" => {
                let upper = text.trim_end().to_ascii_uppercase();
                Self::Definition { begins: upper.ends_with("START TRANSACTION") }
            }
            _ => Self::Quiet,
        }
    }
}

fn xa(words: &mut Words<'_>) -> Statement {
    let verb = words.next().to_ascii_uppercase();
    let branch = || words.rest.trim().chars().filter(|c| !c.is_whitespace()).collect::<String>();
    match verb.as_str() {
        "START" | "BEGIN" => Statement::XaStart,
        "COMMIT" => Statement::XaCommit(branch()),
        "ROLLBACK" => Statement::XaRollback(branch()),
        _ => Statement::Quiet,
    }
}

/// A server that starts with its in-memory tables empty writes `DELETE FROM` them.
fn delete(words: &mut Words<'_>) -> Statement {
    for word in ["LOW_PRIORITY", "QUICK", "IGNORE"] {
        words.skip(word);
    }
    if !words.skip("FROM") {
        return Statement::Rows { target: None };
    }
    let target = table(words);
    match (words.next(), target) {
        ("", Some((database, table))) => Statement::Truncate { database, table },
        (word, target) => Statement::Rows { target: target.filter(|_| word.eq_ignore_ascii_case("WHERE")) },
    }
}

/// `table`, `` `table` ``, `database.table`.
fn table(words: &mut Words<'_>) -> Option<(Option<String>, String)> {
    let first = words.name()?;
    if !words.skip(".") {
        return Some((None, first));
    }
    Some((Some(first), words.name()?))
}

/// The statement word by word, comments left out.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn trim(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(len) = comment_len(self.rest) else { return };
            self.rest = &self.rest[len..];
        }
    }

    /// A word, a quoted name with its quotes, or a sign; empty at the end.
    fn next(&mut self) -> &'a str {
        self.trim();
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let len = match self.rest.chars().next() {
            None => 0,
            Some(quote @ ('`' | '"')) => quoted_len(self.rest, quote),
            Some(c) if is_word(c) => self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len()),
            Some(c) => c.len_utf8(),
        };
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }

    fn skip(&mut self, word: &str) -> bool {
        let before = self.rest;
        let is_next = self.next().eq_ignore_ascii_case(word);
        if !is_next {
            self.rest = before;
        }
        is_next
    }

    fn name(&mut self) -> Option<String> {
        let word = self.next();
        let quote = word.chars().next().filter(|c| matches!(c, '`' | '"'));
        let Some(quote) = quote else {
            return word.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')).then(|| word.into());
        };
        let inside = word.get(1..word.len().checked_sub(1)?)?;
        Some(inside.replace(&format!("{quote}{quote}"), &quote.to_string()))
    }
}

/// Up to and with the quote that is not doubled.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Length of the comment that the text begins with. What stands in `/*! */` is executed, so only its brackets are passed over.
fn comment_len(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!")) {
        let version = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
        return Some(text.len() - inside.len() + version);
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    if text.starts_with("*/") {
        return Some(2);
    }
    let is_line = text.starts_with('#') || text.starts_with("-- ");
    is_line.then(|| text.find('\n').map_or(text.len(), |end| end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Statement {
        Statement::read(sql.as_bytes())
    }

    fn truncate(database: Option<&str>, table: &str) -> Statement {
        Statement::Truncate { database: database.map(Into::into), table: table.into() }
    }

    fn rows(target: Option<(Option<&str>, &str)>) -> Statement {
        Statement::Rows { target: target.map(|(database, table)| (database.map(Into::into), table.into())) }
    }

    #[test]
    fn bounds_of_transactions_are_known() {
        for (sql, wanted) in [
            ("BEGIN", Statement::Begin),
            ("START TRANSACTION", Statement::Begin),
            ("commit", Statement::Commit),
            ("ROLLBACK", Statement::Rollback),
            ("ROLLBACK TO `a`", Statement::Quiet),
            ("SAVEPOINT `sp`", Statement::Quiet),
            ("XA START X'7831',X'',1", Statement::XaStart),
            ("XA END X'7831',X'',1", Statement::Quiet),
            ("XA COMMIT X'7831',X'',1", Statement::XaCommit("X'7831',X'',1".into())),
            ("XA ROLLBACK X'7831', X'', 1", Statement::XaRollback("X'7831',X'',1".into())),
            ("create table t (a int) START TRANSACTION", Statement::Definition { begins: true }),
            ("ALTER TABLE t ADD b int", Statement::Definition { begins: false }),
            ("FLUSH TABLES", Statement::Definition { begins: false }),
        ] {
            assert_eq!(read(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn emptied_tables_are_named() {
        for (sql, wanted) in [
            ("TRUNCATE t", truncate(None, "t")),
            ("truncate table `a``b`.`c d`", truncate(Some("a`b"), "c d")),
            ("TRUNCATE TABLE shop . t /* generated by server */", truncate(Some("shop"), "t")),
            ("DELETE FROM `shop`.`memory`", truncate(Some("shop"), "memory")),
            ("/* who */ TRUNCATE -- why\n TABLE t;", truncate(None, "t")),
        ] {
            assert_eq!(read(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn changes_of_rows_by_statement_are_told_from_harmless_statements() {
        for (sql, wanted) in [
            ("INSERT INTO t VALUES (1)", rows(Some((None, "t")))),
            ("/*!50003 REPLACE*/ INTO `p`.checksums SELECT 1", rows(Some((Some("p"), "checksums")))),
            ("UPDATE t SET a = 1", rows(Some((None, "t")))),
            ("UPDATE t, u SET a = 1", rows(None)),
            ("DELETE FROM t WHERE a = 1", rows(Some((None, "t")))),
            ("DELETE t FROM t JOIN u", rows(None)),
            ("LOAD DATA INFILE 'x' INTO TABLE t", rows(None)),
            ("SELECT `shop`.`f`()", rows(None)),
        ] {
            assert_eq!(read(sql), wanted, "{sql}");
        }
        for sql in ["# Dum", "GRANT INSERT ON t TO u", "ANALYZE TABLE t", "SET PASSWORD = 'x'", "", "/* only"] {
            assert_eq!(read(sql), Statement::Quiet, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_statement_is_read(sql in "(TRUNCATE |DELETE FROM |INSERT |XA COMMIT |/\\*!|`|\\*/|[a-z.`\"é# -]){0,12}") {
            read(&sql);
        }
    }
}
