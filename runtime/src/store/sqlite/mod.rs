//! The store on SQLite: one file, one owner, one thread that writes and one that reads.
//!
//! ```text
//!   park, settle, save … ──▶ writer ──▶ state.db-wal ──(moved by the reader's thread)──▶ state.db
//!   load, dead … ──────────▶ reader ◀──────────┴──────────────────────────────────────────┘
//! ```
//!
//! Both threads know nothing of an async runtime: whoever asks may wait on any.

mod books;
mod codec;
mod desk;
mod first_page;
mod format;
mod inspect;
mod letter;
mod open;
mod reader;
mod rows;
mod salvage;
mod schema;
mod seal;
mod tally;
mod trouble;
mod wal;
mod walk;
mod writer;

#[cfg(test)]
mod dead_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod tests;

use super::{
    Checkpoint, DeadFilter, DeadId, DeadLetter, DeadSummary, LaneId, LaneName, LaneRecord, Loaded, Park, Revive,
    Revived, Seq, Settlement, Store, StoreError, Window,
};
use desk::Desk;
use futures_util::future::BoxFuture;
use letter::{Letter, Parcel};
use reader::{Question, Reader};
pub use salvage::Salvage;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};
use trouble::Trouble;
use writer::{Order, Outlives};

/// The state in a folder of its own.
pub struct SqliteStore {
    path: PathBuf,
    queue: Mutex<Queue>,
    /// The number of the last order that was answered.
    answered: watch::Receiver<u64>,
    /// How many dead letters there are.
    dead: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    /// Held as long as this store is open; the system releases it after a crash.
    _owner: File,
}

/// The ways to the two threads; none of it is left when the store closes. No limit: who asks waits for the answer, so that there
/// are a few orders for each lane and each source.
struct Queue {
    writer: Option<Sender<Order>>,
    reader: Option<Sender<Question>>,
    /// Counts the orders.
    number: u64,
    /// By lane its last order: what is read for it must see that one done.
    last: HashMap<LaneId, u64>,
}

/// What is asked of the writer.
struct Wish {
    outlives: Outlives,
    /// Whose order it keeps.
    lane: Option<LaneId>,
    rows: usize,
}

impl Wish {
    const fn new(outlives: Outlives, rows: usize) -> Self {
        Self { outlives, lane: None, rows }
    }

    const fn of(lane: LaneId, outlives: Outlives, rows: usize) -> Self {
        Self { outlives, lane: Some(lane), rows }
    }
}

impl SqliteStore {
    /// Opens or creates the state in `folder`.
    ///
    /// # Errors
    /// If the folder is not usable, another process owns it, or the file is damaged or from a newer version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        open::open(folder)
    }

    /// Makes a new state of everything in a damaged one that is readable and whole, and moves the damaged files aside. What
    /// [`SqliteStore::open`] calls damaged can be opened after it.
    ///
    /// # Errors
    /// If the folder is not usable, another process owns it, or there is no room for the new state; the damaged one is then as it was.
    pub fn salvage(folder: &Path) -> Result<Salvage, StoreError> {
        salvage::salvage(folder)
    }

    /// Removes the checkpoint of a source, damaged or not, so that it begins anew at the next start.
    ///
    /// # Errors
    /// If the state can not be written.
    pub fn forget(&self, source: &str, stream: &str) -> Result<(), StoreError> {
        let (source, stream) = (source.to_owned(), stream.to_owned());
        self.write_now(&Wish::new(Outlives::Power, 1), move |desk| desk.forget(&source, &stream))
    }

    /// Whether a process has the state in this folder. Makes nothing, and waits for nobody.
    pub fn is_held(folder: &Path) -> bool {
        open::Files::new(folder).is_held()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it puts an order into the queue")
    }

    fn order<T: Send + 'static>(
        &self,
        wish: &Wish,
        ask: impl FnOnce(&mut Desk<'_>) -> Result<T, Trouble> + Send + 'static,
        reply: impl FnOnce(Result<T, Trouble>) + Send + 'static,
    ) {
        let mut queue = self.queue();
        queue.number += 1;
        let number = queue.number;
        if let Some(lane) = wish.lane {
            queue.last.insert(lane, number);
        }
        if let Some(writer) = &queue.writer {
            // A writer that is gone drops the reply, and with it who waits is told.
            let _ =
                writer.send(Order { outlives: wish.outlives, rows: wish.rows, number, work: writer::work(ask, reply) });
        }
    }

    /// In the queue before this returns: orders are done as they were asked, not as they are waited for.
    fn write<T: Send + 'static>(
        &self,
        wish: &Wish,
        ask: impl FnOnce(&mut Desk<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.order(wish, ask, move |result| {
            // Who asked may have gone.
            let _ = reply.send(result);
        });
        Box::pin(async move { answer.await.unwrap_or(Err(Trouble::Stopped)).map_err(|trouble| trouble.at(&self.path)) })
    }

    fn write_now<T: Send + 'static>(
        &self,
        wish: &Wish,
        ask: impl FnOnce(&mut Desk<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.order(wish, ask, move |result| {
            let _ = reply.send(result);
        });
        answer.recv().unwrap_or(Err(Trouble::Stopped)).map_err(|trouble| trouble.at(&self.path))
    }

    /// Once the order of this number is done.
    fn read<T: Send + 'static>(
        &self,
        behind: u64,
        ask: impl FnOnce(&mut Reader) -> Result<T, Trouble> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let mut answered = self.answered.clone();
        Box::pin(async move {
            let stopped = || Trouble::Stopped.at(&self.path);
            answered.wait_for(|number| *number >= behind).await.map_err(|_| stopped())?;
            let (reply, answer) = oneshot::channel();
            let question = Question::Read(Box::new(move |reader| {
                let _ = reply.send(ask(reader));
            }));
            if let Some(reader) = &self.queue().reader {
                let _ = reader.send(question);
            }
            answer.await.unwrap_or(Err(Trouble::Stopped)).map_err(|trouble| trouble.at(&self.path))
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        let mut queue = self.queue();
        (queue.writer, queue.reader) = (None, None);
        drop(queue);
        for thread in self.threads.drain(..) {
            // A panic was printed where it happened; there is nobody left to be told.
            let _ = thread.join();
        }
    }
}

impl Store for SqliteStore {
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError> {
        let (source, stream) = (source.to_owned(), stream.to_owned());
        self.write_now(&Wish::new(Outlives::Process, 0), move |desk| desk.checkpoint(&source, &stream))
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), StoreError>> {
        self.write(&Wish::new(Outlives::Power, 1), move |desk| desk.save(&checkpoint))
    }

    fn forget_marks(&self, source: &str) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.write_now(&Wish::new(Outlives::Power, 1), move |desk| desk.forget_marks(&source))
    }

    fn lane(&self, name: &LaneName) -> Result<LaneRecord, StoreError> {
        let name = name.clone();
        // A lane that is forgotten had nothing parked, or that would have outlived it.
        self.write_now(&Wish::new(Outlives::Process, 1), move |desk| desk.lane(&name))
    }

    fn lanes(&self) -> Result<Vec<(LaneName, LaneRecord)>, StoreError> {
        self.write_now(&Wish::new(Outlives::Process, 0), |desk| desk.lanes())
    }

    fn park(&self, lane: LaneId, park: Park) -> BoxFuture<'_, Result<Seq, StoreError>> {
        let parcels: Vec<Parcel> = park.messages.into_iter().map(Parcel::new).collect();
        let marks = park.marks;
        let wish = Wish::of(lane, Outlives::Power, parcels.len() + marks.len());
        self.write(&wish, move |desk| desk.park(lane, &parcels, &marks))
    }

    fn load(&self, lane: LaneId, after: Seq, window: Window) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        let behind = self.queue().last.get(&lane).copied().unwrap_or(0);
        self.read(behind, move |reader| reader.load(lane, after, window))
    }

    fn settle(&self, lane: LaneId, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>> {
        let Settlement { over, dead, superseded } = settlement;
        let is_removal = dead.is_empty() && superseded.is_empty();
        let outlives = if is_removal { Outlives::Process } else { Outlives::Power };
        let letters: Vec<Letter> = dead.into_iter().map(Letter::new).collect();
        let wish = Wish::of(lane, outlives, over.len() + letters.len() + superseded.len());
        self.write(&wish, move |desk| desk.settle(lane, &over, &letters, &superseded))
    }

    fn bury(&self, dead: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), StoreError>> {
        let letters: Vec<Letter> = dead.into_iter().map(Letter::new).collect();
        self.write(&Wish::new(Outlives::Power, letters.len()), move |desk| desk.bury(&letters))
    }

    fn dead(&self, filter: DeadFilter) -> BoxFuture<'_, Result<Vec<DeadSummary>, StoreError>> {
        let behind = self.queue().number;
        self.read(behind, move |reader| reader.dead(&filter))
    }

    fn dead_letter(&self, id: DeadId) -> BoxFuture<'_, Result<Option<DeadLetter>, StoreError>> {
        let behind = self.queue().number;
        self.read(behind, move |reader| reader.dead_letter(id))
    }

    fn drop_dead(&self, ids: Vec<DeadId>) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.write(&Wish::new(Outlives::Process, ids.len()), move |desk| desk.drop_dead(&ids))
    }

    fn revive(&self, revive: Revive) -> BoxFuture<'_, Result<Revived, StoreError>> {
        self.write(&Wish::new(Outlives::Power, 1), move |desk| desk.revive(revive))
    }

    fn clear_lane(&self, lane: LaneId, reason: Option<String>) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.write(&Wish::of(lane, Outlives::Power, 1), move |desk| desk.clear_lane(lane, reason.as_deref()))
    }

    fn disk_bytes(&self) -> u64 {
        let files = [self.path.clone(), open::log_of(&self.path)];
        files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum()
    }

    fn dead_count(&self) -> u64 {
        self.dead.load(Relaxed)
    }
}
