//! One image of a row, and the typed questions one can ask of its columns.
//!
//! A question is answered with the value or with a rejection that says which column, what it is and what was asked. Null is
//! never zero, and a large value that the log does not hold is never null.

use crate::calendar::{Date, Interval, Time, Timestamp, Uuid};
use crate::decimal;
use crate::rejection::{Rejection, Result};
use crate::schema::{Column, Schema};
use sluicegate_frame::{Array, Cell, FrameError, RowView, Tag};
use std::borrow::Cow;

/// The columns of a row as they were at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Image<'f> {
    pub(crate) view: RowView<'f>,
    pub(crate) schema: &'f Schema,
    pub(crate) which: Which,
}

/// Before or after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    New,
    Old,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $opt:ident, $kind:literal, $type:ty, $($pattern:pat $(if $guard:expr)? => $value:expr),*;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the column is missing, null, unchanged, absent, too long or of another kind.
            #[inline]
            pub fn $name(&self, column: &str) -> Result<$type> {
                match self.cell(column)? {
                    $($pattern $(if $guard)? => Ok($value),)*
                    other => Err(self.refuse(column, other, $kind, stringify!($opt))),
                }
            }

            #[doc = concat!("As [`", stringify!($name), "`](Self::", stringify!($name), "), with `None` for null.")]
            ///
            /// # Errors
            /// If the column is missing, unchanged, absent, too long or of another kind.
            #[inline]
            pub fn $opt(&self, column: &str) -> Result<Option<$type>> {
                match self.cell(column)? {
                    Cell::Null => Ok(None),
                    $($pattern $(if $guard)? => Ok(Some($value)),)*
                    other => Err(self.refuse(column, other, $kind, stringify!($opt))),
                }
            }
        )*
    };
}

impl<'f> Image<'f> {
    getters! {
        /// A whole number that fits into 64 signed bits.
        int, opt_int, "an int", i64,
            Cell::Int(v) => v, Cell::UInt(v) if i64::try_from(v).is_ok() => v as i64;
        /// A whole number that is not negative.
        uint, opt_uint, "a uint", u64,
            Cell::UInt(v) => v, Cell::Int(v) if v >= 0 => v as u64;
        /// A floating point number of 32 or 64 bits.
        float, opt_float, "a float", f64,
            Cell::Float64(v) => v, Cell::Float32(v) => f64::from(v);
        bool, opt_bool, "a bool", bool,
            Cell::Bool(v) => v;
        /// Text, a label of an enumeration, a bit string, or the text of a type that has no kind of its own.
        text, opt_text, "a text", &'f str,
            Cell::Text(v) | Cell::Enum(v) | Cell::Bits(v) | Cell::Other(v) => v;
        bytes, opt_bytes, "bytes", &'f [u8],
            Cell::Bytes(v) => v;
        /// A decimal as exact text, such as `12.50`; whole numbers as well.
        decimal, opt_decimal, "a decimal", Cow<'f, str>,
            Cell::Decimal(v) => Cow::Borrowed(v),
            Cell::DecimalUnscaled { scale, unscaled } if decimal::fits(scale, unscaled)
                => Cow::Owned(decimal::text_of(scale, unscaled)),
            Cell::Int(v) => Cow::Owned(v.to_string()),
            Cell::UInt(v) => Cow::Owned(v.to_string());
        date, opt_date, "a date", Date,
            Cell::Date(v) => Date::from_days_since_2000(v);
        /// A time of day, with or without a zone.
        time, opt_time, "a time", Time,
            Cell::Time(micros) => Time { micros, offset_seconds: None },
            Cell::TimeTz { micros, offset_seconds } => Time { micros, offset_seconds: Some(offset_seconds) };
        /// A timestamp, with or without a zone.
        timestamp, opt_timestamp, "a timestamp", Timestamp,
            Cell::TimestampTz(v) => Timestamp::utc(v), Cell::Timestamp(v) => Timestamp::local(v);
        /// PostgreSQL's `interval`.
        interval, opt_interval, "an interval", Interval,
            Cell::Interval { months, days, micros } => Interval { months, days, micros };
        uuid, opt_uuid, "a uuid", Uuid,
            Cell::Uuid(v) => Uuid(v);
        /// JSON text, for the parser of your choice.
        json, opt_json, "json", &'f str,
            Cell::Json(v) => v;
        array, opt_array, "an array", Array<'f>,
            Cell::Array(v) => v;
    }

    /// The value as it crossed, null and unchanged included; for guests that work on any table.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    #[inline]
    pub fn cell(&self, column: &str) -> Result<Cell<'f>> {
        match self.schema.index(column) {
            Some(index) => self.cell_at(index).map_err(|error| self.broken(column, error)),
            None => Err(self.missing(column)),
        }
    }

    /// Whether the column is null. Unchanged and absent values are not.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    pub fn is_null(&self, column: &str) -> Result<bool> {
        Ok(self.cell(column)? == Cell::Null)
    }

    /// Whether the column holds a large value that the statement did not touch, so that the log does not hold it.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    pub fn is_unchanged(&self, column: &str) -> Result<bool> {
        Ok(self.cell(column)? == Cell::Unchanged)
    }

    /// Whether this image does not carry the column: an old image that is only its key.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    pub fn is_absent(&self, column: &str) -> Result<bool> {
        Ok(self.cell(column)? == Cell::Absent)
    }

    /// The columns that the guest gets, in the order of the table or of the subscription.
    pub fn columns(&self) -> &'f [Column] {
        &self.schema.columns
    }

    pub(crate) fn cell_at(&self, index: usize) -> std::result::Result<Cell<'f>, FrameError> {
        match self.which {
            Which::New => self.view.new_cell(index),
            Which::Old => self.view.old_cell(index),
        }
    }

    fn table(&self) -> String {
        format!("{}.{}", self.schema.namespace, self.schema.table)
    }

    #[cold]
    pub(crate) fn missing(&self, column: &str) -> Rejection {
        let given: Vec<&str> = self.schema.columns.iter().map(|c| c.name.as_str()).collect();
        let given = given.join(", ");
        let table = self.table();
        Rejection::new(
            "no-such-column",
            format_args!(
                "this guest gets no column `{column}` of {table}; it gets: {given}. Add it to `columns` of its \
                 #[transform] if the table has it"
            ),
        )
    }

    #[cold]
    fn broken(&self, column: &str, error: FrameError) -> Rejection {
        let table = self.table();
        Rejection::new("bad-frame", format_args!("column `{column}` of {table} can not be read: {error}"))
    }

    #[cold]
    fn refuse(&self, column: &str, cell: Cell<'_>, asked: &str, opt: &str) -> Rejection {
        let table = self.table();
        let image = if self.which == Which::Old { " (old image)" } else { "" };
        let (code, what) = match cell {
            Cell::Null => ("null-value", format!("is null; {asked} was asked for. `{opt}` gives None for null")),
            Cell::Unchanged => (
                "unchanged-value",
                format!(
                    "was not touched by this update, and the log does not hold it; {asked} was asked for. Ask \
                     `is_unchanged` first, or have the table log it (REPLICA IDENTITY FULL and the old image)"
                ),
            ),
            Cell::Absent => (
                "absent-value",
                format!("is not part of this row image; {asked} was asked for. Ask `is_absent` or `op` first"),
            ),
            Cell::Long(len) => (
                "long-value",
                format!(
                    "is {len} bytes long, more than this guest's limit for a cell, so that only its length crossed; \
                     {asked} was asked for. Raise `limits.cell` of the guest, or let the row pass without reading it"
                ),
            ),
            // A number of the right kind that the asked type can not hold. Which one is nobody's business.
            Cell::Int(_) | Cell::UInt(_) if matches!(asked, "an int" | "a uint") => {
                ("out-of-range", format!("holds a number that does not fit into {asked}"))
            }
            Cell::DecimalUnscaled { .. } if asked == "a decimal" => {
                ("out-of-range", "holds a decimal of more digits than can be written out".to_owned())
            }
            other => ("wrong-kind", format!("is {}; {asked} was asked for", kind(other.tag()))),
        };
        Rejection::new(code, format_args!("column `{column}` of {table}{image} {what}"))
    }
}

fn kind(tag: Tag) -> &'static str {
    match tag {
        Tag::Null => "null",
        Tag::Unchanged => "unchanged",
        Tag::Absent => "absent",
        Tag::Long => "too long",
        Tag::Bool => "a bool",
        Tag::Int => "an int",
        Tag::UInt => "a uint",
        Tag::Float32 | Tag::Float64 => "a float",
        Tag::Decimal | Tag::DecimalUnscaled => "a decimal",
        Tag::Text => "a text",
        Tag::Bytes => "bytes",
        Tag::Date => "a date",
        Tag::Time | Tag::TimeTz => "a time",
        Tag::Timestamp | Tag::TimestampTz => "a timestamp",
        Tag::Interval => "an interval",
        Tag::Uuid => "a uuid",
        Tag::Json => "json",
        Tag::Array => "an array",
        Tag::Bits => "a bit string",
        Tag::Enum => "a label of an enumeration",
        Tag::Other => "a type without a kind of its own (a text)",
    }
}
