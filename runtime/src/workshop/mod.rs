//! The workshop: what the author of a guest uses before anything runs for good. Nothing in here is part of the ring.
//!
//! ```text
//!   crate ── build ─▶ .wasm ─┐
//!   cases/*.toml ────────────┴─ trial ─▶ what held, what differs
//! ```

pub mod bench;
pub mod build;
pub mod case;
pub mod dev;
pub mod listen;
pub mod new;
mod paint;
pub mod place;
pub mod replay;
mod sdk;
pub mod slips;
pub mod table;
pub mod toolchain;
pub mod trial;
mod watch;

pub use paint::Paint;
pub use watch::{LOOK_EVERY, Snapshot};

use crate::config::{self, Mistakes, Plan};
use std::path::Path;

/// Reads a pipelines folder for work at it: addresses and secrets that this machine does not have are made up.
///
/// # Errors
/// Every other mistake at once.
pub fn plan(dir: &Path) -> Result<Plan, Mistakes> {
    config::load_made_up(dir, &|name| std::env::var(name).ok())
}
