//! What a guest may call, and what it is held to: a log line, a counter, nothing else. WASI is there because toolchains link
//! it, but it is empty: no files, no network, no environment, no waiting.

use super::Generation;
use super::deadline::Deadline;
use super::error::clip;
use super::limits::{
    COUNTER_NAME_BYTES_MAX, COUNTERS_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_PER_SECOND_MAX, TABLE_ELEMENTS_MAX,
};
use crate::telemetry::{GuestStats, count};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// The typed side of the border, made from the WIT.
pub(super) mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/sluicegate.wit", world: "transform" });
}

use bindings::sluicegate::guest::host::{Host, Level};

/// Everything that belongs to one instance on the host's side.
pub(super) struct State {
    pub(super) voice: Voice,
    pub(super) memory: Memory,
    pub(super) deadline: Deadline,
    /// The last error line of the running call: a panic's message, as the SDK logs it before the trap.
    pub(super) last_words: Option<String>,
    /// Made when the guest first asks for it; guests built with the SDK never do.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl State {
    pub(super) fn new(voice: Voice, memory_bytes_max: usize) -> Self {
        Self {
            voice,
            memory: Memory { used_bytes: 0, max_bytes: memory_bytes_max, denied_bytes: None },
            deadline: Deadline::new(),
            last_words: None,
            wasi: None,
            table: ResourceTable::new(),
        }
    }
}

/// Every function that a guest can be linked to.
pub(super) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    bindings::Transform::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    // The epoch does not end a call that waits inside the host, so nothing may wait.
    linker.allow_shadowing(true);
    let mut clock = linker.instance(MONOTONIC_CLOCK)?;
    for wait in ["subscribe-duration", "subscribe-instant"] {
        clock.func_wrap(wait, |_, (_,): (u64,)| -> Result<(Resource<DynPollable>,)> {
            Err(wasmtime::Error::msg("a guest can not sleep: it would hold up every row behind it"))
        })?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}

/// The version that this wasmtime-wasi has; a test fails when the two part.
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut wasi = WasiCtxBuilder::new();
            wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).build()
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// Linear memory in use, and whether more was asked for than the limit allows.
pub(super) struct Memory {
    pub(super) used_bytes: usize,
    max_bytes: usize,
    /// What it would have had, when it was refused.
    pub(super) denied_bytes: Option<usize>,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let memory = &mut self.memory;
        let wanted = memory.used_bytes.saturating_add(desired.saturating_sub(current));
        if wanted > memory.max_bytes {
            memory.denied_bytes = Some(wanted);
            // A trap and not a refusal: an allocator that gets null back aborts anyway, but far from the cause.
            return Err(wasmtime::Error::msg("the limit of memory is reached"));
        }
        memory.used_bytes = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

/// Under whose name an instance speaks.
#[derive(Clone)]
pub(super) struct Voice {
    pub(super) pipeline: Arc<str>,
    pub(super) guest: Arc<str>,
    pub(super) generation: Generation,
    /// `None` while rows are only tried: nothing is logged and nothing counted.
    pub(super) audience: Option<Arc<Audience>>,
}

/// Where the log lines and counters of a guest go, whatever its generation.
pub(super) struct Audience {
    pub(super) stats: Arc<GuestStats>,
    gate: Mutex<Gate>,
}

impl Audience {
    pub(super) fn new(stats: Arc<GuestStats>) -> Self {
        Self { stats, gate: Mutex::new(Gate { second: Instant::now(), lines: 0 }) }
    }
}

/// Lines in the running second.
struct Gate {
    second: Instant,
    lines: u32,
}

impl Gate {
    fn admit(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second).as_secs() >= 1 {
            *self = Gate { second: now, lines: 0 };
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= LOG_LINES_PER_SECOND_MAX
    }
}

impl bindings::sluicegate::guest::types::Host for State {}

impl Host for State {
    fn log(&mut self, level: Level, text: String) {
        if matches!(level, Level::Error) {
            self.last_words = Some(clip(&text, LOG_LINE_BYTES_MAX));
        }
        let Some(audience) = &self.voice.audience else { return };
        if !audience.gate.lock().expect("no panic while a line is counted").admit(Instant::now()) {
            count(&audience.stats.log_dropped_total);
            return;
        }
        let Voice { pipeline, guest, generation, .. } = &self.voice;
        let (pipeline, guest, generation) = (&**pipeline, &**guest, &*generation.0);
        let text = clip(&text, LOG_LINE_BYTES_MAX);
        // A guest's error is about a row and not about this process: nobody has to get up for it.
        match level {
            Level::Error | Level::Warn => tracing::warn!(target: "guest", pipeline, guest, generation, "{text}"),
            Level::Info => tracing::info!(target: "guest", pipeline, guest, generation, "{text}"),
            Level::Debug => tracing::debug!(target: "guest", pipeline, guest, generation, "{text}"),
        }
    }

    fn counter(&mut self, name: String, n: u64) {
        let Some(audience) = &self.voice.audience else { return };
        let mut counters = audience.stats.counters.lock().expect("no panic while a counter is written");
        if let Some(value) = counters.get_mut(&name) {
            *value = value.saturating_add(n);
        } else if counters.len() < COUNTERS_MAX && name.len() <= COUNTER_NAME_BYTES_MAX {
            counters.insert(name, n);
        } else {
            audience.stats.log_dropped_total.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_beyond_the_rate_wait_for_the_next_second() {
        let start = Instant::now();
        let mut gate = Gate { second: start, lines: 0 };
        let admitted = (0..1000).filter(|_| gate.admit(start)).count();
        assert_eq!(admitted, LOG_LINES_PER_SECOND_MAX as usize);
        assert!(gate.admit(start + Duration::from_secs(1)));
    }

    #[test]
    fn counters_of_a_guest_are_bounded_in_number_and_name() {
        let stats = Arc::new(GuestStats::default());
        let voice = Voice {
            pipeline: "p".into(),
            guest: "g".into(),
            generation: Generation("000000".into()),
            audience: Some(Arc::new(Audience::new(stats.clone()))),
        };
        let mut state = State::new(voice, 0);
        for n in 0..1000 {
            state.counter(format!("c{n}"), 1);
        }
        state.counter("c0".into(), u64::MAX);
        state.counter("x".repeat(65), 1);
        let counters = stats.counters.lock().expect("counters");
        assert_eq!(counters.len(), COUNTERS_MAX);
        assert_eq!(counters["c0"], u64::MAX, "a counter stops at its end instead of beginning anew");
    }
}
