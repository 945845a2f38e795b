//! Rust values as cells: what `set` and `add` take, and what tests build rows of.

use crate::calendar::{Date, Interval, Time, Timestamp, Uuid};
use sluicegate_frame::Cell;

/// A value that a column can be given. `None` is null.
pub trait AsCell {
    fn as_cell(&self) -> Cell<'_>;
}

/// A decimal as exact text, such as `12.50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal<T>(pub T);

/// JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

macro_rules! as_cell {
    ($($type:ty => |$value:ident| $cell:expr;)*) => {
        $(impl AsCell for $type {
            #[inline]
            fn as_cell(&self) -> Cell<'_> {
                let $value = self;
                $cell
            }
        })*
    };
}

as_cell! {
    bool => |v| Cell::Bool(*v);
    i16 => |v| Cell::Int(i64::from(*v));
    i32 => |v| Cell::Int(i64::from(*v));
    i64 => |v| Cell::Int(*v);
    u16 => |v| Cell::UInt(u64::from(*v));
    u32 => |v| Cell::UInt(u64::from(*v));
    u64 => |v| Cell::UInt(*v);
    f32 => |v| Cell::Float32(*v);
    f64 => |v| Cell::Float64(*v);
    str => |v| Cell::Text(v);
    String => |v| Cell::Text(v);
    [u8] => |v| Cell::Bytes(v);
    Vec<u8> => |v| Cell::Bytes(v);
    Date => |v| Cell::Date(v.days_since_2000());
    Interval => |v| Cell::Interval { months: v.months, days: v.days, micros: v.micros };
    Uuid => |v| Cell::Uuid(v.0);
    Time => |v| match v.offset_seconds {
        None => Cell::Time(v.micros),
        Some(offset_seconds) => Cell::TimeTz { micros: v.micros, offset_seconds },
    };
    Timestamp => |v| match v.is_utc() {
        true => Cell::TimestampTz(v.micros_since_2000()),
        false => Cell::Timestamp(v.micros_since_2000()),
    };
}

impl<T: AsRef<str>> AsCell for Decimal<T> {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Decimal(self.0.as_ref())
    }
}

impl<T: AsRef<str>> AsCell for Json<T> {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Json(self.0.as_ref())
    }
}

impl AsCell for Cell<'_> {
    fn as_cell(&self) -> Cell<'_> {
        *self
    }
}

impl<T: AsCell + ?Sized> AsCell for &T {
    fn as_cell(&self) -> Cell<'_> {
        (**self).as_cell()
    }
}

impl<T: AsCell> AsCell for Option<T> {
    fn as_cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, AsCell::as_cell)
    }
}
