//! How fast this machine's walsender can be read: a bare reader that discards, in each rhythm, with and without decoding.
//!
//! ```text
//! cargo run --release --example drain -- URL SLOT PUBLICATION ROWS [eager|paused] [discard|decode]
//! ```
//! The slot is read from its confirmed position and not moved. Without rhythm and work, all four ways run.

use sluicegate::source::NoticeRule;
use sluicegate::source::postgres::{DrainPlan, DrainUntil, DrainWork, PostgresSettings, RhythmMode, drain_bare};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, slot, publication, rows, rest @ ..] = arguments.as_slice() else {
        eprintln!("drain URL SLOT PUBLICATION ROWS [eager|paused] [discard|decode]");
        return ExitCode::from(2);
    };
    let Ok(rows) = rows.parse() else {
        eprintln!("ROWS is a number");
        return ExitCode::from(2);
    };
    let settings = PostgresSettings {
        name: "drain".into(),
        url: url.clone(),
        sslmode: None,
        sslrootcert: None,
        slot: slot.clone(),
        publication: publication.clone(),
        tables: Arc::new(|_| true),
        columns: Arc::new(|_, _, _| sluicegate::source::Take::Whole),
        notices: NoticeRule::default(),
        known: None,
        epoch: 0,
    };
    let asked = |word: &str, other: &str| rest.iter().any(|a| a == word) || !rest.iter().any(|a| a == other);
    for (rhythm, name, opposite) in [(RhythmMode::Eager, "eager", "paused"), (RhythmMode::Paused, "paused", "eager")] {
        for (work, work_name, work_opposite) in
            [(DrainWork::Discard, "discard", "decode"), (DrainWork::Decode, "decode", "discard")]
        {
            if !asked(name, opposite) || !asked(work_name, work_opposite) {
                continue;
            }
            match drain_bare(&settings, DrainPlan { rhythm, work, until: DrainUntil::Rows(rows) }) {
                Ok(rate) => println!(
                    "{name:6} {work_name:7} {:>8.0} rows/s  {:>6} bytes per read  {} rows in {:.2} s",
                    rate.rows_per_second(),
                    rate.bytes / rate.reads.max(1),
                    rate.rows,
                    rate.elapsed.as_secs_f64()
                ),
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}
