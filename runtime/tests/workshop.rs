//! The workshop as an author meets it: the verbs on folders, with every mistake that authors make, and the guide word by word.

#[path = "support/guests.rs"]
#[allow(dead_code, reason = "shared with the tests of guests, which build more of them")]
mod guests;
#[path = "support/postgres.rs"]
#[allow(dead_code, reason = "shared with the tests of capture, which use more of it")]
mod postgres;

#[path = "workshop/bench.rs"]
mod bench;
#[path = "workshop/cases.rs"]
mod cases;
#[path = "workshop/guide.rs"]
mod guide;
#[path = "workshop/mistakes.rs"]
mod mistakes;
#[path = "workshop/tables.rs"]
mod tables;
#[path = "workshop/types.rs"]
mod types;
