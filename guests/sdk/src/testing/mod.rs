//! Run a guest in a native test: the same bytes in and out as across the border, without WebAssembly, database or broker.
//!
//! ```
//! use sluicegate_guest::prelude::*;
//! use sluicegate_guest::testing::{TestGuest, TestRow};
//!
//! #[transform(table = "public.items", columns = ["id", "price"], operations = ["insert", "update"])]
//! fn cheap(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
//!     let limit: i64 = cx.config_or("limit", "100").parse()?;
//!     cx.counter("seen", 1);
//!     Ok(if row.int("price")? < limit { pass() } else { drop_row() })
//! }
//!
//! let mut guest = TestGuest::<cheap>::new([("limit", "10")]).unwrap();
//! assert!(guest.run(&TestRow::insert("public.items").int("id", 1).int("price", 9)).is_pass());
//! assert!(guest.run(&TestRow::insert("public.items").int("id", 2).int("price", 10)).is_drop());
//! assert_eq!(guest.counter("seen"), 2);
//! assert!(!guest.wants(&TestRow::delete("public.items").int("id", 2)));
//! ```

mod glob;
mod outcome;
mod row;

pub use outcome::{Edited, Outcome, Sent, Value};
pub use row::TestRow;

use crate::context::Config;
use crate::host::{self, Level};
use crate::running::{Failure, Manifest, Running, Transform};
use std::marker::PhantomData;

/// Runs one row through a guest without configuration.
///
/// # Panics
/// If `init` fails, or if the guest did not subscribe to this table and operation: the host would not call it.
pub fn run<T: Transform>(row: &TestRow) -> Outcome {
    TestGuest::<T>::new::<&str, &str>([]).expect("an init that needs no configuration").run(row)
}

/// A guest that was started as the host starts it.
pub struct TestGuest<T> {
    running: Box<dyn Running>,
    /// The shapes of rows that were announced; the index is the schema's id.
    announced: Vec<row::Shape>,
    log: Vec<(Level, String)>,
    counters: Vec<(String, u64)>,
    guest: PhantomData<T>,
}

impl<T: Transform> TestGuest<T> {
    /// With the keys and values of the guest's `config`.
    ///
    /// # Errors
    /// What `init` says against them.
    pub fn new<K: Into<String>, V: Into<String>>(config: impl IntoIterator<Item = (K, V)>) -> Result<Self, String> {
        let config = config.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        host::take();
        let running = T::start(Config::new(config))?;
        let mut guest =
            Self { running, announced: Vec::new(), log: Vec::new(), counters: Vec::new(), guest: PhantomData };
        guest.listen();
        Ok(guest)
    }

    pub fn manifest(&self) -> Manifest {
        T::MANIFEST
    }

    /// Whether the host would call the guest for this row.
    pub fn wants(&self, row: &TestRow) -> bool {
        let m = T::MANIFEST;
        let table = row.full_name();
        m.tables.iter().any(|pattern| glob::matches(pattern, table))
            && (m.operations.is_empty() || m.operations.contains(&row.op()))
    }

    /// Runs one row, cut down to the columns that the guest subscribed to.
    ///
    /// # Panics
    /// If the guest did not subscribe to this table and operation, or its verdict is not what the host can read.
    pub fn run(&mut self, row: &TestRow) -> Outcome {
        self.run_batch(std::slice::from_ref(row)).remove(0)
    }

    /// Runs rows in one call, as the host does.
    ///
    /// # Panics
    /// As `run`.
    pub fn run_batch(&mut self, rows: &[TestRow]) -> Vec<Outcome> {
        let m = T::MANIFEST;
        let mut frame = sluicegate_frame::FrameBuf::new();
        let mut ids = Vec::new();
        for row in rows {
            assert!(
                self.wants(row),
                "the host would not call this guest for {} of {}; it subscribed to {:?} of {:?}",
                row.op().name(),
                row.full_name(),
                m.operations,
                m.tables,
            );
            let shape = row.shape(m.columns);
            let id = match self.announced.iter().position(|known| *known == shape) {
                Some(id) => id,
                None => {
                    self.running.on_schema(shape.schema(self.announced.len()));
                    self.announced.push(shape);
                    self.announced.len() - 1
                }
            };
            row.write(&mut frame, id, m.columns, m.old);
            ids.push(id);
        }
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes);
        let judged = self.judge(&bytes).expect("a frame that this crate wrote itself");
        let shapes = ids.iter().map(|id| &self.announced[*id]);
        outcome::read(&judged, shapes).expect("verdicts that this crate wrote itself")
    }

    /// Runs bytes as they cross the border.
    ///
    /// # Errors
    /// If they are not a frame, or speak of a schema that was not announced.
    pub fn judge(&mut self, frame: &[u8]) -> Result<Vec<u8>, Failure> {
        host::take();
        let judged = self.running.judge(frame);
        self.listen();
        judged
    }

    /// The lines that the guest logged so far.
    pub fn log(&self) -> &[(Level, String)] {
        &self.log
    }

    /// What the guest counted under this name so far.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.iter().filter(|(known, _)| known == name).map(|(_, n)| n).sum()
    }

    fn listen(&mut self) {
        let heard = host::take();
        self.log.extend(heard.log);
        self.counters.extend(heard.counters);
    }
}
