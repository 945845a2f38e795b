//! A guest at work: a frame of rows in, a verdict about each out.
//!
//! ```text
//!   host ──bytes──▶ Frame ──row by row──▶ the author's function ──▶ VerdictWriter ──bytes──▶ host
//! ```
//!
//! A row that is passed or dropped allocates nothing here: the frame is read in place, edits go into one buffer that is
//! reused, and a verdict is one byte of an output that was sized at the start.

use crate::context::{Config, Ctx};
use crate::image::{Image, Which};
use crate::rejection::Rejection;
use crate::row::Row;
use crate::schema::Schema;
use crate::verdict::{Decision, Judgement, Verdict};
use sluicegate_frame::{EditBuf, Frame, FrameError, Op, VerdictWriter};

/// What the attribute says of a guest; the host asks for it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: &'static str,
    pub version: &'static str,
    /// Globs over `schema.table`.
    pub tables: &'static [&'static str],
    /// Empty for all.
    pub operations: &'static [Op],
    /// Empty for all.
    pub columns: &'static [&'static str],
    /// Whether the old image crosses as well.
    pub old: bool,
    /// The routes that the guest may name.
    pub routes: &'static [&'static str],
    /// Whether results depend on earlier rows; such a guest gets one row at a time.
    pub stateful: bool,
}

/// A guest, as the [`transform`](macro@crate::transform) attribute makes it of a function.
pub trait Transform {
    const MANIFEST: Manifest;

    /// Runs the guest's `init`.
    ///
    /// # Errors
    /// What `init` says against the configuration.
    fn start(config: Config) -> Result<Box<dyn Running>, String>;
}

/// A guest that was started.
pub trait Running {
    /// A table as this guest gets it, before the first row that refers to it.
    fn on_schema(&mut self, schema: Schema);

    /// The verdicts about a frame of rows.
    ///
    /// # Errors
    /// If the bytes are not a frame, or refer to a schema that was not announced: the host's mistakes, never a row's.
    fn judge(&mut self, frame: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// Why a whole frame could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

impl From<FrameError> for Failure {
    #[cold]
    fn from(error: FrameError) -> Self {
        Self { code: "bad-frame", message: error.to_string() }
    }
}

/// For the attribute: starts a guest of the author's two functions.
///
/// # Errors
/// What `init` says against the configuration.
#[doc(hidden)]
pub fn start<S, I, F, J>(config: Config, init: I, transform: F) -> Result<Box<dyn Running>, String>
where
    S: 'static,
    I: FnOnce(&Config) -> Result<S, String>,
    F: Fn(&mut Row<'_>, &Ctx<S>) -> J + 'static,
    J: Judgement,
{
    let state = init(&config)?;
    Ok(Box::new(Guest { cx: Ctx::new(config, state), transform, schemas: Vec::new(), edits: EditBuf::new() }))
}

struct Guest<S, F> {
    cx: Ctx<S>,
    transform: F,
    /// One per version of a table; a table has few, and the host starts a new instance now and then.
    schemas: Vec<Schema>,
    edits: EditBuf,
}

impl<S, F, J> Running for Guest<S, F>
where
    F: Fn(&mut Row<'_>, &Ctx<S>) -> J,
    J: Judgement,
{
    fn on_schema(&mut self, schema: Schema) {
        self.schemas.retain(|known| known.id != schema.id);
        self.schemas.push(schema);
    }

    fn judge(&mut self, frame: &[u8]) -> Result<Vec<u8>, Failure> {
        let frame = Frame::parse(frame)?;
        let mut verdicts = VerdictWriter::new(frame.len());
        let mut schema: Option<&Schema> = None;
        for index in 0..frame.len() {
            let view = frame.row(index)?;
            // Rows of one table come in runs.
            let schema = match schema {
                Some(same) if same.id == view.head.schema => same,
                _ => schema.insert(find(&self.schemas, view.head.schema)?),
            };
            let which = if view.head.op == Op::Delete { Which::Old } else { Which::New };
            let mut row = Row::new(Image { view, schema, which }, &mut self.edits);
            let verdict = (self.transform)(&mut row, &self.cx).into_verdict();
            let edits = row.into_edits();
            write(&mut verdicts, verdict, edits);
            edits.clear();
        }
        Ok(verdicts.finish()?)
    }
}

fn find(schemas: &[Schema], id: u32) -> Result<&Schema, Failure> {
    schemas.iter().rev().find(|schema| schema.id == id).ok_or_else(|| Failure {
        code: "unknown-schema",
        message: format!("a row refers to schema {id}, which was not announced"),
    })
}

#[inline]
fn write(verdicts: &mut VerdictWriter, verdict: Verdict, edits: &EditBuf) {
    match verdict.0 {
        Decision::Pass if edits.is_empty() => verdicts.push_pass(),
        Decision::Pass => verdicts.push_edits(edits),
        Decision::Drop => verdicts.push_drop(),
        Decision::Emit(messages) => {
            if let Err(error) = verdicts.push_emit(edits, messages.iter().map(|m| m.as_emitted())) {
                write_rejection(verdicts, &Rejection::new("too-large", error));
            }
        }
        Decision::Reject(rejection) => write_rejection(verdicts, &rejection),
    }
}

#[cold]
fn write_rejection(verdicts: &mut VerdictWriter, rejection: &Rejection) {
    verdicts.push_reject(rejection.code(), rejection.message());
}
