//! Sluicegate: every row change, through your WebAssembly, to each customer on time.
//!
//! The house is a ring, walked clockwise. Rows go out through bounded channels; home comes only a receipt.
//!
//! ```text
//! log ─▶ source ══batch══▶ pipeline ══message══▶ lane ──deliver──▶ sink ─▶ HTTP
//!         ▲                 │   ▲                 │ settle(ticket)
//!         │                 │   └── guest (Wasm)  │
//!         └── confirmed ── store ◀───settled─── ledger
//! ```
//!
//! Begin with [`change`], the data that travels; then [`source`] to see a batch being filled, [`pipeline`] to see it become
//! messages, [`lane`] to see them delivered, [`ledger`] to see what comes home. [`app`] puts it all together. [`workshop`] is no part
//! of the ring: it is what authors of guests use.

pub mod address;
pub mod admin;
pub mod app;
pub mod change;
pub mod cli;
pub mod config;
pub mod fault;
pub mod guest;
pub mod lane;
pub mod ledger;
pub mod pipeline;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod whole;
pub mod workshop;
