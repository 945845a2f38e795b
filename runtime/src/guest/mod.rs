//! The port to a guest: rows go in, a judgement about each comes out.

#[doc(hidden)]
pub mod bench;
mod cache;
mod check;
mod code;
mod componentize;
mod deadline;
mod engine;
mod error;
mod examine;
mod host;
mod imports;
mod instance;
mod json;
mod limits;
mod loader;
mod project;
mod recent;
mod slot;
mod subscription;
mod verdicts;
mod watch;
mod weigh;
mod worker;
mod world;

pub use check::{World, has_names};
pub use componentize::{COMPONENTIZE_VERB, componentize_main, this_program};
pub use engine::Engine;
pub use error::GuestError;
pub use examine::{Examination, Import, Taken, examine};
pub use host::{GuestHost, GuestSettings};
pub use limits::{COUNTERS_MAX, Limits, MEMORY_BYTES_MAX};
pub use loader::{HostSettings, inspect};
pub use subscription::{Description, Subscribed};
pub use weigh::{Terms as WeighTerms, Weight, weigh};

use crate::change::{Batch, Edits, Op, Schema};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Short hash of the module that judged; on metrics, logs and dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub Arc<str>);

/// A row that is offered to a guest, with what earlier guests of the pipeline changed.
#[derive(Clone, Debug)]
pub struct OfferedRow {
    /// Index in the batch.
    pub row: u32,
    pub edits: Option<Arc<Edits>>,
}

/// A message that a guest made.
#[derive(Clone, Debug)]
pub struct Emitted {
    pub route: String,
    pub member: Option<String>,
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    /// Content type and bytes; `None` carries the row in the route's format.
    pub body: Option<(String, bytes::Bytes)>,
}

/// Messages instead of the row.
#[derive(Clone, Debug)]
pub struct Emission {
    pub edits: Edits,
    pub messages: Vec<Emitted>,
}

/// Why a row was refused, by the guest or by a limit.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The guest's own code, or `trap`, `deadline`, `memory`, `output`, `garbage`.
    pub code: String,
    pub message: String,
    /// Where in the guest, if it trapped.
    pub backtrace: Option<String>,
}

/// The decision about one row.
#[derive(Clone, Debug)]
pub enum Judgement {
    Pass,
    Drop,
    Edit(Box<Edits>),
    Emit(Box<Emission>),
    Reject(Box<Rejection>),
}

/// The decisions about the offered rows, in order.
#[derive(Clone, Debug)]
pub struct Judged {
    pub generation: Generation,
    pub judgements: Vec<Judgement>,
}

/// A guest as the pipeline sees it. Hot reload happens behind it, between two calls.
pub trait Transform: Send + Sync + 'static {
    /// The name of the file without its ending.
    fn name(&self) -> &str;

    /// Whether rows of this table and operation are to be offered.
    fn wants(&self, schema: &Schema, op: Op) -> bool;

    /// Judges rows of one batch. Never fails: what goes wrong with a row is its rejection. While no usable code is loaded
    /// it waits, and the source is not acknowledged.
    fn judge(&self, batch: Arc<Batch>, rows: Vec<OfferedRow>) -> BoxFuture<'_, Judged>;
}
