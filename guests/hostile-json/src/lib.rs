//! A guest of the world `json` that answers what config `answer` says as soon as one of the rows has `poison` true, and passes every
//! row otherwise.
//!
//! | answer | what it does |
//! |---|---|
//! | `!panic` | panics |
//! | `!loop` | never comes back |
//! | `!memory` | allocates for ever |
//! | `!fail` | answers with an error |
//! | `!echo` | answers with an error that is the rows as they came |
//! | `!huge` | answers with 8 MiB of blanks |
//! | anything else | is the answer |
//!
//! With the feature `slip` its manifest has one.

#[cfg(target_family = "wasm")]
#[allow(clippy::too_many_arguments, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit/sluicegate.wit", world: "json" });
}

#[cfg(target_family = "wasm")]
mod border {
    use crate::bindings::sluicegate::guest::host;
    use crate::bindings::{Guest, export};
    use std::cell::RefCell;

    thread_local! {
        static ANSWER: RefCell<String> = RefCell::default();
    }

    struct Hostile;

    impl Guest for Hostile {
        fn describe() -> String {
            std::panic::set_hook(Box::new(|info| host::log(host::Level::Error, &info.to_string())));
            let subscriptions = if cfg!(feature = "slip") { "subscription" } else { "subscriptions" };
            format!(r#"{{"name":"hostile-json","{subscriptions}":[{{"table":"*","old":true}}],"routes":["customer"]}}"#)
        }

        fn init(config: String) -> Result<(), String> {
            let answer = config.split_once(r#""answer":""#).map_or("", |(_, rest)| rest.trim_end_matches("\"}"));
            // The host escapes what it writes; a test's answers hold nothing else that is escaped.
            ANSWER.with_borrow_mut(|kept| *kept = answer.replace("\\\"", "\"").replace("\\\\", "\\"));
            Ok(())
        }

        fn judge(rows: String) -> Result<String, String> {
            if !rows.contains(r#""poison":true"#) {
                let count = rows.matches(r#""op":"#).count();
                return Ok(format!("[{}]", vec![r#""pass""#; count].join(",")));
            }
            ANSWER.with_borrow(|answer| match answer.as_str() {
                "!panic" => panic!("this guest panics on a poisoned row, as it was told"),
                "!loop" => loop {
                    std::hint::spin_loop();
                },
                "!memory" => {
                    let mut kept = Vec::new();
                    loop {
                        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                    }
                }
                "!fail" => Err("this guest can not judge such rows, as it was told".into()),
                "!echo" => Err(rows),
                "!huge" => Ok(" ".repeat(8 << 20)),
                answer => Ok(answer.to_owned()),
            })
        }
    }

    export!(Hostile with_types_in crate::bindings);
}
