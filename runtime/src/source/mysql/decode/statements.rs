//! What statements do to us.
//!
//! ```text
//!   QUERY ─▶ Statement ─┬─ BEGIN, COMMIT, ROLLBACK, XA: bounds of a transaction     (transaction, two_phases)
//!                       ├─ ALTER, CREATE, DROP:         what became of definitions  (schema_changes)
//!                       ├─ TRUNCATE:                    a row without images
//!                       └─ INSERT, LOAD DATA, SELECT:   refused: the log has no rows of it
//! ```

use super::super::compressed;
use super::super::event::{Opening, Query, RawEvent, kind};
use super::super::progress::Commit;
use super::super::refusal::by_statement;
use super::super::schema_changes;
use super::super::statement::Statement;
use super::{DecodeError, Decoder, Step};
use crate::change::{Gtid, NoticeKind, RowMark, SchemaChange};
use std::sync::Arc;

impl Decoder {
    /// Takes a statement, which may be all that its transaction has.
    pub(super) fn query(&mut self, event: &RawEvent<'_>, begin: u64) -> Result<Step, DecodeError> {
        let query = Query::parse(event.body)?;
        let inflated;
        let sql = match event.kind {
            kind::QUERY => query.sql,
            _ => {
                inflated = compressed::event(query.sql)?;
                &inflated
            }
        };
        if self.transaction.is_none() {
            // A server that numbers nothing.
            let opening = Opening {
                gtid: Gtid::None,
                committed_at_us: None,
                is_standalone: false,
                is_prepared: false,
                thread: 0,
            };
            self.open(event, opening, begin)?;
        }
        let Some(transaction) = &mut self.transaction else { return Ok(Step::Quiet) };
        transaction.thread = query.thread;
        match Statement::read(sql) {
            Statement::Begin => transaction.is_block = true,
            Statement::XaStart => {
                transaction.is_block = true;
                transaction.held.get_or_insert_default();
            }
            Statement::Commit => return Ok(self.commit()),
            Statement::Rollback => {
                self.take_back();
                return Ok(self.commit());
            }
            Statement::XaCommit(branch) => {
                self.deliver(&branch)?;
                return Ok(self.commit());
            }
            Statement::XaRollback(branch) => {
                self.prepared.remove(&branch);
                return Ok(self.commit());
            }
            Statement::Definition { begins } => {
                let is_inside = transaction.is_block;
                transaction.is_block |= begins;
                // Debezium knows the connection of what stands inside of a transaction alone.
                transaction.thread = if is_inside { query.thread } else { 0 };
                let place = transaction.event(event, self.progress.file(), begin);
                let changes = schema_changes::changes(sql, &query, place, &mut self.rules, &mut self.tables)?;
                self.tell(changes);
            }
            Statement::Truncate { database, table } => {
                let database = database.unwrap_or_else(|| String::from_utf8_lossy(query.database).into_owned());
                self.truncate(event, begin, &database, &table)?;
            }
            Statement::Rows { target } => self.refuse_rows(target, query.database)?,
            Statement::Quiet => {}
        }
        let is_over = self.transaction.as_ref().is_some_and(|transaction| !transaction.is_block);
        Ok(if is_over { self.commit() } else { Step::Quiet })
    }

    /// Which rows a statement changed only the server knows. Of tables that nobody asked for, nobody needs to.
    fn refuse_rows(&self, target: Option<(Option<String>, String)>, database: &[u8]) -> Result<(), DecodeError> {
        let database = String::from_utf8_lossy(database);
        let name = target.map(|(named, table)| format!("{}.{table}", named.as_deref().unwrap_or(&database)));
        if name.as_deref().is_none_or(|name| (self.rules.tables)(name)) {
            return Err(by_statement(name.as_deref().unwrap_or("rows")));
        }
        Ok(())
    }

    /// Says what became of definitions.
    fn tell(&mut self, changes: Vec<SchemaChange>) {
        let Some(transaction) = &mut self.transaction else { return };
        let Commit::At(commit) = transaction.commit else { return };
        if !transaction.is_block {
            transaction.is_unbound = true;
            self.assembly.leave_out_begin();
        }
        // Behind rows that were taken already stands what was taken with them.
        let is_new = transaction.rows >= self.repeats;
        for (nth, change) in (1..).zip(changes).filter(|_| is_new) {
            let mark = RowMark { commit, change: transaction.rows, sub: nth, transaction: 0 };
            self.assembly.notice(mark, transaction.committed_at, NoticeKind::SchemaChange(Arc::new(change)));
        }
    }

    /// The table was emptied: a row without images says so.
    fn truncate(&mut self, event: &RawEvent<'_>, begin: u64, database: &str, table: &str) -> Result<(), DecodeError> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        transaction.rows += 1;
        let Commit::At(commit) = transaction.commit else { return Ok(()) };
        let mark = RowMark { commit, change: transaction.rows, sub: 0, transaction: 0 };
        let Some(schema) = self.tables.schema_of(&mut self.rules, database, table)? else { return Ok(()) };
        if mark.change > self.repeats {
            self.assembly.begin_event(transaction.event(event, self.progress.file(), begin));
            self.assembly.truncate(&schema, mark, transaction.committed_at);
            self.rows_total += 1;
        }
        Ok(())
    }
}
