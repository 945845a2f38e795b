//! The notices of the batch that is being filled, for the decoders of every kind of log.

use super::NoticeRule;
use crate::change::{Database, Notice, NoticeKind, RowMark, Schema, TransactionId};
use std::sync::Arc;

pub(super) struct Notices {
    rule: NoticeRule,
    about: Arc<Schema>,
    list: Vec<Notice>,
    bytes: usize,
}

impl Notices {
    pub(super) fn new(rule: NoticeRule, source: &str, database: Arc<Database>) -> Self {
        let about = Schema { source: source.to_owned(), database, ..Schema::default() };
        Self { rule, about: Arc::new(about), list: Vec::new(), bytes: 0 }
    }

    pub(super) fn rule(&self) -> &NoticeRule {
        &self.rule
    }

    /// Appends one that stands behind the batch's first `rows` rows.
    pub(super) fn push(&mut self, rows: usize, mark: RowMark, committed_at: i64, kind: NoticeKind) {
        let before_row = rows as u32;
        let notice = Notice { before_row, mark, committed_at, schema: self.about.clone(), kind };
        self.bytes += notice.byte_len();
        self.list.push(notice);
    }

    /// A transaction ends. If nothing of it came that anybody asked for, it is as if it had never begun.
    pub(super) fn end(&mut self, rows: usize, mark: RowMark, committed_at: i64, id: TransactionId) {
        if !self.has_bare_begin(rows) {
            self.push(rows, mark, committed_at, NoticeKind::Commit { id });
        } else {
            self.list.pop();
        }
    }

    /// Takes back a beginning with nothing behind it.
    pub(super) fn leave_out_begin(&mut self, rows: usize) {
        if self.has_bare_begin(rows) {
            self.list.pop();
        }
    }

    /// Whether there are none to hand over. A beginning with nothing behind it waits for what follows.
    pub(super) fn is_empty(&self, rows: usize) -> bool {
        self.list.len() == usize::from(self.has_bare_begin(rows))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// How much they hold in bytes, about.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.list.len() * size_of::<Notice>()
    }

    /// Those of a batch of so many rows.
    pub(super) fn take(&mut self, rows: usize) -> Vec<Notice> {
        if self.list.is_empty() {
            return Vec::new();
        }
        let begin = if self.has_bare_begin(rows) { self.list.pop() } else { None };
        let taken = std::mem::take(&mut self.list);
        self.list.extend(begin.map(|begin| Notice { before_row: 0, ..begin }));
        self.bytes = 0;
        taken
    }

    /// Takes back all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if self.list.len() > len {
            self.list.truncate(len);
            self.bytes = self.list.iter().map(Notice::byte_len).sum();
        }
    }

    fn has_bare_begin(&self, rows: usize) -> bool {
        let last = self.list.last();
        last.is_some_and(|last| matches!(last.kind, NoticeKind::Begin { .. }) && last.before_row as usize == rows)
    }
}
