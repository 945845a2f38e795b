//! What travels through the house: batches of rows on the way in, messages on the way out. Pure data, no I/O.
//!
//! ```text
//!   source ══ Batch (rows, schemas, marks, notices) ══▶ pipeline ══ Message (bytes) ══▶ lane
//! ```

mod batch;
pub mod digits;
mod edits;
mod mask;
mod message;
mod notice;
mod position;
mod schema;
mod schema_change;
mod template;

pub use batch::{Batch, BinlogEvent, RowMark};
pub use edits::{Edits, Value};
pub use mask::masked;
pub use message::{
    Act, CacheValue, Content, Header, Headers, Message, MessageId, Origin, Place, RecordForm, RowVersion, Trim, pairs,
    put_pair,
};
pub use notice::{LogicalMessage, Notice, NoticeKind, TransactionId};
pub use position::{BinlogPosition, Gtid, GtidTag, Lsn, Position};
pub use schema::{Column, ColumnDetail, Database, DatabaseKind, Schema, SchemaId};
pub use schema_change::{
    DefinedColumn, SchemaChange, SchemaChangeAbout, TableChange, TableChangeKind, TableDefinition,
};
pub use template::{Template, TemplateError, TemplatePart};

pub use sluicegate_frame::{Cell, FrameBuf, Op, RawCell, RowHead, RowView, Tag};
