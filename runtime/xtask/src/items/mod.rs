//! Story 2 as data: items that live in two databases, and what has to come of their changes in a Redis and in topics.
//!
//! ```text
//!   shelf   the items in tables and in Redis, side by side
//!   burst   changes without end, and what a topic has to say of them
//! ```

pub mod burst;
pub mod shelf;
