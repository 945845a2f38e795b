//! Looks for new tables while the stream runs, on a thread of its own: changing a publication waits for locks, and reading
//! must not wait with it.

use super::PostgresSettings;
use super::link::{Link, Purpose};
use super::trouble::Trouble;
use super::{publication, survey};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often new tables are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const STOP_LOOK: Duration = Duration::from_millis(50);

pub(super) struct Scout {
    done: Arc<AtomicBool>,
    has_changed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scout {
    /// Begins; the first look is `LOOK_EVERY` from now. `publications` are those that the stream reads.
    pub(super) fn start(settings: Arc<PostgresSettings>, publications: Vec<String>) -> Self {
        let (done, has_changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (its_done, its_change) = (done.clone(), has_changed.clone());
        let body = move || walk(&settings, &publications, &its_done, &its_change);
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

fn walk(settings: &PostgresSettings, publications: &[String], done: &Arc<AtomicBool>, has_changed: &AtomicBool) {
    let mut looked_at = Instant::now();
    while !done.load(Relaxed) {
        if looked_at.elapsed() < LOOK_EVERY {
            std::thread::sleep(STOP_LOOK);
            continue;
        }
        looked_at = Instant::now();
        match look(settings, done) {
            Ok(found) if found != publications => has_changed.store(true, Relaxed),
            Ok(_) => {}
            Err(Trouble::Stopped) => return,
            Err(trouble) => {
                tracing::warn!(
                    source = settings.name,
                    "new tables were looked for: {}",
                    settings.judge(trouble).message
                );
            }
        }
    }
}

fn look(settings: &PostgresSettings, done: &Arc<AtomicBool>) -> Result<Vec<String>, Trouble> {
    let mut link = Link::open(settings, Purpose::Sql, done)?;
    let tables = survey::tables(&mut link)?;
    let wanted = survey::wanted(&tables, |name| (settings.tables)(name));
    let names = publication::prepare(&mut link, settings, &wanted, publication::Occasion::Look)?;
    link.close(false);
    Ok(names)
}
