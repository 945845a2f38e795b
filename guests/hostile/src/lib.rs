//! A guest that misbehaves on request: config `mode` says how.
//!
//! | mode | what it does |
//! |---|---|
//! | `good` | passes every row |
//! | `refuse-init` | answers `init` with an error |
//! | `trap-init` | panics in `init` |
//! | `panic` | panics on rows whose column `poison` is true |
//! | `loop` | never comes back from such rows |
//! | `memory` | allocates for ever on such rows |
//! | `stack` | calls itself for ever on such rows |
//! | `fail` | answers a batch with such a row with a failure |
//! | `garbage` | answers a batch with such a row with bytes that are no verdicts |
//! | `unknown` | answers such rows with a verdict that does not exist |
//! | `too-many` | answers a batch with such a row with one verdict too many |
//! | `too-few` | ... with one too few |
//! | `truncated` | ... with verdicts that end in the middle |
//! | `huge` | answers such rows with a message of config `bytes` (default 8 MiB) |
//! | `deep` | answers such rows with an edit of arrays in arrays, a hundred thousand deep |
//! | `column` | answers such rows with an edit of a column that does not exist |
//! | `route` | names a route that it did not declare for such rows |
//! | `log-flood` | logs config `lines` (default 100,000) lines for each such row, and passes it |
//! | `log-long` | logs one line of 8 MiB for each such row, and passes it |
//! | `sleep` | sleeps for an hour on such rows |
//! | `leak` | keeps 64 KiB of each row, and passes it |
//!
//! Rows that are not poisoned are passed in every mode. It speaks to the border without the SDK, which would not let it.

#[cfg(target_family = "wasm")]
mod misdeed;

#[cfg(target_family = "wasm")]
#[allow(clippy::too_many_arguments, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit/sluicegate.wit", world: "transform" });
}

#[cfg(target_family = "wasm")]
mod border {
    use crate::bindings::sluicegate::guest::host;
    use crate::bindings::sluicegate::guest::types::Subscription;
    use crate::bindings::{Failure, Guest, Manifest, Pair, TableSchema, export};
    use crate::misdeed::{Batch, Mode};
    use std::cell::RefCell;

    #[derive(Default)]
    struct Hostile {
        mode: Mode,
        config: Vec<Pair>,
        /// Schema id and index of the column `poison`.
        poison: Vec<(u32, Option<usize>)>,
    }

    thread_local! {
        static HOSTILE: RefCell<Hostile> = RefCell::default();
    }

    impl Guest for Hostile {
        fn describe() -> Manifest {
            std::panic::set_hook(Box::new(|info| host::log(host::Level::Error, &info.to_string())));
            let all = Subscription { table: "*".into(), operations: vec![], columns: vec![], old: false };
            Manifest {
                name: "hostile".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                frame: sluicegate_frame::VERSION,
                subscriptions: vec![all],
                routes: vec![],
                stateful: false,
                extra: vec![],
            }
        }

        fn init(config: Vec<Pair>) -> Result<(), String> {
            let word = config.iter().find(|(key, _)| key == "mode").map_or("good", |(_, mode)| mode.as_str());
            let mode = Mode::from_word(word).ok_or_else(|| format!("no mode `{word}`"))?;
            match mode {
                Mode::RefuseInit => return Err("this guest refuses to start, as it was told".into()),
                Mode::TrapInit => panic!("this guest traps in init, as it was told"),
                _ => {}
            }
            HOSTILE.with_borrow_mut(|hostile| (hostile.mode, hostile.config) = (mode, config));
            Ok(())
        }

        fn on_schema(schema: TableSchema) -> Result<(), String> {
            let at = schema.columns.iter().position(|column| column.name == "poison");
            HOSTILE.with_borrow_mut(|hostile| hostile.poison.push((schema.id, at)));
            Ok(())
        }

        fn transform(frame: Vec<u8>) -> Result<Vec<u8>, Failure> {
            HOSTILE.with_borrow(|hostile| {
                let number = |key: &str, default: usize| {
                    let given = hostile.config.iter().find(|(known, _)| known == key);
                    given.and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
                };
                let batch = Batch { frame: &frame, poison: &hostile.poison, number: &number };
                hostile.mode.answer(&batch).map_err(|message| Failure { code: "hostile".into(), message })
            })
        }
    }

    export!(Hostile with_types_in crate::bindings);
}
