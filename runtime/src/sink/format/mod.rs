//! Encoders: a row, with the edits laid over it, as the bytes that a receiver reads. Pure functions over the frame.
//!
//! Values have one text form ([`text`]), used by templates and inside JSON; [`json`] adds the quotes, [`flat`] the object.

mod civil;
pub mod flat;
pub mod json;
mod shown;
pub mod text;

pub use shown::ShownRow;
