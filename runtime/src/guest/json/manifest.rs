//! What a guest in JSON says of itself.

use super::Unreadable;
use crate::guest::error::clip;
use crate::guest::instance::{Manifest, WireSubscription};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default = "usual_name")]
    name: String,
    #[serde(default = "usual_version")]
    version: String,
    subscriptions: Vec<Wish>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    stateful: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    table: String,
    #[serde(default)]
    operations: Vec<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    old: bool,
}

fn usual_name() -> String {
    "json".into()
}

fn usual_version() -> String {
    "0".into()
}

/// The manifest that a guest of the other world would have given.
///
/// # Errors
/// If it is another JSON, or none.
pub(in crate::guest) fn manifest(text: &str) -> Result<Manifest, Unreadable> {
    let said: Said = serde_json::from_str(text)
        .map_err(|e| Unreadable(format!("{}; wit/JSON.md says what belongs there", clip(&e.to_string(), 256))))?;
    let subscription = |wish: Wish| WireSubscription {
        table: wish.table,
        operations: wish.operations,
        columns: wish.columns,
        old: wish.old,
    };
    Ok(Manifest {
        name: said.name,
        version: said.version,
        // The host makes the frames itself.
        frame: sluicegate_frame::VERSION,
        subscriptions: said.subscriptions.into_iter().map(subscription).collect(),
        routes: said.routes,
        stateful: said.stateful,
        extra: Vec::new(),
    })
}
