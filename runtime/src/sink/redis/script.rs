//! The scripts, called by their digest. A server that does not know one (new, restarted, flushed) is given it, and asked again.

use std::sync::LazyLock;

pub(super) struct Script {
    pub(super) source: &'static str,
    sha: LazyLock<String>,
}

impl Script {
    /// By which the server knows it.
    pub(super) fn sha(&self) -> &str {
        &self.sha
    }
}

pub(super) static GUARD: Script = Script {
    source: include_str!("guard.lua"),
    sha: LazyLock::new(|| redis::Script::new(include_str!("guard.lua")).get_hash().to_owned()),
};

pub(super) static APPEND: Script = Script {
    source: include_str!("append.lua"),
    sha: LazyLock::new(|| redis::Script::new(include_str!("append.lua")).get_hash().to_owned()),
};
