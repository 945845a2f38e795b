//! The ring of one source: its thread, and the two tasks that close it.
//!
//! ```text
//!   source's thread ──intake─▶ dispatch ──ticket─▶ pipelines ─▶ lanes
//!         ▲                                                       │ settle
//!         └───────────safe─── checkpoint ◀──paid── ledger ◀───────┘
//! ```

use crate::change::{Batch, Position};
use crate::ledger::{Ledger, Ticket};
use crate::source::{Intake, Narrow, Source, SourceError};
use crate::store::{Checkpoint, Store, StoreError};
use crate::telemetry::{Note, SourceStats};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::error;

/// Batches between a source's thread and its dispatcher.
const INTAKE_LEN_MAX: usize = 2;
/// Checkpoints are written at most this often: one write to disk is cheaper than one per batch, and what is not confirmed
/// yet is merely read again after a crash.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(50);
/// A checkpoint that could not be written is tried again after this time; nothing is confirmed meanwhile.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(1);

/// A pipeline that reads from the source.
pub struct Reader {
    pub inbox: mpsc::Sender<(Arc<Batch>, Ticket)>,
    /// What it may see.
    pub narrow: Narrow,
}

/// Where a batch goes.
pub type Readers = Vec<Reader>;

/// What a source's checkpoints are filed under.
#[derive(Clone, Debug)]
pub struct Stream {
    pub source: String,
    pub stream: String,
}

impl Stream {
    /// Up to where it was delivered when it ran last.
    ///
    /// # Errors
    /// If the state can not be read or written.
    pub fn known(&self, store: &dyn Store) -> Result<Option<Checkpoint>, StoreError> {
        let known = store.checkpoint(&self.source, &self.stream)?;
        if known.is_none() {
            // It begins anew, perhaps on another server: what lanes had of it before must not make them drop what comes now.
            store.forget_marks(&self.source)?;
        }
        Ok(known)
    }
}

/// What a ring is made of beside its source.
pub struct RingSettings {
    pub stream: Stream,
    pub store: Arc<dyn Store>,
    pub readers: Readers,
    pub stats: Arc<SourceStats>,
    /// Turns true when the house drains.
    pub closes: watch::Receiver<bool>,
    /// Hears the source's name and how it ended.
    pub ended: mpsc::UnboundedSender<(String, Result<(), SourceError>)>,
}

/// One source with its two tasks.
pub struct Ring {
    pub name: String,
    pub ledger: Ledger,
    pub unsaved: Arc<Note>,
    pub stop: Arc<AtomicBool>,
    pub safe: watch::Receiver<Option<Position>>,
    /// Returns the intake, so that the source finds it full rather than gone while the house drains.
    pub dispatcher: JoinHandle<mpsc::Receiver<Batch>>,
    pub checkpoint: JoinHandle<()>,
}

impl Ring {
    /// # Errors
    /// If the system has no thread for the source.
    pub fn start(adapter: Box<dyn Source>, settings: RingSettings) -> Result<Self, String> {
        let RingSettings { stream, store, readers, stats, closes, ended } = settings;
        let name = stream.source.clone();
        let ledger = Ledger::new();
        let (safe_in, safe) = watch::channel(None);
        let unsaved = Arc::new(Note::default());
        let checkpoint = tokio::spawn(checkpoint(stream, store, ledger.confirmed(), safe_in, unsaved.clone()));
        let (batches, intake) = mpsc::channel(INTAKE_LEN_MAX);
        let dispatcher = tokio::spawn(dispatch(intake, ledger.clone(), readers, closes));
        let stop = Arc::new(AtomicBool::new(false));
        let intake = Intake { batches, confirmed: safe.clone(), stop: stop.clone(), stats };
        let source = name.clone();
        std::thread::Builder::new()
            .name(format!("source-{source}"))
            .spawn(move || {
                let result = adapter.run(intake);
                // Nobody listens any more when the house has already stopped.
                let _ = ended.send((source, result));
            })
            .map_err(|e| format!("a thread for the source can not be started: {e}"))?;
        Ok(Self { name, ledger, unsaved, stop, safe, dispatcher, checkpoint })
    }
}

/// Opens a ticket for each batch and hands it to every pipeline. Ends when the source or a pipeline is gone, or when
/// `closing` turns true: what was not handed over is read again.
async fn dispatch(
    mut batches: mpsc::Receiver<Batch>,
    ledger: Ledger,
    mut readers: Readers,
    mut closing: watch::Receiver<bool>,
) -> mpsc::Receiver<Batch> {
    loop {
        let batch = tokio::select! {
            biased;
            // 1. Closing first: a source that never pauses must not keep us here.
            _ = closing.wait_for(|closing| *closing) => return batches,
            // 2. The next batch.
            batch = batches.recv() => match batch {
                Some(batch) => batch,
                None => return batches,
            },
        };
        let shares = if batch.is_empty() { 0 } else { readers.len() as u64 };
        let ticket = ledger.open(batch.confirms.clone(), shares);
        if shares == 0 {
            continue;
        }
        let batch = Arc::new(batch);
        for Reader { inbox, narrow } in &mut readers {
            let batch = narrow.batch(&batch);
            if batch.is_empty() {
                ticket.settle();
                continue;
            }
            tokio::select! {
                biased;
                // 1. A batch that is handed to some pipelines only stays unpaid, and is read again.
                _ = closing.wait_for(|closing| *closing) => return batches,
                // 2. Waiting here is what stops the source.
                sent = inbox.send((batch, ticket.clone())) => if sent.is_err() {
                    return batches;
                },
            }
        }
    }
}

/// Writes each position that the ledger lets go, and only then shows it to the source. `unsaved` says why not, while it can not.
async fn checkpoint(
    stream: Stream,
    store: Arc<dyn Store>,
    mut paid: watch::Receiver<Option<Position>>,
    safe: watch::Sender<Option<Position>>,
    unsaved: Arc<Note>,
) {
    while paid.changed().await.is_ok() {
        let Some(position) = paid.borrow_and_update().clone() else { continue };
        let Stream { source, stream } = stream.clone();
        let checkpoint = Checkpoint { source, stream, position: position.to_string() };
        loop {
            match store.save(checkpoint.clone()).await {
                Ok(()) => break,
                Err(reason) => {
                    error!(%reason, "checkpoint not written; nothing is confirmed until it is");
                    unsaved.set(reason.to_string());
                }
            }
            tokio::time::sleep(CHECKPOINT_RETRY).await;
        }
        unsaved.clear();
        safe.send_replace(Some(position));
        tokio::time::sleep(CHECKPOINT_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Lsn;
    use crate::store::{
        DeadFilter, DeadId, DeadLetter, DeadSummary, LaneId, LaneName, LaneRecord, Loaded, Park, Revive, Revived, Seq,
        Settlement, StoreError, Window,
    };
    use futures_util::future::BoxFuture;
    use std::sync::Mutex;

    const ONLY_SAVES: &str = "the ring only saves";

    /// Fails the first time, as a full disk that is cleared would.
    #[derive(Default)]
    struct Flaky(Mutex<Vec<String>>);

    impl Store for Flaky {
        fn checkpoint(&self, _: &str, _: &str) -> Result<Option<Checkpoint>, StoreError> {
            Ok(None)
        }

        fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), StoreError>> {
            let mut saved = self.0.lock().expect("no panic here");
            saved.push(checkpoint.position);
            let first = if saved.len() == 1 { Err(StoreError::Owned { path: "state".into() }) } else { Ok(()) };
            Box::pin(async move { first })
        }

        fn forget_marks(&self, _: &str) -> Result<(), StoreError> {
            unreachable!("{ONLY_SAVES}")
        }

        fn lane(&self, _: &LaneName) -> Result<LaneRecord, StoreError> {
            unreachable!("{ONLY_SAVES}")
        }

        fn lanes(&self) -> Result<Vec<(LaneName, LaneRecord)>, StoreError> {
            unreachable!("{ONLY_SAVES}")
        }

        fn park(&self, _: LaneId, _: Park) -> BoxFuture<'_, Result<Seq, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn load(&self, _: LaneId, _: Seq, _: Window) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn settle(&self, _: LaneId, _: Settlement) -> BoxFuture<'_, Result<(), StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn bury(&self, _: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn dead(&self, _: DeadFilter) -> BoxFuture<'_, Result<Vec<DeadSummary>, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn dead_letter(&self, _: DeadId) -> BoxFuture<'_, Result<Option<DeadLetter>, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn drop_dead(&self, _: Vec<DeadId>) -> BoxFuture<'_, Result<u64, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn revive(&self, _: Revive) -> BoxFuture<'_, Result<Revived, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn clear_lane(&self, _: LaneId, _: Option<String>) -> BoxFuture<'_, Result<u64, StoreError>> {
            unreachable!("{ONLY_SAVES}")
        }

        fn disk_bytes(&self) -> u64 {
            0
        }

        fn dead_count(&self) -> u64 {
            0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn position_is_shown_only_after_it_is_written() {
        let ledger = Ledger::new();
        let store = Arc::new(Flaky::default());
        let (safe, mut seen) = watch::channel(None);
        let stream = Stream { source: "erp".into(), stream: "slot".into() };
        let unsaved = Arc::new(Note::default());
        let task = tokio::spawn(checkpoint(stream, store.clone(), ledger.confirmed(), safe, unsaved.clone()));
        tokio::task::yield_now().await;
        ledger.open(Some(Position::Postgres(Lsn(16))), 0);
        tokio::time::sleep(CHECKPOINT_RETRY / 2).await;
        assert!(unsaved.get().is_some_and(|reason| reason.contains("another sluicegate")), "it says why");
        seen.changed().await.expect("the task lives");
        assert_eq!(*seen.borrow(), Some(Position::Postgres(Lsn(16))));
        assert_eq!(*store.0.lock().expect("no panic here"), ["0/10", "0/10"], "the failed write was tried again first");
        assert_eq!(unsaved.get(), None);
        task.abort();
    }
}
