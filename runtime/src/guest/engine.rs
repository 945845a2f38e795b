//! The one WebAssembly engine of the process, and the clock that ends endless loops.

use super::GuestError;
use super::error::one_line;
use super::imports::{self, State};
use super::limits::{MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// How often running guests look at the clock.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Instances that live at once: two per guest while the old code is kept warm, and one being prepared.
const INSTANCES_MAX: u32 = 512;
/// Slots whose pages are kept for the next instance of the same guest.
const WARM_SLOTS_MAX: u32 = 8;
/// Bytes of a slot that are cleared by hand instead of being given back to the system: a recycled guest touches them anyway.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// Compiles and runs guests. One per process; clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<State>,
}

impl Engine {
    /// Starts the engine and the thread of its clock, which ends with the last clone.
    ///
    /// # Errors
    /// If the system gives neither address space nor threads.
    pub fn new() -> Result<Self, GuestError> {
        let failed = |e: wasmtime::Error| GuestError::Engine { reason: one_line(&e) };
        // Address space can be limited (ulimit -v, small containers' policies): the pool is an optimisation then gone.
        let engine =
            wasmtime::Engine::new(&config(true)).or_else(|_| wasmtime::Engine::new(&config(false))).map_err(failed)?;
        let linker = imports::linker(&engine).map_err(failed)?;
        tick(&engine).map_err(|e| GuestError::Engine { reason: e.to_string() })?;
        Ok(Self(Arc::new(Inner { engine, linker })))
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.engine
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }
}

fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // A call costs 104 ns without it and 315 ns with it.
        .concurrency_support(false)
        // +19 % of running time; counting fuel is +86 %.
        .epoch_interruption(true)
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(INSTANCES_MAX)
            .total_core_instances(INSTANCES_MAX * 4)
            .total_memories(INSTANCES_MAX)
            .total_tables(INSTANCES_MAX * 2)
            .max_memories_per_module(1)
            .max_tables_per_module(2)
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_memory_size(MEMORY_BYTES_MAX)
            .max_unused_warm_slots(WARM_SLOTS_MAX)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(16 << 10);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Advances the epoch until the engine is gone.
fn tick(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("guest-clock".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
