//! The configuration, edited while the house runs: looked at once a second, taken when it is free of mistakes and different.
//!
//! A bad edit changes nothing: the old plan goes on, one log line and `/status` say why. A good one restarts the rings within
//! the process; guests stay compiled, the state stays open, the admin address stays bound.

use crate::config::Plan;
use crate::telemetry::Note;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// How often the files are looked at. A change counts when it was the same twice, so that a half-written file is left alone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a look at the files remembers of them.
pub type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Waits for an edit that can be taken, and returns it. `read` is how the files looked when they were read last, over all
/// calls: an edit that comes while the one before is still being taken must not be missed.
pub async fn edited(dir: &Path, current: &Plan, complaint: &Note, read: &Mutex<Seen>) -> Plan {
    let mut last = look(dir, current);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(dir, current);
        let settled = now == std::mem::replace(&mut last, now.clone());
        if !settled || std::mem::replace(&mut *read.lock().expect("no panic while it is compared"), now.clone()) == now
        {
            continue;
        }
        match super::read(dir) {
            Err(mistakes) => refuse(complaint, format!("the edited configuration is not taken, the old one goes on:\n{mistakes}")),
            Ok(plan) if plan.host != current.host => refuse(
                complaint,
                "the edited configuration is not taken, the old one goes on: [host] changes with the next start of the \
                 program, not while it runs"
                    .to_owned(),
            ),
            Ok(plan) if plan == *current => {
                if complaint.get().is_some() {
                    info!("the configuration is mended, and as it was before: taken");
                }
                complaint.clear();
            }
            Ok(plan) => {
                complaint.clear();
                info!("the configuration was edited; taking it");
                return plan;
            }
        }
    }
}

/// Logs the reason and keeps it for `/status`.
pub fn refuse(complaint: &Note, reason: String) {
    warn!("{reason}");
    complaint.set(reason);
}

/// Every TOML file of the folder and of its pipelines, and what else the plan was read from.
fn look(dir: &Path, plan: &Plan) -> Seen {
    let mut files = plan.files.clone();
    for folder in std::iter::once(dir.to_owned()).chain(folders(dir)) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.extend(entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml")));
    }
    let stamp = |path: PathBuf| {
        let meta = std::fs::metadata(&path).ok()?;
        Some((path, (meta.len(), meta.modified().ok())))
    };
    files.into_iter().filter_map(stamp).collect()
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HOST: &str = "[source.erp]\nkind = \"postgres\"\nurl = \"postgres://cdc@127.0.0.1/erp\"\n";

    fn pipeline(timeout: &str) -> String {
        format!(
            "sources = [\"erp\"]\ntables = [\"public.t\"]\n[target.a]\nkind = \"http\"\nurl = \"http://127.0.0.1:1/\"\n\
             timeout = \"{timeout}\"\n[[route]]\nname = \"r\"\nto = \"a\"\n"
        )
    }

    #[tokio::test(start_paused = true)]
    async fn bad_edit_is_refused_and_said_and_a_good_one_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("p/pipeline.toml");
        fs::create_dir(dir.path().join("p")).expect("a folder");
        fs::write(dir.path().join("sluicegate.toml"), HOST).expect("write");
        fs::write(&file, pipeline("2s")).expect("write");
        let plan = crate::config::load(dir.path(), &|_| None).unwrap_or_else(|m| panic!("{m}"));
        let (complaint, read) = (Note::default(), Mutex::default());
        let waiting = edited(dir.path(), &plan, &complaint, &read);
        tokio::pin!(waiting);
        let quiet = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        tokio::select! { _ = &mut waiting => panic!("nothing was edited"), () = quiet(5) => {} }
        fs::write(&file, pipeline("2 parsecs")).expect("write");
        tokio::select! { _ = &mut waiting => panic!("a bad edit was taken"), () = quiet(5) => {} }
        assert!(complaint.get().expect("it says so").contains("parsecs"));
        fs::write(&file, pipeline("30s")).expect("write");
        let taken = waiting.await;
        assert_eq!(taken.pipelines[0].targets[0].members[0].timeout, Duration::from_secs(30));
        assert_eq!(complaint.get(), None, "what is complained of is gone");
        // While the house restarts with it, somebody edits again.
        fs::write(&file, pipeline("4s")).expect("write");
        let taken = edited(dir.path(), &taken, &complaint, &read).await;
        assert_eq!(taken.pipelines[0].targets[0].members[0].timeout, Duration::from_secs(4));
        // One that was read and could not be started is not tried again and again.
        let waiting = edited(dir.path(), &plan, &complaint, &read);
        tokio::select! { _ = waiting => panic!("it is tried again"), () = quiet(5) => {} }
    }
}
