//! Who moves what was written from the log into the database, and when.
//!
//! SQLite would do it within a commit, and make that one a hundred times slower than its neighbours. Here the reader's thread does
//! it beside the commits; the writer only does what came in the meantime, so that it can begin the log anew and the log stays short.

use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tracing::warn;

/// Pages of the log from which on it is worth it: 16 MiB.
const PAGES_DUE: usize = 4_096;
/// Pages of a log that nobody keeps short: somebody else reads the file and does not end. 256 MiB.
const PAGES_ALARM: usize = 16 * PAGES_DUE;
/// Pages that the writer moves in a few milliseconds: 1 MiB. While many more are left the reader goes on.
const PAGES_FEW: usize = 256;
/// A disk that is slower than what is written is not waited for.
const PASSES_MAX: usize = 4;
/// A short log is moved after this time too, so that the next start has little to read.
pub(super) const MOVE_EVERY: Duration = Duration::from_secs(30);

/// What reader and writer tell each other about the log.
#[derive(Default)]
pub(super) struct Wal {
    /// As long as the log was after the last commit.
    pages: AtomicUsize,
    /// The reader was told.
    is_due: AtomicBool,
    /// The reader did its part.
    is_moved: AtomicBool,
    has_warned: AtomicBool,
}

impl Wal {
    /// The writer's part, after a commit that left so many pages in the log.
    pub(super) fn committed(&self, pages: usize) {
        self.pages.store(pages, Relaxed);
    }

    /// The writer's part, between two transactions. Whether the reader must be woken.
    pub(super) fn help(&self, connection: &Connection) -> bool {
        if self.is_moved.swap(false, Relaxed) {
            move_log(connection);
            self.is_due.store(false, Relaxed);
        }
        let pages = self.pages.load(Relaxed);
        if pages >= PAGES_ALARM && !self.has_warned.swap(true, Relaxed) {
            warn!(pages, "the state's log grows: somebody reads the file with sqlite3, or the disk is too slow");
        }
        pages >= PAGES_DUE && !self.is_due.swap(true, Relaxed)
    }

    /// The reader's part.
    pub(super) fn move_most(&self, connection: &Connection) {
        for _ in 0..PASSES_MAX {
            let moved = move_log(connection);
            if self.pages.load(Relaxed).saturating_sub(moved) <= PAGES_FEW {
                break;
            }
        }
        self.is_moved.store(true, Relaxed);
    }
}

/// How many of the log's pages are in the database now.
fn move_log(connection: &Connection) -> usize {
    // Passive: it waits for nobody, and what it leaves is moved next time. A disk that fails here fails at the next commit too,
    // where somebody is told.
    let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(2));
    moved.ok().and_then(|moved| usize::try_from(moved).ok()).unwrap_or(0)
}
