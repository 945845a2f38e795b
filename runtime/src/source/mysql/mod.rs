//! The binary log of MySQL and MariaDB as a source.
//!
//! ```text
//!   event bytes ─▶ RawEvent ─▶ Decoder ──TABLE_MAP──▶ Table (schema, plan per column)
//!                                      ──..._ROWS───▶ frame, marks ─▶ Batch
//! ```

mod decode;
mod event;
mod gtid;
