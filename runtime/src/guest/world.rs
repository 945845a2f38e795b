//! The two worlds that a guest may be of. To the rest of the host they are one: it speaks frames, and with a guest of the world `json`
//! through a translator.

use super::engine::Engine;
use super::error::one_line;
use super::imports::State;
use super::imports::bindings::{Transform, TransformPre};
use super::instance::{Failure, Manifest, TableSchema};
use super::json::{self, Translator};
use super::{GuestError, World};
use std::result::Result as Answer;
use std::time::Instant;
use wasmtime::component::{Component, InstancePre};
use wasmtime::{Error, Result, Store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/sluicegate.wit",
        world: "json",
        with: { "sluicegate:guest/host": crate::guest::imports::bindings::sluicegate::guest::host },
    });
}

use bindings::{Json, JsonPre};

/// Compiled code, linked to the host's functions and checked against its world.
pub(super) enum Linked {
    Transform(TransformPre<State>),
    Json(JsonPre<State>),
}

/// The functions of an instance. An answer that can not be read is an error without a place in the guest: see `instance.rs`.
pub(super) enum Exports {
    Transform(Transform),
    Json { guest: Json, translator: Translator },
}

impl Linked {
    /// # Errors
    /// If it does not fit the world whose functions it exports.
    pub(super) fn new(engine: &Engine, component: &Component) -> Answer<Self, GuestError> {
        let mismatch = |e: Error| GuestError::Mismatch { reason: one_line(&e) };
        let pre: InstancePre<State> = engine.linker().instantiate_pre(component).map_err(mismatch)?;
        let component_type = component.component_type();
        let exports = component_type.exports(engine.wasmtime()).map(|(name, _)| name);
        Ok(match World::of(exports) {
            World::Transform => Self::Transform(TransformPre::new(pre).map_err(mismatch)?),
            World::Json => Self::Json(JsonPre::new(pre).map_err(mismatch)?),
        })
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        match self {
            Self::Transform(pre) => pre.engine(),
            Self::Json(pre) => pre.engine(),
        }
    }

    pub(super) fn world(&self) -> World {
        match self {
            Self::Transform(_) => World::Transform,
            Self::Json(_) => World::Json,
        }
    }

    pub(super) fn instantiate(&self, store: &mut Store<State>) -> Result<Exports> {
        Ok(match self {
            Self::Transform(pre) => Exports::Transform(pre.instantiate(store)?),
            Self::Json(pre) => Exports::Json { guest: pre.instantiate(store)?, translator: Translator::default() },
        })
    }
}

impl Exports {
    pub(super) fn describe(&self, store: &mut Store<State>) -> Result<Manifest> {
        match self {
            Self::Transform(guest) => guest.call_describe(store),
            Self::Json { guest, .. } => json::manifest(&guest.call_describe(store)?).map_err(Error::new),
        }
    }

    pub(super) fn init(&self, store: &mut Store<State>, config: &[(String, String)]) -> Result<Answer<(), String>> {
        match self {
            Self::Transform(guest) => guest.call_init(store, config),
            Self::Json { guest, .. } => guest.call_init(store, &json::config(config)),
        }
    }

    /// A guest in JSON needs not be told, for its rows have names; its translator does.
    pub(super) fn on_schema(&mut self, store: &mut Store<State>, schema: &TableSchema) -> Result<Answer<(), String>> {
        match self {
            Self::Transform(guest) => guest.call_on_schema(store, schema),
            Self::Json { translator, .. } => {
                translator.learn(schema);
                Ok(Ok(()))
            }
        }
    }

    /// A frame of rows in, the verdicts about them out, whatever the guest itself reads and writes.
    pub(super) fn transform(&self, store: &mut Store<State>, frame: &[u8]) -> Result<Answer<Vec<u8>, Failure>> {
        match self {
            Self::Transform(guest) => guest.call_transform(store, frame),
            Self::Json { guest, translator } => {
                let rows = translator.rows(frame).map_err(Error::new)?;
                // What the host spent on this is not the guest's time.
                let deadline = &mut store.data_mut().deadline;
                let ticks = deadline.begin(deadline.limit(), Instant::now());
                store.set_epoch_deadline(ticks);
                Ok(match guest.call_judge(store, &rows)? {
                    Ok(verdicts) => Ok(translator.verdicts(frame, &verdicts).map_err(Error::new)?),
                    Err(message) => Err(Failure { code: String::new(), message }),
                })
            }
        }
    }

    /// The share of the host in such a call: what a guest in JSON costs before it is called.
    pub(super) fn told(&self, frame: &[u8]) -> Option<String> {
        match self {
            Self::Transform(_) => None,
            Self::Json { translator, .. } => translator.rows(frame).ok(),
        }
    }
}
