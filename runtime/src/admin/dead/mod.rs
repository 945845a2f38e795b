//! The desk of dead letters: what a person on call asks about them, and decides.
//!
//! ```text
//!   GET  /dead, /dead/ID              letters ─▶ store            POST /dead/replay  replay ─▶ Again, at a rate
//!   POST /dead/drop                   choice, letters ─▶ store    POST /dead/lanes/… Clear: what waits for members that are gone
//! ```
//!
//! The answers are plain data, so that `sluicegate dead` can also ask a state that nobody runs.

mod choice;
mod guard;
mod letters;
mod replay;
mod routes;
#[cfg(test)]
mod tests;

pub use choice::{CHOICE_IDS_MAX, Choice, Narrow};
pub use letters::{Body, Dropped, Letter, Packed, Page, PageAsked, Summary, drop_chosen, list, show};
pub use replay::{Failure, Progress, RATE, ReplayAsked, State as ReplayState};
pub use routes::{Cleared, LaneAsked, RemovedLane, removed};

use crate::store::{LaneName, Revive, Store, StoreError};
use futures_util::future::BoxFuture;
use replay::Replays;
use std::sync::Arc;

pub(super) use guard::{no_foreign_names, no_forms};
pub(super) use routes::routes;

/// Sends one dead letter again, or says in a sentence why it can not be.
pub type Again = Box<dyn Fn(Revive) -> BoxFuture<'static, Result<Sent, String>> + Send + Sync>;

/// What became of a letter that was to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    InLine,
    /// It stays: something newer of its key was delivered or waits.
    Superseded,
}

/// Makes dead letters, for this reason, of what waits for a lane whose member is gone, or drops it without one; how many there were.
pub type Clear = Box<dyn Fn(LaneName, Option<String>) -> BoxFuture<'static, Result<u64, String>> + Send + Sync>;

/// The reason of what is taken from a lane whose member is gone.
pub const TAKEN: &str = "taken from a lane whose member is not in the configuration";

/// Everything that the desk works with.
pub struct Desk {
    store: Arc<dyn Store>,
    again: Again,
    clear: Clear,
    replays: Replays,
}

impl Desk {
    pub fn new(store: Arc<dyn Store>, again: Again, clear: Clear) -> Self {
        Self { store, again, clear, replays: Replays::default() }
    }
}

/// Why the desk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The question is to blame.
    #[error("{0}")]
    Question(String),
    #[error("there is no dead letter {0}: it was sent again or dropped, or never was")]
    Unknown(i64),
    /// It can not be now.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
