//! Looks for new tables while the stream runs, and whether those that it needs are still published, on a thread of its own:
//! changing a publication waits for locks, and reading must not wait with it.

use super::PostgresSettings;
use super::link::{Link, Purpose};
use super::publication::{self, Hold, Occasion};
use super::roll::Roll;
use super::survey;
use super::trouble::Trouble;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often that is: new tables are captured this much later at most, and one that somebody else took out of the publication
/// is missed and put back.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);
const STOP_LOOK: Duration = Duration::from_millis(50);

pub(super) struct Scout {
    done: Arc<AtomicBool>,
    has_changed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scout {
    /// Begins; the first look is `LOOK_EVERY` from now. `publications` are those that the stream reads by this `hold` of the slot.
    pub(super) fn start(
        settings: Arc<PostgresSettings>,
        publications: Vec<String>,
        hold: Hold,
        roll: Arc<Mutex<Roll>>,
    ) -> Self {
        let (done, has_changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (its_done, its_change) = (done.clone(), has_changed.clone());
        let walk = Walk { settings, publications, occasion: Occasion::Look(hold), roll, done: its_done };
        let body = move || walk.walk(&its_change);
        let thread = std::thread::Builder::new().name("pg-scout".into()).spawn(body);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to look for new tables with; they are found at the next connection");
        }
        Self { done, has_changed, thread: thread.ok() }
    }

    /// Whether the stream must be started anew to see a publication.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed.load(Relaxed)
    }

    /// Ends the thread and waits for it: at most as long as a connection attempt takes.
    pub(super) fn stop(&mut self) {
        self.done.store(true, Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("thread that looks for new tables has panicked");
        }
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread has.
struct Walk {
    settings: Arc<PostgresSettings>,
    publications: Vec<String>,
    occasion: Occasion,
    roll: Arc<Mutex<Roll>>,
    done: Arc<AtomicBool>,
}

impl Walk {
    fn walk(&self, has_changed: &AtomicBool) {
        let mut looked_at = Instant::now();
        while !self.done.load(Relaxed) {
            if looked_at.elapsed() < LOOK_EVERY {
                std::thread::sleep(STOP_LOOK);
                continue;
            }
            looked_at = Instant::now();
            match self.look() {
                Ok(found) if found != self.publications => has_changed.store(true, Relaxed),
                Ok(_) => {}
                Err(Trouble::Stopped) => return,
                Err(trouble) => {
                    tracing::warn!(
                        source = self.settings.name,
                        "new tables were looked for: {}",
                        self.settings.judge(trouble).message
                    );
                }
            }
        }
    }

    fn look(&self) -> Result<Vec<String>, Trouble> {
        let mut link = Link::open(&self.settings, Purpose::Sql, &self.done)?;
        let tables = survey::tables(&mut link)?;
        let wanted = survey::wanted(&tables, |name| (self.settings.tables)(name));
        let mut roll = self.roll.lock().expect("no panic while tables are seen");
        let names = publication::bring(&mut link, &self.settings, &wanted, &self.occasion, &mut roll)?;
        link.close(false);
        Ok(names)
    }
}
