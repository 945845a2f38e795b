//! The port through which changes come in.
//!
//! A source runs on a thread of its own and pushes batches into its [`Intake`]. Home comes only one thing: the position up
//! to which everything is safe, in a `watch`. Answering the database's keepalives never waits for the intake.

pub mod postgres;

use crate::change::{Batch, Position};
use crate::fault::Fault;
use crate::telemetry::SourceStats;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{mpsc, watch};

/// What a source is given to run with.
pub struct Intake {
    /// Bounded; when it is full the source stops reading, but goes on giving feedback. An empty batch with a position is a
    /// sign of life: nothing to do up to here.
    pub batches: mpsc::Sender<Batch>,
    /// Written to disk before it is seen here; what may be confirmed to the database.
    pub confirmed: watch::Receiver<Option<Position>>,
    /// Set once to stop; looked at least ten times a second.
    pub stop: Arc<AtomicBool>,
    pub stats: Arc<SourceStats>,
}

/// Why a source can not go on. `Passing` never leaves a source: it reconnects by itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    pub fault: Fault,
    /// What happened, and what to do about it, in a sentence or two.
    pub message: String,
    /// Whether going on would lose changes (exit code 3).
    pub loss: bool,
}

/// A database whose changes can be read.
pub trait Source: Send + 'static {
    /// Reads until `stop` is set or nothing can go on. Blocking; called on a thread of its own.
    ///
    /// # Errors
    /// When the source can not go on until somebody changes something.
    fn run(self: Box<Self>, intake: Intake) -> Result<(), SourceError>;
}
