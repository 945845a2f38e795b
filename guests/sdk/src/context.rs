//! What a transform has besides its row: configuration, state, log and counters. There is nothing else to be had: no files,
//! no network, no clock.

use crate::host::{self, Level};
use std::fmt::Display;

/// The keys and values of `[guest.NAME] config` in the pipeline's TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Vec<(String, String)>);

impl Config {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// For `init`: the value, or a message that says which key the pipeline lacks.
    ///
    /// # Errors
    /// If the key is not set.
    pub fn required(&self, key: &str) -> Result<&str, String> {
        self.get(key).ok_or_else(|| format!("config `{key}` is missing; set it in the guest's table of pipeline.toml"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// What stays the same from row to row. `S` is what `init` returned; `()` without one.
#[derive(Debug)]
pub struct Ctx<S = ()> {
    config: Config,
    state: S,
}

impl<S> Ctx<S> {
    pub(crate) fn new(config: Config, state: S) -> Self {
        Self { config, state }
    }

    /// A value of the guest's configuration.
    pub fn config(&self, key: &str) -> Option<&str> {
        self.config.get(key)
    }

    pub fn config_or<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.config.get(key).unwrap_or(default)
    }

    /// What `init` returned. It is shared by all rows; what changes from row to row needs a `Cell` or `RefCell`, and
    /// `stateful = true` in the attribute.
    pub fn state(&self) -> &S {
        &self.state
    }

    pub fn error(&self, text: impl Display) {
        host::log(Level::Error, &text.to_string());
    }

    pub fn warn(&self, text: impl Display) {
        host::log(Level::Warn, &text.to_string());
    }

    /// One line to the host's log. Never a value of a row: logs travel further than data may.
    pub fn info(&self, text: impl Display) {
        host::log(Level::Info, &text.to_string());
    }

    pub fn debug(&self, text: impl Display) {
        host::log(Level::Debug, &text.to_string());
    }

    /// Adds to a counter of this guest, shown in the host's metrics.
    pub fn counter(&self, name: &str, n: u64) {
        host::counter(name, n);
    }
}
