//! Encoders: a row, with the edits laid over it, as the bytes that a receiver reads. Pure functions over the frame.
//!
//! Values have one text form ([`text`]), used by templates and inside JSON; [`json`] adds the quotes, [`flat`] the object,
//! [`cache`] an object of columns alone or a hash. [`debezium`] has forms of its own, and
//! [`avro`] makes other bytes of them.

pub mod avro;
pub mod cache;
mod civil;
pub mod debezium;
pub mod flat;
pub mod json;
pub mod scratch;
mod shown;
pub mod text;

pub use shown::ShownRow;
