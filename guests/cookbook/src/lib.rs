//! Ten tasks that guests are written for, each a guest of its own: `docs/cookbook.md` shows what stands above the tests of each file.
//!
//! A module of WebAssembly is one guest, so only the first of them is compiled to one; the others are here to be tested and read.

#[cfg(not(target_family = "wasm"))]
pub mod by_hand;
#[cfg(not(target_family = "wasm"))]
pub mod by_value;
#[cfg(not(target_family = "wasm"))]
pub mod counter;
#[cfg(not(target_family = "wasm"))]
pub mod debounce;
#[cfg(not(target_family = "wasm"))]
pub mod derived_key;
#[cfg(not(target_family = "wasm"))]
pub mod enrich;
pub mod mask;
#[cfg(not(target_family = "wasm"))]
pub mod noise;
#[cfg(not(target_family = "wasm"))]
pub mod one_to_many;
#[cfg(not(target_family = "wasm"))]
pub mod tenants;
