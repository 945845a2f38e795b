//! What the project does to itself: real servers to try things on, customers that misbehave on purpose, and the four
//! commands that use them.
//!
//! The library half is what integration tests of the runtime use as well: [`servers`] starts a private PostgreSQL,
//! [`customers`] are HTTP receivers that keep a record, [`registry`] keeps schemas, [`audit`] compares that record with what was written, [`host`] runs
//! the `sluicegate` binary, and [`kill`] puts the four together under a hail of `kill -9`.

pub mod audit;
pub mod bench;
pub mod build;
pub mod conform;
pub mod customers;
pub mod demo;
pub mod host;
pub mod items;
pub mod kill;
pub mod languages;
pub mod parcels;
pub mod process;
pub mod registry;
pub mod ring;
pub mod servers;
pub mod simulate;
pub mod suite;
/// The runtime's own, included and not linked: every command would wait for the whole runtime to be compiled otherwise.
#[path = "../../src/workshop/toolchain.rs"]
pub mod toolchain;
pub mod topic;
pub mod torture;
