//! A process that is killed in the middle of its transactions: what was answered is there, and nobody calls the state damaged.

use crate::history::{ALL, lane_name};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::change::{Content, Message, MessageId, Origin};
use sluicegate::store::{Carried, Park, Seq, Settlement, SqliteStore, Store};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const KILLS: u32 = 15;
/// Set for the process that is killed: the folder of its state.
const CHILD: &str = "SLUICEGATE_TEST_KILLED_STATE";
const MESSAGES: i64 = 20;

/// In the process that is killed: parks twenty, says so, takes ten of them away.
async fn live(folder: &Path) {
    let store = SqliteStore::open(folder).expect("whole after a kill");
    let lane = store.lane(&lane_name(0)).expect("a lane").id;
    loop {
        let message = |n: i64| -> Message {
            let id = MessageId(format!("m{n}").into());
            Content { body: vec![b'x'; 700].into(), ..Content::new(id, "k".into(), Origin::default()) }.into()
        };
        let carried = (0..MESSAGES).map(|n| Carried { message: message(n), attempts: 0, arrived_us: 0 });
        let first = store.park(lane, Park { messages: carried.collect(), marks: Vec::new() }).await.expect("parked");
        // The pipe holds it when this process is gone.
        let mut out = std::io::stdout().lock();
        writeln!(out, "parked {}", first.0).and_then(|()| out.flush()).expect("somebody reads");
        drop(out);
        let over = (first.0..first.0 + MESSAGES / 2).map(Seq).collect();
        store.settle(lane, Settlement { over, ..Settlement::default() }).await.expect("settled");
    }
}

#[test]
fn killed_process_leaves_what_it_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Ok(folder) = std::env::var(CHILD) {
        return runtime.block_on(live(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = SmallRng::seed_from_u64(0x5eed);
    let mut answered = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this test's program"))
            .args(["--exact", "kill::killed_process_leaves_what_it_answered", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(random.random_range(50..400)));
        child.kill().expect("killed");
        let output = child.wait_with_output().expect("its words");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let parked = text.lines().filter_map(|line| line.split_once("parked ")?.1.trim().parse::<i64>().ok());
        answered = parked.max().unwrap_or(answered);
        let store = SqliteStore::open(folder.path()).expect("whole after a kill");
        let lane = store.lane(&lane_name(0)).expect("a lane");
        let loaded = runtime.block_on(store.load(lane.id, Seq(0), ALL)).expect("loaded");
        let there: Vec<i64> = loaded.iter().map(|loaded| loaded.seq.0).collect();
        // Those of the last one, and half of each before it.
        let kept = |first: i64| (first + MESSAGES / 2..first + MESSAGES).all(|seq| there.binary_search(&seq).is_ok());
        let firsts: Vec<i64> = (0..).map(|n| 1 + n * MESSAGES).take_while(|first| *first <= answered).collect();
        assert!(firsts.iter().all(|first| kept(*first)), "up to {answered} was answered, and there is {there:?}");
        assert_eq!(there.len() as u64, lane.parked);
    }
    assert!(answered > 20 * MESSAGES, "only {answered} messages were parked: that is no load");
}
