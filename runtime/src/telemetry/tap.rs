//! The last rows of a pipeline with what became of them, for somebody who watches. Closed unless the process was told to show rows:
//! keys are values of rows.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Rows that are kept; who asks twice a second sees all of a slow stream, and the last ones of a fast one.
const ROWS_MAX: usize = 100;

#[derive(Default)]
pub struct Tap {
    open: AtomicBool,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    next: u64,
    last: VecDeque<TappedRow>,
}

/// One row as it passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TappedRow {
    /// Counts the pipeline's rows since the start.
    pub number: u64,
    pub op: String,
    pub table: String,
    pub key: String,
    /// `pass`, `drop`, `emit`, `reject`, with what belongs to it.
    pub verdict: String,
    /// Messages that were made of it.
    pub messages: u64,
}

impl Tap {
    pub fn open(&self) {
        self.open.store(true, Relaxed);
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Keeps a row; its number is given here.
    pub fn push(&self, row: TappedRow) {
        let mut rows = self.rows.lock().expect("no panic while a row is kept");
        let number = rows.next;
        rows.next += 1;
        if rows.last.len() >= ROWS_MAX {
            rows.last.pop_front();
        }
        rows.last.push_back(TappedRow { number, ..row });
    }

    pub fn last(&self) -> Vec<TappedRow> {
        self.rows.lock().expect("no panic while a row is kept").last.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_rows_are_kept_and_numbered() {
        let tap = Tap::default();
        assert!(!tap.is_open());
        for n in 0..ROWS_MAX + 5 {
            let text = || n.to_string();
            let row =
                TappedRow { number: 0, op: text(), table: text(), key: text(), verdict: text(), messages: n as u64 };
            tap.push(row);
        }
        let last = tap.last();
        assert_eq!((last.len(), last[0].number, last[0].messages), (ROWS_MAX, 5, 5));
    }
}
