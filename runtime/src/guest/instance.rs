//! One running guest: a Store of its own, every call with a deadline, every failure with its name.

use super::error::{clip, one_line};
use super::imports::{State, Voice};
use super::limits::{Limits, MESSAGE_BYTES_MAX, START_LIMIT};
use super::world::{Exports, Linked};
use super::{GuestError, Rejection};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use wasmtime::{Store, Trap, WasmBacktrace};

pub(super) use super::imports::bindings::sluicegate::guest::types::{
    Column as WireColumn, Failure, Manifest, Subscription as WireSubscription, TableSchema,
};

/// What a guest did that its instance does not survive.
#[derive(Clone, Debug)]
pub(super) struct Breakage {
    /// `trap`, `deadline`, `memory`, `output` or `garbage`.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) backtrace: Option<String>,
}

impl Breakage {
    pub(super) fn garbage(reason: impl std::fmt::Display) -> Self {
        Self { code: "garbage", message: format!("its answer can not be read: {reason}"), backtrace: None }
    }

    pub(super) fn into_rejection(self) -> Rejection {
        Rejection { code: self.code.into(), message: self.message, backtrace: self.backtrace }
    }

    pub(super) fn in_step(self, step: &'static str) -> GuestError {
        GuestError::Start { step, code: self.code, reason: clip(&self.message, MESSAGE_BYTES_MAX) }
    }
}

/// A guest in memory. After a `Breakage` it must not be called again: a trap poisons its whole Store.
pub(super) struct Instance {
    store: Store<State>,
    guest: Exports,
    limits: Limits,
    /// Linear memory after the start, before any row.
    base_bytes: usize,
}

impl Instance {
    /// A fresh instance, with nothing called yet. 18 to 55 µs.
    pub(super) fn new(pre: &Linked, voice: Voice, limits: Limits) -> Result<Self, Breakage> {
        let mut store = Store::new(pre.engine(), State::new(voice, limits.memory_bytes));
        store.limiter(|state| state);
        // What the host copies out of the guest in one go, the answer included.
        store.set_hostcall_fuel(limits.output_bytes);
        store.epoch_deadline_callback(|cx| {
            Ok(match cx.data().deadline.remaining() {
                Some(ticks) => wasmtime::UpdateDeadline::Continue(ticks),
                None => wasmtime::UpdateDeadline::Interrupt,
            })
        });
        let ticks = store.data_mut().deadline.begin(START_LIMIT, Instant::now());
        store.set_epoch_deadline(ticks);
        let guest = pre.instantiate(&mut store);
        match guest {
            Ok(guest) => {
                let base_bytes = store.data().memory.used_bytes;
                Ok(Self { store, guest, limits, base_bytes })
            }
            Err(error) => Err(breakage(&error, store.data_mut(), &limits)),
        }
    }

    pub(super) fn describe(&mut self) -> Result<Manifest, Breakage> {
        self.call(START_LIMIT, Instant::now(), |guest, store| guest.describe(store))
    }

    pub(super) fn init(&mut self, config: &[(String, String)]) -> Result<Result<(), String>, Breakage> {
        let answer = self.call(START_LIMIT, Instant::now(), |guest, store| guest.init(store, config));
        self.base_bytes = self.store.data().memory.used_bytes;
        answer
    }

    pub(super) fn on_schema(&mut self, schema: &TableSchema) -> Result<Result<(), String>, Breakage> {
        self.call(START_LIMIT, Instant::now(), |guest, store| guest.on_schema(store, schema))
    }

    /// The hot call: an encoded frame of `rows` rows in, encoded verdicts out.
    pub(super) fn transform(
        &mut self,
        frame: &[u8],
        rows: usize,
        now: Instant,
    ) -> Result<Result<Vec<u8>, Failure>, Breakage> {
        self.call(self.limits.call(rows), now, |guest, store| guest.transform(store, frame))
    }

    /// What the host makes of a frame for a guest that does not read frames.
    pub(super) fn told(&self, frame: &[u8]) -> Option<String> {
        self.guest.told(frame)
    }

    /// Whether it has eaten three quarters of what it had at the beginning: a leak ends here and not in a trap.
    pub(super) fn is_bloated(&self) -> bool {
        let used = self.store.data().memory.used_bytes;
        let room = self.limits.memory_bytes.saturating_sub(self.base_bytes);
        used > self.base_bytes + room / 4 * 3
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.store.data().memory.used_bytes
    }

    /// It goes on on another thread.
    pub(super) fn change_thread(&mut self) {
        self.store.data_mut().deadline.forget();
    }

    fn call<R>(
        &mut self,
        limit: Duration,
        now: Instant,
        call: impl FnOnce(&mut Exports, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, Breakage> {
        let ticks = self.store.data_mut().deadline.begin(limit, now);
        self.store.set_epoch_deadline(ticks);
        let (guest, store) = (&mut self.guest, &mut self.store);
        // A panic of the runtime on hostile code must cost the guest and not the process; the Store is thrown away after it.
        match catch_unwind(AssertUnwindSafe(|| call(guest, store))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(breakage(&error, self.store.data_mut(), &self.limits)),
            Err(_) => {
                Err(Breakage { code: "trap", message: "the engine failed on this guest".into(), backtrace: None })
            }
        }
    }
}

/// Names what happened. The Store knows more than the error: a refused memory looks like any other trap.
fn breakage(error: &wasmtime::Error, state: &mut State, limits: &Limits) -> Breakage {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    let last_words = state.last_words.take();
    let (code, message) = match error.downcast_ref::<Trap>() {
        _ if state.memory.denied_bytes.is_some() => {
            let wanted = state.memory.denied_bytes.unwrap_or_default();
            ("memory", format!("it asks for {wanted} bytes of memory, the limit is {}", limits.memory_bytes))
        }
        Some(Trap::Interrupt) => {
            ("deadline", format!("it is not done after {} ms, its limit", state.deadline.limit().as_millis()))
        }
        Some(trap) => ("trap", last_words.map_or_else(|| trap.to_string(), |words| format!("{words} ({trap})"))),
        // The engine's type for it is private; a test holds the words.
        None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
            ("output", format!("it hands over more than {} bytes at once, the limit of output", limits.output_bytes))
        }
        // Without a place inside the guest it was our side that could not read the answer.
        None if backtrace.is_none() => ("garbage", format!("its answer can not be read: {}", one_line(error))),
        None => ("trap", clip(&error.root_cause().to_string(), MESSAGE_BYTES_MAX)),
    };
    Breakage { code, message, backtrace }
}
