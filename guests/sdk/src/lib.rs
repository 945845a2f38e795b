//! Write a Sluicegate guest in Rust: one function that judges each changed row, compiled to WebAssembly, tested natively.
//!
//! ```
//! use sluicegate_guest::prelude::*;
//!
//! // A delete has its key alone unless the table says otherwise, so this guest leaves deletes out.
//! #[transform(
//!     table = "public.package_status",
//!     columns = ["package_id", "customer_id", "status"],
//!     operations = ["insert", "update"],
//!     routes = ["customer"]
//! )]
//! fn to_customer(row: &mut Row, cx: &Ctx) -> Result<Verdict> {
//!     if row.text("status")? == cx.config_or("skip", "Package Posted") {
//!         return Ok(drop_row());
//!     }
//!     Ok(route("customer").member(row.int("customer_id")?).key(row.int("package_id")?).into())
//! }
//!
//! use sluicegate_guest::testing::{TestRow, run};
//! let moved = TestRow::insert("public.package_status")
//!     .int("package_id", 7)
//!     .int("customer_id", 2)
//!     .text("status", "In Transit")
//!     .key("package_id");
//! assert_eq!(run::<to_customer>(&moved).message().member.as_deref(), Some("2"));
//! ```
//!
//! | verdict | the row goes |
//! |---|---|
//! | [`pass`] | to every route that matches, with the edits recorded on it ([`Row::set`], [`Row::unset`], [`Row::add`]) |
//! | [`drop_row`] | nowhere |
//! | [`route`] | to the named route, member and key, as the row or with a body of your own |
//! | [`emit`] | as any number of such messages |
//! | [`reject`], or an error | to the pipeline's policy for bad rows |
//!
//! The function, the attribute's `init`, and everything they call may use all of Rust that needs no files, network, clock or
//! threads. A panic is logged with its place; the host then blames the row and goes on with the next one.
//!
//! What the attribute takes stands with [`macro@transform`]; natively, [`testing`] runs the function through the same bytes
//! that cross the border.

extern crate self as sluicegate_guest;

mod calendar;
mod context;
mod decimal;
mod host;
mod image;
mod rejection;
mod row;
mod running;
mod schema;
mod value;
mod verdict;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use calendar::{Date, Interval, Time, Timestamp, Uuid};
pub use context::{Config, Ctx};
pub use host::Level;
pub use image::Image;
pub use rejection::{Rejection, Result};
pub use row::Row;
pub use running::{Failure, Manifest, Running, Transform, start};
pub use schema::{Column, Schema};
pub use sluicegate_frame::{Array, Cell, Op, Tag};
pub use sluicegate_guest_macros::transform;
pub use value::{AsCell, Decimal, Json};
pub use verdict::{Judgement, Message, Verdict, drop_row, emit, pass, reject, route};

/// Everything that most guests need.
pub mod prelude {
    pub use crate::{Config, Ctx, Op, Rejection, Result, Row, Verdict, drop_row, emit, pass, reject, route, transform};
}

#[cfg(target_family = "wasm")]
#[rustfmt::skip]
pub mod bindings;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use component::Component;

/// The examples of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-guests.md")]
struct Guide;
