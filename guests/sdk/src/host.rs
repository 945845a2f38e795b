//! The two things that a guest may ask of the host. In a native build a record is kept instead, for tests to read.

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

#[cfg(target_family = "wasm")]
pub(crate) use in_wasm::{counter, log};

#[cfg(not(target_family = "wasm"))]
pub(crate) use recorded::{counter, log, take};

#[cfg(target_family = "wasm")]
mod in_wasm {
    use super::Level;
    use crate::bindings::sluicegate::guest::host;

    pub(crate) fn log(level: Level, text: &str) {
        let level = match level {
            Level::Error => host::Level::Error,
            Level::Warn => host::Level::Warn,
            Level::Info => host::Level::Info,
            Level::Debug => host::Level::Debug,
        };
        host::log(level, text);
    }

    pub(crate) fn counter(name: &str, n: u64) {
        host::counter(name, n);
    }
}

#[cfg(not(target_family = "wasm"))]
mod recorded {
    use super::Level;
    use std::cell::RefCell;

    /// What was logged and counted on this thread since the last `take`.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Record {
        pub(crate) log: Vec<(Level, String)>,
        pub(crate) counters: Vec<(String, u64)>,
    }

    thread_local! {
        static RECORD: RefCell<Record> = RefCell::default();
    }

    pub(crate) fn log(level: Level, text: &str) {
        RECORD.with_borrow_mut(|record| record.log.push((level, text.to_owned())));
    }

    pub(crate) fn counter(name: &str, n: u64) {
        RECORD.with_borrow_mut(|record| match record.counters.iter_mut().find(|(known, _)| known == name) {
            Some((_, total)) => *total += n,
            None => record.counters.push((name.to_owned(), n)),
        });
    }

    pub(crate) fn take() -> Record {
        RECORD.take()
    }
}
