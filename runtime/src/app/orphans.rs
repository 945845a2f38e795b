//! Decides about lanes whose members are gone: what waits for them becomes dead letters, or is dropped. Never while a member may be
//! coming back: its lane would go on with messages that are not there any more.

use crate::admin::Registry;
use crate::store::{LaneName, Store};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, watch};
use tracing::warn;

/// The desk for lanes that nobody runs.
pub struct Orphans {
    store: Arc<dyn Store>,
    registry: watch::Receiver<Arc<Registry>>,
    /// Held while members come and go.
    changing: Mutex<()>,
}

impl Orphans {
    pub fn new(store: Arc<dyn Store>, registry: watch::Receiver<Arc<Registry>>) -> Self {
        Self { store, registry, changing: Mutex::default() }
    }

    /// Nothing is decided while the guard lives.
    pub async fn hold(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Empties a lane whose member is gone; how many messages waited.
    ///
    /// # Errors
    /// If there is no such lane, or it is one that runs, in a sentence with the remedy.
    pub async fn clear(&self, name: &LaneName, reason: Option<String>) -> Result<u64, String> {
        let _still = self.hold().await;
        let registry = self.registry.borrow().clone();
        let LaneName { pipeline, target, member } = name;
        if registry.lanes().iter().any(|lane| lane.is(pipeline, target, member)) {
            return Err(format!("{} is in the configuration and is delivered; take it out first", shown(name)));
        }
        let orphans = registry.orphans();
        let Some((_, record)) = orphans.iter().find(|(orphan, _)| orphan == name) else {
            return Err(format!("nothing waits for {} that nobody delivers; see `sluicegate dead lanes`", shown(name)));
        };
        let is_dropped = reason.is_none();
        let messages = self.store.clear_lane(record.id, reason).await.map_err(|e| e.to_string())?;
        warn!(%pipeline, %target, %member, messages, is_dropped, "what waited for a lane that is gone was taken from it");
        registry.set_orphans(orphans.into_iter().filter(|(orphan, _)| orphan != name).collect());
        Ok(messages)
    }
}

/// As `sluicegate dead lanes` writes it.
fn shown(LaneName { pipeline, target, member }: &LaneName) -> String {
    if member.is_empty() { format!("{pipeline}/{target}") } else { format!("{pipeline}/{target}/{member}") }
}
