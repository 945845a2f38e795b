//! Rows, and what the log says before them: the statement that they come from, and their tables.
//!
//! ```text
//!   ROWS_QUERY ─▶ TABLE_MAP, one for each table ─▶ ..._ROWS, until one says that its statement ends
//! ```

use super::super::assembly::{RowOrigin, Writer};
use super::super::bytes::Cut;
use super::super::event::{self, RawEvent};
use super::super::progress::Commit;
use super::super::refusal::bad_row;
use super::super::rows::{BadRow, Rows, each_row};
use super::{DecodeError, Decoder, Step};
use crate::change::RowMark;
use std::sync::Arc;

impl Decoder {
    /// The statement as it was sent, where the server is told to log it.
    pub(super) fn rows_query(&mut self, event: &RawEvent<'_>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.query = Some(String::from_utf8_lossy(event::rows_query(event)).into());
        }
    }

    /// The statement comes before the tables that it changes. Of one that is left out, even in part, it would tell the values.
    pub(super) fn announce(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let is_whole = self.tables.announce(body, &mut self.rules)?;
        if let Some(transaction) = &mut self.transaction
            && !is_whole
        {
            transaction.query = None;
        }
        Ok(())
    }

    /// Takes an event of rows, which stands at `begin` of `file`.
    pub(super) fn rows(&mut self, event: &RawEvent<'_>, file: &Arc<str>, begin: u64) -> Result<Step, DecodeError> {
        let rows = Rows::parse(event.kind, event.body).map_err(|_| Cut)?;
        let Some(id) = rows.table else { return Ok(Step::Quiet) };
        let table = self.tables.get(id).cloned().ok_or_else(|| {
            DecodeError::fatal(format!(
                "rows of table {id}, which no TABLE_MAP announced: the stream does not begin at a transaction; raise `epoch` of \
                 this source, and begin anew"
            ))
        })?;
        let Some(transaction) = &mut self.transaction else {
            return Err(DecodeError::fatal(
                "rows outside of a transaction: the stream does not begin at one; raise `epoch` of this source, and begin anew",
            ));
        };
        let before = self.assembly.level();
        let result = match (&table.schema, transaction.commit) {
            (Some(schema), Commit::At(commit)) if rows.images.fit(&table) => {
                let origin = RowOrigin {
                    op: rows.op,
                    old_is_key: rows.images.old_is_key(&table),
                    committed_at: transaction.committed_at,
                };
                let first = transaction.event(event, file, begin);
                let mut writer = Writer { assembly: &mut self.assembly, event: Some(first), repeats: self.repeats };
                each_row(&rows, |r| {
                    transaction.rows += 1;
                    let mark = RowMark { commit, change: transaction.rows, sub: 0, transaction: 0 };
                    writer.row(&rows, &table, schema, r, mark, &origin)
                })
            }
            (Some(_), Commit::At(_)) => Err(BadRow::Event),
            _ => {
                let start = transaction.rows;
                let counted = each_row(&rows, |r| {
                    transaction.rows += 1;
                    rows.images.skip(&table, r)
                });
                // Rows of a table that nobody asked for, of a type that is not known: the event counts as one.
                if counted.is_err() {
                    transaction.rows = start + 1;
                }
                Ok(())
            }
        };
        if rows.ends_statement {
            transaction.query = None;
        }
        if let Err(bad) = result {
            self.assembly.lower(before);
            return Err(bad_row(bad, &table));
        }
        let written = self.assembly.written_since(before);
        self.rows_total += written;
        Ok(if written > 0 { Step::Rows } else { Step::Quiet })
    }
}
