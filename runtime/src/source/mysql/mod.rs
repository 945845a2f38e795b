//! The binary log of MySQL and MariaDB as a source.
//!
//! ```text
//!   event bytes ─▶ RawEvent ─▶ Decoder ──TABLE_MAP──▶ Table (schema, plan per column)
//!                                      ──..._ROWS───▶ frame, marks ─▶ Batch
//! ```

mod assembly;
mod bytes;
mod compressed;
mod decode;
mod event;
mod gtid;
mod plan;
mod prepared;
mod progress;
mod refusal;
mod rows;
mod rules;
mod statement;
mod table_map;
mod tables;
mod value;
